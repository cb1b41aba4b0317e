//! The manifests below `jobspath`, and the datafile that lends them its anchors. The jobs of each are
//! read as it comes; its flows are kept, since they may name the jobs of any.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Loader;
use crate::config::diagnostic::quoted;
use crate::config::flows;
use crate::config::jobs::Jobs;
use crate::config::source::{FileId, Span};
use crate::config::walk;
use crate::config::yaml::{Anchors, Item, Value};

/// The top-level keys that make a file a manifest.
const MANIFEST: [&str; 2] = ["jobs", "flows"];

/// What the datafile lends to the manifests.
#[derive(Default)]
pub(super) struct Data {
    anchors: Anchors,
    /// Its top-level keys.
    keys: HashMap<String, Span>,
}

impl Loader {
    pub(super) fn datafile(&mut self, path: &Path, at: Option<Item<'_>>) -> Data {
        let unreadable = Anchors { partial: true, ..Anchors::default() };
        let Some((id, parsed)) = self.parse(path, at, &Anchors::default()) else {
            return Data { anchors: unreadable, ..Data::default() };
        };
        self.tell(id, &parsed);
        let mut keys = HashMap::new();
        if let Some(root) = parsed.root.as_ref().map(Value::item) {
            if !root.is_mapping() && !root.is_null() {
                let message = format!("a datafile is a mapping, not {}", root.kind());
                self.report.error(root, message);
            }
            for (key, _) in root.entries() {
                let Some(name) = key.text() else { continue };
                if MANIFEST.contains(&name) {
                    let message = format!(
                        "{name} in the datafile are not read; a manifest is the place for them"
                    );
                    self.report.warning(key, message);
                }
                keys.insert(name.to_string(), key.node.span);
            }
        }
        Data { anchors: parsed.anchors, keys }
    }

    pub(super) fn manifests(
        &mut self,
        jobspath: &Path,
        at: Item<'_>,
        skip: &[PathBuf],
        data: &Data,
        jobs: &mut Jobs<'_>,
    ) -> Vec<flows::Written> {
        let found = walk::manifests(jobspath, skip);
        for (path, problem) in found.problems {
            if path == jobspath {
                let message = format!("jobspath {} {problem}", quoted(&path.to_string_lossy()));
                self.report.error(at, message);
            } else {
                let id = self.add(&path);
                self.report.error(id, problem);
            }
        }
        for (path, why) in found.ignored {
            let id = self.add(&path);
            self.report.warning(id, why);
        }
        self.trust.directories(&found.watch, &mut self.report);
        self.watch.extend(found.watch);
        let mut flows = Vec::new();
        for path in found.files {
            self.manifest(&path, data, jobs, &mut flows);
        }
        flows
    }

    fn manifest(
        &mut self,
        path: &Path,
        data: &Data,
        jobs: &mut Jobs<'_>,
        flows: &mut Vec<flows::Written>,
    ) {
        let id = self.add(path);
        if let Err(problem) = self.report.sources.read(id) {
            self.report.error(problem.span, problem.message);
            return;
        }
        // Without the words there is no such key: the file is not ours, whatever else it is.
        let before = (jobs.python.len(), flows.len());
        let text = self.report.sources.text(id);
        if MANIFEST.iter().any(|key| text.contains(key)) {
            self.read_manifest(id, path, data, jobs, flows);
        }
        // Of a Python task, and of a flow, it shows later what is wrong.
        if (jobs.python.len(), flows.len()) == before {
            self.report.sources.release(id);
        }
    }

    fn read_manifest(
        &mut self,
        id: FileId,
        path: &Path,
        data: &Data,
        jobs: &mut Jobs<'_>,
        flows: &mut Vec<flows::Written>,
    ) {
        let parsed = self.compose(id, &data.anchors);
        let root = parsed.root.as_ref().map(Value::item);
        let [jobs_here, flows_here] = MANIFEST.map(|name| {
            root.and_then(|root| root.entries().find(|(key, _)| key.text() == Some(name)))
        });
        let is_ours = jobs_here.is_some() || flows_here.is_some();
        if !is_ours && !parsed.problems.iter().any(|problem| problem.syntax) {
            return;
        }
        self.files += 1;
        self.trust.file(id, &mut self.report);
        self.tell(id, &parsed);
        let Some(root) = root.filter(|_| is_ours) else { return };
        for (key, _) in root.entries() {
            let Some(name) = key.text() else { continue };
            if let Some(first) = data.keys.get(name) {
                let place = self.report.position(*first);
                let message = format!(
                    "{} is a key of the datafile too ({place}); the manifest's is used",
                    quoted(name)
                );
                self.report.warning(key, message);
            }
        }
        if let Some((_, value)) = jobs_here {
            jobs.read(value, path, &mut self.report);
        }
        if let Some(root) = parsed.root.clone().filter(|_| flows_here.is_some()) {
            flows.push(flows::Written { path: path.to_path_buf(), root });
        }
    }
}

//! Reads all the files of a configuration and puts it together. How manifests are found and read
//! is told in `manifests`.

mod manifests;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::Config;
use super::compose::{self, is_secret_key};
use super::defaults::Defaults;
use super::diagnostic::{Diagnostic, Severity, quoted};
use super::fields::expand_home;
use super::flows;
use super::jobs::Jobs;
use super::nodes::{Context, Nodes};
use super::report::Report;
use super::settings;
use super::source::FileId;
use super::tasks::Asking;
use super::trust::{self, Trust};
use super::yaml::{Anchors, Item, MAX_ALL_NODES, MAX_NODES, Parsed, Value};
use crate::inspect;
use crate::job::Source;
use manifests::Data;

/// A configuration without errors.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    pub warnings: Vec<Diagnostic>,
    /// How many files it was read from.
    pub files: usize,
    /// Where the tasks are defined that are Python's, by their jobs.
    pub tasks: BTreeMap<String, Source>,
}

/// Loads the first of the comma-separated `candidates` that is a file, `~` expanded, or says
/// everything that is wrong with it.
///
/// Python tasks are looked for by processes that are started from here: to be called from the main
/// thread.
pub fn load(candidates: &str) -> Result<Loaded, Vec<Diagnostic>> {
    load_asking(candidates, &mut inspect::ask_within)
}

/// As [`load`], without looking for Python tasks: they are taken for right.
pub fn load_unasked(candidates: &str) -> Result<Loaded, Vec<Diagnostic>> {
    load_asking(candidates, &mut |_, _| Err(io::Error::other("nobody was asked")))
}

/// As [`load`]; what is asked about Python tasks is asked of `ask`.
pub fn load_asking(candidates: &str, ask: Asking<'_>) -> Result<Loaded, Vec<Diagnostic>> {
    let file = find(candidates).map_err(|none| vec![*none])?;
    let mut loader = Loader::new(&file);
    let config = loader.load(ask);
    let Loader { report, files, tasks, .. } = loader;
    let failed = report.has_errors();
    let diagnostics = report.finish();
    match config {
        Some(config) if !failed => Ok(Loaded { config, warnings: diagnostics, files, tasks }),
        Some(_) | None => Err(diagnostics),
    }
}

/// As [`load`], with the diagnostics printed on stderr; exit code 1 when there is an error.
pub fn load_or_report(candidates: &str) -> Result<Config, ExitCode> {
    match load(candidates) {
        Ok(loaded) => {
            print(&loaded.warnings);
            Ok(loaded.config)
        }
        Err(diagnostics) => {
            print(&diagnostics);
            Err(ExitCode::FAILURE)
        }
    }
}

/// On stderr; in colour on a terminal, unless NO_COLOR is set.
pub fn print(diagnostics: &[Diagnostic]) {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let mut stderr = io::stderr().lock();
    let colour = !plain && stderr.is_terminal();
    for diagnostic in diagnostics {
        // Nobody is left to tell when stderr is gone.
        let _ = stderr.write_all(diagnostic.render(colour).as_bytes());
    }
}

pub(super) fn find(candidates: &str) -> Result<PathBuf, Box<Diagnostic>> {
    let paths = candidates.split(',').map(str::trim).filter(|c| !c.is_empty());
    let mut expanded = paths.map(|path| expand_home(path).unwrap_or_else(|_| path.into()));
    expanded.find(|path| path.is_file()).ok_or_else(|| {
        let many = candidates.contains(',');
        let message = if many { "none of these is a file" } else { "there is no such file" };
        Box::new(Diagnostic {
            severity: Severity::Error,
            file: candidates.into(),
            line: 0,
            column: 0,
            message: message.to_string(),
            excerpt: None,
            notes: vec!["write a configuration there, or name another with -c".to_string()],
        })
    })
}

struct Loader {
    /// Absolute.
    file: PathBuf,
    /// What is left out of the paths shown, when the file was named relative to it.
    here: Option<PathBuf>,
    report: Report,
    trust: Trust,
    watch: Vec<PathBuf>,
    files: usize,
    /// How many more values the files may hold.
    room: usize,
    tasks: BTreeMap<String, Source>,
}

impl Loader {
    fn new(file: &Path) -> Self {
        let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf());
        Loader {
            here: std::env::current_dir().ok().filter(|_| file.is_relative()),
            file: absolute,
            report: Report::default(),
            trust: Trust::new(),
            watch: Vec::new(),
            files: 0,
            room: MAX_ALL_NODES,
            tasks: BTreeMap::new(),
        }
    }

    /// Goes as far as it can, so that all mistakes are found.
    fn load(&mut self, ask: Asking<'_>) -> Option<Config> {
        let path = self.file.clone();
        let (id, parsed) = self.parse(&path, None, &Anchors::default())?;
        self.tell(id, &parsed);
        let root = match &parsed.root {
            Some(root) => root.item(),
            None if parsed.anchors.partial => return None,
            None => {
                self.report.error(id, "is empty; it needs \"nodesfile\" and \"jobspath\"");
                return None;
            }
        };
        let main = settings::read(root, &path, &mut self.report)?;
        let settings = main.settings;
        // A certificate that was renewed.
        if let Some(tls) = settings.listen.as_ref().and_then(|listen| listen.tls.as_ref()) {
            for path in [&tls.certificate, &tls.key] {
                self.watch.push(path.clone());
                self.watch.extend(path.canonicalize());
            }
        }

        let context = Context {
            base: path.parent().unwrap_or(Path::new("/")),
            file: &settings.nodesfile,
            ssh_options: &settings.ssh_options,
        };
        let nodes = self.nodes(main.nodesfile, &context);
        let data = match &settings.datafile {
            Some(datafile) => self.datafile(datafile, main.datafile),
            None => Data::default(),
        };
        let zone = settings.timezone.as_deref();
        let (base, report) = (context.base, &mut self.report);
        let defaults = Defaults::read(main.defaults, zone, &settings.python, base, report);
        let mut jobs = Jobs::new(&nodes, &defaults);
        if let Some(item) = main.jobspath {
            let skip = [Some(&path), Some(&settings.nodesfile), settings.datafile.as_ref()];
            let skip: Vec<_> =
                skip.into_iter().flatten().filter_map(|p| p.canonicalize().ok()).collect();
            let written = self.manifests(&settings.jobspath, item, &skip, &data, &mut jobs);
            flows::read(&written, &mut jobs, &mut self.report);
        }
        let Jobs { by_name: jobs, python: tasks, .. } = jobs;
        let python = main.python.map(|item| (item.into(), settings.python.interpreter.as_str()));
        self.tasks = tasks.check(ask, python, &mut self.trust, &mut self.report);
        std::mem::replace(&mut self.trust, Trust::new()).finish(&mut self.report);
        self.watch.sort();
        self.watch.dedup();
        Some(Config {
            settings,
            nodes: nodes.by_name,
            jobs,
            watch: std::mem::take(&mut self.watch),
        })
    }

    fn nodes(&mut self, at: Option<Item<'_>>, context: &Context<'_>) -> Nodes {
        let Some(at) = at else { return Nodes::unknown() };
        let Some((id, parsed)) = self.parse(context.file, Some(at), &Anchors::default()) else {
            return Nodes::unknown();
        };
        for problem in &parsed.problems {
            self.report.error_unquoted(problem.span, problem.message.clone());
        }
        if parsed.anchors.partial {
            return Nodes::unknown();
        }
        self.report.sources.guard(id);
        let nodes = Nodes::read(parsed.root.as_ref().map(Value::item), context, &mut self.report);
        trust::readable_secret(id, nodes.literal, &mut self.report);
        nodes
    }

    fn add(&mut self, path: &Path) -> FileId {
        let shown = self.here.as_deref().and_then(|here| path.strip_prefix(here).ok());
        self.report.sources.add(shown.unwrap_or(path))
    }

    /// Reads and parses; a file that cannot be read at all is told where it is named.
    fn parse(
        &mut self,
        path: &Path,
        named: Option<Item<'_>>,
        shared: &Anchors,
    ) -> Option<(FileId, Parsed)> {
        let id = self.add(path);
        self.watch.push(path.to_path_buf());
        self.watch.extend(path.canonicalize());
        self.files += 1;
        if let Err(problem) = self.report.sources.read(id) {
            match named {
                Some(item) if problem.span.line == 0 => {
                    let shown = quoted(&self.report.sources.shown(id).to_string_lossy());
                    self.report.error(item, format!("{shown} {}", problem.message));
                }
                // In a nodes file every line may be a secret.
                Some(_) | None => self.report.error_unquoted(problem.span, problem.message),
            }
            return None;
        }
        self.trust.file(id, &mut self.report);
        let parsed = self.compose(id, shared);
        Some((id, parsed))
    }

    fn compose(&mut self, id: FileId, shared: &Anchors) -> Parsed {
        let room = self.room.min(MAX_NODES);
        let Report { sources, hints, .. } = &mut self.report;
        let parsed = compose::parse(id, sources.text(id), shared, room, hints);
        self.room -= room - parsed.room;
        parsed
    }

    /// What the YAML itself has wrong.
    fn tell(&mut self, id: FileId, parsed: &Parsed) {
        for secret in &parsed.secrets {
            self.report.sources.hide(*secret);
        }
        for problem in &parsed.problems {
            let mut message = problem.message.clone();
            if let Some(subject) = &problem.subject {
                message = format!("{message} {subject}");
            }
            match problem.first {
                Some(first) => {
                    let note = format!("first at {}", self.report.position(first));
                    self.report.error_noting(problem.span, message, note);
                }
                None if problem.syntax && is_secret_key(self.report.sources.text(id)) => {
                    self.report.error_unquoted(problem.span, message);
                }
                None => self.report.error(problem.span, message),
            }
        }
    }
}

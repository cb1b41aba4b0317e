//! Finds the manifests under `jobspath`: every `*.yaml`, directories within directories.
//!
//! Symlinks are followed. A file or directory is known by its canonical path and visited once,
//! so that loops and second links do no harm.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::diagnostic::quoted;
use super::source::plain;

/// More than this in all, and it is not a directory of manifests.
const MAX_ENTRIES: usize = 50_000;

#[derive(Default)]
pub struct Found {
    /// As reached from `jobspath`, in the order of their names.
    pub files: Vec<PathBuf>,
    /// Whose change asks for a reload: directories, and symlinks with what they point to.
    pub watch: Vec<PathBuf>,
    /// A path, and what is wrong with it.
    pub problems: Vec<(PathBuf, String)>,
    /// What is not even looked at, and why.
    pub ignored: Vec<(PathBuf, String)>,
    seen: HashSet<PathBuf>,
    entries: usize,
}

/// `skip` are canonical paths of files that are no manifests: loom.yaml and its like.
pub fn manifests(jobspath: &Path, skip: &[PathBuf]) -> Found {
    let mut found = Found { seen: skip.iter().cloned().collect(), ..Found::default() };
    found.directory(jobspath);
    found
}

impl Found {
    fn directory(&mut self, root: &Path) {
        let mut waiting = vec![root.to_path_buf()];
        while let Some(directory) = waiting.pop() {
            if !self.visit(&directory) {
                continue;
            }
            let entries = match sorted(&directory) {
                Ok(entries) => entries,
                Err(e) => {
                    self.problems.push((directory, format!("cannot be read: {}", plain(&e))));
                    continue;
                }
            };
            self.entries += entries.len();
            if self.entries > MAX_ENTRIES {
                let message =
                    format!("more than {MAX_ENTRIES} entries; is this the right directory?");
                self.problems.push((root.to_path_buf(), message));
                self.files.clear();
                return;
            }
            let mut below = Vec::new();
            for path in entries {
                self.entry(path, &mut below);
            }
            waiting.extend(below.into_iter().rev());
        }
        self.files.sort();
    }

    fn entry(&mut self, path: PathBuf, below: &mut Vec<PathBuf>) {
        let named = path.extension().is_some_and(|e| e == "yaml");
        let is_link = path.is_symlink();
        match fs::metadata(&path) {
            // Version control's own; a manifest is not kept there.
            Ok(meta) if meta.is_dir() && is_hidden(&path) => {}
            Ok(meta) if meta.is_dir() => below.push(path),
            Ok(_) if !named => {}
            Ok(meta) if !meta.is_file() => {
                self.ignored.push((path, "not a regular file; ignored".to_string()));
            }
            Ok(_) => {
                let canonical = path.canonicalize().unwrap_or_else(|_| path.clone());
                if is_link {
                    self.watch.extend([path.clone(), canonical.clone()]);
                }
                if self.seen.insert(canonical) {
                    self.files.push(path);
                }
            }
            Err(e) if named && path.symlink_metadata().is_ok() && !is_hidden(&path) => {
                let problem = match fs::read_link(&path) {
                    Ok(target) => {
                        let target = quoted(&target.to_string_lossy());
                        format!("links to {target}, which cannot be read: {}", plain(&e))
                    }
                    Err(_) => format!("cannot be read: {}", plain(&e)),
                };
                self.problems.push((path, problem));
            }
            // A dangling link of another name, an editor's lock, an entry that has just vanished.
            Err(_) => {}
        }
    }

    /// Whether this directory is met for the first time.
    fn visit(&mut self, directory: &Path) -> bool {
        let canonical = directory.canonicalize().unwrap_or_else(|_| directory.to_path_buf());
        if directory.is_symlink() {
            self.watch.push(directory.to_path_buf());
        }
        let first = self.seen.insert(canonical.clone());
        if first {
            self.watch.push(canonical);
        }
        first
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn sorted(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        paths.push(entry?.path());
        if paths.len() > MAX_ENTRIES {
            break;
        }
    }
    paths.sort();
    Ok(paths)
}

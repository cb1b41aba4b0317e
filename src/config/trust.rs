//! Who else could change a file that is about to be obeyed, or read a password in it.
//!
//! Loom acts with its user's keys on every node. For root, a file that the world can write, or
//! that root owns but lends to another group, is therefore an error; a file that belongs to
//! somebody else is a warning, since that is how a checkout in a container or under `sudo`
//! looks.

use std::collections::HashSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::report::Report;
use super::source::{FileId, Span};

/// Collects what is to be told once for all files.
pub struct Trust {
    root: bool,
    foreign: Option<(FileId, u32)>,
    others: usize,
    /// Something must not be obeyed.
    refused: bool,
    /// What was looked at by its path.
    seen: HashSet<PathBuf>,
}

impl Trust {
    pub fn new() -> Self {
        let root = nix::unistd::geteuid().is_root();
        Trust { root, foreign: None, others: 0, refused: false, seen: HashSet::new() }
    }

    /// Whether there is a file that must not be obeyed: nothing that was read may be run.
    pub fn refuses(&self) -> bool {
        self.refused
    }

    /// Of a file that was read.
    pub fn file(&mut self, file: FileId, report: &mut Report) {
        let Some(meta) = report.sources.meta(file).filter(|_| self.root) else { return };
        let (problem, owner) = (writable_by_others(meta), meta.uid());
        self.judge(file, problem, owner, report);
    }

    fn judge(
        &mut self,
        file: FileId,
        problem: Option<&'static str>,
        owner: u32,
        report: &mut Report,
    ) {
        if let Some(problem) = problem {
            self.refused = true;
            report.error(file, problem);
        } else if owner != 0 {
            self.others += usize::from(self.foreign.is_some());
            self.foreign.get_or_insert((file, owner));
        }
    }

    /// Of an interpreter that is named by its path, and what is around it. A link's own directory
    /// counts, and the file that it leads to.
    pub fn interpreter(&mut self, name: &str, report: &mut Report) {
        let path = Path::new(name);
        if !self.root || !path.is_absolute() || !self.seen.insert(path.to_path_buf()) {
            return;
        }
        if let Ok(meta) = path.metadata() {
            let file = report.sources.add(path);
            self.judge(file, writable_by_others(&meta), meta.uid(), report);
        }
        self.directories(path.parent().map(Path::to_path_buf).as_slice(), report);
    }

    /// Of a Python module that a task runs, if it lies in one of these directories: what is further
    /// up is the system's. So are the directories between.
    pub fn module(&mut self, path: &Path, within: &[PathBuf], report: &mut Report) {
        let Some(top) = within.iter().find(|top| path.starts_with(top)).filter(|_| self.root)
        else {
            return;
        };
        if !self.seen.insert(path.to_path_buf()) {
            return;
        }
        if let Ok(meta) = path.metadata() {
            let file = report.sources.add(path);
            self.judge(file, writable_by_others(&meta), meta.uid(), report);
        }
        let between = path.ancestors().skip(1).take_while(|dir| *dir != top.as_path());
        let between: Vec<PathBuf> = between.map(Path::to_path_buf).collect();
        self.directories(&between, report);
    }

    /// Whoever can write a directory can put a manifest there, or a module.
    pub fn directories(&mut self, paths: &[PathBuf], report: &mut Report) {
        for path in paths.iter().filter(|_| self.root) {
            if !self.seen.insert(path.clone()) {
                continue;
            }
            if let Some(problem) = directory_problem(path) {
                let file = report.sources.add(path);
                self.refused = true;
                report.error(file, problem);
            }
        }
    }

    pub fn finish(self, report: &mut Report) {
        if let Some((file, owner)) = self.foreign {
            let more = match self.others {
                0 => String::new(),
                others => format!(" (and {others} more of the files)"),
            };
            report.warning(
                file,
                format!("belongs to uid {owner}, who can so have anything done as root{more}"),
            );
        }
    }
}

fn directory_problem(path: &Path) -> Option<&'static str> {
    let meta = path.metadata().ok().filter(Metadata::is_dir)?;
    writable_by_others(&meta)
}

fn writable_by_others(meta: &Metadata) -> Option<&'static str> {
    if meta.mode() & 0o002 != 0 {
        Some("can be written by everybody; root does not obey it: chmod o-w")
    } else if meta.mode() & 0o020 != 0 && meta.uid() == 0 && meta.gid() != 0 {
        Some("can be written by its group; root does not obey it: chmod g-w")
    } else {
        None
    }
}

/// A nodes file with a password in it is for its owner's eyes.
pub fn readable_secret(file: FileId, literal: Option<Span>, report: &mut Report) {
    let Some(literal) = literal else { return };
    let mode = report.sources.meta(file).map_or(0, |meta| meta.mode());
    if mode & 0o044 != 0 {
        let line = literal.line;
        report.warning(
            file,
            format!(
                "holds a password (line {line}) and can be read by others (mode {:04o}): chmod 600",
                mode & 0o7777
            ),
        );
    }
}

//! What the lock's file remembers of the ledger: how many transactions were acknowledged.
//!
//! SQLite takes what it can of a `-wal` that was cut or overwritten, and says nothing of the rest.
//! The count is in the ledger, too, written with each transaction; when the seal knows of more,
//! acknowledged rows are missing. It is written after the commit is on the disk and before the
//! acknowledgement, and is itself not flushed: after a power loss it may know of fewer, never of
//! more.

use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};

use nix::fcntl::Flock;

/// Of a fixed size, so that it needs no room on a disk that has become full.
const SIZE: usize = 128;

/// Locked for as long as somebody writes the ledger.
pub(super) struct Seal {
    file: Flock<File>,
    /// What it said when it was locked.
    pub found: Option<Mark>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// Which ledger is meant: backups have another name.
    pub copy: String,
    pub commits: u64,
    /// The file as an orderly end left it.
    pub closed: Option<Stamp>,
}

/// Tells a file that has not been touched since from one that has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub len: u64,
    /// Seconds and nanoseconds.
    pub modified: (i64, i64),
}

impl Stamp {
    pub fn of(file: &Metadata) -> Stamp {
        Stamp { len: file.len(), modified: (file.mtime(), file.mtime_nsec()) }
    }
}

impl Seal {
    pub fn new(file: Flock<File>) -> Seal {
        let mut text = [0; SIZE];
        let found = file.read_exact_at(&mut text, 0).ok().and_then(|()| parse(&text));
        Seal { file, found }
    }

    /// A failure only means that less would be noticed.
    pub fn set(&self, mark: &Mark) {
        let closed = mark.closed.map_or("open".to_string(), |stamp| {
            format!("closed {} {} {}", stamp.len, stamp.modified.0, stamp.modified.1)
        });
        let text = format!("loom {} {} {closed}", mark.copy, mark.commits);
        let line = format!("{text:<width$}\n", width = SIZE - 1);
        if let Err(e) = self.file.write_all_at(line.as_bytes(), 0) {
            log::debug!("ledger.lock cannot be written: {e}");
        }
    }
}

fn parse(text: &[u8]) -> Option<Mark> {
    let mut words = std::str::from_utf8(text).ok()?.split_ascii_whitespace();
    if words.next()? != "loom" {
        return None;
    }
    let (copy, commits) = (words.next()?.to_string(), words.next()?.parse().ok()?);
    let closed = match words.next()? {
        "closed" => Some(Stamp {
            len: words.next()?.parse().ok()?,
            modified: (words.next()?.parse().ok()?, words.next()?.parse().ok()?),
        }),
        _ => None,
    };
    Some(Mark { copy, commits, closed })
}

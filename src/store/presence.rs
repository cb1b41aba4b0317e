//! Whether the files under the ledger's names are still those that are being written.
//!
//! An open file goes on taking rows after it was deleted, and nobody would ever read them. Only
//! `stat` is used: closing a second descriptor of the file would drop SQLite's locks on it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const NAMES: [&str; 3] = ["ledger.db", "ledger.db-wal", "ledger.db-shm"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    device: u64,
    inode: u64,
    len: u64,
    modified: (i64, i64),
}

pub(super) struct Presence {
    dir: PathBuf,
    last: [Look; 3],
    touched: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// This name is gone, or means another file.
    Moved(&'static str),
    /// Shorter than before, which SQLite may have done itself; [`Presence::lengths`] tells.
    Shorter {
        file: bool,
        log: bool,
    },
}

impl Presence {
    pub fn new(dir: &Path) -> io::Result<Presence> {
        let dir = dir.to_path_buf();
        let [file, log, index] = NAMES.map(|name| look_at(&dir.join(name)));
        Ok(Presence { dir, last: [file?, log?, index?], touched: false })
    }

    /// What has changed since the last look.
    pub fn look(&mut self) -> Change {
        let before = self.last;
        for (last, name) in self.last.iter_mut().zip(NAMES) {
            match look_at(&self.dir.join(name)) {
                Ok(now) if (now.device, now.inode) == (last.device, last.inode) => *last = now,
                Ok(_) | Err(_) => return Change::Moved(name),
            }
        }
        self.touched |= self.last[0].modified != before[0].modified;
        let shorter = |i: usize| self.last[i].len < before[i].len;
        match (shorter(0), shorter(1)) {
            (false, false) => Change::None,
            (file, log) => Change::Shorter { file, log },
        }
    }

    /// What has just changed was our doing.
    pub fn expect(&mut self) {
        if let Ok(now) = look_at(&self.dir.join(NAMES[0])) {
            self.last[0].modified = now.modified;
        }
    }

    /// Whether somebody else has ever written to the ledger's file.
    pub fn touched(&self) -> bool {
        self.touched
    }

    /// Of the ledger and of its log, at the last look.
    pub fn lengths(&self) -> (u64, u64) {
        (self.last[0].len, self.last[1].len)
    }
}

fn look_at(path: &Path) -> io::Result<Look> {
    let found = fs::symlink_metadata(path)?;
    Ok(Look {
        device: found.dev(),
        inode: found.ino(),
        len: found.len(),
        modified: (found.mtime(), found.mtime_nsec()),
    })
}

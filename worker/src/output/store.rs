//! Where a unit's log entries are kept: in memory, then in a file, then in its rotating tail.
//!
//! Half of the limit is for the beginning, in the file itself. What comes after is written to
//! `.tail`, which at a quarter of the limit becomes `.tail.old`, in place of the one before.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use loom::protocol::message::{self, INLINE_OUTPUT};

/// Entries are written in pieces of about this size.
const PIECE: usize = 32 * 1024;

pub struct Store {
    path: PathBuf,
    max: u64,
    /// Entries that are yet to be written; all of them while `file` is `None`.
    pending: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
    file: Option<Growing>,
    part: Part,
    dropped: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    Tail { rotated: bool },
}

struct Growing {
    file: File,
    size: u64,
}

impl Store {
    pub fn new(path: PathBuf, max: u64) -> Store {
        let (pending, ends) = (Vec::new(), Vec::new());
        Store { path, max, pending, ends, file: None, part: Part::Head, dropped: false }
    }

    /// Takes an entry; it is written with the next [`Store::flush`].
    pub fn entry(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.pending);
        self.ends.push(self.pending.len());
    }

    pub fn flush(&mut self) -> io::Result<()> {
        if self.file.is_none() && self.pending.len() <= INLINE_OUTPUT {
            return Ok(());
        }
        let entries = std::mem::take(&mut self.pending);
        let mut from = 0;
        let mut to = 0;
        for end in std::mem::take(&mut self.ends) {
            // Entries stay whole: what no longer fits goes to the next part.
            if self.room() < (end - from) as u64 || to - from > PIECE {
                self.write(&entries[from..to])?;
                from = to;
                if self.room() < (end - from) as u64 {
                    self.next_part()?;
                }
            }
            to = end;
        }
        self.write(&entries[from..to])
    }

    fn room(&self) -> u64 {
        let limit = match self.part {
            Part::Head => self.max / 2,
            Part::Tail { .. } => self.max / 4,
        };
        limit.saturating_sub(self.file.as_ref().map_or(0, |growing| growing.size))
    }

    fn write(&mut self, entries: &[u8]) -> io::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        if self.file.is_none() {
            let parent = self.path.parent().unwrap_or(Path::new("."));
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            self.file = Some(Growing { file: create(&self.path)?, size: 0 });
        }
        let growing = self.file.as_mut().expect("it was just made");
        growing.file.write_all(entries)?;
        growing.size += entries.len() as u64;
        Ok(())
    }

    fn next_part(&mut self) -> io::Result<()> {
        let tail = self.named(".tail");
        self.part = match self.part {
            Part::Head => Part::Tail { rotated: false },
            Part::Tail { rotated } => {
                self.dropped |= rotated;
                fs::rename(&tail, self.named(".tail.old"))?;
                Part::Tail { rotated: true }
            }
        };
        self.file = Some(Growing { file: create(&tail)?, size: 0 });
        Ok(())
    }

    fn named(&self, suffix: &str) -> PathBuf {
        let mut name: OsString = self.path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    }

    pub fn finish(self) -> (message::Output, Option<io::Error>) {
        if self.file.is_none() {
            let inline = if self.pending.len() <= INLINE_OUTPUT { self.pending } else { vec![] };
            return (message::Output { inline, ..Default::default() }, None);
        }
        let error = self.join().err();
        let file = Some(self.path);
        (message::Output { file, truncated: self.dropped, ..Default::default() }, error)
    }

    /// Whole output becomes one file again; else the parts of the tail do.
    fn join(&self) -> io::Result<()> {
        let (tail, old) = (self.named(".tail"), self.named(".tail.old"));
        match self.part {
            Part::Head => Ok(()),
            Part::Tail { rotated: false } => append(&tail, &self.path),
            Part::Tail { rotated: true } if self.dropped => {
                append(&tail, &old)?;
                fs::rename(&old, &tail)
            }
            Part::Tail { rotated: true } => {
                append(&old, &self.path)?;
                append(&tail, &self.path)
            }
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.custom_flags(libc::O_NOFOLLOW).open(path)
}

/// Moves the content of one file to the end of another.
fn append(from: &Path, to: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut to = options.append(true).custom_flags(libc::O_NOFOLLOW).open(to)?;
    io::copy(&mut File::open(from)?, &mut to)?;
    fs::remove_file(from)
}

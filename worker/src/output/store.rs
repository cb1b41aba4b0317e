//! The file of a unit's log entries, and its rotating tail.
//!
//! Half of the limit is for the beginning, in the file itself. What comes after is written to
//! `.tail`, which at a quarter of the limit becomes `.tail.old`, in place of the one before.
//!
//! Each of these begins with a seam: an entry without text whose tag is `P:from=N`, where N counts
//! the bytes of all the entries before it, dropped or not, seams apart. So whoever reads along
//! knows what has gone missing; where nothing has, the seam is left out when the files are joined.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::now;

pub struct Store {
    path: PathBuf,
    max: u64,
    file: Option<Growing>,
    part: Part,
    /// Of entries, in all files.
    written: u64,
    dropped: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    Tail(Rotated),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rotated {
    Never,
    /// The seam of `.tail.old` takes so many bytes.
    Since {
        seam: u64,
    },
}

struct Growing {
    file: File,
    size: u64,
    /// The bytes of its seam.
    seam: u64,
}

impl Store {
    pub fn new(path: PathBuf, max: u64) -> Store {
        Store { path, max, file: None, part: Part::Head, written: 0, dropped: false }
    }

    /// Whole entries, each of which ends with a newline and has no other.
    pub fn append(&mut self, mut entries: &[u8]) -> io::Result<()> {
        while !entries.is_empty() {
            let mut fits = self.fitting(entries);
            if fits == 0 && self.has_entries() {
                self.next_part()?;
                fits = self.fitting(entries);
            }
            if fits == 0 {
                // Longer than a whole part may be.
                fits = memchr::memchr(b'\n', entries).map_or(entries.len(), |at| at + 1);
            }
            let (now, later) = entries.split_at(fits);
            self.write(now)?;
            entries = later;
        }
        Ok(())
    }

    /// The length of the entries that this part has room for.
    fn fitting(&self, entries: &[u8]) -> usize {
        let limit = match self.part {
            Part::Head => self.max / 2,
            Part::Tail(_) => self.max / 4,
        };
        let room = limit.saturating_sub(self.size());
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        match entries.get(..room) {
            None => entries.len(),
            Some(within) => memchr::memrchr(b'\n', within).map_or(0, |at| at + 1),
        }
    }

    fn size(&self) -> u64 {
        self.file.as_ref().map_or(0, |growing| growing.size)
    }

    fn has_entries(&self) -> bool {
        self.file.as_ref().is_some_and(|growing| growing.size > growing.seam)
    }

    fn write(&mut self, entries: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            make_parent(&self.path)?;
            self.file = Some(Growing { file: create(&self.path)?, size: 0, seam: 0 });
        }
        let growing = self.file.as_mut().expect("it was just made");
        growing.file.write_all(entries)?;
        growing.size += entries.len() as u64;
        self.written += entries.len() as u64;
        Ok(())
    }

    fn next_part(&mut self) -> io::Result<()> {
        let tail = self.named(".tail");
        let seam = self.file.as_ref().map_or(0, |growing| growing.seam);
        self.part = match self.part {
            Part::Head => Part::Tail(Rotated::Never),
            Part::Tail(rotated) => {
                self.dropped |= rotated != Rotated::Never;
                fs::rename(&tail, self.named(".tail.old"))?;
                Part::Tail(Rotated::Since { seam })
            }
        };
        let seam = format!("{} stderr P:from={} \n", now(), self.written);
        let mut file = create(&tail)?;
        file.write_all(seam.as_bytes())?;
        let seam = seam.len() as u64;
        self.file = Some(Growing { file, size: seam, seam });
        Ok(())
    }

    fn named(&self, suffix: &str) -> PathBuf {
        let mut name: OsString = self.path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    }

    /// Whether there is a file, and whether something was dropped between its head and its tail.
    pub fn finish(self) -> (Option<PathBuf>, bool, io::Result<()>) {
        if self.file.is_none() {
            return (None, false, Ok(()));
        }
        let joined = self.join();
        (Some(self.path), self.dropped, joined)
    }

    /// Whole output becomes one file again; else the parts of the tail do.
    fn join(&self) -> io::Result<()> {
        let (tail, old) = (self.named(".tail"), self.named(".tail.old"));
        let seam = self.file.as_ref().map_or(0, |growing| growing.seam);
        match self.part {
            Part::Head => Ok(()),
            Part::Tail(Rotated::Never) => append(&tail, seam, &self.path),
            Part::Tail(Rotated::Since { .. }) if self.dropped => {
                append(&tail, seam, &old)?;
                fs::rename(&old, &tail)
            }
            Part::Tail(Rotated::Since { seam: before }) => {
                append(&old, before, &self.path)?;
                append(&tail, seam, &self.path)
            }
        }
    }
}

/// The directories above it, for nobody else to look into.
pub(super) fn make_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(parent)
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.custom_flags(libc::O_NOFOLLOW).open(path)
}

/// Moves what one file has behind its seam to the end of another.
fn append(from: &Path, seam: u64, to: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut to = options.append(true).custom_flags(libc::O_NOFOLLOW).open(to)?;
    let mut source = File::open(from)?;
    source.seek(SeekFrom::Start(seam))?;
    io::copy(&mut source, &mut to)?;
    fs::remove_file(from)
}

//! The directory of all units' output, and the way to the files in it.
//!
//! A name is made of a unit's id alone: whatever a row of the ledger, or a worker, says of paths,
//! nothing outside is opened. Nor is anything through a link, or that is no regular file.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use loom::protocol::message::output_file;
use loom::unit::UnitId;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;

#[derive(Debug, Clone)]
pub struct OutputDir {
    path: PathBuf,
}

/// Where a unit's files are.
#[derive(Debug)]
pub struct UnitFiles {
    /// For errors.
    path: PathBuf,
    shard: OwnedFd,
    name: String,
}

impl OutputDir {
    /// It need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> OutputDir {
        OutputDir { path: path.into() }
    }

    /// `None` if there cannot be any yet.
    pub(super) fn unit(&self, unit: UnitId) -> io::Result<Option<UnitFiles>> {
        let relative = output_file(unit);
        let path = self.path.join(&relative);
        let (Some(shard), Some(name)) = (relative.parent(), relative.file_name()) else {
            return Err(io::Error::other(format!("{} is no unit's file", relative.display())));
        };
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let Some(dir) = found(&self.path, open(&self.path, flags, Mode::empty()))? else {
            return Ok(None);
        };
        let shard = openat(&dir, shard, flags | OFlag::O_NOFOLLOW, Mode::empty());
        let name = name.to_string_lossy().into_owned();
        Ok(found(&path, shard)?.map(|shard| UnitFiles { path, shard, name }))
    }
}

impl UnitFiles {
    /// The file with this added to its name, if there is one.
    pub fn open(&self, suffix: &str) -> io::Result<Option<File>> {
        let name = format!("{}{suffix}", self.name);
        // A FIFO without a writer would keep us for ever.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = openat(&self.shard, &*name, flags | OFlag::O_CLOEXEC, Mode::empty());
        let Some(file) = found(&self.path, file)?.map(File::from) else { return Ok(None) };
        if !file.metadata()?.is_file() {
            return Err(said(&self.path, io::Error::other("it is not a regular file")));
        }
        Ok(Some(file))
    }
}

fn found<T>(path: &Path, opened: Result<T, Errno>) -> io::Result<Option<T>> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(Errno::ENOENT) => Ok(None),
        Err(error) => Err(said(path, error.into())),
    }
}

fn said(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    const UNIT: UnitId = UnitId(0x5007);

    fn opened(dir: &TempDir) -> io::Result<Option<File>> {
        match OutputDir::new(dir.path().join("output")).unit(UNIT)? {
            Some(files) => files.open(""),
            None => Ok(None),
        }
    }

    #[test]
    fn a_unit_has_files_once_its_directory_is_there() {
        let dir = TempDir::new().unwrap();
        assert!(opened(&dir).unwrap().is_none());
        fs::create_dir(dir.path().join("output")).unwrap();
        assert!(opened(&dir).unwrap().is_none());
        fs::create_dir(dir.path().join("output/0005")).unwrap();
        assert!(opened(&dir).unwrap().is_none());
        fs::write(dir.path().join("output/0005/20487.log"), "x").unwrap();
        assert_eq!(opened(&dir).unwrap().unwrap().metadata().unwrap().len(), 1);
    }

    #[test]
    fn links_and_what_is_no_file_are_not_opened_and_named() {
        let dir = TempDir::new().unwrap();
        let outside = dir.path().join("outside");
        fs::create_dir_all(&outside).unwrap();
        fs::create_dir_all(dir.path().join("output")).unwrap();
        fs::write(outside.join("20487.log"), "secret").unwrap();
        let shard = dir.path().join("output/0005");
        symlink(&outside, &shard).unwrap();
        let refused = || opened(&dir).unwrap_err().to_string();
        assert!(refused().contains("output/0005/20487.log: "), "{}", refused());

        fs::remove_file(&shard).unwrap();
        fs::create_dir(&shard).unwrap();
        let file = shard.join("20487.log");
        symlink(outside.join("20487.log"), &file).unwrap();
        assert!(refused().contains("symbolic links"), "{}", refused());
        fs::remove_file(&file).unwrap();
        nix::unistd::mkfifo(&file, Mode::S_IRWXU).unwrap();
        assert!(refused().ends_with("it is not a regular file"), "{}", refused());
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(refused().ends_with("it is not a regular file"), "{}", refused());
    }
}

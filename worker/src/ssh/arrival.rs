//! A file of this machine that is being brought from a node: whole, or as it was.
//!
//! It is written beside its place and moved there. Whoever is killed meanwhile leaves a file by a
//! name of ours, without the lock that its writer holds; the next that comes to the directory
//! removes it.

use std::fs::{self, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use tempfile::{Builder, NamedTempFile};

/// How what is left over can be told from everything else.
const PREFIX: &str = ".loom-get.";
/// How often somebody who tidies up may take a new file for a left one.
const ATTEMPTS: usize = 5;

pub struct Arrival {
    file: NamedTempFile,
    place: PathBuf,
}

impl Arrival {
    /// At exactly this path, or where a symbolic link there leads.
    pub fn at(path: &Path) -> io::Result<Arrival> {
        let place = if path.is_symlink() { behind(path)? } else { path.to_owned() };
        match fs::metadata(&place) {
            Ok(there) if !there.is_file() => {
                return Err(io::Error::other("there is something that is not a regular file"));
            }
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        let directory = place.parent().filter(|p| !p.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        tidy(directory);
        Ok(Arrival { file: locked(directory)?, place })
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// All of it has come. A file that was there before leaves it its mode, and its owner as far
    /// as we may give that; a new one is its user's only.
    pub fn done(self) -> io::Result<()> {
        // Not where a link leads that has come there meanwhile: it is replaced, not followed.
        if let Ok(old) = fs::symlink_metadata(&self.place)
            && old.is_file()
        {
            let new = self.file.as_file();
            let ours = new.metadata()?;
            let mut mode = old.mode() & 0o7777;
            if (old.uid(), old.gid()) != (ours.uid(), ours.gid())
                && fchown(new, Some(old.uid()), Some(old.gid())).is_err()
            {
                // What it let others do as its owner it would let them do as us.
                mode &= 0o777;
            }
            new.set_permissions(Permissions::from_mode(mode))?;
        }
        self.file.persist(&self.place).map(drop).map_err(|e| e.error)
    }
}

/// Where a link leads, be there a file yet or not.
fn behind(link: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(link) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let target = link.parent().unwrap_or(Path::new("")).join(fs::read_link(link)?);
            let parent = target.parent().filter(|p| !p.as_os_str().is_empty());
            let parent = fs::canonicalize(parent.unwrap_or(Path::new(".")))?;
            Ok(parent.join(target.file_name().ok_or(io::ErrorKind::NotFound)?))
        }
        found => found,
    }
}

fn locked(directory: &Path) -> io::Result<NamedTempFile> {
    for _ in 0..ATTEMPTS {
        let file = Builder::new().prefix(PREFIX).tempfile_in(directory)?;
        file.as_file().lock()?;
        if file.as_file().metadata()?.nlink() > 0 {
            return Ok(file);
        }
    }
    Err(io::Error::other("what is written beside it is removed again and again"))
}

/// Removes what nobody writes any more. Trouble with it is none of the new file's.
fn tidy(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())
            || !entry.file_type().is_ok_and(|kind| kind.is_file())
        {
            continue;
        }
        // It may have become a pipe since, which nobody writes to.
        let mut options = OpenOptions::new();
        options.read(true).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
        let Ok(file) = options.open(entry.path()) else { continue };
        match file.try_lock() {
            Ok(()) => drop(fs::remove_file(entry.path())),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_the_old_one_until_it_is_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o4751)).unwrap();
        for done in [false, true] {
            let mut arrival = Arrival::at(&path).unwrap();
            arrival.write(b"new").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"old");
            if done {
                arrival.done().unwrap();
            }
        }
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o4751);
        assert_eq!(names(dir.path()), ["file"]);
        let new = dir.path().join("new");
        Arrival::at(&new).unwrap().done().unwrap();
        assert_eq!(fs::metadata(&new).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_a_killed_one_left_is_removed_and_what_is_being_written_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let left = dir.path().join(".loom-get.killed");
        fs::write(&left, "half").unwrap();
        fs::write(dir.path().join(".loom-other"), "").unwrap();
        let first = Arrival::at(&dir.path().join("a")).unwrap();
        assert!(!left.exists());
        let second = Arrival::at(&dir.path().join("b")).unwrap();
        first.done().unwrap();
        second.done().unwrap();
        assert_eq!(names(dir.path()), [".loom-other", "a", "b"]);
    }

    #[test]
    fn a_link_that_comes_meanwhile_lends_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (place, other) = (dir.path().join("file"), dir.path().join("other"));
        fs::write(&other, "kept").unwrap();
        fs::set_permissions(&other, Permissions::from_mode(0o4755)).unwrap();
        let mut arrival = Arrival::at(&place).unwrap();
        arrival.write(b"new").unwrap();
        symlink(&other, &place).unwrap();
        arrival.done().unwrap();
        assert_eq!(fs::symlink_metadata(&place).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::read(&other).unwrap(), b"kept");
    }

    #[test]
    fn links_are_written_through_and_what_is_no_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        fs::write(at("sub/file"), "old").unwrap();
        for (link, to) in [("to-file", "sub/file"), ("to-nothing", "sub/new")] {
            symlink(to, at(link)).unwrap();
            let mut arrival = Arrival::at(&at(link)).unwrap();
            arrival.write(b"new").unwrap();
            arrival.done().unwrap();
            assert!(at(link).is_symlink());
            assert_eq!(fs::read(at(to)).unwrap(), b"new");
        }
        for path in [Path::new("/dev/null"), &at("sub")] {
            assert!(Arrival::at(path).is_err(), "{}", path.display());
        }
        symlink("loop", at("loop")).unwrap();
        assert!(Arrival::at(&at("loop")).is_err());
    }
}

//! A log file that rotates at a size, can be reopened, and outlives a full disk.
//!
//! `NAME.1` is the youngest of the old ones. It knows lines of bytes, not what they mean.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, fchown};

use super::line::note;

/// A file is rotated before it grows beyond this.
pub const MAX_BYTES: u64 = 1_000_000;
/// How many old files are kept.
pub const KEEP: u32 = 5;

#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    /// Of the file as it is, as far as we wrote it.
    size: u64,
    /// Size at which rotation is next tried.
    limit: u64,
    /// Not written since writing last worked.
    lost: u64,
    /// The file ends within a line.
    torn: bool,
}

impl LogFile {
    /// Appends to the file, making it if need be (0600). A symbolic link is not followed.
    pub fn open(path: &Path) -> io::Result<LogFile> {
        let file = open(path)
            .map_err(|e| io::Error::new(e.kind(), format!("log file {}: {e}", path.display())))?;
        let size = file.metadata()?.len();
        let path = path.to_owned();
        Ok(LogFile { path, file, size, limit: MAX_BYTES, lost: 0, torn: false })
    }

    /// Writes one line, its newline included, or counts it as lost.
    pub fn line(&mut self, line: &[u8]) {
        if self.size + line.len() as u64 > self.limit && self.size > 0 {
            self.rotate();
        }
        if self.make_up_for_lost_lines().is_err() || self.append(line).is_err() {
            self.lost += 1;
        }
    }

    /// Moves the file to `.1` and begins a new one. If somebody else has moved or removed it, the
    /// path is only opened anew. Where that is not possible the old file is gone on with.
    pub fn rotate(&mut self) {
        if !self.is_plain() {
            return;
        }
        let moved = if self.is_in_place() { self.shift() } else { Ok(()) };
        match moved.and_then(|()| open(&self.path)) {
            Ok(file) => {
                self.size = file.metadata().map_or(0, |found| found.len());
                (self.file, self.limit, self.torn) = (file, MAX_BYTES, false);
            }
            Err(e) => {
                self.limit = self.size + MAX_BYTES;
                let complaint = note(format!("the log file could not be rotated: {e}"));
                let _ = self.append(complaint.as_bytes());
            }
        }
    }

    pub fn hand_over(&self, uid: Uid, gid: Gid) -> io::Result<()> {
        if self.is_plain() { Ok(fchown(self.file.as_fd(), Some(uid), Some(gid))?) } else { Ok(()) }
    }

    fn make_up_for_lost_lines(&mut self) -> io::Result<()> {
        if self.lost > 0 {
            let lost = note(format!("{} log lines could not be written and are lost", self.lost));
            self.append(lost.as_bytes())?;
            self.lost = 0;
        }
        Ok(())
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.write(b"\n")?;
        }
        self.write(line)
    }

    fn write(&mut self, mut rest: &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.torn = rest[n - 1] != b'\n';
                    self.size += n as u64;
                    rest = &rest[n..];
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Devices and pipes have no old files.
    fn is_plain(&self) -> bool {
        self.file.metadata().is_ok_and(|found| found.is_file())
    }

    fn is_in_place(&self) -> bool {
        match (fs::symlink_metadata(&self.path), self.file.metadata()) {
            (Ok(named), Ok(ours)) => (named.dev(), named.ino()) == (ours.dev(), ours.ino()),
            _ => false,
        }
    }

    fn shift(&self) -> io::Result<()> {
        for n in (1..KEEP).rev() {
            match fs::rename(self.old(n), self.old(n + 1)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        fs::rename(&self.path, self.old(1))
    }

    fn old(&self, n: u32) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{n}"));
        name.into()
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(|e| match e.raw_os_error() {
            Some(libc::ELOOP) => io::Error::other("is a symbolic link, which is not followed"),
            _ => e,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    use std::os::unix::fs::symlink;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("loom.log");
        (dir, path)
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn rotates_before_it_grows_too_large_and_keeps_the_youngest() {
        let (dir, path) = place();
        let mut log = LogFile::open(&path).unwrap();
        let line = |n: usize| format!("{n:09}{}\n", "x".repeat(99_990)).into_bytes();
        for n in 0..75 {
            log.line(&line(n));
        }
        let first = |name: &str| read(&dir.path().join(name))[..9].parse::<usize>().unwrap();
        assert_eq!(first("loom.log"), 70);
        for (age, expected) in (1..=5).zip([60, 50, 40, 30, 20]) {
            assert_eq!(first(&format!("loom.log.{age}")), expected);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1 + KEEP as usize);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_line_longer_than_a_file_is_written_whole() {
        let (dir, path) = place();
        let mut log = LogFile::open(&path).unwrap();
        log.line(&vec![b'x'; MAX_BYTES as usize + 1]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_was_moved_away_by_others_is_only_opened_anew() {
        let (dir, path) = place();
        let mut log = LogFile::open(&path).unwrap();
        log.line(b"old\n");
        fs::rename(&path, dir.path().join("away")).unwrap();
        log.line(b"still old\n");
        log.rotate();
        log.line(b"new\n");
        assert_eq!(read(&dir.path().join("away")), "old\nstill old\n");
        assert_eq!(read(&path), "new\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn goes_on_with_the_old_file_where_it_cannot_rotate() {
        let (dir, path) = place();
        let mut log = LogFile::open(&path).unwrap();
        log.line(b"first\n");
        fs::create_dir(dir.path().join("loom.log.5")).unwrap();
        fs::write(dir.path().join("loom.log.4"), "").unwrap();
        log.rotate();
        log.line(b"second\n");
        let text = read(&path);
        assert!(text.starts_with("first\n"), "{text}");
        assert!(text.contains(" WARN  logging: the log file could not be rotated: "), "{text}");
        assert!(text.ends_with("\nsecond\n"), "{text}");
    }

    #[test]
    fn links_are_refused_and_devices_are_not_rotated() {
        let (dir, path) = place();
        symlink(dir.path().join("other"), &path).unwrap();
        assert!(LogFile::open(&path).unwrap_err().to_string().contains("symbolic link"));
        let mut log = LogFile::open(Path::new("/dev/null")).unwrap();
        log.rotate();
        log.line(b"gone\n");
    }

    /// Run by the test below in a process of its own, where files may not grow beyond 32 bytes.
    #[test]
    fn lines_that_do_not_fit_are_counted() {
        const CHILD: &str = "LOOM_TEST_FULL_DISK";
        if std::env::var_os(CHILD).is_none() {
            let run = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "logging::file::tests::lines_that_do_not_fit_are_counted"])
                .env(CHILD, "1")
                .output()
                .unwrap();
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
            return;
        }
        let (_dir, path) = place();
        let mut log = LogFile::open(&path).unwrap();
        // With a handler in place the write fails, as on a full disk, instead of killing us.
        let seen = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(libc::SIGXFSZ, seen).unwrap();
        let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
        setrlimit(Resource::RLIMIT_FSIZE, 32, hard).unwrap();
        for n in 0..5 {
            log.line(format!("line number {n}\n").as_bytes());
        }
        setrlimit(Resource::RLIMIT_FSIZE, hard, hard).unwrap();
        log.line(b"there is room again\n");
        let text = read(&path);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], ["line number 0", "line number 1", "line"]);
        assert!(lines[3].ends_with("3 log lines could not be written and are lost"), "{text}");
        assert_eq!(lines[4..], ["there is room again"]);
    }
}

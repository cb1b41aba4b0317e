//! The job's own log: its units' plain output, appended to a file that is the user's.
//!
//! Whole lines go there in one write, so that several units may share the file. What goes wrong
//! with it is told once and is no reason to fail anything.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::store::make_parent;

pub struct JobLog {
    path: PathBuf,
    max: u64,
    written: u64,
    /// What was written last was not the end of a line.
    mid_line: bool,
    state: State,
}

enum State {
    Unopened,
    Open(File),
    /// The limit was reached, which its last line says.
    Full,
    Failed(io::Error),
}

impl JobLog {
    /// Takes up to `max` bytes; made, with the directories above it, when there is something to
    /// write.
    pub fn new(path: PathBuf, max: u64) -> JobLog {
        JobLog { path, max, written: 0, mid_line: false, state: State::Unopened }
    }

    pub fn append(&mut self, text: &[u8]) {
        if let Err(error) = self.try_append(text) {
            self.state = State::Failed(error);
        }
    }

    fn try_append(&mut self, text: &[u8]) -> io::Result<()> {
        match self.state {
            State::Unopened => self.state = State::Open(self.open()?),
            State::Open(_) => {}
            State::Full | State::Failed(_) => return Ok(()),
        }
        let room = usize::try_from(self.max - self.written).unwrap_or(usize::MAX);
        let Some(within) = text.get(..room).filter(|within| within.len() < text.len()) else {
            return self.write(text);
        };
        let lines = memchr::memrchr(b'\n', within).map_or(0, |at| at + 1);
        self.write(&text[..lines])?;
        let ends = if self.mid_line { "\n" } else { "" };
        let last = format!("{ends}loom: the output beyond {} bytes is not kept here\n", self.max);
        self.write(last.as_bytes())?;
        self.state = State::Full;
        Ok(())
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        if let (State::Open(file), Some(last)) = (&mut self.state, text.last()) {
            file.write_all(text)?;
            self.written += text.len() as u64;
            self.mid_line = *last != b'\n';
        }
        Ok(())
    }

    fn open(&self) -> io::Result<File> {
        make_parent(&self.path)?;
        let mut options = OpenOptions::new();
        // A FIFO without a reader would keep us for ever.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = options.append(true).create(true).mode(0o600).custom_flags(flags);
        let file = file.open(&self.path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(file)
    }

    /// For the person who reads the unit's report: what went wrong.
    pub fn finish(self) -> Option<String> {
        match self.state {
            State::Failed(error) => Some(format!(
                "its output could not be appended to {}: {error}",
                self.path.display()
            )),
            State::Unopened | State::Open(_) | State::Full => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use tempfile::TempDir;

    fn trouble_with(path: PathBuf) -> String {
        let mut log = JobLog::new(path, 1000);
        log.append(b"a line\n");
        log.append(b"another\n");
        log.finish().expect("trouble")
    }

    #[test]
    fn it_is_private_and_so_are_its_directories() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("a/b/job.log");
        for text in ["one\n", "two\nthree\n"] {
            let mut log = JobLog::new(path.clone(), 1000);
            log.append(text.as_bytes());
            assert_eq!(log.finish(), None);
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
        let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path.clone()), mode(dir.path().join("a"))), (0o600, 0o700));
    }

    #[test]
    fn without_output_there_is_no_file() {
        let dir = TempDir::new().unwrap();
        assert_eq!(JobLog::new(dir.path().join("a/job.log"), 1000).finish(), None);
        assert_eq!(dir.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn what_exceeds_the_limit_is_dropped_by_whole_lines_and_said_once() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("job.log");
        let mut log = JobLog::new(path.clone(), 10);
        for text in ["1234\n", "56\n78\n", "9\n", "10\n"] {
            log.append(text.as_bytes());
        }
        assert_eq!(log.finish(), None);
        let kept = fs::read_to_string(&path).unwrap();
        assert_eq!(kept, "1234\n56\nloom: the output beyond 10 bytes is not kept here\n");

        let mut log = JobLog::new(path.clone(), 10);
        log.append(b"123456");
        log.append(b"7890123");
        assert_eq!(log.finish(), None);
        let kept = fs::read_to_string(&path).unwrap();
        assert!(
            kept.ends_with("here\n123456\nloom: the output beyond 10 bytes is not kept here\n")
        );
    }

    #[test]
    fn only_a_regular_file_is_appended_to_and_nothing_hangs() {
        let dir = TempDir::new().unwrap();
        let (fifo, link) = (dir.path().join("fifo"), dir.path().join("link"));
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        symlink(dir.path().join("victim"), &link).unwrap();
        assert!(trouble_with(fifo.clone()).contains("No such device"), "nobody reads it");
        let _reader =
            OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&fifo).unwrap();
        assert!(trouble_with(fifo).contains("not a regular file"));
        assert!(trouble_with(link).contains("symbolic links"));
        assert!(trouble_with(dir.path().to_owned()).contains("directory"));
        assert!(!dir.path().join("victim").exists());
    }
}

//! The log to stdout, without ever waiting for whoever reads it.
//!
//! A reader that has stopped (a pager, a paused terminal, a stuck container runtime) must not stop
//! the daemon. What it does not take is kept up to [`KEEP`] bytes; further lines are lost, counted,
//! and their number is logged once there is room again. stdout is shared with others, so that it
//! is not made nonblocking: it is asked whether it takes more before each small piece.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use super::line::note;
use crate::sys::poll::is_writable;

/// Bytes of lines that wait for the reader.
pub const KEEP: usize = 1 << 20;

/// A pipe or socket that takes anything takes as much at once (PIPE_BUF).
const PIECE: usize = 4096;

/// A terminal promises no more than a character; small pieces are taken whole all but always.
const TERMINAL_PIECE: usize = 64;

#[derive(Debug)]
pub struct Stdout {
    to: File,
    piece: usize,
    waiting: VecDeque<u8>,
    /// Lines, since the last note about them.
    lost: u64,
    /// Notes that are waiting, and how many lost lines they speak of.
    notes: u64,
    noted: u64,
    /// What was written last ends within a line.
    torn: bool,
}

impl Stdout {
    pub fn open() -> io::Result<Stdout> {
        Stdout::over(io::stdout().as_fd())
    }

    fn over(fd: BorrowedFd<'_>) -> io::Result<Stdout> {
        let (to, piece) = match fd.is_terminal() {
            false => (fd.try_clone_to_owned()?.into(), PIECE),
            // The terminal under a description of our own can be nonblocking. Somebody else's
            // terminal, as after `su`, cannot be opened.
            true => match reopened(fd) {
                Ok(own) => (own, PIECE),
                Err(_) => (fd.try_clone_to_owned()?.into(), TERMINAL_PIECE),
            },
        };
        Ok(Stdout { to, piece, waiting: VecDeque::new(), lost: 0, notes: 0, noted: 0, torn: false })
    }

    /// Writes the line, keeps it, or counts it as lost.
    pub fn line(&mut self, line: &[u8]) {
        self.flush();
        // After a loss half of the room has to be free, or every other line would be about it.
        let room = if self.lost > 0 { KEEP / 2 } else { KEEP };
        if self.waiting.len() + line.len() > room && !self.waiting.is_empty() {
            self.lost += 1;
            return;
        }
        self.tell_of_lost();
        self.keep(line);
        self.flush();
    }

    /// Writes what is taken now.
    pub fn flush(&mut self) {
        self.write_on();
        if self.waiting.is_empty() && self.lost > 0 {
            self.tell_of_lost();
            self.write_on();
        }
    }

    /// Gives the reader so much time for what is left: to be called at the end.
    pub fn finish(&mut self, within: Duration) {
        let end = Instant::now() + within;
        self.flush();
        while !self.waiting.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            is_writable(self.to.as_fd(), left);
            self.flush();
        }
    }

    fn keep(&mut self, line: &[u8]) {
        // What is torn and not waiting to go on was given up.
        if self.torn && self.waiting.is_empty() {
            self.waiting.push_back(b'\n');
        }
        self.waiting.extend(line);
    }

    fn tell_of_lost(&mut self) {
        if self.lost > 0 {
            let text = format!("{} log lines were not taken by stdout and are lost", self.lost);
            self.keep(note(text).as_bytes());
            self.notes += 1;
            self.noted += std::mem::take(&mut self.lost);
        }
    }

    fn write_on(&mut self) {
        while !self.waiting.is_empty() && is_writable(self.to.as_fd(), Duration::ZERO) {
            let next = self.waiting.as_slices().0;
            match self.to.write(&next[..next.len().min(self.piece)]) {
                Ok(0) => return,
                Ok(n) => {
                    self.torn = next[n - 1] != b'\n';
                    self.waiting.drain(..n);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.give_up(),
            }
        }
        if self.waiting.is_empty() {
            (self.notes, self.noted) = (0, 0);
        }
    }

    /// The reader is gone, or the disk behind a file is full.
    fn give_up(&mut self) {
        // Too many rather than too few: some of it may have been written.
        let lines = self.waiting.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.lost += self.noted + lines.saturating_sub(self.notes);
        (self.notes, self.noted) = (0, 0);
        self.waiting.clear();
    }
}

/// A description of our own; never our controlling terminal.
fn reopened(terminal: BorrowedFd<'_>) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(format!("/proc/self/fd/{}", terminal.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::pty::openpty;
    use std::io::{BufRead, BufReader, Read};
    use std::thread;

    /// Lines until `last`; what is lost between the numbers has to be told.
    fn check(from: impl Read, last: u64) -> u64 {
        let (mut next, mut lost) = (0, 0);
        for line in BufReader::new(from).lines() {
            let line = line.unwrap();
            let line = line.trim_end();
            if let Some((_, note)) = line.split_once("logging: ") {
                let count: u64 = note.split(' ').next().unwrap().parse().unwrap();
                (next, lost) = (next + count, lost + count);
                continue;
            }
            let number: u64 = line[..7].parse().unwrap_or_else(|_| panic!("{line:?}"));
            assert_eq!(number, next, "lines are missing and nobody says so");
            if number == last {
                return lost;
            }
            next += 1;
        }
        panic!("the last line never came");
    }

    fn line(n: u64) -> Vec<u8> {
        format!("{n:07} {}\n", "x".repeat(500)).into_bytes()
    }

    const LINES: u64 = 10_000;

    #[test]
    fn a_reader_that_stops_blocks_nobody_and_is_told_what_it_missed() {
        let (from, to) = io::pipe().unwrap();
        let mut stdout = Stdout::over(to.as_fd()).unwrap();
        for n in 0..LINES {
            stdout.line(&line(n));
        }
        assert!(stdout.lost > 0 && stdout.waiting.len() <= KEEP, "{}", stdout.waiting.len());
        let reader = thread::spawn(move || check(from, LINES));
        stdout.finish(Duration::from_secs(60));
        stdout.line(&line(LINES));
        stdout.finish(Duration::from_secs(60));
        let lost = reader.join().unwrap();
        assert!(lost > LINES / 2, "{lost}");
    }

    #[test]
    fn nothing_is_lost_while_somebody_reads() {
        let (from, to) = io::pipe().unwrap();
        let mut stdout = Stdout::over(to.as_fd()).unwrap();
        let reader = thread::spawn(move || check(from, LINES - 1));
        for n in 0..LINES {
            stdout.line(&line(n));
            if stdout.waiting.len() > KEEP / 2 {
                stdout.finish(Duration::from_secs(60));
            }
        }
        stdout.finish(Duration::from_secs(60));
        assert_eq!(reader.join().unwrap(), 0);
    }

    #[test]
    fn a_terminal_nobody_reads_from_blocks_nobody_and_stays_as_it_was() {
        use nix::fcntl::{FcntlArg, OFlag, fcntl};
        let pty = openpty(None, None).unwrap();
        let before = fcntl(&pty.slave, FcntlArg::F_GETFL).unwrap();
        let mut stdout = Stdout::over(pty.slave.as_fd()).unwrap();
        for n in 0..LINES {
            stdout.line(&line(n));
        }
        assert!(stdout.lost > 0);
        assert_eq!(fcntl(&pty.slave, FcntlArg::F_GETFL).unwrap(), before);
        assert!(!OFlag::from_bits_retain(before).contains(OFlag::O_NONBLOCK));
        let reader = thread::spawn(move || check(File::from(pty.master), LINES));
        stdout.finish(Duration::from_secs(60));
        stdout.line(&line(LINES));
        stdout.finish(Duration::from_secs(60));
        assert!(reader.join().unwrap() > LINES / 2);
    }

    #[test]
    fn a_reader_that_is_gone_is_no_reason_to_keep_anything() {
        let (from, to) = io::pipe().unwrap();
        let mut stdout = Stdout::over(to.as_fd()).unwrap();
        drop(from);
        for n in 0..10 {
            stdout.line(&line(n));
        }
        assert_eq!((stdout.lost, stdout.waiting.len()), (10, 0));
    }

    #[test]
    fn a_file_takes_everything() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut stdout = Stdout::over(file.as_fd()).unwrap();
        for n in 0..LINES {
            stdout.line(&line(n));
        }
        assert_eq!(check(file.reopen().unwrap(), LINES - 1), 0);
    }
}

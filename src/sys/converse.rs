//! One question to a process of its own, and its answer: bounded in time and in bytes, and over
//! with us.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::poll::set_nonblocking;
use super::spawn;

/// How often the process itself is looked at, which may leave somebody behind that holds its pipes.
const LOOK: Duration = Duration::from_millis(50);
/// What is kept of its stderr: the last.
const COMPLAINT: usize = 16 * 1024;

/// What a process has said by its end.
#[derive(Debug)]
pub struct Said {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    /// The end of it.
    pub stderr: Vec<u8>,
}

/// Runs `command` with `input` to be read. It is killed with all of its process group when it takes
/// longer than `limit` (`TimedOut`), when it writes more than `most` bytes (`FileTooLarge`), and
/// when our thread ends. Must be called from the main thread, like [`spawn::spawn`].
pub fn converse(
    mut command: Command,
    input: &[u8],
    limit: Duration,
    most: usize,
) -> io::Result<Said> {
    let end = Instant::now() + limit;
    // A file, so that nobody has to write while the other does.
    let mut file: File = tempfile::tempfile()?;
    file.write_all(input)?;
    file.rewind()?;
    command.stdin(file).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut talk = Talk { child: spawn::spawn(command, &[])?, ended: false };
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (mut out, mut err) = (talk.child.stdout.take(), talk.child.stderr.take());
    for fd in out.iter().map(AsFd::as_fd).chain(err.iter().map(AsFd::as_fd)) {
        set_nonblocking(fd)?;
    }
    let status = loop {
        let status = talk.child.try_wait()?;
        talk.ended = status.is_some();
        drain(&mut out, &mut stdout, most + 1)?;
        drain(&mut err, &mut stderr, usize::MAX)?;
        if stderr.len() > COMPLAINT {
            stderr.drain(..stderr.len() - COMPLAINT);
        }
        if stdout.len() > most {
            return Err(ErrorKind::FileTooLarge.into());
        }
        if let Some(status) = status {
            break status;
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        wait(&out, &err, left.min(LOOK))?;
    };
    Ok(Said { status, stdout, stderr })
}

/// Dropped before its end, it is killed.
#[derive(Debug)]
struct Talk {
    child: Child,
    ended: bool,
}

impl Drop for Talk {
    fn drop(&mut self) {
        // Before it is reaped: its group's number is its own.
        let group = Pid::from_raw(self.child.id() as i32);
        if !self.ended {
            let _ = killpg(group, Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// Takes what is there, as long as there is room, and closes the pipe at its end.
fn drain(pipe: &mut Option<impl Read>, into: &mut Vec<u8>, most: usize) -> io::Result<()> {
    let mut chunk = [0; 64 * 1024];
    let Some(from) = pipe else { return Ok(()) };
    for _ in 0..64 {
        if into.len() >= most {
            return Ok(());
        }
        match from.read(&mut chunk) {
            Ok(0) => {
                *pipe = None;
                return Ok(());
            }
            Ok(n) => into.extend_from_slice(&chunk[..n]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Until there is something to read, or the time is up.
fn wait(out: &Option<impl AsFd>, err: &Option<impl AsFd>, time: Duration) -> io::Result<()> {
    let fds = out.iter().map(AsFd::as_fd).chain(err.iter().map(AsFd::as_fd));
    let mut fds: Vec<PollFd> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    // A process that has closed both ends in a moment.
    let time = if fds.is_empty() { Duration::from_millis(2) } else { time };
    let time = PollTimeout::try_from(time.as_millis().max(1) as i32).unwrap_or(PollTimeout::ZERO);
    match poll(&mut fds, time) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_asked_is_answered_however_long_both_are() {
        let question = vec![b'x'; 300_000];
        let said = converse(shell("cat; echo oh >&2; exit 3"), &question, LONG, 1 << 20).unwrap();
        assert_eq!((said.stdout, said.stderr), (question, b"oh\n".to_vec()));
        assert_eq!(said.status.code(), Some(3));
    }

    #[test]
    fn one_without_end_is_ended_with_all_it_started() {
        let started = Instant::now();
        let script = "sleep 600 & echo $!; wait";
        let limit = Duration::from_millis(300);
        let error = converse(shell(script), b"", limit, 100).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let error = converse(shell("yes"), b"", LONG, 100_000).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        let said = converse(shell("yes complaint >&2 & sleep 0.2; kill $!"), b"", LONG, 1).unwrap();
        assert_eq!(said.stderr.len(), COMPLAINT);
        assert!(started.elapsed() < LONG, "nothing is waited for that has been killed");
    }

    #[test]
    fn whoever_is_left_behind_with_its_pipes_is_not_waited_for() {
        let said = converse(shell("sleep 5 & echo done"), b"", LONG, 100).unwrap();
        assert_eq!(said.stdout, b"done\n");
    }
}

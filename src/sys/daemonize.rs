//! From a terminal's child to a daemon, with a pipe back for how it went.
//!
//! It knows nothing of pidfiles, logs or configurations.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, fork, pipe2, setsid};

/// Longest error that is taken from the daemon, in bytes.
const MAX_MESSAGE: u64 = 16 * 1024;

const UP: u8 = 1;
const FAILED: u8 = 0;

/// In which of the two processes [`daemonize`] has returned.
#[derive(Debug)]
pub enum Side {
    /// The process that was started, after the daemon has reported; an error is for its terminal.
    Launcher(Result<(), String>),
    Daemon(Status),
}

/// The daemon's end of the pipe on which the launcher waits. Dropped without a word, it tells of
/// a daemon that died.
#[derive(Debug)]
pub struct Status {
    pipe: File,
}

impl Status {
    /// A launcher that has gone meanwhile does not matter.
    pub fn up(mut self) {
        let _ = self.pipe.write_all(&[UP]);
    }

    pub fn failed(mut self, error: &str) {
        let _ = self.pipe.write_all(&[&[FAILED], error.as_bytes()].concat());
    }
}

/// Forks, makes a session of its own, forks again (so that no terminal is ever acquired) and puts
/// /dev/null on descriptors 0 to 2. Returns twice.
///
/// Only one thread may exist when it is called, and nobody may hold a database open.
pub fn daemonize() -> io::Result<Side> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    io::stdout().flush()?;
    match fork_only_thread()? {
        ForkResult::Parent { child } => {
            drop(writer);
            Ok(Side::Launcher(await_report(reader, child)))
        }
        ForkResult::Child => {
            drop(reader);
            let status = Status { pipe: writer.into() };
            match detach(&null) {
                Ok(()) => Ok(Side::Daemon(status)),
                Err(e) => {
                    status.failed(&format!("cannot become a daemon: {e}"));
                    exit_at_once()
                }
            }
        }
    }
}

fn detach(null: &impl AsFd) -> io::Result<()> {
    setsid()?;
    if let ForkResult::Parent { .. } = fork_only_thread()? {
        exit_at_once();
    }
    dup2_stdin(null)?;
    dup2_stdout(null)?;
    dup2_stderr(null)?;
    Ok(())
}

fn await_report(reader: OwnedFd, child: Pid) -> Result<(), String> {
    let mut report = Vec::new();
    let read = File::from(reader).take(MAX_MESSAGE).read_to_end(&mut report);
    let _ = waitpid(child, None);
    match (read, report.split_first()) {
        (Ok(_), Some((&UP, _))) => Ok(()),
        (Ok(_), Some((_, message))) => Err(String::from_utf8_lossy(message).into_owned()),
        (Ok(_), None) => Err("the daemon died before it was up; its log may say why".to_owned()),
        (Err(e), _) => Err(format!("the daemon cannot be heard: {e}")),
    }
}

fn fork_only_thread() -> io::Result<ForkResult> {
    // SAFETY: the caller guarantees a single thread, so that no lock can be held by another one
    // and the child may go on as the parent would have.
    Ok(unsafe { fork() }?)
}

/// Leaves without running what was registered for the exit of the process we were forked from.
fn exit_at_once() -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(0) }
}

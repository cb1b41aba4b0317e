//! The ssh masters: one `ssh -M -N` child for each set of connection parameters.
//!
//! A master authenticates once; workers open their sessions through its control socket. Owns the
//! processes and the private directory their sockets live in. Nothing a master says is parsed:
//! the socket appearing means Up, the exit means Down, stderr is text for the log. When to make
//! and drop one is [`node_state`](crate::node_state)'s to decide.

pub mod askpass;
pub mod options;

use std::ffi::OsStr;
use std::fs;
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::node_state::MasterId;
use crate::password::Password;
use crate::sys::poll::set_nonblocking;
use crate::sys::spawn::spawn;

/// What is kept of a master's words, for the log and for the unit that could not be run.
const LONGEST_COMPLAINT: usize = 2048;

/// Read from one master before others get their turn.
const CHUNKS: usize = 16;

/// What a connection is made of. Two nodes with equal parameters, or a node before and after a
/// reload that did not touch them, are served by one master.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// The node's name, given to ssh as the host.
    pub node: String,
    /// The text of ssh's configuration file.
    pub options: String,
    pub password: Option<Password>,
}

#[derive(Debug)]
pub struct Master {
    process: Child,
    stderr: PipeReader,
    said: Vec<u8>,
}

/// The socket's path stays far below the 108 bytes that the system allows: ssh adds 17 while it
/// creates it.
pub fn socket(dir: &Path, id: MasterId) -> PathBuf {
    dir.join(format!("m{}", id.0))
}

/// The master whose socket has this file name.
pub fn by_socket(name: &OsStr) -> Option<MasterId> {
    name.to_str()?.strip_prefix('m')?.parse().ok().map(MasterId)
}

impl Master {
    /// Starts ssh; its socket appears in `dir` when it has authenticated.
    pub fn start(dir: &Path, id: MasterId, parameters: &Parameters) -> io::Result<Master> {
        let config = dir.join(format!("c{}", id.0));
        fs::write(&config, &parameters.options)?;
        let socket = socket(dir, id);
        let _ = fs::remove_file(&socket);
        let mut command = Command::new("ssh");
        command.arg("-F").arg(&config).arg("-S").arg(&socket).args(["-M", "-N", "-T", "--"]);
        command.arg(&parameters.node);
        fixed_environment(&mut command);
        if parameters.password.is_some() {
            askpass::offer(&mut command, dir)?;
        }
        let (stderr, child_err) = io::pipe()?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(child_err);
        let process = spawn(command, &[])?;
        set_nonblocking(stderr.as_fd())?;
        Ok(Master { process, stderr, said: Vec::new() })
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    pub fn stderr_fd(&self) -> BorrowedFd<'_> {
        self.stderr.as_fd()
    }

    /// Takes in what ssh printed; `false` at the end of it.
    pub fn listen(&mut self) -> bool {
        let mut chunk = [0; 1024];
        for _ in 0..CHUNKS {
            match self.stderr.read(&mut chunk) {
                Ok(0) => return false,
                Ok(n) => {
                    let room = LONGEST_COMPLAINT.saturating_sub(self.said.len());
                    self.said.extend_from_slice(&chunk[..n.min(room)]);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return true,
            }
        }
        true
    }

    /// What ssh complained of so far, on one line; empty if it did not.
    pub fn complaint(&self) -> String {
        let text = String::from_utf8_lossy(&self.said);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        lines.join("; ")
    }

    /// SIGKILL, also to a ProxyCommand or an askpass helper of it.
    pub fn kill(&self) {
        let _ = killpg(Pid::from_raw(self.pid() as i32), Signal::SIGKILL);
    }

    /// Asks it to end; it closes its sessions and removes its socket.
    pub fn close(&self) {
        let _ = killpg(Pid::from_raw(self.pid() as i32), Signal::SIGTERM);
    }

    pub fn has_exited(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.kill();
        let _ = self.process.wait();
    }
}

/// ssh gets what it needs to find its keys and the agent, and nothing else of ours.
fn fixed_environment(command: &mut Command) {
    command.env_clear().env("LC_ALL", "C");
    for name in ["PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
}

//! A hook's process: what is executed, what it reads, how it ended.
//!
//! Owns one process and its pipes, and never waits for it. How many there may be, and how long
//! one may take, is `daemon::hooks`' to decide.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::Firing;
use super::account::cut;
use crate::config::diagnostic::escape;
use crate::job::hooks::Action;
use crate::sys::poll::{Interest, Poll, set_nonblocking};
use crate::sys::spawn::{spawn, with_private_umask};

/// In the environment of our own executable it makes it one that posts a webhook, which it reads
/// from its stdin: the URL as a JSON string on a line of its own, then what is posted.
pub const WEBHOOK: &str = "LOOM_WEBHOOK";

/// Names a file of authorities to trust, in place of the system's.
pub const AUTHORITIES: &str = "SSL_CERT_FILE";

/// Of what a hook prints the end is kept, in bytes.
const TAIL: usize = 4096;

/// Moved from or to one hook before others get their turn.
const CHUNKS: usize = 16;

/// Why a hook failed, in characters.
const LONGEST_FAILURE: usize = 300;

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where sendmail is when PATH does not tell.
const SENDMAIL: [&str; 2] = ["/usr/sbin/sendmail", "/usr/lib/sendmail"];

/// What all hooks are run with.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Of `loom`.
    pub executable: PathBuf,
    /// Every hook's environment, but for what is said of the firing.
    pub environment: Vec<(OsString, OsString)>,
}

impl Setting {
    /// From our own environment.
    pub fn own() -> Setting {
        let own = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let or = |name: &str, otherwise: &str| {
            (name.into(), own(name).unwrap_or_else(|| otherwise.into()))
        };
        let mut environment = vec![
            or("PATH", DEFAULT_PATH),
            or("HOME", "/"),
            or("LANG", "C.UTF-8"),
            ("SHELL".into(), "/bin/sh".into()),
        ];
        // The last names the authorities that TLS is to trust, as OpenSSL and curl have it.
        for name in ["USER", "LOGNAME", AUTHORITIES] {
            environment.extend(own(name).map(|value| (name.into(), value)));
        }
        // Of the daemon, even if its file has been replaced since.
        Setting { executable: "/proc/self/exe".into(), environment }
    }

    fn find_sendmail(&self) -> Result<PathBuf, String> {
        let path = self.environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path);
        let dirs = path.map(|path| std::env::split_paths(path).collect::<Vec<_>>());
        let in_path = dirs.unwrap_or_default().into_iter().filter(|dir| dir.is_absolute());
        (in_path.map(|dir| dir.join("sendmail")))
            .chain(SENDMAIL.iter().map(PathBuf::from))
            .find(|path| is_executable(path))
            .ok_or_else(|| format!("there is no sendmail in PATH, nor {}", SENDMAIL.join(" or ")))
    }
}

fn is_executable(path: &Path) -> bool {
    use nix::unistd::{AccessFlags, access};
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
}

pub struct Process {
    child: Child,
    to: Option<PipeWriter>,
    from: Option<PipeReader>,
    unsent: Vec<u8>,
    sent: usize,
    /// The end of what it printed.
    tail: VecDeque<u8>,
    /// Whether what it leaves in the background ends with it.
    owns_group: bool,
    /// Whether what it prints last is by itself the reason of its failure.
    explains: bool,
    reaped: bool,
}

/// What it is yet to read may hold a token.
impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("pid", &self.pid()).finish_non_exhaustive()
    }
}

impl Process {
    /// An error is the reason why there is none, in a sentence.
    pub fn start(firing: Firing, setting: &Setting) -> Result<Process, String> {
        let (mut command, prefix) = command(&firing, setting)?;
        command.env_clear().envs(setting.environment.iter().map(|(name, value)| (name, value)));
        command.env("LOOM_JOB", &firing.job).env("LOOM_OCCASION", firing.occasion.as_str());
        if let Some(run) = firing.run {
            command.env("LOOM_RUN", run.to_string());
        }
        let (owns_group, explains) = match &firing.hook.action {
            Action::Command(_) => (true, false),
            Action::Webhook(_) => {
                command.env(WEBHOOK, "1");
                (true, true)
            }
            // It may well deliver in the background.
            Action::Mail(_) => (false, false),
        };
        command.current_dir("/");
        with_private_umask(&mut command);
        let mut unsent = prefix;
        unsent.extend_from_slice(&firing.body);
        Process::spawn(command, unsent, owns_group, explains)
            .map_err(|e| sentence(&format!("it cannot be started: {e}")))
    }

    fn spawn(
        mut command: Command,
        unsent: Vec<u8>,
        owns_group: bool,
        explains: bool,
    ) -> io::Result<Process> {
        let (stdin, to) = io::pipe()?;
        let (from, stdout) = io::pipe()?;
        set_nonblocking(to.as_fd())?;
        set_nonblocking(from.as_fd())?;
        command.stdin(stdin).stderr(stdout.try_clone()?).stdout(stdout);
        Ok(Process {
            child: spawn(command, &[])?,
            to: Some(to),
            from: Some(from),
            unsent,
            sent: 0,
            tail: VecDeque::new(),
            owns_group,
            explains,
            reaped: false,
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// From now on `token` tells when there is something to [`pump`](Process::pump).
    pub fn watch(&self, poll: &Poll, token: u64) -> io::Result<()> {
        if let Some(to) = &self.to {
            poll.add(to, token, Interest::ReadWrite)?;
        }
        if let Some(from) = &self.from {
            poll.add(from, token, Interest::Read)?;
        }
        Ok(())
    }

    /// Writes what fits and takes in what is there. Never blocks.
    pub fn pump(&mut self, poll: &Poll) {
        if !self.write() {
            forget(poll, &mut self.to);
            self.unsent = Vec::new();
        }
        if !self.read() {
            forget(poll, &mut self.from);
        }
    }

    /// `false`: there is nothing more to write, or nobody to read it, which is no failure.
    fn write(&mut self) -> bool {
        let Some(to) = &mut self.to else { return true };
        for _ in 0..CHUNKS {
            match to.write(&self.unsent[self.sent..]) {
                Ok(0) => return false,
                Ok(n) => self.sent += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
        true
    }

    /// `false` at the end.
    fn read(&mut self) -> bool {
        let Some(from) = &mut self.from else { return true };
        let mut chunk = [0; 4096];
        for _ in 0..CHUNKS {
            match from.read(&mut chunk) {
                Ok(n @ 1..) => {
                    self.tail.extend(&chunk[..n]);
                    self.tail.drain(..self.tail.len().saturating_sub(TAIL));
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return true,
                Ok(0) | Err(_) => return false,
            }
        }
        true
    }

    /// SIGTERM, to all it has started that are still of its process group.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    /// Its pid is its own, and so is the group's number, until it is reaped.
    fn signal(&self, signal: Signal) {
        if !self.reaped {
            let _ = killpg(Pid::from_raw(self.pid() as i32), signal);
        }
    }

    /// How it ended, once it has; an error is the reason of its failure, in a sentence. After
    /// that this is to be dropped.
    pub fn ended(&mut self, poll: &Poll) -> Option<Result<(), String>> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        match waitid(Id::Pid(Pid::from_raw(self.pid() as i32)), flags) {
            Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => return None,
            Ok(_) if self.owns_group => self.kill(),
            Ok(_) | Err(_) => {}
        }
        self.pump(poll);
        forget(poll, &mut self.to);
        forget(poll, &mut self.from);
        let status = self.child.wait();
        self.reaped = true;
        Some(match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(self.failure(status)),
            Err(e) => Err(format!("how it ended is not known: {e}")),
        })
    }

    fn failure(&self, status: ExitStatus) -> String {
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        let tail = String::from_utf8_lossy(&tail);
        let last = tail.lines().map(str::trim).rfind(|line| !line.is_empty());
        let how = match (status.code(), status.signal().map(Signal::try_from)) {
            (Some(code), _) => format!("it exited with {code}"),
            (None, Some(Ok(signal))) => format!("it was killed by {signal}"),
            (None, Some(Err(_)) | None) => format!("it ended by {status}"),
        };
        sentence(&match last {
            Some(last) if self.explains && status.code().is_some() => last.to_owned(),
            Some(last) => format!("{how}: {last}"),
            None => how,
        })
    }
}

/// Nobody is left to read what it says.
impl Drop for Process {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

/// It is closed, and no longer waited for.
fn forget(poll: &Poll, pipe: &mut Option<impl AsFd>) {
    if let Some(pipe) = pipe.take() {
        let _ = poll.remove(pipe);
    }
}

/// One line, not too long, for the ledger and the log.
fn sentence(text: &str) -> String {
    cut(&escape(text), LONGEST_FAILURE - 1)
}

/// The program, and what is written to it before the body.
fn command(firing: &Firing, setting: &Setting) -> Result<(Command, Vec<u8>), String> {
    match &firing.hook.action {
        Action::Command(text) => {
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(text);
            Ok((command, Vec::new()))
        }
        Action::Webhook(url) => {
            let mut command = Command::new(&setting.executable);
            command.arg0("loom: webhook");
            let mut line = serde_json::Value::from(url.0.as_str()).to_string().into_bytes();
            line.push(b'\n');
            Ok((command, line))
        }
        Action::Mail(_) => {
            let mut command = Command::new(setting.find_sendmail()?);
            command.args(["-i", "-t"]);
            Ok((command, Vec::new()))
        }
    }
}

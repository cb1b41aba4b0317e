//! The configuration from an executed `loom check`: whatever a file does to a parser, it does it
//! to a process of its own, which hands over one frame or dies.
//!
//! [`load`] waits and leaves the diagnostics to the terminal; [`Loading`] is for a poll loop.

use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::protocol::frame::{self, CONFIG_CAP};
use crate::sys::poll::set_nonblocking;
use crate::sys::privileges::Identity;

/// A load that takes longer is killed.
pub const TIME_LIMIT: Duration = Duration::from_secs(60);
/// Of the diagnostics, so many bytes are kept.
pub const MAX_TEXT: usize = 64 * 1024;

/// Read from a pipe before other descriptors get their turn.
const CHUNKS: usize = 64;
/// The largest frame with its header, and one byte to tell that there is more.
const MAX_BYTES: usize = 4 + CONFIG_CAP + 1;

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It has said on its stderr what is wrong.
    #[error("the configuration has errors")]
    Refused,
    #[error("the configuration could not be loaded: {0}")]
    Broken(String),
}

/// Loads the configuration, as that user where one is given. What is wrong with it appears on our
/// own stderr.
pub fn load(candidates: &str, user: Option<&Identity>) -> Result<Config, LoadError> {
    let mut command = checker(candidates);
    if let Some(user) = user {
        user.apply_to(&mut command);
    }
    let broken = |e: io::Error| LoadError::Broken(e.to_string());
    let mut child = command.stderr(Stdio::inherit()).spawn().map_err(broken)?;
    let mut bytes = Vec::new();
    let read = match child.stdout.take() {
        Some(stdout) => stdout.take(MAX_BYTES as u64).read_to_end(&mut bytes),
        None => Ok(0),
    };
    // Whoever started us may have had SIGCHLD ignored: then there is no status to be had.
    let status = child.wait().ok();
    read.map_err(broken)?;
    judge(status, &bytes)
}

/// A load under way. Dropping it kills it.
#[derive(Debug)]
pub struct Loading {
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    frame: Vec<u8>,
    text: Vec<u8>,
    deadline: Instant,
    /// Its pid may be another's by now.
    gone: bool,
}

impl Loading {
    pub fn start(candidates: &str, now: Instant) -> io::Result<Loading> {
        Loading::spawn(checker(candidates), now)
    }

    fn spawn(mut command: Command, now: Instant) -> io::Result<Loading> {
        // The terminal's Ctrl-C is for the daemon, which then ends this too.
        let mut child = command.stderr(Stdio::piped()).process_group(0).spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let loading = Loading {
            child,
            stdout,
            stderr,
            frame: Vec::new(),
            text: Vec::new(),
            deadline: now + TIME_LIMIT,
            gone: false,
        };
        for fd in loading.fds() {
            set_nonblocking(fd)?;
        }
        Ok(loading)
    }

    /// Readable when [`ready`](Loading::ready) has something to do, besides a SIGCHLD and the
    /// [`deadline`](Loading::deadline).
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let stdout = self.stdout.as_ref().map(AsFd::as_fd);
        stdout.into_iter().chain(self.stderr.as_ref().map(AsFd::as_fd))
    }

    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Never blocks. The configuration with its warnings, or what is wrong with it; after that
    /// this is to be dropped. It is no matter if somebody else has reaped the child.
    pub fn ready(&mut self, now: Instant) -> Option<Result<(Config, String), String>> {
        drain(&mut self.stdout, &mut self.frame, MAX_BYTES);
        drain(&mut self.stderr, &mut self.text, MAX_TEXT);
        let status = match self.child.try_wait() {
            _ if now >= self.deadline => {
                return Some(Err(format!("loading took longer than {TIME_LIMIT:?}")));
            }
            _ if self.stdout.is_some() || self.stderr.is_some() => return None,
            Ok(None) => return None,
            Ok(Some(status)) => Some(status),
            Err(_) => None,
        };
        self.gone = true;
        let text = self.text();
        Some(match judge(status, &self.frame) {
            Ok(config) => Ok((config, text)),
            Err(LoadError::Refused) if !text.is_empty() => Err(text),
            Err(e) => Err(format!("{e}\n{text}").trim_end().to_owned()),
        })
    }

    fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.text).trim_end().to_owned();
        if self.text.len() >= MAX_TEXT {
            text.push_str("\n… and more");
        }
        text
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        if !self.gone {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Our own executable, even if its file has been replaced since.
fn checker(candidates: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("loom")
        .args(["-c", candidates, "check", "--frame"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// `None`: somebody else has reaped it, and the frame must speak for itself.
fn judge(status: Option<ExitStatus>, bytes: &[u8]) -> Result<Config, LoadError> {
    if let Some(status) = status.filter(|status| !status.success()) {
        return Err(match (status.code(), status.signal()) {
            (Some(1), _) => LoadError::Refused,
            (Some(code), _) => LoadError::Broken(format!("`loom check` exited with {code}")),
            (None, signal) => {
                let signal =
                    signal.map_or_else(|| "a signal".to_owned(), |n| format!("signal {n}"));
                LoadError::Broken(format!("`loom check` was killed by {signal}"))
            }
        });
    }
    let mut rest = bytes;
    match frame::read(&mut rest, CONFIG_CAP) {
        Ok(Some(config)) if rest.is_empty() => Ok(config),
        Ok(Some(_)) => Err(LoadError::Broken("`loom check` wrote more than a frame".to_owned())),
        Ok(None) if status.is_none() => Err(LoadError::Refused),
        Ok(None) => Err(LoadError::Broken("`loom check` handed over nothing".to_owned())),
        Err(e) => Err(LoadError::Broken(e.to_string())),
    }
}

/// Takes what is there, up to some chunks, keeps so much of it, and closes the pipe at its end.
fn drain<R: Read>(pipe: &mut Option<R>, into: &mut Vec<u8>, keep: usize) {
    let Some(from) = pipe else { return };
    let mut chunk = [0; 64 * 1024];
    for _ in 0..CHUNKS {
        match from.read(&mut chunk) {
            Ok(n @ 1..) => {
                let room = keep.saturating_sub(into.len());
                into.extend_from_slice(&chunk[..n.min(room)]);
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => return,
            Ok(0) | Err(_) => return *pipe = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Keep, Settings};
    use crate::python::Python;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::collections::BTreeMap;

    fn config() -> Config {
        let settings = Settings {
            file: "/etc/loom.yaml".into(),
            nodesfile: "/etc/nodes.yaml".into(),
            jobspath: "/etc/jobs".into(),
            datafile: None,
            min_workers: 0,
            max_workers: 10,
            timezone: None,
            statedir: "/var/lib/loom".into(),
            idle_timeout: Duration::from_secs(20),
            recycle_after: 500,
            stop_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            ssh_persist: Duration::from_secs(60),
            max_connecting: 10,
            ssh_options: Default::default(),
            python: Python::new(Vec::new()),
            max_output: 1 << 20,
            keep: Keep { days: 90, runs: 1000, bytes: 1 << 30 },
            log_format: Default::default(),
            listen: None,
        };
        Config { settings, nodes: BTreeMap::new(), jobs: BTreeMap::new(), watch: Vec::new() }
    }

    /// What comes of a shell that plays `loom check`, with the frame of [`config`] in `$FRAME`.
    fn play(script: &str) -> Result<(Config, String), String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("frame");
        std::fs::write(&path, frame::encode(&config(), CONFIG_CAP).unwrap()).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("FRAME", &path).stdout(Stdio::piped());
        let mut loading = Loading::spawn(command, Instant::now()).unwrap();
        loop {
            if let Some(result) = loading.ready(Instant::now()) {
                return result;
            }
            let mut fds: Vec<PollFd> =
                loading.fds().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
            // Between the end of its pipes and its own there is nothing to wait for but time.
            let timeout = if fds.is_empty() { PollTimeout::from(5u8) } else { PollTimeout::NONE };
            poll(&mut fds, timeout).unwrap();
        }
    }

    #[test]
    fn a_frame_and_warnings_arrive() {
        assert_eq!(play("cat $FRAME; echo careful >&2"), Ok((config(), "careful".to_owned())));
    }

    #[test]
    fn what_is_wrong_is_told_and_nothing_is_taken() {
        assert_eq!(
            play("cat $FRAME; echo 'a.yaml:1:2: error' >&2; exit 1").unwrap_err(),
            "a.yaml:1:2: error"
        );
        for (script, expected) in [
            ("kill -9 $$", "was killed by signal 9"),
            ("exit 101", "exited with 101"),
            ("exit 0", "handed over nothing"),
            ("head -c 40 $FRAME", "unexpected end of file"),
            ("cat $FRAME $FRAME", "more than a frame"),
            ("head -c 100000 /dev/zero", "does not hold a message"),
            ("printf '\\377\\377\\377\\377'", "exceeds the limit"),
        ] {
            let error = play(script).unwrap_err();
            assert!(error.contains(expected), "{script}: {error}");
        }
    }

    #[test]
    fn diagnostics_without_end_are_cut() {
        let error = play("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1").unwrap_err();
        assert_eq!(error, format!("{}\n… and more", "x".repeat(MAX_TEXT)));
    }

    #[test]
    fn one_that_takes_too_long_is_killed() {
        let mut command = Command::new("sleep");
        command.arg("600").stdout(Stdio::piped());
        let now = Instant::now();
        let mut loading = Loading::spawn(command, now).unwrap();
        let pid = nix::unistd::Pid::from_raw(loading.pid() as i32);
        assert!(loading.ready(now).is_none());
        assert!(loading.ready(now + TIME_LIMIT).unwrap().unwrap_err().contains("longer than 60s"));
        drop(loading);
        assert_eq!(nix::sys::signal::kill(pid, None), Err(nix::errno::Errno::ESRCH));
    }
}

//! What to run on a node, and how it ended.
//!
//! The running itself is in [`super::drive`].

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use loom::protocol::message::Endpoint;
use secrecy::SecretString;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, UnboundedSender};
use zeroize::Zeroizing;

use super::{drive, wrapper};
use crate::milestone::Milestone;
use crate::stop::Stop;

/// One command line and its surroundings. The line is run by the user's login shell, as
/// `ssh node 'line'` would run it, unless `shell` names another.
#[derive(Debug, Clone, Default)]
pub struct Command {
    pub line: String,
    /// Called with `-c LINE`.
    pub shell: Option<String>,
    pub input: Input,
    pub sudo: Option<Sudo>,
    pub env: Vec<(String, String)>,
    /// Changed to before the shell is started; a failure ends the command with status 1.
    pub chdir: Option<String>,
}

/// What the command reads.
#[derive(Debug, Clone, Default)]
pub enum Input {
    /// The end of file, at once.
    #[default]
    Nothing,
    Bytes(Vec<u8>),
    /// A local file, as long as it is when the command starts.
    File(PathBuf),
    /// A terminal on all three streams: stderr arrives as stdout, lines end with `\r\n`, and
    /// nothing is typed but by [`Receive::typed`].
    Terminal(Pty),
}

#[derive(Debug, Clone)]
pub struct Pty {
    pub term: String,
    pub cols: u16,
    pub rows: u16,
}

/// Whose rights the command gets. The password is given only when sudo asks for it.
#[derive(Debug, Clone, Default)]
pub struct Sudo {
    /// `None` is root.
    pub user: Option<String>,
    pub group: Option<String>,
    pub password: Option<SecretString>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Exit(i32),
    /// The shell that ran the line, or what it turned into by `exec`, died by this signal.
    Signal(i32),
}

#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// No session with the node: the command certainly never started.
    #[error("{0}")]
    Unreachable(String),
    /// The node is at its `MaxSessions`, and stayed there. The command never started.
    #[error("the node refused another session: {0}")]
    Refused(String),
    /// The command started, then its end was not heard of.
    #[error("{0}")]
    Lost(String),
    /// sudo did not let the command run.
    #[error("{0}")]
    Sudo(String),
    /// The user's login shell ended before the command was started.
    #[error("the login shell on the node ended with status {0} before the command was started")]
    Shell(i32),
    /// A file did not get there whole, and is not there at all.
    #[error("{0}")]
    Transfer(String),
    /// Cannot be run as asked for.
    #[error("{0}")]
    Invalid(String),
    /// The unit is to end; what ran was ended.
    #[error("stopped")]
    Stopped,
    #[error(transparent)]
    Io(#[from] io::Error),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// Takes a command's output as it arrives.
pub trait Receive {
    fn receive(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()>;

    /// Returns once more can be taken; until then nothing more is read from the command.
    fn room(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }

    /// What is typed at the command's terminal next, if it has one. Nothing must be lost when the
    /// future is dropped.
    fn typed(&self) -> impl Future<Output = io::Result<Zeroizing<Vec<u8>>>> {
        std::future::pending()
    }
}

/// What [`Remote::capture`] brings back.
#[derive(Debug, Clone)]
pub struct Captured {
    pub ended: Ended,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// One unit's way to its node. Commands are run one after the other.
#[derive(Debug, Clone)]
pub struct Remote {
    pub endpoint: Endpoint,
    /// `LOOM_UNIT` in the environment of what is run.
    pub(super) cookie: String,
    /// Between TERM and KILL when a command is ended.
    pub(super) grace: Duration,
    pub(super) stop: Stop,
    pub(super) target: Rc<RefCell<Target>>,
    told: UnboundedSender<Milestone>,
    /// A session was opened, or was not.
    pub(super) opened: Rc<Notify>,
}

/// What runs at the moment, as a kill has to know it.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// Something of the unit has been on the node, or may have been.
    pub touched: bool,
    /// A command of the unit has been started, be it at its end by now.
    pub begun: bool,
    pub pgid: Option<u32>,
    /// A session was asked for, and nothing has been heard of its command.
    pub opening: bool,
    /// The nonce of the command at hand.
    pub nonce: String,
    /// With whose rights something of the unit has been started, each once: the command at hand
    /// last. `None` is the user's own.
    pub rights: Vec<Option<Sudo>>,
}

impl Command {
    /// A line for the user's login shell.
    pub fn new(line: impl Into<String>) -> Command {
        Command { line: line.into(), ..Command::default() }
    }

    /// A POSIX script with its `$1`, `$2`, …
    pub fn script(text: &str, args: &[&str]) -> Command {
        let mut line = "set --".to_owned();
        for arg in args {
            line.push(' ');
            line.push_str(&wrapper::quote(arg));
        }
        line.push('\n');
        line.push_str(text);
        Command { line, shell: Some("/bin/sh".into()), ..Command::default() }
    }

    pub fn input(self, input: Input) -> Command {
        Command { input, ..self }
    }

    pub fn sudo(self, sudo: Option<Sudo>) -> Command {
        Command { sudo, ..self }
    }
}

impl Ended {
    pub fn is_success(self) -> bool {
        self == Ended::Exit(0)
    }
}

impl Captured {
    /// Without white space around it.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }

    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim().to_owned()
    }
}

impl Remote {
    /// `told` hears of every command that has begun.
    pub fn new(
        endpoint: Endpoint,
        cookie: String,
        grace: Duration,
        stop: Stop,
        told: UnboundedSender<Milestone>,
    ) -> Remote {
        let (target, opened) = Default::default();
        Remote { endpoint, cookie, grace, stop, target, told, opened }
    }

    /// Runs to the end of the command and of its output.
    ///
    /// # Errors
    /// When the command did not start, or its end was not heard of; a command that ran and
    /// failed is no error.
    pub async fn run(
        &self,
        command: &Command,
        to: &mut impl Receive,
    ) -> Result<Ended, RemoteError> {
        drive::run(self, command, to).await
    }

    /// The same for commands whose output the task itself reads. More than
    /// [`CAPTURE_LIMIT`] on a stream is an error.
    pub async fn capture(&self, command: &Command) -> Result<Captured, RemoteError> {
        let mut buffers = Buffers::default();
        let ended = self.run(command, &mut buffers).await?;
        let Buffers { stdout, stderr } = buffers;
        Ok(Captured { ended, stdout, stderr })
    }

    /// The same node for what must be done even after a stop: tidying up.
    pub fn regardless(&self) -> Remote {
        let (unheard, _) = mpsc::unbounded_channel();
        let stop = Stop::default();
        Remote::new(self.endpoint.clone(), TIDYING.into(), self.grace, stop, unheard)
    }

    /// A command was started whose end has not been heard of.
    pub fn is_running(&self) -> bool {
        self.target.borrow().pgid.is_some()
    }

    /// Some command of the unit was started.
    pub fn has_begun(&self) -> bool {
        self.target.borrow().begun
    }

    /// What ran was on a node that has been started anew since.
    pub fn forget_running(&self) {
        self.target.borrow_mut().pgid = None;
    }

    /// Returns once the unit is to end.
    pub async fn stopped(&self) {
        self.stop.requested().await;
    }

    /// A session is about to be asked for.
    pub(super) fn opening(&self, nonce: &str) {
        let mut target = self.target.borrow_mut();
        target.touched = true;
        target.opening = true;
        target.nonce = nonce.to_owned();
    }

    /// There is none, and so no command.
    pub(super) fn not_opened(&self) {
        {
            let mut target = self.target.borrow_mut();
            target.opening = false;
            target.touched = target.begun;
        }
        self.opened.notify_waiters();
    }

    pub(super) fn started(&self, pgid: u32, sudo: Option<&Sudo>) {
        {
            let mut target = self.target.borrow_mut();
            target.begun = true;
            target.opening = false;
            target.pgid = Some(pgid);
            let known = |rights: &Option<Sudo>| match (rights, sudo) {
                (Some(known), Some(sudo)) => known.user == sudo.user && known.group == sudo.group,
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            target.rights.retain(|rights| !known(rights));
            target.rights.push(sudo.cloned());
        }
        self.opened.notify_waiters();
        // Nobody listens in a sweep.
        let _ = self.told.send(Milestone::Started { pgid: Some(pgid) });
    }

    /// Nothing of the command at hand runs any more, unless it `may_go_on`.
    pub(super) fn ended(&self, may_go_on: bool) {
        let mut target = self.target.borrow_mut();
        target.opening = false;
        if !may_go_on {
            target.pgid = None;
        }
        self.opened.notify_waiters();
    }
}

/// Bytes that [`Remote::capture`] takes from each stream.
pub const CAPTURE_LIMIT: usize = 16 << 20;

/// The cookie of our own commands, which no sweep looks for.
const TIDYING: &str = "loom";

#[derive(Debug, Default)]
struct Buffers {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Receive for Buffers {
    fn receive(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let buffer = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        if buffer.len() + bytes.len() > CAPTURE_LIMIT {
            return Err(io::Error::other(format!("more than {CAPTURE_LIMIT} bytes of output")));
        }
        buffer.extend_from_slice(bytes);
        Ok(())
    }
}

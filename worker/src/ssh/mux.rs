//! Sessions on a running ssh master, by the mux protocol: no process is spawned.
//!
//! Knows nothing of the wrapper: it hands out the three streams of a remote command.

use std::borrow::Cow;
use std::io::{self, ErrorKind, PipeReader, PipeWriter};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use loom::sys::poll::set_nonblocking;
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::termios::{LocalFlags, SetArg, cfmakeraw, tcgetattr, tcsetattr};
use openssh_mux_client::{
    Connection, Error, EstablishedSession, NonZeroByteSlice, Session, SessionStatus,
};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::time::{Instant, sleep, timeout};

use super::command::{Pty, RemoteError};
use crate::stop::Stop;

/// How long a node that refuses another session is asked again.
const PATIENCE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A master that is alive answers at once.
const MASTER_ANSWERS: Duration = Duration::from_secs(5);

/// A remote command's streams. Dropping it closes the session's channel.
pub struct Channel {
    pub stdin: Option<Stdin>,
    pub stdout: Receiver,
    pub stderr: Receiver,
    session: EstablishedSession,
}

/// The way to the command; dropping it is end of file, or the hang-up of a terminal's near side.
pub enum Stdin {
    Pipe(Sender),
    Terminal(OwnedFd),
}

/// Waits while the node has no room for a session, unless it is not wanted any more.
pub async fn open(
    control: &Path,
    command: &[u8],
    pty: Option<&Pty>,
    stop: &Stop,
) -> Result<Channel, RemoteError> {
    let asked = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match try_open(control, command, pty).await {
            Err(RemoteError::Refused(_)) if asked.elapsed() < PATIENCE => {
                tokio::select! {
                    () = sleep(pause) => {}
                    () = stop.requested() => return Err(RemoteError::Stopped),
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            other => return other,
        }
    }
}

async fn try_open(
    control: &Path,
    command: &[u8],
    pty: Option<&Pty>,
) -> Result<Channel, RemoteError> {
    let command = NonZeroByteSlice::new(command)
        .ok_or_else(|| RemoteError::Invalid("a command cannot contain a NUL byte".into()))?;
    let term = pty.map_or("", |pty| pty.term.as_str());
    let term = NonZeroByteSlice::new(term.as_bytes())
        .ok_or_else(|| RemoteError::Invalid("TERM cannot contain a NUL byte".into()))?;
    let session = Session::builder()
        .tty(pty.is_some())
        .term(Cow::Borrowed(term))
        .cmd(Cow::Borrowed(command))
        .build();

    let (far_stdin, stdin) = match pty {
        None => far_and_near_pipe()?,
        Some(pty) => far_and_near_terminal(pty)?,
    };
    let (stdout, far_stdout) = io::pipe()?;
    let (stderr, far_stderr) = io::pipe()?;
    let far = [far_stdin.as_raw_fd(), far_stdout.as_raw_fd(), far_stderr.as_raw_fd()];

    let connection = Connection::connect(control).await.map_err(connecting)?;
    let session = connection.open_new_session(&session, &far).await.map_err(opening)?;
    if pty.is_some() {
        // The master has taken over the modes for the far side; between us bytes pass unchanged.
        make_raw(&far_stdin)?;
    }
    Ok(Channel { stdin: Some(stdin), stdout: near(stdout)?, stderr: near(stderr)?, session })
}

fn far_and_near_pipe() -> io::Result<(OwnedFd, Stdin)> {
    let (far, near): (PipeReader, PipeWriter) = io::pipe()?;
    Ok((far.into(), Stdin::Pipe(Sender::from_owned_fd(near.into())?)))
}

/// Without echo: nobody types, and a password must not come back as output.
fn far_and_near_terminal(pty: &Pty) -> io::Result<(OwnedFd, Stdin)> {
    let size = Winsize { ws_row: pty.rows, ws_col: pty.cols, ws_xpixel: 0, ws_ypixel: 0 };
    let OpenptyResult { master, slave } = openpty(&size, None)?;
    let mut modes = tcgetattr(&slave)?;
    modes.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&slave, SetArg::TCSANOW, &modes)?;
    // One that takes no more must not stop us; the far side's own end still blocks.
    set_nonblocking(master.as_fd())?;
    Ok((slave, Stdin::Terminal(master)))
}

fn make_raw(terminal: &OwnedFd) -> io::Result<()> {
    let mut modes = tcgetattr(terminal)?;
    cfmakeraw(&mut modes);
    Ok(tcsetattr(terminal, SetArg::TCSANOW, &modes)?)
}

fn near(pipe: PipeReader) -> io::Result<Receiver> {
    Receiver::from_owned_fd(pipe.into())
}

/// No master, no session: nothing can have started.
fn connecting(error: Error) -> RemoteError {
    RemoteError::Unreachable(format!("the node's ssh master does not answer: {error}"))
}

/// The master answers a request for a session only after the node did: an error means that
/// nothing was started, but for a connection that broke in between.
fn opening(error: Error) -> RemoteError {
    match error {
        Error::RequestFailure(reason) => RemoteError::Refused(reason.into()),
        Error::PermissionDenied(reason) => RemoteError::Unreachable(reason.into()),
        Error::IOError(e) if e.kind() == ErrorKind::UnexpectedEof => RemoteError::Unreachable(
            "the ssh master went away before it had opened a session".into(),
        ),
        other => RemoteError::Unreachable(format!("the ssh master opened no session: {other}")),
    }
}

impl Channel {
    /// The shell's own exit status, once its output is at an end. `None`: a signal, or the
    /// connection is gone.
    pub async fn exit(self) -> Option<i32> {
        match timeout(MASTER_ANSWERS, self.session.wait()).await {
            Ok(Ok(SessionStatus::Exited { exit_value })) => exit_value.map(|value| value as i32),
            Ok(Ok(SessionStatus::TtyAllocFail(_)) | Err(_)) | Err(_) => None,
        }
    }
}

/// Whether a master still answers on this socket.
pub async fn is_alive(control: &Path) -> bool {
    let answer = async { Connection::connect(control).await?.send_alive_check().await };
    matches!(timeout(MASTER_ANSWERS, answer).await, Ok(Ok(_)))
}

//! Runs one command: opens its session, passes its output on, and knows when it is over.
//!
//! It is over when the wrapper has said its last word on both streams, whoever still holds them.

use std::io;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

use super::command::{Command, Ended, Input, Receive, Remote, RemoteError, Stream};
use super::feed::{Feed, Source};
use super::marks::{Mark, Piece, Scanner};
use super::wrapper::Frame;
use super::{mux, wrapper};
use crate::nonce;

const CHUNK: usize = 32 * 1024;

/// What is known of the command so far.
struct Progress<'a, R> {
    remote: &'a Remote,
    command: &'a Command,
    to: &'a mut R,
    feed: Feed,
    /// Shells of ours that said so: sudo's comes second.
    shells: u32,
    stdout_ended: bool,
    status: Option<Ended>,
}

pub async fn run<R: Receive>(
    remote: &Remote,
    command: &Command,
    to: &mut R,
) -> Result<Ended, RemoteError> {
    if remote.stop.is_requested() {
        return Err(RemoteError::Stopped);
    }
    let source = Source::open(&command.input)?;
    let nonce = nonce::fresh();
    let frame = Frame {
        nonce: &nonce,
        cookie: &remote.cookie,
        grace: remote.grace,
        size: source.as_ref().map_or(0, Source::size),
    };
    let line = wrapper::line(command, &frame);
    let pty = match &command.input {
        Input::Terminal(pty) => Some(pty),
        Input::Nothing | Input::Bytes(_) | Input::File(_) => None,
    };
    remote.opening(&nonce);
    let control = &remote.endpoint.control;
    let mut channel = match mux::open(control, line.as_bytes(), pty, &remote.stop).await {
        Ok(channel) => channel,
        Err(error) => {
            remote.not_opened();
            return Err(error);
        }
    };
    let mut progress = Progress {
        remote,
        command,
        to,
        feed: Feed::new(channel.stdin.take(), source),
        shells: 0,
        stdout_ended: false,
        status: None,
    };
    let followed = progress.follow(&nonce, &mut channel.stdout, &mut channel.stderr).await;
    let ended = match (followed, progress.status) {
        (Ok(true), Some(ended)) => Ok(ended),
        (Ok(_), _) => Err(progress.broken(channel).await),
        (Err(error), _) => Err(error),
    };
    remote.ended(may_go_on(&ended));
    ended
}

/// As much as there is, as soon as it can be taken.
pub async fn read_into(
    to: &impl Receive,
    from: &mut Receiver,
    buffer: &mut [u8],
) -> io::Result<usize> {
    to.room().await;
    from.read(buffer).await
}

fn shell_killed() -> RemoteError {
    RemoteError::Lost("the command's own shell on the node was killed".into())
}

/// Whether something may still run that is to be ended.
fn may_go_on(ended: &Result<Ended, RemoteError>) -> bool {
    match ended {
        Err(RemoteError::Lost(_) | RemoteError::Stopped | RemoteError::Io(_)) => true,
        // A sudo that gets no (other) answer ends by itself, and is not to be asked again.
        Err(
            RemoteError::Unreachable(_)
            | RemoteError::Refused(_)
            | RemoteError::Sudo(_)
            | RemoteError::Shell(_)
            | RemoteError::Transfer(_)
            | RemoteError::Invalid(_),
        )
        | Ok(_) => false,
    }
}

impl<R: Receive> Progress<'_, R> {
    /// Until both streams have ended; `true` if the wrapper ended them.
    async fn follow(
        &mut self,
        nonce: &str,
        stdout: &mut Receiver,
        stderr: &mut Receiver,
    ) -> Result<bool, RemoteError> {
        let stop = self.remote.stop.clone();
        let mut scanners = [Scanner::new(nonce), Scanner::new(nonce)];
        let mut buffers = [vec![0; CHUNK], vec![0; CHUNK]];
        let mut open = [true, true];
        let mut stopping = false;
        let terminal = matches!(self.command.input, Input::Terminal(_));
        let [out, err] = &mut buffers;
        while open != [false, false] {
            let (to, feed) = (&*self.to, &mut self.feed);
            let typing = terminal && !stopping && feed.has_room();
            let (stream, read) = tokio::select! {
                read = read_into(to, stdout, out), if open[0] => (Stream::Stdout, read?),
                read = read_into(to, stderr, err), if open[1] => (Stream::Stderr, read?),
                typed = to.typed(), if typing => {
                    feed.typed(&typed?);
                    tokio::task::yield_now().await;
                    continue;
                }
                fed = feed.advance() => {
                    fed?;
                    continue;
                }
                () = stop.requested(), if !stopping => {
                    stopping = true;
                    self.feed.close();
                    if terminal {
                        // Only the end of the session hangs a terminal up.
                        return Err(RemoteError::Stopped);
                    }
                    continue;
                }
            };
            let (index, buffer) = match stream {
                Stream::Stdout => (0, &out[..read]),
                Stream::Stderr => (1, &err[..read]),
            };
            if read == 0 {
                open[index] = false;
                let held = scanners[index].finish();
                self.to.receive(stream, &held)?;
                continue;
            }
            scanners[index].push(buffer, |piece| self.take(stream, piece))?;
            if self.stdout_ended && self.status.is_some() {
                return Ok(true);
            }
            // For the timeout and the heartbeat: who always finds more to read uses up tokio's
            // budget, without which no timer tells that its time has come.
            tokio::task::yield_now().await;
        }
        Ok(false)
    }

    fn take(&mut self, stream: Stream, piece: Piece<'_>) -> Result<(), RemoteError> {
        match piece {
            Piece::Text(text) => {
                let over = match stream {
                    Stream::Stdout => self.stdout_ended,
                    Stream::Stderr => self.status.is_some(),
                };
                // What the command left behind may go on writing; that is not its output.
                if !over || matches!(self.command.input, Input::Terminal(_)) {
                    self.to.receive(stream, text)?;
                }
            }
            Piece::Mark(Mark::Runs(pid)) => {
                self.shells += 1;
                if self.shells == 1 {
                    self.remote.started(pid, self.command.sudo.as_ref());
                }
                if self.begun() {
                    self.feed.begin();
                }
            }
            Piece::Mark(Mark::Prompt) => self.feed.password(self.command)?,
            Piece::Mark(Mark::Taken) => self.feed.taken(),
            Piece::Mark(Mark::End) => self.stdout_ended = true,
            Piece::Mark(Mark::Status(status)) => {
                self.status = Some(wrapper::ended(status).ok_or_else(shell_killed)?);
            }
        }
        Ok(())
    }

    fn begun(&self) -> bool {
        self.shells > u32::from(self.command.sudo.is_some())
    }

    /// Why the streams ended before the wrapper did.
    async fn broken(&self, channel: mux::Channel) -> RemoteError {
        let exit = channel.exit().await;
        if self.remote.stop.is_requested() {
            return RemoteError::Stopped;
        }
        match exit {
            Some(status) if self.shells == 0 => RemoteError::Shell(status),
            Some(_) if !self.begun() => {
                RemoteError::Sudo("sudo did not run the command; its output says why".into())
            }
            Some(_) | None if mux::is_alive(&self.remote.endpoint.control).await => shell_killed(),
            Some(_) | None => {
                RemoteError::Lost("the connection was lost while the command ran".into())
            }
        }
    }
}

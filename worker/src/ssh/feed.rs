//! What is written to a command's stdin, and when: a password when sudo asks, the data, then
//! nothing for as long as the command may live.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use nix::errno::Errno;
use secrecy::ExposeSecret;
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::command::{Command, Input, RemoteError};
use super::mux::Stdin;

const CHUNK: usize = 64 * 1024;
/// Until a terminal is tried again that takes no more.
const FULL: Duration = Duration::from_millis(20);

pub struct Feed {
    /// `None` once it is closed, which ends the command.
    stdin: Option<Stdin>,
    pending: Zeroizing<Vec<u8>>,
    written: usize,
    data: Data,
    asked: bool,
}

enum Data {
    /// Held back until stdin is no longer sudo's.
    Waiting(Source),
    Sending(Source),
    Nothing,
}

/// Exactly this many bytes of it.
pub struct Source {
    reader: Box<dyn Read>,
    left: u64,
}

impl Source {
    pub fn open(input: &Input) -> io::Result<Option<Source>> {
        match input {
            Input::Nothing | Input::Terminal(_) => Ok(None),
            Input::Bytes(bytes) => {
                let left = bytes.len() as u64;
                Ok(Some(Source { reader: Box::new(io::Cursor::new(bytes.clone())), left }))
            }
            Input::File(path) => {
                let file = File::open(path).map_err(|e| {
                    io::Error::new(e.kind(), format!("{} cannot be read: {e}", path.display()))
                })?;
                let left = file.metadata()?.len();
                Ok(Some(Source { reader: Box::new(file), left }))
            }
        }
    }

    pub fn size(&self) -> u64 {
        self.left
    }

    fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let mut chunk = vec![0; self.left.min(CHUNK as u64) as usize];
        self.reader.read_exact(&mut chunk).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::other("the file shrank while it was sent"),
            _ => e,
        })?;
        self.left -= chunk.len() as u64;
        Ok(chunk)
    }
}

impl Feed {
    pub fn new(stdin: Option<Stdin>, source: Option<Source>) -> Feed {
        let data = source.map_or(Data::Nothing, Data::Waiting);
        Feed { stdin, pending: Zeroizing::default(), written: 0, data, asked: false }
    }

    /// The end of the lease.
    pub fn close(&mut self) {
        self.stdin = None;
    }

    /// The wrapper runs: stdin is its own, and the data may come.
    pub fn begin(&mut self) {
        self.data = match std::mem::replace(&mut self.data, Data::Nothing) {
            Data::Waiting(source) | Data::Sending(source) => Data::Sending(source),
            Data::Nothing => Data::Nothing,
        };
    }

    /// sudo asks. It is told once; a second question means that it was the wrong password.
    pub fn password(&mut self, command: &Command) -> Result<(), RemoteError> {
        let password = command.sudo.as_ref().and_then(|sudo| sudo.password.as_ref());
        let Some(password) = password else {
            return Err(RemoteError::Sudo(
                "sudo asks for a password, and none is configured".into(),
            ));
        };
        if std::mem::replace(&mut self.asked, true) {
            return Err(RemoteError::Sudo("sudo did not accept the password".into()));
        }
        self.push(password.expose_secret().as_bytes());
        self.push(b"\n");
        Ok(())
    }

    /// The other side has taken as much data as it wants: if that is all of it, so be it said.
    pub fn taken(&mut self) {
        match std::mem::replace(&mut self.data, Data::Nothing) {
            Data::Sending(Source { left: 0, .. }) => self.push(b"\n"),
            Data::Sending(_) | Data::Waiting(_) | Data::Nothing => {}
        }
    }

    /// Whether more of what is typed can be taken.
    pub fn has_room(&self) -> bool {
        self.pending.len() - self.written < CHUNK
    }

    /// Somebody types; a terminal has no other data.
    pub fn typed(&mut self, bytes: &[u8]) {
        self.push(bytes);
    }

    fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Writes what can be written now, and returns; waits forever once there is nothing to
    /// write. Nothing is lost when the future is dropped.
    pub async fn advance(&mut self) -> io::Result<()> {
        if self.written == self.pending.len()
            && let Data::Sending(source) = &mut self.data
            && source.left > 0
        {
            self.pending = Zeroizing::new(source.chunk()?);
            self.written = 0;
        }
        let (Some(stdin), true) = (&self.stdin, self.written < self.pending.len()) else {
            return std::future::pending().await;
        };
        let rest = &self.pending[self.written..];
        match stdin {
            Stdin::Terminal(terminal) => match nix::unistd::write(terminal, rest) {
                Ok(n) => self.written += n,
                Err(Errno::EAGAIN) => sleep(FULL).await,
                Err(e) => return Err(e.into()),
            },
            Stdin::Pipe(pipe) => {
                pipe.writable().await?;
                match pipe.try_write(rest) {
                    Ok(n) => self.written += n,
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    // The command does not want the rest; how it ends will be seen.
                    Err(e) if e.kind() == io::ErrorKind::BrokenPipe => self.close(),
                    Err(e) => return Err(e),
                }
            }
        }
        if self.written == self.pending.len() {
            self.pending = Zeroizing::default();
            self.written = 0;
        }
        Ok(())
    }
}

//! The packets between a worker and its interpreter: a kind, the length in four bytes, big end
//! first, and so many bytes.
//!
//! The interpreter runs a user's code: nothing it sends is trusted to be well formed.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::net;

use loom::arg::Arg;
use nix::errno::Errno;
use tokio::net::UnixStream;

use super::value;

/// A longer one from the interpreter breaks the conversation.
const LONGEST: usize = 16 << 20;
const CHUNK: usize = 16 * 1024;

/// What the interpreter says.
#[derive(Debug, PartialEq)]
pub enum Packet {
    /// It waits for the reply.
    Request(Arg),
    /// Typed at the terminal of the command that runs.
    Typed(Vec<u8>),
    /// The node's password is to be typed there, and a newline.
    Password,
    /// How the task went. Nothing comes after it.
    Done(Arg),
}

pub struct Channel {
    stream: UnixStream,
    inbox: RefCell<Vec<u8>>,
    outbox: RefCell<Vec<u8>>,
    put_back: RefCell<Option<Packet>>,
}

impl Channel {
    /// Our end, and the one that becomes the interpreter's standard input.
    pub fn pair() -> io::Result<(Channel, OwnedFd)> {
        let (near, far) = net::UnixStream::pair()?;
        near.set_nonblocking(true)?;
        let stream = UnixStream::from_std(near)?;
        let (inbox, outbox, put_back) = Default::default();
        Ok((Channel { stream, inbox, outbox, put_back }, far.into()))
    }

    /// The unit, once at the beginning.
    pub fn unit(&self, unit: &Arg) {
        self.queue(b'U', &value::encode(unit));
    }

    pub fn reply(&self, reply: &Arg) {
        self.queue(b'R', &value::encode(reply));
    }

    /// What the command that runs has written.
    pub fn stdout(&self, bytes: &[u8]) {
        self.queue(b'O', bytes);
    }

    pub fn stderr(&self, bytes: &[u8]) {
        self.queue(b'E', bytes);
    }

    fn queue(&self, kind: u8, bytes: &[u8]) {
        let mut outbox = self.outbox.borrow_mut();
        outbox.push(kind);
        outbox.extend((bytes.len() as u32).to_be_bytes());
        outbox.extend(bytes);
    }

    /// Returns once all that is queued is on its way, or nobody is there to read it. Nothing is
    /// lost when the future is dropped.
    pub async fn flush(&self) {
        while !self.outbox.borrow().is_empty() {
            if self.stream.writable().await.is_err() {
                return;
            }
            let written = self.stream.try_write(&self.outbox.borrow());
            match written {
                Ok(n) => drop(self.outbox.borrow_mut().drain(..n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.outbox.borrow_mut().clear(),
            }
        }
    }

    /// `None` once the interpreter has closed its end. Nothing is lost when the future is dropped.
    pub async fn next(&self) -> io::Result<Option<Packet>> {
        loop {
            if let Some(packet) = self.take()? {
                return Ok(Some(packet));
            }
            self.stream.readable().await?;
            let mut chunk = [0; CHUNK];
            match self.stream.try_read(&mut chunk) {
                Ok(0) => return Ok(None),
                Ok(n) => self.inbox.borrow_mut().extend(&chunk[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// The next of what was sent before the interpreter ended, if there is more of it. Nothing is
    /// waited for: it is all there, and a process that escaped may hold the other end open.
    pub fn left(&self) -> io::Result<Option<Packet>> {
        for _ in 0..LONGEST / CHUNK {
            if let Some(packet) = self.take()? {
                return Ok(Some(packet));
            }
            let mut chunk = [0; CHUNK];
            match nix::unistd::read(&self.stream, &mut chunk) {
                Ok(0) | Err(Errno::EAGAIN | Errno::ECONNRESET) => return Ok(None),
                Ok(n) => self.inbox.borrow_mut().extend(&chunk[..n]),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// The next one again.
    pub fn put_back(&self, packet: Packet) {
        self.put_back.replace(Some(packet));
    }

    fn take(&self) -> io::Result<Option<Packet>> {
        if let Some(packet) = self.put_back.take() {
            return Ok(Some(packet));
        }
        let mut inbox = self.inbox.borrow_mut();
        let Some((head, rest)) = inbox.split_first_chunk::<5>() else { return Ok(None) };
        let [kind, length @ ..] = *head;
        let length = u32::from_be_bytes(length) as usize;
        if length > LONGEST {
            return Err(broken(format!("a packet of {length} bytes")));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let packet = match kind {
            b'Q' => Packet::Request(value::decode(body).map_err(broken)?),
            b'T' => Packet::Typed(body.to_vec()),
            b'P' => Packet::Password,
            b'D' => Packet::Done(value::decode(body).map_err(broken)?),
            other => return Err(broken(format!("a packet of kind {other}"))),
        };
        inbox.drain(..5 + length);
        Ok(Some(packet))
    }
}

fn broken(what: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("the interpreter sent {what}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The far end, held by somebody else as well.
    fn held() -> (Channel, net::UnixStream, OwnedFd) {
        let (channel, far) = Channel::pair().unwrap();
        let escaped = far.try_clone().unwrap();
        (channel, far.into(), escaped)
    }

    #[tokio::test]
    async fn what_was_said_last_is_read_although_the_channel_stays_open() {
        let (channel, mut far, _escaped) = held();
        far.write_all(b"Q\0\0\0\x01nD\0\0\0\x01tD\0\0").unwrap();
        drop(far);
        assert_eq!(channel.left().unwrap(), Some(Packet::Request(Arg::Null)));
        assert_eq!(channel.left().unwrap(), Some(Packet::Done(Arg::Bool(true))));
        assert_eq!(channel.left().unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_put_back_comes_again() {
        let (channel, mut far, _escaped) = held();
        far.write_all(b"P\0\0\0\0").unwrap();
        channel.put_back(Packet::Done(Arg::Null));
        assert_eq!(channel.next().await.unwrap(), Some(Packet::Done(Arg::Null)));
        assert_eq!(channel.next().await.unwrap(), Some(Packet::Password));
    }

    #[tokio::test]
    async fn whatever_is_no_packet_is_refused() {
        for odd in [&b"x\0\0\0\0"[..], b"Q\xff\xff\xff\xff", b"D\0\0\0\x01?"] {
            let (channel, mut far, _escaped) = held();
            far.write_all(odd).unwrap();
            let error = channel.next().await.unwrap_err().to_string();
            assert!(error.starts_with("the interpreter sent "), "{error}");
        }
    }
}

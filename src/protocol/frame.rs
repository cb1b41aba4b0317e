//! Frames: a length in four bytes, little end first, then one message in bincode.
//!
//! The only file that knows bincode. A length is checked before anything is allocated, on both
//! ends; a frame must be used up to its last byte. [`Inbox`] and [`Outbox`] are for nonblocking
//! descriptors, [`read`] and [`write`] for blocking ones.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest message between the parent and a worker, in bytes.
pub const CAP: usize = 1 << 20;
/// The largest configuration that `loom check` hands over, in bytes.
pub const CONFIG_CAP: usize = 1 << 28;

const HEADER: usize = 4;

#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of {length} bytes exceeds the limit of {cap}")]
    TooLarge { length: usize, cap: usize },
    #[error("a frame that does not hold a message: {0}")]
    Garbage(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Fixed-width integers: frames are short-lived, and encoding them is on every unit's way.
fn config<const CAP: usize>() -> Configuration<LittleEndian, Fixint, Limit<CAP>> {
    bincode::config::standard().with_fixed_int_encoding().with_limit::<CAP>()
}

/// One whole frame, header included.
pub fn encode<T: Serialize>(message: &T, cap: usize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; HEADER];
    let length = bincode::serde::encode_into_std_write(message, &mut bytes, config::<CONFIG_CAP>())
        .map_err(|e| FrameError::Garbage(e.to_string()))?;
    if length > cap {
        return Err(FrameError::TooLarge { length, cap });
    }
    bytes[..HEADER].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(bytes)
}

/// The message in a frame's body.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    // The limit bounds what a length inside the body may make us allocate.
    let decoded = if body.len() <= CAP {
        bincode::serde::decode_from_slice(body, config::<CAP>())
    } else {
        bincode::serde::decode_from_slice(body, config::<CONFIG_CAP>())
    };
    let (message, used) = decoded.map_err(|e| FrameError::Garbage(e.to_string()))?;
    if used != body.len() {
        return Err(FrameError::Garbage(format!("{} bytes left over", body.len() - used)));
    }
    Ok(message)
}

/// The body's length that a header announces, if it is allowed.
pub fn announced(header: [u8; HEADER], cap: usize) -> Result<usize, FrameError> {
    let length = u32::from_le_bytes(header) as usize;
    if length > cap { Err(FrameError::TooLarge { length, cap }) } else { Ok(length) }
}

/// Blocks for one message; `None` at a clean end of the stream.
pub fn read<T: DeserializeOwned>(
    from: &mut impl Read,
    cap: usize,
) -> Result<Option<T>, FrameError> {
    let mut header = [0; HEADER];
    match from.read(&mut header[..1])? {
        0 => return Ok(None),
        _ => from.read_exact(&mut header[1..])?,
    }
    let length = announced(header, cap)?;
    let mut body = Vec::new();
    from.take(length as u64).read_to_end(&mut body)?;
    if body.len() < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    decode(&body).map(Some)
}

pub fn write<T: Serialize>(to: &mut impl Write, message: &T, cap: usize) -> Result<(), FrameError> {
    to.write_all(&encode(message, cap)?)?;
    to.flush()?;
    Ok(())
}

impl From<ErrorKind> for FrameError {
    fn from(kind: ErrorKind) -> Self {
        FrameError::Io(kind.into())
    }
}

/// What has arrived of the next frames on a nonblocking descriptor.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// So much of it has been taken. It is thrown away when more arrives: doing so for each of
    /// many small frames would move all that follows each time.
    taken: usize,
}

/// An empty buffer of more than this is given back.
const SPARE: usize = 64 * 1024;

impl Inbox {
    /// Takes what is there now; `false` once the other end has closed.
    pub fn fill(&mut self, from: &mut impl Read) -> Result<bool, FrameError> {
        self.forget_taken();
        let mut chunk = [0; 16 * 1024];
        loop {
            match from.read(&mut chunk) {
                Ok(0) => return Ok(false),
                Ok(n) => {
                    self.bytes.extend_from_slice(&chunk[..n]);
                    // One message at most is complete beyond this; the rest can wait in the pipe.
                    if n < chunk.len() || self.bytes.len() > CAP {
                        return Ok(true);
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn forget_taken(&mut self) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        if self.bytes.is_empty() && self.bytes.capacity() > SPARE {
            self.bytes = Vec::new();
        }
    }

    /// The next complete message. An error means the stream can no longer be trusted.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let rest = &self.bytes[self.taken..];
        let Some(header) = rest.first_chunk::<HEADER>() else { return Ok(None) };
        let end = HEADER + announced(*header, CAP)?;
        if rest.len() < end {
            return Ok(None);
        }
        let message = decode(&rest[HEADER..end])?;
        self.taken += end;
        if self.taken == self.bytes.len() {
            self.forget_taken();
        }
        Ok(Some(message))
    }
}

/// What is yet to be written to a nonblocking descriptor.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: VecDeque<u8>,
}

impl Outbox {
    pub fn push<T: Serialize>(&mut self, message: &T) -> Result<(), FrameError> {
        self.bytes.extend(encode(message, CAP)?);
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that are yet to be written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Writes what fits now.
    pub fn flush(&mut self, to: &mut impl Write) -> Result<(), FrameError> {
        while !self.bytes.is_empty() {
            match to.write(self.bytes.as_slices().0) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => drop(self.bytes.drain(..n)),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::message::{FromWorker, ToWorker};
    use crate::unit::UnitId;
    use proptest::prelude::*;

    #[test]
    fn a_message_survives_the_way_byte_by_byte() {
        let message = FromWorker::Started { unit: UnitId(7), remote_pgid: Some(4711) };
        let frame = encode(&message, CAP).unwrap();
        let mut inbox = Inbox::default();
        for (i, byte) in frame.iter().enumerate() {
            assert!(inbox.take::<FromWorker>().unwrap().is_none(), "complete after {i} bytes");
            inbox.fill(&mut [*byte].as_slice()).unwrap();
        }
        assert_eq!(inbox.take::<FromWorker>().unwrap(), Some(message));
        assert!(inbox.take::<FromWorker>().unwrap().is_none());
    }

    #[test]
    fn many_small_frames_are_taken_in_order_and_nothing_of_them_stays() {
        let message = |n| FromWorker::Swept { unit: UnitId(n) };
        let mut stream: Vec<u8> =
            (0..100_000).flat_map(|n| encode(&message(n), CAP).unwrap()).collect();
        stream.extend([0, 0]);
        let (mut from, mut inbox, mut taken) = (stream.as_slice(), Inbox::default(), 0);
        while inbox.fill(&mut from).unwrap() {
            while let Some(found) = inbox.take::<FromWorker>().unwrap() {
                assert_eq!(found, message(taken));
                taken += 1;
            }
        }
        assert_eq!((taken, &inbox.bytes[inbox.taken..]), (100_000, &[0, 0][..]));
    }

    #[test]
    fn a_large_frame_leaves_no_large_buffer() {
        let mut inbox = Inbox::default();
        let frame = encode(&"x".repeat(CAP / 2), CAP).unwrap();
        inbox.fill(&mut frame.as_slice()).unwrap();
        assert!(inbox.take::<String>().unwrap().is_some());
        assert!(inbox.bytes.capacity() <= SPARE);
    }

    #[test]
    fn a_length_beyond_the_cap_is_refused_before_its_body_arrives() {
        let mut inbox = Inbox::default();
        inbox.fill(&mut (CAP as u32 + 1).to_le_bytes().as_slice()).unwrap();
        assert!(matches!(inbox.take::<FromWorker>(), Err(FrameError::TooLarge { .. })));
    }

    #[test]
    fn too_large_a_message_is_refused_by_its_sender() {
        assert!(matches!(encode(&"x".repeat(CAP), CAP), Err(FrameError::TooLarge { .. })));
    }

    #[test]
    fn bytes_left_over_are_garbage() {
        let mut frame = encode(&ToWorker::Shutdown, CAP).unwrap();
        frame.push(0);
        assert!(matches!(decode::<ToWorker>(&frame[HEADER..]), Err(FrameError::Garbage(_))));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = decode::<ToWorker>(&bytes);
            let _ = decode::<FromWorker>(&bytes);
            let mut inbox = Inbox::default();
            inbox.fill(&mut bytes.as_slice()).unwrap();
            while let Ok(Some(_)) = inbox.take::<ToWorker>() {}
        }
    }
}

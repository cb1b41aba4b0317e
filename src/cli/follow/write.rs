//! Our stdout and stderr. A reader who has gone away is not a failure: what it would have read is
//! left out, and whatever is waited for is still waited for.

use std::io::{self, ErrorKind, Write};

use super::lines::{Pieces, Stream};
use crate::client::Failure;

#[derive(Debug, Default)]
pub struct Out {
    /// Nobody reads it any more.
    closed: bool,
}

impl Out {
    pub fn write(&mut self, pieces: &Pieces) -> Result<(), Failure> {
        for (to, bytes) in &pieces.0 {
            match to {
                Stream::Stdout if self.closed => {}
                Stream::Stdout => self.stdout(bytes)?,
                // Nobody can be told that stderr cannot be written.
                Stream::Stderr => drop(io::stderr().lock().write_all(bytes)),
            }
        }
        Ok(())
    }

    pub fn is_closed(&self) -> bool {
        self.closed
    }

    fn stdout(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(e) => Err(Failure::odd(format!("stdout cannot be written: {e}"))),
            Ok(()) => Ok(()),
        }
    }
}

//! A request in one piece: head and body are written together.
//!
//! ureq writes the head, then the body. A server that refuses by the head alone answers and hangs up
//! in between, and the answer would be lost with the body that cannot be written any more.

use std::io::ErrorKind;

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// More than this is not kept back.
const MOST: usize = 64 << 10;

/// Behind another connector, whose connections it hands on.
#[derive(Debug)]
pub struct InOnePiece;

impl<In: Transport> Connector<In> for InOnePiece {
    type Out = Piecewise<In>;

    fn connect(
        &self,
        _: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Piecewise<In>>, Error> {
        Ok(chained.map(|inner| Piecewise { inner, pending: Vec::new() }))
    }
}

#[derive(Debug)]
pub struct Piecewise<T> {
    inner: T,
    pending: Vec<u8>,
}

impl<T: Transport> Piecewise<T> {
    /// That the other end does not read any more is no failure: it may have answered.
    fn flush(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        let pending = std::mem::take(&mut self.pending);
        let mut left = pending.as_slice();
        while !left.is_empty() {
            let output = self.inner.buffers().output();
            let amount = left.len().min(output.len());
            output[..amount].copy_from_slice(&left[..amount]);
            match self.inner.transmit_output(amount, timeout) {
                Err(Error::Io(e)) if has_hung_up(e.kind()) => return Ok(()),
                other => other?,
            }
            left = &left[amount..];
        }
        Ok(())
    }
}

fn has_hung_up(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

impl<T: Transport> Transport for Piecewise<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.pending.extend_from_slice(&self.inner.buffers().output()[..amount]);
        if self.pending.len() > MOST { self.flush(timeout) } else { Ok(()) }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.flush(timeout)?;
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.pending.is_empty() && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

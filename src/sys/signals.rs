//! Signals as one readable descriptor, for a poll loop.
//!
//! A handler only sets a flag and writes a byte. What a signal means is the reader's business.

use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::SigSet;
use signal_hook::{SigId, flag, low_level};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Term,
    Int,
    Hup,
    Usr1,
    Chld,
    /// The terminal has another size.
    Winch,
}

impl Signal {
    pub const ALL: [Signal; 6] =
        [Signal::Term, Signal::Int, Signal::Hup, Signal::Usr1, Signal::Chld, Signal::Winch];

    pub fn name(self) -> &'static str {
        self.system().as_str()
    }

    fn system(self) -> nix::sys::signal::Signal {
        use nix::sys::signal::Signal as System;
        match self {
            Signal::Term => System::SIGTERM,
            Signal::Int => System::SIGINT,
            Signal::Hup => System::SIGHUP,
            Signal::Usr1 => System::SIGUSR1,
            Signal::Chld => System::SIGCHLD,
            Signal::Winch => System::SIGWINCH,
        }
    }
}

/// The handlers, until it is dropped: from then on these signals are ignored.
#[derive(Debug)]
pub struct Signals {
    wake: UnixStream,
    raised: [Arc<AtomicBool>; Signal::ALL.len()],
    handlers: Vec<SigId>,
}

impl Signals {
    /// Takes over every [`Signal`], also when the process was started with it blocked or ignored
    /// (`nohup`).
    pub fn install() -> io::Result<Signals> {
        let (wake, waker) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        waker.set_nonblocking(true)?;
        let mut signals = Signals { wake, raised: Default::default(), handlers: Vec::new() };
        let mut unblocked = SigSet::empty();
        for (signal, raised) in Signal::ALL.into_iter().zip(&signals.raised) {
            let number = signal.system() as i32;
            // Handlers run in the order they are registered: the flag is up before the byte lands.
            signals.handlers.push(flag::register(number, raised.clone())?);
            signals.handlers.push(low_level::pipe::register(number, waker.try_clone()?)?);
            unblocked.add(signal.system());
        }
        unblocked.thread_unblock()?;
        Ok(signals)
    }

    /// Readable while something is [`pending`](Signals::pending).
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// What arrived since the last call, each signal once however often it was sent.
    pub fn pending(&mut self) -> impl Iterator<Item = Signal> + use<> {
        self.drain();
        let raised = self.raised.each_ref().map(|flag| flag.swap(false, Ordering::SeqCst));
        Signal::ALL.into_iter().zip(raised).filter_map(|(signal, raised)| raised.then_some(signal))
    }

    /// Before the flags are read: a signal between the two leaves its byte for the next round.
    fn drain(&mut self) {
        let mut bytes = [0; 256];
        loop {
            match self.wake.read(&mut bytes) {
                Ok(0) => return,
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.handlers.drain(..) {
            low_level::unregister(id);
        }
    }
}

/// Ends this process by the signal's default action, so that whoever waits for it sees which. The
/// first process of a container, which no signal of its own can kill, exits with 128 and the
/// signal's number, as a shell would report it.
pub fn die_by(signal: Signal) -> ! {
    let number = signal.system() as i32;
    if process::id() != 1 {
        let _ = low_level::emulate_default_handler(number);
    }
    process::exit(128 + number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::sys::signal::raise;

    #[test]
    fn each_signal_is_reported_once_and_wakes_the_loop() {
        let mut signals = Signals::install().unwrap();
        for _ in 0..1000 {
            raise(Signal::Hup.system()).unwrap();
        }
        raise(Signal::Usr1.system()).unwrap();
        let readable = |signals: &Signals| {
            poll(&mut [PollFd::new(signals.fd(), PollFlags::POLLIN)], PollTimeout::ZERO).unwrap()
        };
        assert_eq!(readable(&signals), 1);
        // Other tests' children may end meanwhile.
        let seen: Vec<_> = signals.pending().filter(|s| *s != Signal::Chld).collect();
        assert_eq!(seen, [Signal::Hup, Signal::Usr1]);
        assert_eq!(signals.pending().filter(|s| *s != Signal::Chld).count(), 0);
    }
}

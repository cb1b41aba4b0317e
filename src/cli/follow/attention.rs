//! Signals and keys, beside whatever else a command waits for: they arrive in the same channel.
//!
//! Somebody who wants to leave is not kept by a reader of ours that has stopped reading: when a
//! signal has not been looked at for a while, the process ends all the same.

use std::io;
use std::os::fd::AsFd;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::sys::signals::{Signal, Signals};
use crate::sys::terminal;

/// So long may whoever writes to a pipe be busy with that.
const PATIENCE: Duration = Duration::from_secs(2);

/// The exit status of somebody who left by it, as a shell has it.
pub fn status(signal: Signal) -> u8 {
    match signal {
        Signal::Hup => 129,
        Signal::Int => 130,
        Signal::Term => 143,
        Signal::Usr1 | Signal::Chld | Signal::Winch => 0,
    }
}

/// Signals that ask to leave and have not been looked at.
#[derive(Debug, Clone, Default)]
pub struct Leaving(Arc<Mutex<Vec<Signal>>>);

impl Leaving {
    /// Wakes whoever reads `to` by `wake`; says `farewell` when nobody is woken.
    pub fn watch<T: Send + 'static>(
        to: SyncSender<T>,
        wake: fn() -> T,
        farewell: String,
    ) -> io::Result<Leaving> {
        let leaving = Leaving::default();
        let (signals, theirs) = (Signals::install()?, leaving.clone());
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || theirs.hear(signals, &to, wake, &farewell))?;
        Ok(leaving)
    }

    /// The first that has come since the last call.
    pub fn take(&self) -> Vec<Signal> {
        std::mem::take(&mut *self.0.lock().expect("nobody panics with it"))
    }

    fn hear<T>(&self, mut signals: Signals, to: &SyncSender<T>, wake: fn() -> T, farewell: &str) {
        loop {
            let ready = {
                let mut fds = [PollFd::new(signals.fd(), PollFlags::POLLIN)];
                let waiting = !self.0.lock().expect("nobody panics with it").is_empty();
                let timeout = match waiting {
                    true => PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::MAX),
                    false => PollTimeout::NONE,
                };
                poll(&mut fds, timeout)
            };
            let leaving = signals.pending().filter(|signal| status(*signal) > 0);
            let leaving: Vec<Signal> = leaving.collect();
            let mut left = self.0.lock().expect("nobody panics with it");
            if let (Ok(0), Some(signal)) = (ready, left.first()) {
                terminal::restore();
                terminal::say(io::stderr().as_fd(), farewell.as_bytes());
                std::process::exit(status(*signal).into());
            }
            left.extend(leaving);
            drop(left);
            // A full channel is being read, or will never be.
            let _ = to.try_send(wake());
        }
    }
}

/// Hands on one of these keys, or nothing at the terminal's end, and is done then.
pub fn one_of<T: Send + 'static>(
    keys: &'static [u8],
    to: SyncSender<T>,
    pressed: fn(Option<u8>) -> T,
) -> io::Result<()> {
    terminal::keys()?;
    thread::Builder::new().name("keys".to_owned()).spawn(move || {
        let key = loop {
            match terminal::key().map(|key| key.to_ascii_lowercase()) {
                Some(key) if !keys.contains(&key) => {}
                key => break key,
            }
        };
        // Nobody wants to know any more.
        let _ = to.send(pressed(key));
    })?;
    Ok(())
}

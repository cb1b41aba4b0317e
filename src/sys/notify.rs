//! Telling the service manager how things are: sd_notify(3).
//!
//! Every function does nothing when NOTIFY_SOCKET is not set. A service manager that does not
//! listen is no reason to stop.

use std::process;

use log::warn;
use sd_notify::NotifyState;

/// The daemon is up, or up again after [`reloading`].
pub fn ready() {
    send(&[NotifyState::Ready, NotifyState::MainPid(process::id())]);
}

/// Must be followed by [`ready`], whatever became of the reload.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(e) => warn!("the monotonic clock cannot be read: {e}"),
    }
}

pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

fn send(states: &[NotifyState]) {
    if let Err(e) = sd_notify::notify(states) {
        warn!("the service manager could not be notified: {e}");
    }
}

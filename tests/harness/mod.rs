//! What the integration tests stand on: real sshds, the real executables, and bounded waiting.
//!
//! [`Farm`] is a handful of throwaway sshds, each a node; [`Site`] a configuration in a directory
//! of its own; [`Daemon`] a running `loom -n`; [`Books`] what must agree once it has ended.
//! Whatever they start they also end, by pid, and every wait has an end. Nothing here knows what a test is about.

// Shared by several binaries, none of which uses all of it.
#![allow(dead_code, unused_imports)]

pub mod api;
pub mod beside;
pub mod books;
pub mod control;
pub mod daemon;
pub mod due;
pub mod fabric;
pub mod farm;
pub mod fault;
pub mod flows;
pub mod history;
pub mod ledger;
pub mod log;
pub mod process;
mod rows;
pub mod site;
pub mod skip;
mod sshd;

use std::time::{Duration, Instant};

pub use books::Books;
pub use daemon::Daemon;
pub use farm::Farm;
pub use fault::Fault;
pub use ledger::Ledger;
pub use site::Site;

/// For what takes milliseconds on a quiet machine: generous, since it only bounds a failure.
pub const SOON: Duration = Duration::from_secs(30);

/// Looks again and again until `found` has something; panics, saying what was waited for, when
/// `within` has passed. For things that announce themselves nowhere but in their state.
pub fn until<T>(what: &str, within: Duration, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + within;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < end, "waited {within:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

//! The worker and the wrapper, driven through a real sshd, a real master and the real frames.

mod rig;
#[path = "../../tests/harness/skip.rs"]
mod skip;

mod commands;
mod ends;
mod fabric;
mod frames;
mod gateway;
mod inspect;
mod kills;
mod output;
mod remote;
mod sudo;
mod sweep;
mod tasks;
mod wrapper;

//! The worker and the wrapper, driven through a real sshd, a real master and the real frames.

#[path = "../../tests/harness/fabric.rs"]
mod fabric;
mod rig;
#[path = "../../tests/harness/skip.rs"]
mod skip;

mod classic;
mod commands;
mod ends;
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

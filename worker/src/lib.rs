//! Loom's children. The worker runs one unit at a time over the ssh master of the unit's node:
//! [`serve`] speaks with the parent, [`unit`] decides how one unit ended, [`task`] knows what
//! there is to run, [`ssh`] runs it on the node, [`local`] on this machine, [`python`] in an
//! interpreter here that asks for what it wants done on the node (its half of the conversation is
//! the Python package in `worker/python`), [`rejoin`] finds the way back to a node that was
//! rebooted, and [`output`] keeps what it wrote. The [`gateway`] speaks HTTP, and serves the page to browsers: its files
//! are in `gateway/web/assets`.

pub mod gateway;
mod local;
pub mod milestone;
mod nonce;
pub mod output;
mod python;
mod rejoin;
pub mod serve;
pub mod ssh;
pub mod stop;
pub mod task;
pub mod unit;

use std::process::ExitCode;

/// Of `loom-worker`: it serves its parent, unless it is asked about tasks.
pub fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(argument) if argument == loom::inspect::ARGUMENT => python::inspect::main(),
        Some(_) | None => serve::main(),
    }
}

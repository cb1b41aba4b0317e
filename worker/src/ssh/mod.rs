//! Running commands on a node, over its ssh master.
//!
//! [`command`] says what to run, `drive` runs it, [`wrapper`] is the text that goes around it on
//! the node, `marks` reads the wrapper's own words out of the output, `feed` writes what the
//! command reads, `mux` opens sessions on the master, [`kill`] makes sure that nothing is left,
//! [`transfer`] moves files, and `arrival` is one that comes.

mod arrival;
pub mod command;
mod drive;
mod feed;
pub mod kill;
mod marks;
mod mux;
pub mod transfer;
pub mod wrapper;

pub use command::{
    Captured, Command, Ended, Input, Pty, Receive, Remote, RemoteError, Stream, Sudo,
};
pub(crate) use drive::read_into;

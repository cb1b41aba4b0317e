//! Reads what units wrote, as it is kept: to show it, a part of it, or what comes to it.
//!
//! Log entries lie in a unit's row of the ledger, or in files: the head and, of what exceeded the
//! limit, a tail in one or two parts that are rotated while the unit runs. What a worker writes is
//! told in [`crate::output`]. Everything here blocks, for no longer than a disk takes; nothing here
//! knows of HTTP or of the ledger.
//!
//! A *position* counts the bytes of all the entries before it, kept or not: it is the same in the
//! row and in the files, and does not change when the tail is rotated or joined to the head.

mod dir;
mod entry;
mod follow;
mod kept;
mod parts;
#[cfg(test)]
mod written;

pub use dir::OutputDir;
pub use entry::{Entry, Line, Lines, lines};
pub use follow::{Batch, Cursor, CursorError, Follower};
pub use kept::{Dropped, Kept, Text};

//! A run of a flow as a tree: its slots, their jobs, and the units that did not succeed.
//!
//! How it stands ([`state`]) is told by the API and changed by events; what of it is shown, as lines
//! of a given width ([`draw`]) or a line for each thing that happens ([`told`]), follows from that
//! alone. Only [`read`] asks anybody. Who writes the lines, and where, is not known here.

mod branch;
mod draw;
mod line;
mod read;
mod state;
#[cfg(test)]
mod tests;
mod told;

pub use draw::{live, whole};
pub use line::Line;
pub use read::{complete, read};
pub use state::Tree;
pub use told::{never_begun, told};

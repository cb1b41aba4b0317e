//! Showing what units say: while they run, and grouped when they have ended.
//!
//! `run --wait` and `exec` wait ([`waiting`]) and `logs` reads on; both show lines the same way
//! ([`lines`]). Who waits for a flow sees its tree ([`flow`]). What is asked of the daemon, and for
//! which run, is the subcommand's business.

mod asking;
pub mod attention;
mod bottom;
pub mod entries;
mod flow;
mod fold;
mod groups;
pub mod lines;
mod live;
pub mod parts;
pub mod waiting;
pub mod write;

pub use waiting::{End, How, missing, understand, wait};

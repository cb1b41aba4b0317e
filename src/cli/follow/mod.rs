//! Showing what units say: while they run, and grouped when they have ended.
//!
//! `run --wait` and `exec` wait ([`waiting`]) and `logs` reads on; both show lines the same way
//! ([`lines`]). What is asked of the daemon, and for which run, is the subcommand's business.

pub mod attention;
mod bottom;
pub mod entries;
mod fold;
pub mod lines;
pub mod waiting;
pub mod write;

pub use waiting::{End, How, missing, understand, wait};

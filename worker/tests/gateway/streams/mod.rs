//! Streams: what happens, and what units write, while it comes and after.

mod events;
mod kept;
pub mod reader;
mod resume;
mod run;
mod stage;
mod unit;

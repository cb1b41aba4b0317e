//! What the parent and its children say to each other.
//!
//! `frame` carries a message over a pipe or a socket; `message` says which messages there are
//! between parent and worker, `control` which between parent and gateway; `cookie` is how a unit's
//! processes are known on a node.

pub mod control;
pub mod cookie;
pub mod frame;
pub mod message;

/// Raised whenever a message changes. Both ends must agree, or the child is refused.
pub const VERSION: u32 = 2;

/// Frames to the worker arrive on this descriptor of it.
pub const WORKER_IN: i32 = 3;
/// Frames from the worker leave on this descriptor of it.
pub const WORKER_OUT: i32 = 4;

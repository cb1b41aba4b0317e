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
pub const VERSION: u32 = 5;

/// Frames to the worker arrive on this descriptor of it.
pub const WORKER_IN: i32 = 3;
/// Frames from the worker leave on this descriptor of it.
pub const WORKER_OUT: i32 = 4;

/// The control channel is this descriptor of a gateway: a stream socket, frames both ways.
pub const GATEWAY_CONTROL: i32 = 3;
/// And the listening socket this.
pub const GATEWAY_LISTENER: i32 = 4;

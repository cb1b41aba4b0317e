//! The only libc and unsafe: what the kernel offers, with its contracts written down.

pub mod poll;
pub mod spawn;

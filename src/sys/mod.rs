//! The only libc and unsafe: what the kernel offers, with its contracts written down.

pub mod clock;
pub mod converse;
pub mod daemonize;
pub mod dirs;
pub mod inherited;
pub mod limits;
pub mod notify;
pub mod pidfile;
pub mod poll;
pub mod privileges;
pub mod process;
pub mod running;
pub mod signals;
pub mod spawn;
pub mod terminal;
pub mod user;

//! Loom: cron for more than one machine.
//!
//! The modules in the order a unit travels: a file becomes a [`job`] on its [`node`]s
//! ([`config`]), its schedule comes due ([`cron`]), a run is made of units ([`run`]), each waits
//! its turn ([`dispatch`]) until its node's connection is up ([`node_state`]), goes to a worker
//! process ([`pool`]) in a frame ([`protocol`]), and its outcome ends in the ledger ([`store`]).
//! The event loop between them is [`daemon`].

pub mod arg;
pub mod cli;
pub mod config;
pub mod cron;
pub mod daemon;
pub mod dispatch;
pub mod job;
pub mod launch;
pub mod logging;
pub mod master;
pub mod node;
pub mod node_state;
pub mod password;
pub mod pool;
pub mod protocol;
pub mod run;
pub mod store;
pub mod sys;
pub mod task;
pub mod unit;

pub use cli::main;

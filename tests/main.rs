//! One integration binary: a harness, and a module for each theme.

mod harness;

mod api;
mod check;
mod cli;
mod cli_follow;
mod completion;
mod farm;
mod flows;
mod hooks;
mod launch;
mod log;
mod man;
mod masters;
mod once;
mod passwords;
mod python;
mod reboot;
mod reload;
mod rules;
mod schedule;
mod shutdown;
mod streams;

//! One integration binary: a harness, and a module for each theme.

mod harness;

mod api;
mod check;
mod cli;
mod cli_follow;
mod completion;
mod examples;
mod farm;
mod hooks;
mod idioms;
mod launch;
mod libraries;
mod log;
mod man;
mod masters;
mod once;
mod passwords;
mod python;
mod python_tasks;
mod reboot;
mod reload;
mod returned;
mod rules;
mod schedule;
mod shutdown;
mod streams;

//! One integration binary: a harness, and a module for each theme.

mod harness;

mod farm;
mod launch;
mod masters;
mod once;
mod reload;
mod schedule;
mod shutdown;

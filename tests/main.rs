//! One integration binary: a harness, and a module for each theme.

mod harness;

mod farm;
mod launch;

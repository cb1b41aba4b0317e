//! The tests that take minutes: `make test-full`.

#[path = "../harness/mod.rs"]
mod harness;

mod crashes;
mod silence;

//! Every fault that must lose nothing, injected. A file for each group of faults.
//!
//! The quick ones are part of `make test`. Those that take minutes are `#[ignore]`d, and run by
//! `make faults`, which prints what became of each fault of `faults.txt` in a table. Each test
//! names its fault (`Fault::new`) and ends with the books (`Books`), which must balance.

#[path = "../harness/mod.rs"]
mod harness;

mod books;
mod clocks;
mod commands;
mod control;
mod daemons;
mod disk;
mod files;
mod flows;
mod gateway;
mod ledger;
mod load;
mod nodes;
mod parent;
mod python;
mod schedule;
mod workers;

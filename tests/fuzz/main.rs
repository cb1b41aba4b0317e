//! Hostile input for everything that reads what others wrote: frames, cron expressions, files of a
//! configuration, host sets, the calls of tasks. Nothing panics, hangs or takes memory beyond its
//! bound, and where something is accepted, it is what a simple model says it is.
//!
//! Each property runs on random and on mutated valid input, and each room has a table of inputs
//! that once hurt somebody. `PROPTEST_CASES` sets the number of cases; with `LOOM_FUZZ_SECONDS`
//! (`make fuzz`) all properties together go on for so long, on inputs that are new each time.

mod cron;
mod flows;
mod frames;
mod hostsets;
mod manifests;
mod meter;
mod mutate;
mod paths;
mod runner;
mod settings;
mod tasks;

//! `loom pause` and `loom resume`: all schedules at once.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::answer::print_answer;
use super::reach::{self, Reach};
use super::screen::print;
use crate::client::{Failure, Route};

/// Pause all schedules, until `loom resume`
///
/// What is queued or running goes on, and jobs can be run by hand. It outlives a restart. What would
/// have run meanwhile is in the ledger as missed.
#[derive(Debug, clap::Args)]
pub struct Pause {
    #[command(flatten)]
    reach: Reach,
}

/// Let all schedules go on that `loom pause` has paused
#[derive(Debug, clap::Args)]
pub struct Resume {
    #[command(flatten)]
    reach: Reach,
}

pub fn pause(candidates: &str, args: &Pause) -> ExitCode {
    let done = "all schedules are paused; what is queued or running goes on\n";
    reach::finish(order(candidates, &args.reach, "pause", done))
}

pub fn resume(candidates: &str, args: &Resume) -> ExitCode {
    reach::finish(order(candidates, &args.reach, "resume", "schedules go on\n"))
}

fn order(candidates: &str, reach: &Reach, verb: &str, done: &str) -> Result<u8, Failure> {
    let answer: Value = reach.client(candidates)?.post(&Route::to([verb]), &json!({}), None)?;
    if reach.json {
        print_answer(&answer)?
    } else {
        print(done)?
    }
    Ok(0)
}

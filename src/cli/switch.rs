//! `loom enable` and `loom disable`: a job's schedule, switched on and off by hand.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::answer::print_answers;
use super::candidates;
use super::reach::{self, Reach};
use super::screen::{escape, print};
use crate::client::{Failure, Route};

/// Switch the schedules of jobs on again that `loom disable` has switched off
///
/// A job that is disabled where it is written is enabled there.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  loom enable backup report")]
pub struct Enable {
    #[command(flatten)]
    jobs: Jobs,
}

/// Switch the schedules of jobs off, until `loom enable`
///
/// It outranks the manifests, and outlives reloads and restarts. What is queued or running goes on,
/// and `loom run` still runs them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  loom disable backup")]
pub struct Disable {
    #[command(flatten)]
    jobs: Jobs,
}

#[derive(Debug, clap::Args)]
struct Jobs {
    /// Names of jobs
    #[arg(required = true, value_name = "JOB", add = candidates::jobs())]
    jobs: Vec<String>,

    #[command(flatten)]
    reach: Reach,
}

pub fn enable(candidates: &str, args: &Enable) -> ExitCode {
    reach::finish(switch(candidates, &args.jobs, "enable"))
}

pub fn disable(candidates: &str, args: &Disable) -> ExitCode {
    reach::finish(switch(candidates, &args.jobs, "disable"))
}

fn switch(candidates: &str, args: &Jobs, verb: &str) -> Result<u8, Failure> {
    let client = args.reach.client(candidates)?;
    let mut answers = Vec::new();
    let status = reach::each(&args.jobs, |job| {
        let answer: Value = client.post(&Route::to(["jobs", job, verb]), &json!({}), None)?;
        if args.reach.json {
            answers.push(answer);
            return Ok(());
        }
        print(&format!("{} is {verb}d\n", escape(job)))
    });
    if args.reach.json {
        print_answers(answers)?;
    }
    Ok(status)
}

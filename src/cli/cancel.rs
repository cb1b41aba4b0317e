//! `loom cancel`: ends a run, here and on its nodes.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::answer::print_answers;
use super::candidates;
use super::reach::{self, Reach};
use super::screen::print;
use super::words;
use crate::client::Failure;
use crate::client::Route;

/// End runs: their units here and on their nodes; nothing more of them starts
///
/// Returns when the daemon has begun to. `loom show RUN` tells what became of the units.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  loom cancel 4711")]
pub struct Args {
    /// Numbers of runs, as `loom runs` shows them
    #[arg(required = true, value_name = "RUN", value_parser = words::run, add = candidates::runs())]
    runs: Vec<u64>,

    #[command(flatten)]
    reach: Reach,
}

pub fn cancel(candidates: &str, args: &Args) -> ExitCode {
    reach::finish(end(candidates, args))
}

fn end(candidates: &str, args: &Args) -> Result<u8, Failure> {
    let client = args.reach.client(candidates)?;
    let mut answers = Vec::new();
    let status = reach::each(&args.runs, |run| {
        let route = Route::to(["runs", &run.to_string(), "cancel"]);
        let answer: Value = client.post(&route, &json!({}), None)?;
        if args.reach.json {
            answers.push(answer);
            return Ok(());
        }
        print(&format!("run {run} is being cancelled\n"))
    });
    if args.reach.json {
        print_answers(answers)?;
    }
    Ok(status)
}

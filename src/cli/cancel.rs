//! `loom cancel`: ends a run, here and on its nodes.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::answer::print_answers;
use super::candidates;
use super::reach::{self, Reach};
use super::run::detail;
use super::screen::print;
use super::words;
use crate::api::run::RunDetail;
use crate::client::{Client, Failure, Route};

/// End runs: their units here and on their nodes; nothing more of them starts, of a flow no other
/// part
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

/// What else follows, for a flow or a part of one, if it is told.
fn and_what(client: &Client, run: u64) -> String {
    match detail(client, run) {
        Ok(RunDetail { slots: Some(_), .. }) => {
            "; no other part of the flow begins, those under way end".to_owned()
        }
        Ok(RunDetail { run, .. }) => match run.flow {
            Some(place) => format!("; run {}, its flow, ends after slot {}", place.run, place.slot),
            None => String::new(),
        },
        Err(_) => String::new(),
    }
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
        print(&format!("run {run} is being cancelled{}\n", and_what(&client, *run)))
    });
    if args.reach.json {
        print_answers(answers)?;
    }
    Ok(status)
}

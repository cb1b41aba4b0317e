//! `loom retry`: the nodes of a run that did not succeed, tried again as a run of their own; of a
//! flow, what is left of it.

use std::process::ExitCode;

use serde_json::Value;

use super::answer::typed;
use super::candidates;
use super::follow::{self, End, How};
use super::reach::{self, FAILED, Reach};
use super::run::status;
use super::screen::{print, print_json};
use super::words;
use crate::api::MAX_WAIT;
use crate::api::flow::Resumed;
use crate::api::run::{Retry, RetryRequest, Run, RunDetail, Started};
use crate::client::{Client, Failure, Route, new_key};

/// Try the nodes of a run again that did not succeed; they make a run of their own
///
/// Of a flow, what is left of it is done, as by `loom flow retry`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  loom retry 4711
  loom retry 4711 --only unstarted
  loom retry 4711 --wait && echo fine")]
pub struct Args {
    /// The run's number, as `loom runs` shows it
    #[arg(value_name = "RUN", value_parser = words::run, add = candidates::runs())]
    run: u64,

    /// Only nodes where it ran and failed, or only those where it certainly never started
    /// [default: both]
    #[arg(long, value_enum)]
    only: Option<Only>,

    /// Show its output and wait for the end; exits 1 unless it succeeded
    #[arg(long)]
    wait: bool,

    /// Show nodes with the same output together, at the end
    #[arg(long, requires = "wait")]
    fold: bool,

    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Only {
    /// It ran there and failed, was killed, crashed or was lost
    Failed,
    /// It was unreachable, skipped, or cancelled before it began
    Unstarted,
}

pub fn retry(candidates: &str, args: &Args) -> ExitCode {
    reach::finish(again(candidates, args))
}

fn again(candidates: &str, args: &Args) -> Result<u8, Failure> {
    let client = args.reach.client(candidates)?;
    let only = match args.only {
        None => Retry::Unsuccessful,
        Some(Only::Failed) => Retry::Failed,
        Some(Only::Unstarted) => Retry::Unstarted,
    };
    let manner = Manner { wait: args.wait, fold: args.fold, json: args.reach.json };
    begin(&client, args.run, only, manner)
}

/// What is shown of a retry.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    pub wait: bool,
    pub fold: bool,
    pub json: bool,
}

/// Has it begun, and shows what it is asked to; the exit status.
pub fn begin(client: &Client, of: u64, only: Retry, manner: Manner) -> Result<u8, Failure> {
    let Manner { wait, fold, json } = manner;
    let route = Route::to(["runs", &of.to_string(), "retry"]);
    let request = RetryRequest { only, wait: 0 };
    let answer: Value = client.post(&route, &request, Some(&new_key()?))?;
    let started: Started = typed(answer.clone())?;
    let Some(run) = started.run else {
        if json {
            print_json(&answer)?;
        }
        eprintln!("loom: nothing was started: it still runs on each of these nodes");
        return Ok(FAILED);
    };
    if json && !wait {
        print_json(&answer)?;
        return Ok(0);
    }
    let detail: RunDetail = client.get(&Route::to(["runs", &run.to_string()]))?;
    let told = match (&detail.resumed, &detail.slots) {
        (Some(Resumed { slot, .. }), Some(slots)) => {
            format!("run {run} takes up run {of}, from slot {slot} of {}", slots.len())
        }
        (Some(_) | None, _) => format!("run {run} retries run {of}"),
    };
    if !wait {
        print(&format!("{told}\n"))?;
        return Ok(0);
    }
    eprintln!("loom: {told}");
    if json && !fold {
        let answer = self::wait(client, run)?;
        print_json(&answer)?;
        return Ok(status(&typed(answer)?));
    }
    Ok(match follow::wait(client, &detail, How { fold, json })? {
        End::Over { run, .. } => status(&run),
        End::Detached(status) => status,
    })
}

/// Asks until it is over; each answer comes when it is, or after a minute.
fn wait(client: &Client, run: u64) -> Result<Value, Failure> {
    let route = Route::to(["runs", &run.to_string()]).wait(MAX_WAIT);
    loop {
        let answer: Value = client.get(&route)?;
        if typed::<Run>(answer.clone())?.is_over() {
            return Ok(answer);
        }
    }
}

//! `loom flow retry`: a flow that did not come to its end, taken up where it ended.

use crate::api::run::{Retry, RunDetail};
use crate::cli::reach::{FAILED, Reach};
use crate::cli::retry::{self, Manner};
use crate::cli::run::detail;
use crate::cli::screen::escape;
use crate::cli::{candidates, words};
use crate::client::Failure;

/// Take up a flow that failed, was cancelled or was interrupted
///
/// It begins with the first slot that is not done, and there with the units that did not succeed;
/// those that did count, and are not run again. Slots after it run whole. What is done is a run of
/// its own, which can be taken up in its turn.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  loom flow retry 4711
  loom flow retry 4711 --wait && echo deployed")]
pub struct Args {
    /// The run's number, as `loom runs` shows it
    #[arg(value_name = "RUN", value_parser = words::run, add = candidates::runs())]
    run: u64,

    /// Show how it goes and wait for the end; exits 1 unless it succeeded
    #[arg(long)]
    wait: bool,

    /// At the end, show what its jobs have said, nodes that said the same together
    #[arg(long, requires = "wait")]
    fold: bool,

    #[command(flatten)]
    reach: Reach,
}

pub fn retry(candidates: &str, args: &Args) -> Result<u8, Failure> {
    let Args { run, wait, fold, reach } = args;
    let client = reach.client(candidates)?;
    let RunDetail { run: found, slots, .. } = detail(&client, *run)?;
    let why = match (&slots, found.flow) {
        (Some(_), _) => None,
        (None, Some(part)) => {
            let flow = part.run;
            Some(format!("a part of run {flow}: `loom flow retry {flow}` takes up the whole"))
        }
        (None, None) => Some(format!("no flow's; `loom retry {run}` tries its nodes again")),
    };
    if let Some(why) = why {
        eprintln!("loom: run {run} of {} is {why}", escape(&found.job));
        return Ok(FAILED);
    }
    let manner = Manner { wait: *wait, fold: *fold, json: reach.json };
    retry::begin(&client, *run, Retry::Unsuccessful, manner)
}

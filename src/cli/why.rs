//! `loom why`: what became of an instant a job was due at, and for which reason.

use std::process::ExitCode;

use serde_json::Value;

use super::answer::or_json;
use super::candidates;
use super::reach::{self, Reach};
use super::runs;
use super::screen::{Cell, Column, Screen, Table, count, escape, print};
use super::words;
use crate::api::job::{Gap, Why};
use crate::client::{Failure, Route};

/// Say what became of an instant at which a job was due, and why
///
/// Of a flow it says which of its jobs did not do what they should, and what followed from that.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  loom why backup
  loom why backup --at 03:00
  loom why backup --at 2026-11-21T03:00
  loom why deploy --run 4711")]
pub struct Args {
    /// The job's or the flow's name
    #[arg(value_name = "JOB", add = candidates::jobs())]
    job: String,

    /// The instant: 03:00, 2026-11-21T03:00 on the clock of the job's zone, or
    /// 2026-11-21T03:00:00+01:00 [default: the last at which it was due; of what never is, its last
    /// run]
    #[arg(long, value_name = "T")]
    at: Option<String>,

    /// This run of it, whenever it was
    #[arg(long, value_name = "RUN", value_parser = words::run, conflicts_with = "at")]
    #[arg(add = candidates::runs())]
    run: Option<u64>,

    #[command(flatten)]
    reach: Reach,
}

pub fn why(candidates: &str, args: &Args) -> ExitCode {
    reach::finish(tell(candidates, args))
}

fn tell(candidates: &str, args: &Args) -> Result<u8, Failure> {
    let client = args.reach.client(candidates)?;
    let run = args.run.map(|run| run.to_string());
    let route = Route::to(["jobs", &args.job, "why"]);
    let route = route.maybe("at", args.at.as_ref()).maybe("run", run.as_ref());
    let answer: Value = client.get(&route)?;
    if let Some(why) = or_json::<Why>(answer, args.reach.json)? {
        print(&explain(&why, &Screen::stdout()))?;
    }
    Ok(0)
}

fn explain(why: &Why, screen: &Screen) -> String {
    let mut text: String = why.text.trim_end().lines().map(|line| escape(line) + "\n").collect();
    if let Some(run) = &why.run {
        text.push('\n');
        text.push_str(&runs::table(std::slice::from_ref(run), screen).show(screen));
    }
    if !why.gaps.is_empty() {
        text.push('\n');
        text.push_str(&gaps(&why.gaps, screen).show(screen));
    }
    let around = [("due before", why.due_before), ("due after", why.due_after)];
    let around: String = around
        .into_iter()
        .filter_map(|(name, due)| Some(format!("{name:<12}{}\n", screen.when_in_full(due?))))
        .collect();
    if !around.is_empty() {
        text.push('\n');
        text.push_str(&around);
    }
    text
}

fn gaps(gaps: &[Gap], screen: &Screen) -> Table {
    let columns = ["NOT RUN ON", "FROM", "TO", "TIMES", "REASON"].map(Column::left);
    let mut table = Table::new(columns);
    for gap in gaps {
        table.row([
            Cell::new(gap.node.as_deref().unwrap_or("any node")),
            screen.when(gap.first_at).into(),
            screen.when(gap.last_at).into(),
            count(gap.count as usize, "time").into(),
            Cell::new(&gap.reason),
        ]);
    }
    table
}

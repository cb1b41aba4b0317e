//! `loom runs`: what has run, and what became of it.

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use jiff::Timestamp;
use serde_json::Value;

use super::answer::{List, all_or_json, list};
use super::candidates;
use super::instant;
use super::reach::{self, Reach};
use super::screen::{Cell, Column, NOTHING, Screen, Table, Tone, count, lasted, print};
use super::words;
use crate::api::run::{Run, Tally};
use crate::client::{Failure, Route};

/// As the API has them.
pub const STATES: [&str; 7] =
    ["queued", "running", "succeeded", "failed", "cancelled", "lost", "skipped"];
const TRIGGERS: [&str; 5] = ["schedule", "manual", "retry", "exec", "flow"];

/// List runs, the latest first
///
/// Runs that are parts of flows are left out, unless they are asked for: by --flow, --parts, or by a
/// job, a node or a trigger.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  loom runs
  loom runs --job backup --state failed --since 1d
  loom runs --state running,queued
  loom runs --flow 4711
  loom runs --node db1 --since 2026-11-21T03:00 --limit 1000 --json")]
pub struct Args {
    /// Only of this job; @exec for commands that are of no job
    #[arg(long, value_name = "JOB", add = candidates::jobs())]
    job: Option<String>,

    /// Only in one of these states
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    #[arg(value_parser = PossibleValuesParser::new(STATES))]
    state: Vec<String>,

    /// Only those that were set going in one of these ways
    #[arg(long, value_name = "TRIGGER", value_delimiter = ',')]
    #[arg(value_parser = PossibleValuesParser::new(TRIGGERS))]
    trigger: Vec<String>,

    /// Only those with a unit on this node
    #[arg(long, value_name = "NODE", add = candidates::nodes())]
    node: Option<String>,

    /// Only the parts of this run of a flow
    #[arg(long, value_name = "RUN", value_parser = words::run, add = candidates::runs())]
    flow: Option<u64>,

    /// Also runs that are parts of flows
    #[arg(long)]
    parts: bool,

    /// Only those since then: 2h or 1d for so long ago, or a time
    #[arg(long, value_name = "T", value_parser = instant::since)]
    since: Option<Timestamp>,

    /// Only those before that
    #[arg(long, value_name = "T", value_parser = instant::since)]
    until: Option<Timestamp>,

    /// So many at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,

    #[command(flatten)]
    reach: Reach,
}

pub fn runs(candidates: &str, args: &Args) -> ExitCode {
    reach::finish(show(candidates, args))
}

fn show(candidates: &str, args: &Args) -> Result<u8, Failure> {
    let client = args.reach.client(candidates)?;
    let List { items, more } = list::<Value>(&client, &args.route(), args.limit as usize)?;
    let Some(runs) = all_or_json::<Run>(items, args.reach.json)? else { return Ok(0) };
    if runs.is_empty() {
        eprintln!("loom: no runs");
        return Ok(0);
    }
    let screen = Screen::stdout();
    print(&table(&runs, &screen).show(&screen))?;
    if more && screen.is_terminal() {
        eprintln!("loom: these are the latest {}; --limit N shows more", runs.len());
    }
    Ok(0)
}

impl Args {
    fn route(&self) -> Route {
        let several = |words: &[String]| (!words.is_empty()).then(|| words.join(","));
        Route::to(["runs"])
            .maybe("job", self.job.as_ref())
            .maybe("state", several(&self.state))
            .maybe("trigger", several(&self.trigger))
            .maybe("node", self.node.as_ref())
            .maybe("since", self.since)
            .maybe("until", self.until)
            .maybe("flow", self.flow)
            .maybe("parts", (!self.wants_parts()).then_some(false))
    }

    /// A flow's own line stands for its parts, where that says what was asked for.
    fn wants_parts(&self) -> bool {
        let asks = self.job.is_some() || self.node.is_some() || !self.trigger.is_empty();
        self.parts || self.flow.is_some() || asks
    }
}

/// Also a job's latest ones.
pub fn table(runs: &[Run], screen: &Screen) -> Table {
    let columns = [Column::right("RUN"), Column::left("JOB")];
    let more = ["STATE", "UNITS", "TRIGGER", "BY", "QUEUED", "TOOK"].map(Column::left);
    let mut table = Table::new(columns.into_iter().chain(more));
    for run in runs {
        table.row([
            run.id.to_string().into(),
            Cell::new(&run.job),
            Cell::state(&run.state),
            units(&run.units),
            trigger(run),
            Cell::maybe(run.by.as_ref()),
            screen.when(run.queued_at).into(),
            took(run, screen).into(),
        ]);
    }
    table
}

/// `flow 12` of a part of that.
fn trigger(run: &Run) -> Cell {
    match &run.flow {
        Some(place) => Cell::new(format!("{} {}", run.trigger, place.run)),
        None => Cell::new(&run.trigger),
    }
}

/// From the start of its first unit; that of one that is open is so far.
pub fn took(run: &Run, screen: &Screen) -> String {
    match (run.started_at, run.finished_at) {
        (Some(started), finished) => lasted(started, finished.unwrap_or(screen.now)),
        (None, _) => NOTHING.to_owned(),
    }
}

/// `8/10` succeeded, and how the others are.
fn units(tally: &Tally) -> Cell {
    let tone = if tally.failed + tally.lost > 0 { Tone::Bad } else { Tone::Plain };
    Cell::toned(fared(tally), tone)
}

pub fn fared(tally: &Tally) -> String {
    let others = [
        (tally.failed, "failed"),
        (tally.lost, "lost"),
        (tally.cancelled, "cancelled"),
        (tally.skipped, "skipped"),
        (tally.open, "open"),
    ];
    let others = others.iter().filter(|(number, _)| *number > 0);
    let others: String = others.map(|(number, word)| format!(", {number} {word}")).collect();
    format!("{}/{}{others}", tally.succeeded, tally.total)
}

/// `8 of 10 units succeeded, 2 failed`
pub fn fared_in_full(tally: &Tally) -> String {
    let short = fared(tally);
    let others = short.split_once(',').map_or(String::new(), |(_, others)| format!(",{others}"));
    let units = count(tally.total as usize, "unit");
    format!("{} of {units} succeeded{others}", tally.succeeded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn parts_of_flows_are_listed_where_they_are_asked_for() {
        let route = |line: &[&str]| {
            let line = std::iter::once("runs").chain(line.iter().copied());
            Alone::try_parse_from(line).unwrap().args.route().to_string()
        };
        assert!(route(&[]).ends_with("/runs?parts=false"));
        assert!(route(&["--state", "failed"]).ends_with("/runs?state=failed&parts=false"));
        assert!(route(&["--flow", "12"]).ends_with("/runs?flow=12"));
        for all in [&["--parts"][..], &["--job", "a"], &["--node", "a"], &["--trigger", "flow"]] {
            assert!(!route(all).contains("parts="), "{all:?}");
        }
    }

    #[test]
    fn how_units_fared_names_what_there_is() {
        let tally = Tally { total: 10, succeeded: 7, failed: 2, open: 1, ..Tally::default() };
        assert_eq!(fared(&tally), "7/10, 2 failed, 1 open");
        assert_eq!(fared_in_full(&tally), "7 of 10 units succeeded, 2 failed, 1 open");
        let all = Tally { total: 1, succeeded: 1, ..Tally::default() };
        assert_eq!(fared_in_full(&all), "1 of 1 unit succeeded");
    }
}

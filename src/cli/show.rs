//! `loom show`: a run with its units, a flow as a tree, a job, or a node.

use std::fmt::Write;
use std::process::ExitCode;

use serde_json::Value;

use super::answer::or_json;
use super::candidates;
use super::reach::{self, Reach};
use super::returned;
use super::run::detail;
use super::runs::{self, fared_in_full, took};
use super::screen::{Cell, Column, NOTHING, Screen, Table, count, escape, lasted, names, print};
use super::tree::{self, Tree};
use super::words;
use crate::api::job::{Gap, JobDetail};
use crate::api::node::NodeDetail;
use crate::api::run::{Run, RunDetail};
use crate::api::unit::Unit;
use crate::client::{Class, Client, Failure, Route};
use crate::job::flow::{FLOW, Place};

/// Show a run with its units, a flow with its parts; or a job, a flow or a node with what ran there
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  loom show 4711
  loom show backup
  loom show --node db1
  loom show 4711 --json | jq -r '.nodes[] | select(.outcome != \"succeeded\") | .node'")]
pub struct Args {
    /// A run's number, or the name of a job, a flow or a node
    #[arg(value_name = "RUN|JOB|NODE", add = candidates::anything())]
    what: String,

    /// It is a job, also if a node or a run is called like that
    #[arg(long, conflicts_with = "node")]
    job: bool,

    /// It is a node
    #[arg(long)]
    node: bool,

    #[command(flatten)]
    reach: Reach,
}

pub fn show(candidates: &str, args: &Args) -> ExitCode {
    reach::finish(look(candidates, args))
}

fn look(candidates: &str, args: &Args) -> Result<u8, Failure> {
    let client = args.reach.client(candidates)?;
    let (json, screen) = (args.reach.json, Screen::stdout());
    let text = match find(&client, args)? {
        Found::Run(run) => match or_json::<RunDetail>(run, json)? {
            Some(flow) if flow.slots.is_some() => {
                let tree = tree::complete(&client, flow.clone())?;
                Some(show_flow(&flow, &tree, &screen))
            }
            Some(run) => Some(show_run(&run, flow_of(&client, &run.run).as_deref(), &screen)),
            None => None,
        },
        Found::Job(job) => or_json::<JobDetail>(job, json)?.map(|job| show_job(&job, &screen)),
        Found::Node(node) => {
            or_json::<NodeDetail>(node, json)?.map(|node| show_node(&node, &screen))
        }
    };
    if let Some(text) = text {
        print(&text)?;
    }
    Ok(0)
}

enum Found {
    Run(Value),
    Job(Value),
    Node(Value),
}

fn find(client: &Client, args: &Args) -> Result<Found, Failure> {
    let what = args.what.as_str();
    let ask = |kind: &str| client.get::<Value>(&Route::to([kind, what]));
    if args.job {
        return ask("jobs").map(Found::Job);
    }
    if args.node {
        return ask("nodes").map(Found::Node);
    }
    if what.bytes().all(|byte| byte.is_ascii_digit()) {
        let run =
            words::run(what).map_err(|_| Failure::unknown(format!("there is no run {what}")))?;
        return client.get(&Route::to(["runs", &run.to_string()])).map(Found::Run);
    }
    let is_unknown = |failure: &Failure| failure.class() == Class::Unknown;
    match (ask("jobs"), ask("nodes")) {
        (Ok(_), Ok(_)) => Err(Failure::usage(format!(
            "{what:?} is the name of a job and of a node; say which is meant: --job or --node"
        ))),
        (Ok(job), Err(_)) => Ok(Found::Job(job)),
        (Err(failure), Ok(node)) if is_unknown(&failure) => Ok(Found::Node(node)),
        (Err(job), Err(node)) if is_unknown(&job) && is_unknown(&node) => {
            // Whichever has a near one to offer.
            let near = [&job, &node].map(|failure| failure.to_string().contains("did you mean"));
            Err(match near {
                [true, _] => job,
                [false, true] => node,
                [false, false] => Failure::unknown(format!("there is no job or node {what:?}")),
            })
        }
        (Err(failure), _) => Err(failure),
    }
}

/// Lines of names and values.
struct Sheet(String);

impl Sheet {
    fn line(&mut self, name: &str, value: impl AsRef<str>) {
        // A String can be written to.
        let _ = writeln!(self.0, "{name:<13}{}", value.as_ref());
    }

    fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.line(name, escape(value));
        }
    }

    fn table(&mut self, table: &Table, screen: &Screen) {
        if !table.is_empty() {
            self.0.push('\n');
            self.0.push_str(&table.show(screen));
        }
    }

    /// `flow`: which it is a part of, and where it stands there.
    fn run(&mut self, run: &Run, flow: Option<&str>, screen: &Screen) {
        self.line("run", run.id.to_string());
        let what = if run.job == FLOW { "from" } else { "command" };
        self.text("job", &run.job);
        self.text(what, run.command.as_deref().unwrap_or_default());
        self.text("part of", flow.unwrap_or_default());
        let state = screen.paint.tone(super::screen::Tone::of(&run.state), &escape(&run.state));
        let reason =
            run.reason.as_ref().map_or(String::new(), |reason| format!(" ({})", escape(reason)));
        self.line("state", format!("{state}{reason}: {}", fared_in_full(&run.units)));
        let by = run.by.as_ref().map_or(String::new(), |by| format!(" by {by}"));
        let of = run.retry_of.map_or(String::new(), |run| format!(" of run {run}"));
        self.text("trigger", &format!("{}{of}{by}", run.trigger));
        if let Some(due) = run.scheduled_at {
            self.line("due", screen.when_in_full(due));
        }
        self.line("queued", screen.when_in_full(run.queued_at));
        if let Some(started) = run.started_at {
            self.line("started", screen.when_in_full(started));
        }
        if let Some(finished) = run.finished_at {
            self.line("finished", screen.when_in_full(finished));
        }
        self.line("took", took(run, screen));
    }

    /// What the units' tasks have returned, whole: a table would cut it.
    fn results(&mut self, units: &[Unit], screen: &Screen) {
        for unit in units {
            let mut lines = returned::told(unit.result.as_deref()).into_iter();
            let Some(first) = lines.next() else { continue };
            let who = format!("unit {} on {}", unit.id, escape(&unit.node));
            let _ = writeln!(self.0, "\n{} {first}", screen.paint.bold(&who));
            lines.for_each(|line| {
                let _ = writeln!(self.0, "{line}");
            });
        }
    }
}

/// `deploy, run 12: slot 2, job 1, its rescue`; without its name if nobody tells that.
fn flow_of(client: &Client, run: &Run) -> Option<String> {
    let place = run.flow?;
    let flow = place.run;
    let name = detail(client, flow).map(|flow| format!("{}, ", flow.run.job)).unwrap_or_default();
    Some(format!("{name}run {flow}: {}", Place::from(place)))
}

fn show_flow(RunDetail { run, gaps, .. }: &RunDetail, tree: &Tree, screen: &Screen) -> String {
    let mut sheet = Sheet(String::new());
    sheet.run(run, None, screen);
    sheet.0.push('\n');
    for line in tree::whole(tree, screen.now, screen.width) {
        sheet.0.push_str(&line.show(screen.paint));
        sheet.0.push('\n');
    }
    sheet.table(&left_out(gaps), screen);
    sheet.0
}

fn show_run(
    RunDetail { run, nodes, gaps, .. }: &RunDetail,
    flow: Option<&str>,
    screen: &Screen,
) -> String {
    let mut sheet = Sheet(String::new());
    sheet.run(run, flow, screen);
    sheet.table(&units(nodes, false, screen), screen);
    sheet.results(nodes, screen);
    sheet.table(&left_out(gaps), screen);
    sheet.0
}

fn show_job(
    JobDetail { job, plan, file, line, next, manifest: _, runs }: &JobDetail,
    screen: &Screen,
) -> String {
    let mut sheet = Sheet(String::new());
    sheet.text("job", &job.name);
    sheet.text("description", &job.description);
    sheet.text("written in", &format!("{file}:{line}"));
    match &job.slots {
        Some(slots) => {
            let jobs: usize = slots.iter().map(Vec::len).sum();
            sheet.line("flow", format!("{} in {}", count(jobs, "job"), count(slots.len(), "slot")));
        }
        None => sheet.text("task", &job.task),
    }
    let zone = job.timezone.as_ref().map_or(String::new(), |zone| format!(" ({zone})"));
    sheet.text("schedule", &format!("{}{zone}", job.schedule));
    match (&job.switched_off, job.enabled) {
        (Some(off), _) => {
            let off =
                format!("switched off by {}, {}", escape(&off.by), screen.when_in_full(off.at));
            sheet.line("enabled", screen.paint.warn(&off));
        }
        (None, false) => sheet.line("enabled", "no, where it is written"),
        (None, true) => sheet.line("enabled", "yes"),
    }
    sheet.text("targets", &names(&job.targets, ", "));
    sheet.text("tags", &job.tags.join(", "));
    let mut name = "next";
    for time in next.iter().take(3) {
        sheet.line(name, screen.when_in_full(*time));
        name = "";
    }
    if let Some(plan) = plan {
        let _ = write!(sheet.0, "\n{}", super::screen::plan::plan(&job.name, plan, screen));
    }
    sheet.table(&runs::table(runs, screen), screen);
    sheet.0
}

fn show_node(
    NodeDetail { node, jobs, manifest: _, units: latest }: &NodeDetail,
    screen: &Screen,
) -> String {
    let mut sheet = Sheet(String::new());
    sheet.text("node", &node.name);
    let port = node.port.map_or(String::new(), |port| format!(", port {port}"));
    sheet.text("address", &format!("{}@{}{port}", node.user, node.host));
    sheet.text("tags", &node.tags.join(", "));
    sheet
        .line("connected", if node.connected { screen.paint.good("yes") } else { "no".to_owned() });
    let contact = node.last_contact.map(|at| screen.when_in_full(at));
    sheet.line("last contact", contact.unwrap_or_else(|| "never".to_owned()));
    if node.failures_in_a_row > 0 {
        let failures = format!("{} in a row", node.failures_in_a_row);
        sheet.line("failures", screen.paint.bad(&failures));
    }
    sheet.text("jobs", &jobs.join(", "));
    sheet.table(&units(latest, true, screen), screen);
    sheet.0
}

/// Of one run by their nodes, or of one node by their runs.
fn units(units: &[Unit], of_node: bool, screen: &Screen) -> Table {
    let first = if of_node { Column::right("RUN") } else { Column::left("NODE") };
    let columns = [Column::right("UNIT"), first, Column::right("ATTEMPT")];
    let more = [Column::left("OUTCOME"), Column::left("STARTED"), Column::right("TOOK")];
    let last = [Column::right("OUTPUT"), Column::left("DETAIL")];
    let mut table = Table::new(columns.into_iter().chain(more).chain(last));
    for unit in units {
        let first = if of_node { unit.run.to_string().into() } else { Cell::new(&unit.node) };
        let tone = super::screen::Tone::of(unit.outcome.as_ref().unwrap_or(&unit.state));
        let shown = unit.summary.as_ref().or(unit.outcome.as_ref()).unwrap_or(&unit.state);
        let took = unit.started_at.map(|from| lasted(from, unit.finished_at.unwrap_or(screen.now)));
        table.row([
            unit.id.to_string().into(),
            first,
            unit.attempt.to_string().into(),
            Cell::toned(shown, tone),
            screen.maybe_when(unit.started_at).into(),
            took.map_or(NOTHING.into(), Cell::from),
            size(unit.output_bytes).into(),
            Cell::maybe(unit.detail.as_ref()),
        ]);
    }
    table
}

fn left_out(gaps: &[Gap]) -> Table {
    let mut table = Table::new(["LEFT OUT", "REASON"]);
    for gap in gaps {
        table.row([Cell::maybe(gap.node.as_ref()), Cell::new(&gap.reason)]);
    }
    table
}

fn size(bytes: u64) -> String {
    match bytes {
        0 => NOTHING.to_owned(),
        bytes @ ..10_000 => format!("{bytes} B"),
        bytes @ ..10_000_000 => format!("{} kB", bytes / 1000),
        bytes => format!("{} MB", bytes / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::answer::typed;
    use super::*;

    const AT: &str = "2026-11-21T03:00:00Z";

    #[test]
    fn a_run_is_shown_with_its_units_and_whom_it_left_out() {
        let run: RunDetail = typed(json!({
            "id": 12, "job": "backup\u{1b}[2J", "trigger": "manual", "by": "ann",
            "queued_at": AT, "started_at": AT, "finished_at": "2026-11-21T03:01:05Z",
            "state": "failed",
            "units": {"total": 2, "succeeded": 1, "failed": 1, "cancelled": 0, "lost": 0,
                      "skipped": 0, "open": 0},
            "nodes": [
                {"id": 40, "run": 12, "node": "db1", "attempt": 1, "state": "done",
                 "outcome": "failed", "summary": "failed, exit 3", "exit": 3, "detail": "no\nspace",
                 "started_at": AT, "finished_at": "2026-11-21T03:00:02Z",
                 "output_bytes": 17, "output_truncated": false},
            ],
            "gaps": [{"job": "backup", "node": "db3", "first_at": AT, "last_at": AT, "count": 1,
                      "reason": "overlap"}],
        }))
        .unwrap();
        let shown = show_run(
            &run,
            Some("deploy, run 9: slot 2, job 1"),
            &Screen::pipe(AT.parse().unwrap()),
        );
        for part in [
            "job          backup\\u{1b}[2J\n",
            "part of      deploy, run 9: slot 2, job 1\n",
            "state        failed: 1 of 2 units succeeded, 1 failed\n",
            "trigger      manual by ann\n",
            "took         1m 05s\n",
            "  40  db1         1  failed, exit 3  ",
            "2.0s    17 B  no\\nspace\n",
            "LEFT OUT  REASON\ndb3       overlap\n",
        ] {
            assert!(shown.contains(part), "{part:?} is not in\n{shown}");
        }
    }

    #[test]
    fn sizes_have_their_unit() {
        let shown = [0, 17, 20_480, 123_456_789].map(size);
        assert_eq!(shown, ["-", "17 B", "20 kB", "123 MB"]);
    }
}

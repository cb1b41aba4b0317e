//! `loom jobs`: which jobs there are, when they run next, and how they fared.

use std::process::ExitCode;

use serde_json::Value;

use super::answer::{all_or_json, list, typed};
use super::candidates;
use super::reach::{self, Reach};
use super::screen::{Cell, Column, NOTHING, Screen, Table, Tone, names, print};
use crate::api::job::Job;
use crate::client::{Client, Failure, Route};
use crate::job::flow::own_name;

/// List jobs and flows: when each runs next, and what became of its last run
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  loom jobs
  loom jobs backup report
  loom jobs --tag db --state failed
  loom jobs --flows
  loom jobs --disabled --json")]
pub struct Args {
    /// Only these; all when none is named
    #[arg(value_name = "JOB", add = candidates::jobs())]
    jobs: Vec<String>,

    /// Only those with this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,

    /// Only those whose last run is in this state, like running, failed or succeeded
    #[arg(long, value_name = "STATE", value_parser = super::runs::STATES)]
    state: Option<String>,

    /// Only those whose schedule does not count
    #[arg(long)]
    disabled: bool,

    /// Only flows
    #[arg(long)]
    flows: bool,

    #[command(flatten)]
    reach: Reach,
}

pub fn jobs(candidates: &str, args: &Args) -> ExitCode {
    reach::finish(show(candidates, args))
}

fn show(candidates: &str, args: &Args) -> Result<u8, Failure> {
    let client = args.reach.client(candidates)?;
    let mut wanted = Vec::new();
    for answer in args.ask(&client)? {
        let job: Job = typed(answer.clone())?;
        if args.wants(&job) {
            wanted.push(answer);
        }
    }
    let Some(jobs) = all_or_json::<Job>(wanted, args.reach.json)? else { return Ok(0) };
    if jobs.is_empty() {
        eprintln!("loom: no jobs");
        return Ok(0);
    }
    let screen = Screen::stdout();
    print(&table(&jobs, &screen).show(&screen))?;
    Ok(0)
}

impl Args {
    /// One by one if they are named, so that a wrong name is told with a near one.
    fn ask(&self, client: &Client) -> Result<Vec<Value>, Failure> {
        if !self.jobs.is_empty() {
            let ask = |name| client.get(&Route::to(["jobs", name]));
            return self.jobs.iter().map(|name| ask(name.as_str())).collect();
        }
        let route = Route::to(["jobs"])
            .maybe("tag", self.tag.as_ref())
            .maybe("state", self.state.as_ref())
            .maybe("enabled", self.disabled.then_some(false))
            .maybe("flow", self.flows.then_some(true));
        Ok(list(client, &route, usize::MAX)?.items)
    }

    fn wants(&self, job: &Job) -> bool {
        let state = job.last_run.as_ref().map(|run| run.state.as_str());
        self.tag.as_ref().is_none_or(|tag| job.tags.contains(tag))
            && self.state.as_deref().is_none_or(|wanted| state == Some(wanted))
            && !(self.disabled && job.enabled)
            && (!self.flows || job.slots.is_some())
    }
}

fn table(jobs: &[Job], screen: &Screen) -> Table {
    let columns = ["JOB", "SCHEDULE", "NEXT", "LAST", "STATE"].map(Column::left);
    // Only where there are flows.
    let slots = jobs.iter().any(|job| job.slots.is_some()).then_some(Column::left("SLOTS"));
    let last = [Column::left("TARGETS"), Column::left("TAGS")];
    let more = [Column::right("RUN")].into_iter().chain(slots).chain(last);
    let mut table = Table::new(columns.into_iter().chain(more));
    for job in jobs {
        let last = job.last_run.as_ref();
        let shown = job.slots.as_ref().map(|slots| slots_of(&job.name, slots));
        let slots = slots.map(|_| Cell::maybe(shown));
        let cells = [
            Cell::new(&job.name),
            Cell::new(&job.schedule),
            next(job, screen),
            last.map_or(NOTHING.into(), |run| screen.when(run.queued_at).into()),
            last.map_or(NOTHING.into(), |run| Cell::state(&run.state)),
            last.map_or(NOTHING.into(), |run| run.id.to_string().into()),
        ];
        let last = [Cell::new(names(&job.targets, ",")), Cell::new(job.tags.join(","))];
        table.row(cells.into_iter().chain(slots).chain(last));
    }
    table
}

/// `pkg1,pkg2; restart`: the flow's own jobs without its name.
fn slots_of(flow: &str, slots: &[Vec<String>]) -> String {
    let short = |job: &String| own_name(flow, job).unwrap_or(job).to_owned();
    let slot = |jobs: &Vec<String>| jobs.iter().map(short).collect::<Vec<_>>().join(",");
    slots.iter().map(slot).collect::<Vec<_>>().join("; ")
}

fn next(job: &Job, screen: &Screen) -> Cell {
    match (&job.switched_off, job.enabled) {
        (Some(off), _) => Cell::toned(format!("switched off by {}", off.by), Tone::Warn),
        (None, false) => Cell::toned("disabled", Tone::Dim),
        (None, true) => screen.maybe_when(job.next_at).into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(name: &str, more: Value) -> Job {
        let mut job = json!({
            "name": name, "description": "", "task": "loom.run", "schedule": "@daily",
            "targets": ["db1", "db2"], "tags": [], "enabled": true,
        });
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        typed(job).unwrap()
    }

    #[test]
    fn a_job_that_is_off_says_on_whose_word() {
        let at = "2026-11-21T03:00:00Z";
        let jobs = [
            job("on", json!({ "next_at": at })),
            job("off", json!({ "enabled": false, "switched_off": { "by": "ann", "at": at } })),
            job("never", json!({ "enabled": false })),
        ];
        let screen = Screen { width: Some(200), ..Screen::pipe(at.parse().unwrap()) };
        let shown = table(&jobs, &screen).show(&screen);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].starts_with("on     @daily    now  "), "{shown}");
        assert!(lines[2].contains("switched off by ann  -"), "{shown}");
        assert!(lines[3].contains("disabled") && lines[3].ends_with("db1,db2  -"), "{shown}");
    }

    #[test]
    fn a_flow_is_told_by_its_slots() {
        let slots = json!({ "task": "@flow", "slots": [["pkg1", "pkg2"], ["web/restart"]] });
        let jobs = [job("pkg1", json!({})), job("web", slots)];
        let screen = Screen::pipe("2026-11-21T03:00:00Z".parse().unwrap());
        let shown = table(&jobs, &screen).show(&screen);
        assert!(shown.starts_with("JOB ") && shown.contains("  SLOTS "), "{shown}");
        assert!(shown.contains("  pkg1,pkg2; restart  db1,db2"), "{shown}");
        assert!(!shown.contains("@flow"), "{shown}");
        let shown = table(&jobs[..1], &screen).show(&screen);
        assert!(!shown.contains("SLOTS"), "without flows there is no such column: {shown}");
    }
}

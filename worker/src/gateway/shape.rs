//! The ledger's rows in the shape the API gives them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use loom::access::Globs;
use loom::api::flow::{Part, Plan, Planned};
use loom::api::job::{Gap, Job, SwitchedOff};
use loom::api::run::{Place, Run, Tally};
use loom::api::unit::Unit;
use loom::job;
use loom::store::{self, Reader, RunRow, RunState, StoreError, UnitRow, UnitState};
use loom::unit::{Canceller, Kill, Outcome, RunId};

use serde_json::Value;

use super::catalog::{self, Shelf};
use super::problem::Error;

/// A job's or a node's keys, as the catalog has them.
pub fn manifest(details: &str) -> super::problem::Result<Value> {
    serde_json::from_str(details).map_err(|e| Error::internal(format!("the catalog: {e}")))
}

/// With how their units fare; those of a flow's parts that are to come are open ones.
pub fn runs(ledger: &Reader, rows: Vec<RunRow>) -> Result<Vec<Run>, StoreError> {
    let ids: Vec<RunId> = rows.iter().map(|row| row.run).collect();
    let mut tallies = ledger.tallies(&ids)?;
    for row in rows.iter().filter(|row| row.finished_at.is_none() && row.within.is_none()) {
        let Some(plan) = plan(ledger, row.run)? else { continue };
        let begun = ledger.parts(row.run)?.into_iter().filter_map(|part| part.within);
        let to_come = to_come(&plan, &begun.map(|(_, at)| (at.slot, at.part)).collect());
        let tally = tallies.entry(row.run).or_default();
        tally.total += to_come;
        tally.open += to_come;
    }
    let shape = |row: RunRow| {
        let tally = tallies.remove(&row.run).unwrap_or_default();
        run(row, tally)
    };
    Ok(rows.into_iter().map(shape).collect())
}

/// The nodes of the parts that have not begun, but would. A rescue is none that is to come: nobody
/// knows whether it will.
fn to_come(plan: &Plan, begun: &BTreeSet<(u32, u32)>) -> u32 {
    let first = plan.resumed.as_ref().map_or(1, |resumed| resumed.slot);
    let done = |slot: u32, part: u32| match &plan.resumed {
        Some(resumed) if resumed.slot == slot => {
            resumed.done.get(part as usize - 1).map_or(0, Vec::len)
        }
        Some(_) | None => 0,
    };
    let slots = (1..).zip(&plan.slots).filter(|(slot, _)| *slot >= first);
    let parts = slots.flat_map(|(slot, parts)| {
        (1..).zip(parts).map(move |(part, planned)| (slot, part, planned))
    });
    parts
        .filter(|(slot, part, _)| !begun.contains(&(*slot, *part)))
        .map(|(slot, part, planned)| planned.targets.len().saturating_sub(done(slot, part)) as u32)
        .sum()
}

/// What a flow was to do; `None` of a run that is no flow.
pub fn plan(ledger: &Reader, flow: RunId) -> Result<Option<Plan>, StoreError> {
    Ok(ledger.plan(flow)?.and_then(|plan| serde_json::from_str(&plan).ok()))
}

/// The same, with the runs that have become of it.
pub fn slots(ledger: &Reader, flow: RunId) -> Result<Option<Vec<Vec<Part>>>, StoreError> {
    let Some(plan) = plan(ledger, flow)? else { return Ok(None) };
    let mut runs: BTreeMap<(u32, u32, u32), Run> = BTreeMap::new();
    for run in self::runs(ledger, ledger.parts(flow)?)? {
        runs.extend(run.flow.map(|at| ((at.slot, at.part, at.rescue), run)));
    }
    let mut part = |slot, number, planned| part(&mut runs, (slot, number, 0), planned);
    let slots = (1..).zip(plan.slots).map(|(slot, parts)| {
        (1..).zip(parts).map(|(number, planned)| part(slot, number, planned)).collect()
    });
    Ok(Some(slots.collect()))
}

fn part(
    runs: &mut BTreeMap<(u32, u32, u32), Run>,
    (slot, number, rescue): (u32, u32, u32),
    planned: Planned,
) -> Part {
    let run = runs.remove(&(slot, number, rescue));
    let next = (slot, number, rescue + 1);
    let rescued_by = planned.rescue.clone().filter(|_| runs.contains_key(&next));
    let rescued_by = rescued_by.map(|planned| Box::new(part(runs, next, *planned)));
    Part { planned, run, rescued_by }
}

/// Whether somebody who may see these jobs may see a run. Parts are seen by who sees their flow.
pub fn is_seen(ledger: &Reader, jobs: &Globs, row: &RunRow) -> Result<bool, StoreError> {
    let Some((flow, _)) = row.within.filter(|_| !jobs.see(&row.job)) else {
        return Ok(jobs.see(&row.job));
    };
    Ok(ledger.run(flow)?.is_some_and(|flow| jobs.see(&flow.job)))
}

/// Units of several runs, with the names of their jobs; without those of jobs not to be seen.
pub fn units_of_runs(
    ledger: &Reader,
    rows: Vec<UnitRow>,
    jobs: &Globs,
) -> Result<Vec<Unit>, StoreError> {
    let mut seen: BTreeMap<RunId, Option<String>> = BTreeMap::new();
    let mut units = Vec::new();
    for row in rows {
        let job = match seen.entry(row.run) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let run = ledger.run(row.run)?;
                let is_seen = run.as_ref().map(|run| is_seen(ledger, jobs, run)).transpose()?;
                new.insert(run.filter(|_| is_seen == Some(true)).map(|run| run.job))
            }
        };
        // Without a run it is being deleted.
        if let Some(job) = job {
            units.push(Unit { job: Some(job.clone()), ..unit(row) });
        }
    }
    Ok(units)
}

/// `targets`: with the names of its nodes.
pub fn job(
    shelf: &Shelf,
    job: &catalog::Job,
    now: Timestamp,
    last_run: Option<Run>,
    targets: bool,
) -> Job {
    let entry = &job.entry;
    Job {
        name: entry.name.clone(),
        description: entry.description.clone(),
        task: entry.task.clone(),
        slots: job.plan.as_ref().map(Plan::jobs),
        schedule: entry.schedule.clone(),
        timezone: entry.timezone.clone(),
        targets: if targets { entry.targets.clone() } else { Vec::new() },
        target_count: entry.targets.len(),
        tags: entry.tags.clone(),
        enabled: shelf.is_enabled(job),
        switched_off: shelf.switched_off(job).map(|off| SwitchedOff { by: off.by, at: off.at }),
        next_at: shelf.next_at(job, now),
        last_run,
    }
}

pub fn run(row: RunRow, tally: store::Tally) -> Run {
    let (state, reason) = match row.state {
        RunState::Queued => ("queued", None),
        RunState::Running => ("running", None),
        RunState::Done(end) => (end.word(), end.reason()),
    };
    Run {
        id: row.run.0,
        job: row.job,
        trigger: row.trigger.as_str().to_owned(),
        by: row.by,
        retry_of: row.retry_of.map(|run| run.0),
        command: row.command,
        scheduled_at: row.scheduled_at,
        queued_at: row.queued_at,
        started_at: row.started_at,
        finished_at: row.finished_at,
        state: state.to_owned(),
        reason: reason.map(|reason| reason.as_str().to_owned()),
        flow: row.within.map(|(flow, at)| place(flow, at)),
        units: Tally {
            total: tally.total,
            succeeded: tally.succeeded,
            failed: tally.failed,
            cancelled: tally.cancelled,
            lost: tally.lost,
            skipped: tally.skipped,
            open: tally.open,
        },
    }
}

pub fn place(flow: RunId, at: job::flow::Place) -> Place {
    Place { run: flow.0, slot: at.slot, part: at.part, rescue: at.rescue }
}

pub fn unit(row: UnitRow) -> Unit {
    let mut unit = Unit {
        id: row.unit.0,
        run: row.run.0,
        job: None,
        node: row.node,
        attempt: row.attempt,
        state: String::new(),
        outcome: None,
        summary: None,
        exit: None,
        signal: None,
        kill: None,
        cancelled_by: None,
        reason: None,
        detail: row.detail,
        result: row.result,
        started_at: row.started_at,
        finished_at: row.finished_at,
        output_bytes: row.output.bytes,
        output_truncated: row.output.truncated,
    };
    match row.state {
        UnitState::Queued => unit.state = "queued".to_owned(),
        UnitState::Running => unit.state = "running".to_owned(),
        UnitState::Done(outcome) => {
            unit.state = "done".to_owned();
            unit.outcome = Some(outcome.word().to_owned());
            unit.summary = Some(outcome.to_string());
            add_outcome(&mut unit, outcome);
        }
    }
    unit
}

fn add_outcome(unit: &mut Unit, outcome: Outcome) {
    let killed = |kill: Kill| Some(kill.to_string());
    match outcome {
        Outcome::Failed { exit } => unit.exit = exit,
        Outcome::Signaled { signal } => unit.signal = Some(signal),
        Outcome::TimedOut { kill } => unit.kill = killed(kill),
        Outcome::Cancelled { by, kill } => {
            unit.kill = killed(kill);
            unit.cancelled_by = Some(match by {
                Canceller::Shutdown => "shutdown".to_owned(),
                Canceller::User(name) => format!("user:{name}"),
            });
        }
        Outcome::Skipped { reason } => unit.reason = Some(reason.as_str().to_owned()),
        Outcome::Succeeded | Outcome::Unreachable | Outcome::Crashed | Outcome::Lost => {}
    }
}

pub fn gap(row: store::Gap) -> Gap {
    Gap {
        job: row.job,
        node: row.node,
        first_at: row.first_at,
        last_at: row.last_at,
        count: row.count,
        reason: row.reason.as_str().to_owned(),
        run: row.run.map(|run| run.0),
    }
}

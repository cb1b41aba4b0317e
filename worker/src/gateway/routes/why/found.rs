//! What the ledger has that explains an instant, or a run.

use jiff::{SignedDuration, Timestamp};
use loom::api::run::Run;
use loom::store::{Gap, Reader, RunFilter, StoreError};
use loom::unit::{Reason, RunId};

use crate::gateway::account::StillRan;
use crate::gateway::account::flow::Course;
use crate::gateway::shape;

/// Earlier runs that are looked at for one that still ran.
const EARLIER: u32 = 10;

/// What the ledger has on an instant.
pub struct Found {
    pub runs: Vec<Run>,
    pub gaps: Vec<Gap>,
    pub still_ran: Vec<StillRan>,
    /// Of the last of the runs, if that is a flow's.
    pub course: Option<Course>,
}

/// That run of the job, or its last.
pub fn find_run(
    ledger: &Reader,
    job: &str,
    run: Option<RunId>,
) -> Result<Option<Found>, StoreError> {
    let row = match run {
        Some(run) => ledger.run(run)?.filter(|row| row.job == job),
        None => ledger.runs(Some(job), None, 1)?.pop(),
    };
    let Some(row) = row else { return Ok(None) };
    let instant = row.scheduled_at.unwrap_or(row.queued_at);
    let mut gaps = ledger.covering(job, instant, Some(row.epoch))?.gaps;
    gaps.retain(|gap| gap.run == Some(row.run));
    let overlaps = gaps.iter().any(|gap| gap.reason == Reason::Overlap);
    let still_ran =
        if overlaps { still_ran(ledger, job, instant, &[row.run])? } else { Vec::new() };
    let course = course(ledger, row.run)?;
    Ok(Some(Found { runs: shape::runs(ledger, vec![row])?, gaps, still_ran, course }))
}

/// `None` of a run that is no flow's.
fn course(ledger: &Reader, run: RunId) -> Result<Option<Course>, StoreError> {
    let Some(plan) = shape::plan(ledger, run)? else { return Ok(None) };
    let retries = RunFilter { retry_of: Some(run), ..RunFilter::default() };
    let taken_up = shape::runs(ledger, ledger.runs_where(&retries, None, 1)?)?.pop();
    let slots = shape::slots(ledger, run)?.unwrap_or_default();
    Ok(Some(Course { slots, resumed: plan.resumed, taken_up }))
}

pub fn find(ledger: &Reader, job: &str, at: Timestamp) -> Result<Found, StoreError> {
    let covered = ledger.covering(job, at, None)?;
    let own: Vec<RunId> = covered.runs.iter().map(|row| row.run).collect();
    let overlaps = covered.gaps.iter().any(|gap| gap.reason == Reason::Overlap);
    Ok(Found {
        course: own.last().map_or(Ok(None), |run| course(ledger, *run))?,
        still_ran: if overlaps { still_ran(ledger, job, at, &own)? } else { Vec::new() },
        runs: shape::runs(ledger, covered.runs)?,
        gaps: covered.gaps,
    })
}

/// Earlier runs with units that were not done at that time.
fn still_ran(
    ledger: &Reader,
    job: &str,
    at: Timestamp,
    but: &[RunId],
) -> Result<Vec<StillRan>, StoreError> {
    let until = at.saturating_add(SignedDuration::from_millis(1)).ok();
    let filter = RunFilter { job: Some(job.to_owned()), until, ..RunFilter::default() };
    let open_then = |end: Option<Timestamp>| end.is_none_or(|end| end > at);
    let mut found = Vec::new();
    for row in ledger.runs_where(&filter, None, EARLIER)? {
        if but.contains(&row.run) || !open_then(row.finished_at) {
            continue;
        }
        let open = ledger.units(row.run)?.into_iter().filter(|unit| open_then(unit.finished_at));
        let mut nodes: Vec<String> = open.map(|unit| unit.node).collect();
        nodes.sort();
        nodes.dedup();
        if !nodes.is_empty() || ledger.plan(row.run)?.is_some() {
            let since = row.started_at.unwrap_or(row.queued_at);
            found.push(StillRan { run: row.run.0, since, nodes });
        }
    }
    Ok(found)
}

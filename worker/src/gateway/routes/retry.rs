//! Having done again what did not succeed: the nodes of a run, or what is left of a flow.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use loom::api::flow::Plan;
use loom::api::run::{Retry, RetryRequest, Started};
use loom::job::EXEC;
use loom::job::flow::{FLOW, Place};
use loom::protocol::control::{Command, FlowOf, FlowOrder};
use loom::store::{Reader, RunFilter, RunRow, RunState, StoreError, UnitRow, UnitState};
use loom::unit::{Outcome, RunEnd, RunId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::exec::{Beginning, begin};
use super::runs::find;
use crate::gateway::auth::Caller;
use crate::gateway::describe::{KeyHeader, Problems};
use crate::gateway::extract::{Body, Key, Segment};
use crate::gateway::problem::{Error, Result};
use crate::gateway::{App, resume, shape, wait};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(retry))
}

/// Try nodes of a run again, as another run of its job; or take a flow up where it ended.
///
/// A flow begins with the first slot that is not done, and there with the units that did not
/// succeed. It is refused if that run is under way or has succeeded, if another run has taken it up,
/// and if the flow has other jobs now.
#[utoipa::path(
    post,
    path = "/runs/{id}/retry",
    operation_id = "retry_run",
    tag = "runs",
    params(("id" = u64, Path), KeyHeader),
    request_body = Option<RetryRequest>,
    responses(
        (status = 201, description = "It runs", body = Started, headers(("Location" = String))),
        (status = 200, description = "It runs on none of the nodes", body = Started),
        Problems,
    )
)]
async fn retry(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment<u64>,
    Key(key): Key,
    Body(request): Body<RetryRequest>,
) -> Result<Beginning> {
    let RetryRequest { only, wait } = request;
    let limit = wait::limit(wait)?;
    let run = find(&app, &caller, RunId(id)).await?;
    let end = match run.state {
        RunState::Done(end) => end,
        RunState::Queued | RunState::Running => {
            return Err(Error::conflict(format!(
                "run {id} is {} still; retry what is over, or cancel it first",
                run.state.word()
            )));
        }
    };
    if let Some(take_up) = take_up(&app, &run, end, only).await? {
        return begin(&app, caller, key, take_up, limit).await;
    }
    if run.job == EXEC {
        return Err(Error::conflict(format!(
            "run {id} was a command of its own, which is not kept with all it needs to run again; \
             give it anew, on the nodes you mean"
        )));
    }
    let units = app.history.read(move |ledger| ledger.units(RunId(id))).await?;
    let nodes = to_retry(&units, only);
    if nodes.is_empty() {
        let what = match only {
            Retry::Unsuccessful => "every node succeeded",
            Retry::Failed => "it failed on no node",
            Retry::Unstarted => "it was started on every node",
        };
        return Err(Error::conflict(format!(
            "nothing of run {id} ({end}) is to be tried again: {what}"
        )));
    }
    let catalog = app.shelf.catalog().await;
    if let Some((flow, place)) = run.within.filter(|_| !catalog.jobs.contains_key(&run.job)) {
        return Err(Error::conflict(format!(
            "run {id} is {place} of run {flow}, and its job {:?} stands nowhere else: \
             `loom flow retry {flow}` takes up the whole",
            run.job
        )));
    }
    let (here, gone): (Vec<&str>, Vec<&str>) =
        nodes.into_iter().partition(|node| catalog.nodes.contains_key(*node));
    if here.is_empty() {
        let gone = gone.join(", ");
        return Err(Error::conflict(format!("no longer in the configuration: {gone}")));
    }
    let left_out = gone.into_iter().map(str::to_owned).collect();
    let on = Some(here.join(","));
    let retry_of = Some(run.run);
    let command = Command::Run { job: run.job, on, args: Vec::new(), retry_of };
    let (status, headers, Json(started)) = begin(&app, caller, key, command, limit).await?;
    Ok((status, headers, Json(Started { left_out, ..started })))
}

/// What takes the flow up that `run` is a run of; `None`: it is none.
async fn take_up(app: &App, run: &RunRow, end: RunEnd, only: Retry) -> Result<Option<Command>> {
    let (id, name) = (run.run, run.job.clone());
    let catalog = app.shelf.catalog().await;
    let is_flow = catalog.jobs.get(&name).is_some_and(|job| job.entry.plan.is_some());
    let found = app.history.read(move |ledger| {
        let Some(plan) = shape::plan(ledger, id)? else { return Ok(None) };
        let retries = RunFilter { retry_of: Some(id), ..RunFilter::default() };
        let taken_up = ledger.runs_where(&retries, None, 1)?.pop().map(|row| row.run);
        let left = resume::left(id, &plan, &parts(ledger, id, &plan)?);
        Ok(Some((plan, taken_up, left)))
    });
    let Some((plan, taken_up, left)) = found.await? else { return Ok(None) };
    if only != Retry::Unsuccessful {
        return Err(Error::invalid(format!(
            "`only` is for runs of jobs; run {id} is one of a flow, which is taken up with all \
             that did not succeed"
        )));
    }
    if let Some(later) = taken_up {
        return Err(Error::conflict(format!(
            "run {id} was taken up by run {later} already; what is left of it is left of that"
        )));
    }
    if end == RunEnd::Succeeded {
        return Err(Error::conflict(format!("run {id} of the flow {name} has succeeded")));
    }
    let Some(left) = left else {
        return Err(Error::conflict(format!(
            "nothing of run {id} ({end}) is left: each slot of the flow {name} is done"
        )));
    };
    let flow = match name.as_str() {
        FLOW => resume::given(&plan, run.command.clone().unwrap_or_default()),
        _ if is_flow => Some(FlowOf::Job(name.clone())),
        _ => {
            return Err(Error::conflict(format!(
                "there is no flow {name} in the configuration any more; run {id} cannot be taken up"
            )));
        }
    };
    let unreadable = || Error::internal(format!("the plan of run {id} cannot be read"));
    let flow = flow.ok_or_else(unreadable)?;
    Ok(Some(Command::Flow(Box::new(FlowOrder { flow, resume: Some(left) }))))
}

/// Those of the slot in which the flow came furthest.
fn parts(
    ledger: &Reader,
    flow: RunId,
    plan: &Plan,
) -> std::result::Result<Vec<resume::Part>, StoreError> {
    let places: Vec<(RunRow, Place)> = ledger
        .parts(flow)?
        .into_iter()
        .filter_map(|row| row.within.map(|(_, place)| (row, place)))
        .collect();
    let slot = resume::reached(plan, places.iter().map(|(_, place)| *place));
    let reached = places.into_iter().filter(|(_, place)| place.slot == slot);
    let part = |(row, place): (RunRow, Place)| {
        let nodes = resume::fates(&ledger.units(row.run)?);
        Ok(resume::Part { place, state: row.state, nodes })
    };
    reached.map(part).collect()
}

/// By the last attempt on each node; in the order of the run.
fn to_retry(units: &[UnitRow], only: Retry) -> Vec<&str> {
    let mut last: HashMap<&str, u32> = HashMap::new();
    for unit in units {
        let attempt = last.entry(&unit.node).or_default();
        *attempt = unit.attempt.max(*attempt);
    }
    let is_last = |unit: &&UnitRow| last.get(unit.node.as_str()) == Some(&unit.attempt);
    let wanted = units.iter().filter(is_last).filter(|unit| is_wanted(unit, only));
    wanted.map(|unit| unit.node.as_str()).collect()
}

fn is_wanted(unit: &UnitRow, only: Retry) -> bool {
    let UnitState::Done(outcome) = &unit.state else { return false };
    match only {
        Retry::Unsuccessful => !outcome.is_success(),
        Retry::Failed => !outcome.is_success() && !never_started(unit, outcome),
        Retry::Unstarted => never_started(unit, outcome),
    }
}

/// Certainly. That a daemon which died had not yet written of a start proves nothing.
fn never_started(unit: &UnitRow, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Unreachable | Outcome::Skipped { .. } => true,
        Outcome::Cancelled { .. } => unit.started_at.is_none(),
        Outcome::Succeeded
        | Outcome::Failed { .. }
        | Outcome::Signaled { .. }
        | Outcome::TimedOut { .. }
        | Outcome::Crashed
        | Outcome::Lost => false,
    }
}

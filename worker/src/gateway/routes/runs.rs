//! Runs: what there was and is, ending one, trying its nodes again.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use loom::api::Page;
use loom::api::run::{Retry, RetryRequest, Run, RunDetail, Started};
use loom::job::EXEC;
use loom::protocol::control::Command;
use loom::store::{RunFilter, RunRow, RunState, UnitRow, UnitState};
use loom::unit::{Outcome, RunId, Trigger};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::exec::{Beginning, begin};
use crate::gateway::auth::Caller;
use crate::gateway::describe::{KeyHeader, Problems};
use crate::gateway::extract::{Body, Key, Query, Segment};
use crate::gateway::page::{Paging, page, words};
use crate::gateway::problem::{Error, Result};
use crate::gateway::{App, shape, wait, when};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(cancel))
        .routes(routes!(retry))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Of this job; `@exec` for those of no job.
    job: Option<String>,
    /// Any of several, with commas: `failed,lost`.
    state: Option<String>,
    /// Any of several, with commas: `manual,retry`.
    trigger: Option<String>,
    /// With a unit on that node.
    node: Option<String>,
    /// Queued at that time or later; RFC 3339.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Queued before that time; RFC 3339.
    #[param(format = DateTime)]
    until: Option<String>,
    /// Retries of that run.
    retry_of: Option<u64>,
}

impl Filter {
    fn of(self, caller: &Caller) -> Result<RunFilter> {
        let states = words("state", self.state.as_deref(), &RunState::WORDS)?;
        let triggers = Trigger::ALL.map(Trigger::as_str);
        let triggers = words("trigger", self.trigger.as_deref(), &triggers)?;
        let wanted = |trigger: &Trigger| triggers.contains(&trigger.as_str());
        Ok(RunFilter {
            job: self.job,
            jobs: caller.jobs.clone(),
            states: states.into_iter().map(str::to_owned).collect(),
            triggers: Trigger::ALL.into_iter().filter(wanted).collect(),
            node: self.node,
            since: when::timestamp("since", &self.since)?,
            until: when::timestamp("until", &self.until)?,
            retry_of: self.retry_of.map(RunId),
        })
    }
}

/// Runs, the latest first.
#[utoipa::path(
    get,
    path = "/runs",
    operation_id = "list_runs",
    tag = "runs",
    params(Filter, Paging),
    responses((status = 200, body = Page<Run>), Problems)
)]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Run>>> {
    let (limit, before) = (paging.limit()?, paging.before()?.map(RunId));
    let filter = filter.of(&caller)?;
    let runs = app
        .history
        .read(move |ledger| {
            shape::runs(ledger, ledger.runs_where(&filter, before, limit as u32 + 1)?)
        })
        .await?;
    Ok(Json(page(runs, limit, |run| run.id.to_string())))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Waiting {
    /// Answer when the run has ended, or after so many seconds (0 to 60).
    #[param(maximum = 60)]
    wait: Option<u32>,
}

/// One run, with all its units.
#[utoipa::path(
    get,
    path = "/runs/{id}",
    operation_id = "show_run",
    tag = "runs",
    params(("id" = u64, Path), Waiting),
    responses((status = 200, body = RunDetail), Problems)
)]
async fn show(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment<u64>,
    Query(waiting): Query<Waiting>,
) -> Result<Json<RunDetail>> {
    let limit = wait::limit(waiting.wait.unwrap_or(0))?;
    // Before the run is looked at: its end cannot be missed.
    let cursor = app.news.cursor();
    let run = find(&app, &caller, RunId(id)).await?;
    if run.finished_at.is_none() && !limit.is_zero() {
        wait::until_over(&app, run.run, cursor, limit).await?;
    }
    let detail = app
        .history
        .read(move |ledger| {
            // In this order: a run that is over has no unit that is not.
            let Some(row) = ledger.run(RunId(id))? else { return Ok(None) };
            let units = ledger.units(row.run)?;
            let instant = row.scheduled_at.unwrap_or(row.queued_at);
            let mut gaps = ledger.covering(&row.job, instant, Some(row.epoch))?.gaps;
            gaps.retain(|gap| gap.run == Some(row.run));
            let slots = shape::slots(ledger, row.run)?;
            let run = shape::runs(ledger, vec![row])?.pop();
            Ok(run.map(|run| (run, units, gaps, slots)))
        })
        .await?;
    let (run, mut units, gaps, slots) = detail.ok_or_else(|| no_such_run(id))?;
    units.sort_by_cached_key(|unit| (unit.node.clone(), unit.attempt));
    let nodes = units.into_iter().map(shape::unit).collect();
    let gaps = gaps.into_iter().map(shape::gap).collect();
    Ok(Json(RunDetail { run, nodes, gaps, slots }))
}

/// End a run: its units here and on their nodes; nothing more of it starts.
#[utoipa::path(
    post,
    path = "/runs/{id}/cancel",
    operation_id = "cancel_run",
    tag = "runs",
    params(("id" = u64, Path)),
    responses((status = 202, description = "It is being ended"), Problems)
)]
async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment<u64>,
) -> Result<StatusCode> {
    let run = find(&app, &caller, RunId(id)).await?;
    if let RunState::Done(end) = run.state {
        return Err(Error::conflict(format!("run {id} is over: {end}")));
    }
    app.parent.ask(caller.who, None, Command::Cancel { run: run.run }).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Try nodes of a run again, as another run of its job.
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

/// The run, if the caller may know of it.
async fn find(app: &App, caller: &Caller, run: RunId) -> Result<RunRow> {
    let found = app.history.read(move |ledger| ledger.run(run)).await?;
    found.filter(|row| caller.sees(&row.job)).ok_or_else(|| no_such_run(run.0))
}

fn no_such_run(id: u64) -> Error {
    Error::unknown(format!("there is no run {id}; it may have been pruned"))
}

//! Runs: what there was and is, and ending one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use loom::access::Globs;
use loom::api::Page;
use loom::api::run::{Run, RunDetail};
use loom::protocol::control::Command;
use loom::store::{RunFilter, RunRow, RunState};
use loom::unit::{RunId, Trigger};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::auth::Caller;
use crate::gateway::describe::Problems;
use crate::gateway::extract::{Query, Segment};
use crate::gateway::paging::{Paging, page, words};
use crate::gateway::problem::{Error, Result};
use crate::gateway::{App, shape, wait, when};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(cancel))
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
    /// Parts of that flow.
    flow: Option<u64>,
    /// `false`: without runs that are parts of flows.
    #[serde(default = "yes")]
    #[param(default = true)]
    parts: bool,
}

fn yes() -> bool {
    true
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
            flow: self.flow.map(RunId),
            no_parts: !self.parts,
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
    let mut filter = filter.of(&caller)?;
    let runs = app
        .history
        .read(move |ledger| {
            let flow = filter.flow.map(|flow| ledger.run(flow)).transpose()?.flatten();
            if flow.is_some_and(|flow| filter.jobs.see(&flow.job)) {
                filter.jobs = Globs::default();
            }
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
            let resumed = shape::plan(ledger, row.run)?.and_then(|plan| plan.resumed);
            let run = shape::runs(ledger, vec![row])?.pop();
            Ok(run.map(|run| (run, units, gaps, slots, resumed)))
        })
        .await?;
    let (run, mut units, gaps, slots, resumed) = detail.ok_or_else(|| no_such_run(id))?;
    units.sort_by_cached_key(|unit| (unit.node.clone(), unit.attempt));
    let nodes = units.into_iter().map(shape::unit).collect();
    let gaps = gaps.into_iter().map(shape::gap).collect();
    Ok(Json(RunDetail { run, nodes, gaps, slots, resumed }))
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

/// The run, if the caller may know of it.
pub async fn find(app: &App, caller: &Caller, run: RunId) -> Result<RunRow> {
    let jobs = caller.jobs.clone();
    let found = app
        .history
        .read(move |ledger| {
            let Some(row) = ledger.run(run)? else { return Ok(None) };
            Ok(shape::is_seen(ledger, &jobs, &row)?.then_some(row))
        })
        .await?;
    found.ok_or_else(|| no_such_run(run.0))
}

fn no_such_run(id: u64) -> Error {
    Error::unknown(format!("there is no run {id}; it may have been pruned"))
}

//! Jobs: what there is, when it comes due, switching it on and off.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use loom::api::Page;
use loom::api::job::{Fires, Job, JobDetail};
use loom::protocol::control::Command;
use loom::store::{Reader, RunRow, RunState, StoreError};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::App;
use crate::gateway::auth::Caller;
use crate::gateway::catalog::{self, Catalog};
use crate::gateway::describe::Problems;
use crate::gateway::extract::{Query, Segment};
use crate::gateway::paging::{Names, Paging, page, words};
use crate::gateway::problem::{Error, Result};
use crate::gateway::{shape, when};

/// Coming instants, and latest runs, that are shown with a job.
const SHOWN: usize = 10;
/// Fires that are listed at once, at most.
const MOST_FIRES: usize = 1000;
/// Jobs whose last runs are looked up in one transaction.
const AT_ONCE: usize = 500;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(fires))
        .routes(routes!(enable))
        .routes(routes!(disable))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// A part of the name or, with `*`, `?` or `[`, a glob for all of it.
    name: Option<String>,
    /// A tag it has.
    tag: Option<String>,
    /// Of its last run; any of several, with commas: `failed,lost`.
    state: Option<String>,
    /// Whether its schedule counts.
    enabled: Option<bool>,
    /// Whether it is a flow.
    flow: Option<bool>,
    /// `false`: without the names of the nodes, which may be many.
    #[serde(default = "yes")]
    #[param(default = true)]
    targets: bool,
}

fn yes() -> bool {
    true
}

/// The jobs of the configuration, by name.
#[utoipa::path(
    get,
    path = "/jobs",
    operation_id = "list_jobs",
    tag = "jobs",
    params(Filter, Paging),
    responses((status = 200, body = Page<Job>), Problems)
)]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Job>>> {
    let limit = paging.limit()?;
    let states = words("state", filter.state.as_deref(), &RunState::WORDS)?;
    let names = Names::of(filter.name.as_deref())?;
    let catalog = app.shelf.catalog().await;
    let fits = |job: &catalog::Job| {
        let entry = &job.entry;
        caller.sees(&entry.name)
            && names.fit(&entry.name)
            && filter.tag.as_ref().is_none_or(|tag| entry.tags.contains(tag))
            && filter.enabled.is_none_or(|enabled| app.shelf.is_enabled(job) == enabled)
            && filter.flow.is_none_or(|flow| job.entry.plan.is_some() == flow)
    };
    let from = paging.after();
    let fitting = catalog.jobs.range::<str, _>(from).filter(|(_, job)| fits(job));
    let candidates = fitting.map(|(name, _)| name.clone());
    // Those whose last run matters cannot be told before it is looked up.
    let enough = if states.is_empty() { limit + 1 } else { usize::MAX };
    let candidates: Vec<String> = candidates.take(enough).collect();
    let found = app
        .history
        .read(move |ledger| {
            let found = with_last_runs(ledger, &candidates, &states, limit + 1)?;
            let rows = found.iter().filter_map(|(_, row)| row.clone()).collect();
            let mut runs = shape::runs(ledger, rows)?.into_iter();
            let run_of =
                |(name, row): (String, Option<RunRow>)| (name, row.and_then(|_| runs.next()));
            Ok(found.into_iter().map(run_of).collect::<Vec<_>>())
        })
        .await?;
    let now = Timestamp::now();
    let shape = |(name, run): (String, _)| {
        Some(shape::job(&app.shelf, catalog.jobs.get(&name)?, now, run, filter.targets))
    };
    let jobs: Vec<Job> = found.into_iter().filter_map(shape).collect();
    Ok(Json(page(jobs, limit, |job| job.name.clone())))
}

/// The first of these jobs whose last run is in one of the states; without states, any.
fn with_last_runs(
    ledger: &Reader,
    jobs: &[String],
    states: &[&str],
    most: usize,
) -> std::result::Result<Vec<(String, Option<RunRow>)>, StoreError> {
    let mut found = Vec::new();
    for names in jobs.chunks(AT_ONCE) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut last = match states {
            [] => ledger.last_runs(&names)?,
            states => ledger.last_runs_in(&names, states)?,
        };
        for name in names {
            let run = last.remove(name);
            if states.is_empty() || run.is_some() {
                found.push((name.to_owned(), run));
            }
            if found.len() == most {
                return Ok(found);
            }
        }
    }
    Ok(found)
}

/// One job, with its latest runs.
#[utoipa::path(
    get,
    path = "/jobs/{name}",
    operation_id = "show_job",
    tag = "jobs",
    params(("name" = String, Path)),
    responses((status = 200, body = JobDetail), Problems)
)]
async fn show(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
) -> Result<Json<JobDetail>> {
    let catalog = app.shelf.catalog().await;
    let job = find(&catalog, &caller, &name)?;
    let runs = app
        .history
        .read(move |ledger| shape::runs(ledger, ledger.runs(Some(&name), None, SHOWN as u32)?))
        .await?;
    let now = Timestamp::now();
    let shown = shape::job(&app.shelf, job, now, runs.first().cloned(), true);
    let next = match shown.next_at {
        Some(_) => catalog::fires(job, now).take(SHOWN).collect(),
        None => Vec::new(),
    };
    Ok(Json(JobDetail {
        job: shown,
        plan: job.plan.clone(),
        file: job.entry.file.clone(),
        line: job.entry.line,
        next,
        manifest: shape::manifest(&job.entry.details)?,
        runs,
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Span {
    /// At that time or later; now without it. RFC 3339, or on the clock of the job's zone.
    from: Option<String>,
    /// 1 to 1000; 10 without it.
    #[param(minimum = 1, maximum = 1000)]
    count: Option<usize>,
}

/// When a job comes due by its schedule, whether it is enabled or not.
#[utoipa::path(
    get,
    path = "/jobs/{name}/fires",
    operation_id = "job_fires",
    tag = "jobs",
    params(("name" = String, Path), Span),
    responses((status = 200, body = Fires), Problems)
)]
async fn fires(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    Query(span): Query<Span>,
) -> Result<Json<Fires>> {
    let catalog = app.shelf.catalog().await;
    let job = find(&catalog, &caller, &name)?;
    let count = match span.count.unwrap_or(SHOWN) {
        count @ 1..=MOST_FIRES => count,
        count => {
            return Err(Error::invalid(format!("count is from 1 to {MOST_FIRES}, not {count}")));
        }
    };
    let now = Timestamp::now();
    let from = span.from.map(|text| when::parse("from", &text, &job.zone, now)).transpose()?;
    let just_before = from.unwrap_or(now).saturating_sub(SignedDuration::from_nanos(1));
    let after = just_before.unwrap_or(Timestamp::MIN);
    let timezone = match &job.entry.timezone {
        Some(name) => name.clone(),
        None => job.zone.iana_name().unwrap_or("the system's").to_owned(),
    };
    Ok(Json(Fires { timezone, times: catalog::fires(job, after).take(count).collect() }))
}

/// Switch a job on again that was switched off.
#[utoipa::path(
    post,
    path = "/jobs/{name}/enable",
    operation_id = "enable_job",
    tag = "jobs",
    params(("name" = String, Path)),
    responses((status = 204, description = "Its schedule counts again"), Problems)
)]
async fn enable(
    State(app): State<App>,
    caller: Caller,
    Segment(job): Segment<String>,
) -> Result<StatusCode> {
    app.parent.ask(caller.who, None, Command::Enable { job }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Switch a job off, whatever its manifest says. It outlives a restart.
#[utoipa::path(
    post,
    path = "/jobs/{name}/disable",
    operation_id = "disable_job",
    tag = "jobs",
    params(("name" = String, Path)),
    responses((status = 204, description = "Its schedule does not count"), Problems)
)]
async fn disable(
    State(app): State<App>,
    caller: Caller,
    Segment(job): Segment<String>,
) -> Result<StatusCode> {
    app.parent.ask(caller.who, None, Command::Disable { job }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The job, if the caller may know of it.
fn find<'a>(catalog: &'a Catalog, caller: &Caller, name: &str) -> Result<&'a catalog::Job> {
    let found = catalog.jobs.get(name).filter(|_| caller.sees(name));
    found.ok_or_else(|| no_such_job(catalog, caller, name))
}

/// The near misses are those that the caller may see.
pub fn no_such_job(catalog: &Catalog, caller: &Caller, name: &str) -> Error {
    let known = catalog.jobs.keys().map(String::as_str).filter(|name| caller.sees(name));
    let hint = loom::config::near(name, known);
    Error::unknown(format!("there is no job {name:?}{hint}"))
}

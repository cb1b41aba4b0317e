//! What comes due, over all jobs.

use std::collections::{BTreeMap, HashMap};

use axum::Json;
use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use loom::api::job::{Coming, Due, Span};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::auth::Caller;
use crate::gateway::catalog::{self, Catalog};
use crate::gateway::describe::Problems;
use crate::gateway::extract::Query;
use crate::gateway::problem::{Error, Result};
use crate::gateway::spans::spans;
use crate::gateway::{App, when};

/// Instants that are told one by one: without a parameter, and at most.
const LIMIT: usize = 20;
const MOST: usize = 1000;
/// Names that are told of each span.
const NAMES: usize = 5;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(coming))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// At that time or later; now without it. RFC 3339.
    #[param(format = DateTime)]
    from: Option<String>,
    /// How far to look, 1 to 168; 24 without it.
    #[param(minimum = 1, maximum = 168)]
    hours: Option<i64>,
    /// Seconds to a span, of which there are at most 1000; 900 without it. Spans begin where the
    /// seconds since 1970 are a multiple of it, so that quarters of an hour are those of the clock.
    #[param(minimum = 60)]
    step: Option<i64>,
    /// Instants that are told one by one, at most 1000; 20 without it.
    #[param(maximum = 1000)]
    limit: Option<usize>,
}

/// What comes due by the schedules that count now: how much in each span of time, and what comes
/// first. Nothing if all is paused.
#[utoipa::path(
    get,
    path = "/fires",
    operation_id = "coming_fires",
    tag = "jobs",
    params(Wanted),
    responses((status = 200, body = Coming), Problems)
)]
async fn coming(
    State(app): State<App>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Coming>> {
    let look = Look::of(&wanted, Timestamp::now())?;
    let catalog = app.shelf.catalog().await;
    if app.shelf.is_paused() {
        return Ok(Json(look.nothing()));
    }
    // Of thousands of jobs it takes a while.
    let found = tokio::task::spawn_blocking(move || {
        let counts = |job: &catalog::Job| caller.sees(&job.entry.name) && app.shelf.is_enabled(job);
        look.find(&catalog, counts)
    });
    found.await.map(Json).map_err(|e| Error::internal(e.to_string()))
}

/// From when to when, how finely, and how much of it one by one.
#[derive(Debug, Clone, Copy)]
struct Look {
    from: Timestamp,
    until: Timestamp,
    step: i64,
    limit: usize,
}

impl Look {
    fn of(wanted: &Wanted, now: Timestamp) -> Result<Look> {
        let (hours, step) = spans(wanted.hours, wanted.step)?;
        let limit = wanted.limit.unwrap_or(LIMIT);
        if limit > MOST {
            return Err(Error::invalid(format!("limit is at most {MOST}, not {limit}")));
        }
        let from = when::timestamp("from", &wanted.from)?.unwrap_or(now);
        let beyond = |_| Error::invalid("from is so late that time ends before");
        let until = from.checked_add(SignedDuration::from_hours(hours)).map_err(beyond)?;
        Ok(Look { from, until, step, limit })
    }

    fn nothing(self) -> Coming {
        let Look { from, until, step, .. } = self;
        Coming { from, until, step: step as u32, spans: Vec::new(), next: Vec::new() }
    }

    fn find(self, catalog: &Catalog, counts: impl Fn(&catalog::Job) -> bool) -> Coming {
        // Thousands of jobs have a few schedules among them.
        let mut alike: HashMap<(&str, Option<&str>), Vec<&catalog::Job>> = HashMap::new();
        for job in catalog.jobs.values().filter(|job| counts(job)) {
            let entry = &job.entry;
            let key = (entry.schedule.as_str(), entry.timezone.as_deref());
            alike.entry(key).or_default().push(job);
        }
        let mut spans: BTreeMap<i64, Span> = BTreeMap::new();
        let mut next: BTreeMap<Timestamp, Vec<&catalog::Job>> = BTreeMap::new();
        let before = self.from.saturating_sub(SignedDuration::from_nanos(1));
        let before = before.unwrap_or(Timestamp::MIN);
        for jobs in alike.values() {
            let Some(first) = jobs.first() else { continue };
            let fires = catalog::fires(first, before).take_while(|at| *at < self.until);
            for (nth, at) in fires.enumerate() {
                self.count(&mut spans, at, jobs);
                // Of those that come due together, the first instants hold enough.
                if nth.saturating_mul(jobs.len()) < self.limit {
                    next.entry(at).or_default().extend(jobs);
                }
            }
        }
        for span in spans.values_mut() {
            span.jobs.sort();
            span.jobs.dedup();
            span.jobs.truncate(NAMES);
        }
        let next = next.into_iter().flat_map(|(at, mut jobs)| {
            jobs.sort_unstable_by_key(|job| &job.entry.name);
            jobs.into_iter().map(move |job| due(at, job))
        });
        Coming {
            spans: spans.into_values().collect(),
            next: next.take(self.limit).collect(),
            ..self.nothing()
        }
    }

    fn count(self, spans: &mut BTreeMap<i64, Span>, at: Timestamp, jobs: &[&catalog::Job]) {
        // Quarters of an hour are those of the clock.
        let nth = at.as_second().div_euclid(self.step);
        let begun = Timestamp::from_second(nth * self.step).unwrap_or(at);
        let fresh = || Span { at: begun, count: 0, jobs: Vec::new() };
        let span = spans.entry(nth).or_insert_with(fresh);
        span.count += jobs.len() as u64;
        // The first of every schedule are enough to know the first of all.
        let names = jobs.iter().take(NAMES).map(|job| job.entry.name.clone());
        span.jobs.extend(names);
        if span.jobs.len() > 100 * NAMES {
            span.jobs.sort();
            span.jobs.dedup();
            span.jobs.truncate(NAMES);
        }
    }
}

fn due(at: Timestamp, job: &catalog::Job) -> Due {
    Due { at, job: job.entry.name.clone(), timezone: job.entry.timezone.clone() }
}

//! What happens, as it happens.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use glob::Pattern;
use loom::api::event::Event;
use loom::unit::RunId;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::auth::Caller;
use crate::gateway::describe::Problems;
use crate::gateway::extract::Query;
use crate::gateway::news::Cursor;
use crate::gateway::problem::{Error, Result};
use crate::gateway::sse::{self, Source};
use crate::gateway::{App, shape};

/// So many events that do not concern a reader, or so long after them, and it is told where it is:
/// it need not look at them again.
const UNTOLD: u64 = 1000;
const PATIENCE: Duration = Duration::from_secs(15);

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(events))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only of this job; also a glob.
    job: Option<String>,
    /// Only of this run; of a flow, also of its parts.
    run: Option<u64>,
    /// Only of these types, parted by commas; `resync` comes in any case.
    types: Option<String>,
    /// The id of the last event that was seen. The header `Last-Event-ID` outranks it.
    after: Option<String>,
}

/// What happens to runs and units, as it happens.
///
/// Begins now, or after an event that was seen. The id of each event is where to go on after it; a
/// message of nothing but an id has the same meaning. Some 10,000 events are remembered: who was
/// away for longer, reads too slowly, or comes back to a gateway that was started since, gets a
/// `resync`, and then what comes from now on. Comments are sent in times of silence.
///
/// A token that is limited to some jobs sees their events, and those that concern no job.
#[utoipa::path(
    get, path = "/events", operation_id = "follow_events", tag = "events", params(
        Filter,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen"),
    ),
    responses((status = 200, body = Event, content_type = "text/event-stream"), Problems),
)]
async fn events(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(filter): Query<Filter>,
) -> Result<Response> {
    let mut wanted = Wanted::new(&filter, caller.clone())?;
    let after = sse::place::<Cursor>(&headers, filter.after.as_deref())?;
    let cursor = after.unwrap_or_else(|| app.news.cursor());
    wanted.learn(&app).await?;
    let source = Telling { app: app.clone(), wanted, cursor, told: after, since: Instant::now() };
    Ok(sse::events(source))
}

/// What this caller has asked for and may see.
struct Wanted {
    caller: Caller,
    job: Option<(String, Pattern)>,
    run: Option<u64>,
    /// Of the run, if it is a flow that the caller may see: its parts as far as they are known.
    parts: Option<HashSet<u64>>,
    types: Option<BTreeSet<String>>,
}

impl Wanted {
    fn new(filter: &Filter, caller: Caller) -> Result<Wanted> {
        let job = match &filter.job {
            Some(name) => {
                let pattern = Pattern::new(name).map_err(|e| {
                    Error::invalid(format!("job: {name:?} is neither a name nor a glob: {e}"))
                })?;
                Some((name.clone(), pattern))
            }
            None => None,
        };
        let types = match &filter.types {
            Some(types) => Some(types.split(',').map(known).collect::<Result<_>>()?),
            None => None,
        };
        Ok(Wanted { caller, job, run: filter.run, parts: None, types })
    }

    /// Parts that are in the ledger; of others the news tell.
    async fn learn(&mut self, app: &App) -> Result<()> {
        let Some(run) = self.run.map(RunId) else { return Ok(()) };
        let jobs = self.caller.jobs.clone();
        let read = app.history.read(move |ledger| {
            let Some(row) = ledger.run(run)? else { return Ok(None) };
            if !shape::is_seen(ledger, &jobs, &row)? {
                return Ok(None);
            }
            Ok(Some(ledger.parts(run)?.into_iter().map(|part| part.run.0).collect()))
        });
        self.parts = read.await?;
        Ok(())
    }

    fn has(&mut self, event: &Event) -> bool {
        if *event == Event::Resync {
            return true;
        }
        if let (Event::RunQueued { run, flow: Some(within), .. }, Some(parts)) =
            (event, &mut self.parts)
            && self.run == Some(within.run)
        {
            parts.insert(*run);
        }
        let run = event.run();
        let is_part =
            self.parts.as_ref().is_some_and(|parts| run.is_some_and(|run| parts.contains(&run)));
        let job = event.job();
        (is_part || job.is_none_or(|job| self.caller.sees(job)))
            && self
                .job
                .as_ref()
                .is_none_or(|(name, glob)| job.is_some_and(|job| job == name || glob.matches(job)))
            && (is_part || self.run.is_none_or(|wanted| run == Some(wanted)))
            && self.types.as_ref().is_none_or(|types| types.contains(event.name()))
    }
}

fn known(name: &str) -> Result<String> {
    const NAMES: [&str; 10] = [
        "run_queued",
        "run_started",
        "run_ended",
        "unit_started",
        "unit_ended",
        "missed",
        "switched",
        "paused",
        "reloaded",
        "resync",
    ];
    if NAMES.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(Error::invalid(format!("types: there is none {name:?}; there are {}", NAMES.join(", "))))
}

struct Telling {
    app: App,
    wanted: Wanted,
    /// Everything before it was looked at.
    cursor: Cursor,
    /// The client knows that it has come so far.
    told: Option<Cursor>,
    /// When it was told.
    since: Instant,
}

impl Source for Telling {
    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let mut piece = Vec::new();
        if self.told.is_none() {
            // Who is cut off before anything has happened can come back all the same.
            sse::write_place(&mut piece, &self.cursor);
            self.told = Some(self.cursor);
        }
        while piece.is_empty() {
            let told = self.told.unwrap_or(self.cursor);
            let news = if told == self.cursor {
                self.app.news.after(self.cursor).await
            } else {
                let news = self.app.news.after(self.cursor);
                timeout_at(self.since + PATIENCE, news).await.unwrap_or_default()
            };
            if news.iter().any(|(_, event)| **event == Event::Resync) {
                self.wanted.learn(&self.app).await?;
            }
            for (cursor, event) in &news {
                self.cursor = *cursor;
                if self.wanted.has(event) {
                    sse::write(&mut piece, event.name(), Some(cursor), &**event);
                    self.told = Some(*cursor);
                    self.since = Instant::now();
                }
            }
            let told = self.told.unwrap_or(self.cursor);
            if told == self.cursor {
                continue;
            }
            if news.is_empty() || self.cursor.events_since(told) >= UNTOLD {
                sse::write_place(&mut piece, &self.cursor);
                self.told = Some(self.cursor);
                self.since = Instant::now();
            }
        }
        Ok(Some(piece))
    }
}

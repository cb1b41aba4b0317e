//! What units write: as it is kept, as text, and as it comes.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use loom::api::unit::OutputEvent;
use loom::protocol::message::Output;
use loom::store::{UnitRow, UnitState};
use loom::unit::{RunId, UnitId};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::auth::Caller;
use crate::gateway::describe::Problems;
use crate::gateway::extract::{Query, Segment};
use crate::gateway::output::{Cursor, Kept, Text};
use crate::gateway::problem::{Error, Result};
use crate::gateway::range::Range;
use crate::gateway::sse::{self, Source};
use crate::gateway::tell::{Place, RunTelling, Start, UnitTelling, blocking, output_dir};
use crate::gateway::{App, shape};
use crate::ssh::Stream;

/// What a task has written may be any bytes, and is passed on as it is; most of the time it is
/// this.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Read and passed on at a time.
const BLOCK: u64 = 64 * 1024;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(unit_output)).routes(routes!(run_output))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UnitQuery {
    /// Only so many lines from the end.
    tail: Option<u64>,
    /// The bytes that the task wrote, in place of the log that is kept of them.
    #[serde(default)]
    text: bool,
    /// With `text` or `follow`: only this stream.
    #[param(inline)]
    stream: Option<Which>,
    /// As events, until the unit has ended.
    #[serde(default)]
    follow: bool,
    /// With `follow`: the id of the last event that was seen. The header `Last-Event-ID` outranks
    /// it.
    after: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Which {
    Stdout,
    Stderr,
}

impl UnitQuery {
    fn only(&self) -> Result<Option<Stream>> {
        if self.stream.is_some() && !self.text && !self.follow {
            return Err(Error::invalid("stream: the log has both; ask for text=true"));
        }
        Ok(self.stream.map(|which| match which {
            Which::Stdout => Stream::Stdout,
            Which::Stderr => Stream::Stderr,
        }))
    }
}

/// What a unit has written.
///
/// As it is kept: lines of `TIME stdout|stderr F|P TEXT`, `P` of a part of a line. A range of its
/// bytes can be asked for; of a unit that has ended it stays the same, and has an ETag. With
/// `text`, the bytes that the task wrote, both streams merged in the order they were read. Either
/// way they may be no UTF-8, and what was dropped between head and tail is missing.
///
/// With `follow`, events: `line`; `skipped`, where so many bytes of the log are missing, 0 if it is
/// not known how many; and at last `unit`. The id of each is where to go on after it, so that who
/// comes back misses nothing and sees nothing twice.
///
/// A unit that has written nothing has an empty body. If what it wrote is no longer kept the answer
/// is 410; as an event stream, `skipped` and `unit`.
#[utoipa::path(
    get, path = "/units/{id}/output", operation_id = "unit_output", tag = "units",
    params(
        ("id" = u64, Path),
        UnitQuery,
        ("Range" = Option<String>, Header, description = "One range of bytes, of the log as it is kept"),
        ("If-Range" = Option<String>, Header, description = "The ETag of what the range is a part of"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen"),
    ),
    responses(
        (status = 200, description = "All of it", content(
            (String = "text/plain"), (OutputEvent = "text/event-stream"),
        )),
        (status = 206, description = "The range", body = String, content_type = "text/plain"),
        Problems,
    ),
)]
async fn unit_output(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Segment(id): Segment<u64>,
    Query(query): Query<UnitQuery>,
) -> Result<Response> {
    let only = query.only()?;
    // From before the ledger is read: what happens since is not missed.
    let news = app.news.cursor();
    let unit = find(&app, &caller, UnitId(id)).await?;
    if !query.follow {
        return kept(&app, &headers, &query, unit).await;
    }
    let place = sse::place::<Cursor>(&headers, query.after.as_deref())?;
    let from = match (place, query.tail) {
        (Some(place), _) if place.unit == UnitId(id) => {
            Start { at: place.at, is_tail: false, only }
        }
        (Some(place), _) => {
            return Err(Error::invalid(format!("{place} is a place in another unit's output")));
        }
        (None, Some(lines)) => {
            Start { at: tail(&app, &unit, only, lines).await?, is_tail: true, only }
        }
        (None, None) => Start { at: 0, is_tail: false, only },
    };
    Ok(sse::events(UnitTelling::new(&app, &unit.row, news, from)))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RunQuery {
    /// Until the run is over; else what there is now.
    #[serde(default = "yes")]
    #[param(default = true)]
    follow: bool,
    /// Of what units have written by now, only so many lines from the end of each.
    tail: Option<u64>,
    /// The id of the last event that was seen. The header `Last-Event-ID` outranks it.
    after: Option<String>,
}

fn yes() -> bool {
    true
}

/// What all units of a run write, as it comes; of a flow, those of its parts.
///
/// Events: `line`; `skipped`, where so many bytes of a unit's log are missing, 0 if it is not known
/// how many; `unit` when a unit has ended, after all its lines; and at last `run`. Each attempt is
/// a unit. What has ended before is told first to last; the lines of units that run come in between.
///
/// With `tail`, of what units have written when it is asked for only the last lines are told, so many
/// of each; what they write from then on is told whole. Where more than 10 units had ended by then,
/// who is cut off and comes back is told the whole of those that were still to be told.
///
/// The id of each event says what has been told of every unit: who comes back with it misses no
/// line and sees none twice. Of that there are two bounds. Of more than 100 units that run and have
/// written something, those that have written least are told again from their beginnings. And of
/// units that ended before one that still runs, those that are 12,000 or more behind it are told
/// again.
#[utoipa::path(
    get, path = "/runs/{id}/output", operation_id = "run_output", tag = "runs",
    params(
        ("id" = u64, Path),
        RunQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen"),
    ),
    responses(
        (status = 200, body = OutputEvent, content_type = "text/event-stream"),
        Problems,
    ),
)]
async fn run_output(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Segment(id): Segment<u64>,
    Query(query): Query<RunQuery>,
) -> Result<Response> {
    // From before the ledger is read: what happens since is not missed.
    let news = app.news.cursor();
    let place = sse::place::<Place>(&headers, query.after.as_deref())?;
    let place = place.unwrap_or_else(|| Place::new(id));
    if place.run != id {
        return Err(Error::invalid(format!("{place} is a place in the output of another run")));
    }
    let read = app.history.read(move |ledger| match ledger.run(RunId(id))? {
        Some(run) => shape::is_seen(ledger, &caller.jobs, &run),
        None => Ok(false),
    });
    if !read.await? {
        return Err(Error::unknown(format!("there is no run {id}")));
    }
    // Who comes back has a tail already, unless nothing of it was told.
    let tail = query.tail.filter(|_| place == Place::new(id));
    Ok(sse::events(RunTelling::new(&app, place, query.follow, tail, news)))
}

/// A unit that the caller may see.
struct Unit {
    row: UnitRow,
    /// Once it has ended.
    output: Option<Output>,
}

async fn find(app: &App, caller: &Caller, id: UnitId) -> Result<Unit> {
    let jobs = caller.jobs.clone();
    let read = app.history.read(move |ledger| {
        let Some(row) = ledger.unit(id)? else { return Ok(None) };
        match ledger.run(row.run)? {
            Some(run) if shape::is_seen(ledger, &jobs, &run)? => {}
            Some(_) | None => return Ok(None),
        }
        let output = match row.state {
            UnitState::Done(_) => Some(ledger.output(id)?.unwrap_or_default()),
            UnitState::Queued | UnitState::Running => None,
        };
        Ok(Some(Unit { row, output }))
    });
    read.await?.ok_or_else(|| Error::unknown(format!("there is no unit {id}")))
}

impl Unit {
    /// It wrote something, and there is nothing of it.
    fn is_gone(&self) -> bool {
        self.output.as_ref().is_some_and(|output| output.bytes > 0)
    }

    /// Of one that will not change any more.
    fn etag(&self, size: u64) -> Option<String> {
        let ended = self.row.finished_at.filter(|_| self.output.is_some())?;
        // An id may come again, in a ledger that was restored.
        Some(format!("\"{}-{:x}-{size:x}\"", self.row.unit, ended.as_millisecond()))
    }

    async fn open(&self, app: &App, only: Option<Stream>) -> Result<Option<Kept>> {
        let (dir, id, output) = (output_dir(app), self.row.unit, self.output.clone());
        let kept = blocking(move || Kept::open(&dir, id, output.as_ref())).await?;
        let kept = kept.map_err(|e| unreadable(&e))?;
        Ok(kept.map(|kept| match only {
            Some(stream) => kept.only(stream),
            None => kept,
        }))
    }
}

fn unreadable(why: &std::io::Error) -> Error {
    Error::unavailable(format!("the output cannot be read: {why}"))
}

/// Where to follow from, for so many lines.
async fn tail(app: &App, unit: &Unit, only: Option<Stream>, lines: u64) -> Result<u64> {
    let Some(kept) = unit.open(app, only).await? else { return Ok(0) };
    let found = blocking(move || kept.tail(lines).map(|offset| kept.cursor(offset).at)).await?;
    found.map_err(|e| unreadable(&e))
}

async fn kept(app: &App, headers: &HeaderMap, query: &UnitQuery, unit: Unit) -> Result<Response> {
    let only = query.only()?;
    let Some(kept) = unit.open(app, only).await? else {
        if unit.is_gone() {
            let id = unit.row.unit;
            let why = format!("what unit {id} wrote is not kept any more, or never could be");
            return Err(Error::new(StatusCode::GONE, "gone", "It is not kept", why));
        }
        return bytes(headers, query, &unit, None);
    };
    let Some(lines) = query.tail else {
        return bytes(headers, query, &unit, Some((kept, 0)));
    };
    let found = blocking(move || kept.tail(lines).map(|offset| (kept, offset))).await?;
    let found = found.map_err(|e| unreadable(&e))?;
    bytes(headers, query, &unit, Some(found))
}

/// From this offset on.
fn bytes(
    headers: &HeaderMap,
    query: &UnitQuery,
    unit: &Unit,
    from: Option<(Kept, u64)>,
) -> Result<Response> {
    if query.text {
        let text = from.map(|(kept, offset)| kept.text(offset));
        let body = sse::body(TextSource(text));
        return Ok(([(CONTENT_TYPE, TEXT)], body).into_response());
    }
    let (kept, from) = from.unzip();
    let (size, mut from) = (kept.as_ref().map_or(0, Kept::size), from.unwrap_or(0));
    let mut to = size;
    let mut response = Response::new(Body::empty());
    if query.tail.is_none() {
        let etag = unit.etag(size);
        let range = range(headers, etag.as_deref(), size);
        let headers = response.headers_mut();
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Some(etag) = etag.and_then(|etag| etag.try_into().ok()) {
            headers.insert(ETAG, etag);
        }
        match range {
            Range::Whole => {}
            Range::Part(first, behind) => {
                (from, to) = (first, behind);
                let which = format!("bytes {from}-{}/{size}", to - 1);
                headers.extend(which.try_into().map(|which| (CONTENT_RANGE, which)));
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            }
            Range::Beyond => return Ok(beyond(size)),
        }
    }
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response.headers_mut().insert(CONTENT_LENGTH, (to - from).into());
    if let Some(kept) = kept {
        *response.body_mut() = sse::body(Bytes { kept: Some(kept), from, to });
    }
    Ok(response)
}

fn range(headers: &HeaderMap, etag: Option<&str>, size: u64) -> Range {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    // Of something else, or of what has changed since, the client wants the whole.
    let same = match headers.get(header::IF_RANGE) {
        Some(of) => etag.is_some_and(|etag| of.as_bytes() == etag.as_bytes()),
        None => true,
    };
    text(header::RANGE).filter(|_| same).map_or(Range::Whole, |range| Range::of(range, size))
}

fn beyond(size: u64) -> Response {
    let why = format!("there are {size} bytes");
    let title = "The range begins behind the end";
    let error = Error::new(StatusCode::RANGE_NOT_SATISFIABLE, "range", title, why);
    let mut response = error.into_response();
    let all = format!("bytes */{size}");
    response.headers_mut().extend(all.try_into().map(|all| (CONTENT_RANGE, all)));
    response
}

/// The log as it is kept, from one byte to another.
struct Bytes {
    kept: Option<Kept>,
    from: u64,
    to: u64,
}

impl Source for Bytes {
    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(kept) = self.kept.take().filter(|_| self.from < self.to) else { return Ok(None) };
        let (from, wanted) = (self.from, BLOCK.min(self.to - self.from));
        let (kept, read) = blocking(move || {
            let mut block = vec![0; wanted as usize];
            let read = kept.read_at(&mut block, from);
            block.truncate(*read.as_ref().unwrap_or(&0));
            (kept, read.map(|_| block))
        })
        .await?;
        let block = read.map_err(|e| unreadable(&e))?;
        self.kept = Some(kept);
        self.from += block.len() as u64;
        Ok(Some(block).filter(|block| !block.is_empty()))
    }
}

/// What the task wrote.
struct TextSource(Option<Text>);

impl Source for TextSource {
    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(mut text) = self.0.take() else { return Ok(None) };
        let (text, next) = blocking(move || {
            let next = text.next();
            (text, next)
        })
        .await?;
        self.0 = Some(text);
        next.transpose().map_err(|e| unreadable(&e))
    }
}

//! Answers that come piece by piece, and event streams among them: how events are put in writing,
//! and how a stream is kept up.
//!
//! Nothing is made before the connection takes it: a client that does not read has what it was sent
//! and one piece more, and holds up nobody. When it goes away, or [its token is revoked], all that
//! belongs to its answer is dropped. Knows nothing of what is told.
//!
//! [its token is revoked]: super::auth::Porter::lease

use std::fmt::Display;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::{Instant, Sleep, sleep};
use tokio_stream::Stream;

use super::problem::{Error, Result};
use super::say;

/// The header with which a client asks for what came after the last event it has seen.
pub const LAST_EVENT_ID: &str = "last-event-id";

/// Said after a silence of so long. Proxies and clients take a longer one for the end.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// What a client should wait before it comes back, in milliseconds.
const RETRY: &str = "retry: 1000\n\n";

/// Makes an answer, piece by piece.
pub trait Source: Send + 'static {
    /// `None`: that was all. Need not be asked again after that, nor after an error.
    fn next(&mut self) -> impl Future<Output = Result<Option<Vec<u8>>>> + Send;
}

/// An event, as it is sent. Its id is where to go on after it; without one, it stays what it was.
pub fn write(to: &mut Vec<u8>, name: &str, id: Option<&dyn Display>, data: &impl Serialize) {
    use io::Write;
    // A vector takes everything, and these types can be put in JSON.
    let _ = writeln!(to, "event: {name}");
    if let Some(id) = id {
        let _ = writeln!(to, "id: {id}");
    }
    to.extend_from_slice(b"data: ");
    let _ = serde_json::to_writer(&mut *to, data);
    to.extend_from_slice(b"\n\n");
}

/// Where the client is, though there is nothing to be told: it need not look at all before again.
pub fn write_place(to: &mut Vec<u8>, id: &dyn Display) {
    to.extend_from_slice(format!("id: {id}\n\n").as_bytes());
}

/// A stream of events.
pub fn events(source: impl Source) -> Response {
    let heart = Some(Box::pin(sleep(Duration::ZERO)));
    let stream = Streaming { next: next(source), heart, begun: false };
    let mut response = Body::from_stream(stream).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // Some proxies would keep events back until there are many.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// A body.
pub fn body(source: impl Source) -> Body {
    Body::from_stream(Streaming { next: next(source), heart: None, begun: true })
}

/// From where a client goes on. What it says by itself, when it comes back, is newer than what the
/// address has said since it first came.
pub fn place<T>(headers: &HeaderMap, after: Option<&str>) -> Result<Option<T>>
where
    T: std::str::FromStr,
{
    let last = headers.get(LAST_EVENT_ID).map(|last| last.to_str().unwrap_or("\u{fffd}"));
    let Some(text) = last.filter(|last| !last.is_empty()).or(after) else { return Ok(None) };
    let shown: String = text.chars().take(60).collect();
    let not_ours = |_| Error::invalid(format!("{shown:?} is no place in this stream"));
    text.parse().map(Some).map_err(not_ours)
}

type Next<S> = Pin<Box<dyn Future<Output = (S, Result<Option<Vec<u8>>>)> + Send>>;

fn next<S: Source>(mut source: S) -> Next<S> {
    Box::pin(async move {
        let next = source.next().await;
        (source, next)
    })
}

struct Streaming<S> {
    next: Next<S>,
    /// Of event streams.
    heart: Option<Pin<Box<Sleep>>>,
    begun: bool,
}

impl<S: Source> Stream for Streaming<S> {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !std::mem::replace(&mut self.begun, true) {
            self.rest();
            return Poll::Ready(Some(Ok(Bytes::from_static(RETRY.as_bytes()))));
        }
        if let Poll::Ready((source, told)) = self.next.as_mut().poll(cx) {
            self.next = next(source);
            self.rest();
            return Poll::Ready(match told {
                Ok(Some(piece)) => Some(Ok(Bytes::from(piece))),
                Ok(None) => None,
                // It has begun to be answered: all that is left is to break it off.
                Err(Error(problem)) => {
                    say(format_args!("an answer is broken off: {}", problem.detail));
                    Some(Err(io::Error::other(problem.detail)))
                }
            });
        }
        let Some(heart) = &mut self.heart else { return Poll::Pending };
        ready!(heart.as_mut().poll(cx));
        self.rest();
        Poll::Ready(Some(Ok(Bytes::from_static(b":\n\n"))))
    }
}

impl<S> Streaming<S> {
    fn rest(&mut self) {
        if let Some(heart) = &mut self.heart {
            heart.as_mut().reset(Instant::now() + HEARTBEAT);
        }
    }
}

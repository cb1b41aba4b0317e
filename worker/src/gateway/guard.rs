//! What every request has to pass before its route sees it, and what every response bears.
//!
//! A route need not think of any of this: of whom a request was meant for, of who sends it, of
//! parameters that do not exist, of bodies that never end, of panics, or of the form of errors.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use loom::config::near;
use loom::protocol::control::Serve;

use super::auth::{Origin, Porter};
use super::problem::{self, Error, Result};
use super::routes::metrics::Meter;
use super::routes::openapi::{Known, Operation};
use super::{App, body, host, say, web};

const HEADERS: [(&str, &str); 6] = [
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];
/// It is for all ports of the host, so that it should not outlast a mistake for long.
const STRICT: HeaderValue = HeaderValue::from_static("max-age=86400");

pub struct Guard {
    pub porter: Porter,
    pub known: Known,
    pub meter: Arc<Meter>,
    /// Names that we are called by; `None`, where nobody asks by name.
    pub names: Option<Vec<String>>,
}

impl Guard {
    pub fn new(app: App, known: Known, meter: Arc<Meter>) -> Guard {
        let names = match &app.hello.serve {
            Serve::Local { .. } => None,
            Serve::Remote { hosts, .. } => Some(hosts.clone()),
        };
        Guard { porter: Porter::new(app), known, meter, names }
    }
}

pub async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    let origin = request.extensions().get::<Origin>().copied();
    let passed = unless_it_panics(pass(&guard, origin, route, request, next)).await;
    let passed = passed.unwrap_or_else(|panic| {
        say(format_args!("a request panicked: {method} {route}: {}", text(&*panic)));
        Err(Error::internal("something went wrong in here; the daemon's log has more"))
    });
    let mut response = problem::ours(passed.unwrap_or_else(IntoResponse::into_response)).await;
    for (name, value) in HEADERS {
        let name = HeaderName::from_static(name);
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Some(Origin::Remote { tls: true, .. }) = origin {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, STRICT);
    }
    guard.meter.count(&method, route, response.status(), begun.elapsed());
    response
}

async fn pass(
    guard: &Guard,
    origin: Option<Origin>,
    route: &str,
    request: Request,
    next: Next,
) -> Result<Response> {
    let origin = origin.ok_or_else(|| Error::internal("a connection from nowhere"))?;
    let (mut parts, body) = request.into_parts();
    if let Some(names) = &guard.names {
        host::meant_for_us(&parts.uri, &parts.headers, names)?;
    }
    // It holds nothing, so that whoever comes, by whatever link, may have it.
    if web::is_public(route) {
        return Ok(next.run(Request::from_parts(parts, Body::empty())).await);
    }
    host::sent_by_us(&parts.headers)?;
    let caller = guard.porter.identify(origin, &parts.headers).await?;
    parts.extensions.insert(caller.clone());
    let body = match guard.known.operation(route, &parts.method) {
        None => match guard.known.methods(route) {
            // Unknown altogether, as the router will say.
            None => Body::empty(),
            Some(methods) => return Err(Error::method(format!("it takes {methods}"))),
        },
        Some(operation) => {
            check_query(&parts.uri, operation)?;
            if parts.method == Method::GET || parts.method == Method::HEAD {
                Body::empty()
            } else {
                check_body(&parts.headers, body, operation).await?
            }
        }
    };
    let response = next.run(Request::from_parts(parts, body)).await;
    Ok(response.map(|body| guard.porter.lease(&caller, body)))
}

fn check_query(uri: &axum::http::Uri, operation: &Operation) -> Result<()> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
    let Query(pairs) = pairs.map_err(|e| Error::invalid(e.to_string()))?;
    let names = || operation.parameters.iter().map(String::as_str);
    let Some((stranger, _)) = pairs.iter().find(|(name, _)| !names().any(|known| known == name))
    else {
        return Ok(());
    };
    let there_are = match names().collect::<Vec<_>>().join(", ").as_str() {
        "" => "it takes none".to_owned(),
        names => format!("it takes {names}"),
    };
    let hint = near(stranger, names());
    Err(Error::invalid(format!("there is no parameter {stranger:?} here: {there_are}{hint}")))
}

/// A page of another site can have a browser send any text, but not this content type.
async fn check_body(headers: &HeaderMap, body: Body, operation: &Operation) -> Result<Body> {
    let bytes = body::whole(body).await?;
    if bytes.is_empty() {
        return Ok(Body::empty());
    }
    if !is_json(headers) {
        return Err(Error::not_json());
    }
    // Nothing, as JSON has it.
    if bytes.trim_ascii() == b"null" {
        return Ok(Body::empty());
    }
    // An array would pass for an object whose fields it has in their order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Error::invalid("the body is a JSON object: {…}"));
    }
    // Whoever sends something means something by it.
    if !operation.takes_body && bytes.trim_ascii() != b"{}" {
        return Err(Error::invalid("this takes no body"));
    }
    Ok(Body::from(bytes))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

type Panic = Box<dyn Any + Send>;

async fn unless_it_panics<T>(work: impl Future<Output = T>) -> std::result::Result<T, Panic> {
    let mut work = pin!(work);
    // What it leaves half done is its own: all that is shared is behind locks that do not poison.
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it did not say why")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use axum::Router;
    use axum::extract::Path;
    use axum::routing::{get, post};
    use jiff::Timestamp;
    use loom::api::problem::Problem;
    use loom::protocol::VERSION;
    use loom::protocol::control::Hello;
    use serde_json::json;
    use tower::ServiceExt;

    use super::*;
    use crate::gateway::auth::Caller;
    use crate::gateway::catalog::Shelf;
    use crate::gateway::history::History;
    use crate::gateway::news::Newsroom;
    use crate::gateway::routes::guarded;
    use crate::gateway::{Inner, channel};

    async fn app() -> App {
        let (ours, _) = UnixStream::pair().unwrap();
        let hello = Hello {
            version: VERSION,
            release: "1.2.3".to_owned(),
            pid: 1,
            started_at: Timestamp::UNIX_EPOCH,
            hostname: "here".to_owned(),
            statedir: "/nowhere".into(),
            serve: Serve::Local { uid: 0 },
        };
        let (parent, _) = channel::open(ours.into()).await.unwrap();
        App(Arc::new(Inner {
            history: History::of(&hello.statedir),
            parent,
            shelf: Shelf::default(),
            news: Newsroom::new(),
            hello,
        }))
    }

    async fn router() -> Router {
        let routes = Router::new()
            .route("/boom", get(async || -> String { panic!("something burst") }))
            .route("/later", get(async || panics_later().await))
            .route("/numbers/{number}", get(async |Path(number): Path<u32>| number.to_string()))
            .route("/echo", post(async |caller: Caller, body: String| caller.name + &body));
        let document = json!({ "paths": {
            "/boom": { "get": {} },
            "/later": { "get": {} },
            "/numbers/{number}": { "get": { "parameters": [
                { "in": "path", "name": "number" },
                { "in": "query", "name": "base" },
            ]}},
            "/echo": { "post": { "requestBody": {} } },
        }});
        guarded(routes, Known::of(&document), app().await)
    }

    async fn panics_later() -> String {
        tokio::task::yield_now().await;
        panic!("later")
    }

    async fn ask(method: &str, uri: &str, body: &'static str) -> (u16, String) {
        let mut request = axum::http::Request::builder().method(method).uri(uri);
        if !body.is_empty() {
            request = request.header("content-type", "application/json; charset=utf-8");
        }
        let request = request.extension(Origin::Local { uid: 0 }).body(Body::from(body)).unwrap();
        let response = router().await.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        assert_eq!(response.headers()["x-frame-options"], "DENY");
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
        let text = String::from_utf8(bytes.into()).unwrap();
        if status < 400 {
            return (status, text);
        }
        let problem: Problem = serde_json::from_str(&text).unwrap();
        assert_eq!(problem.status, status);
        (status, problem.detail)
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_and_tells_nothing() {
        for uri in ["/boom", "/later"] {
            let (status, detail) = ask("GET", uri, "").await;
            assert_eq!(status, 500);
            assert!(!detail.contains("burst") && detail.contains("log"), "{detail}");
        }
    }

    #[tokio::test]
    async fn extractors_need_not_think_of_problems() {
        assert_eq!(ask("GET", "/numbers/7", "").await, (200, "7".to_owned()));
        assert_eq!(ask("GET", "/numbers/7?base=10", "").await.0, 200);
        let (status, detail) = ask("GET", "/numbers/seven", "").await;
        assert!(status == 400 && detail.contains("seven"), "{detail}");
        let (status, detail) = ask("GET", "/numbers/7?bse=10", "").await;
        assert!(status == 400 && detail.contains("did you mean \"base\"?"), "{detail}");
        let (status, detail) = ask("DELETE", "/numbers/7", "").await;
        assert_eq!((status, detail.as_str()), (405, "it takes GET"));
        assert_eq!(ask("GET", "/nothing", "").await.0, 404);
    }

    #[tokio::test]
    async fn a_body_is_an_object_and_arrives_whole() {
        let (status, text) = ask("POST", "/echo", "{\"a\": 1}").await;
        assert!(status == 200 && text.ends_with("{\"a\": 1}"), "{text}");
        let nothing = ask("POST", "/echo", "").await;
        assert_eq!(nothing.0, 200);
        assert_eq!(ask("POST", "/echo", "null").await, nothing);
        assert_eq!(ask("POST", "/echo", "[1]").await.0, 400);
    }

    #[tokio::test]
    async fn a_connection_from_nowhere_is_not_answered() {
        let request = axum::http::Request::builder().uri("/boom").body(Body::empty()).unwrap();
        let response = router().await.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 500);
    }
}

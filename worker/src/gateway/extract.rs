//! What handlers take from a request; what does not fit is answered by a problem.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use loom::api::IDEMPOTENCY_KEY;
use serde::de::DeserializeOwned;

use super::App;
use super::problem::{Error, Result};

/// The path's segment, decoded.
pub struct Segment<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Segment<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Segment<T>> {
        let Path(segment) = Path::from_request_parts(parts, app)
            .await
            .map_err(|rejection| Error::invalid(format!("the path: {}", rejection.body_text())))?;
        Ok(Segment(segment))
    }
}

/// The parameters after the `?`; those that `T` does not know are left to others.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Query<T>> {
        let axum::extract::Query(query) = axum::extract::Query::from_request_parts(parts, app)
            .await
            .map_err(|rejection| Error::invalid(rejection.body_text()))?;
        Ok(Query(query))
    }
}

/// A body, of which the guard has seen that it is JSON; none at all, or `null`, stands for `{}`.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Body<T>> {
        let bytes = Bytes::from_request(request, app).await.map_err(unreadable)?;
        let nothing = matches!(bytes.trim_ascii(), b"" | b"null");
        let json: &[u8] = if nothing { b"{}" } else { &bytes };
        let body = serde_json::from_slice(json);
        body.map(Body).map_err(|e| Error::invalid(format!("the body: {e}")))
    }
}

fn unreadable(rejection: BytesRejection) -> Error {
    let (status, text) = (rejection.status(), rejection.body_text());
    Error::new(status, "invalid", "The request makes no sense", format!("the body: {text}"))
}

/// `Idempotency-Key`, if there is one. The parent judges it.
pub struct Key(pub Option<String>);

impl FromRequestParts<App> for Key {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Key> {
        let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else { return Ok(Key(None)) };
        match value.to_str() {
            Ok(key) => Ok(Key(Some(key.to_owned()))),
            Err(_) => Err(Error::invalid("an idempotency key is of visible ASCII characters")),
        }
    }
}

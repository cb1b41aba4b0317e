//! What a request asks for, taken out of its path and query; what makes no sense is told as any
//! other problem.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::{Error, Result};
use super::sse::LAST_EVENT_ID;

/// The query.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Asked<T>> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Asked(asked)),
            Err(e) => Err(Error::invalid(e.body_text())),
        }
    }
}

/// The only number of the path.
pub struct Id(pub u64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Id> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Id(id)),
            Err(e) => Err(Error::invalid(e.body_text())),
        }
    }
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

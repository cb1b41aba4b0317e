//! The API `/api/v1`: what is asked and answered over HTTP, in JSON.
//!
//! Shared by the gateway, which answers, and the command line, which asks; the OpenAPI document is
//! made from these types. Times are RFC 3339 in UTC, durations are seconds. Fields may be added;
//! whoever reads must not mind one that is new. Knows nothing of HTTP.

pub mod access;
pub mod activity;
pub mod daemon;
pub mod event;
pub mod flow;
pub mod job;
pub mod node;
pub mod problem;
pub mod run;
pub mod unit;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What every path begins with.
pub const BASE: &str = "/api/v1";

/// Items to a page, unless said otherwise, and at most.
pub const LIMIT: u32 = 100;
pub const MAX_LIMIT: u32 = 1000;

/// Seconds that a request may ask to wait, at most.
pub const MAX_WAIT: u32 = 60;

/// Carries a key of the client's choice with whatever starts something: the same request with the
/// same key is carried out once.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// To be given as `cursor` for what follows; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

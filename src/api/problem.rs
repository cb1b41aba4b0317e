//! Errors, as RFC 9457 has them (`application/problem+json`).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub const MEDIA_TYPE: &str = "application/problem+json";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What a program can tell problems apart by: `urn:loom:WORD`, as in `urn:loom:unknown`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for all problems of this type.
    pub title: String,
    /// Of the response.
    pub status: u16,
    /// What is wrong with this request, and what to do about it.
    pub detail: String,
}

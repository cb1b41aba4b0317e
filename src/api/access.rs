//! Tokens, and who did what.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    pub name: String,
    /// `viewer`, `operator`, `admin`.
    pub role: String,
    /// Globs of the jobs it is for; empty: all.
    pub jobs: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    pub created_by: String,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Letters, digits, `.`, `_`, `-` and `@`; 1 to 64.
    #[schema(pattern = "^[A-Za-z0-9._@-]{1,64}$")]
    pub name: String,
    #[schema(pattern = "^(viewer|operator|admin)$")]
    pub role: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<String>,
}

/// The secret is told this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    pub name: String,
    pub token: String,
}

/// Whose request this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Whoami {
    pub name: String,
    pub role: String,
    pub jobs: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Audit {
    pub id: u64,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// A user of this machine by name, or a token (`token:NAME`).
    pub who: String,
    /// `socket` or `tcp`.
    pub via: String,
    /// `run`, `exec`, `cancel`, `retry`, `enable`, `disable`, `pause`, `resume`, `reload`, `stop`,
    /// `drain`, `token add`, `token revoke`.
    pub action: String,
    /// The job, run or token it was done to; empty for the daemon.
    pub subject: String,
    #[serde(default)]
    pub detail: Option<String>,
}

//! What happened in a span of time, over all jobs: runs by what became of them, and what did not
//! run.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Runs are counted where they were queued. Parts of flows are not: their flow is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Activity {
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// Seconds to a span.
    pub step: u32,
    /// Of the whole time.
    pub runs: RunCounts,
    /// Those in which a run was queued, in order.
    pub spans: Vec<PastSpan>,
    /// Due instants that were not run at all, by reason.
    pub missed: Vec<Missed>,
}

/// Runs by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunCounts {
    pub queued: u64,
    pub running: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub lost: u64,
    pub skipped: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PastSpan {
    /// Where it begins.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    #[serde(flatten)]
    pub runs: RunCounts,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Missed {
    /// `overlap`, `disabled`, `paused`, `daemon down`, …
    pub reason: String,
    /// How many jobs did not run for it.
    pub jobs: u64,
    /// Some of them: those that missed something last, five at most.
    pub names: Vec<String>,
    /// The first and the last instant that was missed for it; the first may be from before.
    #[schema(value_type = String, format = DateTime)]
    pub first_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub last_at: Timestamp,
    /// Instants that were missed, from the first on.
    pub count: u64,
}

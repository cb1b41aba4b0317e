//! Runs: a job's firings, and what became of them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::unit::Unit;
use crate::job::flow;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    pub id: u64,
    /// `@exec` for one that is of no job.
    pub job: String,
    /// `schedule`, `manual`, `retry`, `exec`, `flow`.
    pub trigger: String,
    /// Who asked for it, unless its schedule did.
    #[serde(default)]
    pub by: Option<String>,
    /// Whose nodes it is about.
    #[serde(default)]
    pub retry_of: Option<u64>,
    /// What an exec runs.
    #[serde(default)]
    pub command: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub scheduled_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    pub queued_at: Timestamp,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// `queued`, `running`, `succeeded`, `failed`, `cancelled`, `lost`, `skipped`.
    pub state: String,
    /// Of `skipped`.
    #[serde(default)]
    pub reason: Option<String>,
    pub units: Tally,
    /// The flow that it is a part of, and its place there.
    #[serde(default)]
    pub flow: Option<Place>,
}

/// Where a run stands in a run of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Place {
    pub run: u64,
    /// From 1.
    pub slot: u32,
    /// From 1, within the slot.
    pub part: u32,
    /// 0 for the job itself, 1 for its rescue, 2 for the rescue of that.
    pub rescue: u32,
}

impl From<Place> for flow::Place {
    fn from(Place { run: _, slot, part, rescue }: Place) -> flow::Place {
        flow::Place { slot, part, rescue }
    }
}

impl Run {
    pub fn is_over(&self) -> bool {
        self.finished_at.is_some()
    }
}

/// The last attempts on its nodes, by what became of them. A flow has those of all its parts; while
/// it is under way, also of those that are to come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tally {
    pub total: u32,
    pub succeeded: u32,
    /// Failed, signaled, unreachable, timed out or crashed.
    pub failed: u32,
    pub cancelled: u32,
    pub lost: u32,
    pub skipped: u32,
    /// Queued, running, or of a part of the flow that is to come.
    pub open: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunDetail {
    #[serde(flatten)]
    pub run: Run,
    /// Every attempt, by node and attempt; without output.
    pub nodes: Vec<Unit>,
    /// Nodes that were left out of it.
    pub gaps: Vec<super::job::Gap>,
    /// Of a flow: its slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<Vec<Vec<super::flow::Part>>>,
    /// Of a flow that takes up an earlier run: what that one had done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<super::flow::Resumed>,
}

/// What was set going.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Started {
    /// Absent: it runs on none of the nodes, because it still does; the ledger has the gaps.
    #[serde(default)]
    pub run: Option<u64>,
    /// As it is when the answer is given, if that was waited for.
    #[serde(default)]
    pub state: Option<Run>,
    /// Of a retry: nodes that would be meant, but have left the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryRequest {
    #[serde(default)]
    pub only: Retry,
    /// Answer when the run has ended, or after so many seconds (0 to 60).
    #[serde(default)]
    #[schema(maximum = 60)]
    pub wait: u32,
}

/// Which nodes of a run are tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// Every one whose last attempt did not succeed.
    #[default]
    Unsuccessful,
    /// Those where it ran and failed, was killed, crashed or lost.
    Failed,
    /// Those where it certainly never started: unreachable, skipped, or cancelled before.
    Unstarted,
}

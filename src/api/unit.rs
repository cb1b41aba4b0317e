//! Units: one attempt on one node, and its output.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Unit {
    pub id: u64,
    pub run: u64,
    /// The run's, where units of several runs are told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    pub node: String,
    /// 1 for the first.
    pub attempt: u32,
    /// `queued`, `running`, `done`.
    pub state: String,
    /// Of `done`: `succeeded`, `failed`, `signaled`, `unreachable`, `timed out`, `cancelled`,
    /// `crashed`, `lost`, `skipped`.
    #[serde(default)]
    pub outcome: Option<String>,
    /// The outcome with what belongs to it, for people: `failed, exit 3`.
    #[serde(default)]
    pub summary: Option<String>,
    #[serde(default)]
    pub exit: Option<i32>,
    #[serde(default)]
    pub signal: Option<i32>,
    /// Of what was killed: `confirmed`, `unconfirmed`.
    #[serde(default)]
    pub kill: Option<String>,
    /// `shutdown`, or `user:NAME`.
    #[serde(default)]
    pub cancelled_by: Option<String>,
    /// Of `skipped`.
    #[serde(default)]
    pub reason: Option<String>,
    /// Why, in a sentence.
    #[serde(default)]
    pub detail: Option<String>,
    /// What the task returned, as text, at most 4,096 bytes of it; `No output returned.` if that
    /// was nothing. Of Python tasks that returned.
    #[serde(default)]
    pub result: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// What the task wrote in all, kept or not.
    pub output_bytes: u64,
    /// Some of it was dropped between head and tail.
    pub output_truncated: bool,
}

/// An event of an output stream (`text/event-stream`); its name is the `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OutputEvent {
    /// A line, or a part of one.
    Line {
        unit: u64,
        node: String,
        #[schema(value_type = String, format = DateTime)]
        at: Timestamp,
        /// `stdout` or `stderr`.
        stream: String,
        /// What is not UTF-8 is replaced.
        text: String,
        /// The line goes on in the next event of this unit and stream.
        #[serde(default)]
        partial: bool,
    },
    /// So many bytes of the unit's kept output are not in this stream, or not kept.
    Skipped { unit: u64, node: String, bytes: u64 },
    /// A unit has ended and all its kept output was told.
    Unit(Box<Unit>),
    /// The run is over; the last event.
    Run(Box<super::run::Run>),
}

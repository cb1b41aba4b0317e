//! What happens to runs and units, as it happens (`text/event-stream`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::run::Place;

/// The `type` is also the event's name. When one arrives, the ledger has it: whoever then asks for
/// the run or the unit sees at least that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    RunQueued {
        run: u64,
        job: String,
        trigger: String,
        #[serde(default)]
        #[schema(value_type = Option<String>, format = DateTime)]
        scheduled_at: Option<Timestamp>,
        #[schema(value_type = String, format = DateTime)]
        at: Timestamp,
        units: u32,
        /// The flow that it is a part of, and its place there.
        #[serde(default)]
        flow: Option<Place>,
    },
    RunStarted {
        run: u64,
        job: String,
        #[schema(value_type = String, format = DateTime)]
        at: Timestamp,
    },
    RunEnded {
        run: u64,
        job: String,
        #[schema(value_type = String, format = DateTime)]
        at: Timestamp,
        state: String,
        #[serde(default)]
        reason: Option<String>,
        units: u32,
        succeeded: u32,
    },
    UnitStarted {
        unit: u64,
        run: u64,
        job: String,
        node: String,
        #[schema(value_type = String, format = DateTime)]
        at: Timestamp,
    },
    UnitEnded {
        unit: u64,
        run: u64,
        job: String,
        node: String,
        attempt: u32,
        #[schema(value_type = String, format = DateTime)]
        at: Timestamp,
        outcome: String,
        /// The outcome with what belongs to it, for people.
        summary: String,
        #[serde(default)]
        detail: Option<String>,
        /// What the task returned, as text.
        #[serde(default)]
        result: Option<String>,
        /// Another attempt follows, after so many seconds.
        #[serde(default)]
        again: Option<f64>,
    },
    Missed {
        job: String,
        #[serde(default)]
        node: Option<String>,
        #[schema(value_type = String, format = DateTime)]
        first_at: Timestamp,
        #[schema(value_type = String, format = DateTime)]
        last_at: Timestamp,
        count: u64,
        reason: String,
    },
    /// A job was switched off or on.
    Switched {
        job: String,
        enabled: bool,
    },
    Paused {
        paused: bool,
    },
    /// Another configuration is in force.
    Reloaded {
        generation: u64,
    },
    /// Some events are missing here: ask anew for what is shown.
    Resync,
}

impl Event {
    /// The event's name, which is its `type`.
    pub fn name(&self) -> &'static str {
        match self {
            Event::RunQueued { .. } => "run_queued",
            Event::RunStarted { .. } => "run_started",
            Event::RunEnded { .. } => "run_ended",
            Event::UnitStarted { .. } => "unit_started",
            Event::UnitEnded { .. } => "unit_ended",
            Event::Missed { .. } => "missed",
            Event::Switched { .. } => "switched",
            Event::Paused { .. } => "paused",
            Event::Reloaded { .. } => "reloaded",
            Event::Resync => "resync",
        }
    }

    pub fn job(&self) -> Option<&str> {
        match self {
            Event::RunQueued { job, .. }
            | Event::RunStarted { job, .. }
            | Event::RunEnded { job, .. }
            | Event::UnitStarted { job, .. }
            | Event::UnitEnded { job, .. }
            | Event::Missed { job, .. }
            | Event::Switched { job, .. } => Some(job),
            Event::Paused { .. } | Event::Reloaded { .. } | Event::Resync => None,
        }
    }

    pub fn run(&self) -> Option<u64> {
        match self {
            Event::RunQueued { run, .. }
            | Event::RunStarted { run, .. }
            | Event::RunEnded { run, .. }
            | Event::UnitStarted { run, .. }
            | Event::UnitEnded { run, .. } => Some(*run),
            Event::Missed { .. }
            | Event::Switched { .. }
            | Event::Paused { .. }
            | Event::Reloaded { .. }
            | Event::Resync => None,
        }
    }
}

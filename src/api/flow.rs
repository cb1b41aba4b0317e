//! Flows: what they are to do, slot by slot, and how far a run of one has come.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::run::Run;

/// What a flow is to do, with its numbers worked out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// Of a flow that stands in no manifest: hosts that are no nodes are taken with the defaults.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any_host: bool,
    pub slots: Vec<Vec<Planned>>,
    /// Of a run that takes up an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Resumed>,
}

/// What a run of a flow found done when it took up where an earlier one had ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Resumed {
    /// It began with this slot, from 1; those before it were done.
    pub slot: u32,
    /// Of that slot, job by job: nodes on which it had succeeded, and was not run again.
    pub done: Vec<Vec<String>>,
}

/// A flow that stands in no manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowRequest {
    /// Where it comes from, for people: the name of a file.
    pub from: String,
    /// Jobs beside each other, slot after slot.
    pub slots: Vec<Vec<FlowJob>>,
    /// Hosts that are no nodes are taken with the defaults.
    #[serde(default)]
    pub any_host: bool,
    /// Answer when the run has ended, or after so many seconds (0 to 60).
    #[serde(default)]
    #[schema(maximum = 60)]
    pub wait: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowJob {
    pub job: String,
    /// A command line.
    pub command: String,
    /// Names, host sets and `@tag`s.
    pub targets: Vec<String>,
    /// `80%`, or a count; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<String>,
    /// Nodes at once: a percentage or a count, or steps of them; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parallel: Vec<String>,
    /// Seconds, of each attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(exclusive_minimum = 0)]
    pub timeout: Option<f64>,
    /// Attempts on each node in all, whatever made them fail; 1 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub attempts: Option<u32>,
}

/// A job at its place in a flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Planned {
    pub job: String,
    /// What it runs, of a flow that stands in no manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    pub targets: Vec<String>,
    /// As written: `80%`, or a count.
    pub success: String,
    /// Nodes on which it has to succeed.
    pub needed: u32,
    /// As written: `50%`, a count, or steps: `[1, 10%, 100%]`. Absent: all at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<String>,
    /// Nodes at once, step by step.
    pub at_once: Vec<u32>,
    /// Seconds, of each attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// On each node, in all.
    pub attempts: u32,
    pub on_failure: OnFailure,
    /// What has its turn when it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub rescue: Option<Box<Planned>>,
}

impl Plan {
    /// The names of its jobs, slot by slot.
    pub fn jobs(&self) -> Vec<Vec<String>> {
        let slot = |parts: &Vec<Planned>| parts.iter().map(|part| part.job.clone()).collect();
        self.slots.iter().map(slot).collect()
    }
}

impl Planned {
    /// It, its rescue, the rescue of that.
    pub fn chain(&self) -> impl Iterator<Item = &Planned> {
        std::iter::successors(Some(self), |planned| planned.rescue.as_deref())
    }
}

/// What follows when the success constraint is not met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// No further slot begins.
    Stop,
    Continue,
    /// The rescue has its turn, and if that succeeds, the flow goes on.
    Rescue,
    /// The rescue has its turn, and then no further slot begins.
    RescueAndStop,
}

/// A job at its place in a run of a flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Part {
    #[serde(flatten)]
    pub planned: Planned,
    /// Absent: it has not begun, or never will.
    #[serde(default)]
    pub run: Option<Run>,
    /// As `planned.rescue`, once that has begun.
    #[serde(default)]
    #[schema(no_recursion)]
    pub rescued_by: Option<Box<Part>>,
}

impl Part {
    /// It, and the rescues that have begun.
    pub fn chain(&self) -> impl Iterator<Item = &Part> {
        std::iter::successors(Some(self), |part| part.rescued_by.as_deref())
    }
}

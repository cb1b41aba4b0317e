//! Jobs: what is scheduled.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::flow::Plan;
use super::run::Run;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    pub name: String,
    pub description: String,
    /// `@flow` of a flow.
    pub task: String,
    /// Of a flow: the names of its jobs, slot by slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<Vec<Vec<String>>>,
    pub schedule: String,
    /// Absent: the system's.
    #[serde(default)]
    pub timezone: Option<String>,
    /// Names of nodes; none in a list that was asked for with `targets=false`.
    pub targets: Vec<String>,
    /// How many these are.
    #[serde(default)]
    pub target_count: usize,
    pub tags: Vec<String>,
    /// Whether its schedule counts: what the manifest says, unless it was switched off.
    pub enabled: bool,
    /// By `loom disable`, which outranks the manifest.
    #[serde(default)]
    pub switched_off: Option<SwitchedOff>,
    /// When it comes due next; absent if it never does, or is not enabled, or all is paused.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Timestamp>,
    #[serde(default)]
    pub last_run: Option<Run>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SwitchedOff {
    pub by: String,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobDetail {
    #[serde(flatten)]
    pub job: Job,
    /// Of a flow: what it is to do, with its numbers worked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// Where it is written.
    pub file: String,
    pub line: u32,
    /// The coming ten; none if `next_at` is absent.
    #[schema(value_type = Vec<String>)]
    pub next: Vec<Timestamp>,
    /// All its keys, as `loom check --dump` prints them; secrets are masked.
    #[schema(value_type = Object)]
    pub manifest: Value,
    /// Its latest runs, the newest first, ten at most.
    pub runs: Vec<Run>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fires {
    /// The zone the schedule is read in.
    pub timezone: String,
    #[schema(value_type = Vec<String>)]
    pub times: Vec<Timestamp>,
}

/// What comes due, over all jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Coming {
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// Seconds to a span.
    pub step: u32,
    /// Those in which something comes due, in order.
    pub spans: Vec<Span>,
    /// What comes first, one by one.
    pub next: Vec<Due>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Span {
    /// Where it begins.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Due instants, of all jobs together.
    pub count: u64,
    /// Names of jobs that come due in it, five at most.
    pub jobs: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Due {
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub job: String,
    /// That its schedule is read in; absent: the system's.
    #[serde(default)]
    pub timezone: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// In place of the job's own targets: names, host sets and `@tag`s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// Laid over the job's keyword arguments.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub args: BTreeMap<String, Value>,
    /// Answer when the run has ended, or after so many seconds (0 to 60).
    #[serde(default)]
    #[schema(maximum = 60)]
    pub wait: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecRequest {
    /// Names, host sets and `@tag`s.
    pub on: String,
    /// A command line, for `loom.run`; or a task with its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub args: Vec<Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub kwargs: BTreeMap<String, Value>,
    /// Seconds, of each unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(exclusive_minimum = 0)]
    pub timeout: Option<f64>,
    /// Units at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub parallel: Option<u32>,
    /// Answer when the run has ended, or after so many seconds (0 to 60).
    #[serde(default)]
    #[schema(maximum = 60)]
    pub wait: u32,
}

/// What became of a due instant of a job, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Why {
    pub job: String,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub verdict: Verdict,
    /// In sentences, for people.
    pub text: String,
    /// The run of that instant, or the one asked about.
    #[serde(default)]
    pub run: Option<Run>,
    /// What was left out of it, or took its place.
    pub gaps: Vec<Gap>,
    /// The due instants before and after, by the schedule that is in force now.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub due_before: Option<Timestamp>,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub due_after: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is a run of that instant.
    Run,
    /// There is none, for the reason given.
    Gap,
    /// The schedule does not fall due then.
    NotDue,
    /// It will come.
    Future,
    /// Before the ledger knew the job.
    Before,
    /// It should have an entry and has none; pruned, or the daemon has not come to it yet.
    Nothing,
}

/// Due instants that were not run, anywhere or on one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gap {
    pub job: String,
    #[serde(default)]
    pub node: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub first_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub last_at: Timestamp,
    pub count: u64,
    pub reason: String,
    #[serde(default)]
    pub run: Option<u64>,
}

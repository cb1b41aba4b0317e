//! Orders of flows: one that stands in no manifest, and one that is taken up again.

use serde::{Deserialize, Serialize};

use crate::job::policy::Share;
use crate::unit::RunId;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowOrder {
    pub flow: FlowOf,
    pub resume: Option<TakeUp>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FlowOf {
    /// One of the configuration.
    Job(String),
    Given {
        /// For people: the name of a file.
        from: String,
        slots: Vec<Vec<GivenPart>>,
        /// Hosts that are no nodes are taken with the defaults.
        any_host: bool,
    },
}

/// A command line at its place in a flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GivenPart {
    pub name: String,
    pub command: String,
    /// Names, host sets and `@tag`s.
    pub targets: Vec<String>,
    pub success: Share,
    /// Empty: all at once.
    pub parallel: Vec<Share>,
    /// Milliseconds, of each attempt.
    pub timeout: Option<u64>,
    /// On each node in all, whatever made them fail; 1 or more.
    pub attempts: u32,
}

/// Where a flow is taken up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeUp {
    /// The run that did not come to its end.
    pub run: RunId,
    /// From 1.
    pub slot: u32,
    /// By part of that slot, from 1: nodes that have succeeded.
    pub done: Vec<(u32, Vec<String>)>,
    /// The names of its jobs, slot by slot; it must be the same flow still.
    pub jobs: Vec<Vec<String>>,
}

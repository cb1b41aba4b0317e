//! What has happened to runs and units, for whoever watches: the log, the hooks, the gateway.
//!
//! Told after the fact; nothing depends on anybody listening.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::cron::Fires;
use crate::job::Job;
use crate::job::flow::Place;
use crate::unit::{Outcome, Reason, RunEnd, RunId, Trigger, UnitId};

#[derive(Debug, Clone)]
pub enum Event {
    RunQueued(Arc<RunInfo>),
    /// Its first unit has gone to a worker.
    RunStarted {
        run: Arc<RunInfo>,
        at: Timestamp,
    },
    /// It has not begun a minute after it was due.
    RunLate(Arc<RunInfo>),
    RunEnded {
        run: Arc<RunInfo>,
        started_at: Option<Timestamp>,
        at: Timestamp,
        end: RunEnd,
        /// The last attempt on each node; empty unless the job has hooks, and of a flow, whose
        /// parts have them.
        units: Vec<UnitInfo>,
        succeeded: usize,
        /// Of a flow: those that have begun, in the order of their places.
        parts: Vec<PartEnd>,
    },
    UnitStarted {
        unit: UnitId,
        run: RunId,
        job: Arc<Job>,
        node: String,
        worker_pid: u32,
    },
    UnitEnded {
        unit: UnitId,
        run: RunId,
        job: Arc<Job>,
        info: UnitInfo,
        /// The next attempt comes after so much time.
        again: Option<Duration>,
    },
    /// Due instants were not run: anywhere, or on one node.
    Missed {
        job: Arc<Job>,
        node: Option<String>,
        fires: Fires,
        reason: Reason,
    },
}

/// What set a run off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub trigger: Trigger,
    /// Of one whose schedule came due.
    pub scheduled_at: Option<Timestamp>,
    /// Who asked for it.
    pub by: Option<String>,
    /// The run whose nodes it is about.
    pub retry_of: Option<RunId>,
    /// What an exec runs, or where a flow was read from.
    pub command: Option<String>,
    /// The flow that it is a part of.
    pub within: Option<Within>,
}

/// What a run is in a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Within {
    pub flow: RunId,
    pub place: Place,
    /// Nodes that the constraint counts and this run does not have: those that are gone, and those
    /// that succeeded in an earlier run.
    pub missing: usize,
    pub succeeded: usize,
}

impl Cause {
    /// Of what nobody has asked for.
    pub fn new(trigger: Trigger, scheduled_at: Option<Timestamp>) -> Cause {
        Cause { trigger, scheduled_at, by: None, retry_of: None, command: None, within: None }
    }
}

/// What is known of a run from its beginning.
#[derive(Debug, Clone, PartialEq)]
pub struct RunInfo {
    pub run: RunId,
    pub job: Arc<Job>,
    pub trigger: Trigger,
    pub scheduled_at: Option<Timestamp>,
    pub queued_at: Timestamp,
    /// Of a flow: those of all its parts that are left to do; those of rescues from their beginning.
    pub units: usize,
    pub within: Option<Within>,
}

/// What became of a part of a flow.
#[derive(Debug, Clone, PartialEq)]
pub struct PartEnd {
    pub place: Place,
    /// `None`: it ran nowhere.
    pub run: Option<RunId>,
    pub end: RunEnd,
    /// Those it was to run on, but for those that had succeeded in an earlier run.
    pub nodes: usize,
    pub succeeded: usize,
    /// The last attempt on each node; empty unless the flow has hooks.
    pub units: Vec<UnitInfo>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct UnitInfo {
    pub node: String,
    pub attempt: u32,
    pub outcome: Outcome,
    pub detail: Option<String>,
    /// What its task returned.
    pub result: Option<String>,
    /// From its worker's start; `None` if it never started.
    pub took: Option<Duration>,
}

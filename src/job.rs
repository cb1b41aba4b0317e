//! A validated job: which task, when, and on which nodes.

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::arg::Arg;
use crate::cron::Schedule;

/// Where in the user's own files something was written; lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub file: PathBuf,
    pub line: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub name: String,
    /// The dotted path, as written.
    pub task: String,
    pub args: Vec<Arg>,
    /// In the order written.
    pub kwargs: Vec<(String, Arg)>,
    /// Travels as its expression and is parsed again on arrival.
    pub schedule: Schedule,
    /// The job's own zone, else the configuration's; `None` is the system's.
    pub timezone: Option<String>,
    /// Node names: host sets and `@tag`s resolved, each node once, in the order written.
    pub targets: Vec<String>,
    pub description: String,
    /// For each attempt, counted from its start on the node.
    pub timeout: Option<Duration>,
    pub enabled: bool,
    pub tags: Vec<String>,
    pub source: Source,
}

impl Job {
    /// The zone the schedule is read in. Names were checked when they were loaded.
    pub fn zone(&self) -> TimeZone {
        zone(self.timezone.as_deref())
    }
}

/// The zone of this name; without a name, or should it be unknown, the system's.
pub fn zone(name: Option<&str>) -> TimeZone {
    name.and_then(|name| TimeZone::get(name).ok()).unwrap_or_else(TimeZone::system)
}

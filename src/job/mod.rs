//! A validated job: which task, when, on which nodes, and by which rules.

pub mod flow;
pub mod hooks;
pub mod log_path;
pub mod policy;

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::arg::Arg;
use crate::cron::Schedule;
use crate::python::Python;
use flow::Flow;
use hooks::Hooks;
use log_path::LogPath;
use policy::{Missed, Overlap, Parallel, Retries, Share};

/// Where in the user's own files something was written; lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub file: PathBuf,
    pub line: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub name: String,
    /// The dotted path, as written; of a flow [`FLOW`](flow::FLOW).
    pub task: String,
    /// In place of a task. Its targets are those of all its parts.
    pub flow: Option<Flow>,
    pub args: Vec<Arg>,
    /// In the order written.
    pub kwargs: Vec<(String, Arg)>,
    /// For a task that is not native.
    pub python: Python,
    /// Travels as its expression and is parsed again on arrival.
    pub schedule: Schedule,
    /// The job's own zone, else the configuration's; `None` is the system's.
    pub timezone: Option<String>,
    /// Node names: host sets and `@tag`s resolved, each node once, in the order written.
    pub targets: Vec<String>,
    pub description: String,
    /// For each attempt, counted from its start on the node.
    pub timeout: Option<Duration>,
    pub overlap: Overlap,
    /// Units at once; `None`: all.
    pub parallel: Option<Parallel>,
    /// Units that must succeed; `None`: all, and none is left out when that has become impossible.
    pub success: Option<Share>,
    pub retries: Retries,
    pub missed: Missed,
    /// How long after its instant a run may still begin.
    pub deadline: Duration,
    /// Units are spread over so much time after their instant; zero: not at all.
    pub splay: Duration,
    /// Units that name the same lock never run on the same node at once. Sorted, each once.
    pub locks: Vec<String>,
    /// Where the plain output is appended as well.
    pub log: Option<LogPath>,
    pub hooks: Hooks,
    /// Between two firings of the same hook at least; zero: no limit.
    pub notify_interval: Duration,
    pub enabled: bool,
    pub tags: Vec<String>,
    pub source: Source,
}

/// What runs of no job are called; none of the configuration's may be.
pub const EXEC: &str = "@exec";

/// How late a run may begin, unless the job says otherwise.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(3 * 3600);

impl Job {
    /// What a manifest gets that says nothing more.
    pub fn new(name: String, task: String, schedule: Schedule, source: Source) -> Job {
        Job {
            name,
            task,
            flow: None,
            args: Vec::new(),
            kwargs: Vec::new(),
            python: Python::new(Vec::new()),
            schedule,
            timezone: None,
            targets: Vec::new(),
            description: String::new(),
            timeout: None,
            overlap: Overlap::default(),
            parallel: None,
            success: None,
            retries: Retries::default(),
            missed: Missed::default(),
            deadline: DEFAULT_DEADLINE,
            splay: Duration::ZERO,
            locks: Vec::new(),
            log: None,
            hooks: Hooks::new(),
            notify_interval: Duration::ZERO,
            enabled: true,
            tags: Vec::new(),
            source,
        }
    }

    /// The zone the schedule is read in. Names were checked when they were loaded.
    pub fn zone(&self) -> TimeZone {
        zone(self.timezone.as_deref())
    }
}

/// The zone of this name; without a name, or should it be unknown, the system's.
pub fn zone(name: Option<&str>) -> TimeZone {
    name.and_then(|name| TimeZone::get(name).ok()).unwrap_or_else(TimeZone::system)
}

//! The configuration: loom.yaml, the nodes, the datafile and the job manifests.
//!
//! [`load`] reads all of it into a [`Config`], or says everything that is wrong, each mistake in
//! the file and line where it was written. It knows what may be written; whether a task exists
//! and what a cron expression means are questions to `task` and `cron`.

pub mod diagnostic;
pub mod folding;
pub mod hostset;
pub mod roadrunner;

mod argument;
mod compose;
mod defaults;
mod dump;
mod fields;
mod flows;
mod hooks;
mod jobs;
mod listen;
mod load;
mod locate;
mod lookup;
mod nodes;
mod policy;
mod python;
mod report;
mod scalar;
mod secret;
mod settings;
mod source;
mod ssh_options;
mod syntax;
mod tasks;
mod trust;
mod values;
mod walk;
mod yaml;

#[cfg(test)]
mod tests;

pub use argument::read_argument;
pub use compose::is_secret_key;
pub use dump::{dump, job as dump_job, node as dump_node, settings as dump_settings};
pub use fields::show_duration;
pub use listen::{Listen, Tls};
pub use load::{Loaded, load, load_asking, load_or_report, load_unasked, print};
pub use locate::{Located, locate};
pub use lookup::near;
pub use scalar::duration as read_duration;

pub mod receive;
pub mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::logging::Format;
use crate::node::Node;
use crate::python::Python;

/// Everything the user wrote, validated. Travels from `loom check` to the daemon in one frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    pub settings: Settings,
    pub nodes: BTreeMap<String, Node>,
    pub jobs: BTreeMap<String, Job>,
    /// Directories and files whose changes ask for a reload; absolute.
    pub watch: Vec<PathBuf>,
}

/// The main file. Paths are absolute, `~` is expanded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// loom.yaml itself.
    pub file: PathBuf,
    pub nodesfile: PathBuf,
    pub jobspath: PathBuf,
    pub datafile: Option<PathBuf>,
    /// 0 ≤ min ≤ max, 1 ≤ max.
    pub min_workers: u32,
    pub max_workers: u32,
    /// Jobs without one of their own are scheduled in it; `None` is the system's.
    pub timezone: Option<String>,
    pub statedir: PathBuf,
    pub idle_timeout: Duration,
    /// Units a worker runs before it is replaced; 0 never.
    pub recycle_after: u32,
    pub stop_timeout: Duration,
    pub connect_timeout: Duration,
    pub ssh_persist: Duration,
    pub max_connecting: u32,
    /// What each node has under its own, and a host that is no node has alone.
    pub ssh_options: BTreeMap<String, String>,
    /// For jobs that say nothing else.
    pub python: Python,
    /// Bytes of output kept for each unit.
    pub max_output: u64,
    pub keep: Keep,
    pub log_format: Format,
    /// Over TCP; the unix socket is always there.
    pub listen: Option<Listen>,
}

/// How long the ledger and the logs are kept; the last 10 runs of a job always are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Keep {
    pub days: u32,
    /// For each job.
    pub runs: u32,
    /// Of output files, over all jobs.
    pub bytes: u64,
}

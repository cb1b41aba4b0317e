//! The daemon as a whole.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Daemon {
    pub version: String,
    pub pid: u32,
    pub hostname: String,
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// All schedules are paused.
    pub paused: bool,
    /// It is being stopped; nothing starts any more.
    pub stopping: bool,
    /// When the configuration in force was loaded, and how often one was since the start.
    #[schema(value_type = String, format = DateTime)]
    pub loaded_at: Timestamp,
    pub generation: u64,
    /// Why the last reload was refused; the configuration in force is the one before.
    #[serde(default)]
    pub reload_trouble: Option<String>,
    pub jobs: usize,
    pub nodes: usize,
    /// Nodes whose connection is up.
    pub connections: usize,
    /// Open runs; a flow stands for its parts.
    pub runs: usize,
    pub units: OpenUnits,
    pub workers: Workers,
    pub ledger: Ledger,
}

/// Open units by how far they have come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenUnits {
    /// On the way to the ledger.
    pub recording: usize,
    /// Held back by splay or retry delay, overlap, `parallel` or a lock.
    pub held: usize,
    /// For their node and a worker.
    pub waiting: usize,
    pub running: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Workers {
    pub live: usize,
    /// Those that have a unit.
    pub busy: usize,
    pub min: u32,
    pub max: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ledger {
    /// Records that are not yet known to be on the disk.
    pub backlog: u64,
    /// Why it cannot be written, if so.
    #[serde(default)]
    pub trouble: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StopRequest {
    /// Running units may take as long as they take.
    #[serde(default)]
    pub drain: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reloaded {
    /// What is worth a warning; one a line.
    pub warnings: String,
    /// What is other than before.
    pub changes: String,
}

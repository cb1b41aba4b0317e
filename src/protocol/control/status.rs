//! How a daemon is, and what it has done since it was started.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub paused: bool,
    pub stopping: bool,
    /// Open runs.
    pub runs: usize,
    pub units: Units,
    /// Live worker processes, and how many of them have a unit.
    pub workers: usize,
    pub busy: usize,
    pub min_workers: u32,
    pub max_workers: u32,
    /// Names of nodes whose connection is up.
    pub connected: Vec<String>,
    /// Records not yet known to be on the disk.
    pub backlog: u64,
    /// Why the ledger cannot be written, if so.
    pub trouble: Option<String>,
    /// Why the last reload was refused, if it was.
    pub reload_trouble: Option<String>,
    pub counters: Counters,
}

/// Open units by how far they have come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Units {
    /// Their rows are on the way to the ledger.
    pub recording: usize,
    /// Held back: by splay or retry delay, overlap, `parallel`, or a lock.
    pub held: usize,
    /// For their node and a worker.
    pub waiting: usize,
    pub running: usize,
}

/// Since the daemon was started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Ended runs, by state.
    pub runs: Vec<(String, u64)>,
    /// Ended units, by outcome.
    pub units: Vec<(String, u64)>,
    /// Due instants that were not run, by reason.
    pub missed: Vec<(String, u64)>,
    pub workers_started: u64,
    pub connections_made: u64,
    pub reloads: u64,
    pub reloads_refused: u64,
    /// Milliseconds that units took in all, from their worker's start.
    pub unit_millis: u64,
}

//! What the gateway asks of the parent, and what it is answered.
//!
//! Typed messages in the same frames as the workers', over a socket that the parent hands out.
//! Requests are answered in their order.

use serde::{Deserialize, Serialize};

use crate::unit::RunId;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Comes back in the reply.
    pub id: u64,
    /// On whose word, for the ledger.
    pub by: String,
    pub command: Command,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Command {
    Status,
    /// Run a job now, on its own targets or on these: names, host sets and `@tag`s.
    Run {
        job: String,
        on: Option<String>,
    },
    /// End a run: its units here and on their nodes; nothing more of it starts.
    Cancel {
        run: RunId,
    },
    /// No schedule fires any more; what is queued goes on. Outlives a restart.
    Pause,
    Resume,
    Reload,
    /// As by SIGTERM; with `drain`, running and queued units may take as long as they take.
    Stop {
        drain: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    pub id: u64,
    /// Or why not, for a person.
    pub answer: Result<Answer, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    Done,
    /// `None`: the job runs on none of the nodes, which the ledger explains.
    Run(Option<RunId>),
    Status(Status),
}

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
    /// Connections that are up.
    pub connections: usize,
    /// Records not yet known to be on the disk.
    pub backlog: u64,
    /// Why the ledger cannot be written, if so.
    pub trouble: Option<String>,
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

//! What a gateway and the parent say to each other, in the same frames as the workers'.
//!
//! The parent says hello and tells which jobs and nodes there are; from then on the gateway asks,
//! each request is answered by one reply, and what happens to runs and units is told as it
//! happens. A reply to a change, and news, are told once the ledger's readers can see them.
//! Nothing here holds a secret but [`Who::Token`] and [`Answer::Token`].

mod flow;
mod status;

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::{Globs, Role};
use crate::arg::Arg;
use crate::job::flow::Place;
use crate::unit::{Outcome, Reason, RunEnd, RunId, Trigger, UnitId};
pub use flow::{FlowOf, FlowOrder, GivenPart, TakeUp};
pub use status::{Counters, Status, Units};

/// To a gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromParent {
    /// The first message.
    Hello(Hello),
    Catalog(Catalog),
    News(News),
    Reply(Reply),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`super::VERSION`] of the parent.
    pub version: u32,
    /// Of the package, for people.
    pub release: String,
    pub pid: u32,
    pub started_at: Timestamp,
    pub hostname: String,
    /// Where ledger and output are.
    pub statedir: PathBuf,
    pub serve: Serve,
}

/// Whom the listener is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Serve {
    /// Processes of this machine that run under this user, or root.
    Local { uid: u32 },
    /// Whoever shows a token.
    Remote {
        /// The files of certificate and key; without, no TLS is spoken.
        tls: Option<(PathBuf, PathBuf)>,
        /// Names it is called by, besides addresses and `localhost`.
        hosts: Vec<String>,
    },
}

/// The configuration as far as it may be shown, piece by piece. It replaces the one before when
/// [`Catalog::End`] has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Catalog {
    /// `generation` grows with each reload. `settings`: JSON, as `loom check --dump` has it.
    Begin {
        generation: u64,
        loaded_at: Timestamp,
        settings: String,
    },
    Job(Box<JobEntry>),
    Node(Box<NodeEntry>),
    End,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEntry {
    pub name: String,
    pub description: String,
    pub task: String,
    /// As written.
    pub schedule: String,
    /// The job's, else the configuration's; `None` is the system's.
    pub timezone: Option<String>,
    pub targets: Vec<String>,
    pub tags: Vec<String>,
    /// What the manifest says.
    pub enabled: bool,
    /// By `loom disable`, which outranks the manifest.
    pub switched_off: Option<Switched>,
    pub file: String,
    pub line: u32,
    /// JSON, as `loom check --dump` has it, secrets masked.
    pub details: String,
    /// Of a flow: what it is to do, as JSON ([`crate::api::flow::Plan`]).
    pub plan: Option<String>,
}

/// Of a job that is switched off: on whose word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switched {
    pub by: String,
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEntry {
    pub name: String,
    pub host: String,
    pub user: String,
    pub port: Option<u16>,
    pub tags: Vec<String>,
    pub max_sessions: u32,
    /// JSON, as `loom check --dump` has it, secrets masked.
    pub details: String,
}

/// What has happened; the ledger's readers can see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum News {
    RunQueued {
        run: RunId,
        job: String,
        trigger: Trigger,
        scheduled_at: Option<Timestamp>,
        at: Timestamp,
        units: usize,
        /// The flow that it is a part of, and which.
        within: Option<(RunId, Place)>,
    },
    RunStarted {
        run: RunId,
        job: String,
        at: Timestamp,
    },
    RunEnded {
        run: RunId,
        job: String,
        at: Timestamp,
        end: RunEnd,
        units: usize,
        succeeded: usize,
    },
    UnitStarted {
        unit: UnitId,
        run: RunId,
        job: String,
        node: String,
        at: Timestamp,
    },
    UnitEnded {
        unit: UnitId,
        run: RunId,
        job: String,
        node: String,
        attempt: u32,
        at: Timestamp,
        outcome: Outcome,
        detail: Option<String>,
        result: Option<String>,
        /// Another attempt follows, after so many milliseconds.
        again: Option<u64>,
    },
    Missed {
        job: String,
        node: Option<String>,
        first_at: Timestamp,
        last_at: Timestamp,
        count: u64,
        reason: Reason,
    },
    /// A job was switched off, or on again.
    Switched {
        job: String,
        off: Option<Switched>,
    },
    /// All schedules were paused, or go on.
    Paused(bool),
    /// Some was left out, because it was not taken in time.
    Resync,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Comes back in the reply.
    pub id: u64,
    pub who: Who,
    /// The same key from the same person is the same request, which is carried out once.
    pub key: Option<String>,
    pub command: Command,
}

/// On whose word. What a gateway may claim depends on the channel it claims it on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Who {
    /// At the other end of the local socket.
    Peer { uid: u32 },
    /// Whoever has shown this token.
    Token(String),
}

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Peer { uid } => write!(f, "uid {uid}"),
            Who::Token(_) => f.write_str("a token"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Command {
    Status,
    /// Run a job now.
    Run {
        job: String,
        /// In place of its own targets: names, host sets and `@tag`s.
        on: Option<String>,
        /// Laid over the job's keyword arguments.
        args: Vec<(String, Arg)>,
        /// The run whose nodes these are.
        retry_of: Option<RunId>,
    },
    /// Run what is no job.
    Exec(Box<Exec>),
    /// Run a flow that stands in no manifest, or one again from where it ended.
    Flow(Box<FlowOrder>),
    /// End a run: its units here and on their nodes; nothing more of it starts.
    Cancel {
        run: RunId,
    },
    Enable {
        job: String,
    },
    Disable {
        job: String,
    },
    /// No schedule fires any more; what is queued goes on. Outlives a restart.
    Pause,
    Resume,
    /// Answered when the configuration was taken over, or refused.
    Reload,
    /// As by SIGTERM; with `drain`, running units may take as long as they take.
    Stop {
        drain: bool,
    },
    AddToken {
        name: String,
        role: Role,
        jobs: Globs,
    },
    RevokeToken {
        name: String,
    },
}

impl Command {
    /// The job as it is written, on its own targets.
    pub fn run(job: impl Into<String>) -> Command {
        Command::Run { job: job.into(), on: None, args: Vec::new(), retry_of: None }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exec {
    /// Names, host sets and `@tag`s.
    pub on: String,
    /// The dotted path; `loom.run` for a command line.
    pub task: String,
    pub args: Vec<Arg>,
    pub kwargs: Vec<(String, Arg)>,
    /// Milliseconds, of each unit.
    pub timeout: Option<u64>,
    /// Units at once.
    pub parallel: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    pub id: u64,
    pub answer: Result<Answer, Refusal>,
}

/// Why not, for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    pub why: Why,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// There is no such job, node, run or token.
    Unknown,
    /// It is so already, or cannot be now.
    Conflict,
    /// It makes no sense.
    Invalid,
    /// Nobody by that token.
    Unauthorized,
    /// Not with this role, or not on this job.
    Forbidden,
    /// Not at present: it is being stopped, or the ledger cannot be written.
    Unavailable,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    Done,
    /// `None`: the job runs on none of the nodes, which the ledger explains.
    Run(Option<RunId>),
    Status(Box<Status>),
    /// What was found worth a warning, and what has changed.
    Reloaded {
        warnings: String,
        changes: String,
    },
    /// The secret, which is never told again.
    Token(String),
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Done => f.write_str("done"),
            Answer::Run(run) => write!(f, "run {run:?}"),
            Answer::Status(status) => status.fmt(f),
            Answer::Reloaded { changes, .. } => write!(f, "reloaded: {changes}"),
            Answer::Token(_) => f.write_str("a token"),
        }
    }
}

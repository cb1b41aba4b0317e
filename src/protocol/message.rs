//! The messages between the parent and a worker.
//!
//! A worker says `Hello` first and is answered with `Hello`; then it runs one unit at a time:
//! `Run` → `Started` → `Done`, with `Heartbeat` every [`HEARTBEAT`] while it is busy.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::arg::Arg;
use crate::password::Password;
use crate::protocol::cookie::Rights;
use crate::python::Python;
use crate::unit::{Canceller, Outcome, RunId, UnitId};

/// How often a busy worker shows that it lives; three missed and it is killed.
pub const HEARTBEAT: Duration = Duration::from_secs(10);

/// Output up to this many bytes comes back inside `Done`; more is in a file only.
pub const INLINE_OUTPUT: usize = 4096;

/// What is kept of a task's return value, in bytes.
pub const MAX_RESULT: usize = 4096;

/// The result of a task that returned nothing.
pub const NOTHING_RETURNED: &str = "No output returned.";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    Hello {
        version: u32,
    },
    Run(Box<UnitOrder>),
    /// End this unit, here and on its node. Unknown or finished units are ignored.
    Cancel {
        unit: UnitId,
        by: Canceller,
    },
    /// The answer to [`FromWorker::Rejoin`]: the unit's connection is up, at the control socket it
    /// had before; or why it is not.
    Rejoined {
        unit: UnitId,
        trouble: Option<String>,
    },
    /// The answer to [`FromWorker::Rights`]: they are kept, on the disk unless the ledger cannot be
    /// written.
    RightsKept {
        unit: UnitId,
    },
    /// Finish the unit at hand, if any, then exit with status 0.
    Shutdown,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromWorker {
    Hello {
        version: u32,
        pid: u32,
    },
    Heartbeat,
    /// The command runs on its node, as the leader of this process group; without one, the task
    /// runs here. Once for each unit that begins.
    Started {
        unit: UnitId,
        remote_pgid: Option<u32>,
    },
    /// The node has answered that nothing of the order's `sweep` is left there.
    Swept {
        unit: UnitId,
    },
    /// Something of the unit is about to get these rights on the node, of which its cookie says
    /// nothing. It waits for [`ToWorker::RightsKept`].
    Rights {
        unit: UnitId,
        rights: Rights,
    },
    /// The unit is about to make its node go away, and come back.
    Leaving {
        unit: UnitId,
    },
    /// The unit wants its connection again; [`ToWorker::Rejoined`] answers. `anew`: the one there
    /// is does not answer, and is to be dropped first.
    Rejoin {
        unit: UnitId,
        anew: bool,
    },
    Done {
        unit: UnitId,
        report: Report,
    },
}

/// All a worker needs to know to run one unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitOrder {
    pub unit: UnitId,
    pub run: RunId,
    pub job: String,
    /// 1 for the first.
    pub attempt: u32,
    pub node: Endpoint,
    pub task: String,
    pub args: Vec<Arg>,
    pub kwargs: Vec<(String, Arg)>,
    /// From the start of the attempt; the worker itself kills on expiry.
    pub timeout: Option<Duration>,
    /// Between TERM and KILL.
    pub kill_grace: Duration,
    /// `LOOM_UNIT` in the remote command's environment, by which escapees are found.
    /// Unique over all daemons and restarts; made by [`super::cookie::cookie`], since it also
    /// tells whose rights a later sweep needs.
    pub cookie: String,
    /// Cookies of earlier units that may still run on the node, as they were kept: with all rights
    /// that those units had. To be swept first.
    pub sweep: Vec<String>,
    /// For sudo; only there when the task, or a cookie in `sweep`, asks for it.
    pub password: Option<Password>,
    /// How the task is run, if it is not a native one.
    pub python: Option<Python>,
    pub output: Sink,
}

/// A node as the worker sees it: a running master, and the names tasks may want.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    pub name: String,
    /// `ip` or the name.
    pub host: String,
    pub user: String,
    pub port: Option<u16>,
    /// For a task that makes connections of its own.
    pub identity: Option<PathBuf>,
    /// The master's control socket.
    pub control: PathBuf,
}

/// Where a unit's output goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sink {
    /// Created, parents included, when output outgrows [`INLINE_OUTPUT`] or has waited for a
    /// second while the unit goes on. CRI log format. The tail of what exceeds the cap is kept in
    /// the same path with `.tail` added.
    pub file: PathBuf,
    /// Bytes kept in all: the head in `file`, the rest as a rotating tail.
    pub max_bytes: u64,
    /// The job's own log: plain lines, appended, up to `max_bytes` of them and a line that says so.
    /// Parents are created. Trouble with it becomes part of the report's detail.
    pub log: Option<PathBuf>,
    /// `loom once`: every line is also written to the worker's own stdout, behind this prefix.
    pub echo: Option<String>,
}

/// A unit's file below the output directory, [`Sink::file`] of the daemon's units: at most 4,096
/// units to a directory.
pub fn output_file(unit: UnitId) -> PathBuf {
    PathBuf::from(format!("{:04x}/{unit}.log", unit.0 >> 12))
}

/// How a unit ended, told by the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub outcome: Outcome,
    /// For the person who must act: why it failed, in one sentence; never a secret.
    pub detail: Option<String>,
    /// What the task returned, as text, at most [`MAX_RESULT`] bytes of it; [`NOTHING_RETURNED`]
    /// if that was nothing. Native tasks return nothing, and do not say so.
    pub result: Option<String>,
    pub output: Output,
}

impl Report {
    /// Of a unit that neither returned nor wrote anything.
    pub fn of(outcome: Outcome, detail: Option<String>) -> Report {
        Report { outcome, detail, result: None, output: Output::default() }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// CRI log lines, when all of it fits into [`INLINE_OUTPUT`]; else empty.
    pub inline: Vec<u8>,
    /// Where it is, if a file was made. It then has no more than `inline`, unless that is empty;
    /// whoever has followed the file goes on at the same byte there.
    pub file: Option<PathBuf>,
    /// What the task wrote in all, kept or not.
    pub bytes: u64,
    /// Some of it was dropped between head and tail.
    pub truncated: bool,
}

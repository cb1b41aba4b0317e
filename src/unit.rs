//! A unit is one task applied to one node: its identity and what became of it.
//!
//! Everything that speaks of units (the protocol, the dispatcher, the ledger, the command line)
//! uses these words. This module knows nothing of how a unit is run.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One firing of a job over all its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunId(pub u64);

/// One attempt at one (run, node) pair; every attempt has an id, and a ledger row, of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnitId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for UnitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What set a run off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Trigger {
    /// Its schedule came due.
    Schedule,
    /// `loom once`.
    Once,
    /// A person asked the daemon.
    Manual,
    /// A person gave a command of their own, which is no job of the configuration.
    Exec,
    /// A person had the units of another run tried again.
    Retry,
    /// Its turn has come in a flow.
    Flow,
}

impl Trigger {
    pub const ALL: [Trigger; 6] = [
        Trigger::Schedule,
        Trigger::Once,
        Trigger::Manual,
        Trigger::Exec,
        Trigger::Retry,
        Trigger::Flow,
    ];

    /// The word used in the ledger, in what hooks are told and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Trigger::Schedule => "schedule",
            Trigger::Once => "once",
            Trigger::Manual => "manual",
            Trigger::Exec => "exec",
            Trigger::Retry => "retry",
            Trigger::Flow => "flow",
        }
    }
}

/// What became of a run. It is as good as its worst unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunEnd {
    Succeeded,
    Failed,
    Cancelled,
    Lost,
    Skipped { reason: Reason },
}

impl RunEnd {
    /// The single word used in the ledger's `state` column and on screen.
    pub fn word(self) -> &'static str {
        match self {
            RunEnd::Succeeded => "succeeded",
            RunEnd::Failed => "failed",
            RunEnd::Cancelled => "cancelled",
            RunEnd::Lost => "lost",
            RunEnd::Skipped { .. } => "skipped",
        }
    }

    /// Why it was skipped, if it was.
    pub fn reason(self) -> Option<Reason> {
        match self {
            RunEnd::Skipped { reason } => Some(reason),
            RunEnd::Succeeded | RunEnd::Failed | RunEnd::Cancelled | RunEnd::Lost => None,
        }
    }
}

impl fmt::Display for RunEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self.reason() {
            Some(reason) => write!(f, ", {}", reason.as_str()),
            None => Ok(()),
        }
    }
}

/// Whether the node itself answered that nothing of the unit is left running there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kill {
    /// The node answered that neither the process group nor the cookie is left.
    Confirmed,
    /// No answer, no permission or no /proc: something may still run there.
    Unconfirmed,
}

/// On whose word a unit was cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Canceller {
    /// The daemon was told to stop.
    Shutdown,
    /// A person, by name.
    User(String),
}

/// Why a unit or a due instant was not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// The job still ran on that node.
    Overlap,
    /// The job is switched off.
    Disabled,
    /// The instant passed while no daemon ran.
    DaemonDown,
    /// The instant was noticed too late to be worth running.
    Deadline,
    /// The wall clock stepped over the instant.
    ClockJump,
    /// The job has no nodes to run on.
    NoTargets,
    /// The job or the node was taken out of the configuration.
    Removed,
    /// All schedules were paused.
    Paused,
    /// The ledger could not be written, and no more could be kept in memory.
    LedgerDown,
    /// The run could no longer succeed, or a step of it had failed.
    Constraint,
}

impl Reason {
    pub const ALL: [Reason; 10] = [
        Reason::Overlap,
        Reason::Disabled,
        Reason::DaemonDown,
        Reason::Deadline,
        Reason::ClockJump,
        Reason::NoTargets,
        Reason::Removed,
        Reason::Paused,
        Reason::LedgerDown,
        Reason::Constraint,
    ];

    /// The word used in the ledger, in logs and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Overlap => "overlap",
            Reason::Disabled => "disabled",
            Reason::DaemonDown => "daemon down",
            Reason::Deadline => "deadline",
            Reason::ClockJump => "clock jump",
            Reason::NoTargets => "no targets",
            Reason::Removed => "removed",
            Reason::Paused => "paused",
            Reason::LedgerDown => "ledger down",
            Reason::Constraint => "constraint",
        }
    }
}

/// What became of a unit. `Succeeded` means the command's own status 0 and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Succeeded,
    /// The task ran and failed; `exit` is the command's status where a command had one.
    Failed {
        exit: Option<i32>,
    },
    /// The remote command died by this signal number.
    Signaled {
        signal: i32,
    },
    /// No session with the node: the task certainly never started.
    Unreachable,
    TimedOut {
        kill: Kill,
    },
    Cancelled {
        by: Canceller,
        kill: Kill,
    },
    /// Our own worker process died under the unit.
    Crashed,
    /// The task started, then the connection or the daemon went away: nobody knows how it ended.
    Lost,
    Skipped {
        reason: Reason,
    },
}

impl Outcome {
    pub fn is_success(&self) -> bool {
        matches!(self, Outcome::Succeeded)
    }

    /// The single word used in the ledger's `outcome` column and on screen.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed { .. } => "failed",
            Outcome::Signaled { .. } => "signaled",
            Outcome::Unreachable => "unreachable",
            Outcome::TimedOut { .. } => "timed out",
            Outcome::Cancelled { .. } => "cancelled",
            Outcome::Crashed => "crashed",
            Outcome::Lost => "lost",
            Outcome::Skipped { .. } => "skipped",
        }
    }
}

/// For people: the word, and what belongs to it (`failed, exit 3`).
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Outcome::Failed { exit: Some(code) } => write!(f, ", exit {code}"),
            Outcome::Signaled { signal } => match nix::sys::signal::Signal::try_from(*signal) {
                Ok(name) => write!(f, ", {name}"),
                Err(_) => write!(f, ", signal {signal}"),
            },
            Outcome::TimedOut { kill } => write!(f, ", kill {kill}"),
            Outcome::Cancelled { by: Canceller::Shutdown, kill } => {
                write!(f, " by shutdown, kill {kill}")
            }
            Outcome::Cancelled { by: Canceller::User(name), kill } => {
                write!(f, " by {name}, kill {kill}")
            }
            Outcome::Skipped { reason } => write!(f, ", {}", reason.as_str()),
            Outcome::Succeeded
            | Outcome::Failed { exit: None }
            | Outcome::Unreachable
            | Outcome::Crashed
            | Outcome::Lost => Ok(()),
        }
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kill::Confirmed => "confirmed",
            Kill::Unconfirmed => "unconfirmed",
        })
    }
}

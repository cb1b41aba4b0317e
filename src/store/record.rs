//! What is told to the ledger, and what is read back from it. No I/O.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::access::{Globs, Role, TokenHash};
use crate::event::Within;
use crate::job::flow::Place;
pub use crate::protocol::control::Switched;
use crate::protocol::message::Output;
use crate::unit::{Outcome, Reason, RunEnd, RunId, Trigger, UnitId};

/// One thing that happened. It is written whole or not at all, in the order submitted.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// The configuration took effect: these are all jobs there are. New ones are accounted for
    /// from `at` on, as are those that come back or change their schedule; the others are
    /// marked removed.
    Jobs {
        jobs: Vec<JobEntry>,
        at: Timestamp,
    },
    /// A run with all its units, queued. A scheduled run accounts for its instant.
    OpenRun {
        run: RunId,
        job: String,
        trigger: Trigger,
        /// `None` unless scheduled. (job, instant, epoch) is unique.
        scheduled_at: Option<Timestamp>,
        epoch: u32,
        at: Timestamp,
        /// Who asked for it, as the audit names them; `None` of its schedule.
        by: Option<String>,
        /// The run whose units it tries again.
        retry_of: Option<RunId>,
        /// What an exec runs, or where a flow was read from.
        command: Option<String>,
        /// The flow that it is a part of.
        within: Option<Within>,
        /// Of a flow: what it is to do, as JSON.
        plan: Option<String>,
        units: Vec<OpenUnit>,
    },
    /// Another attempt at a node of an open run.
    Retry {
        run: RunId,
        unit: OpenUnit,
    },
    StartRun {
        run: RunId,
        at: Timestamp,
    },
    /// A worker has the unit.
    StartUnit {
        unit: UnitId,
        worker_pid: Option<u32>,
        at: Timestamp,
    },
    /// The unit's command runs on its node.
    OnNode {
        unit: UnitId,
        remote_pgid: u32,
    },
    /// The cookie by which the unit is to be swept for has become another: something of it is about
    /// to get more rights on its node.
    Rights {
        unit: UnitId,
        cookie: String,
    },
    /// Once for each unit.
    CloseUnit {
        unit: UnitId,
        outcome: Outcome,
        detail: Option<String>,
        /// What the task returned, as text.
        result: Option<String>,
        output: Output,
        at: Timestamp,
    },
    /// Once for each run.
    CloseRun {
        run: RunId,
        end: RunEnd,
        at: Timestamp,
    },
    /// Due instants that were not run. One with the same job, node, reason, epoch and first
    /// instant as an earlier one takes its place: so a gap grows.
    Gap(Gap),
    /// The job's instants up to `through` are covered. May go back, after a jump of the clock.
    Accounted {
        job: String,
        through: Timestamp,
    },
    /// All schedules are paused, or no longer; lasts until said otherwise.
    Paused(bool),
    /// A hook was fired, or could not be.
    Hook(HookRow),
    /// The wall clock was re-anchored.
    Epoch(u32),
    /// Nothing of these units is left on the node.
    Swept {
        node: String,
        cookies: Vec<String>,
    },
    /// A token by a name that no other one has that is not revoked.
    Token(TokenRow),
    /// The token is good for nothing from now on. Its row stays.
    RevokeToken {
        name: String,
        at: Timestamp,
    },
    /// Somebody changed something, or was refused to.
    Audit(AuditRow),
    /// The job is switched off by hand; `None`: on again. Outlives the daemon.
    Switch {
        job: String,
        off: Option<Switched>,
    },
    /// What a request by this key has come to, so that it is not done twice. Takes the place of
    /// an earlier word of it.
    Request(RequestRow),
}

impl Record {
    /// Whether somebody waits for it to be on the disk: units to be started or to go on, or a
    /// person to be told that it is done.
    pub(super) fn is_urgent(&self) -> bool {
        match self {
            Record::OpenRun { .. }
            | Record::Retry { .. }
            | Record::Rights { .. }
            | Record::Token(_)
            | Record::RevokeToken { .. }
            | Record::Audit(_)
            | Record::Switch { .. }
            | Record::Request(_) => true,
            Record::Jobs { .. }
            | Record::StartRun { .. }
            | Record::StartUnit { .. }
            | Record::OnNode { .. }
            | Record::CloseUnit { .. }
            | Record::CloseRun { .. }
            | Record::Gap(_)
            | Record::Accounted { .. }
            | Record::Paused(_)
            | Record::Hook(_)
            | Record::Epoch(_)
            | Record::Swept { .. } => false,
        }
    }
}

/// A job as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEntry {
    pub name: String,
    /// As written.
    pub schedule: String,
    pub timezone: Option<String>,
}

/// A job as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    pub entry: JobEntry,
    pub first_seen: Timestamp,
    /// Every instant up to and including this one is covered by a run or a gap.
    pub accounted_through: Timestamp,
    pub removed_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenUnit {
    pub unit: UnitId,
    pub node: String,
    /// 1 for the first.
    pub attempt: u32,
    /// Known before the start, so that a crash at any moment leaves something to sweep for.
    pub cookie: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    Queued,
    Running,
    Done(RunEnd),
}

impl RunState {
    /// The words of the ledger's `state` column.
    pub const WORDS: [&str; 7] =
        ["queued", "running", "succeeded", "failed", "cancelled", "lost", "skipped"];

    pub fn word(self) -> &'static str {
        match self {
            RunState::Queued => "queued",
            RunState::Running => "running",
            RunState::Done(RunEnd::Succeeded) => "succeeded",
            RunState::Done(RunEnd::Failed) => "failed",
            RunState::Done(RunEnd::Cancelled) => "cancelled",
            RunState::Done(RunEnd::Lost) => "lost",
            RunState::Done(RunEnd::Skipped { .. }) => "skipped",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitState {
    Queued,
    Running,
    Done(Outcome),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    pub job: String,
    /// `None`: the instants are missing on every node, and the gap accounts for them.
    pub node: Option<String>,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    /// Due instants from first to last.
    pub count: u64,
    pub epoch: u32,
    pub reason: Reason,
    /// The run that lacks the node.
    pub run: Option<RunId>,
}

/// What became of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookRow {
    pub job: String,
    /// `None` of a gap.
    pub run: Option<RunId>,
    /// The key in the manifest: `on_failure`.
    pub occasion: &'static str,
    /// `command`, `webhook` or `mail`.
    pub action: &'static str,
    pub at: Timestamp,
    /// `None`: it did what it should. Else why it failed, in a sentence; never a secret.
    pub failure: Option<String>,
}

/// A bearer token as the ledger has it: never the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    pub name: String,
    pub hash: TokenHash,
    pub role: Role,
    /// It sees and touches only these.
    pub jobs: Globs,
    pub created_at: Timestamp,
    pub created_by: String,
    pub revoked_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    pub at: Timestamp,
    pub who: String,
    /// How they came in: by the socket, by a token, by a signal.
    pub via: String,
    pub action: String,
    /// What it was done to: a job, a run, a token.
    pub subject: String,
    /// What else a reader must know, in a sentence; never a secret.
    pub detail: Option<String>,
}

/// An idempotency key, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// Unique to `who`.
    pub key: String,
    pub who: String,
    /// Of the request, so that another one by the same key is noticed.
    pub digest: [u8; 32],
    /// What it set off, if that is known.
    pub run: Option<RunId>,
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    pub run: RunId,
    pub job: String,
    pub trigger: Trigger,
    pub scheduled_at: Option<Timestamp>,
    pub epoch: u32,
    pub queued_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub state: RunState,
    /// Who asked for it.
    pub by: Option<String>,
    pub retry_of: Option<RunId>,
    /// What an exec ran, or where a flow was read from.
    pub command: Option<String>,
    /// The flow that it is a part of, and which.
    pub within: Option<(RunId, Place)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitRow {
    pub unit: UnitId,
    pub run: RunId,
    pub node: String,
    pub attempt: u32,
    pub state: UnitState,
    pub detail: Option<String>,
    /// What the task returned, as text.
    pub result: Option<String>,
    pub worker_pid: Option<u32>,
    pub remote_pgid: Option<u32>,
    /// As it is kept for a sweep; `None` once nothing of the unit can be left on its node.
    pub cookie: Option<String>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub output: Kept,
}

/// What is kept of a unit's output, and where; the bytes themselves are read one unit at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// So many bytes of log are in the ledger itself.
    pub inline: u64,
    /// The log is here, its end beside it in the same name with `.tail` added.
    pub file: Option<PathBuf>,
    /// What the task wrote in all; of a unit whose worker died, what its files take.
    pub bytes: u64,
    /// Some of it is not kept.
    pub truncated: bool,
}

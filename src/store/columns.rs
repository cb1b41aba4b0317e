//! How our types look in the ledger's columns, and back.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::{Type, Value, ValueRef};

use super::record::{RunState, UnitState};
use crate::unit::{Canceller, Kill, Outcome, Reason, RunEnd, Trigger};

/// Milliseconds since 1970, UTC.
pub(super) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// `state` and `reason` of a finished run.
pub(super) fn run_end(end: RunEnd) -> (&'static str, Option<&'static str>) {
    (end.word(), end.reason().map(Reason::as_str))
}

/// An outcome's columns.
#[derive(Default)]
pub(super) struct Verdict<'a> {
    pub outcome: &'static str,
    pub exit: Option<i32>,
    pub signal: Option<i32>,
    pub kill: Option<&'static str>,
    pub cancelled_by: Option<Cow<'a, str>>,
    pub reason: Option<&'static str>,
    /// Whether something of the unit may still run on its node.
    pub unswept: bool,
}

pub(super) fn verdict(outcome: &Outcome) -> Verdict<'_> {
    let plain = Verdict { outcome: outcome.word(), ..Verdict::default() };
    let killed = |kill: Kill| Verdict {
        outcome: outcome.word(),
        kill: Some(match kill {
            Kill::Confirmed => "confirmed",
            Kill::Unconfirmed => "unconfirmed",
        }),
        unswept: kill == Kill::Unconfirmed,
        ..Verdict::default()
    };
    match outcome {
        Outcome::Succeeded | Outcome::Unreachable => plain,
        Outcome::Failed { exit } => Verdict { exit: *exit, ..plain },
        Outcome::Signaled { signal } => Verdict { signal: Some(*signal), ..plain },
        Outcome::TimedOut { kill } => killed(*kill),
        Outcome::Cancelled { by, kill } => Verdict {
            cancelled_by: Some(match by {
                Canceller::Shutdown => Cow::Borrowed("shutdown"),
                Canceller::User(name) => Cow::Owned(format!("user:{name}")),
            }),
            ..killed(*kill)
        },
        Outcome::Crashed | Outcome::Lost => Verdict { unswept: true, ..plain },
        Outcome::Skipped { reason } => Verdict { reason: Some(reason.as_str()), ..plain },
    }
}

/// Text, so that people can read it; bytes, where a path is not UTF-8.
pub(super) fn path(path: &Path) -> Value {
    match path.to_str() {
        Some(text) => Value::Text(text.to_string()),
        None => Value::Blob(path.as_os_str().as_bytes().to_vec()),
    }
}

pub(super) fn path_at(row: &Row, column: &str) -> rusqlite::Result<Option<PathBuf>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(OsStr::from_bytes(bytes).into()),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => None,
    })
}

pub(super) fn time_at(row: &Row, column: &str) -> rusqlite::Result<Timestamp> {
    let value: i64 = row.get(column)?;
    Timestamp::from_millisecond(value).map_err(|e| unreadable(column, e.to_string()))
}

pub(super) fn opt_time_at(row: &Row, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => time_at(row, column).map(Some),
    }
}

pub(super) fn trigger_at(row: &Row) -> rusqlite::Result<Trigger> {
    let word: String = row.get("trigger")?;
    Trigger::ALL
        .into_iter()
        .find(|trigger| trigger.as_str() == word)
        .ok_or_else(|| unreadable("trigger", word))
}

/// One of the words that may stand there.
pub(super) fn word_at(
    row: &Row,
    column: &str,
    words: &[&'static str],
) -> rusqlite::Result<&'static str> {
    let found: String = row.get(column)?;
    let word = words.iter().find(|word| **word == found);
    word.copied().ok_or_else(|| unreadable(column, found))
}

pub(super) fn reason_at(row: &Row) -> rusqlite::Result<Reason> {
    let word: String = row.get("reason")?;
    Reason::ALL
        .into_iter()
        .find(|reason| reason.as_str() == word)
        .ok_or_else(|| unreadable("reason", word))
}

pub(super) fn run_state_at(row: &Row) -> rusqlite::Result<RunState> {
    let word: String = row.get("state")?;
    Ok(match word.as_str() {
        "queued" => RunState::Queued,
        "running" => RunState::Running,
        "succeeded" => RunState::Done(RunEnd::Succeeded),
        "failed" => RunState::Done(RunEnd::Failed),
        "cancelled" => RunState::Done(RunEnd::Cancelled),
        "lost" => RunState::Done(RunEnd::Lost),
        "skipped" => RunState::Done(RunEnd::Skipped { reason: reason_at(row)? }),
        _ => return Err(unreadable("state", word)),
    })
}

pub(super) fn unit_state_at(row: &Row) -> rusqlite::Result<UnitState> {
    let word: String = row.get("state")?;
    match word.as_str() {
        "queued" => Ok(UnitState::Queued),
        "running" => Ok(UnitState::Running),
        "done" => outcome_at(row).map(UnitState::Done),
        _ => Err(unreadable("state", word)),
    }
}

fn outcome_at(row: &Row) -> rusqlite::Result<Outcome> {
    let word: String = row.get("outcome")?;
    Ok(match word.as_str() {
        "succeeded" => Outcome::Succeeded,
        "failed" => Outcome::Failed { exit: row.get("exit")? },
        "signaled" => Outcome::Signaled { signal: row.get("signal")? },
        "unreachable" => Outcome::Unreachable,
        "timed out" => Outcome::TimedOut { kill: kill_at(row)? },
        "cancelled" => Outcome::Cancelled { by: canceller_at(row)?, kill: kill_at(row)? },
        "crashed" => Outcome::Crashed,
        "lost" => Outcome::Lost,
        "skipped" => Outcome::Skipped { reason: reason_at(row)? },
        _ => return Err(unreadable("outcome", word)),
    })
}

fn kill_at(row: &Row) -> rusqlite::Result<Kill> {
    let word: String = row.get("kill")?;
    match word.as_str() {
        "confirmed" => Ok(Kill::Confirmed),
        "unconfirmed" => Ok(Kill::Unconfirmed),
        _ => Err(unreadable("kill", word)),
    }
}

fn canceller_at(row: &Row) -> rusqlite::Result<Canceller> {
    let word: String = row.get("cancelled_by")?;
    match word.strip_prefix("user:") {
        Some(name) => Ok(Canceller::User(name.to_string())),
        None if word == "shutdown" => Ok(Canceller::Shutdown),
        None => Err(unreadable("cancelled_by", word)),
    }
}

pub(super) fn unreadable(column: &str, value: String) -> rusqlite::Error {
    let message = format!("column {column} holds {value:?}, which this Loom cannot read");
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, message.into())
}

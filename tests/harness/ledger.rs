//! The ledger as a reader from outside sees it: plain SQLite, read-only.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Row, ToSql};

use super::until;

pub struct Ledger {
    file: PathBuf,
}

/// What the tests ask about a unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    pub id: i64,
    pub run: i64,
    pub job: String,
    pub node: String,
    pub attempt: i64,
    pub state: String,
    pub outcome: Option<String>,
    pub exit: Option<i64>,
    pub signal: Option<i64>,
    pub kill: Option<String>,
    pub detail: Option<String>,
    /// What a Python task returned.
    pub result: Option<String>,
    /// Milliseconds of UTC.
    pub finished_at: Option<i64>,
    /// What it wrote in all, and whether some of that was dropped.
    pub output_bytes: i64,
    pub output_truncated: bool,
    /// All of it, in CRI log format, if it was little.
    pub output: String,
    pub output_file: Option<String>,
}

/// What the tests ask about a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub id: i64,
    pub job: String,
    /// Milliseconds of UTC; `None` when it was not the schedule that asked for it.
    pub scheduled_at: Option<i64>,
    pub queued_at: i64,
    pub finished_at: Option<i64>,
    pub state: String,
    pub reason: Option<String>,
}

impl Ledger {
    pub fn new(file: &Path) -> Ledger {
        Ledger { file: file.to_owned() }
    }

    /// All rows of a query; none while there is no ledger yet.
    pub fn query<T>(
        &self,
        sql: &str,
        params: &[&dyn ToSql],
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Vec<T> {
        if !self.file.exists() {
            return Vec::new();
        }
        let connection = Connection::open_with_flags(&self.file, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .unwrap_or_else(|e| panic!("{}: {e}", self.file.display()));
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        let rows = connection.prepare(sql).and_then(|mut statement| {
            statement.query_map(params, read).and_then(|rows| rows.collect())
        });
        rows.unwrap_or_else(|e| panic!("{}: {sql}: {e}", self.file.display()))
    }

    /// The units of a job, every attempt, oldest first.
    pub fn units(&self, job: &str) -> Vec<Unit> {
        let sql = "select u.id, u.run, r.job, u.node, u.attempt, u.state, u.outcome, u.exit, \
                   u.signal, u.kill, u.detail, u.finished_at, u.output_bytes, u.output_truncated, \
                   u.output, u.output_file, u.result from units u join runs r on r.id = u.run \
                   where r.job = ?1 order by u.id";
        self.query(sql, &[&job], |row| {
            Ok(Unit {
                id: row.get(0)?,
                run: row.get(1)?,
                job: row.get(2)?,
                node: row.get(3)?,
                attempt: row.get(4)?,
                state: row.get(5)?,
                outcome: row.get(6)?,
                exit: row.get(7)?,
                signal: row.get(8)?,
                kill: row.get(9)?,
                detail: row.get(10)?,
                finished_at: row.get(11)?,
                output_bytes: row.get(12)?,
                output_truncated: row.get(13)?,
                output: row
                    .get::<_, Option<Vec<u8>>>(14)?
                    .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                    .unwrap_or_default(),
                output_file: row.get(15)?,
                result: row.get(16)?,
            })
        })
    }

    pub fn runs(&self, job: &str) -> Vec<Run> {
        let sql = "select id, job, scheduled_at, queued_at, finished_at, state, reason from runs \
                   where job = ?1 order by id";
        self.query(sql, &[&job], |row| {
            Ok(Run {
                id: row.get(0)?,
                job: row.get(1)?,
                scheduled_at: row.get(2)?,
                queued_at: row.get(3)?,
                finished_at: row.get(4)?,
                state: row.get(5)?,
                reason: row.get(6)?,
            })
        })
    }

    /// Waits for the end of a run that is a flow's; how it ended.
    pub fn wait_for_flow(&self, flow: &str, run: i64, within: Duration) -> String {
        self.wait_for_run(flow, run, within).0.state
    }

    /// Runs of the flow's parts, by their places: slot, part and rescue.
    pub fn parts(&self, flow: i64) -> Vec<((i64, i64, i64), Run)> {
        let sql = "select id, job, scheduled_at, queued_at, finished_at, state, reason, slot, part, \
                   rescue from runs where flow = ?1 order by slot, part, rescue";
        self.query(sql, &[&flow], |row| {
            let run = Run {
                id: row.get(0)?,
                job: row.get(1)?,
                scheduled_at: row.get(2)?,
                queued_at: row.get(3)?,
                finished_at: row.get(4)?,
                state: row.get(5)?,
                reason: row.get(6)?,
            };
            Ok(((row.get(7)?, row.get(8)?, row.get(9)?), run))
        })
    }

    /// Waits for the end of a run of the job; its units, in the order of the targets.
    pub fn wait_for_run(&self, job: &str, run: i64, within: Duration) -> (Run, Vec<Unit>) {
        let over = until(&format!("the end of run {run} of {job}"), within, || {
            self.runs(job).into_iter().find(|row| row.id == run && row.finished_at.is_some())
        });
        (over, self.units(job).into_iter().filter(|unit| unit.run == run).collect())
    }

    /// Waits for the job's first unit with this outcome.
    pub fn wait_for(&self, job: &str, outcome: &str, within: Duration) -> Unit {
        until(&format!("a unit of {job} that {outcome}"), within, || {
            self.units(job).into_iter().find(|unit| unit.outcome.as_deref() == Some(outcome))
        })
    }

    /// SQLite's own opinion.
    pub fn is_sound(&self) -> bool {
        self.query("pragma integrity_check", &[], |row| row.get::<_, String>(0)) == ["ok"]
    }
}

//! Reading the ledger, beside a daemon that writes it or without one.

use std::path::{Path, PathBuf};

use rusqlite::types::FromSql;
use rusqlite::{Connection, Row, params};

use super::columns::{
    opt_time_at, path_at, reason_at, run_state_at, time_at, trigger_at, unit_state_at, word_at,
};
use super::error::StoreError;
use super::open;
use super::people;
use super::record::{Gap, HookRow, JobEntry, JobRow, RunRow, TokenRow, UnitRow};
use super::schema;
use crate::job::hooks::Occasion;
use crate::protocol::message::Output;
use crate::unit::{RunId, UnitId};

/// A read-only connection. Each call is one short transaction of its own.
pub struct Reader {
    conn: Connection,
    path: PathBuf,
}

impl Reader {
    pub fn open(statedir: &Path) -> Result<Reader, StoreError> {
        let dir = std::fs::canonicalize(statedir).map_err(|e| StoreError::io(statedir, e))?;
        let (conn, path) = (open::readable(&dir)?, dir.join(open::FILE));
        let found = schema::version(&conn).map_err(|e| StoreError::sqlite(&path, e))?;
        if found < schema::VERSION {
            return Err(StoreError::Older { path, found, known: schema::VERSION });
        }
        Ok(Reader { conn, path })
    }

    pub fn run(&self, run: RunId) -> Result<Option<RunRow>, StoreError> {
        let found = self.rows("SELECT * FROM runs WHERE id = ?1", [run.0 as i64], run_row)?;
        Ok(found.into_iter().next())
    }

    /// The latest runs first, of one job or of all, below `before` if given.
    pub fn runs(
        &self,
        job: Option<&str>,
        before: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<RunRow>, StoreError> {
        let before = before.map_or(i64::MAX, |run| run.0 as i64);
        match job {
            Some(job) => self.rows(
                "SELECT * FROM runs WHERE job = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
                params![job, before, limit],
                run_row,
            ),
            None => self.rows(
                "SELECT * FROM runs WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
                params![before, limit],
                run_row,
            ),
        }
    }

    /// In the order opened: each node's attempts follow each other.
    pub fn units(&self, run: RunId) -> Result<Vec<UnitRow>, StoreError> {
        self.rows("SELECT * FROM units WHERE run = ?1 ORDER BY id", [run.0 as i64], unit_row)
    }

    /// Queued and running units of all runs.
    pub fn open_units(&self) -> Result<Vec<UnitRow>, StoreError> {
        self.rows("SELECT * FROM units WHERE state <> 'done' ORDER BY id", [], unit_row)
    }

    /// A job's gaps, the latest first.
    pub fn gaps(&self, job: &str, limit: u32) -> Result<Vec<Gap>, StoreError> {
        self.rows(
            "SELECT * FROM gaps WHERE job = ?1 ORDER BY first_at DESC, id DESC LIMIT ?2",
            params![job, limit],
            gap_row,
        )
    }

    /// The latest hooks first, of one job.
    pub fn hooks(&self, job: &str, limit: u32) -> Result<Vec<HookRow>, StoreError> {
        self.rows(
            "SELECT * FROM hooks WHERE job = ?1 ORDER BY at DESC, id DESC LIMIT ?2",
            params![job, limit],
            hook_row,
        )
    }

    /// By name, revoked ones included.
    pub fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        people::tokens(&self.conn).map_err(|e| StoreError::sqlite(&self.path, e))
    }

    /// Whether all schedules are paused.
    pub fn paused(&self) -> Result<bool, StoreError> {
        meta(&self.conn, "paused").map_err(|e| StoreError::sqlite(&self.path, e))
    }

    /// By name, removed ones included.
    pub fn jobs(&self) -> Result<Vec<JobRow>, StoreError> {
        job_rows(&self.conn).map_err(|e| StoreError::sqlite(&self.path, e))
    }

    fn rows<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&Row) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let collect = || {
            let mut query = self.conn.prepare_cached(sql)?;
            query.query_map(params, read)?.collect::<rusqlite::Result<Vec<T>>>()
        };
        collect().map_err(|e| StoreError::sqlite(&self.path, e))
    }
}

pub(super) fn meta<T: FromSql>(conn: &Connection, key: &str) -> rusqlite::Result<T> {
    conn.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
}

pub(super) fn job_rows(conn: &Connection) -> rusqlite::Result<Vec<JobRow>> {
    let mut query = conn.prepare_cached("SELECT * FROM jobs ORDER BY name")?;
    let rows = query.query_map([], |row| {
        Ok(JobRow {
            entry: JobEntry {
                name: row.get("name")?,
                schedule: row.get("schedule")?,
                timezone: row.get("timezone")?,
            },
            first_seen: time_at(row, "first_seen")?,
            accounted_through: time_at(row, "accounted_through")?,
            removed_at: opt_time_at(row, "removed_at")?,
        })
    })?;
    rows.collect()
}

fn run_row(row: &Row) -> rusqlite::Result<RunRow> {
    Ok(RunRow {
        run: RunId(row.get::<_, i64>("id")? as u64),
        job: row.get("job")?,
        trigger: trigger_at(row)?,
        scheduled_at: opt_time_at(row, "scheduled_at")?,
        epoch: row.get("epoch")?,
        queued_at: time_at(row, "queued_at")?,
        started_at: opt_time_at(row, "started_at")?,
        finished_at: opt_time_at(row, "finished_at")?,
        state: run_state_at(row)?,
        by: row.get("requested_by")?,
        retry_of: row.get::<_, Option<i64>>("retry_of")?.map(|run| RunId(run as u64)),
        command: row.get("command")?,
    })
}

fn unit_row(row: &Row) -> rusqlite::Result<UnitRow> {
    Ok(UnitRow {
        unit: UnitId(row.get::<_, i64>("id")? as u64),
        run: RunId(row.get::<_, i64>("run")? as u64),
        node: row.get("node")?,
        attempt: row.get("attempt")?,
        state: unit_state_at(row)?,
        detail: row.get("detail")?,
        worker_pid: row.get("worker_pid")?,
        remote_pgid: row.get("remote_pgid")?,
        cookie: row.get("cookie")?,
        started_at: opt_time_at(row, "started_at")?,
        finished_at: opt_time_at(row, "finished_at")?,
        output: Output {
            inline: row.get::<_, Option<Vec<u8>>>("output")?.unwrap_or_default(),
            file: path_at(row, "output_file")?,
            bytes: row.get::<_, i64>("output_bytes")? as u64,
            truncated: row.get("output_truncated")?,
        },
    })
}

fn gap_row(row: &Row) -> rusqlite::Result<Gap> {
    Ok(Gap {
        job: row.get("job")?,
        node: row.get("node")?,
        first_at: time_at(row, "first_at")?,
        last_at: time_at(row, "last_at")?,
        count: row.get::<_, i64>("count")? as u64,
        epoch: row.get("epoch")?,
        reason: reason_at(row)?,
        run: row.get::<_, Option<i64>>("run")?.map(|run| RunId(run as u64)),
    })
}

fn hook_row(row: &Row) -> rusqlite::Result<HookRow> {
    Ok(HookRow {
        job: row.get("job")?,
        run: row.get::<_, Option<i64>>("run")?.map(|run| RunId(run as u64)),
        occasion: word_at(row, "occasion", &Occasion::ALL.map(Occasion::as_str))?,
        action: word_at(row, "action", &["command", "webhook", "mail"])?,
        at: time_at(row, "at")?,
        failure: row.get("failure")?,
    })
}

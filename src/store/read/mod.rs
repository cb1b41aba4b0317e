//! Reading the ledger, beside a daemon that writes it or without one.
//!
//! Whatever is asked, no query looks at more rows than its answer calls for: the indexes are named
//! in the queries, since SQLite has no statistics of a ledger to choose by.

mod activity;
mod instants;
mod nodes;
mod people;
mod runs;
mod search;
mod units;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row, params};

#[cfg(test)]
pub(super) use activity::{ALL, MISSED, OTHERS};
pub use activity::{SpanCount, Spans};
pub use instants::{Account, Covered, Neighbours};
pub use nodes::{Contact, Failure};
pub use people::AuditFilter;
pub use runs::Tally;
#[cfg(test)]
pub(super) use search::Query;
pub use search::RunFilter;

use super::columns::{opt_time_at, time_at, word_at};
use super::error::StoreError;
use super::meta::meta;
use super::open;
use super::record::{HookRow, JobEntry, JobRow};
use super::schema;
use crate::job::hooks::Occasion;
use crate::unit::RunId;

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
        conn.set_prepared_statement_cache_capacity(64);
        Ok(Reader { conn, path })
    }

    /// The latest hooks first, of one job.
    pub fn hooks(&self, job: &str, limit: u32) -> Result<Vec<HookRow>, StoreError> {
        self.rows(
            "SELECT * FROM hooks WHERE job = ?1 ORDER BY at DESC, id DESC LIMIT ?2",
            params![job, limit],
            hook_row,
        )
    }

    /// Whether all schedules are paused.
    pub fn paused(&self) -> Result<bool, StoreError> {
        self.read(|conn| meta(conn, "paused"))
    }

    /// Also one that was removed.
    pub fn job(&self, name: &str) -> Result<Option<JobRow>, StoreError> {
        let found = self.rows("SELECT * FROM jobs WHERE name = ?1", [name], job_row)?;
        Ok(found.into_iter().next())
    }

    /// By name, removed ones included.
    pub fn jobs(&self) -> Result<Vec<JobRow>, StoreError> {
        self.read(job_rows)
    }

    /// All of it sees the ledger as it is at one instant.
    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let at_once = || {
            let reading = self.conn.unchecked_transaction()?;
            let done = work(&reading)?;
            reading.commit()?;
            Ok(done)
        };
        at_once().map_err(|e| StoreError::sqlite(&self.path, e))
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

pub(super) fn job_rows(conn: &Connection) -> rusqlite::Result<Vec<JobRow>> {
    let mut query = conn.prepare_cached("SELECT * FROM jobs ORDER BY name")?;
    query.query_map([], job_row)?.collect()
}

fn job_row(row: &Row) -> rusqlite::Result<JobRow> {
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
}

fn run_id_at(row: &Row, column: &str) -> rusqlite::Result<Option<RunId>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|run| RunId(run as u64)))
}

fn hook_row(row: &Row) -> rusqlite::Result<HookRow> {
    Ok(HookRow {
        job: row.get("job")?,
        run: run_id_at(row, "run")?,
        occasion: word_at(row, "occasion", &Occasion::ALL.map(Occasion::as_str))?,
        action: word_at(row, "action", &["command", "webhook", "mail"])?,
        at: time_at(row, "at")?,
        failure: row.get("failure")?,
    })
}

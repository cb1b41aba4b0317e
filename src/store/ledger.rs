//! The ledger opened for writing: records in, rows out.
//!
//! Blocks on the disk; the daemon reaches it through `thread`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nix::fcntl::Flock;
use rusqlite::{Connection, params};

use super::columns::millis;
use super::error::StoreError;
use super::open;
use super::read::{self, job_rows};
use super::record::{JobRow, Record};
use super::write::{Fault, write};
use crate::unit::{RunId, UnitId};

pub struct Ledger {
    pub(super) conn: Connection,
    /// Without symlinks: output files elsewhere are not ours to delete.
    pub(super) dir: PathBuf,
    /// Where the next batch of pruning goes on: the job before it.
    pub(super) pruned_to: String,
    _lock: Flock<File>,
}

/// What an opened ledger tells the daemon that takes it over.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// Random, made with the ledger.
    pub ledger_id: String,
    /// A prefix for cookies that no other daemon uses, nor an earlier one on this ledger: its
    /// last units may never have got further than its memory, and their ids come again.
    pub cookie_prefix: String,
    pub epoch: u32,
    /// Ids never used before, not even by rows since pruned.
    pub next_run: RunId,
    pub next_unit: UnitId,
    pub jobs: Vec<JobRow>,
    pub paused: bool,
    /// Jobs whose last finished run did not succeed.
    pub failing: BTreeSet<String>,
    /// Runs that an earlier daemon left open, now `Lost`.
    pub lost_runs: Vec<RunId>,
    pub lost_units: Vec<UnitId>,
    /// Cookies of what may still run, by node: to be swept before its next unit, and then
    /// reported as [`Record::Swept`].
    pub unswept: BTreeMap<String, Vec<String>>,
}

impl Ledger {
    /// Takes the ledger in `statedir` over, or begins one. What was open becomes lost.
    ///
    /// Fails if another process writes it, and if there is a file that is not a sound ledger of
    /// a known version; such a file is left as it is.
    pub fn open(statedir: &Path, now: Timestamp) -> Result<(Ledger, Opened), StoreError> {
        let dir = open::directory(statedir)?;
        let lock = open::lock(&dir)?;
        let conn = open::writable(&dir)?;
        let mut ledger = Ledger { conn, dir, pruned_to: String::new(), _lock: lock };
        let opened = ledger.take_over(now).map_err(|e| ledger.sqlite(e))?;
        Ok((ledger, opened))
    }

    /// Writes all of the records in one transaction, or none. Returns once they are on the disk.
    pub fn apply(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let path = self.path();
        let sqlite = |e| StoreError::sqlite(&path, e);
        let chunk = self.conn.transaction().map_err(sqlite)?;
        for record in records {
            match write(&chunk, record) {
                Ok(()) => {}
                Err(Fault::Sqlite(e)) => return Err(sqlite(e)),
                Err(Fault::Refused(why)) => return Err(StoreError::Refused(why)),
            }
        }
        chunk.commit().map_err(sqlite)
    }

    /// The orderly end; without it the next start looks the file through.
    pub fn close(self) -> Result<(), StoreError> {
        let path = self.path();
        let sqlite = |e| StoreError::sqlite(&path, e);
        set_meta(&self.conn, "clean", 1).map_err(sqlite)?;
        self.conn.close().map_err(|(_, e)| sqlite(e))
    }

    pub(super) fn path(&self) -> PathBuf {
        self.dir.join(open::FILE)
    }

    pub(super) fn sqlite(&self, e: rusqlite::Error) -> StoreError {
        StoreError::sqlite(&self.path(), e)
    }

    fn take_over(&mut self, now: Timestamp) -> rusqlite::Result<Opened> {
        let start = self.conn.transaction()?;
        set_meta(&start, "clean", 0)?;
        let lost_units = start
            .prepare(
                "UPDATE units SET outcome = 'lost', finished_at = ?1,
                     detail = 'the daemon ended while it was ' || state, state = 'done'
                 WHERE state <> 'done' RETURNING id",
            )?
            .query_map([millis(now)], |row| row.get(0).map(|id: i64| UnitId(id as u64)))?
            .collect::<rusqlite::Result<_>>()?;
        let lost_runs = start
            .prepare(
                "UPDATE runs SET state = 'lost', finished_at = ?1
                 WHERE finished_at IS NULL RETURNING id",
            )?
            .query_map([millis(now)], |row| row.get(0).map(|id: i64| RunId(id as u64)))?
            .collect::<rusqlite::Result<_>>()?;
        let ledger_id: String = read::meta(&start, "ledger_id")?;
        let starts = read::meta::<i64>(&start, "starts")? + 1;
        set_meta(&start, "starts", starts)?;
        let opened = Opened {
            cookie_prefix: format!("{ledger_id}-{starts}"),
            ledger_id,
            epoch: read::meta(&start, "epoch")?,
            next_run: RunId(next_id(&start, "runs", "next_run")?),
            next_unit: UnitId(next_id(&start, "units", "next_unit")?),
            jobs: job_rows(&start)?,
            paused: read::meta(&start, "paused")?,
            failing: failing(&start)?,
            lost_runs,
            lost_units,
            unswept: unswept(&start)?,
        };
        start.commit()?;
        Ok(opened)
    }
}

/// Beyond all rows there are and, by the mark that pruning leaves, all there were.
pub(super) fn next_id(conn: &Connection, table: &str, mark: &str) -> rusqlite::Result<u64> {
    let used: Option<i64> =
        conn.query_row(&format!("SELECT max(id) FROM {table}"), [], |row| row.get(0))?;
    let mark: i64 = read::meta(conn, mark)?;
    Ok(mark.max(used.unwrap_or(0) + 1) as u64)
}

pub(super) fn set_meta(conn: &Connection, key: &str, value: i64) -> rusqlite::Result<()> {
    conn.execute("UPDATE meta SET value = ?2 WHERE key = ?1", params![key, value])?;
    Ok(())
}

/// Goes from job to job by the index: the runs of each are too many to be looked at.
pub(super) fn failing(conn: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    conn.prepare(
        "WITH RECURSIVE each (job) AS (
             SELECT min(job) FROM runs
             UNION ALL
             SELECT (SELECT min(job) FROM runs WHERE job > each.job) FROM each
             WHERE each.job IS NOT NULL)
         SELECT job FROM each WHERE 'succeeded' <> (
             SELECT state FROM runs
             WHERE runs.job = each.job AND state IN ('succeeded', 'failed', 'lost')
             ORDER BY id DESC LIMIT 1)",
    )?
    .query_map([], |row| row.get(0))?
    .collect()
}

fn unswept(conn: &Connection) -> rusqlite::Result<BTreeMap<String, Vec<String>>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut query = conn.prepare(
        "SELECT node, cookie FROM units WHERE state = 'done' AND cookie IS NOT NULL ORDER BY id",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        found.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    Ok(found)
}

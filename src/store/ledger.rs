//! The ledger opened for writing: records in, rows out.
//!
//! Blocks on the disk; the daemon reaches it through `thread`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, Transaction};

use super::columns::millis;
use super::error::StoreError;
use super::fault::Fault;
use super::meta::{meta, set_meta};
use super::open;
use super::output;
use super::people;
use super::presence::{Change, Presence};
use super::read::job_rows;
use super::record::{JobRow, Record, RequestRow, Switched, TokenRow};
use super::seal::{Mark, Seal, Stamp};
use super::write::write;
use crate::unit::{RunId, UnitId};

pub struct Ledger {
    pub(super) conn: Connection,
    /// Without symlinks: output files elsewhere are not ours to delete.
    pub(super) dir: PathBuf,
    /// Where the next batch of pruning goes on: the job before it.
    pub(super) pruned_to: String,
    presence: Presence,
    /// Found while running: nothing more is written, and the next start looks the file through.
    damage: Option<String>,
    /// The last change found no room on the disk.
    full: bool,
    /// Of the transactions that are on the disk.
    mark: Mark,
    /// Dropped last: it holds the lock.
    seal: Seal,
}

/// What an opened ledger tells the daemon that takes it over.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// Random, made with the ledger.
    pub ledger_id: String,
    /// A prefix for cookies that no other daemon uses, nor an earlier one on this ledger: its
    /// last units may never have got further than its memory, or the ledger than its backup, and
    /// then their ids come again.
    pub cookie_prefix: String,
    pub epoch: u32,
    /// Ids never used before, not even by rows since pruned.
    pub next_run: RunId,
    pub next_unit: UnitId,
    pub jobs: Vec<JobRow>,
    pub paused: bool,
    /// Jobs whose last finished run did not succeed.
    pub failing: BTreeSet<String>,
    /// Runs that an earlier daemon left open, now `Lost`, and their jobs.
    pub lost_runs: BTreeMap<RunId, String>,
    pub lost_units: Vec<UnitId>,
    /// Cookies, as they were kept, of what may still run, by node: to be swept before its next unit, and then
    /// reported as [`Record::Swept`].
    pub unswept: BTreeMap<String, Vec<String>>,
    /// Those that are good for something.
    pub tokens: Vec<TokenRow>,
    /// Jobs that are switched off by hand.
    pub switched_off: BTreeMap<String, Switched>,
    /// Of the last day, the newest first.
    pub requests: Vec<RequestRow>,
}

impl Ledger {
    /// Takes the ledger in `statedir` over, or begins one. What was open becomes lost.
    ///
    /// Fails if another process writes it, and if there is a file that is not a sound ledger of
    /// a known version; such a file is left as it is.
    pub fn open(statedir: &Path, now: Timestamp) -> Result<(Ledger, Opened), StoreError> {
        let dir = open::directory(statedir)?;
        let seal = open::lock(&dir)?;
        let mut conn = open::writable(&dir, seal.found.as_ref())?;
        let path = dir.join(open::FILE);
        let sqlite = |e| StoreError::sqlite(&path, e);
        let opened = take_over(&mut conn, &dir, now).map_err(sqlite)?;
        let mark = Mark {
            copy: meta(&conn, "copy").map_err(sqlite)?,
            commits: meta::<i64>(&conn, "commits").map_err(sqlite)? as u64,
            closed: None,
        };
        seal.set(&mark);
        let presence = Presence::new(&dir).map_err(|e| StoreError::io(&dir, e))?;
        let (pruned_to, damage, full) = (String::new(), None, false);
        Ok((Ledger { conn, dir, pruned_to, presence, damage, full, mark, seal }, opened))
    }

    /// Writes all of the records in one transaction, or none. Returns once they are on the disk.
    pub fn apply(&mut self, records: &[Record]) -> Result<(), StoreError> {
        self.change(|chunk, dir| records.iter().try_for_each(|record| write(chunk, dir, record)))
    }

    /// One transaction, on the disk when it returns; on files that are where they should be, and
    /// not known to be damaged.
    pub(super) fn change<T>(
        &mut self,
        work: impl FnOnce(&Transaction, &Path) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.look()?;
        if std::mem::take(&mut self.full) {
            self.make_room();
        }
        let commits = self.mark.commits + 1;
        let (conn, dir) = (&mut self.conn, &self.dir);
        let done = conn.transaction().map_err(Fault::from).and_then(|chunk| {
            let done = work(&chunk, dir)?;
            set_meta(&chunk, "commits", commits as i64)?;
            chunk.commit()?;
            Ok(done)
        });
        match done {
            Ok(done) => {
                self.presence.expect();
                self.mark.commits = commits;
                self.seal.set(&self.mark);
                Ok(done)
            }
            Err(Fault::Refused(why)) => Err(StoreError::Refused(why)),
            Err(Fault::Sqlite(e)) => {
                self.full = e.sqlite_error_code() == Some(ErrorCode::DiskFull);
                Err(self.note(self.sqlite(e)))
            }
        }
    }

    /// A page that is many times in the log is once in the file, and what has gone from the one
    /// into the other leaves room in the log. To be done before another attempt takes the room.
    fn make_room(&mut self) {
        // It may well fail, and may succeed at the next attempt.
        let _ = self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        self.presence.expect();
    }

    /// The orderly end; without it the next start looks the file through.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.change(|chunk, _| Ok(set_meta(chunk, "clean", 1)?))?;
        let path = self.path();
        self.conn.close().map_err(|(_, e)| StoreError::sqlite(&path, e))?;
        let closed = fs::metadata(&path).map_err(|e| StoreError::io(&path, e))?;
        let untouched = !self.presence.touched();
        self.seal.set(&Mark { closed: untouched.then(|| Stamp::of(&closed)), ..self.mark });
        Ok(())
    }

    fn look(&mut self) -> Result<(), StoreError> {
        if let Some(detail) = &self.damage {
            return Err(StoreError::Damaged { path: self.path(), detail: detail.clone() });
        }
        let found = match self.presence.look() {
            Change::None => Ok(()),
            Change::Moved(name) => Err(StoreError::Moved { dir: self.dir.clone(), name }),
            Change::Shorter { file, log } => match self.is_cut(file, log) {
                Ok(false) => Ok(()),
                Ok(true) => {
                    let detail = "it was cut short while it was being written".to_string();
                    Err(StoreError::Damaged { path: self.path(), detail })
                }
                Err(e) => Err(self.sqlite(e)),
            },
        };
        // Whatever lies there now is not ours to touch.
        open::leave_log(&self.conn, found.is_err()).map_err(|e| self.sqlite(e))?;
        found.map_err(|e| self.note(e))
    }

    /// Whether a file that became shorter is shorter than what SQLite knows to be in it, which
    /// may have shortened it itself, at somebody's `VACUUM` or `wal_checkpoint`.
    fn is_cut(&self, file: bool, log: bool) -> rusqlite::Result<bool> {
        const LOG_HEADER: u64 = 32;
        const FRAME_HEADER: u64 = 24;
        let number = |pragma: &str, column| {
            self.conn.query_row(pragma, [], |row| row.get(column)).map(|n: i64| n.max(0) as u64)
        };
        let page = number("PRAGMA page_size", 0)?;
        let in_file = number("PRAGMA page_count", 0)? * page;
        let frames = number("PRAGMA wal_checkpoint(NOOP)", 1)?;
        let in_log = if frames == 0 { 0 } else { LOG_HEADER + frames * (FRAME_HEADER + page) };
        let (file_len, log_len) = self.presence.lengths();
        Ok(file && file_len < in_file || log && log_len < in_log)
    }

    /// Damage is for good: what is written to a damaged file may never be read.
    fn note(&mut self, e: StoreError) -> StoreError {
        if let StoreError::Damaged { detail, .. } = &e {
            self.damage = Some(detail.clone());
            // At worst the next start finds the damage in the file alone.
            let _ = open::leave_log(&self.conn, true);
        }
        e
    }

    fn path(&self) -> PathBuf {
        self.dir.join(open::FILE)
    }

    fn sqlite(&self, e: rusqlite::Error) -> StoreError {
        StoreError::sqlite(&self.path(), e)
    }
}

/// What was open becomes lost.
fn take_over(conn: &mut Connection, dir: &Path, now: Timestamp) -> rusqlite::Result<Opened> {
    let start = conn.transaction()?;
    set_meta(&start, "clean", 0)?;
    let lost_units: Vec<UnitId> = start
        .prepare(
            "UPDATE units SET outcome = 'lost', finished_at = ?1,
                 detail = 'the daemon ended while it was ' || state, state = 'done'
             WHERE state <> 'done' RETURNING id",
        )?
        .query_map([millis(now)], |row| row.get(0).map(|id: i64| UnitId(id as u64)))?
        .collect::<rusqlite::Result<_>>()?;
    for unit in &lost_units {
        output::adopt(&start, dir, *unit)?;
    }
    let lost_runs = start
        .prepare(
            "UPDATE runs SET state = 'lost', finished_at = ?1
             WHERE finished_at IS NULL RETURNING id, job",
        )?
        .query_map([millis(now)], |row| Ok((RunId(row.get::<_, i64>(0)? as u64), row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let starts = meta::<i64>(&start, "starts")? + 1;
    set_meta(&start, "starts", starts)?;
    let opened = Opened {
        cookie_prefix: format!("{}-{starts}", meta::<String>(&start, "copy")?),
        ledger_id: meta(&start, "ledger_id")?,
        epoch: meta(&start, "epoch")?,
        next_run: RunId(next_id(&start, "runs", "next_run")?),
        next_unit: UnitId(next_id(&start, "units", "next_unit")?),
        jobs: job_rows(&start)?,
        paused: meta(&start, "paused")?,
        failing: failing(&start)?,
        lost_runs,
        lost_units,
        unswept: unswept(&start)?,
        tokens: people::tokens(&start)?.into_iter().filter(|t| t.revoked_at.is_none()).collect(),
        switched_off: people::switched_off(&start)?,
        requests: people::requests_of_the_day(&start, now)?,
    };
    start.commit()?;
    Ok(opened)
}

/// Beyond all rows there are and, by the mark that pruning leaves, all there were.
pub(super) fn next_id(conn: &Connection, table: &str, mark: &str) -> rusqlite::Result<u64> {
    let used: Option<i64> =
        conn.query_row(&format!("SELECT max(id) FROM {table}"), [], |row| row.get(0))?;
    let mark: i64 = meta(conn, mark)?;
    Ok(mark.max(used.unwrap_or(0) + 1) as u64)
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

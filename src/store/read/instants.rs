//! What became of an instant: the run or the gap that covers it, and what lies around it.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::runs::run_row;
use super::{Reader, run_id_at};
use crate::store::columns::{millis, reason_at, time_at};
use crate::store::error::StoreError;
use crate::store::record::{Gap, RunRow};

/// Gaps of a job seldom overlap, and never many of them.
const OVERLAPPING: u32 = 20;

/// What the ledger has on an instant. More than one run, or run and gap, where the clock was set
/// back and the instant came again, or where a gap had to reach over what was covered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Covered {
    /// Earlier epochs first.
    pub runs: Vec<RunRow>,
    /// Of the whole job, and of single nodes that the run lacks.
    pub gaps: Vec<Gap>,
}

/// What accounts for an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    Run(RunRow),
    Gap(Gap),
}

/// What is nearest to an instant, without covering it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Neighbours {
    pub before: Option<Account>,
    pub after: Option<Account>,
}

impl Reader {
    /// A job's gaps, the latest first.
    pub fn gaps(&self, job: &str, limit: u32) -> Result<Vec<Gap>, StoreError> {
        self.rows(
            "SELECT * FROM gaps WHERE job = ?1 ORDER BY first_at DESC, id DESC LIMIT ?2",
            params![job, limit],
            gap_row,
        )
    }

    /// In one epoch of the clock, or in all. Gaps of single nodes are found by the instant they
    /// begin at: they are never longer.
    pub fn covering(
        &self,
        job: &str,
        instant: Timestamp,
        epoch: Option<u32>,
    ) -> Result<Covered, StoreError> {
        let at = millis(instant);
        self.read(|conn| {
            let runs = conn
                .prepare_cached(
                    "SELECT * FROM runs WHERE job = ?1 AND scheduled_at = ?2
                         AND (?3 IS NULL OR epoch = ?3)
                     ORDER BY epoch",
                )?
                .query_map(params![job, at, epoch], run_row)?
                .collect::<rusqlite::Result<_>>()?;
            let mut gaps = Vec::new();
            for epoch in epochs(conn, job)?.into_iter().filter(|e| epoch.is_none_or(|x| x == *e)) {
                let mut near = before(conn, job, epoch, at + 1)?;
                near.retain(|gap| gap.last_at >= instant);
                gaps.extend(near);
            }
            let of_nodes = conn
                .prepare_cached(
                    "SELECT * FROM gaps INDEXED BY gaps_of_job
                     WHERE job = ?1 AND first_at = ?2 AND node IS NOT NULL
                         AND (?3 IS NULL OR epoch = ?3)
                     ORDER BY epoch, id",
                )?
                .query_map(params![job, at, epoch], gap_row)?
                .collect::<rusqlite::Result<Vec<Gap>>>()?;
            gaps.extend(of_nodes);
            Ok(Covered { runs, gaps })
        })
    }

    /// Scheduled runs, and gaps of the whole job.
    pub fn neighbours(&self, job: &str, instant: Timestamp) -> Result<Neighbours, StoreError> {
        let at = millis(instant);
        self.read(|conn| {
            let run = |sql: &str| {
                let mut query = conn.prepare_cached(sql)?;
                query.query_row(params![job, at], run_row).optional()
            };
            let run_before = run("SELECT * FROM runs WHERE job = ?1 AND scheduled_at < ?2
                 ORDER BY scheduled_at DESC, epoch DESC LIMIT 1")?;
            let run_after = run("SELECT * FROM runs WHERE job = ?1 AND scheduled_at > ?2
                 ORDER BY scheduled_at, epoch LIMIT 1")?;
            let (mut gaps_before, mut gaps_after) = (Vec::new(), Vec::new());
            for epoch in epochs(conn, job)? {
                gaps_before.extend(before(conn, job, epoch, at)?);
                gaps_after.extend(after(conn, job, epoch, at)?);
            }
            let gap_before =
                gaps_before.into_iter().filter(|g| g.last_at < instant).max_by_key(|g| g.last_at);
            let gap_after = gaps_after.into_iter().min_by_key(|g| g.first_at);
            Ok(Neighbours {
                before: match (run_before, gap_before) {
                    (Some(run), Some(gap)) if run.scheduled_at < Some(gap.last_at) => {
                        Some(Account::Gap(gap))
                    }
                    (run, gap) => run.map(Account::Run).or(gap.map(Account::Gap)),
                },
                after: match (run_after, gap_after) {
                    (Some(run), Some(gap)) if run.scheduled_at > Some(gap.first_at) => {
                        Some(Account::Gap(gap))
                    }
                    (run, gap) => run.map(Account::Run).or(gap.map(Account::Gap)),
                },
            })
        })
    }
}

/// Epochs in which the job has gaps.
fn epochs(conn: &Connection, job: &str) -> rusqlite::Result<Vec<u32>> {
    conn.prepare_cached(
        "WITH RECURSIVE each (epoch) AS (
             SELECT min(epoch) FROM gaps INDEXED BY gaps_in_time WHERE job = ?1 AND node IS NULL
             UNION ALL
             SELECT (SELECT min(epoch) FROM gaps INDEXED BY gaps_in_time
                     WHERE job = ?1 AND node IS NULL AND epoch > each.epoch)
             FROM each WHERE each.epoch IS NOT NULL)
         SELECT epoch FROM each WHERE epoch IS NOT NULL",
    )?
    .query_map([job], |row| row.get(0))?
    .collect()
}

/// The job's last gaps that begin before `at`.
fn before(conn: &Connection, job: &str, epoch: u32, at: i64) -> rusqlite::Result<Vec<Gap>> {
    conn.prepare_cached(
        "SELECT * FROM gaps INDEXED BY gaps_in_time
         WHERE job = ?1 AND epoch = ?2 AND first_at < ?3 AND node IS NULL
         ORDER BY first_at DESC LIMIT ?4",
    )?
    .query_map(params![job, epoch, at, OVERLAPPING], gap_row)?
    .collect()
}

/// The job's first gap that begins after `at`.
fn after(conn: &Connection, job: &str, epoch: u32, at: i64) -> rusqlite::Result<Option<Gap>> {
    conn.prepare_cached(
        "SELECT * FROM gaps INDEXED BY gaps_in_time
         WHERE job = ?1 AND epoch = ?2 AND first_at > ?3 AND node IS NULL
         ORDER BY first_at LIMIT 1",
    )?
    .query_row(params![job, epoch, at], gap_row)
    .optional()
}

pub(super) fn gap_row(row: &Row) -> rusqlite::Result<Gap> {
    Ok(Gap {
        job: row.get("job")?,
        node: row.get("node")?,
        first_at: time_at(row, "first_at")?,
        last_at: time_at(row, "last_at")?,
        count: row.get::<_, i64>("count")? as u64,
        epoch: row.get("epoch")?,
        reason: reason_at(row)?,
        run: run_id_at(row, "run")?,
    })
}

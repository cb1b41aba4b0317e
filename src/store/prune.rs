//! Forgetting what is older than the user wants to keep, a little at a time.
//!
//! The runs of a flow's parts go with the flow and not before it, whatever is kept of their jobs, and
//! count for nothing there. A flow that goes loses its plan first: half of it is not to be taken up.
//! Output files go before the rows that name them: a crash in between leaves a row whose file is
//! gone, never a file that nobody knows.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::columns::{millis, path_at};
use super::error::StoreError;
use super::ledger::{Ledger, next_id};
use super::meta::set_meta;
use super::output::tail_of;
use super::people;
use crate::unit::RunId;

/// The last runs of a job that stay whatever the limits say.
const LAST: u32 = 10;
/// The hooks of a job that stay if they are young enough.
const HOOKS: u32 = 1000;
/// Rows deleted, and about how many files, in one batch.
const BATCH: usize = 1000;
/// Looking at a job costs about as much as deleting this many rows.
const LOOK: usize = 25;

/// What to keep. Runs that are not finished stay, and the last 10 of each job do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    pub days: u32,
    /// For each job.
    pub runs: u32,
    /// Of output files, over all jobs; beyond it the oldest files go, and their rows stay.
    pub bytes: u64,
}

/// What one batch has deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    pub runs: u64,
    pub gaps: u64,
    pub hooks: u64,
    /// Entries of the audit.
    pub audit: u64,
    pub requests: u64,
    pub files: u64,
    /// There is another batch to do.
    pub more: bool,
}

impl std::ops::AddAssign for Pruned {
    fn add_assign(&mut self, batch: Pruned) {
        self.runs += batch.runs;
        self.gaps += batch.gaps;
        self.hooks += batch.hooks;
        self.audit += batch.audit;
        self.requests += batch.requests;
        self.files += batch.files;
        self.more = batch.more;
    }
}

/// A batch under way.
struct Batch<'a> {
    conn: &'a Connection,
    dir: &'a Path,
    keep: Retention,
    /// What ended before it is too old.
    cutoff: Timestamp,
    /// The same for requests.
    forgotten: Timestamp,
    /// Rows that may still be deleted.
    budget: usize,
    done: Pruned,
}

impl Ledger {
    /// One bounded batch. Call again while it says `more`.
    pub fn prune(&mut self, keep: Retention, now: Timestamp) -> Result<Pruned, StoreError> {
        let age = SignedDuration::from_hours(24 * i64::from(keep.days));
        let cutoff = now.checked_sub(age).unwrap_or(Timestamp::MIN);
        let forgotten = now.checked_sub(people::REMEMBERED).unwrap_or(Timestamp::MIN);
        let from = self.pruned_to.clone();
        let (reached, done) = self.change(|change, dir| {
            let done = Pruned::default();
            let budget = BATCH;
            Ok(Batch { conn: change, dir, keep, cutoff, forgotten, budget, done }.run(from)?)
        })?;
        self.pruned_to = reached;
        Ok(done)
    }
}

impl Batch<'_> {
    /// Goes through the jobs after `job` as far as the budget reaches. Returns where to go on.
    fn run(mut self, mut job: String) -> rusqlite::Result<(String, Pruned)> {
        self.done.more = true;
        while self.budget > 0 {
            let Some(next) = self.job_after(&job)? else {
                self.forget_people()?;
                self.delete_orphans()?;
                if self.budget == 0 {
                    break;
                }
                self.drop_files_beyond_bytes()?;
                return Ok((String::new(), self.done));
            };
            self.budget = self.budget.saturating_sub(LOOK);
            self.prune_job(&next)?;
            if self.budget > 0 {
                job = next;
            }
        }
        Ok((job, self.done))
    }

    fn job_after(&self, job: &str) -> rusqlite::Result<Option<String>> {
        self.conn
            .prepare_cached(
                "SELECT min(name) FROM (
                     SELECT min(name) AS name FROM jobs WHERE name > ?1
                     UNION ALL SELECT min(job) FROM runs WHERE job > ?1
                     UNION ALL SELECT min(job) FROM gaps WHERE job > ?1
                     UNION ALL SELECT min(job) FROM hooks WHERE job > ?1)",
            )?
            .query_row([job], |row| row.get(0))
    }

    fn prune_job(&mut self, job: &str) -> rusqlite::Result<()> {
        let long_gone: bool = self
            .conn
            .prepare_cached("SELECT removed_at < ?2 FROM jobs WHERE name = ?1")?
            .query_row(params![job, millis(self.cutoff)], |row| {
                row.get(0).map(|gone: Option<bool>| gone.unwrap_or(false))
            })
            .optional()?
            .unwrap_or(false);
        let last = if long_gone { 0 } else { LAST };
        let too_many = self.runs_beyond(job, self.keep.runs.max(last))?;
        let Some(unprotected) = self.runs_beyond(job, last)? else {
            return self.finish_job(job, long_gone);
        };
        let runs: Vec<RunId> = self
            .conn
            .prepare_cached(
                "SELECT id FROM runs WHERE job = :job AND flow IS NULL AND id <= :unprotected
                     AND finished_at IS NOT NULL AND (finished_at < :cutoff OR id <= :too_many)
                 ORDER BY id LIMIT :limit",
            )?
            .query_map(
                named_params! {
                    ":job": job,
                    ":unprotected": unprotected,
                    ":cutoff": millis(self.cutoff),
                    ":too_many": too_many.unwrap_or(0),
                    ":limit": self.budget as i64,
                },
                |row| row.get(0).map(|id: i64| RunId(id as u64)),
            )?
            .collect::<rusqlite::Result<_>>()?;
        for run in runs {
            if !self.delete_whole(run)? {
                return Ok(());
            }
        }
        self.finish_job(job, long_gone)
    }

    /// The run with its parts, if it is a flow; `false`: there is more of it than may go now.
    fn delete_whole(&mut self, run: RunId) -> rusqlite::Result<bool> {
        self.conn.prepare_cached("DELETE FROM plans WHERE run = ?1")?.execute([run.0 as i64])?;
        let parts: Vec<RunId> = self
            .conn
            .prepare_cached("SELECT id FROM runs WHERE flow = ?1 ORDER BY id")?
            .query_map([run.0 as i64], |row| row.get(0).map(|id: i64| RunId(id as u64)))?
            .collect::<rusqlite::Result<_>>()?;
        for each in parts.into_iter().chain([run]) {
            if self.budget == 0 {
                return Ok(false);
            }
            self.delete_run(each)?;
        }
        Ok(true)
    }

    /// Parts of flows that are gone, which only another program can have brought about.
    fn delete_orphans(&mut self) -> rusqlite::Result<()> {
        let orphans: Vec<RunId> = self
            .conn
            .prepare_cached(
                "SELECT id FROM runs AS p WHERE flow IS NOT NULL AND finished_at IS NOT NULL
                     AND NOT EXISTS (SELECT 1 FROM runs WHERE id = p.flow) LIMIT ?1",
            )?
            .query_map([self.budget as i64], |row| row.get(0).map(|id: i64| RunId(id as u64)))?
            .collect::<rusqlite::Result<_>>()?;
        for run in orphans {
            if self.budget > 0 {
                self.delete_run(run)?;
            }
        }
        Ok(())
    }

    /// The newest run of the job beyond its last `count`.
    fn runs_beyond(&self, job: &str, count: u32) -> rusqlite::Result<Option<i64>> {
        self.conn
            .prepare_cached(
                "SELECT id FROM runs WHERE job = ?1 AND flow IS NULL
                 ORDER BY id DESC LIMIT 1 OFFSET ?2",
            )?
            .query_row(params![job, count], |row| row.get(0))
            .optional()
    }

    fn delete_run(&mut self, run: RunId) -> rusqlite::Result<()> {
        let files: Vec<PathBuf> = self
            .conn
            .prepare_cached(
                "SELECT output_file FROM units WHERE run = ?1 AND output_file IS NOT NULL",
            )?
            .query_map([run.0 as i64], |row| path_at(row, "output_file"))?
            .filter_map(Result::transpose)
            .collect::<rusqlite::Result<_>>()?;
        for file in &files {
            self.delete_file(file);
        }
        if self.done.runs == 0 {
            self.mark_ids()?;
        }
        let units = self
            .conn
            .prepare_cached("DELETE FROM units WHERE run = ?1")?
            .execute([run.0 as i64])?;
        self.conn.prepare_cached("DELETE FROM runs WHERE id = ?1")?.execute([run.0 as i64])?;
        self.budget = self.budget.saturating_sub(units + 1);
        self.done.runs += 1;
        Ok(())
    }

    /// So that no id is used twice, even if the last of them goes.
    fn mark_ids(&self) -> rusqlite::Result<()> {
        set_meta(self.conn, "next_run", next_id(self.conn, "runs", "next_run")? as i64)?;
        set_meta(self.conn, "next_unit", next_id(self.conn, "units", "next_unit")? as i64)
    }

    /// The job's gaps and hooks, and itself if nothing is left of it.
    fn finish_job(&mut self, job: &str, long_gone: bool) -> rusqlite::Result<()> {
        let gaps = self
            .conn
            .prepare_cached(
                "DELETE FROM gaps WHERE id IN (
                     SELECT id FROM gaps WHERE job = ?1 AND first_at < ?2 AND last_at < ?2 LIMIT ?3)",
            )?
            .execute(params![job, millis(self.cutoff), self.budget as i64])?;
        self.budget = self.budget.saturating_sub(gaps);
        self.done.gaps += gaps as u64;
        let hooks = self
            .conn
            .prepare_cached(
                "DELETE FROM hooks WHERE id IN (
                     SELECT id FROM hooks WHERE job = ?1 AND at < ?2
                     UNION ALL
                     SELECT id FROM (SELECT id FROM hooks WHERE job = ?1
                                     ORDER BY at DESC, id DESC LIMIT -1 OFFSET ?3)
                     LIMIT ?4)",
            )?
            .execute(params![job, millis(self.cutoff), HOOKS, self.budget as i64])?;
        self.budget = self.budget.saturating_sub(hooks);
        self.done.hooks += hooks as u64;
        if long_gone {
            self.conn
                .prepare_cached(
                    "DELETE FROM jobs WHERE name = ?1
                         AND NOT EXISTS (SELECT 1 FROM runs WHERE job = ?1)
                         AND NOT EXISTS (SELECT 1 FROM gaps WHERE job = ?1)
                         AND NOT EXISTS (SELECT 1 FROM hooks WHERE job = ?1)",
                )?
                .execute([job])?;
        }
        Ok(())
    }

    /// What was done and asked for too long ago, and the switches of jobs that are no more.
    fn forget_people(&mut self) -> rusqlite::Result<()> {
        let audit = self
            .conn
            .prepare_cached(
                "DELETE FROM audit WHERE id IN (
                     SELECT id FROM audit WHERE at < ?1 ORDER BY at LIMIT ?2)",
            )?
            .execute(params![millis(self.cutoff), self.budget as i64])?;
        self.budget = self.budget.saturating_sub(audit);
        self.done.audit += audit as u64;
        let requests = self
            .conn
            .prepare_cached(
                "DELETE FROM requests WHERE (who, key) IN (
                     SELECT who, key FROM requests WHERE at < ?1 ORDER BY at LIMIT ?2)",
            )?
            .execute(params![millis(self.forgotten), self.budget as i64])?;
        self.budget = self.budget.saturating_sub(requests);
        self.done.requests += requests as u64;
        self.conn
            .prepare_cached("DELETE FROM switched_off WHERE job NOT IN (SELECT name FROM jobs)")?
            .execute([])?;
        Ok(())
    }

    fn drop_files_beyond_bytes(&mut self) -> rusqlite::Result<()> {
        let stored: i64 = self.conn.query_row(
            "SELECT ifnull(sum(file_bytes), 0) FROM units WHERE output_file IS NOT NULL",
            [],
            |row| row.get(0),
        )?;
        let mut excess = (stored as u64).saturating_sub(self.keep.bytes);
        self.done.more = false;
        if excess == 0 {
            return Ok(());
        }
        let oldest: Vec<(i64, Option<PathBuf>, u64)> = self
            .conn
            .prepare_cached(
                "SELECT u.id, u.output_file, u.file_bytes
                 FROM units AS u CROSS JOIN runs AS p ON p.id = u.run
                     CROSS JOIN runs AS r ON r.id = ifnull(p.flow, p.id)
                 WHERE u.output_file IS NOT NULL AND r.finished_at IS NOT NULL
                     AND EXISTS (SELECT 1 FROM runs
                                 WHERE job = r.job AND flow IS NULL AND id > r.id
                                 LIMIT 1 OFFSET ?1)
                 ORDER BY u.id LIMIT ?2",
            )?
            .query_map(params![LAST - 1, self.budget as i64], |row| {
                let bytes: i64 = row.get(2)?;
                Ok((row.get(0)?, path_at(row, "output_file")?, bytes as u64))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let candidates = oldest.len();
        for (unit, file, bytes) in oldest {
            if excess == 0 {
                break;
            }
            if let Some(file) = file {
                self.delete_file(&file);
            }
            self.conn
                .prepare_cached(
                    "UPDATE units SET output_file = NULL, file_bytes = 0 WHERE id = ?1",
                )?
                .execute([unit])?;
            excess = excess.saturating_sub(bytes);
        }
        self.done.more = excess > 0 && candidates == self.budget;
        Ok(())
    }

    /// Workers name the files, and a worker handles what nodes send: only what lies in the state
    /// directory is deleted. A file that cannot be is no reason to keep the row.
    fn delete_file(&mut self, file: &Path) {
        if !is_inside(self.dir, file) {
            log::warn!("{}: not in {}, so not deleted", file.display(), self.dir.display());
            return;
        }
        for path in [file.to_path_buf(), tail_of(file)] {
            match fs::remove_file(&path) {
                Ok(()) => self.done.files += 1,
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => {
                    log::warn!("{}: output past its time cannot be deleted: {e}", path.display())
                }
            }
        }
    }
}

fn is_inside(dir: &Path, file: &Path) -> bool {
    file.components().all(|part| part != Component::ParentDir)
        && file
            .parent()
            .and_then(|parent| fs::canonicalize(parent).ok())
            .is_some_and(|parent| parent.starts_with(dir) && parent != dir)
}

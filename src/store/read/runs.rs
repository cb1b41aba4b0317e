//! Runs: one, the last of each job, those that are asked for, and how their units fare.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row};

use super::search::{self, RunFilter};
use super::{Reader, run_id_at};
use crate::job::flow::Place;
use crate::store::columns::{opt_time_at, run_state_at, time_at, trigger_at};
use crate::store::error::StoreError;
use crate::store::record::RunRow;
use crate::unit::RunId;

/// A run's nodes, by the last attempt on each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub total: u32,
    pub succeeded: u32,
    /// In whatever way: also unreachable, timed out, crashed.
    pub failed: u32,
    pub cancelled: u32,
    pub lost: u32,
    pub skipped: u32,
    /// Queued or running.
    pub open: u32,
}

impl Reader {
    pub fn run(&self, run: RunId) -> Result<Option<RunRow>, StoreError> {
        self.read(|conn| run_by_id(conn, run.0 as i64))
    }

    /// The latest runs first, of one job or of all, below `before` if given.
    pub fn runs(
        &self,
        job: Option<&str>,
        before: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<RunRow>, StoreError> {
        let filter = RunFilter { job: job.map(str::to_owned), ..RunFilter::default() };
        self.runs_where(&filter, before, limit)
    }

    /// The latest runs first, below `before` if given.
    pub fn runs_where(
        &self,
        filter: &RunFilter,
        before: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<RunRow>, StoreError> {
        self.read(|conn| {
            let ids = search::ids(conn, filter, before, limit as usize)?;
            ids.into_iter().filter_map(|id| run_by_id(conn, id).transpose()).collect()
        })
    }

    /// Runs that are parts of this flow, in the order of their places.
    pub fn parts(&self, flow: RunId) -> Result<Vec<RunRow>, StoreError> {
        self.read(|conn| {
            let mut query = conn
                .prepare_cached("SELECT * FROM runs WHERE flow = ?1 ORDER BY slot, part, rescue")?;
            query.query_map([flow.0 as i64], run_row)?.collect()
        })
    }

    /// What the flow was to do, as JSON; `None` of a run that is no flow.
    pub fn plan(&self, flow: RunId) -> Result<Option<String>, StoreError> {
        self.read(|conn| {
            let mut query = conn.prepare_cached("SELECT plan FROM plans WHERE run = ?1")?;
            query.query_row([flow.0 as i64], |row| row.get(0)).optional()
        })
    }

    /// The latest run of each of the jobs that has had one.
    pub fn last_runs(&self, jobs: &[&str]) -> Result<BTreeMap<String, RunRow>, StoreError> {
        self.read(|conn| {
            let mut latest = conn.prepare_cached(
                "SELECT * FROM runs INDEXED BY runs_of_job WHERE job = ?1
                 ORDER BY id DESC LIMIT 1",
            )?;
            let mut found = BTreeMap::new();
            for job in jobs {
                if let Some(run) = latest.query_row([job], run_row).optional()? {
                    found.insert((*job).to_owned(), run);
                }
            }
            Ok(found)
        })
    }

    /// The latest run of each of the jobs whose latest is in one of these states, in their words.
    /// Looks no further than it must: of many jobs there are mostly few.
    pub fn last_runs_in(
        &self,
        jobs: &[&str],
        states: &[&str],
    ) -> Result<BTreeMap<String, RunRow>, StoreError> {
        self.read(|conn| {
            let mut query = conn.prepare_cached(
                "SELECT runs.id FROM (
                     SELECT (SELECT id FROM runs INDEXED BY runs_of_job WHERE job = value
                             ORDER BY id DESC LIMIT 1) AS latest
                     FROM json_each(?1))
                 CROSS JOIN runs ON runs.id = latest
                 WHERE runs.state IN (SELECT value FROM json_each(?2))",
            )?;
            let [jobs, states] = [jobs, states].map(|words| serde_json::json!(words).to_string());
            let ids: Vec<i64> =
                query.query_map([jobs, states], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let mut found = BTreeMap::new();
            for id in ids {
                found.extend(run_by_id(conn, id)?.map(|run| (run.job.clone(), run)));
            }
            Ok(found)
        })
    }

    /// Of each of the runs that has units; a flow has those of its parts.
    pub fn tallies(&self, runs: &[RunId]) -> Result<BTreeMap<RunId, Tally>, StoreError> {
        let ids: Vec<u64> = runs.iter().map(|run| run.0).collect();
        self.read(|conn| {
            let mut tallies: BTreeMap<RunId, Tally> = BTreeMap::new();
            // The columns beside max() are those of the row that has it.
            let mut query = conn.prepare_cached(
                "SELECT run, outcome, max(attempt) FROM units
                 WHERE run IN (SELECT value FROM json_each(?1)) GROUP BY run, node
                 UNION ALL
                 SELECT flow, outcome, attempt FROM (
                     SELECT r.flow AS flow, u.outcome AS outcome, max(u.attempt) AS attempt
                     FROM runs AS r JOIN units AS u ON u.run = r.id
                     WHERE r.flow IN (SELECT value FROM json_each(?1)) GROUP BY u.run, u.node)",
            )?;
            let mut rows = query.query([serde_json::json!(ids).to_string()])?;
            while let Some(row) = rows.next()? {
                let tally = tallies.entry(RunId(row.get::<_, i64>(0)? as u64)).or_default();
                tally.total += 1;
                *match row.get_ref(1)?.as_str_or_null()? {
                    None => &mut tally.open,
                    Some("succeeded") => &mut tally.succeeded,
                    Some("cancelled") => &mut tally.cancelled,
                    Some("lost") => &mut tally.lost,
                    Some("skipped") => &mut tally.skipped,
                    Some(_) => &mut tally.failed,
                } += 1;
            }
            Ok(tallies)
        })
    }
}

fn run_by_id(conn: &Connection, id: i64) -> rusqlite::Result<Option<RunRow>> {
    let mut query = conn.prepare_cached("SELECT * FROM runs WHERE id = ?1")?;
    query.query_row([id], run_row).optional()
}

fn within_at(row: &Row) -> rusqlite::Result<Option<(RunId, Place)>> {
    let Some(flow) = run_id_at(row, "flow")? else { return Ok(None) };
    let place =
        Place { slot: row.get("slot")?, part: row.get("part")?, rescue: row.get("rescue")? };
    Ok(Some((flow, place)))
}

pub(super) fn run_row(row: &Row) -> rusqlite::Result<RunRow> {
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
        retry_of: run_id_at(row, "retry_of")?,
        command: row.get("command")?,
        within: within_at(row)?,
    })
}

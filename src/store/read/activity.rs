//! What happened in a span of time, in numbers: runs by what became of them, and what did not run.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{CachedStatement, Connection, params};

use super::Reader;
use super::instants::gap_row;
use super::search::{self, RunFilter};
use crate::access::Globs;
use crate::store::columns::{millis, word_at};
use crate::store::error::StoreError;
use crate::store::record::{Gap, RunState};

/// So many runs of a state were queued in the span of the clock that begins `at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanCount {
    pub at: Timestamp,
    /// One of [`RunState::WORDS`].
    pub state: &'static str,
    pub count: u64,
}

/// From when to when, the end excluded, and how long each span is. Spans begin where the time since
/// 1970 is a multiple of `step`.
#[derive(Debug, Clone, Copy)]
pub struct Spans {
    pub since: Timestamp,
    pub until: Timestamp,
    pub step: SignedDuration,
}

/// Within ids `?1` to `?2` and the times from `?3` until before `?4`.
const WITHIN: &str = "id BETWEEN ?1 AND ?2 AND queued_at >= ?3 AND queued_at < ?4";

/// Most runs succeed and are no parts: these are all others, from the indexes that have only them.
pub(in crate::store) const OTHERS: [&str; 3] = [
    "SELECT queued_at, state, flow FROM runs INDEXED BY runs_open
     WHERE finished_at IS NULL AND ",
    "SELECT queued_at, state, flow FROM runs INDEXED BY runs_unlike
     WHERE state IN ('failed', 'cancelled', 'lost', 'skipped') AND ",
    "SELECT queued_at, state, flow FROM runs INDEXED BY runs_by_hand
     WHERE trigger <> 'schedule' AND trigger = 'flow' AND flow IS NOT NULL
         AND state = 'succeeded' AND ",
];
pub(in crate::store) const ALL: &str =
    "SELECT count(*) FROM runs INDEXED BY runs_in_time WHERE queued_at >= ?1 AND queued_at < ?2";
const OF_JOB: &str = "SELECT queued_at, state, flow FROM runs INDEXED BY runs_of_job
     WHERE job = ?5 AND flow IS NULL AND ";
const OF_ANY: &str = "SELECT queued_at, state, flow, job FROM runs NOT INDEXED
     WHERE flow IS NULL AND ";
pub(in crate::store) const MISSED: &str = "SELECT * FROM gaps INDEXED BY gaps_lately
     WHERE node IS NULL AND last_at >= ?1 AND first_at < ?2 AND run IS NULL";

impl Reader {
    /// Runs of these jobs by span and state, in order; without parts of flows.
    pub fn activity(&self, jobs: &Globs, spans: Spans) -> Result<Vec<SpanCount>, StoreError> {
        let filter = RunFilter {
            jobs: jobs.clone(),
            since: Some(spans.since),
            until: Some(spans.until),
            ..RunFilter::default()
        };
        self.read(|conn| {
            let Some(ids) = search::range(conn, &filter, None)? else { return Ok(Vec::new()) };
            let mut counts = Counts { conn, spans, ids, of: BTreeMap::new() };
            match search::few_jobs(conn, &filter)? {
                Some(few) => counts.each(&few)?,
                None if jobs.is_all() => counts.all()?,
                None => counts.seen(jobs)?,
            }
            Ok(counts.told())
        })
    }

    /// Gaps of whole jobs, of which a part may lie in that time.
    pub fn missed(
        &self,
        jobs: &Globs,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Gap>, StoreError> {
        let mut gaps = self.rows(MISSED, params![millis(since), millis(until)], gap_row)?;
        gaps.retain(|gap| jobs.see(&gap.job));
        Ok(gaps)
    }
}

struct Counts<'a> {
    conn: &'a Connection,
    spans: Spans,
    /// The first and the last that can be in that time.
    ids: (i64, i64),
    of: BTreeMap<(i64, usize), i64>,
}

impl Counts<'_> {
    /// By counting entries of an index, which are far faster than rows: what none of the others is
    /// has succeeded.
    fn all(&mut self) -> rusqlite::Result<()> {
        let (since, until, step) = self.millis();
        let succeeded = place("succeeded");
        let mut count = self.conn.prepare_cached(ALL)?;
        let (mut first, mut nth) = (since, since.div_euclid(step));
        while first < until {
            let next = (nth + 1).saturating_mul(step);
            let found: i64 = count.query_row([first, next.min(until)], |row| row.get(0))?;
            self.of.insert((nth, succeeded), found);
            (first, nth) = (next, nth + 1);
        }
        for others in OTHERS {
            let query = self.conn.prepare_cached(&format!("{others}{WITHIN}"))?;
            self.walk(query, None, |counts, nth, state, is_part| {
                *counts.entry((nth, succeeded)).or_default() -= 1;
                if !is_part {
                    *counts.entry((nth, state)).or_default() += 1;
                }
            })?;
        }
        Ok(())
    }

    fn each(&mut self, jobs: &[String]) -> rusqlite::Result<()> {
        for job in jobs {
            let query = self.conn.prepare_cached(&format!("{OF_JOB}{WITHIN}"))?;
            self.walk(query, Some(job), |counts, nth, state, _| {
                *counts.entry((nth, state)).or_default() += 1;
            })?;
        }
        Ok(())
    }

    fn seen(&mut self, jobs: &Globs) -> rusqlite::Result<()> {
        let (since, until, step) = self.millis();
        let mut query = self.conn.prepare_cached(&format!("{OF_ANY}{WITHIN}"))?;
        let mut rows = query.query(params![self.ids.0, self.ids.1, since, until])?;
        while let Some(row) = rows.next()? {
            if jobs.see(row.get_ref("job")?.as_str()?) {
                let nth = row.get::<_, i64>("queued_at")?.div_euclid(step);
                let state = place(word_at(row, "state", &RunState::WORDS)?);
                *self.of.entry((nth, state)).or_default() += 1;
            }
        }
        Ok(())
    }

    fn walk(
        &mut self,
        mut query: CachedStatement,
        job: Option<&String>,
        count: impl Fn(&mut BTreeMap<(i64, usize), i64>, i64, usize, bool),
    ) -> rusqlite::Result<()> {
        let (since, until, step) = self.millis();
        let mut rows = match job {
            Some(job) => query.query(params![self.ids.0, self.ids.1, since, until, job])?,
            None => query.query(params![self.ids.0, self.ids.1, since, until])?,
        };
        while let Some(row) = rows.next()? {
            let nth = row.get::<_, i64>("queued_at")?.div_euclid(step);
            let state = place(word_at(row, "state", &RunState::WORDS)?);
            count(&mut self.of, nth, state, row.get::<_, Option<i64>>("flow")?.is_some());
        }
        Ok(())
    }

    fn millis(&self) -> (i64, i64, i64) {
        let Spans { since, until, step } = self.spans;
        (millis(since), millis(until), (step.as_millis() as i64).max(1))
    }

    fn told(self) -> Vec<SpanCount> {
        let (_, _, step) = self.millis();
        let told = |((nth, state), count): ((i64, usize), i64)| {
            let count = u64::try_from(count).ok().filter(|count| *count > 0)?;
            let at = Timestamp::from_millisecond(nth * step).ok()?;
            Some(SpanCount { at, state: RunState::WORDS[state], count })
        };
        self.of.into_iter().filter_map(told).collect()
    }
}

fn place(word: &str) -> usize {
    RunState::WORDS.iter().position(|known| *known == word).unwrap_or_default()
}

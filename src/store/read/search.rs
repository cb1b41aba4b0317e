//! Finding runs by a filter: which index to walk down, so that a page costs about a page.

use jiff::{SignedDuration, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::meta;
use crate::access::Globs;
use crate::store::columns::millis;
use crate::store::record::RunState;
use crate::unit::{RunId, Trigger};

/// So many jobs are looked up one by one. The runs of more are met soon enough among all runs.
const FEW: usize = 64;

/// The clock is set back by less than a minute without a new epoch.
const SLACK: SignedDuration = SignedDuration::from_mins(2);

/// Which runs are wanted. What is empty or `None` asks for nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunFilter {
    pub job: Option<String>,
    /// Those that may be seen. See [`Globs::see`].
    pub jobs: Globs,
    /// Any of these words, see [`RunState::WORDS`].
    pub states: Vec<String>,
    /// Any of these.
    pub triggers: Vec<Trigger>,
    /// With a unit there.
    pub node: Option<String>,
    /// Queued at that time or later.
    pub since: Option<Timestamp>,
    /// Queued before that time.
    pub until: Option<Timestamp>,
    pub retry_of: Option<RunId>,
    /// Parts of that flow.
    pub flow: Option<RunId>,
    /// None that are parts of flows.
    pub no_parts: bool,
}

impl RunFilter {
    /// Not if it asks for nothing but words that are no states, or for a job that is not shown.
    pub(in crate::store) fn is_possible(&self) -> bool {
        (self.states.is_empty() || !known(&self.states).is_empty())
            && self.job.as_ref().is_none_or(|job| self.jobs.see(job))
    }
}

/// The latest first, below `before` if given, `limit` at most.
pub(super) fn ids(
    conn: &Connection,
    filter: &RunFilter,
    before: Option<RunId>,
    limit: usize,
) -> rusqlite::Result<Vec<i64>> {
    if !filter.is_possible() {
        return Ok(Vec::new());
    }
    let Some(range) = range(conn, filter, before)? else { return Ok(Vec::new()) };
    let Some(jobs) = few_jobs(conn, filter)? else {
        return walk(conn, &Query::of(filter, range), filter, limit);
    };
    let mut ids = Vec::new();
    for job in jobs {
        let filter = RunFilter { job: Some(job), ..filter.clone() };
        ids.extend(walk(conn, &Query::of(&filter, range), &filter, limit)?);
    }
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids.truncate(limit);
    Ok(ids)
}

/// The first and the last id that can be wanted; `None`: nothing fits.
///
/// Ids go up with the time, but for what the clock was set back: a little at most, as long as no
/// epoch has ended. The time itself is looked at again.
pub(super) fn range(
    conn: &Connection,
    filter: &RunFilter,
    before: Option<RunId>,
) -> rusqlite::Result<Option<(i64, i64)>> {
    let (mut first, mut last) = (0, i64::MAX);
    if let Some(before) = before {
        last = i64::try_from(before.0).unwrap_or(i64::MAX) - 1;
    }
    if filter.since.is_none() && filter.until.is_none() {
        return Ok(Some((first, last)));
    }
    let one = |sql: &str, at: Timestamp| {
        let mut query = conn.prepare_cached(sql)?;
        let found = query.query_row([millis(at)], |row| row.get::<_, Option<i64>>(0));
        found.optional().map(Option::flatten)
    };
    if meta::<i64>(conn, "epoch")? == 0 {
        if let Some(since) = filter.since {
            let sql = "SELECT id FROM runs INDEXED BY runs_in_time WHERE queued_at < ?1
                 ORDER BY queued_at DESC, id DESC LIMIT 1";
            let earlier = since.saturating_sub(SLACK).unwrap_or(Timestamp::MIN);
            first = one(sql, earlier)?.map_or(0, |id| id + 1);
        }
        if let Some(until) = filter.until {
            let sql = "SELECT id FROM runs INDEXED BY runs_in_time WHERE queued_at >= ?1
                 ORDER BY queued_at, id LIMIT 1";
            let later = until.saturating_add(SLACK).unwrap_or(Timestamp::MAX);
            last = last.min(one(sql, later)?.map_or(i64::MAX, |id| id - 1));
        }
        return Ok(Some((first, last)));
    }
    // Anything may have come before anything: all entries of the index are looked at.
    if let Some(since) = filter.since {
        let sql = "SELECT min(id) FROM runs INDEXED BY runs_in_time WHERE queued_at >= ?1";
        let Some(id) = one(sql, since)? else { return Ok(None) };
        first = id;
    }
    if let Some(until) = filter.until {
        let sql = "SELECT max(id) FROM runs INDEXED BY runs_in_time WHERE queued_at < ?1";
        let Some(id) = one(sql, until)? else { return Ok(None) };
        last = last.min(id);
    }
    Ok(Some((first, last)))
}

/// The jobs that may be seen, if there are few of them and it helps to know.
pub(super) fn few_jobs(
    conn: &Connection,
    filter: &RunFilter,
) -> rusqlite::Result<Option<Vec<String>>> {
    if filter.jobs.is_all()
        || filter.job.is_some()
        || filter.retry_of.is_some()
        || filter.flow.is_some()
    {
        return Ok(None);
    }
    let mut query = conn.prepare_cached("SELECT name FROM jobs")?;
    let mut rows = query.query([])?;
    let mut few = Vec::new();
    while let Some(row) = rows.next()? {
        let name = row.get_ref(0)?.as_str()?;
        if filter.jobs.see(name) {
            if few.len() == FEW {
                return Ok(None);
            }
            few.push(name.to_owned());
        }
    }
    Ok(Some(few))
}

fn walk(
    conn: &Connection,
    wanted: &Query,
    filter: &RunFilter,
    limit: usize,
) -> rusqlite::Result<Vec<i64>> {
    let mut query = conn.prepare_cached(&wanted.sql)?;
    let mut rows = query.query(params_from_iter(&wanted.values))?;
    let mut ids = Vec::new();
    while ids.len() < limit
        && let Some(row) = rows.next()?
    {
        let id = row.get(0)?;
        // Of a node there is a row for each attempt.
        if ids.last() != Some(&id) && filter.jobs.see(row.get_ref(1)?.as_str()?) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// Ids and jobs of a filter that is possible, without a limit: rows are made as they are asked for.
pub(in crate::store) struct Query {
    pub(in crate::store) sql: String,
    pub(in crate::store) values: Vec<Value>,
}

impl Query {
    pub(in crate::store) fn of(filter: &RunFilter, (first, last): (i64, i64)) -> Query {
        let mut values = Vec::new();
        let mut bind = |value: Value| {
            values.push(value);
            format!("?{}", values.len())
        };
        let mut id = "r.id";
        let mut left = filter.clone();
        let by_hand = !left.triggers.is_empty() && !left.triggers.contains(&Trigger::Schedule);
        // Most runs succeed: those that did are met soon enough.
        let rare = !left.states.is_empty() && !left.states.iter().any(|s| s == "succeeded");
        let from: Vec<String> = if let Some(run) = left.retry_of.take() {
            let run = bind(Value::Integer(run.0 as i64));
            vec![format!("runs AS r INDEXED BY runs_of_retry WHERE r.retry_of = {run}")]
        } else if let Some(flow) = left.flow.take() {
            let flow = bind(Value::Integer(flow.0 as i64));
            vec![format!("runs AS r INDEXED BY runs_of_flow WHERE r.flow = {flow}")]
        } else if let Some(job) = left.job.take() {
            let job = bind(Value::Text(job));
            vec![format!("runs AS r INDEXED BY runs_of_job WHERE r.job = {job}")]
        } else if by_hand {
            let words = std::mem::take(&mut left.triggers).into_iter().map(Trigger::as_str);
            words.map(set_off_by).collect()
        } else if rare {
            known(&std::mem::take(&mut left.states)).into_iter().map(in_state).collect()
        } else if let Some(node) = left.node.take() {
            id = "u.run";
            let node = bind(Value::Text(node));
            vec![format!(
                "units AS u INDEXED BY units_of_node CROSS JOIN runs AS r ON r.id = u.run
                 WHERE u.node = {node}"
            )]
        } else {
            vec!["runs AS r NOT INDEXED WHERE true".to_owned()]
        };

        let (first, last) = (bind(Value::Integer(first)), bind(Value::Integer(last)));
        let mut rest = format!(" AND {id} BETWEEN {first} AND {last}");
        let mut and = |condition: String| rest = format!("{rest} AND {condition}");
        if let Some(job) = left.job {
            and(format!("r.job = {}", bind(Value::Text(job))));
        }
        if let Some(node) = left.node {
            let node = bind(Value::Text(node));
            and(format!("EXISTS (SELECT 1 FROM units WHERE run = r.id AND node = {node})"));
        }
        if !left.triggers.is_empty() {
            let words = left.triggers.into_iter().map(Trigger::as_str);
            and(format!("r.trigger IN ({})", list(words)));
        }
        if !left.states.is_empty() {
            and(format!("r.state IN ({})", list(known(&left.states).into_iter())));
        }
        if let Some(flow) = left.flow {
            and(format!("r.flow = {}", bind(Value::Integer(flow.0 as i64))));
        }
        if left.no_parts {
            and("r.flow IS NULL".to_owned());
        }
        if let Some(since) = left.since {
            and(format!("r.queued_at >= {}", bind(Value::Integer(millis(since)))));
        }
        if let Some(until) = left.until {
            and(format!("r.queued_at < {}", bind(Value::Integer(millis(until)))));
        }
        // SQLite merges what comes from each in order, and sorts nothing.
        let selects: Vec<String> = from
            .iter()
            .map(|from| format!("SELECT {id} AS id, r.job AS job FROM {from}{rest}"))
            .collect();
        Query { sql: format!("{} ORDER BY id DESC", selects.join("\nUNION ALL ")), values }
    }
}

fn set_off_by(word: &str) -> String {
    format!(
        "runs AS r INDEXED BY runs_by_hand WHERE r.trigger <> 'schedule' AND r.trigger = '{word}'"
    )
}

/// Of each kind of state but `succeeded` there is an index.
fn in_state(word: &str) -> String {
    match word {
        "queued" | "running" => format!(
            "runs AS r INDEXED BY runs_open WHERE r.finished_at IS NULL AND r.state = '{word}'"
        ),
        _ => format!(
            "runs AS r INDEXED BY runs_unlike
             WHERE r.state IN ('failed', 'cancelled', 'lost', 'skipped') AND r.state = '{word}'"
        ),
    }
}

fn list(words: impl Iterator<Item = &'static str>) -> String {
    words.map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ")
}

/// The words that stand for states, each once: only these become part of a query.
fn known(words: &[String]) -> Vec<&'static str> {
    RunState::WORDS.into_iter().filter(|state| words.iter().any(|word| word == state)).collect()
}

//! The ledger's rows as the books read them: all of them, with what has to fit together.

use super::Ledger;

/// A row of `jobs`.
pub struct Job {
    pub name: String,
    pub schedule: String,
    pub timezone: Option<String>,
    pub first_seen: i64,
    pub accounted_through: i64,
}

pub struct Run {
    pub id: i64,
    pub job: String,
    pub trigger: String,
    pub scheduled_at: Option<i64>,
    pub epoch: i64,
    pub started: bool,
    pub finished: bool,
    pub state: String,
    pub queued_at: i64,
    pub finished_at: Option<i64>,
    pub retry_of: Option<i64>,
    /// The flow, and slot, part and rescue there.
    pub flow: Option<(i64, i64, i64, i64)>,
}

pub struct Gap {
    pub job: String,
    pub first: i64,
    pub last: i64,
    pub count: i64,
    pub epoch: i64,
    pub reason: String,
}

#[derive(Debug)]
pub struct Unit {
    pub id: i64,
    pub run: i64,
    pub node: String,
    pub attempt: i64,
    pub state: String,
    pub outcome: Option<String>,
    pub exit: Option<i64>,
    pub kill: Option<String>,
    pub started: bool,
}

pub fn jobs(ledger: &Ledger) -> Vec<Job> {
    let sql = "select name, schedule, timezone, first_seen, accounted_through from jobs";
    ledger.query(sql, &[], |row| {
        Ok(Job {
            name: row.get(0)?,
            schedule: row.get(1)?,
            timezone: row.get(2)?,
            first_seen: row.get(3)?,
            accounted_through: row.get(4)?,
        })
    })
}

pub fn runs(ledger: &Ledger) -> Vec<Run> {
    let sql = "select id, job, trigger, scheduled_at, epoch, started_at is not null, \
                   finished_at is not null, state, queued_at, finished_at, retry_of, flow, slot, part, \
                   rescue from runs order by id";
    ledger.query(sql, &[], |row| {
        Ok(Run {
            id: row.get(0)?,
            job: row.get(1)?,
            trigger: row.get(2)?,
            scheduled_at: row.get(3)?,
            epoch: row.get(4)?,
            started: row.get(5)?,
            finished: row.get(6)?,
            state: row.get(7)?,
            queued_at: row.get(8)?,
            finished_at: row.get(9)?,
            retry_of: row.get(10)?,
            flow: match row.get::<_, Option<i64>>(11)? {
                Some(flow) => Some((flow, row.get(12)?, row.get(13)?, row.get(14)?)),
                None => None,
            },
        })
    })
}

/// Of whole jobs: a gap of one node is no instant's only record. Gaps of an instant that a
/// manual run asked for have no due instant behind them.
pub fn gaps(ledger: &Ledger) -> Vec<Gap> {
    let sql = "select job, first_at, last_at, count, epoch, reason from gaps \
                   where node is null and first_at % 60000 = 0 order by id";
    ledger.query(sql, &[], |row| {
        Ok(Gap {
            job: row.get(0)?,
            first: row.get(1)?,
            last: row.get(2)?,
            count: row.get(3)?,
            epoch: row.get(4)?,
            reason: row.get(5)?,
        })
    })
}

pub fn units(ledger: &Ledger) -> Vec<Unit> {
    let sql = "select id, run, node, attempt, state, outcome, exit, kill, \
                   started_at is not null from units order by id";
    ledger.query(sql, &[], |row| {
        Ok(Unit {
            id: row.get(0)?,
            run: row.get(1)?,
            node: row.get(2)?,
            attempt: row.get(3)?,
            state: row.get(4)?,
            outcome: row.get(5)?,
            exit: row.get(6)?,
            kill: row.get(7)?,
            started: row.get(8)?,
        })
    })
}

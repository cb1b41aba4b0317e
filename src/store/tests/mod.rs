//! The ledger on real files: what is written is read, what is wrong is refused, what was
//! acknowledged survives.

mod activity;
mod backup;
mod chunks;
mod covered;
mod crash;
mod damage;
mod faults;
mod flows;
mod instants;
mod migration;
mod nodes;
mod output;
mod people;
mod prune;
mod queue;
mod refusal;
mod rows;
mod search;
mod standing;
mod thread;

use std::path::Path;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

use super::*;
use crate::protocol::message::Output;
use crate::unit::{Outcome, RunEnd, RunId, Trigger, UnitId};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn statedir() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn open(dir: &TempDir) -> (Ledger, Opened) {
    Ledger::open(dir.path(), at(0)).unwrap()
}

fn unit(unit: u64, node: &str, attempt: u32) -> OpenUnit {
    OpenUnit { unit: UnitId(unit), node: node.to_string(), attempt, cookie: format!("c-{unit}") }
}

/// A run of `job` scheduled at second `run`, with unit ids from `10 * run`.
fn open_run(run: u64, job: &str, nodes: &[&str]) -> Record {
    Record::OpenRun {
        run: RunId(run),
        job: job.to_string(),
        trigger: Trigger::Schedule,
        scheduled_at: Some(at(run as i64)),
        epoch: 0,
        at: at(run as i64),
        by: None,
        retry_of: None,
        command: None,
        within: None,
        plan: None,
        units: nodes.iter().zip(10 * run..).map(|(node, id)| unit(id, node, 1)).collect(),
    }
}

fn start_unit(unit: u64) -> Record {
    Record::StartUnit { unit: UnitId(unit), worker_pid: Some(77), at: at(100) }
}

fn close_unit(unit: u64, outcome: Outcome) -> Record {
    let output = Output { inline: b"out".to_vec(), file: None, bytes: 3, truncated: false };
    Record::CloseUnit {
        unit: UnitId(unit),
        outcome,
        detail: None,
        result: None,
        output,
        at: at(200),
    }
}

fn close_run(run: u64, end: RunEnd) -> Record {
    Record::CloseRun { run: RunId(run), end, at: at(300) }
}

fn jobs(names: &[&str], second: i64) -> Record {
    let jobs = names.iter().map(|name| entry(name, "* * * * *")).collect();
    Record::Jobs { jobs, at: at(second) }
}

fn entry(name: &str, schedule: &str) -> JobEntry {
    JobEntry { name: name.to_string(), schedule: schedule.to_string(), timezone: None }
}

/// Every row of every table, but for the ledger's random names and its count of transactions.
fn dump(conn: &Connection) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    for table in
        ["meta", "jobs", "runs", "units", "gaps", "hooks", "tokens", "audit", "switched_off"]
    {
        let sql = format!("SELECT * FROM {table} ORDER BY 1");
        let mut query = conn.prepare(&sql).unwrap();
        let columns = query.column_count();
        let read = query.query_map([], |row| (0..columns).map(|i| row.get(i)).collect()).unwrap();
        rows.extend(read.map(|row: rusqlite::Result<Vec<Value>>| row.unwrap()));
    }
    let differs = ["ledger_id", "copy", "commits"].map(|key| Value::Text(key.to_string()));
    rows.retain(|row| !differs.contains(&row[0]));
    rows
}

fn sqlite(dir: &Path) -> Connection {
    Connection::open(dir.join("ledger.db")).unwrap()
}

//! From records to rows. What contradicts the books is refused.

use std::collections::HashSet;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::types::Null;
use rusqlite::{OptionalExtension, Transaction, named_params, params};

use super::columns::{self, millis};
use super::fault::{Fault, expect_one};
use super::meta::set_meta;
use super::output::{adopt, may_be_left, stored_bytes};
use super::people;
use super::read::job_rows;
use super::record::{Gap, HookRow, JobEntry, OpenUnit, Record};
use crate::protocol::message::Output;
use crate::unit::{Outcome, RunId, Trigger, UnitId};

/// `dir`: the state directory, where a worker that died may have left output.
pub(super) fn write(to: &Transaction, dir: &Path, record: &Record) -> Result<(), Fault> {
    match record {
        Record::Jobs { jobs, at } => Ok(write_jobs(to, jobs, *at)?),
        Record::OpenRun {
            run,
            job,
            trigger,
            scheduled_at,
            epoch,
            at,
            by,
            retry_of,
            command,
            within,
            plan,
            units,
        } => {
            if let Some(within) = within {
                refuse_unless_open(to, within.flow)?;
            }
            if let Some(instant) = scheduled_at {
                refuse_if_gap(to, job, *epoch, *instant)?;
            }
            to.prepare_cached(
                "INSERT INTO runs (id, job, trigger, scheduled_at, epoch, queued_at, state,
                     requested_by, retry_of, command, flow, slot, part, rescue)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'queued', ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?
            .execute(params![
                run.0 as i64,
                job,
                trigger.as_str(),
                scheduled_at.map(millis),
                epoch,
                millis(*at),
                by,
                retry_of.map(|run| run.0 as i64),
                command,
                within.map(|within| within.flow.0 as i64),
                within.map(|within| within.place.slot),
                within.map(|within| within.place.part),
                within.map(|within| within.place.rescue),
            ])?;
            if let Some(plan) = plan {
                to.prepare_cached("INSERT INTO plans (run, plan) VALUES (?1, ?2)")?
                    .execute(params![run.0 as i64, plan])?;
            }
            if let (Trigger::Schedule, Some(instant)) = (trigger, scheduled_at) {
                accounted_at_least(to, job, *instant)?;
            }
            units.iter().try_for_each(|unit| Ok(open_unit(to, *run, unit)?))
        }
        Record::Retry { run, unit } => Ok(open_unit(to, *run, unit)?),
        Record::StartRun { run, at } => {
            let changed = to
                .prepare_cached(
                    "UPDATE runs SET state = 'running', started_at = ?2
                     WHERE id = ?1 AND state = 'queued'",
                )?
                .execute(params![run.0 as i64, millis(*at)])?;
            expect_one(changed, || format!("run {run} is not queued"))
        }
        Record::StartUnit { unit, worker_pid, at } => {
            let changed = to
                .prepare_cached(
                    "UPDATE units SET state = 'running', worker_pid = ?2, started_at = ?3
                     WHERE id = ?1 AND state = 'queued'",
                )?
                .execute(params![unit.0 as i64, worker_pid, millis(*at)])?;
            expect_one(changed, || format!("unit {unit} is not queued"))
        }
        Record::OnNode { unit, remote_pgid } => {
            let changed = to
                .prepare_cached(
                    "UPDATE units SET remote_pgid = ?2 WHERE id = ?1 AND state = 'running'",
                )?
                .execute(params![unit.0 as i64, remote_pgid])?;
            expect_one(changed, || format!("unit {unit} is not running"))
        }
        Record::Rights { unit, cookie } => {
            let changed = to
                .prepare_cached("UPDATE units SET cookie = ?2 WHERE id = ?1 AND state = 'running'")?
                .execute(params![unit.0 as i64, cookie])?;
            expect_one(changed, || format!("unit {unit} is not running"))
        }
        Record::CloseUnit { unit, outcome, detail, result, output, at } => {
            let said = (detail.as_deref(), result.as_deref());
            let changed = close_unit(to, *unit, outcome, said, output, *at)?;
            expect_one(changed, || format!("unit {unit} is not open"))?;
            if may_be_left(outcome, output) {
                adopt(to, dir, *unit)?;
            }
            Ok(())
        }
        Record::CloseRun { run, end, at } => {
            let (state, reason) = columns::run_end(*end);
            let changed = to
                .prepare_cached(
                    "UPDATE runs SET state = ?2, reason = ?3, finished_at = ?4
                     WHERE id = ?1 AND finished_at IS NULL",
                )?
                .execute(params![run.0 as i64, state, reason, millis(*at)])?;
            expect_one(changed, || format!("run {run} is not open"))
        }
        Record::Gap(gap) => write_gap(to, gap),
        Record::Accounted { job, through } => {
            let changed = to
                .prepare_cached("UPDATE jobs SET accounted_through = ?2 WHERE name = ?1")?
                .execute(params![job, millis(*through)])?;
            expect_one(changed, || format!("no job {job:?}"))
        }
        Record::Paused(paused) => Ok(set_meta(to, "paused", i64::from(*paused))?),
        Record::Hook(hook) => Ok(write_hook(to, hook)?),
        Record::Epoch(epoch) => Ok(set_meta(to, "epoch", i64::from(*epoch))?),
        Record::Swept { node, cookies } => {
            let mut forget = to.prepare_cached(
                "UPDATE units SET cookie = NULL
                 WHERE node = ?1 AND cookie = ?2 AND state = 'done' AND cookie IS NOT NULL",
            )?;
            for cookie in cookies {
                forget.execute(params![node, cookie])?;
            }
            Ok(())
        }
        Record::Token(token) => people::write_token(to, token),
        Record::RevokeToken { name, at } => people::revoke_token(to, name, *at),
        Record::Audit(row) => Ok(people::write_audit(to, row)?),
        Record::Switch { job, off } => Ok(people::write_switch(to, job, off.as_ref())?),
        Record::Request(request) => Ok(people::write_request(to, request)?),
    }
}

fn write_jobs(to: &Transaction, jobs: &[JobEntry], at: Timestamp) -> rusqlite::Result<()> {
    let mut upsert = to.prepare_cached(
        "INSERT INTO jobs VALUES (?1, ?2, ?3, ?4, ?4, NULL)
         ON CONFLICT (name) DO UPDATE SET schedule = ?2, timezone = ?3, accounted_through = ?4,
             removed_at = NULL
         WHERE schedule IS NOT ?2 OR timezone IS NOT ?3 OR removed_at IS NOT NULL",
    )?;
    for job in jobs {
        upsert.execute(params![job.name, job.schedule, job.timezone, millis(at)])?;
    }
    let here: HashSet<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
    let mut remove = to.prepare_cached("UPDATE jobs SET removed_at = ?2 WHERE name = ?1")?;
    for job in job_rows(to)? {
        if job.removed_at.is_none() && !here.contains(job.entry.name.as_str()) {
            remove.execute(params![job.entry.name, millis(at)])?;
        }
    }
    Ok(())
}

fn open_unit(to: &Transaction, run: RunId, unit: &OpenUnit) -> rusqlite::Result<()> {
    to.prepare_cached(
        "INSERT INTO units (id, run, node, attempt, state, cookie)
         VALUES (?1, ?2, ?3, ?4, 'queued', ?5)",
    )?
    .execute(params![
        unit.unit.0 as i64,
        run.0 as i64,
        unit.node,
        unit.attempt,
        unit.cookie
    ])?;
    Ok(())
}

fn close_unit(
    to: &Transaction,
    unit: UnitId,
    outcome: &Outcome,
    (detail, result): (Option<&str>, Option<&str>),
    output: &Output,
    at: Timestamp,
) -> rusqlite::Result<usize> {
    let verdict = columns::verdict(outcome);
    let inline = (!output.inline.is_empty()).then_some(output.inline.as_slice());
    to.prepare_cached(
        "UPDATE units SET state = 'done', outcome = :outcome, exit = :exit, signal = :signal,
             kill = :kill, cancelled_by = :cancelled_by, reason = :reason, detail = :detail,
             result = :result, cookie = iif(:unswept, cookie, NULL), finished_at = :at, output = :inline,
             output_file = :file, output_bytes = :bytes, output_truncated = :truncated,
             file_bytes = :file_bytes
         WHERE id = :unit AND state <> 'done'",
    )?
    .execute(named_params! {
        ":unit": unit.0 as i64,
        ":outcome": verdict.outcome,
        ":exit": verdict.exit,
        ":signal": verdict.signal,
        ":kill": verdict.kill,
        ":cancelled_by": verdict.cancelled_by,
        ":reason": verdict.reason,
        ":unswept": verdict.unswept,
        ":detail": detail,
        ":result": result,
        ":at": millis(at),
        ":inline": inline,
        ":file": output.file.as_deref().map_or(Null.into(), columns::path),
        ":bytes": output.bytes as i64,
        ":truncated": output.truncated,
        ":file_bytes": output.file.as_deref().map_or(0, |file| stored_bytes(file) as i64),
    })
}

/// A gap's columns, as parameters by name.
macro_rules! gap_columns {
    ($gap:ident) => {
        named_params! {
            ":job": $gap.job,
            ":node": $gap.node,
            ":first": millis($gap.first_at),
            ":last": millis($gap.last_at),
            ":count": $gap.count as i64,
            ":epoch": $gap.epoch,
            ":reason": $gap.reason.as_str(),
            ":run": $gap.run.map(|run| run.0 as i64),
        }
    };
}

fn write_gap(to: &Transaction, gap: &Gap) -> Result<(), Fault> {
    let grown = to
        .prepare_cached(
            "UPDATE gaps SET last_at = :last, count = :count, run = :run
             WHERE job = :job AND first_at = :first AND reason = :reason AND epoch = :epoch
                 AND ifnull(node, '') = ifnull(:node, '')",
        )?
        .execute(gap_columns!(gap))?;
    if grown == 0 {
        if gap.node.is_none() && gap.first_at == gap.last_at {
            refuse_if_run(to, &gap.job, gap.epoch, gap.first_at)?;
            refuse_if_gap(to, &gap.job, gap.epoch, gap.first_at)?;
        }
        to.prepare_cached(
            "INSERT INTO gaps (job, node, first_at, last_at, count, epoch, reason, run)
             VALUES (:job, :node, :first, :last, :count, :epoch, :reason, :run)",
        )?
        .execute(gap_columns!(gap))?;
    }
    match gap.node {
        None => Ok(accounted_at_least(to, &gap.job, gap.last_at)?),
        Some(_) => Ok(()),
    }
}

/// A part begins only in a flow that the ledger knows to be under way.
fn refuse_unless_open(to: &Transaction, flow: RunId) -> Result<(), Fault> {
    let open = to
        .prepare_cached("SELECT 1 FROM runs WHERE id = ?1 AND finished_at IS NULL")?
        .exists([flow.0 as i64])?;
    if open {
        return Ok(());
    }
    Err(Fault::Refused(format!("run {flow} is no flow that is under way")))
}

/// An instant is covered by one record. A gap of several instants is never refused for one that
/// is covered already: the others would be covered by nothing.
fn refuse_if_gap(to: &Transaction, job: &str, epoch: u32, instant: Timestamp) -> Result<(), Fault> {
    let before: Option<(i64, String)> = to
        .prepare_cached(
            "SELECT last_at, reason FROM gaps
             WHERE job = ?1 AND epoch = ?2 AND first_at <= ?3 AND node IS NULL
             ORDER BY first_at DESC LIMIT 1",
        )?
        .query_row(params![job, epoch, millis(instant)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match before {
        Some((last_at, reason)) if last_at >= millis(instant) => {
            Err(Fault::Refused(format!("{job}: {instant} is covered by a gap: {reason}")))
        }
        Some(_) | None => Ok(()),
    }
}

fn refuse_if_run(to: &Transaction, job: &str, epoch: u32, instant: Timestamp) -> Result<(), Fault> {
    let run: Option<i64> = to
        .prepare_cached("SELECT id FROM runs WHERE job = ?1 AND scheduled_at = ?2 AND epoch = ?3")?
        .query_row(params![job, millis(instant), epoch], |row| row.get(0))
        .optional()?;
    match run {
        Some(run) => Err(Fault::Refused(format!("{job}: {instant} is covered by run {run}"))),
        None => Ok(()),
    }
}

fn write_hook(to: &Transaction, hook: &HookRow) -> rusqlite::Result<()> {
    to.prepare_cached(
        "INSERT INTO hooks (job, run, occasion, action, at, failure)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        hook.job,
        hook.run.map(|run| run.0 as i64),
        hook.occasion,
        hook.action,
        millis(hook.at),
        hook.failure,
    ])?;
    Ok(())
}

/// In the same transaction as what covers the instant, so that no crash can come between.
fn accounted_at_least(to: &Transaction, job: &str, through: Timestamp) -> rusqlite::Result<()> {
    to.prepare_cached(
        "UPDATE jobs SET accounted_through = ?2 WHERE name = ?1 AND accounted_through < ?2",
    )?
    .execute(params![job, millis(through)])?;
    Ok(())
}

//! The ledger's rows in the shape the API gives them.

use loom::api::job::Gap;
use loom::api::run::{Run, Tally};
use loom::api::unit::Unit;
use loom::store::{self, RunRow, RunState, UnitRow, UnitState};
use loom::unit::{Canceller, Kill, Outcome};

pub fn run(row: RunRow, tally: store::Tally) -> Run {
    let (state, reason) = match row.state {
        RunState::Queued => ("queued", None),
        RunState::Running => ("running", None),
        RunState::Done(end) => (end.word(), end.reason()),
    };
    Run {
        id: row.run.0,
        job: row.job,
        trigger: row.trigger.as_str().to_owned(),
        by: row.by,
        retry_of: row.retry_of.map(|run| run.0),
        command: row.command,
        scheduled_at: row.scheduled_at,
        queued_at: row.queued_at,
        started_at: row.started_at,
        finished_at: row.finished_at,
        state: state.to_owned(),
        reason: reason.map(|reason| reason.as_str().to_owned()),
        units: Tally {
            total: tally.total,
            succeeded: tally.succeeded,
            failed: tally.failed,
            cancelled: tally.cancelled,
            lost: tally.lost,
            skipped: tally.skipped,
            open: tally.open,
        },
    }
}

pub fn unit(row: UnitRow) -> Unit {
    let mut unit = Unit {
        id: row.unit.0,
        run: row.run.0,
        node: row.node,
        attempt: row.attempt,
        state: String::new(),
        outcome: None,
        summary: None,
        exit: None,
        signal: None,
        kill: None,
        cancelled_by: None,
        reason: None,
        detail: row.detail,
        started_at: row.started_at,
        finished_at: row.finished_at,
        output_bytes: row.output.bytes,
        output_truncated: row.output.truncated,
    };
    match row.state {
        UnitState::Queued => unit.state = "queued".to_owned(),
        UnitState::Running => unit.state = "running".to_owned(),
        UnitState::Done(outcome) => {
            unit.state = "done".to_owned();
            unit.outcome = Some(outcome.word().to_owned());
            unit.summary = Some(outcome.to_string());
            add_outcome(&mut unit, outcome);
        }
    }
    unit
}

fn add_outcome(unit: &mut Unit, outcome: Outcome) {
    let killed = |kill: Kill| Some(kill.to_string());
    match outcome {
        Outcome::Failed { exit } => unit.exit = exit,
        Outcome::Signaled { signal } => unit.signal = Some(signal),
        Outcome::TimedOut { kill } => unit.kill = killed(kill),
        Outcome::Cancelled { by, kill } => {
            unit.kill = killed(kill);
            unit.cancelled_by = Some(match by {
                Canceller::Shutdown => "shutdown".to_owned(),
                Canceller::User(name) => format!("user:{name}"),
            });
        }
        Outcome::Skipped { reason } => unit.reason = Some(reason.as_str().to_owned()),
        Outcome::Succeeded | Outcome::Unreachable | Outcome::Crashed | Outcome::Lost => {}
    }
}

pub fn gap(row: store::Gap) -> Gap {
    Gap {
        job: row.job,
        node: row.node,
        first_at: row.first_at,
        last_at: row.last_at,
        count: row.count,
        reason: row.reason.as_str().to_owned(),
        run: row.run.map(|run| run.0),
    }
}

//! What happens to runs and units, as lines of the log.

use std::time::Duration;

use jiff::Timestamp;

use crate::event::{Event, PartEnd, RunInfo, UnitInfo};
use crate::logging::seconds;
use crate::unit::{Outcome, Reason, RunEnd};

/// One event, one line.
pub fn log_event(event: &Event) {
    match event {
        Event::RunQueued(run) => log::info!(
            target: "loom::run", job = run.job.name.as_str(), run = run.run;
            "{}: queued, {}units: {}{}", run.job.name, slots(run), run.units, place(run)
        ),
        Event::RunStarted { run, .. } => log::debug!(
            target: "loom::run", job = run.job.name.as_str(), run = run.run;
            "{}: begins", run.job.name
        ),
        Event::RunLate(run) => log::warn!(
            target: "loom::run", job = run.job.name.as_str(), run = run.run;
            "{}: due at {} and not begun yet", run.job.name, instant(run.scheduled_at)
        ),
        Event::RunEnded { run, started_at, at, end, succeeded, parts, units: _ } => {
            let level = match end {
                RunEnd::Failed | RunEnd::Lost => log::Level::Warn,
                // What was skipped has been told with its reason.
                RunEnd::Succeeded | RunEnd::Cancelled | RunEnd::Skipped { .. } => log::Level::Info,
            };
            let took = started_at.and_then(|from| Duration::try_from(at.duration_since(from)).ok());
            log::log!(
                target: "loom::run", level,
                job = run.job.name.as_str(), run = run.run, outcome = *end,
                seconds = took.map(seconds);
                "{}: {end}, {succeeded} of {} units succeeded{}",
                run.job.name, run.units, reached(run, parts)
            );
        }
        Event::UnitStarted { unit, run, job, node, worker_pid } => log::debug!(
            target: "loom::unit",
            job = job.name.as_str(), node = node.as_str(), run = *run, unit = *unit,
            worker = *worker_pid;
            "{} on {node}: at a worker", job.name
        ),
        Event::UnitEnded { unit, run, job, info, again } => {
            let UnitInfo { node, attempt, outcome, detail, result: _, took } = info;
            let level = match outcome {
                Outcome::Succeeded => log::Level::Info,
                // One cause, told once, of the run.
                Outcome::Skipped { .. } => log::Level::Debug,
                Outcome::Failed { .. }
                | Outcome::Signaled { .. }
                | Outcome::Unreachable
                | Outcome::TimedOut { .. }
                | Outcome::Cancelled { .. }
                | Outcome::Crashed
                | Outcome::Lost => log::Level::Warn,
            };
            let after = took.map_or(String::new(), |took| format!(" after {took:.1?}"));
            let detail = detail.as_ref().map_or(String::new(), |detail| format!(": {detail}"));
            let again = again
                .map_or(String::new(), |delay| format!("; attempt {} in {delay:.1?}", attempt + 1));
            log::log!(
                target: "loom::unit", level,
                job = job.name.as_str(), node = node.as_str(), run = *run, unit = *unit,
                attempt = *attempt, outcome = outcome, seconds = took.map(seconds);
                "{} on {node}: {outcome}{after}{detail}{again}", job.name
            );
        }
        Event::Missed { job, node, fires, reason } => {
            let level = match reason {
                Reason::Disabled | Reason::Paused => log::Level::Debug,
                Reason::Overlap
                | Reason::DaemonDown
                | Reason::Deadline
                | Reason::ClockJump
                | Reason::NoTargets
                | Reason::Removed
                | Reason::LedgerDown
                | Reason::Constraint => log::Level::Warn,
            };
            let node = node.as_ref().map_or(String::new(), |node| format!(" on {node}"));
            let when = match fires.count {
                1 => format!("due at {}", fires.last),
                count => format!("{count} times due from {} to {}", fires.first, fires.last),
            };
            log::log!(
                target: "loom::cron", level, job = job.name.as_str();
                "{}{node}: not run, {}: {when}", job.name, reason.as_str()
            );
        }
    }
}

/// `slots: 3, ` of a flow.
fn slots(run: &RunInfo) -> String {
    run.job.flow.as_ref().map_or(String::new(), |flow| format!("slots: {}, ", flow.slots.len()))
}

/// Of what is a part of a flow: when it begins, so does its slot.
fn place(run: &RunInfo) -> String {
    run.within.map_or(String::new(), |within| format!("; {} of run {}", within.place, within.flow))
}

/// How far a flow came.
fn reached(run: &RunInfo, parts: &[PartEnd]) -> String {
    let last = parts.iter().map(|part| part.place.slot).max();
    match (&run.job.flow, last) {
        (Some(flow), Some(slot)) => format!(", up to slot {slot} of {}", flow.slots.len()),
        (Some(_), None) => ", no slot begun".to_owned(),
        (None, _) => String::new(),
    }
}

fn instant(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "no time".to_owned(), |at| at.to_string())
}

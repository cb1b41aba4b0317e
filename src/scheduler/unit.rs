//! A unit that has no outcome yet, and how it comes by one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Now, Scheduler, Timer};
use crate::event::{Event, UnitInfo};
use crate::job::Job;
use crate::job::policy::{MAX_DELAY, RetryOn};
use crate::node::Node;
use crate::node_state::{self, MasterId};
use crate::pool::{self, SlotId};
use crate::protocol::cookie;
use crate::protocol::message::Report;
use crate::run;
use crate::store::{OpenUnit, Record};
use crate::task;
use crate::unit::{Canceller, Kill, Outcome, RunId, UnitId};

/// Between TERM and KILL on the node.
pub const KILL_GRACE: Duration = Duration::from_secs(5);

/// How far a unit has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its row is on the way to the ledger.
    Recording,
    /// In the dispatcher, until everything it needs is free.
    Waiting,
    /// In the pool.
    Submitted,
    /// At a worker.
    Sent { slot: SlotId },
}

/// A unit on its way, with the job and node as they were when it was made.
#[derive(Debug)]
pub struct Unit {
    pub run: RunId,
    pub job: Arc<Job>,
    pub node: Arc<Node>,
    pub master: MasterId,
    pub attempt: u32,
    /// As it is kept for a sweep.
    pub cookie: String,
    pub phase: Phase,
    /// It is not admitted earlier.
    pub not_before: Option<Instant>,
    /// When a worker got it.
    pub begun: Option<Instant>,
    /// Cookies of earlier units on its node, for which its worker sweeps before it starts.
    pub sweeps: Vec<String>,
    /// It has been asked to end, on this word.
    pub cancelled: Option<Canceller>,
    /// However it ends, no other attempt follows.
    pub last: bool,
}

impl Unit {
    /// One whose row is yet to be written.
    pub(super) fn new(
        (run, job): (RunId, &Arc<Job>),
        (node, master): &(Arc<Node>, MasterId),
        attempt: u32,
        cookie: String,
        not_before: Option<Instant>,
    ) -> Unit {
        Unit {
            run,
            job: job.clone(),
            node: node.clone(),
            master: *master,
            attempt,
            cookie,
            phase: Phase::Recording,
            not_before,
            begun: None,
            sweeps: Vec::new(),
            cancelled: None,
            last: false,
        }
    }

    /// For the ledger.
    pub(super) fn row(&self, id: UnitId) -> OpenUnit {
        OpenUnit {
            unit: id,
            node: self.node.name.clone(),
            attempt: self.attempt,
            cookie: self.cookie.clone(),
        }
    }
}

impl Scheduler {
    /// The one way out for a unit, whatever became of it.
    pub(super) fn end_unit(&mut self, now: Now, id: UnitId, report: Report) {
        let Some(unit) = self.units.remove(&id) else { return };
        let again = self.delay_to_next(&unit, id, &report.outcome);
        self.conclude(now, id, unit, report, again);
    }

    /// `again`: after how long the next attempt comes.
    fn conclude(
        &mut self,
        now: Now,
        id: UnitId,
        unit: Unit,
        report: Report,
        again: Option<Duration>,
    ) {
        let Report { outcome, detail, result, output } = report;
        if may_linger(&outcome) {
            self.sweep.entry(unit.node.name.clone()).or_default().push(unit.cookie.clone());
        }
        let next = again.map(|delay| self.next_attempt(now, &unit, delay));
        match next {
            Some(next) => self.dispatcher.pass_on(id, next),
            None if run::shows(&outcome) => self.dispatcher.leave(id),
            None => self.dispatcher.withdraw(id),
        }
        self.record(Record::CloseUnit {
            unit: id,
            outcome: outcome.clone(),
            detail: detail.clone(),
            result: result.clone(),
            output,
            at: now.wall,
        });
        let info = UnitInfo {
            node: unit.node.name.clone(),
            attempt: unit.attempt,
            outcome,
            detail,
            result,
            took: unit.begun.map(|begun| now.mono.saturating_duration_since(begun)),
        };
        let (run, job) = (unit.run, unit.job.clone());
        self.tell(Event::UnitEnded { unit: id, run, job, info: info.clone(), again });
        if let Some(next) = next {
            self.record_attempt(run, next);
        }
        // Only now that all of this unit is told: others may end because of what it leaves.
        self.make_wanted(now);
        match unit.phase {
            Phase::Recording => {}
            Phase::Waiting => self.see_if_unwanted(now, unit.master),
            Phase::Submitted | Phase::Sent { .. } => {
                self.on_master(now, node_state::Event::Release(unit.master));
            }
        }
        self.no_longer_away(now, unit.master, id);
        if next.is_none() {
            self.count(now, run, &info);
        }
    }

    /// Ends a unit that the ledger does not have, and would not have the next attempt of either.
    /// One that began while nothing could be written goes on, and keeps its place.
    pub(super) fn refuse(&mut self, now: Now, id: UnitId) {
        let Some(unit) = self.units.get_mut(&id) else { return };
        match unit.phase {
            Phase::Recording | Phase::Waiting => {}
            Phase::Submitted => self.on_pool(now, pool::Event::Withdraw { unit: id }),
            Phase::Sent { .. } => {
                unit.last = true;
                return;
            }
        }
        let Some(unit) = self.units.remove(&id) else { return };
        let detail = "the ledger refused the run; nothing was started".to_owned();
        let report = Report::of(Outcome::Failed { exit: None }, Some(detail));
        self.conclude(now, id, unit, report, None);
    }

    /// How long until the next attempt, if there is to be one.
    fn delay_to_next(&self, unit: &Unit, id: UnitId, outcome: &Outcome) -> Option<Duration> {
        let retries = &unit.job.retries;
        let wanted = RetryOn::of(outcome).is_some_and(|kind| retries.on.contains(&kind));
        let may = !self.stopping && !unit.last && unit.cancelled.is_none();
        if !wanted || !may || unit.attempt >= retries.attempts {
            return None;
        }
        let exponent = i32::try_from(unit.attempt - 1).unwrap_or(i32::MAX);
        let seconds = retries.delay.as_secs_f64() * retries.backoff.powi(exponent);
        // From -1 to 1, the same for the same unit: whoever plays this again sees the same.
        let lot = f64::from(hash(&id.0.to_le_bytes()) as u32) / f64::from(u32::MAX) * 2.0 - 1.0;
        let seconds = seconds * (1.0 + lot * f64::from(retries.jitter) / 100.0);
        Duration::try_from_secs_f64(seconds.min(MAX_DELAY.as_secs_f64())).ok()
    }

    fn next_attempt(&mut self, now: Now, unit: &Unit, delay: Duration) -> UnitId {
        let id = self.take_unit_id();
        let target = (unit.node.clone(), unit.master);
        let cookie = self.cookie(id, &unit.job);
        let (attempt, not_before) = (unit.attempt + 1, Some(now.mono + delay));
        let next = Unit::new((unit.run, &unit.job), &target, attempt, cookie, not_before);
        self.units.insert(id, next);
        id
    }

    fn record_attempt(&mut self, run: RunId, id: UnitId) {
        if let Some(unit) = self.units.get(&id).map(|unit| unit.row(id)) {
            self.record(Record::Retry { run, unit });
        }
    }

    /// The unit's row is on the disk: it may run when its time has come.
    pub(super) fn admit(&mut self, now: Now, id: UnitId) {
        let Some(unit) = self.units.get_mut(&id) else { return };
        match unit.phase {
            Phase::Recording => unit.phase = Phase::Waiting,
            Phase::Waiting => {}
            Phase::Submitted | Phase::Sent { .. } => return,
        }
        match unit.not_before {
            Some(at) if at > now.mono => {
                self.timers.insert((at, Timer::Admit(id)));
            }
            Some(_) | None => {
                self.dispatcher.admit(id);
                self.make_wanted(now);
            }
        }
    }

    /// Ends a unit on somebody's word: at once if no worker has it, else by its worker.
    pub(super) fn cancel_unit(&mut self, now: Now, id: UnitId, by: &Canceller) {
        let Some(unit) = self.units.get_mut(&id) else { return };
        unit.cancelled = Some(by.clone());
        match unit.phase {
            Phase::Recording | Phase::Waiting => {}
            Phase::Submitted => self.on_pool(now, pool::Event::Withdraw { unit: id }),
            Phase::Sent { slot } => {
                self.order_end(now, id, slot, by);
                return;
            }
        }
        let outcome = Outcome::Cancelled { by: by.clone(), kill: Kill::Confirmed };
        let detail = "it had not started".to_owned();
        self.end_unit(now, id, Report::of(outcome, Some(detail)));
    }

    pub(super) fn take_unit_id(&mut self) -> UnitId {
        let id = UnitId(self.numbers.next_unit);
        self.numbers.next_unit += 1;
        id
    }

    pub(super) fn cookie(&self, id: UnitId, job: &Job) -> String {
        let rights = task::rights(&job.task, &job.args, &job.kwargs);
        cookie::cookie(&self.numbers.cookie_prefix, id, &rights)
    }
}

/// Whether something of the unit may still run on its node.
fn may_linger(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Crashed | Outcome::Lost => true,
        Outcome::TimedOut { kill } | Outcome::Cancelled { kill, .. } => *kill == Kill::Unconfirmed,
        Outcome::Succeeded
        | Outcome::Failed { .. }
        | Outcome::Signaled { .. }
        | Outcome::Unreachable
        | Outcome::Skipped { .. } => false,
    }
}

/// FNV-1a: fixed for ever, unlike the standard library's.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

//! The life of a unit in the parent: recorded, queued, handed to a worker, recorded again.
//!
//! The engine's hands for what `dispatch`, `node_state` and `pool` decide.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Engine;
use super::engine::{Ended, Phase, Unit};
use crate::cron::Fires;
use crate::job::Job;
use crate::node::Node;
use crate::node_state;
use crate::pool;
use crate::protocol::message::Output;
use crate::run::Step;
use crate::store::{Condition, Gap, OpenUnit, Record, Seq};
use crate::unit::{Canceller, Kill, Outcome, Reason, RunId, Trigger, UnitId};

/// Between TERM and KILL on the node.
pub const KILL_GRACE: Duration = Duration::from_secs(5);

/// How much later than the worker's own timeout its parent steps in.
const BACKSTOP: Duration = KILL_GRACE.saturating_add(Duration::from_secs(5));

impl Engine {
    /// Makes a run of `job` on `targets`. Nothing starts before the ledger has acknowledged it.
    pub fn begin_run(
        &mut self,
        job: &Arc<Job>,
        targets: &[Arc<Node>],
        trigger: Trigger,
        scheduled_at: Option<Timestamp>,
    ) {
        let at = Timestamp::now();
        let run = RunId(self.next_run);
        let mut opened = Vec::new();
        let mut overlapping = Vec::new();
        for node in targets {
            if self.dispatcher.begin(&job.name, &node.name) {
                opened.push((UnitId(self.next_unit), node));
                self.next_unit += 1;
            } else {
                overlapping.push(node.name.clone());
            }
        }
        if !opened.is_empty() {
            self.next_run += 1;
            self.open_run(run, job, &opened, trigger, scheduled_at, at);
        }
        let instant = scheduled_at.unwrap_or(at);
        let instant = Fires { first: instant, last: instant, count: 1 };
        self.record_overlaps(job, overlapping, instant, (!opened.is_empty()).then_some(run));
        if targets.is_empty() {
            self.record_gap(&job.name, None, instant, Reason::NoTargets, None);
        }
    }

    fn open_run(
        &mut self,
        run: RunId,
        job: &Arc<Job>,
        opened: &[(UnitId, &Arc<Node>)],
        trigger: Trigger,
        scheduled_at: Option<Timestamp>,
        at: Timestamp,
    ) {
        let mut rows = Vec::with_capacity(opened.len());
        for (unit, node) in opened {
            let cookie = format!("{}-{unit}", self.ledger_id);
            rows.push(OpenUnit {
                unit: *unit,
                node: node.name.clone(),
                attempt: 1,
                cookie: cookie.clone(),
            });
            let master = self.master_of(node);
            let unit_state = Unit {
                run,
                job: job.clone(),
                node: (*node).clone(),
                master,
                attempt: 1,
                cookie,
                phase: Phase::Recording,
                begun: None,
                sweeps: Vec::new(),
            };
            self.units.insert(*unit, unit_state);
        }
        log::info!(target: "loom::run", "run {run} of {}: queued, units: {}", job.name, rows.len());
        self.runs.open(run, rows.len());
        let seq = self.ledger.submit(Record::OpenRun {
            run,
            job: job.name.clone(),
            trigger,
            scheduled_at,
            epoch: self.epoch,
            at,
            units: rows,
        });
        self.recording.push_back((seq, opened.iter().map(|(unit, _)| *unit).collect()));
    }

    /// One gap for the job if nothing of it could run, else one for each node left out.
    fn record_overlaps(
        &mut self,
        job: &Job,
        nodes: Vec<String>,
        instant: Fires,
        run: Option<RunId>,
    ) {
        if nodes.is_empty() {
            return;
        }
        log::warn!(
            target: "loom::run",
            "{}: skipped on {}: its previous run is not over there", job.name, nodes.join(", ")
        );
        if run.is_none() {
            self.record_gap(&job.name, None, instant, Reason::Overlap, None);
            return;
        }
        for node in nodes {
            self.record_gap(&job.name, Some(node), instant, Reason::Overlap, run);
        }
    }

    pub fn record_gap(
        &mut self,
        job: &str,
        node: Option<String>,
        fires: Fires,
        reason: Reason,
        run: Option<RunId>,
    ) {
        let Fires { first, last, count } = fires;
        let (job, epoch) = (job.to_owned(), self.epoch);
        let gap = Gap { job, node, first_at: first, last_at: last, count, epoch, reason, run };
        self.ledger.submit(Record::Gap(gap));
    }

    /// Rows are durable: their units may wait for their nodes now.
    pub fn acknowledged(&mut self) {
        let news = self.ledger.acknowledged();
        let through = news.through;
        match news.condition {
            Some(Condition::Degraded(why)) => {
                log::error!(target: "loom::ledger", "nothing can be recorded, so nothing starts: {why}");
            }
            Some(Condition::Sound) => log::info!(target: "loom::ledger", "recording"),
            None => {}
        }
        for rejected in news.rejected {
            log::error!(target: "loom::ledger", "a record was rejected: {}", rejected.why);
            self.drop_unrecorded(rejected.seq);
        }
        while self.recording.front().is_some_and(|(seq, _)| *seq <= through) {
            let Some((_, units)) = self.recording.pop_front() else { break };
            for id in units {
                let Some(unit) = self.units.get_mut(&id) else { continue };
                unit.phase = Phase::Waiting;
                let (master, limit) = (unit.master, unit.node.max_sessions);
                self.dispatcher.queue(id, master, limit);
                self.on_master(node_state::Event::Want(master));
            }
        }
    }

    /// A run that the ledger refuses, as one that it has already, does not run.
    fn drop_unrecorded(&mut self, seq: Seq) {
        let Some(at) = self.recording.iter().position(|(recorded, _)| *recorded == seq) else {
            return;
        };
        for id in self.recording.remove(at).into_iter().flat_map(|(_, units)| units) {
            let outcome = Outcome::Failed { exit: None };
            let detail = "the ledger refused the run; nothing was started".to_owned();
            self.end_unit(id, outcome, Some(detail), Output::default());
        }
    }

    /// Hands over as many units as workers and nodes can take.
    pub fn pump(&mut self) {
        while self.pool.room() > 0 {
            let Some(id) = self.dispatcher.take_next() else { break };
            let Some(unit) = self.units.get_mut(&id) else { continue };
            unit.phase = Phase::Submitted;
            let master = unit.master;
            self.masters.acquire(master);
            let limit = unit.job.timeout.map(|timeout| timeout + BACKSTOP);
            self.see_if_unwanted(master);
            self.on_pool(pool::Event::Submit { unit: id, limit });
        }
    }

    /// The one way out for a unit, whatever became of it.
    pub fn end_unit(
        &mut self,
        id: UnitId,
        outcome: Outcome,
        detail: Option<String>,
        output: Output,
    ) {
        let Some(unit) = self.units.remove(&id) else { return };
        let took = unit.begun.map(|begun| begun.elapsed());
        self.log_end(id, &unit, &outcome, detail.as_deref(), took);
        self.dispatcher.end(&unit.job.name, &unit.node.name);
        match unit.phase {
            Phase::Recording => {}
            Phase::Waiting => {
                self.dispatcher.withdraw(id);
                self.see_if_unwanted(unit.master);
            }
            Phase::Submitted | Phase::Sent { .. } => {
                self.dispatcher.release(unit.master);
                self.on_master(node_state::Event::Release(unit.master));
            }
        }
        if may_linger(&outcome) {
            self.sweep.entry(unit.node.name.clone()).or_default().push(unit.cookie.clone());
        }
        let at = Timestamp::now();
        self.ledger.submit(Record::CloseUnit {
            unit: id,
            outcome: outcome.clone(),
            detail: detail.clone(),
            output,
            at,
        });
        if let Step::Over(tally) = self.runs.ended(unit.run, &outcome) {
            let end = tally.verdict();
            log::info!(target: "loom::run", "run {} of {}: {end}", unit.run, unit.job.name);
            self.ledger.submit(Record::CloseRun { run: unit.run, end, at });
        }
        self.ended.push(Ended {
            job: unit.job.name.clone(),
            node: unit.node.name.clone(),
            outcome,
            detail,
            took,
        });
    }

    fn log_end(
        &self,
        id: UnitId,
        unit: &Unit,
        outcome: &Outcome,
        detail: Option<&str>,
        took: Option<Duration>,
    ) {
        let level = if outcome.is_success() { log::Level::Info } else { log::Level::Warn };
        let took = took.map_or(String::new(), |took| format!(" after {took:.1?}"));
        let detail = detail.map_or(String::new(), |detail| format!(": {detail}"));
        log::log!(
            target: "loom::unit", level,
            "{} on {}: {outcome}{took} (run {}, unit {id}){detail}",
            unit.job.name, unit.node.name, unit.run
        );
    }

    /// Ends a unit that no worker has yet; `false` if one has.
    pub fn cancel_unsent(&mut self, id: UnitId, by: &Canceller) -> bool {
        match self.units.get(&id).map(|unit| unit.phase) {
            Some(Phase::Recording | Phase::Waiting) => {}
            Some(Phase::Submitted) => self.on_pool(pool::Event::Withdraw { unit: id }),
            Some(Phase::Sent { .. }) | None => return false,
        }
        let outcome = Outcome::Cancelled { by: by.clone(), kill: Kill::Confirmed };
        self.end_unit(id, outcome, Some("it had not started".to_owned()), Output::default());
        true
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

//! Workers: handing units over, and hearing of them.

use std::time::Duration;

use super::{Action, KILL_GRACE, Now, Phase, Scheduler, Timer};
use crate::event::Event;
use crate::pool::slot::Death;
use crate::pool::{self, SlotId};
use crate::protocol;
use crate::protocol::cookie::{self, Rights};
use crate::protocol::message::{FromWorker, Report};
use crate::store::Record;
use crate::unit::{Canceller, Kill, Outcome, UnitId};

/// How much later than the worker's own timeout its parent steps in: the worker waits for the
/// grace and up to 4 s for the node's word, and has to say so.
const BACKSTOP: Duration = KILL_GRACE.saturating_add(Duration::from_secs(8));

impl Scheduler {
    /// Hands over as many units as workers and nodes can take.
    pub(super) fn pump(&mut self, now: Now) {
        while self.pool.room() > 0 {
            let Some(id) = self.dispatcher.take_next(now.mono) else { break };
            let Some(unit) = self.units.get_mut(&id) else { continue };
            unit.phase = Phase::Submitted;
            let master = unit.master;
            let limit = unit.job.timeout.map(|timeout| timeout + BACKSTOP);
            self.masters.acquire(master);
            self.see_if_unwanted(now, master);
            self.on_pool(now, pool::Event::Submit { unit: id, limit });
        }
    }

    pub fn on_pool(&mut self, now: Now, event: pool::Event) {
        for action in self.pool.handle(now.mono, event) {
            match action {
                pool::Action::Spawn(slot) => self.outbox.push_back(Action::Spawn(slot)),
                pool::Action::Send { slot, unit } => {
                    self.outbox.push_back(Action::Send { slot, unit });
                }
                pool::Action::Shutdown(slot) => self.outbox.push_back(Action::Shutdown(slot)),
                pool::Action::Kill(slot) => self.outbox.push_back(Action::KillWorker(slot)),
                pool::Action::Fail { unit, death } => self.worker_died(now, unit, death),
            }
        }
    }

    fn worker_died(&mut self, now: Now, id: UnitId, death: Death) {
        let cancelled = self.units.get(&id).and_then(|unit| unit.cancelled.clone());
        let (outcome, detail) = match (death, cancelled) {
            (Death::Crashed | Death::Overdue, Some(by)) => (
                Outcome::Cancelled { by, kill: Kill::Unconfirmed },
                "its worker did not end it in time and was killed",
            ),
            (Death::Crashed, None) => (Outcome::Crashed, "the worker process died"),
            (Death::NoWorker, _) => {
                (Outcome::Failed { exit: None }, "no worker process can be started")
            }
            (Death::Overdue, None) => (
                Outcome::TimedOut { kill: Kill::Unconfirmed },
                "the worker did not act on the timeout and was killed",
            ),
        };
        self.end_unit(now, id, Report::of(outcome, Some(detail.to_owned())));
    }

    /// About to be sent: what its worker is to sweep for first.
    pub fn sweeps_for(&mut self, id: UnitId) {
        if let Some(unit) = self.units.get_mut(&id) {
            unit.sweeps = self.sweep.get(&unit.node.name).cloned().unwrap_or_default();
        }
    }

    /// The worker of this process has the unit.
    pub fn sent(&mut self, now: Now, slot: SlotId, id: UnitId, worker_pid: u32) {
        let Some(unit) = self.units.get_mut(&id) else { return };
        unit.phase = Phase::Sent { slot };
        unit.begun = Some(now.mono);
        let (run, job, node) = (unit.run, unit.job.clone(), unit.node.name.clone());
        if self.runs.started(run, now.wall)
            && let Some(info) = self.runs.info(run).cloned()
        {
            if let Some(within) = info.within {
                self.flow_started(now, within.flow);
            }
            self.record(Record::StartRun { run, at: now.wall });
            self.tell(Event::RunStarted { run: info, at: now.wall });
        }
        self.record(Record::StartUnit { unit: id, worker_pid: Some(worker_pid), at: now.wall });
        self.tell(Event::UnitStarted { unit: id, run, job, node, worker_pid });
    }

    /// The unit cannot be put to the worker, which is none the worse for it.
    pub fn unsendable(&mut self, now: Now, slot: SlotId, id: UnitId, why: String) {
        self.end_unit(now, id, Report::of(Outcome::Failed { exit: None }, Some(why)));
        self.on_pool(now, pool::Event::Done { slot, unit: id });
    }

    /// Takes in what a worker says.
    pub fn hear(&mut self, now: Now, slot: SlotId, message: FromWorker) {
        match message {
            FromWorker::Hello { version, .. } if version == protocol::VERSION => {
                self.on_pool(now, pool::Event::Hello { slot });
            }
            FromWorker::Hello { version, pid } => {
                log::error!(
                    target: "loom::pool",
                    "worker {pid} speaks version {version} of the protocol, not {}; \
                     install loom and loom-worker of the same release",
                    protocol::VERSION
                );
                self.on_pool(now, pool::Event::Broken { slot });
            }
            FromWorker::Heartbeat => self.on_pool(now, pool::Event::Heartbeat { slot }),
            FromWorker::Started { unit, remote_pgid } => {
                self.on_pool(now, pool::Event::Heartbeat { slot });
                if self.pool.holds(slot, unit) {
                    self.on_node(now, unit, remote_pgid);
                }
            }
            FromWorker::Swept { unit } => {
                if self.pool.holds(slot, unit) {
                    self.swept(unit);
                }
            }
            FromWorker::Rights { unit, rights } => {
                if self.pool.holds(slot, unit) {
                    self.has_rights(unit, &rights);
                }
            }
            FromWorker::Leaving { unit } => {
                if self.pool.holds(slot, unit) {
                    self.leaving(now, unit);
                }
            }
            FromWorker::Rejoin { unit, anew } => {
                if self.pool.holds(slot, unit) {
                    self.rejoin(now, unit, anew);
                }
            }
            FromWorker::Done { unit, report } => {
                // Only the worker that holds a unit can end it.
                if self.pool.holds(slot, unit) {
                    if has_answered(&report.outcome)
                        && let Some(unit) = self.units.get(&unit)
                    {
                        self.dispatcher.proven(unit.master, now.mono);
                    }
                    self.end_unit(now, unit, report);
                }
                self.on_pool(now, pool::Event::Done { slot, unit });
            }
        }
    }

    fn on_node(&mut self, now: Now, id: UnitId, remote_pgid: Option<u32>) {
        let Some(unit) = self.units.get(&id) else { return };
        self.dispatcher.proven(unit.master, now.mono);
        if let Some(remote_pgid) = remote_pgid {
            self.record(Record::OnNode { unit: id, remote_pgid });
        }
    }

    fn swept(&mut self, id: UnitId) {
        let Some(unit) = self.units.get_mut(&id) else { return };
        let cookies = std::mem::take(&mut unit.sweeps);
        let node = unit.node.name.clone();
        // Others may have been added since this unit was sent.
        if let Some(left) = self.sweep.get_mut(&node) {
            left.retain(|cookie| !cookies.contains(cookie));
            if left.is_empty() {
                self.sweep.remove(&node);
            }
        }
        if !cookies.is_empty() {
            self.record(Record::Swept { node, cookies });
        }
    }

    /// Kept before the worker goes on: what a crash leaves behind must not outlive the word of it.
    fn has_rights(&mut self, id: UnitId, rights: &Rights) {
        let Some(unit) = self.units.get_mut(&id) else { return };
        unit.cookie = cookie::with(&unit.cookie, rights);
        let cookie = unit.cookie.clone();
        self.record(Record::Rights { unit: id, cookie });
    }

    /// The last `Rights` of the unit is on the disk, or waits in memory since nothing can be
    /// written, or is refused, as everything of a unit is that the ledger does not have.
    pub fn rights_kept(&mut self, id: UnitId) {
        match self.units.get(&id).map(|unit| unit.phase) {
            Some(Phase::Sent { slot }) => {
                self.outbox.push_back(Action::RightsKept { slot, unit: id });
            }
            Some(Phase::Recording | Phase::Waiting | Phase::Submitted) | None => {}
        }
    }

    /// Has the worker end the unit; should it not, it is killed.
    pub(super) fn order_end(&mut self, now: Now, unit: UnitId, slot: SlotId, by: &Canceller) {
        self.outbox.push_back(Action::Cancel { slot, unit, by: by.clone() });
        self.timers.insert((now.mono + BACKSTOP, Timer::Overdue(unit)));
    }

    pub(super) fn overdue(&mut self, now: Now, id: UnitId) {
        let Some(unit) = self.units.get(&id) else { return };
        match unit.phase {
            Phase::Sent { slot } => self.on_pool(now, pool::Event::Broken { slot }),
            Phase::Recording | Phase::Waiting | Phase::Submitted => {}
        }
    }
}

/// Whether the outcome is the node's own word.
fn has_answered(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Succeeded | Outcome::Failed { .. } | Outcome::Signaled { .. } => true,
        Outcome::TimedOut { kill } | Outcome::Cancelled { kill, .. } => *kill == Kill::Confirmed,
        Outcome::Unreachable | Outcome::Crashed | Outcome::Lost | Outcome::Skipped { .. } => false,
    }
}

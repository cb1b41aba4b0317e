//! Workers, connections and the ledger, as bad as they can be.

use std::time::Duration;

use loom::node_state::{self, MasterId};
use loom::pool::{self, SlotId};
use loom::protocol::cookie::Rights;
use loom::protocol::message::{FromWorker, HEARTBEAT, Output, Report};
use loom::store::Record;
use loom::unit::{Canceller, Kill, Outcome, UnitId};

use super::player::{Health, Later, Player, Worker};

const SOON: Duration = Duration::from_millis(1);
/// A worker is there in less.
const STARTS: Duration = Duration::from_millis(50);

impl Player {
    pub fn spawn(&mut self, slot: SlotId) {
        if self.no_spawn {
            self.scheduler.on_pool(self.now(), pool::Event::SpawnFailed { slot });
            return;
        }
        self.workers.insert(slot, Worker::default());
        self.after_ms(1, 30, Later::Hello(slot));
    }

    pub fn send(&mut self, slot: SlotId, id: UnitId) {
        if !self.workers.contains_key(&slot) {
            return;
        }
        let now = self.now();
        self.scheduler.sweeps_for(id);
        let Some(unit) = self.scheduler.unit(id) else {
            self.scheduler.on_pool(now, pool::Event::Done { slot, unit: id });
            return;
        };
        // It may have gone while the unit waited for a worker that had to be, or could not be,
        // started.
        let lost = self.ssh_lost.get(&unit.master);
        let connected = self.ssh.has(unit.master)
            || lost.is_some_and(|at| self.passed.saturating_sub(*at) <= STARTS);
        assert!(connected || self.plan.faults.spawn, "unit {id} has no connection");
        self.assert_configured(id);
        self.books.send(self.passed, id, unit);
        if self.may().workers && self.draw(50) == 0 {
            self.books.leaves_work(id);
            self.scheduler.unsendable(self.now(), slot, id, "too large".to_owned());
            return;
        }
        assert!(self.books.at_work() <= self.max_workers, "more units than workers");
        self.scheduler.sent(now, slot, id, slot.0);
        self.workers.get_mut(&slot).expect("there").unit = Some(id);
        self.after(HEARTBEAT, Later::Heartbeat(slot));
        if self.may().workers && self.draw(20) == 0 {
            self.workers.get_mut(&slot).expect("there").hung = true;
        }
        self.after_ms(5, 2000, Later::Started(slot, id));
        let longest = [500, 5000, 90_000][self.draw(3) as usize];
        self.after_ms(10, longest, Later::Done(slot, id));
    }

    pub fn order_cancel(&mut self, slot: SlotId, unit: UnitId) {
        self.after_ms(1, 8000, Later::Cancelled(slot, unit));
    }

    pub fn order_shutdown(&mut self, slot: SlotId) {
        if self.workers.get(&slot).is_some_and(|worker| !worker.hung) {
            self.after(SOON, Later::Gone(slot));
        }
    }

    pub fn kill(&mut self, slot: SlotId) {
        self.after_ms(1, 50, Later::Gone(slot));
    }

    pub fn harm_a_worker(&mut self) {
        let slots: Vec<SlotId> = self.workers.keys().copied().collect();
        if slots.is_empty() {
            return;
        }
        let slot = slots[self.draw(slots.len() as u64) as usize];
        match self.draw(5) {
            0 => self.workers.get_mut(&slot).expect("there").hung = true,
            1 => self.after(SOON, Later::Babble(slot)),
            2 => self.scheduler.on_pool(self.now(), pool::Event::Broken { slot }),
            3 => {
                self.scheduler.on_pool(self.now(), pool::Event::Closed { slot });
            }
            _ => self.after(SOON, Later::Gone(slot)),
        }
    }

    pub fn worker_does(&mut self, what: Later) {
        let now = self.now();
        match what {
            Later::Hello(slot) => {
                let hello = FromWorker::Hello { version: loom::protocol::VERSION, pid: slot.0 };
                self.says(slot, hello);
            }
            Later::Started(slot, unit) => {
                if self.holds(slot, unit) {
                    let remote_pgid = (self.draw(2) == 0).then_some(7);
                    self.says(slot, FromWorker::Started { unit, remote_pgid });
                    self.says(slot, FromWorker::Swept { unit });
                    self.after_ms(1, 500, Later::Rights(slot, unit));
                    if self.may().nodes && self.draw(8) == 0 {
                        self.reboot(slot, unit);
                    }
                }
            }
            Later::Rejoin(slot, unit) => {
                if self.holds(slot, unit) {
                    let anew = self.draw(4) == 0;
                    self.says(slot, FromWorker::Rejoin { unit, anew });
                }
            }
            Later::Rights(slot, unit) => {
                if self.holds(slot, unit) {
                    let user = Rights::User(format!("u{}", self.draw(3)));
                    let rights = if self.draw(2) == 0 { Rights::Root } else { user };
                    self.says(slot, FromWorker::Rights { unit, rights });
                }
            }
            Later::Heartbeat(slot) => {
                if self.workers.get(&slot).is_some_and(|worker| worker.unit.is_some()) {
                    self.says(slot, FromWorker::Heartbeat);
                    self.after(HEARTBEAT, Later::Heartbeat(slot));
                }
            }
            Later::Done(slot, unit) => {
                let outcome = self.outcome();
                self.ends(slot, unit, outcome);
            }
            Later::Cancelled(slot, unit) => {
                let kill = if self.draw(2) == 0 { Kill::Confirmed } else { Kill::Unconfirmed };
                let by = Canceller::Shutdown;
                self.ends(slot, unit, Outcome::Cancelled { by, kill });
            }
            // It answers for a unit that is not its own, or says what it has said before.
            Later::Babble(slot) => {
                let unit = UnitId(1 + self.draw(50));
                if !self.holds(slot, unit) {
                    let started = FromWorker::Started { unit, remote_pgid: Some(8) };
                    self.says(slot, started);
                    self.says(slot, FromWorker::Swept { unit });
                    self.says(slot, FromWorker::Rights { unit, rights: Rights::Root });
                    self.says(slot, FromWorker::Rejoin { unit, anew: true });
                    let report = report(Outcome::Succeeded);
                    self.says(slot, FromWorker::Done { unit, report });
                }
            }
            Later::Gone(slot) => {
                let Some(worker) = self.workers.remove(&slot) else { return };
                if let Some(unit) = worker.unit {
                    // What it said last is heard first.
                    if self.may().workers && !worker.hung && self.draw(4) == 0 {
                        let report = report(Outcome::Succeeded);
                        self.books.leaves_work(unit);
                        self.scheduler.hear(now, slot, FromWorker::Done { unit, report });
                    }
                    self.books.leaves_work(unit);
                }
                self.scheduler.on_pool(now, pool::Event::Exited { slot });
            }
            Later::Connected(..)
            | Later::SshEnds(..)
            | Later::Write
            | Later::Mischief
            | Later::Hurry => {}
        }
    }

    /// With or without saying so before.
    fn reboot(&mut self, slot: SlotId, unit: UnitId) {
        if self.draw(2) == 0 {
            self.says(slot, FromWorker::Leaving { unit });
        }
        let master = self.scheduler.unit(unit).map(|unit| unit.master);
        if let Some(master) = master.filter(|master| self.ssh.has(*master))
            && self.draw(4) > 0
        {
            let generation = self.ssh_generation[&master];
            self.after_ms(1, 2000, Later::SshEnds(master, generation));
        }
        self.after_ms(1, 5000, Later::Rejoin(slot, unit));
    }

    pub fn rejoined(&mut self, slot: SlotId, unit: UnitId, trouble: Option<String>) {
        if trouble.is_some() || self.draw(4) == 0 {
            self.after_ms(500, 2000, Later::Rejoin(slot, unit));
        }
    }

    fn holds(&self, slot: SlotId, unit: UnitId) -> bool {
        self.workers.get(&slot).is_some_and(|worker| worker.unit == Some(unit))
    }

    fn says(&mut self, slot: SlotId, message: FromWorker) {
        if self.workers.get(&slot).is_some_and(|worker| !worker.hung) {
            self.scheduler.hear(self.now(), slot, message);
        }
    }

    fn ends(&mut self, slot: SlotId, unit: UnitId, outcome: Outcome) {
        if !self.holds(slot, unit) || self.workers[&slot].hung {
            return;
        }
        self.workers.get_mut(&slot).expect("there").unit = None;
        self.books.leaves_work(unit);
        self.says(slot, FromWorker::Done { unit, report: report(outcome.clone()) });
        if self.may().workers && self.draw(20) == 0 {
            self.says(slot, FromWorker::Done { unit, report: report(outcome) });
        }
    }

    fn outcome(&mut self) -> Outcome {
        let kill = if self.draw(2) == 0 { Kill::Confirmed } else { Kill::Unconfirmed };
        match self.draw(10) {
            0 => Outcome::Failed { exit: Some(1) },
            1 => Outcome::Signaled { signal: 9 },
            2 => Outcome::Unreachable,
            3 => Outcome::TimedOut { kill },
            4 => Outcome::Lost,
            _ => Outcome::Succeeded,
        }
    }

    pub fn connect(&mut self, id: MasterId) {
        self.ssh.begins(id);
        let generation = self.ssh_generation.entry(id).or_default();
        *generation += 1;
        let generation = *generation;
        let health = self.health[&self.masters[id.0 as usize]];
        match health {
            Health::Well => self.after_ms(50, 400, Later::Connected(id, generation)),
            Health::Refuses if self.draw(4) == 0 => {
                // ssh itself cannot be started.
                self.ssh.ends(id);
                let now = self.now();
                self.scheduler.complain(id, Some("no ssh".to_owned()));
                self.scheduler.on_master(now, node_state::Event::Exited(id));
            }
            Health::Refuses => self.after_ms(1, 50, Later::SshEnds(id, generation)),
            Health::Hangs => {
                if self.draw(2) == 0 {
                    self.after_ms(5_000, 40_000, Later::Connected(id, generation));
                }
                self.after_ms(40_000, 60_000, Later::SshEnds(id, generation));
            }
            Health::Drops => {
                self.after_ms(50, 400, Later::Connected(id, generation));
                self.after_ms(400, 20_000, Later::SshEnds(id, generation));
            }
        }
    }

    /// It may take its time, unless it is killed.
    pub fn close(&mut self, id: MasterId) {
        let generation = self.ssh_generation[&id];
        let slow = if self.may().nodes { 9000 } else { 50 };
        self.after_ms(1, slow, Later::SshEnds(id, generation));
    }

    pub fn end_master(&mut self, id: MasterId) {
        let generation = self.ssh_generation[&id];
        self.after(SOON, Later::SshEnds(id, generation));
    }

    pub fn connected(&mut self, id: MasterId, generation: u64) {
        if self.ssh.has(id) && self.ssh_generation[&id] == generation {
            let now = self.now();
            self.scheduler.complain(id, None);
            self.scheduler.on_master(now, node_state::Event::Connected(id));
        }
    }

    pub fn ssh_ends(&mut self, id: MasterId, generation: u64) {
        if self.ssh.has(id) && self.ssh_generation[&id] == generation {
            self.ssh.ends(id);
            self.ssh_lost.insert(id, self.passed);
            let now = self.now();
            self.scheduler.complain(id, Some("gone".to_owned()));
            self.scheduler.on_master(now, node_state::Event::Exited(id));
        }
    }

    pub fn change_health(&mut self) {
        const ALL: [Health; 4] = [Health::Well, Health::Refuses, Health::Hangs, Health::Drops];
        let n = self.draw(self.plan.nodes as u64);
        let health = ALL[self.draw(4) as usize];
        let name = format!("n{n}");
        self.health.insert(name.clone(), health);
        for id in self.ssh.all() {
            if self.masters[id.0 as usize] == name && health != Health::Well && self.draw(2) == 0 {
                let generation = self.ssh_generation[&id];
                self.after_ms(1, 5000, Later::SshEnds(id, generation));
            }
        }
    }

    pub fn degrade(&mut self, degraded: bool) {
        self.ledger.degraded = degraded;
        if degraded {
            let waiting: Vec<UnitId> =
                self.ledger.waiting.iter().flat_map(|(_, units)| units).copied().collect();
            waiting.iter().for_each(|unit| self.books.may_start(*unit));
            self.scheduler.recorded(self.now(), waiting);
            for (record, _) in self.ledger.waiting.clone() {
                self.keep_rights(&record);
            }
        } else {
            self.after(SOON, Later::Write);
        }
    }

    /// All that waits reaches the disk, or as much of it as there is time for.
    pub fn write(&mut self) {
        if self.ledger.degraded {
            return;
        }
        let count = match self.may().ledger {
            true => 1 + self.draw(20) as usize,
            false => self.ledger.waiting.len(),
        };
        let count = count.min(self.ledger.waiting.len());
        let written: Vec<(Record, Vec<UnitId>)> = self.ledger.waiting.drain(..count).collect();
        if !self.ledger.waiting.is_empty() {
            self.after_ms(1, 1000, Later::Write);
        }
        let mut recorded = Vec::new();
        for (record, units) in written {
            self.keep_rights(&record);
            if self.refuses(&record, &units) {
                self.scheduler.refused(self.now(), units);
                continue;
            }
            units.iter().for_each(|unit| self.books.may_start(*unit));
            recorded.push(units);
        }
        for units in recorded {
            self.scheduler.recorded(self.now(), units);
        }
    }
}

impl Player {
    /// A flow, the part of one that it does not have, or any run or attempt.
    fn refuses(&mut self, record: &Record, units: &[UnitId]) -> bool {
        let refuses = |player: &mut Player| player.ledger.refusing && player.draw(4) == 0;
        match record {
            Record::OpenRun { run, plan: Some(_), .. } => {
                if refuses(self) {
                    self.ledger.unknown.insert(*run);
                }
                // Nobody waits for that.
                false
            }
            Record::OpenRun { within: Some(within), .. }
                if self.ledger.unknown.contains(&within.flow) =>
            {
                true
            }
            _ => !units.is_empty() && refuses(self),
        }
    }
}

fn report(outcome: Outcome) -> Report {
    Report { outcome, detail: None, result: None, output: Output::default() }
}

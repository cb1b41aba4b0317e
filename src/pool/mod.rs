//! Worker processes: events in, actions out.
//!
//! The pool keeps between `min` and `max` workers, hands each one unit at a time, and lets no
//! worker's death touch anything but its own unit. The rules are those of Ampoule's ProcessPool
//! as the original used it, mended where the house says so. It knows unit ids and slots, which are
//! the places of workers here, not those of flows; it does not know jobs, and does no I/O:
//! [`child`] does, at the event loop's hands.

pub mod child;
mod index;
pub mod slot;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::protocol::message::HEARTBEAT;
use crate::unit::UnitId;
use index::Index;
use slot::{Death, Slot, State, Verdict};

/// First pause after a worker died before it finished anything; doubled each time.
const BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// Starts that fail in a row before all that waits is failed instead of kept.
const HOPELESS: u32 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId(pub u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// 0 ≤ `min` ≤ `max`, 1 ≤ `max`.
    pub min: usize,
    pub max: usize,
    /// Workers idle for longer leave while there are more than `min`.
    pub idle_timeout: Duration,
    /// Units a worker is handed before it is replaced; 0: never.
    pub recycle_after: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A unit to run. `limit`: kill its worker when it has held the unit for so long.
    Submit {
        unit: UnitId,
        limit: Option<Duration>,
    },
    /// The unit no longer needs to run, if it still waits here.
    Withdraw {
        unit: UnitId,
    },
    Hello {
        slot: SlotId,
    },
    Heartbeat {
        slot: SlotId,
    },
    Done {
        slot: SlotId,
        unit: UnitId,
    },
    /// What the worker says can no longer be trusted.
    Broken {
        slot: SlotId,
    },
    /// The worker has closed its end: it will not say anything more.
    Closed {
        slot: SlotId,
    },
    SpawnFailed {
        slot: SlotId,
    },
    /// The process is gone and reaped.
    Exited {
        slot: SlotId,
    },
    Adjust(Limits),
    /// Hand over nothing more; let every worker leave once its unit is done.
    Stop,
    /// Time has passed; due at [`Pool::deadline`].
    Tick,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Spawn(SlotId),
    Send {
        slot: SlotId,
        unit: UnitId,
    },
    /// Ask to leave.
    Shutdown(SlotId),
    /// SIGKILL to the whole process group.
    Kill(SlotId),
    /// The unit ended without its worker's word.
    Fail {
        unit: UnitId,
        death: Death,
    },
}

#[derive(Debug)]
pub struct Pool {
    limits: Limits,
    /// Changed by `with`, `put` and `remove` only, which keep the index in step.
    slots: BTreeMap<SlotId, Slot>,
    index: Index,
    next: u32,
    queue: VecDeque<(UnitId, Option<Duration>)>,
    stopping: bool,
    /// Workers in a row that died, or could not be started, before they finished a unit.
    failures: u32,
    /// No worker is started before this.
    not_before: Option<Instant>,
}

impl Pool {
    /// No worker yet; the first `Tick` starts `min` of them.
    pub fn new(limits: Limits) -> Pool {
        Pool {
            limits,
            slots: BTreeMap::new(),
            index: Index::default(),
            next: 0,
            queue: VecDeque::new(),
            stopping: false,
            failures: 0,
            not_before: None,
        }
    }

    /// Live workers, leaving ones included.
    pub fn live(&self) -> usize {
        self.slots.len()
    }

    /// No worker, and no unit that waits for one.
    #[doc(hidden)]
    pub fn is_at_rest(&self) -> bool {
        self.slots.is_empty() && self.queue.is_empty()
    }

    /// How many more units could be handed to a worker at once, rather than wait here.
    pub fn room(&self) -> usize {
        if self.stopping {
            return 0;
        }
        // Those that wait are to fail together, not one by one.
        if self.is_hopeless() {
            return usize::MAX;
        }
        // While none can be started they wait where connections and turns are watched over.
        let new = match self.not_before {
            Some(_) => 0,
            None => self.limits.max.saturating_sub(self.live()),
        };
        (self.index.free.len() + new).saturating_sub(self.queue.len())
    }

    /// Whether this worker holds this unit: only then does its word on it count. It does until
    /// the process is gone, even if it is being killed.
    pub fn holds(&self, slot: SlotId, unit: UnitId) -> bool {
        match self.slots.get(&slot).map(|slot| slot.state) {
            Some(State::Busy { unit: held, .. } | State::Killing { unit: Some((held, _)) }) => {
                held == unit
            }
            Some(
                State::Starting { .. }
                | State::Idle { .. }
                | State::Retiring { .. }
                | State::Killing { unit: None },
            )
            | None => false,
        }
    }

    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Submit { unit, limit } => self.queue.push_back((unit, limit)),
            Event::Withdraw { unit } => self.queue.retain(|(queued, _)| *queued != unit),
            Event::Hello { slot } => {
                self.with(slot, |slot| slot.hello(now));
            }
            Event::Heartbeat { slot } => {
                self.with(slot, |slot| slot.heartbeat(now));
            }
            Event::Done { slot, unit } => self.done(now, slot, unit, &mut actions),
            Event::Broken { slot } => self.kill(slot, Death::Crashed, &mut actions),
            Event::Closed { slot } => self.closed(slot, &mut actions),
            Event::SpawnFailed { slot } => self.spawn_failed(now, slot, &mut actions),
            Event::Exited { slot } => self.exited(now, slot, &mut actions),
            Event::Adjust(limits) => self.adjust(now, limits, &mut actions),
            Event::Stop => self.stop(now, &mut actions),
            Event::Tick => self.tick(now, &mut actions),
        }
        self.fill(now, &mut actions);
        actions
    }

    /// When a `Tick` is next needed, if at all.
    pub fn deadline(&self) -> Option<Instant> {
        let slots = self.index.due.first().map(|(at, _)| *at).into_iter();
        let spawn = self.not_before.filter(|_| !self.stopping);
        slots.chain(self.prune_at()).chain(spawn).min()
    }

    fn with<T>(&mut self, id: SlotId, change: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        let slot = self.slots.get_mut(&id)?;
        self.index.remove(id, slot);
        let told = change(slot);
        self.index.add(id, slot);
        Some(told)
    }

    fn put(&mut self, id: SlotId, slot: Slot) {
        self.index.add(id, &slot);
        self.slots.insert(id, slot);
    }

    fn remove(&mut self, id: SlotId) -> Option<Slot> {
        let slot = self.slots.remove(&id)?;
        self.index.remove(id, &slot);
        Some(slot)
    }

    fn done(&mut self, now: Instant, id: SlotId, unit: UnitId, actions: &mut Vec<Action>) {
        let Some(slot) = self.slots.get(&id) else { return };
        match slot.state {
            State::Busy { unit: held, .. } if held == unit => {
                self.failures = 0;
                self.not_before = None;
                let recycle_after = self.limits.recycle_after;
                let worn = recycle_after > 0 && slot.served >= recycle_after;
                let leaves = worn || self.stopping;
                self.with(id, |slot| {
                    slot.proven = true;
                    slot.state = match leaves {
                        true => State::Retiring { since: now, replace: worn },
                        false => State::Idle { since: now },
                    };
                });
                if leaves {
                    actions.push(Action::Shutdown(id));
                } else {
                    self.shrink(now, actions);
                }
            }
            // Its answer came as it was being killed: the unit is done all the same.
            State::Killing { unit: Some((held, _)) } if held == unit => {
                self.with(id, |slot| slot.state = State::Killing { unit: None });
            }
            // An answer to a question nobody asked.
            State::Busy { .. } | State::Starting { .. } | State::Idle { .. } => {
                self.kill(id, Death::Crashed, actions);
            }
            State::Retiring { .. } | State::Killing { .. } => {}
        }
    }

    fn kill(&mut self, id: SlotId, death: Death, actions: &mut Vec<Action>) {
        let newly = self.with(id, |slot| {
            let newly = !matches!(slot.state, State::Killing { .. });
            slot.killed(death);
            newly
        });
        if newly == Some(true) {
            actions.push(Action::Kill(id));
        }
    }

    /// One that was asked to leave does just that; from any other it is as good as its death.
    fn closed(&mut self, id: SlotId, actions: &mut Vec<Action>) {
        match self.slots.get(&id).map(|slot| slot.state) {
            Some(State::Starting { .. } | State::Idle { .. } | State::Busy { .. }) => {
                self.kill(id, Death::Crashed, actions);
            }
            Some(State::Retiring { .. } | State::Killing { .. }) | None => {}
        }
    }

    fn exited(&mut self, now: Instant, id: SlotId, actions: &mut Vec<Action>) {
        let Some(slot) = self.remove(id) else { return };
        let replace = match slot.state {
            State::Busy { unit, .. } => {
                actions.push(Action::Fail { unit, death: Death::Crashed });
                true
            }
            State::Killing { unit: Some((unit, death)) } => {
                actions.push(Action::Fail { unit, death });
                true
            }
            State::Retiring { replace, .. } => replace,
            State::Starting { .. } | State::Idle { .. } | State::Killing { unit: None } => false,
        };
        let expected = matches!(slot.state, State::Retiring { .. });
        if !slot.proven && !expected {
            self.back_off(now);
        }
        if replace && self.live() < self.limits.max {
            self.spawn(now, actions);
        }
    }

    /// The unit that was handed over goes back to the head of the queue: it never started.
    fn spawn_failed(&mut self, now: Instant, id: SlotId, actions: &mut Vec<Action>) {
        let Some(slot) = self.remove(id) else { return };
        self.back_off(now);
        if let State::Busy { unit, overdue, .. } = slot.state
            && !self.stopping
        {
            self.queue.push_front((unit, overdue.map(|at| at.saturating_duration_since(now))));
        }
        if self.is_hopeless() {
            let failed = self.queue.drain(..);
            actions.extend(failed.map(|(unit, _)| Action::Fail { unit, death: Death::NoWorker }));
        }
    }

    /// No worker can be started, and none is left.
    fn is_hopeless(&self) -> bool {
        self.failures >= HOPELESS && self.slots.is_empty()
    }

    fn back_off(&mut self, now: Instant) {
        let pause = BACKOFF.saturating_mul(1 << self.failures.min(10)).min(MAX_BACKOFF);
        self.failures += 1;
        self.not_before = Some(now + pause);
    }

    fn adjust(&mut self, now: Instant, limits: Limits, actions: &mut Vec<Action>) {
        assert!(limits.min <= limits.max && limits.max > 0, "checked when loaded: {limits:?}");
        self.limits = limits;
        self.shrink(now, actions);
    }

    fn stop(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.stopping = true;
        self.queue.clear();
        let free: Vec<SlotId> = self.index.free.iter().copied().collect();
        for id in free {
            self.retire(now, id, actions);
        }
    }

    fn tick(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.not_before.take_if(|at| now >= *at);
        let due: Vec<(Instant, SlotId)> =
            self.index.due.iter().take_while(|(at, _)| now >= *at).copied().collect();
        for (at, id) in due {
            // We have slept through it, and so may the worker have: it gets another chance.
            if now >= at + HEARTBEAT {
                self.with(id, |slot| slot.heartbeat(now));
            }
            match self.slots.get(&id).map(|slot| slot.verdict(now)) {
                Some(Verdict::Kill(death)) => self.kill(id, death, actions),
                Some(Verdict::Fine) | None => {}
            }
        }
        self.prune(now, actions);
    }

    fn retire(&mut self, now: Instant, id: SlotId, actions: &mut Vec<Action>) {
        self.with(id, |slot| slot.state = State::Retiring { since: now, replace: false });
        actions.push(Action::Shutdown(id));
    }

    /// More than `max`: idle ones leave now, busy ones as they finish.
    fn shrink(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let excess = self.index.staying.saturating_sub(self.limits.max);
        let going: Vec<SlotId> = self.index.free.iter().copied().take(excess).collect();
        for id in going {
            self.retire(now, id, actions);
        }
    }

    fn prune_at(&self) -> Option<Instant> {
        let idle = self.index.idle.first().filter(|_| self.index.staying > self.limits.min);
        idle.map(|(since, _)| *since + self.limits.idle_timeout)
    }

    /// Those that have been idle longest go first.
    fn prune(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let spare = self.index.staying.saturating_sub(self.limits.min);
        let timeout = self.limits.idle_timeout;
        let tired = self.index.idle.iter().take_while(|(since, _)| now >= *since + timeout);
        let tired: Vec<SlotId> = tired.take(spare).map(|(_, id)| *id).collect();
        for id in tired {
            self.retire(now, id, actions);
        }
    }

    fn may_spawn(&mut self, now: Instant) -> bool {
        if self.not_before.is_some_and(|at| now < at) {
            return false;
        }
        self.not_before = None;
        !self.stopping && self.live() < self.limits.max
    }

    /// `None` while the pool backs off or is full.
    fn spawn(&mut self, now: Instant, actions: &mut Vec<Action>) -> Option<SlotId> {
        if !self.may_spawn(now) {
            return None;
        }
        let id = SlotId(self.next);
        self.next += 1;
        self.put(id, Slot::new(now));
        actions.push(Action::Spawn(id));
        Some(id)
    }

    /// Hands over what waits, and restores `min`.
    fn fill(&mut self, now: Instant, actions: &mut Vec<Action>) {
        while let Some((unit, limit)) = self.queue.front().copied() {
            // The youngest idle worker first, so that the others can be pruned.
            let free = self.index.free.last().copied();
            let Some(id) = free.or_else(|| self.spawn(now, actions)) else { break };
            self.queue.pop_front();
            self.with(id, |slot| {
                slot.served += 1;
                slot.state =
                    State::Busy { unit, heard: now, overdue: limit.map(|limit| now + limit) };
            });
            actions.push(Action::Send { slot: id, unit });
        }
        while !self.stopping && self.live() < self.limits.min {
            if self.spawn(now, actions).is_none() {
                break;
            }
        }
    }
}

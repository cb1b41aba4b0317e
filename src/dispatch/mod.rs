//! Which unit goes next.
//!
//! A unit passes these gates in their order, and waits at one of them at a time:
//!
//! ```text
//! aside -> behind -> pending -> locked -> queued -> taken
//! ```
//! Aside until it is admitted (its row is written, its splay or retry delay is over); behind an
//! earlier unit of the same job on the same node; pending while its run has as many units under way
//! as it may, or no more of it may begin before others have ended; locked while another unit on the
//! node holds one of its locks; queued until its node's connection and a worker are free. Owns these
//! books, and knows ids and limits only; does no I/O.

mod locks;
mod names;
mod overlap;
mod queues;
#[cfg(test)]
mod tests;
mod windows;

use std::collections::HashMap;
use std::time::Instant;

use crate::job::policy::Overlap;
use crate::node_state::MasterId;
use crate::unit::{RunId, UnitId};
use locks::Locks;
use names::{Name, Names};
use overlap::{Entrance, Overlaps};
use queues::{Queues, Ticket};
use windows::Windows;

/// A unit that asks to be let in.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub unit: UnitId,
    pub run: RunId,
    pub job: &'a str,
    pub node: &'a str,
    pub master: MasterId,
    /// Units at once on this connection.
    pub sessions: u32,
    pub overlap: Overlap,
    pub locks: &'a [String],
}

#[derive(Debug)]
struct Entry {
    run: RunId,
    job: Name,
    node: Name,
    master: MasterId,
    sessions: u32,
    locks: Vec<Name>,
    /// The order of arrival, which retries keep.
    arrival: u64,
    /// It has been under way, or an attempt before it has.
    begun: bool,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Aside,
    Behind { admitted: bool },
    Pending,
    Locked,
    Queued(Ticket),
    Taken,
}

#[derive(Debug, Default)]
pub struct Dispatcher {
    names: Names,
    units: HashMap<UnitId, Entry>,
    windows: Windows,
    overlaps: Overlaps,
    locks: Locks,
    queues: Queues,
    arrivals: u64,
    /// Connections that units have begun to wait for.
    wanted: Vec<MasterId>,
}

impl Dispatcher {
    /// `workers`: units at once in all.
    pub fn set_workers(&mut self, workers: usize) {
        self.queues.set_workers(workers);
    }

    /// `limit`: units of it under way at once. `quota`: how many of them may begin, if not all.
    pub fn open_run(&mut self, run: RunId, limit: usize, quota: Option<usize>) {
        self.windows.open(run, limit, quota);
    }

    /// Further units of a run may begin, which [`Dispatcher::take_spent`] has named.
    pub fn widen(&mut self, run: RunId, limit: usize, quota: Option<usize>) {
        self.windows.set(run, limit, quota);
        self.fill_window(run);
    }

    /// Nothing of a run goes any more. What is under way stays so.
    pub fn hold(&mut self, run: RunId) {
        self.windows.set(run, 0, Some(0));
    }

    /// A run of which as many units have begun as may, all of them left for good: not a retry of
    /// theirs is left. Each is named once, and nothing of it goes before [`Dispatcher::widen`].
    pub fn take_spent(&mut self) -> Option<RunId> {
        self.windows.take_spent()
    }

    /// None of its units is here any more.
    pub fn close_run(&mut self, run: RunId) {
        self.windows.close(run);
    }

    /// Lets a unit in, and sets it aside; `false` if it would overlap.
    pub fn enter(&mut self, ask: Ask<'_>) -> bool {
        let (job, node) = (self.names.of(ask.job), self.names.of(ask.node));
        let place = match self.overlaps.enter((job, node), ask.unit, ask.overlap) {
            Entrance::First => Place::Aside,
            Entrance::Behind => Place::Behind { admitted: false },
            Entrance::Refused => return false,
        };
        self.arrivals += 1;
        let entry = Entry {
            run: ask.run,
            job,
            node,
            master: ask.master,
            sessions: ask.sessions,
            locks: ask.locks.iter().map(|lock| self.names.of(lock)).collect(),
            arrival: self.arrivals,
            begun: false,
            place,
        };
        self.units.insert(ask.unit, entry);
        true
    }

    /// The unit may run as soon as its turn comes.
    pub fn admit(&mut self, unit: UnitId) {
        let Some(entry) = self.units.get_mut(&unit) else { return };
        match entry.place {
            Place::Aside => self.make_pending(unit),
            Place::Behind { .. } => entry.place = Place::Behind { admitted: true },
            Place::Pending | Place::Locked | Place::Queued(_) | Place::Taken => {}
        }
    }

    /// The unit is done, wherever it was.
    pub fn leave(&mut self, unit: UnitId) {
        self.take_leave(unit, false);
    }

    /// As [`Dispatcher::leave`], of a unit whose end says nothing: if it had begun, another may
    /// begin instead.
    pub fn withdraw(&mut self, unit: UnitId) {
        self.take_leave(unit, true);
    }

    /// The unit is done, and `next` is its next attempt: set aside, the job still at work there.
    pub fn pass_on(&mut self, unit: UnitId, next: UnitId) {
        let Some(entry) = self.give_up_place(unit) else { return };
        self.overlaps.pass_on((entry.job, entry.node), unit, next);
        self.units.insert(next, Entry { place: Place::Aside, ..entry });
    }

    pub fn set_up(&mut self, master: MasterId, up: bool, now: Instant) {
        self.queues.set_up(master, up, now);
    }

    /// A session on the connection has just worked.
    pub fn proven(&mut self, master: MasterId, now: Instant) {
        self.queues.proven(master, now);
    }

    /// The unit whose turn it is, of those that may go now.
    pub fn take_next(&mut self, now: Instant) -> Option<UnitId> {
        let unit = self.queues.take(now)?;
        if let Some(entry) = self.units.get_mut(&unit) {
            entry.place = Place::Taken;
        }
        Some(unit)
    }

    /// When [`Dispatcher::take_stuck`] is next needed, if at all.
    pub fn stuck_at(&self) -> Option<Instant> {
        self.queues.stuck_at()
    }

    /// Unused connections that are better made anew than waited for any longer.
    pub fn take_stuck(&mut self, now: Instant) -> Vec<MasterId> {
        self.queues.take_stuck(now)
    }

    /// Those that wait for this connection, in their order.
    pub fn waiting_for(&self, master: MasterId) -> Vec<UnitId> {
        self.queues.waiting_for(master)
    }

    pub fn is_wanted(&self, master: MasterId) -> bool {
        self.queues.is_wanted(master)
    }

    /// Connections that units have begun to wait for since the last call.
    pub fn take_wanted(&mut self) -> Vec<MasterId> {
        std::mem::take(&mut self.wanted)
    }

    /// Whether the unit waits for its connection or a worker, and for nothing else.
    pub fn is_queued(&self, unit: UnitId) -> bool {
        self.units.get(&unit).is_some_and(|entry| match entry.place {
            Place::Queued(_) => true,
            Place::Aside | Place::Behind { .. } | Place::Pending | Place::Locked | Place::Taken => {
                false
            }
        })
    }

    /// Nobody is here, and nothing is left of anybody who was.
    #[doc(hidden)]
    pub fn is_at_rest(&self) -> bool {
        self.units.is_empty()
            && self.windows.is_empty()
            && self.overlaps.is_empty()
            && self.locks.is_empty()
            && self.wanted.is_empty()
            && self.queues.is_at_rest()
    }

    /// A unit that waits for nothing: somebody forgot to wake it.
    #[doc(hidden)]
    pub fn forgotten(&self) -> Option<UnitId> {
        let is_forgotten = |unit: &UnitId, entry: &Entry| match entry.place {
            Place::Aside | Place::Taken => false,
            Place::Behind { .. } => self.overlaps.is_first((entry.job, entry.node), *unit),
            Place::Pending => self.windows.is_forgotten(entry.run, entry.begun),
            Place::Locked => self.locks.are_free(entry.node, &entry.locks, entry.arrival),
            Place::Queued(ticket) => self.queues.is_forgotten(entry.master, ticket),
        };
        self.units.iter().find(|(unit, entry)| is_forgotten(unit, entry)).map(|(unit, _)| *unit)
    }

    /// Whether a unit could go now.
    #[doc(hidden)]
    pub fn has_next(&self) -> bool {
        self.queues.has_next()
    }

    /// Connections that are waited for and not up.
    #[doc(hidden)]
    pub fn awaited(&self) -> impl Iterator<Item = MasterId> {
        self.queues.awaited()
    }

    fn make_pending(&mut self, unit: UnitId) {
        let Some(entry) = self.units.get_mut(&unit) else { return };
        entry.place = Place::Pending;
        let run = entry.run;
        self.windows.wait(run, (entry.arrival, unit), entry.begun);
        self.fill_window(run);
    }

    /// Brings as many units of the run under way as may be.
    fn fill_window(&mut self, run: RunId) {
        while let Some(unit) = self.windows.next(run) {
            let Some(entry) = self.units.get_mut(&unit) else { continue };
            if self.locks.take(entry.node, &entry.locks, entry.arrival, unit) {
                self.windows.go(run, entry.begun);
                entry.begun = true;
                let ticket = self.queues.push(unit, entry.job, entry.master, entry.sessions);
                entry.place = Place::Queued(ticket);
                self.wanted.push(entry.master);
            } else {
                entry.place = Place::Locked;
            }
        }
    }

    fn take_leave(&mut self, unit: UnitId, returns: bool) {
        let Some(entry) = self.give_up_place(unit) else { return };
        if entry.begun {
            self.windows.leave(entry.run, returns);
            self.fill_window(entry.run);
        }
        let next = self.overlaps.leave((entry.job, entry.node), unit);
        if let Some(next) = next
            && let Some(entry) = self.units.get_mut(&next)
        {
            let admitted = entry.place == Place::Behind { admitted: true };
            entry.place = Place::Aside;
            if admitted {
                self.make_pending(next);
            }
        }
    }

    /// Takes the unit out, and lets those go on whom its place was denied.
    fn give_up_place(&mut self, unit: UnitId) -> Option<Entry> {
        let entry = self.units.remove(&unit)?;
        match entry.place {
            Place::Aside | Place::Behind { .. } => {}
            Place::Pending => {
                self.windows.wait_no_more(entry.run, (entry.arrival, unit), entry.begun);
            }
            Place::Locked => self.locks.withdraw(entry.node, unit),
            Place::Queued(ticket) => self.queues.withdraw(entry.master, ticket),
            Place::Taken => self.queues.release(entry.master, unit),
        }
        match entry.place {
            Place::Queued(_) | Place::Taken => self.close_up(&entry),
            Place::Locked => self.wake(entry.node),
            Place::Aside | Place::Behind { .. } | Place::Pending => {}
        }
        Some(entry)
    }

    fn close_up(&mut self, entry: &Entry) {
        self.windows.come_back(entry.run);
        if !entry.locks.is_empty() {
            self.locks.free(entry.node, &entry.locks);
            self.wake(entry.node);
        }
        self.fill_window(entry.run);
    }

    /// Units whose locks have become free go back to their runs' windows.
    fn wake(&mut self, node: Name) {
        loop {
            let woken = self.locks.wake(node);
            if woken.is_empty() {
                return;
            }
            // One whose window has closed meanwhile waits there, and no longer stands in the way
            // of those behind it.
            for unit in woken {
                self.make_pending(unit);
            }
        }
    }
}

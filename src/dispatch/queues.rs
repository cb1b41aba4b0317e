//! The queues before the connections: one for each, so that a node that is down or full holds up
//! nobody else.
//!
//! Jobs take turns: each unit draws a ticket for the next turn of its job, and tickets go in
//! their order. A job of ten thousand units thus delays another's single one by one turn.
//!
//! A connection that has not been used for a while may have died unnoticed, and would hold a
//! worker until ssh gives it up. So the first unit on it is a probe: no other goes there before
//! the node has answered, and at most half of the workers are out on probes. If all of these are
//! kept waiting, the connections behind them are better made anew, which takes no worker.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::names::Name;
use crate::node_state::MasterId;
use crate::unit::UnitId;

/// A connection that answered so recently is trusted.
const FRESH: Duration = Duration::from_secs(10);
/// A node that works answers a probe in less.
const PATIENCE: Duration = Duration::from_secs(1);
/// Connections to be made anew at once: about as many as can be within [`PATIENCE`]. Those that
/// are left may yet be probed, which is cheaper.
const RENEWED: usize = 50;

/// The place in the order: the turn, then the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    turn: u64,
    number: u64,
}

#[derive(Debug, Default)]
struct Queue {
    units: BTreeMap<Ticket, UnitId>,
    /// Units at once, and how many there are now.
    limit: u32,
    taken: u32,
    up: bool,
    proven: Option<Instant>,
    probe: Option<UnitId>,
}

impl Queue {
    /// The ticket of the unit that may go now, if one may.
    fn head(&self) -> Option<Ticket> {
        let open = self.up && self.taken < self.limit && self.probe.is_none();
        self.units.first_key_value().map(|(ticket, _)| *ticket).filter(|_| open)
    }

    fn is_stale(&self, now: Instant) -> bool {
        self.proven.is_none_or(|at| now.saturating_duration_since(at) > FRESH)
    }
}

#[derive(Debug, Default)]
pub struct Queues {
    queues: HashMap<MasterId, Queue>,
    /// Heads that may go now.
    ready: BTreeSet<(Ticket, MasterId)>,
    /// Heads that may go once there are fewer probes.
    parked: BTreeSet<(Ticket, MasterId)>,
    probes: usize,
    max_probes: usize,
    /// When a probe last went out, or what waits for one was last reported.
    probed: Option<Instant>,
    /// The turn it is, and the last drawn for each job.
    turn: u64,
    drawn: HashMap<Name, u64>,
    numbers: u64,
}

impl Queues {
    pub fn set_workers(&mut self, workers: usize) {
        self.max_probes = (workers / 2).max(1);
    }

    pub fn push(&mut self, unit: UnitId, job: Name, master: MasterId, limit: u32) -> Ticket {
        let drawn = self.drawn.entry(job).or_default();
        *drawn = self.turn.max(*drawn) + 1;
        self.numbers += 1;
        let ticket = Ticket { turn: *drawn, number: self.numbers };
        self.change(master, |queue| {
            queue.limit = limit;
            queue.units.insert(ticket, unit);
        });
        ticket
    }

    pub fn withdraw(&mut self, master: MasterId, ticket: Ticket) {
        self.change(master, |queue| {
            queue.units.remove(&ticket);
        });
    }

    /// A connection that has just come up has proven itself.
    pub fn set_up(&mut self, master: MasterId, up: bool, now: Instant) {
        let mut probing = false;
        self.change(master, |queue| {
            if up && !queue.up {
                queue.proven = Some(now);
                probing = queue.probe.take().is_some();
            }
            queue.up = up;
        });
        self.probes -= usize::from(probing);
    }

    pub fn proven(&mut self, master: MasterId, now: Instant) {
        if !self.queues.contains_key(&master) {
            return;
        }
        let mut probing = false;
        // Its head may be parked, and is no probe any more.
        self.change(master, |queue| {
            queue.proven = Some(now);
            probing = queue.probe.take().is_some();
        });
        self.probes -= usize::from(probing);
    }

    /// A unit that was taken is done with the connection.
    pub fn release(&mut self, master: MasterId, unit: UnitId) {
        let Some(queue) = self.queues.get(&master) else { return };
        let was_probe = queue.probe == Some(unit);
        self.change(master, |queue| {
            queue.taken = queue.taken.saturating_sub(1);
            queue.probe.take_if(|_| was_probe);
        });
        self.probes -= usize::from(was_probe);
    }

    pub fn take(&mut self, now: Instant) -> Option<UnitId> {
        let max_probes = self.max_probes.max(1);
        if self.probes < max_probes {
            self.ready.extend(self.parked.pop_first());
        }
        loop {
            let (ticket, master) = *self.ready.first()?;
            let stale = self.queues.get(&master).is_some_and(|queue| queue.is_stale(now));
            if stale && self.probes >= max_probes {
                self.ready.remove(&(ticket, master));
                self.parked.insert((ticket, master));
                continue;
            }
            let mut taken = None;
            self.change(master, |queue| {
                taken = queue.units.remove(&ticket);
                queue.taken += 1;
                queue.probe = taken.filter(|_| stale);
            });
            if stale {
                self.probes += 1;
                self.probed = Some(now);
            }
            self.turn = self.turn.max(ticket.turn);
            return taken;
        }
    }

    /// When [`Queues::take_stuck`] is next needed, if at all.
    pub fn stuck_at(&self) -> Option<Instant> {
        let stuck = self.probes >= self.max_probes.max(1) && !self.parked.is_empty();
        self.probed.filter(|_| stuck).map(|at| at + PATIENCE)
    }

    /// The first of the connections that wait for a probe, if no probe gets an answer.
    pub fn take_stuck(&mut self, now: Instant) -> Vec<MasterId> {
        if self.stuck_at().is_none_or(|at| now < at) {
            return Vec::new();
        }
        self.probed = Some(now);
        let unused = |master: &MasterId| self.queues.get(master).is_some_and(|q| q.taken == 0);
        self.parked.iter().map(|(_, master)| *master).filter(unused).take(RENEWED).collect()
    }

    pub fn waiting_for(&self, master: MasterId) -> Vec<UnitId> {
        let queue = self.queues.get(&master);
        queue.map(|queue| queue.units.values().copied().collect()).unwrap_or_default()
    }

    pub fn is_wanted(&self, master: MasterId) -> bool {
        self.queues.get(&master).is_some_and(|queue| !queue.units.is_empty())
    }

    /// No connection is up, and nobody waits for one or is out on one.
    pub fn is_at_rest(&self) -> bool {
        let none = self.queues.is_empty() && self.ready.is_empty() && self.parked.is_empty();
        none && self.probes == 0
    }

    /// Whether a unit that could go is in nobody's sight.
    pub fn is_forgotten(&self, master: MasterId, ticket: Ticket) -> bool {
        let head = self.queues.get(&master).and_then(Queue::head);
        let seen = |heads: &BTreeSet<_>| heads.contains(&(ticket, master));
        head == Some(ticket) && !seen(&self.ready) && !seen(&self.parked)
    }

    pub fn has_next(&self) -> bool {
        !self.ready.is_empty() || self.probes < self.max_probes && !self.parked.is_empty()
    }

    pub fn awaited(&self) -> impl Iterator<Item = MasterId> {
        let awaited = |queue: &Queue| !queue.up && !queue.units.is_empty();
        self.queues.iter().filter(move |(_, queue)| awaited(queue)).map(|(id, _)| *id)
    }

    /// Changes a queue and keeps the heads in step with it.
    fn change(&mut self, master: MasterId, change: impl FnOnce(&mut Queue)) {
        let queue = self.queues.entry(master).or_default();
        if let Some(ticket) = queue.head()
            && !self.ready.remove(&(ticket, master))
        {
            self.parked.remove(&(ticket, master));
        }
        change(queue);
        if let Some(ticket) = queue.head() {
            self.ready.insert((ticket, master));
        }
        if queue.units.is_empty() && queue.taken == 0 && !queue.up {
            self.queues.remove(&master);
        }
    }
}

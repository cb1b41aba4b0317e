//! Which unit goes next.
//!
//! Units wait here, first in, first out, one queue for each connection, so that a node that is
//! down or full holds up nobody else. Owns also the books of what runs where, by which a job is
//! kept from overlapping itself on a node. Knows ids and limits; does no I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use crate::node_state::MasterId;
use crate::unit::UnitId;

#[derive(Debug, Default)]
pub struct Dispatcher {
    queues: BTreeMap<MasterId, Queue>,
    /// Heads of the queues that may go now, oldest first.
    ready: BTreeSet<(u64, MasterId)>,
    place: HashMap<UnitId, MasterId>,
    next_ticket: u64,
    /// (job, node) pairs with a unit queued or running.
    active: HashSet<(String, String)>,
}

#[derive(Debug, Default)]
struct Queue {
    units: VecDeque<(u64, UnitId)>,
    /// Units at once, and how many there are now.
    limit: u32,
    taken: u32,
    up: bool,
}

impl Queue {
    /// The ticket of the unit that may go now, if one may.
    fn ready(&self) -> Option<u64> {
        if self.up && self.taken < self.limit {
            self.units.front().map(|(ticket, _)| *ticket)
        } else {
            None
        }
    }
}

impl Dispatcher {
    /// Enters the pair into the books; `false` if the job still runs there.
    pub fn begin(&mut self, job: &str, node: &str) -> bool {
        self.active.insert((job.to_owned(), node.to_owned()))
    }

    pub fn end(&mut self, job: &str, node: &str) {
        self.active.remove(&(job.to_owned(), node.to_owned()));
    }

    /// `limit`: units at once on this connection.
    pub fn queue(&mut self, unit: UnitId, master: MasterId, limit: u32) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.place.insert(unit, master);
        self.change(master, |queue| {
            queue.limit = limit;
            queue.units.push_back((ticket, unit));
        });
    }

    pub fn set_up(&mut self, master: MasterId, up: bool) {
        self.change(master, |queue| queue.up = up);
    }

    /// A unit taken by [`Dispatcher::take_next`] is done with the connection.
    pub fn release(&mut self, master: MasterId) {
        self.change(master, |queue| queue.taken = queue.taken.saturating_sub(1));
    }

    /// The unit that has waited longest of those that may go now.
    pub fn take_next(&mut self) -> Option<UnitId> {
        let (_, master) = *self.ready.first()?;
        let mut taken = None;
        self.change(master, |queue| {
            taken = queue.units.pop_front();
            queue.taken += 1;
        });
        let (_, unit) = taken?;
        self.place.remove(&unit);
        Some(unit)
    }

    /// Takes out all that wait for this connection, oldest first.
    pub fn take_waiting(&mut self, master: MasterId) -> Vec<UnitId> {
        let mut units = Vec::new();
        self.change(master, |queue| units = queue.units.drain(..).map(|(_, unit)| unit).collect());
        for unit in &units {
            self.place.remove(unit);
        }
        units
    }

    /// Takes out one unit, if it still waits.
    pub fn withdraw(&mut self, unit: UnitId) -> bool {
        let Some(master) = self.place.remove(&unit) else { return false };
        self.change(master, |queue| queue.units.retain(|(_, queued)| *queued != unit));
        true
    }

    pub fn is_wanted(&self, master: MasterId) -> bool {
        self.queues.get(&master).is_some_and(|queue| !queue.units.is_empty())
    }

    pub fn waiting(&self) -> usize {
        self.place.len()
    }

    /// Changes a queue and keeps `ready` in step with it.
    fn change(&mut self, master: MasterId, change: impl FnOnce(&mut Queue)) {
        let queue = self.queues.entry(master).or_default();
        if let Some(ticket) = queue.ready() {
            self.ready.remove(&(ticket, master));
        }
        change(queue);
        if let Some(ticket) = queue.ready() {
            self.ready.insert((ticket, master));
        }
        if queue.units.is_empty() && queue.taken == 0 && !queue.up {
            self.queues.remove(&master);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: MasterId = MasterId(0);
    const B: MasterId = MasterId(1);

    #[test]
    fn a_node_that_is_down_holds_up_nobody() {
        let mut dispatcher = Dispatcher::default();
        dispatcher.queue(UnitId(1), A, 8);
        dispatcher.queue(UnitId(2), B, 8);
        assert_eq!(dispatcher.take_next(), None);
        dispatcher.set_up(B, true);
        assert_eq!(dispatcher.take_next(), Some(UnitId(2)));
        dispatcher.set_up(A, true);
        assert_eq!(dispatcher.take_next(), Some(UnitId(1)));
    }

    #[test]
    fn a_node_takes_no_more_units_than_its_limit() {
        let mut dispatcher = Dispatcher::default();
        dispatcher.set_up(A, true);
        for n in 0..3 {
            dispatcher.queue(UnitId(n), A, 2);
        }
        assert_eq!(dispatcher.take_next(), Some(UnitId(0)));
        assert_eq!(dispatcher.take_next(), Some(UnitId(1)));
        assert_eq!(dispatcher.take_next(), None);
        dispatcher.release(A);
        assert_eq!(dispatcher.take_next(), Some(UnitId(2)));
    }

    #[test]
    fn a_job_does_not_begin_twice_on_a_node() {
        let mut dispatcher = Dispatcher::default();
        assert!(dispatcher.begin("backup", "db1"));
        assert!(!dispatcher.begin("backup", "db1"));
        assert!(dispatcher.begin("backup", "db2"));
        dispatcher.end("backup", "db1");
        assert!(dispatcher.begin("backup", "db1"));
    }

    proptest! {
        /// Each unit leaves exactly once, limits hold, and no node is starved: with every node
        /// up, units leave in the order they came unless their own node is full.
        #[test]
        fn every_unit_leaves_once_and_limits_hold(
            steps in proptest::collection::vec((0u8..6, 0u32..4), 1..300)
        ) {
            let mut dispatcher = Dispatcher::default();
            let mut home = HashMap::new();
            let mut running: Vec<UnitId> = Vec::new();
            let mut left = HashSet::new();
            for (n, (kind, node)) in steps.into_iter().enumerate() {
                let master = MasterId(node);
                match kind {
                    0 | 1 => {
                        home.insert(UnitId(n as u64), master);
                        dispatcher.queue(UnitId(n as u64), master, 2);
                    }
                    2 => dispatcher.set_up(master, node % 2 == 0),
                    3 => dispatcher.set_up(master, true),
                    4 => if let Some(unit) = running.pop() {
                        dispatcher.release(home[&unit]);
                    },
                    _ => if let Some(unit) = dispatcher.take_next() {
                        prop_assert!(left.insert(unit));
                        running.push(unit);
                        let at_once = running.iter().filter(|u| home[u] == home[&unit]).count();
                        prop_assert!(at_once <= 2);
                    },
                }
            }
            while let Some(unit) = running.pop() {
                dispatcher.release(home[&unit]);
            }
            for node in 0..4 {
                dispatcher.set_up(MasterId(node), true);
            }
            while let Some(unit) = dispatcher.take_next() {
                prop_assert!(left.insert(unit));
                dispatcher.release(home[&unit]);
            }
            prop_assert_eq!(left.len(), home.len());
            prop_assert_eq!(dispatcher.waiting(), 0);
        }
    }
}

//! Named locks of each node: who holds them, and who waits in which order.
//!
//! A unit takes all of its locks or none. One that waits is not overtaken by a later one that
//! wants a lock of its: so nobody waits for ever, and nobody holds a lock while waiting for
//! another.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::names::Name;
use crate::unit::UnitId;

#[derive(Debug, Default)]
struct OnNode {
    held: HashSet<Name>,
    /// By arrival.
    waiting: BTreeMap<u64, (UnitId, Vec<Name>)>,
}

#[derive(Debug, Default)]
pub struct Locks {
    nodes: HashMap<Name, OnNode>,
}

impl Locks {
    /// `false`: the unit waits, until [`Locks::wake`] names it.
    pub fn take(&mut self, node: Name, locks: &[Name], arrival: u64, unit: UnitId) -> bool {
        if locks.is_empty() {
            return true;
        }
        let free = self.are_free(node, locks, arrival);
        let on = self.nodes.entry(node).or_default();
        if !free {
            on.waiting.insert(arrival, (unit, locks.to_vec()));
            return false;
        }
        on.held.extend(locks);
        true
    }

    /// Nobody holds one of them, and nobody who came earlier waits for one.
    pub fn are_free(&self, node: Name, locks: &[Name], arrival: u64) -> bool {
        let Some(on) = self.nodes.get(&node) else { return true };
        let mut earlier = on.waiting.range(..arrival).map(|(_, (_, theirs))| theirs);
        !locks.iter().any(|lock| on.held.contains(lock))
            && !earlier.any(|theirs| theirs.iter().any(|lock| locks.contains(lock)))
    }

    pub fn free(&mut self, node: Name, locks: &[Name]) {
        if let Some(on) = self.nodes.get_mut(&node) {
            on.held.retain(|lock| !locks.contains(lock));
        }
        self.forget_if_unused(node);
    }

    pub fn withdraw(&mut self, node: Name, unit: UnitId) {
        if let Some(on) = self.nodes.get_mut(&node) {
            on.waiting.retain(|_, (waiting, _)| *waiting != unit);
        }
        self.forget_if_unused(node);
    }

    /// Those who may ask again, because all their locks are free and no earlier one wants any.
    pub fn wake(&mut self, node: Name) -> Vec<UnitId> {
        let Some(on) = self.nodes.get_mut(&node) else { return Vec::new() };
        let mut spoken_for = on.held.clone();
        let mut woken = Vec::new();
        on.waiting.retain(|_, (unit, locks)| {
            let free = locks.iter().all(|lock| !spoken_for.contains(lock));
            spoken_for.extend(locks.iter().copied());
            if free {
                woken.push(*unit);
            }
            !free
        });
        self.forget_if_unused(node);
        woken
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    fn forget_if_unused(&mut self, node: Name) {
        let unused = |on: &OnNode| on.held.is_empty() && on.waiting.is_empty();
        if self.nodes.get(&node).is_some_and(unused) {
            self.nodes.remove(&node);
        }
    }
}

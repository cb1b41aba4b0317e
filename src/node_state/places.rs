//! How many connections are made at once, and whose turn is next.
//!
//! Nodes that do not answer delay no others: those that failed before wait behind those that did
//! not, and a connection that is slow to come up leaves its place to the next.

use std::collections::{HashSet, VecDeque};

use super::MasterId;

/// Counted or not, no more than so many times the places are being made.
const SLOW_TIMES: usize = 10;

#[derive(Debug, Default)]
pub(super) struct Places {
    waiting: VecDeque<MasterId>,
    /// Of those that wait, the ones that failed when last tried.
    suspects: VecDeque<MasterId>,
    /// Connections being made.
    connecting: usize,
    /// Those of them that take a place.
    counted: HashSet<MasterId>,
}

impl Places {
    pub fn wait(&mut self, id: MasterId, has_failed: bool) {
        match has_failed {
            false => self.waiting.push_back(id),
            true => self.suspects.push_back(id),
        }
    }

    /// The next of those that still wait takes a place, if one of so many is free.
    pub fn take(&mut self, places: usize, waits: impl Fn(MasterId) -> bool) -> Option<MasterId> {
        let most = places.saturating_mul(SLOW_TIMES);
        if self.counted.len() >= places || self.connecting >= most {
            return None;
        }
        let mut next = || self.waiting.pop_front().or_else(|| self.suspects.pop_front());
        let id = std::iter::from_fn(&mut next).find(|id| waits(*id))?;
        self.connecting += 1;
        self.counted.insert(id);
        Some(id)
    }

    pub fn is_counted(&self, id: MasterId) -> bool {
        self.counted.contains(&id)
    }

    /// It is slow, and still being made.
    pub fn discount(&mut self, id: MasterId) {
        self.counted.remove(&id);
    }

    /// It is not being made any more.
    pub fn leave(&mut self, id: MasterId) {
        self.connecting -= 1;
        self.discount(id);
    }

    /// Nothing is being made.
    pub fn is_at_rest(&self) -> bool {
        self.connecting == 0 && self.counted.is_empty()
    }
}

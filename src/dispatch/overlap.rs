//! Where each job is at work, and who waits for it to be over there.

use std::collections::{HashMap, VecDeque};

use super::names::Name;
use crate::job::policy::Overlap;
use crate::unit::UnitId;

/// How many units of a job may wait behind the one at work on a node.
const DEPTH: usize = 1;

/// A job and a node.
type Pair = (Name, Name);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    First,
    Behind,
    Refused,
}

#[derive(Debug, Default)]
struct AtWork {
    units: Vec<UnitId>,
    behind: VecDeque<UnitId>,
}

#[derive(Debug, Default)]
pub struct Overlaps {
    pairs: HashMap<Pair, AtWork>,
}

impl Overlaps {
    pub fn enter(&mut self, pair: Pair, unit: UnitId, overlap: Overlap) -> Entrance {
        let at = self.pairs.entry(pair).or_default();
        let entrance = match overlap {
            Overlap::Allow => Entrance::First,
            Overlap::Skip | Overlap::Queue if at.units.is_empty() => Entrance::First,
            Overlap::Skip => Entrance::Refused,
            Overlap::Queue if at.behind.len() < DEPTH => Entrance::Behind,
            Overlap::Queue => Entrance::Refused,
        };
        match entrance {
            Entrance::First => at.units.push(unit),
            Entrance::Behind => at.behind.push_back(unit),
            Entrance::Refused => {}
        }
        entrance
    }

    /// Returns the unit whose turn it is now, if one waited.
    pub fn leave(&mut self, pair: Pair, unit: UnitId) -> Option<UnitId> {
        let at = self.pairs.get_mut(&pair)?;
        at.behind.retain(|waiting| *waiting != unit);
        at.units.retain(|working| *working != unit);
        if !at.units.is_empty() {
            return None;
        }
        let next = at.behind.pop_front();
        match next {
            Some(next) => at.units.push(next),
            None => {
                self.pairs.remove(&pair);
            }
        }
        next
    }

    /// Whether nobody is at work before this one.
    pub fn is_first(&self, pair: Pair, unit: UnitId) -> bool {
        self.pairs.get(&pair).is_none_or(|at| at.units.is_empty() || at.units.contains(&unit))
    }

    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    pub fn pass_on(&mut self, pair: Pair, unit: UnitId, next: UnitId) {
        let Some(at) = self.pairs.get_mut(&pair) else { return };
        for working in &mut at.units {
            if *working == unit {
                *working = next;
            }
        }
    }
}

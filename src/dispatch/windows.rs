//! How many units of each run are under way, how many may yet begin, and which of those that wait
//! for that goes next.
//!
//! A unit begins once, when it first comes under way, and is open from then until it is left for
//! good: through its retries, and while they wait for their time. A run may have a quota of units
//! that may begin. When that is used up and nothing of the run is open, the run is spent, which is
//! told once, and nothing of it goes before it has a new quota.

use std::collections::{BTreeSet, HashMap};

use crate::unit::{RunId, UnitId};

/// A unit that waits, by arrival.
type Waiting = (u64, UnitId);

#[derive(Debug)]
struct Window {
    limit: usize,
    /// How many may yet begin; `None`: all.
    quota: Option<usize>,
    under_way: usize,
    /// Begun, and not left for good.
    open: usize,
    /// Apart from each other: what has begun must not wait behind what may not begin.
    begun: BTreeSet<Waiting>,
    fresh: BTreeSet<Waiting>,
}

impl Window {
    fn has_room(&self, begun: bool) -> bool {
        self.under_way < self.limit && (begun || self.quota != Some(0))
    }

    fn is_spent(&self) -> bool {
        self.quota == Some(0) && self.open == 0
    }

    fn waiting(&mut self, begun: bool) -> &mut BTreeSet<Waiting> {
        if begun { &mut self.begun } else { &mut self.fresh }
    }
}

#[derive(Debug, Default)]
pub struct Windows {
    runs: HashMap<RunId, Window>,
    /// Not told yet.
    spent: BTreeSet<RunId>,
}

impl Windows {
    pub fn open(&mut self, run: RunId, limit: usize, quota: Option<usize>) {
        let (begun, fresh) = (BTreeSet::new(), BTreeSet::new());
        self.runs.insert(run, Window { limit, quota, under_way: 0, open: 0, begun, fresh });
    }

    /// In place of what it had.
    pub fn set(&mut self, run: RunId, limit: usize, quota: Option<usize>) {
        if let Some(window) = self.runs.get_mut(&run) {
            (window.limit, window.quota) = (limit, quota);
        }
    }

    pub fn close(&mut self, run: RunId) {
        self.runs.remove(&run);
        self.spent.remove(&run);
    }

    pub fn wait(&mut self, run: RunId, unit: Waiting, begun: bool) {
        if let Some(window) = self.runs.get_mut(&run) {
            window.waiting(begun).insert(unit);
        }
    }

    pub fn wait_no_more(&mut self, run: RunId, unit: Waiting, begun: bool) {
        if let Some(window) = self.runs.get_mut(&run) {
            window.waiting(begun).remove(&unit);
        }
    }

    /// Takes out the first of those that wait and may go.
    pub fn next(&mut self, run: RunId) -> Option<UnitId> {
        let window = self.runs.get_mut(&run)?;
        let first = |begun: bool| {
            let waiting = if begun { &window.begun } else { &window.fresh };
            waiting.first().copied().filter(|_| window.has_room(begun)).map(|unit| (unit, begun))
        };
        let (unit, begun) = first(true).into_iter().chain(first(false)).min()?;
        window.waiting(begun).remove(&unit);
        Some(unit.1)
    }

    /// A unit comes under way. `begun`: not for the first time.
    pub fn go(&mut self, run: RunId, begun: bool) {
        let Some(window) = self.runs.get_mut(&run) else { return };
        window.under_way += 1;
        if !begun {
            window.open += 1;
            window.quota = window.quota.map(|quota| quota.saturating_sub(1));
        }
    }

    /// A unit is under way no more; another attempt may follow.
    pub fn come_back(&mut self, run: RunId) {
        if let Some(window) = self.runs.get_mut(&run) {
            window.under_way -= 1;
        }
    }

    /// A unit that had begun is left for good. `returns`: its part of the quota is for another.
    pub fn leave(&mut self, run: RunId, returns: bool) {
        let Some(window) = self.runs.get_mut(&run) else { return };
        window.open -= 1;
        if returns {
            window.quota = window.quota.map(|quota| quota + 1);
        }
        if window.is_spent() {
            self.spent.insert(run);
        }
    }

    pub fn take_spent(&mut self) -> Option<RunId> {
        self.spent.pop_first()
    }

    /// Whether a unit waits here though it may go, or though nobody is going to let it.
    pub fn is_forgotten(&self, run: RunId, begun: bool) -> bool {
        let Some(window) = self.runs.get(&run) else { return true };
        window.has_room(begun) || window.is_spent() && !self.spent.contains(&run)
    }

    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.spent.is_empty()
    }
}

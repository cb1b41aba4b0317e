//! Which flows are under way by their names, and which wait for another one of their name. Knows no
//! slot of any.

use std::collections::{HashMap, VecDeque};

use crate::job::policy::Overlap;
use crate::unit::RunId;

/// Whether a flow may begin, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    Open,
    /// Behind another one of its name.
    Waits,
    Refused,
}

/// A name has a line while one that bears it is open.
#[derive(Debug, Default)]
pub(super) struct Lines(HashMap<String, Line>);

#[derive(Debug, Default)]
struct Line {
    under_way: usize,
    waiting: VecDeque<RunId>,
}

impl Lines {
    pub fn entrance(&self, name: &str, overlap: Overlap) -> Entrance {
        let Some(line) = self.0.get(name) else { return Entrance::Open };
        match overlap {
            Overlap::Allow => Entrance::Open,
            Overlap::Queue if line.waiting.is_empty() => Entrance::Waits,
            Overlap::Queue | Overlap::Skip => Entrance::Refused,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn enter(&mut self, name: &str, flow: RunId, waits: bool) {
        let line = self.0.entry(name.to_owned()).or_default();
        match waits {
            true => line.waiting.push_back(flow),
            false => line.under_way += 1,
        }
    }

    /// One that has waited is under way.
    pub fn go(&mut self, name: &str, flow: RunId) {
        let line = self.0.entry(name.to_owned()).or_default();
        line.waiting.retain(|run| *run != flow);
        line.under_way += 1;
    }

    /// It is over, `waits` if it never got under way. Returns who may go, for whom there is to be a
    /// [`Lines::go`].
    pub fn leave(&mut self, name: &str, flow: RunId, waits: bool) -> Option<RunId> {
        let line = self.0.get_mut(name)?;
        let mut next = None;
        match waits {
            true => line.waiting.retain(|run| *run != flow),
            false => {
                line.under_way -= 1;
                next = line.waiting.front().copied().filter(|_| line.under_way == 0);
            }
        }
        if line.under_way == 0 && line.waiting.is_empty() {
            self.0.remove(name);
        }
        next
    }
}

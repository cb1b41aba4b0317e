//! The states of a flow: which slot is under way, and what follows when a part of it has ended.
//!
//! A flow is a run that has no units of its own: its parts are runs. Owns the book of open flows
//! (each is an `Open`), and which of a name have to wait for another (`Lines`); is told how parts
//! ended, and says which begin ([`Start`]). Of units it knows only how they ended, of nodes only
//! names, nothing of the ledger, and it does no I/O.
//!
//! ```text
//! waiting -> slot 1 -> slot 2 -> … -> over
//!               |         |
//!               +---------+--> over, when a part of it failed and nothing mended that
//! ```

mod line;
mod open;
pub mod plan;
mod start;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::event::{PartEnd, RunInfo, UnitInfo};
use crate::job::flow::Place;
use crate::job::policy::Overlap;
use crate::unit::{RunEnd, RunId};
pub use line::Entrance;
use line::Lines;
use open::Open;
pub use start::{Resume, Start};

/// What follows for a flow.
#[derive(Debug)]
pub enum Step {
    Nothing,
    Begin(Vec<Start>),
    Over(Box<Over>),
}

/// A flow that is over.
#[derive(Debug)]
pub struct Over {
    /// Whose `units` are also those of rescues that have begun.
    pub info: Arc<RunInfo>,
    pub started_at: Option<Timestamp>,
    pub end: RunEnd,
    /// All that have begun, in the order of their places.
    pub parts: Vec<PartEnd>,
    /// One of its name that has waited for this, and may begin.
    pub next: Option<RunId>,
}

#[derive(Debug, Default)]
pub struct Flows {
    open: HashMap<RunId, Open>,
    lines: Lines,
}

impl Flows {
    pub fn entrance(&self, name: &str, overlap: Overlap) -> Entrance {
        self.lines.entrance(name, overlap)
    }

    /// The open flow that takes this run up.
    pub fn taker_of(&self, run: RunId) -> Option<RunId> {
        self.open.iter().find(|(_, open)| open.takes_up == Some(run)).map(|(id, _)| *id)
    }

    pub fn note_taken_up(&mut self, flow: RunId, run: RunId) {
        self.open.entry(flow).and_modify(|open| open.takes_up = Some(run));
    }

    /// Takes a flow in, which [`Flows::begin`] has to follow unless it waits. `resume` names a slot
    /// that there is.
    pub fn open(&mut self, info: Arc<RunInfo>, resume: Option<Resume>, waits: bool) {
        self.lines.enter(&info.job.name, info.run, waits);
        self.open.insert(info.run, Open::new(info, resume, waits));
    }

    /// The first slot of one that was opened, or that has waited.
    pub fn begin(&mut self, flow: RunId) -> Step {
        let Some(open) = self.open.get_mut(&flow) else { return Step::Nothing };
        if std::mem::take(&mut open.waits) {
            self.lines.go(&open.info.job.name, flow);
        }
        self.go_on(flow)
    }

    pub fn len(&self) -> usize {
        self.open.len()
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub fn is_at_rest(&self) -> bool {
        self.open.is_empty() && self.lines.is_empty()
    }

    pub fn info(&self, flow: RunId) -> Option<&Arc<RunInfo>> {
        self.open.get(&flow).map(|open| &open.info)
    }

    pub fn ids(&self) -> Vec<RunId> {
        let mut ids: Vec<RunId> = self.open.keys().copied().collect();
        ids.sort();
        ids
    }

    pub fn has_started(&self, flow: RunId) -> bool {
        self.open.get(&flow).is_some_and(|open| open.started_at.is_some())
    }

    /// A unit of it begins; whether it is the flow's first.
    pub fn started(&mut self, flow: RunId, at: Timestamp) -> bool {
        match self.open.get_mut(&flow) {
            Some(open) if open.started_at.is_none() => {
                open.started_at = Some(at);
                true
            }
            Some(_) | None => false,
        }
    }

    /// A unit of a part has had its last attempt.
    pub fn unit_ended(&mut self, flow: RunId, place: Place, unit: &UnitInfo) {
        if let Some(open) = self.open.get_mut(&flow) {
            open.unit_ended(place, unit);
        }
    }

    /// The run of a part is over; `run` is `None` if there was none to be made.
    pub fn ended(
        &mut self,
        flow: RunId,
        place: Place,
        run: Option<RunId>,
        end: RunEnd,
        succeeded: usize,
    ) -> Step {
        let Some(open) = self.open.get_mut(&flow) else { return Step::Nothing };
        match open.part_ended(place, run, end, succeeded) {
            Some(rescue) => Step::Begin(vec![rescue]),
            None => self.go_on(flow),
        }
    }

    /// No other part of it begins; whether it is open. [`Flows::settle`] has to follow, once what is
    /// under way has been told to end.
    pub fn end(&mut self, flow: RunId, end: RunEnd) -> bool {
        match self.open.get_mut(&flow) {
            Some(open) => {
                open.ending.get_or_insert(end);
                true
            }
            None => false,
        }
    }

    /// Ends one that is to end and has nothing under way.
    pub fn settle(&mut self, flow: RunId) -> Step {
        match self.open.get(&flow) {
            Some(open) if open.ending.is_some() => self.go_on(flow),
            Some(_) | None => Step::Nothing,
        }
    }

    /// The next slot, if all of this one has ended.
    fn go_on(&mut self, flow: RunId) -> Step {
        let Some(open) = self.open.get_mut(&flow) else { return Step::Nothing };
        loop {
            if open.is_under_way() {
                return Step::Nothing;
            }
            if let Some(end) = open.end() {
                return self.close(flow, end);
            }
            let parts = open.next_slot();
            if !parts.is_empty() {
                return Step::Begin(parts);
            }
        }
    }

    fn close(&mut self, flow: RunId, end: RunEnd) -> Step {
        let Some(open) = self.open.remove(&flow) else { return Step::Nothing };
        let next = self.lines.leave(&open.info.job.name, flow, open.waits);
        Step::Over(Box::new(open.over(end, next)))
    }
}

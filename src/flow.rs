//! The states of a flow: which slot is under way, and what follows when a part of it has ended.
//!
//! A flow is a run that has no units of its own: its parts are runs. Owns the book of open flows,
//! and which of a name have to wait for another; is told how parts ended, and says which begin.
//! Knows nothing of units, nodes or the ledger, and does no I/O.
//!
//! ```text
//! waiting -> slot 1 -> slot 2 -> … -> over
//!               |         |
//!               +---------+--> over, when a part of it failed and nothing mended that
//! ```

pub mod plan;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;

use crate::event::RunInfo;
use crate::job::flow::{Flow, OnFailure, Part, Place, Then};
use crate::job::policy::Overlap;
use crate::run::Tally;
use crate::unit::{Reason, RunEnd, RunId};

/// From where a flow is taken up again that did not come to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resume {
    /// The first slot that is not done; from 1.
    pub slot: u32,
    /// Of that slot, by part from 1: nodes that have succeeded and are not tried again.
    pub done: BTreeMap<u32, HashSet<String>>,
}

/// A part that is to begin.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    pub place: Place,
    pub part: Part,
    /// Without those that have succeeded before, which are so many.
    pub nodes: Vec<String>,
    pub succeeded: usize,
    /// Names that stand for no node are hosts.
    pub any_host: bool,
}

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
    pub info: Arc<RunInfo>,
    pub started_at: Option<Timestamp>,
    pub end: RunEnd,
    pub tally: Tally,
    /// One of its name that has waited for this, and may begin.
    pub next: Option<RunId>,
}

/// Whether a flow may begin, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    Open,
    /// Behind another one of its name.
    Waits,
    Refused,
}

/// What became of a part of the slot that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    UnderWay,
    Good,
    Bad(RunEnd),
}

#[derive(Debug)]
struct Open {
    info: Arc<RunInfo>,
    started_at: Option<Timestamp>,
    waits: bool,
    resume: Option<Resume>,
    /// From 1; 0 before the first has begun.
    slot: u32,
    parts: Vec<Standing>,
    tally: Tally,
    /// No other part begins, and this is why.
    ending: Option<RunEnd>,
}

#[derive(Debug, Default)]
pub struct Flows {
    open: HashMap<RunId, Open>,
    /// By name: those that are under way, and those that wait for them.
    names: HashMap<String, Line>,
}

#[derive(Debug, Default)]
struct Line {
    under_way: usize,
    waiting: VecDeque<RunId>,
}

impl Flows {
    pub fn entrance(&self, name: &str, overlap: Overlap) -> Entrance {
        let Some(line) = self.names.get(name) else { return Entrance::Open };
        match overlap {
            Overlap::Allow => Entrance::Open,
            Overlap::Queue if line.waiting.is_empty() => Entrance::Waits,
            Overlap::Queue | Overlap::Skip => Entrance::Refused,
        }
    }

    /// Takes a flow in, which [`Flows::begin`] has to follow unless it waits. `resume` names a slot
    /// that there is.
    pub fn open(&mut self, info: Arc<RunInfo>, resume: Option<Resume>, waits: bool) {
        let line = self.names.entry(info.job.name.clone()).or_default();
        match waits {
            true => line.waiting.push_back(info.run),
            false => line.under_way += 1,
        }
        let open = Open {
            started_at: None,
            waits,
            resume,
            slot: 0,
            parts: Vec::new(),
            tally: Tally::default(),
            ending: None,
            info,
        };
        self.open.insert(open.info.run, open);
    }

    /// The first slot of one that was opened, or that has waited.
    pub fn begin(&mut self, flow: RunId) -> Step {
        let Some(open) = self.open.get_mut(&flow) else { return Step::Nothing };
        if std::mem::take(&mut open.waits) {
            let line = self.names.entry(open.info.job.name.clone()).or_default();
            line.waiting.retain(|run| *run != flow);
            line.under_way += 1;
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
        self.open.is_empty() && self.names.is_empty()
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

    /// The run of a part is over, or there was none to be made.
    pub fn ended(&mut self, flow: RunId, place: Place, end: RunEnd, tally: &Tally) -> Step {
        let Some(open) = self.open.get_mut(&flow) else { return Step::Nothing };
        open.tally.add(tally);
        let Some(part) = open.info.job.flow.as_ref().and_then(|flow| flow.part(place)) else {
            return Step::Nothing;
        };
        let rescue = match (&part.on_failure, end) {
            (OnFailure::Rescue { part, .. }, RunEnd::Failed | RunEnd::Lost) => Some(part),
            (OnFailure::Rescue { .. } | OnFailure::Stop | OnFailure::Continue, _) => None,
        };
        if let Some(rescue) = rescue.filter(|_| open.ending.is_none()) {
            let place = Place { rescue: place.rescue + 1, ..place };
            let any_host = open.info.job.flow.as_ref().is_some_and(|flow| flow.any_host);
            return Step::Begin(vec![Start::new(place, rescue, None, any_host)]);
        }
        let standing = standing(open.info.job.flow.as_ref(), place, end);
        if let Some(part) = open.parts.get_mut(place.part as usize - 1) {
            *part = standing;
        }
        self.go_on(flow)
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
            if open.parts.contains(&Standing::UnderWay) {
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
        let name = &open.info.job.name;
        let mut next = None;
        if let Some(line) = self.names.get_mut(name) {
            match open.waits {
                true => line.waiting.retain(|run| *run != flow),
                false => {
                    line.under_way -= 1;
                    next = line.waiting.front().copied().filter(|_| line.under_way == 0);
                }
            }
            if line.under_way == 0 && line.waiting.is_empty() {
                self.names.remove(name);
            }
        }
        let Open { info, started_at, tally, .. } = open;
        Step::Over(Box::new(Over { info, started_at, end, tally, next }))
    }
}

impl Open {
    fn flow(&self) -> Option<&Flow> {
        self.info.job.flow.as_ref()
    }

    /// Which slot is next, from 0; `None` after the last.
    fn next(&self) -> Option<usize> {
        let next = match &self.resume {
            Some(resume) => (resume.slot as usize).saturating_sub(1),
            None => self.slot as usize,
        };
        self.flow().filter(|flow| next < flow.slots.len()).map(|_| next)
    }

    /// How it ends, now that nothing of its slot is under way; `None`: not yet.
    fn end(&self) -> Option<RunEnd> {
        match (worst(&self.parts), self.ending) {
            // What did not begin or was ended is so for the same reason.
            (Some(RunEnd::Cancelled | RunEnd::Skipped { .. }), Some(end)) => Some(end),
            (Some(RunEnd::Skipped { reason }), None) if reason != Reason::Removed => {
                Some(RunEnd::Failed)
            }
            (Some(worst), _) => Some(worst),
            (None, _) if self.next().is_none() => Some(RunEnd::Succeeded),
            (None, ending) => ending,
        }
    }

    /// The parts of the next slot that have something left to do.
    fn next_slot(&mut self) -> Vec<Start> {
        let next = self.next();
        let done = self.resume.take().map(|resume| resume.done).unwrap_or_default();
        let parts = next.and_then(|next| self.flow()?.slots.get(next));
        let (Some(next), Some(parts)) = (next, parts) else { return Vec::new() };
        let slot = next as u32 + 1;
        let any_host = self.flow().is_some_and(|flow| flow.any_host);
        let starts: Vec<Start> = (1..)
            .zip(parts)
            .map(|(part, written)| {
                let place = Place { slot, part, rescue: 0 };
                Start::new(place, written, done.get(&part), any_host)
            })
            .collect();
        let is_left = |start: &Start| start.succeeded == 0 || !start.nodes.is_empty();
        self.parts = starts
            .iter()
            .map(|start| if is_left(start) { Standing::UnderWay } else { Standing::Good })
            .collect();
        self.slot = slot;
        starts.into_iter().filter(is_left).collect()
    }
}

impl Start {
    fn new(place: Place, part: &Part, done: Option<&HashSet<String>>, any_host: bool) -> Start {
        let targets = &part.job.targets;
        let is_left = |node: &&String| done.is_none_or(|done| !done.contains(*node));
        let nodes: Vec<String> = targets.iter().filter(is_left).cloned().collect();
        let succeeded = targets.len() - nodes.len();
        Start { place, part: part.clone(), nodes, succeeded, any_host }
    }
}

/// What the end of the last of a part's chain means for the part.
fn standing(flow: Option<&Flow>, place: Place, end: RunEnd) -> Standing {
    let mut standing = match end {
        RunEnd::Succeeded => Standing::Good,
        RunEnd::Failed | RunEnd::Lost | RunEnd::Cancelled | RunEnd::Skipped { .. } => {
            Standing::Bad(end)
        }
    };
    for rescue in (0..=place.rescue).rev() {
        let part = flow.and_then(|flow| flow.part(Place { rescue, ..place }));
        let is_last = rescue == place.rescue;
        standing = match (part.map(|part| &part.on_failure), standing) {
            // On somebody's word, who did not ask for something else instead.
            (_, Standing::Bad(RunEnd::Cancelled)) => standing,
            (Some(OnFailure::Continue), Standing::Bad(_)) => Standing::Good,
            (Some(OnFailure::Rescue { then: Then::Stop, .. }), Standing::Good) if !is_last => {
                Standing::Bad(RunEnd::Failed)
            }
            (_, standing) => standing,
        };
    }
    standing
}

/// The worst end of these parts, if one is bad.
fn worst(parts: &[Standing]) -> Option<RunEnd> {
    let bad = |part: &Standing| match part {
        Standing::Bad(end) => Some(*end),
        Standing::UnderWay | Standing::Good => None,
    };
    let rank = |end: &RunEnd| match end {
        RunEnd::Succeeded => 0,
        RunEnd::Cancelled => 1,
        RunEnd::Lost => 2,
        RunEnd::Skipped { reason: Reason::Removed } => 3,
        RunEnd::Skipped { .. } => 4,
        RunEnd::Failed => 5,
    };
    parts.iter().filter_map(bad).max_by_key(rank)
}

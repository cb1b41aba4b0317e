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
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;

use crate::event::{PartEnd, RunInfo, UnitInfo};
use crate::job::flow::{Flow, OnFailure, Part, Place, Then};
use crate::job::policy::Overlap;
use crate::unit::{Outcome, Reason, RunEnd, RunId};

/// From where a flow is taken up again that did not come to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resume {
    /// The first slot that is not done; from 1.
    pub slot: u32,
    /// Of that slot, by part from 1: nodes that have succeeded and are not tried again.
    pub done: BTreeMap<u32, HashSet<String>>,
}

impl Resume {
    /// Units that are left of the flow, but for those of rescues.
    pub fn units(&self, flow: &Flow) -> usize {
        let slots = flow.slots.iter().skip((self.slot as usize).saturating_sub(1));
        let all: usize = slots.flatten().map(|part| part.job.targets.len()).sum();
        let done = self.done.iter().filter_map(|(part, done)| {
            let part = flow.part(Place { slot: self.slot, part: *part, rescue: 0 })?;
            Some(part.job.targets.iter().filter(|node| done.contains(*node)).count())
        });
        all - done.sum::<usize>()
    }
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
    /// Whose `units` are also those of rescues that have begun.
    pub info: Arc<RunInfo>,
    pub started_at: Option<Timestamp>,
    pub end: RunEnd,
    /// All that have begun, in the order of their places.
    pub parts: Vec<PartEnd>,
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
    /// The run that it takes up.
    takes_up: Option<RunId>,
    /// From 1; 0 before the first has begun.
    slot: u32,
    parts: Vec<Standing>,
    /// Of each that has begun: its nodes, and what their units have come to as far as anybody wants
    /// to hear of that.
    begun: BTreeMap<Place, (usize, Vec<UnitInfo>)>,
    ended: Vec<PartEnd>,
    /// Some of their units did not begin, or were ended, on somebody's word.
    cut_short: HashSet<Place>,
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
        let line = self.names.entry(info.job.name.clone()).or_default();
        match waits {
            true => line.waiting.push_back(info.run),
            false => line.under_way += 1,
        }
        let open = Open {
            started_at: None,
            waits,
            resume,
            takes_up: None,
            slot: 0,
            parts: Vec::new(),
            begun: BTreeMap::new(),
            ended: Vec::new(),
            cut_short: HashSet::new(),
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

    /// A unit of a part has had its last attempt.
    pub fn unit_ended(&mut self, flow: RunId, place: Place, unit: &UnitInfo) {
        let Some(open) = self.open.get_mut(&flow) else { return };
        if is_cut_short(&unit.outcome) {
            open.cut_short.insert(place);
        }
        if !open.info.job.hooks.is_empty()
            && let Some((_, units)) = open.begun.get_mut(&place)
        {
            units.push(unit.clone());
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
        let (nodes, units) = open.begun.get_mut(&place).map(std::mem::take).unwrap_or_default();
        open.ended.push(PartEnd { place, run, end, nodes, succeeded, units });
        if let Some(start) = open.rescue(place, end) {
            open.begun.insert(start.place, (start.nodes.len(), Vec::new()));
            return Step::Begin(vec![start]);
        }
        let standing = open.standing(place, end);
        if let Some(part) = open.parts.get_mut((place.part as usize).saturating_sub(1)) {
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
        let Open { mut info, started_at, ended: mut parts, .. } = open;
        parts.sort_by_key(|part| part.place);
        let rescues = parts.iter().filter(|part| part.place.rescue > 0);
        let more: usize = rescues.map(|part| part.nodes).sum();
        if more > 0 {
            info = Arc::new(RunInfo { units: info.units + more, ..(*info).clone() });
        }
        Step::Over(Box::new(Over { info, started_at, end, parts, next }))
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
        let bad = self.parts.iter().filter_map(|part| match part {
            Standing::Bad(end) => Some(self.blamed(*end)),
            Standing::UnderWay | Standing::Good => None,
        });
        let rank = |end: &RunEnd| match end {
            RunEnd::Succeeded => 0,
            RunEnd::Skipped { .. } => 1,
            RunEnd::Cancelled => 2,
            RunEnd::Lost => 3,
            RunEnd::Failed => 4,
        };
        match (bad.max_by_key(rank), self.next()) {
            (Some(worst), _) => Some(worst),
            (None, None) => Some(RunEnd::Succeeded),
            (None, Some(_)) => self.ending,
        }
    }

    /// What the bad end of a part means for the flow. What was left out or ended when the flow was to
    /// end is so for the same reason.
    fn blamed(&self, end: RunEnd) -> RunEnd {
        match (end, self.ending) {
            (RunEnd::Cancelled | RunEnd::Skipped { .. }, Some(ending)) => ending,
            (RunEnd::Cancelled | RunEnd::Skipped { .. }, None)
            | (RunEnd::Succeeded | RunEnd::Failed | RunEnd::Lost, _) => end,
        }
    }

    /// What is to mend that this part has ended so.
    fn rescue(&self, place: Place, end: RunEnd) -> Option<Start> {
        let has_failed = match end {
            RunEnd::Failed | RunEnd::Lost | RunEnd::Skipped { .. } => true,
            RunEnd::Succeeded | RunEnd::Cancelled => false,
        };
        if !has_failed || self.ending.is_some() {
            return None;
        }
        let flow = self.flow()?;
        let place = Place { rescue: place.rescue + 1, ..place };
        Some(Start::new(place, flow.part(place)?, None, flow.any_host))
    }

    /// What the end of the last of a part's chain means for the part.
    fn standing(&self, place: Place, end: RunEnd) -> Standing {
        match (end, self.ending) {
            (RunEnd::Succeeded, _) => self.mended(place),
            // On somebody's word, who did not ask for something else instead.
            (RunEnd::Cancelled, _) => Standing::Bad(end),
            // Nothing of it was tried, since the flow was to end; what it was to rescue has failed.
            (RunEnd::Skipped { .. }, Some(_)) if place.rescue > 0 => Standing::Bad(RunEnd::Failed),
            (RunEnd::Skipped { .. }, Some(_)) => Standing::Bad(end),
            (RunEnd::Failed | RunEnd::Lost | RunEnd::Skipped { .. }, _) => {
                match (self.on_failure(place), end) {
                    // That it may fail does not make it done.
                    (Some(OnFailure::Continue), _)
                        if self.ending.is_some() && self.cut_short.contains(&place) =>
                    {
                        Standing::Bad(RunEnd::Cancelled)
                    }
                    (Some(OnFailure::Continue), _) => self.mended(place),
                    // It was to run, and could not.
                    (_, RunEnd::Skipped { .. }) => Standing::Bad(RunEnd::Failed),
                    (_, end) => Standing::Bad(end),
                }
            }
        }
    }

    /// A part is as good as done when all that it rescues may be content with that.
    fn mended(&self, place: Place) -> Standing {
        let above = (0..place.rescue).map(|rescue| self.on_failure(Place { rescue, ..place }));
        let mut stops =
            above.filter(|word| matches!(word, Some(OnFailure::Rescue { then: Then::Stop, .. })));
        match stops.next() {
            Some(_) => Standing::Bad(RunEnd::Failed),
            None => Standing::Good,
        }
    }

    fn on_failure(&self, place: Place) -> Option<&OnFailure> {
        self.flow()?.part(place).map(|part| &part.on_failure)
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
        let starts: Vec<Start> = starts.into_iter().filter(is_left).collect();
        let nodes = |start: &Start| (start.place, (start.nodes.len(), Vec::new()));
        self.begun.extend(starts.iter().map(nodes));
        starts
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

/// Nothing that the unit itself did.
fn is_cut_short(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Cancelled { .. }
        | Outcome::Skipped { reason: Reason::Removed | Reason::Deadline } => true,
        Outcome::Succeeded
        | Outcome::Failed { .. }
        | Outcome::Signaled { .. }
        | Outcome::Unreachable
        | Outcome::TimedOut { .. }
        | Outcome::Crashed
        | Outcome::Lost
        | Outcome::Skipped { .. } => false,
    }
}

//! One open flow: how its parts stand, what rescues them, and what it comes to. It knows no other.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{Over, Resume, Start};
use crate::event::{PartEnd, RunInfo, UnitInfo};
use crate::job::flow::{Flow, OnFailure, Place, Then};
use crate::unit::{Outcome, Reason, RunEnd, RunId};

/// What became of a part of the slot that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    UnderWay,
    Good,
    Bad(RunEnd),
}

#[derive(Debug)]
pub(super) struct Open {
    pub info: Arc<RunInfo>,
    pub started_at: Option<Timestamp>,
    /// For another one of its name.
    pub waits: bool,
    resume: Option<Resume>,
    /// The run that it takes up.
    pub takes_up: Option<RunId>,
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
    pub ending: Option<RunEnd>,
}

impl Open {
    pub fn new(info: Arc<RunInfo>, resume: Option<Resume>, waits: bool) -> Open {
        Open {
            info,
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
        }
    }

    /// A unit of a part has had its last attempt.
    pub fn unit_ended(&mut self, place: Place, unit: &UnitInfo) {
        if is_cut_short(&unit.outcome) {
            self.cut_short.insert(place);
        }
        if !self.info.job.hooks.is_empty()
            && let Some((_, units)) = self.begun.get_mut(&place)
        {
            units.push(unit.clone());
        }
    }

    /// Returns what is to mend that, if something is.
    pub fn part_ended(
        &mut self,
        place: Place,
        run: Option<RunId>,
        end: RunEnd,
        succeeded: usize,
    ) -> Option<Start> {
        let (nodes, units) = self.begun.get_mut(&place).map(std::mem::take).unwrap_or_default();
        self.ended.push(PartEnd { place, run, end, nodes, succeeded, units });
        if let Some(start) = self.rescue(place, end) {
            self.begun.insert(start.place, (start.nodes.len(), Vec::new()));
            return Some(start);
        }
        let standing = self.standing(place, end);
        if let Some(part) = self.parts.get_mut((place.part as usize).saturating_sub(1)) {
            *part = standing;
        }
        None
    }

    /// Whether a part of its slot is yet to end.
    pub fn is_under_way(&self) -> bool {
        self.parts.contains(&Standing::UnderWay)
    }

    /// `next`: who waits for it.
    pub fn over(self, end: RunEnd, next: Option<RunId>) -> Over {
        let Open { mut info, started_at, ended: mut parts, .. } = self;
        parts.sort_by_key(|part| part.place);
        let rescues = parts.iter().filter(|part| part.place.rescue > 0);
        let more: usize = rescues.map(|part| part.nodes).sum();
        if more > 0 {
            info = Arc::new(RunInfo { units: info.units + more, ..(*info).clone() });
        }
        Over { info, started_at, end, parts, next }
    }

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
    pub fn end(&self) -> Option<RunEnd> {
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
    pub fn next_slot(&mut self) -> Vec<Start> {
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

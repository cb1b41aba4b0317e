//! What must hold of flows whatever happens: nothing of a slot before the one before has done what
//! it should, no rescue unless there is something to mend, nothing after a word that ends it all.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use loom::event::Within;
use loom::flow::{Resume, Start};
use loom::job::Job;
use loom::job::flow::{Flow, OnFailure, Place, Then};
use loom::unit::{Reason, RunEnd, RunId};

use super::books::Made;

#[derive(Debug)]
struct Part {
    job: Arc<Job>,
    /// Of this many nodes so many had succeeded before.
    targets: usize,
    before: usize,
    /// `None`: it ran nowhere, if others follow from it.
    run: Option<RunId>,
    end: Option<RunEnd>,
}

#[derive(Debug)]
struct Open {
    job: Arc<Job>,
    resume: Option<Resume>,
    deadline: Option<Duration>,
    scheduled_at: Option<Timestamp>,
    begun: bool,
    /// Somebody has said so; or a reload, a stop, or the deadline.
    told_to_end: bool,
    closed: bool,
    slot: u32,
    parts: BTreeMap<Place, Part>,
}

#[derive(Debug, Default)]
pub struct Flows {
    flows: HashMap<RunId, Open>,
    /// About to be made: from where, and until when it may begin.
    pub coming: Option<(Arc<Job>, Option<Resume>, Option<Duration>)>,
}

impl Flows {
    pub fn opens(&mut self, run: RunId, job: &str, scheduled_at: Option<Timestamp>) {
        let (made, resume, deadline) = self.coming.take().expect("a flow that nobody made");
        assert_eq!(made.name, *job);
        let open = Open {
            job: made,
            resume,
            deadline,
            scheduled_at,
            begun: false,
            told_to_end: false,
            closed: false,
            slot: 0,
            parts: BTreeMap::new(),
        };
        assert!(self.flows.insert(run, open).is_none(), "flow {run} twice");
    }

    pub fn is_flow(&self, run: RunId) -> bool {
        self.flows.contains_key(&run)
    }

    pub fn open(&self) -> impl Iterator<Item = RunId> {
        self.flows.iter().filter(|(_, flow)| !flow.closed).map(|(run, _)| *run)
    }

    /// Its turn has come; `targets`: nodes that there are or are missing.
    pub fn part_begins(&mut self, run: RunId, start: &Start, targets: usize) {
        let flow = self.flows.get_mut(&run).expect("known");
        assert!(!flow.closed && !flow.told_to_end, "flow {run} is over: {}", start.place);
        let Place { slot, rescue, .. } = start.place;
        if rescue > 0 {
            let before = Place { rescue: rescue - 1, ..start.place };
            match flow.parts[&before].end() {
                RunEnd::Failed | RunEnd::Lost | RunEnd::Skipped { .. } => {}
                end @ (RunEnd::Succeeded | RunEnd::Cancelled) => panic!("{end:?}: {before}"),
            }
        } else if slot != flow.slot {
            let first = flow.resume.as_ref().map_or(1, |resume| resume.slot);
            assert!(slot == flow.slot + 1 || (flow.slot == 0 && slot >= first), "{slot} is early");
            for part in flow.parts.values() {
                assert!(part.run.is_none() || part.end.is_some(), "flow {run}: {part:?} is open");
            }
            if flow.slot > 0 {
                assert_eq!(flow.worst(flow.slot), None, "flow {run} goes on to slot {slot}");
            }
            flow.slot = slot;
        }
        let part = Part {
            job: Arc::new(start.part.job.clone()),
            targets: targets + start.succeeded,
            before: start.succeeded,
            run: None,
            end: None,
        };
        assert!(flow.parts.insert(start.place, part).is_none(), "{} twice", start.place);
    }

    pub fn part_opens(&mut self, run: RunId, within: Within) -> Made {
        let flow = self.flows.get_mut(&within.flow).expect("known");
        assert!(!flow.closed, "run {run} begins in a flow that is over");
        let part = flow.parts.get_mut(&within.place).expect("its turn has come");
        assert!(part.run.replace(run).is_none(), "{} runs twice", within.place);
        assert_eq!((within.succeeded, part.before), (part.before, within.succeeded));
        let (job, targets, before) = (part.job.clone(), part.targets, part.before);
        Made { job, targets, before, deadline: None }
    }

    pub fn part_closes(&mut self, run: RunId, within: Within, end: RunEnd) {
        let flow = self.flows.get_mut(&within.flow).expect("known");
        assert!(!flow.closed, "run {run} outlives its flow");
        flow.parts.get_mut(&within.place).expect("begun").end = Some(end);
    }

    pub fn starts(&mut self, run: RunId) {
        let flow = self.flows.get_mut(&run).expect("known");
        assert!(!std::mem::replace(&mut flow.begun, true), "flow {run} begins twice");
    }

    /// Nothing of it begins any more; parts that are under way.
    pub fn told_to_end(&mut self, run: RunId) -> Vec<RunId> {
        let flow = self.flows.get_mut(&run).expect("known");
        flow.told_to_end = true;
        flow.parts.values().filter_map(|part| part.run).collect()
    }

    pub fn all_told_to_end(&mut self, which: impl Fn(&str) -> bool) {
        let open = self.flows.values_mut().filter(|flow| !flow.closed && which(&flow.job.name));
        open.for_each(|flow| flow.told_to_end = true);
    }

    /// That of this instant has not begun in time. In another epoch of the clock the instant may
    /// have come again, and its flow have time left.
    pub fn too_late(&mut self, now: Duration, job: &str, at: Timestamp) {
        let of_instant = |flow: &&mut Open| flow.scheduled_at == Some(at) && flow.job.name == job;
        let is_late = |flow: &&mut Open| !flow.begun && flow.deadline.is_some_and(|at| now >= at);
        let open = self.flows.values_mut().filter(|flow| !flow.closed);
        for flow in open.filter(of_instant).filter(is_late) {
            flow.told_to_end = true;
        }
    }

    /// The first unit of a flow begins in time.
    pub fn sends(&self, now: Duration, within: Within) {
        let flow = &self.flows[&within.flow];
        assert!(!flow.closed, "a unit of a flow that is over");
        if let Some(deadline) = flow.deadline.filter(|_| !flow.begun) {
            assert!(now <= deadline, "flow {} begins after its deadline", within.flow);
        }
    }

    pub fn closes(&mut self, run: RunId, end: RunEnd) {
        let flow = self.flows.get_mut(&run).expect("known");
        assert!(!std::mem::replace(&mut flow.closed, true), "flow {run} is closed twice");
        for (place, part) in &flow.parts {
            assert!(part.run.is_none() || part.end.is_some(), "flow {run}: {place} is open");
        }
        let written = flow.flow();
        let worst = if flow.slot == 0 { None } else { flow.worst(flow.slot) };
        let is_through = flow.slot as usize == written.slots.len() || flow.has_nothing_left();
        if !flow.told_to_end {
            assert!(worst.is_some() || is_through, "flow {run} ends early: {flow:?}");
            assert_eq!(end, worst.unwrap_or(RunEnd::Succeeded), "flow {run}: {flow:?}");
        } else if end == RunEnd::Succeeded {
            assert!(worst.is_none() && is_through, "flow {run}: {flow:?}");
        }
        let skipped_as = [Reason::Removed, Reason::Deadline];
        if let RunEnd::Skipped { reason } = end {
            assert!(skipped_as.contains(&reason), "flow {run}: {reason:?}");
        }
    }
}

impl Open {
    fn flow(&self) -> &Flow {
        self.job.flow.as_ref().unwrap()
    }

    /// Of one that was taken up in its last slot, which was done.
    fn has_nothing_left(&self) -> bool {
        let last = self.flow().slots.len() as u32;
        self.slot == 0 && self.resume.as_ref().is_some_and(|resume| resume.slot == last)
    }

    /// The worst that the parts of a slot have come to, if that is bad.
    fn worst(&self, slot: u32) -> Option<RunEnd> {
        let parts = self.parts.keys().filter(|place| place.slot == slot && place.rescue == 0);
        let bad: Vec<RunEnd> = parts.filter_map(|place| self.chain(*place)).collect();
        let ranked = [RunEnd::Failed, RunEnd::Lost, RunEnd::Cancelled];
        ranked.into_iter().find(|end| bad.contains(end))
    }

    /// What a part and its rescues have come to, if that is bad.
    fn chain(&self, place: Place) -> Option<RunEnd> {
        let end = match self.parts[&place].end() {
            RunEnd::Succeeded => return None,
            RunEnd::Skipped { .. } => RunEnd::Failed,
            end @ (RunEnd::Failed | RunEnd::Cancelled | RunEnd::Lost) => end,
        };
        let next = Place { rescue: place.rescue + 1, ..place };
        match &self.flow().part(place).expect("a place").on_failure {
            _ if end == RunEnd::Cancelled => Some(end),
            OnFailure::Stop => Some(end),
            OnFailure::Continue => None,
            OnFailure::Rescue { then, .. } if self.parts.contains_key(&next) => {
                match (self.chain(next), then) {
                    (None, Then::Continue) => None,
                    (None, Then::Stop) => Some(RunEnd::Failed),
                    (Some(bad), _) => Some(bad),
                }
            }
            OnFailure::Rescue { .. } => {
                assert!(self.told_to_end, "{place} ended and its rescue had no turn");
                Some(end)
            }
        }
    }
}

impl Part {
    fn end(&self) -> RunEnd {
        match (self.run, self.end) {
            (Some(_), Some(end)) => end,
            (Some(run), None) => panic!("run {run} is open"),
            (None, _) => {
                let needed = self.job.success.expect("in a flow").at_least(self.targets);
                let enough = self.targets > 0 && self.before >= needed;
                let reason = Reason::NoTargets;
                if enough { RunEnd::Succeeded } else { RunEnd::Skipped { reason } }
            }
        }
    }
}

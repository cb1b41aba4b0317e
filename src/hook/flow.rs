//! What a hook is told of the parts of a flow.

use serde::Serialize;

use crate::event::{PartEnd, Within};
use crate::job::flow::{self, Place};
use crate::unit::{Reason, RunId};

/// Slot by slot.
#[derive(Debug, Clone, Serialize)]
pub struct Flow<'a> {
    pub slots: Vec<Vec<Part<'a>>>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Part<'a> {
    pub job: &'a str,
    pub run: Option<u64>,
    /// As of a run, or `done`; `None`: it has not begun.
    pub state: Option<&'static str>,
    pub reason: Option<&'static str>,
    pub succeeded: usize,
    /// But for those that had succeeded in an earlier run.
    pub total: usize,
    /// What had its turn because this failed.
    pub rescue: Option<Box<Part<'a>>>,
}

/// The flow that a run is a part of.
#[derive(Debug, Clone, Serialize)]
pub struct Of {
    job: Option<String>,
    run: u64,
    slot: u32,
    part: u32,
    rescue: u32,
}

impl<'a> Flow<'a> {
    /// `parts`: those that have begun.
    pub fn new(flow: &'a flow::Flow, parts: &[PartEnd]) -> Flow<'a> {
        // A slot begins with all of its parts, but for those that an earlier run has left nothing
        // to do of.
        let reached = parts.iter().map(|part| part.place.slot).max().unwrap_or(0);
        let slots = (1..).zip(&flow.slots).map(|(slot, written)| {
            let place = |part| Place { slot, part, rescue: 0 };
            let part = |(part, written)| Part::new(written, place(part), reached, parts);
            (1..).zip(written).map(part).collect()
        });
        Flow { slots: slots.collect() }
    }
}

impl<'a> Part<'a> {
    fn new(written: &'a flow::Part, place: Place, reached: u32, ends: &[PartEnd]) -> Part<'a> {
        let nodes = written.job.targets.len();
        let job = &written.job.name;
        let blank = Part {
            job,
            run: None,
            state: None,
            reason: None,
            succeeded: 0,
            total: nodes,
            rescue: None,
        };
        let find = |place: Place| ends.binary_search_by_key(&place, |end| end.place).ok();
        let Some(end) = find(place).map(|at| &ends[at]) else {
            return match place.slot <= reached {
                true => Part { state: Some("done"), succeeded: nodes, ..blank },
                false => blank,
            };
        };
        let next = Place { rescue: place.rescue + 1, ..place };
        let rescue = written.rescue().filter(|_| find(next).is_some());
        Part {
            run: end.run.map(|run| run.0),
            state: Some(end.end.word()),
            reason: end.end.reason().map(Reason::as_str),
            succeeded: end.succeeded,
            total: end.nodes,
            rescue: rescue.map(|rescue| Box::new(Part::new(rescue, next, reached, ends))),
            ..blank
        }
    }
}

impl Of {
    /// `job`: what the flow is called.
    pub fn new(within: &Within, job: Option<String>) -> Of {
        let Within { flow: RunId(run), place: Place { slot, part, rescue }, .. } = *within;
        Of { job, run, slot, part, rescue }
    }
}

/// `deploy, run 12, slot 2, job 1`.
impl std::fmt::Display for Of {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Of { job, run, slot, part, rescue } = self;
        if let Some(job) = job {
            write!(f, "{job}, ")?;
        }
        write!(f, "run {run}, {}", Place { slot: *slot, part: *part, rescue: *rescue })
    }
}

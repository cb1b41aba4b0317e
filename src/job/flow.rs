//! A flow as it is written: slots of jobs.
//!
//! The jobs of a slot run beside each other; the next slot begins when each of them has done what
//! it should. Values only; what follows from them is decided in [`crate::flow`].

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::policy::{Overlap, Parallel, Retries, RetryOn, Share};
use super::{Job, Source};
use crate::arg::Arg;
use crate::cron::Schedule;

/// What runs of flows are called that stand in no manifest; none of the configuration's may be.
pub const FLOW: &str = "@flow";

/// The most jobs of a flow that stands in no manifest, the most units of all of them, and the most
/// bytes of one's command.
pub const MAX_JOBS: usize = 1000;
pub const MAX_UNITS: usize = 100_000;
pub const MAX_COMMAND: usize = 64 << 10;

/// At least one slot, each with at least one part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// A target that is no node of the configuration is a host, taken with the defaults. Never of
    /// one that stands in a manifest.
    pub any_host: bool,
    pub slots: Vec<Vec<Part>>,
}

/// A job at its place in a flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// With what the flow says laid over what the job says; `success` is never left open. One that
    /// the flow holds itself is called `FLOW/NAME`.
    pub job: Job,
    pub on_failure: OnFailure,
}

/// A part that stands in no manifest: a command line.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandLine {
    pub name: String,
    pub command: String,
    pub targets: Vec<String>,
    pub success: Share,
    /// Steps; all at once if there are none.
    pub parallel: Vec<Share>,
    pub timeout: Option<Duration>,
    /// On each node in all, whatever made them fail; 1 or more.
    pub attempts: u32,
}

/// What follows when a part does not meet its success constraint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum OnFailure {
    /// No further slot begins.
    #[default]
    Stop,
    /// As if it had met it.
    Continue,
    /// Another part has its turn, in the same slot; if that fails, its own word counts.
    Rescue { part: Box<Part>, then: Then },
}

/// What follows when a rescue has succeeded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Then {
    /// The failure is mended.
    #[default]
    Continue,
    /// It was only tidied up after.
    Stop,
}

/// Where a part stands in its flow. Slots and parts count from 1; a part itself is rescue 0, what
/// rescues it 1, what rescues that 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    pub slot: u32,
    pub part: u32,
    pub rescue: u32,
}

/// `slot 2, job 1`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { slot, part, rescue } = self;
        write!(f, "slot {slot}, job {part}")?;
        match rescue {
            0 => Ok(()),
            1 => f.write_str(", its rescue"),
            more => write!(f, ", rescue {more}"),
        }
    }
}

impl Flow {
    pub fn part(&self, place: Place) -> Option<&Part> {
        let index = |number: u32| (number as usize).checked_sub(1);
        let part = self.slots.get(index(place.slot)?)?.get(index(place.part)?)?;
        (0..place.rescue).try_fold(part, |part, _| part.rescue())
    }

    /// Every part and every rescue, in their order.
    pub fn parts(&self) -> impl Iterator<Item = (Place, &Part)> {
        let slots = (1..).zip(&self.slots);
        let parts = slots.flat_map(|(slot, parts)| {
            (1..).zip(parts).map(move |(part, first)| (slot, part, first))
        });
        parts.flat_map(|(slot, part, first)| {
            let chain = std::iter::successors(Some(first), |part| part.rescue());
            (0..).zip(chain).map(move |(rescue, each)| (Place { slot, part, rescue }, each))
        })
    }

    /// Every job of it, those of rescues included, to be changed.
    pub fn each_job(&mut self, mut change: impl FnMut(&mut Job)) {
        for part in self.slots.iter_mut().flatten() {
            let mut next = Some(part);
            while let Some(part) = next {
                change(&mut part.job);
                next = match &mut part.on_failure {
                    OnFailure::Stop | OnFailure::Continue => None,
                    OnFailure::Rescue { part, .. } => Some(part),
                };
            }
        }
    }

    /// Of all its parts, rescues included, each once.
    pub fn targets(&self) -> Vec<String> {
        let mut seen = HashSet::new();
        let all = self.parts().flat_map(|(_, part)| &part.job.targets);
        all.filter(|name| seen.insert(name.as_str())).cloned().collect()
    }

    /// Units of all slots, but for rescues.
    pub fn units(&self) -> usize {
        self.slots.iter().flatten().map(|part| part.job.targets.len()).sum()
    }

    /// One that stands in no manifest, as if it stood in one.
    pub fn given(any_host: bool, slots: Vec<Vec<CommandLine>>) -> Job {
        let parts = |slot: Vec<CommandLine>| slot.into_iter().map(Part::from).collect();
        let flow = Flow { any_host, slots: slots.into_iter().map(parts).collect() };
        Job { targets: flow.targets(), flow: Some(flow), ..bare(FLOW.to_owned(), FLOW) }
    }
}

impl From<CommandLine> for Part {
    fn from(line: CommandLine) -> Part {
        let CommandLine { name, command, targets, success, parallel, timeout, attempts } = line;
        let job = Job {
            args: vec![Arg::Str(command)],
            targets,
            timeout,
            parallel: (!parallel.is_empty()).then_some(Parallel { steps: parallel }),
            success: Some(success),
            retries: Retries {
                attempts,
                on: RetryOn::ALL.into_iter().collect(),
                ..Retries::default()
            },
            ..bare(format!("{FLOW}/{name}"), "loom.run")
        };
        Part { job, on_failure: OnFailure::Stop }
    }
}

fn bare(name: String, task: &str) -> Job {
    let source = Source { file: Default::default(), line: 0 };
    Job { overlap: Overlap::Allow, ..Job::new(name, task.to_owned(), Schedule::never(), source) }
}

/// What the job is called in the flow of this name, if the flow holds it itself.
pub fn own_name<'a>(flow: &str, job: &'a str) -> Option<&'a str> {
    job.strip_prefix(flow)?.strip_prefix('/')
}

impl Part {
    pub fn rescue(&self) -> Option<&Part> {
        match &self.on_failure {
            OnFailure::Stop | OnFailure::Continue => None,
            OnFailure::Rescue { part, .. } => Some(part),
        }
    }
}

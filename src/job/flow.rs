//! A flow as it is written: slots of jobs.
//!
//! The jobs of a slot run beside each other; the next slot begins when each of them has done what
//! it should. Values only; what follows from them is decided in [`crate::flow`].

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Job;

/// What runs of flows are called that stand in no manifest; none of the configuration's may be.
pub const FLOW: &str = "@flow";

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

    /// Units of all slots, but for rescues.
    pub fn units(&self) -> usize {
        self.slots.iter().flatten().map(|part| part.job.targets.len()).sum()
    }
}

impl Part {
    pub fn rescue(&self) -> Option<&Part> {
        match &self.on_failure {
            OnFailure::Stop | OnFailure::Continue => None,
            OnFailure::Rescue { part, .. } => Some(part),
        }
    }
}

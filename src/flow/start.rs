//! What is to begin of a flow: its parts, each on the nodes where something is left to do.

use std::collections::{BTreeMap, HashSet};

use crate::job::flow::{Flow, Part, Place};

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

impl Start {
    pub(super) fn new(
        place: Place,
        part: &Part,
        done: Option<&HashSet<String>>,
        any_host: bool,
    ) -> Start {
        let targets = &part.job.targets;
        let is_left = |node: &&String| done.is_none_or(|done| !done.contains(*node));
        let nodes: Vec<String> = targets.iter().filter(is_left).cloned().collect();
        let succeeded = targets.len() - nodes.len();
        Start { place, part: part.clone(), nodes, succeeded, any_host }
    }
}

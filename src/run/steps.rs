//! The steps of a run: how many of its units may begin before the next step is decided, and
//! whether that comes.
//!
//! Before the last step so many units begin and end. The next comes if the constraint holds for
//! all that have ended so far as it has to for the whole run; without a constraint none of them may
//! have failed. A unit that was cancelled or skipped shows nothing, and is not among them.

use std::collections::VecDeque;

use super::Tally;
use crate::job::Job;
use crate::unit::Outcome;

/// What a run may do until it is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Units under way at once.
    pub limit: usize,
    /// Units that may begin; `None`: all that are left.
    pub quota: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Widen(Room),
    /// Nothing more of it should start.
    Stop,
}

/// Whether the end of a unit shows anything of its job.
pub fn shows(outcome: &Outcome) -> bool {
    let mut tally = Tally::default();
    tally.count(outcome);
    tally.shown() > 0
}

#[derive(Debug)]
pub struct Steps {
    /// Units at once.
    ahead: VecDeque<usize>,
    targets: usize,
    needed: usize,
    /// Units that succeeded in an earlier run, which are among the targets.
    before: usize,
}

impl Steps {
    /// And what the first allows.
    pub fn new(job: &Job, targets: usize, before: usize) -> (Steps, Room) {
        let needed = job.success.map_or(targets, |share| share.at_least(targets));
        let ahead = job.parallel.as_ref().map(|parallel| parallel.at_once(targets));
        let ahead = ahead.unwrap_or_default().into();
        let mut steps = Steps { ahead, targets, needed, before };
        let room = steps.take();
        (steps, room)
    }

    /// What comes when all that might begin has ended.
    pub fn next(&mut self, tally: &Tally) -> Next {
        if self.holds(tally) { Next::Widen(self.take()) } else { Next::Stop }
    }

    fn take(&mut self) -> Room {
        let limit = self.ahead.pop_front().unwrap_or(usize::MAX);
        Room { limit, quota: (!self.ahead.is_empty()).then_some(limit) }
    }

    fn holds(&self, tally: &Tally) -> bool {
        let ended = self.before + tally.shown();
        let succeeded = self.before + tally.succeeded;
        succeeded >= (ended * self.needed).div_ceil(self.targets.max(1))
    }
}

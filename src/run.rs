//! The states of a run and of its units.
//!
//! A run is one firing of a job; it is over when each of its units has its last outcome. Owns the
//! book of open runs, their success constraints and how far they may widen; knows nothing of
//! workers, nodes or the ledger.

mod steps;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::event::{RunInfo, UnitInfo};
use crate::job::Job;
use crate::job::policy::Share;
use crate::unit::{Outcome, Reason, RunEnd, RunId};
use steps::Steps;
pub use steps::{Next, Room, shows};

/// How the units of a run ended, by what that means for the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub succeeded: usize,
    pub failed: usize,
    pub cancelled: usize,
    pub lost: usize,
    /// The last reason, and how many.
    pub skipped: Option<(Reason, usize)>,
}

impl Tally {
    pub fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Succeeded => self.succeeded += 1,
            Outcome::Failed { .. }
            | Outcome::Signaled { .. }
            | Outcome::Unreachable
            | Outcome::TimedOut { .. }
            | Outcome::Crashed => self.failed += 1,
            Outcome::Cancelled { .. } => self.cancelled += 1,
            Outcome::Lost => self.lost += 1,
            Outcome::Skipped { reason } => {
                self.skipped = Some((*reason, self.skipped.map_or(0, |(_, n)| n) + 1));
            }
        }
    }

    /// So many have shown how they end. What was cancelled or skipped shows nothing.
    fn shown(&self) -> usize {
        self.succeeded + self.failed + self.lost
    }

    /// With a constraint a run succeeds by meeting it, and is cancelled if those that were
    /// cancelled could have met it. Without, it is as good as its worst unit; skipped units count
    /// only when nothing else was there.
    fn verdict(&self, constraint: Option<usize>) -> RunEnd {
        match constraint {
            Some(needed) if self.succeeded >= needed => return RunEnd::Succeeded,
            Some(needed) if self.succeeded + self.cancelled >= needed => return RunEnd::Cancelled,
            Some(_) | None => {}
        }
        if self.failed > 0 {
            return RunEnd::Failed;
        }
        if self.lost > 0 {
            return RunEnd::Lost;
        }
        if self.cancelled > 0 {
            return RunEnd::Cancelled;
        }
        match self.skipped {
            Some((reason, _)) if self.succeeded == 0 => RunEnd::Skipped { reason },
            Some(_) | None if constraint.is_some() => RunEnd::Failed,
            Some(_) | None => RunEnd::Succeeded,
        }
    }
}

/// What the last outcome of a unit means for its run.
#[derive(Debug)]
pub enum Step {
    Nothing,
    /// Its constraint cannot be met any more: no further unit of it should start.
    Hopeless,
    Over(Box<Over>),
}

/// A run that is over.
#[derive(Debug)]
pub struct Over {
    pub info: Arc<RunInfo>,
    pub started_at: Option<Timestamp>,
    pub end: RunEnd,
    pub tally: Tally,
    /// Kept only for jobs with hooks.
    pub units: Vec<UnitInfo>,
}

#[derive(Debug)]
struct Open {
    info: Arc<RunInfo>,
    started_at: Option<Timestamp>,
    left: usize,
    tally: Tally,
    /// Units that must succeed, where the job says so.
    constraint: Option<usize>,
    steps: Steps,
    hopeless: bool,
    units: Vec<UnitInfo>,
}

impl Open {
    /// What somebody cancels proves nothing; and when a run is cancelled unit by unit, the rest of
    /// it is not to be skipped under another name.
    fn is_hopeless(&self) -> bool {
        let Tally { succeeded, cancelled, .. } = self.tally;
        self.constraint.is_some_and(|needed| succeeded + cancelled + self.left < needed)
    }
}

#[derive(Debug, Default)]
pub struct Runs {
    open: HashMap<RunId, Open>,
}

impl Runs {
    /// `info.units`: 1 or more. `targets`: those left out included, for which the constraint
    /// holds as well, and those that succeeded in an earlier run. `None`: so many are left out that
    /// none of it should start.
    pub fn open(&mut self, info: Arc<RunInfo>, targets: usize) -> Option<Room> {
        let before = info.within.map_or(0, |within| within.succeeded);
        let needed = |share: Share| share.at_least(targets).saturating_sub(before);
        let constraint = info.job.success.map(needed);
        let (steps, room) = Steps::new(&info.job, targets, before);
        let mut open = Open {
            started_at: None,
            left: info.units,
            tally: Tally::default(),
            constraint,
            steps,
            hopeless: false,
            units: Vec::new(),
            info,
        };
        open.hopeless = open.is_hopeless();
        let hope = !open.hopeless;
        self.open.insert(open.info.run, open);
        hope.then_some(room)
    }

    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Those that are no parts of a flow.
    pub fn whole(&self) -> usize {
        self.open.values().filter(|run| run.info.within.is_none()).count()
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub fn info(&self, id: RunId) -> Option<&Arc<RunInfo>> {
        self.open.get(&id).map(|run| &run.info)
    }

    /// Open runs of a job, oldest first.
    pub fn of_job(&self, job: &str) -> Vec<RunId> {
        let of_job = self.open.iter().filter(|(_, run)| run.info.job.name == job);
        let mut ids: Vec<RunId> = of_job.map(|(id, _)| *id).collect();
        ids.sort();
        ids
    }

    /// Open runs that are parts of this flow, oldest first.
    pub fn of_flow(&self, flow: RunId) -> Vec<RunId> {
        let is_part = |run: &Open| run.info.within.is_some_and(|within| within.flow == flow);
        let parts = self.open.iter().filter(|(_, run)| is_part(run));
        let mut ids: Vec<RunId> = parts.map(|(id, _)| *id).collect();
        ids.sort();
        ids
    }

    pub fn has_started(&self, id: RunId) -> bool {
        self.open.get(&id).is_some_and(|run| run.started_at.is_some())
    }

    /// A unit begins; whether it is the run's first.
    pub fn started(&mut self, id: RunId, at: Timestamp) -> bool {
        match self.open.get_mut(&id) {
            Some(run) if run.started_at.is_none() => {
                run.started_at = Some(at);
                true
            }
            Some(_) | None => false,
        }
    }

    /// All units that might begin have, and have ended. `None`: it is over, or has no hope.
    pub fn next_step(&mut self, id: RunId) -> Option<Next> {
        let run = self.open.get_mut(&id).filter(|run| !run.hopeless)?;
        let next = run.steps.next(&run.tally);
        run.hopeless = next == Next::Stop;
        Some(next)
    }

    /// A unit has ended, and no other attempt follows.
    pub fn ended(&mut self, id: RunId, unit: &UnitInfo) -> Step {
        let Some(run) = self.open.get_mut(&id) else { return Step::Nothing };
        run.tally.count(&unit.outcome);
        run.left -= 1;
        if has_listeners(&run.info.job) {
            run.units.push(unit.clone());
        }
        if run.left > 0 {
            let newly = !run.hopeless && run.is_hopeless();
            run.hopeless |= newly;
            return if newly { Step::Hopeless } else { Step::Nothing };
        }
        let Some(Open { info, started_at, tally, constraint, units, .. }) = self.open.remove(&id)
        else {
            return Step::Nothing;
        };
        let end = tally.verdict(constraint);
        Step::Over(Box::new(Over { info, started_at, end, tally, units }))
    }
}

fn has_listeners(job: &Job) -> bool {
    !job.hooks.is_empty()
}

//! The states of a run and of its units.
//!
//! A run is one firing of a job; it is over when each of its units has its last outcome. Owns the
//! book of open runs and their success constraints; knows nothing of workers, nodes or the
//! ledger.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::event::{RunInfo, UnitInfo};
use crate::job::Job;
use crate::job::policy::Share;
use crate::unit::{Outcome, Reason, RunEnd, RunId};

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
    /// holds as well, and those that succeeded in an earlier run. Whether there is hope: so many may be left out that none of it should start.
    pub fn open(&mut self, info: Arc<RunInfo>, targets: usize) -> bool {
        let before = info.within.map_or(0, |within| within.succeeded);
        let needed = |share: Share| share.at_least(targets).saturating_sub(before);
        let constraint = info.job.success.map(needed);
        let mut open = Open {
            started_at: None,
            left: info.units,
            tally: Tally::default(),
            constraint,
            hopeless: false,
            units: Vec::new(),
            info,
        };
        open.hopeless = open.is_hopeless();
        let hope = !open.hopeless;
        self.open.insert(open.info.run, open);
        hope
    }

    pub fn len(&self) -> usize {
        self.open.len()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cron::Schedule;
    use crate::job::Source;
    use crate::unit::{Canceller, Kill, Trigger};
    use proptest::prelude::*;

    const RUN: RunId = RunId(1);

    fn open(units: usize, success: Option<Share>) -> Runs {
        let source = Source { file: "jobs.yaml".into(), line: 1 };
        let schedule = Schedule::parse("@daily").unwrap();
        let job = Job::new("job".into(), "loom.run".into(), schedule, source);
        let info = RunInfo {
            run: RUN,
            job: Arc::new(Job { success, ..job }),
            trigger: Trigger::Manual,
            scheduled_at: None,
            queued_at: Timestamp::UNIX_EPOCH,
            units,
            within: None,
        };
        let mut runs = Runs::default();
        runs.open(Arc::new(info), units);
        runs
    }

    fn end(runs: &mut Runs, outcome: Outcome) -> Step {
        let node = String::new();
        let (detail, result) = Default::default();
        runs.ended(RUN, &UnitInfo { node, attempt: 1, outcome, detail, result, took: None })
    }

    fn end_all(outcomes: &[Outcome]) -> RunEnd {
        let mut runs = open(outcomes.len(), None);
        assert!(runs.started(RUN, Timestamp::UNIX_EPOCH));
        assert!(!runs.started(RUN, Timestamp::UNIX_EPOCH));
        let (last, rest) = outcomes.split_last().unwrap();
        for outcome in rest {
            assert!(matches!(end(&mut runs, outcome.clone()), Step::Nothing));
        }
        let Step::Over(over) = end(&mut runs, last.clone()) else { panic!("still open") };
        assert!(runs.is_empty());
        over.end
    }

    #[test]
    fn a_run_is_as_good_as_its_worst_unit() {
        let cancelled = Outcome::Cancelled { by: Canceller::Shutdown, kill: Kill::Confirmed };
        let ok = Outcome::Succeeded;
        assert_eq!(end_all(&[ok.clone(), ok.clone()]), RunEnd::Succeeded);
        assert_eq!(end_all(&[ok.clone(), cancelled.clone()]), RunEnd::Cancelled);
        assert_eq!(end_all(&[cancelled, Outcome::Lost]), RunEnd::Lost);
        let reason = Reason::Overlap;
        let skipped = Outcome::Skipped { reason };
        assert_eq!(end_all(&[skipped.clone(), ok.clone()]), RunEnd::Succeeded);
        assert_eq!(end_all(&[skipped]), RunEnd::Skipped { reason });
        assert_eq!(end_all(&[Outcome::Lost, Outcome::Unreachable, ok]), RunEnd::Failed);
    }

    #[test]
    fn a_constraint_is_hopeless_with_the_first_failure_too_many() {
        let mut runs = open(10, Some(Share::Percent(80)));
        let failed = Outcome::Failed { exit: Some(1) };
        assert!(matches!(end(&mut runs, failed.clone()), Step::Nothing));
        assert!(matches!(end(&mut runs, failed.clone()), Step::Nothing));
        assert!(matches!(end(&mut runs, Outcome::Succeeded), Step::Nothing));
        assert!(matches!(end(&mut runs, failed.clone()), Step::Hopeless));
        assert!(matches!(end(&mut runs, failed), Step::Nothing), "said once");
    }

    #[test]
    fn so_many_left_out_that_there_is_no_hope_is_known_at_once() {
        let mut runs = open(1, Some(Share::Percent(80)));
        let info = runs.info(RUN).unwrap().clone();
        assert!(!runs.open(info.clone(), 5), "one of five is here, four must succeed");
        assert!(runs.open(info, 1));
    }

    #[test]
    fn a_constraint_is_not_broken_by_who_cancels() {
        let cancelled = Outcome::Cancelled { by: Canceller::Shutdown, kill: Kill::Confirmed };
        let failed = Outcome::Failed { exit: Some(1) };
        let end_of = |outcomes: [&Outcome; 5]| {
            let mut runs = open(5, Some(Share::Percent(80)));
            let steps = outcomes.map(|outcome| end(&mut runs, outcome.clone()));
            let hopeless = steps.iter().any(|step| matches!(step, Step::Hopeless));
            let [.., Step::Over(over)] = steps else { panic!("still open") };
            (over.end, hopeless)
        };
        let (f, c) = (&failed, &cancelled);
        assert_eq!(end_of([c, c, c, c, c]), (RunEnd::Cancelled, false));
        assert_eq!(end_of([c, c, c, c, f]), (RunEnd::Cancelled, false), "one may fail");
        assert_eq!(end_of([f, f, c, c, c]), (RunEnd::Failed, true), "not two");
    }

    proptest! {
        /// The verdict under a constraint is the plain count, and hopelessness is never wrong.
        #[test]
        fn a_constraint_is_met_by_counting(
            units in proptest::collection::vec(any::<bool>(), 1..60), percent in 1u8..=100
        ) {
            let mut runs = open(units.len(), Some(Share::Percent(percent)));
            let needed = (units.len() * usize::from(percent)).div_ceil(100);
            let met = units.iter().filter(|ok| **ok).count() >= needed;
            let mut hopeless = false;
            for ok in &units {
                let outcome = if *ok { Outcome::Succeeded } else { Outcome::Unreachable };
                match end(&mut runs, outcome) {
                    Step::Nothing => {}
                    Step::Hopeless => hopeless = true,
                    Step::Over(over) => {
                        prop_assert_eq!(over.end == RunEnd::Succeeded, met);
                    }
                }
            }
            prop_assert!(runs.is_empty());
            prop_assert!(!hopeless || !met);
        }
    }
}

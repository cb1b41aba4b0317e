//! The states of a run and of its units.
//!
//! A run is one firing of a job; it is over when each of its units has an outcome. Owns the book
//! of open runs; knows nothing of workers, nodes or the ledger.

use std::collections::HashMap;

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

    /// A run is as good as its worst unit; skipped units count only when nothing else was there.
    pub fn verdict(&self) -> RunEnd {
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
            Some(_) | None => RunEnd::Succeeded,
        }
    }
}

/// What a unit's step means for its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Nothing,
    /// Its first unit began.
    Started,
    /// Its last unit ended.
    Over(Tally),
}

/// A run that is not over.
#[derive(Debug)]
struct Open {
    started: bool,
    units: usize,
    tally: Tally,
}

#[derive(Debug, Default)]
pub struct Runs {
    open: HashMap<RunId, Open>,
}

impl Runs {
    /// `units`: 1 or more.
    pub fn open(&mut self, id: RunId, units: usize) {
        self.open.insert(id, Open { started: false, units, tally: Tally::default() });
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub fn started(&mut self, id: RunId) -> Step {
        match self.open.get_mut(&id) {
            Some(run) if !run.started => {
                run.started = true;
                Step::Started
            }
            Some(_) | None => Step::Nothing,
        }
    }

    pub fn ended(&mut self, id: RunId, outcome: &Outcome) -> Step {
        let Some(run) = self.open.get_mut(&id) else { return Step::Nothing };
        run.tally.count(outcome);
        run.units -= 1;
        if run.units > 0 {
            return Step::Nothing;
        }
        let tally = run.tally;
        self.open.remove(&id);
        Step::Over(tally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::{Canceller, Kill};

    fn end_all(outcomes: &[Outcome]) -> RunEnd {
        let mut runs = Runs::default();
        runs.open(RunId(1), outcomes.len());
        assert_eq!(runs.started(RunId(1)), Step::Started);
        assert_eq!(runs.started(RunId(1)), Step::Nothing);
        let (last, rest) = outcomes.split_last().unwrap();
        for outcome in rest {
            assert_eq!(runs.ended(RunId(1), outcome), Step::Nothing);
        }
        let Step::Over(tally) = runs.ended(RunId(1), last) else { panic!("still open") };
        assert!(runs.is_empty());
        tally.verdict()
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
}

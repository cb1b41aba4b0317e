//! The states of a run and of its units.
//!
//! A run is one firing of a job; it is over when each of its units has an outcome. Owns the book
//! of open runs; knows nothing of workers, nodes or the ledger.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::unit::{Outcome, RunId};

/// What set a run off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Trigger {
    /// Its schedule came due at this instant.
    Schedule(Timestamp),
    /// `loom once`.
    Once,
}

/// `Queued → Running → Succeeded | Failed | Cancelled | Lost | Skipped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    Lost,
    Skipped,
}

/// What is known of a run that is not over.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub job: String,
    pub state: State,
    open: usize,
    tally: Tally,
}

/// How the units of a run ended, by what that means for the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub succeeded: usize,
    pub failed: usize,
    pub cancelled: usize,
    pub lost: usize,
    pub skipped: usize,
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
            Outcome::Skipped { .. } => self.skipped += 1,
        }
    }

    /// A run is as good as its worst unit; skipped units count only when nothing else was there.
    fn verdict(&self) -> State {
        if self.failed > 0 {
            State::Failed
        } else if self.lost > 0 {
            State::Lost
        } else if self.cancelled > 0 {
            State::Cancelled
        } else if self.succeeded > 0 {
            State::Succeeded
        } else {
            State::Skipped
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
    Over(State, Tally),
}

#[derive(Debug, Default)]
pub struct Runs {
    open: HashMap<RunId, Run>,
}

impl Runs {
    /// `units`: 1 or more.
    pub fn open(&mut self, id: RunId, job: &str, units: usize) {
        let run =
            Run { job: job.to_owned(), state: State::Queued, open: units, tally: Tally::default() };
        self.open.insert(id, run);
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub fn started(&mut self, id: RunId) -> Step {
        match self.open.get_mut(&id) {
            Some(run) if run.state == State::Queued => {
                run.state = State::Running;
                Step::Started
            }
            Some(_) | None => Step::Nothing,
        }
    }

    pub fn ended(&mut self, id: RunId, outcome: &Outcome) -> Step {
        let Some(run) = self.open.get_mut(&id) else { return Step::Nothing };
        run.tally.count(outcome);
        run.open -= 1;
        if run.open > 0 {
            return Step::Nothing;
        }
        let tally = run.tally;
        self.open.remove(&id);
        Step::Over(tally.verdict(), tally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::{Canceller, Kill};

    fn end_all(outcomes: &[Outcome]) -> State {
        let mut runs = Runs::default();
        runs.open(RunId(1), "job", outcomes.len());
        assert_eq!(runs.started(RunId(1)), Step::Started);
        assert_eq!(runs.started(RunId(1)), Step::Nothing);
        let (last, rest) = outcomes.split_last().unwrap();
        for outcome in rest {
            assert_eq!(runs.ended(RunId(1), outcome), Step::Nothing);
        }
        let Step::Over(state, _) = runs.ended(RunId(1), last) else { panic!("still open") };
        assert!(runs.is_empty());
        state
    }

    #[test]
    fn a_run_is_as_good_as_its_worst_unit() {
        let cancelled = Outcome::Cancelled { by: Canceller::Shutdown, kill: Kill::Confirmed };
        let ok = Outcome::Succeeded;
        assert_eq!(end_all(&[ok.clone(), ok.clone()]), State::Succeeded);
        assert_eq!(end_all(&[ok.clone(), cancelled.clone()]), State::Cancelled);
        assert_eq!(end_all(&[cancelled, Outcome::Lost]), State::Lost);
        assert_eq!(end_all(&[Outcome::Lost, Outcome::Unreachable, ok]), State::Failed);
    }
}

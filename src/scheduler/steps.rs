//! Runs that widen step by step, and those of which nothing more is to start.

use super::{Now, Scheduler};
use crate::run::Next;
use crate::unit::{Reason, RunId};

impl Scheduler {
    /// Runs that have come to the end of a step go on with the next, or begin nothing more. Between
    /// two events: only then is everybody counted who has left the dispatcher, and whoever ends
    /// because of this does so in turn, not one inside the other.
    pub(super) fn take_steps(&mut self, now: Now) {
        while let Some(run) = self.dispatcher.take_spent() {
            match self.runs.next_step(run) {
                Some(Next::Widen(room)) => {
                    self.dispatcher.widen(run, room.limit, room.quota);
                    self.make_wanted(now);
                }
                Some(Next::Stop) => self.give_up_hope(now, run),
                None => {}
            }
        }
    }

    /// No further unit of it is to start, nor to be tried again.
    pub(super) fn give_up_hope(&mut self, now: Now, run: RunId) {
        self.dispatcher.hold(run);
        for unit in self.units.values_mut().filter(|unit| unit.run == run) {
            unit.last = true;
        }
        self.skip_unsent(now, run, Reason::Constraint);
    }
}

//! What the time brings: instants that are due, a clock that was set, and the hour to drop what is
//! not to be kept. The timetable says what is due.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;

use super::Daemon;
use crate::cron::clock::Look;
use crate::event::Cause;
use crate::job::Job;
use crate::store::{Record, Retention};
use crate::sys::clock::{Rung, since_boot};
use crate::timetable::{Standstill, Verdict};
use crate::unit::Trigger;

/// The wall clock is looked at this often, whether or not anything is due.
pub(super) const LOOK: Duration = Duration::from_secs(60);

/// How often the ledger is asked to drop what is not to be kept.
const PRUNE: Duration = Duration::from_secs(3600);

/// When nothing is due.
const FAR: Duration = Duration::from_secs(24 * 3600);

impl Daemon {
    /// Rings at the next fire. Without one it is armed all the same: an alarm that is not does not
    /// notice that the clock is set.
    pub(super) fn set_alarm(&self) -> io::Result<Rung> {
        let next = self.timetable.next().filter(|_| self.stopping.is_none());
        let next = next.map_or_else(|| SystemTime::now() + FAR, SystemTime::from);
        self.alarm.set(Some(next))
    }

    /// Looks at the clock and fires what is due; everything is accounted for up to the instant
    /// it returns.
    pub(super) fn look(&mut self) -> Timestamp {
        let now = Timestamp::now();
        self.look_at = Instant::now() + LOOK;
        let look = self.clock.look(now, since_boot());
        match look {
            Look::Steady => {}
            Look::Stepped { by } => {
                log::warn!(target: "loom::cron", "the clock was set by {by:#}");
            }
            Look::Jumped { from, to } => {
                // A clock that is wrong must not make history old; there is a day to mend it.
                self.prune_at = Instant::now() + PRUNE * 24;
                log::warn!(
                    target: "loom::cron",
                    "the clock was set from {from} to {to}; schedules begin anew"
                );
            }
        }
        if look.opens_epoch() {
            self.engine.scheduler.begin_epoch();
            // Before the jobs' instants come again in the ledger's eyes, they are others.
            self.engine.settle();
            for job in self.engine.jobs.keys() {
                let job = job.clone();
                self.engine.ledger.submit(Record::Accounted { job, through: now });
            }
        }
        if self.stopping.is_none() {
            let ledger_down = self.engine.is_ledger_down();
            self.was_down |= ledger_down;
            let standstill = Standstill { paused: self.paused, ledger_down };
            let epoch = self.engine.scheduler.epoch();
            for (job, verdict) in self.timetable.take_due(look, now, epoch, standstill) {
                self.carry_out(&job, verdict);
            }
            self.engine.settle();
        }
        self.prune_if_due(now);
        now
    }

    fn prune_if_due(&mut self, now: Timestamp) {
        if Instant::now() >= self.prune_at {
            self.prune_at = Instant::now() + PRUNE;
            let keep = &self.engine.config.settings.keep;
            let keep = Retention { days: keep.days, runs: keep.runs, bytes: keep.bytes };
            self.engine.ledger.prune(keep, now);
        }
    }

    pub(super) fn carry_out(&mut self, job: &Arc<Job>, verdict: Verdict) {
        match verdict {
            Verdict::Run(instant) => {
                let cause = Cause::new(Trigger::Schedule, Some(instant));
                self.engine.begin_run(job, &job.targets, cause);
            }
            Verdict::Gap(fires, reason) => {
                self.engine.scheduler.gap(job, None, fires, reason, None);
            }
        }
    }
}

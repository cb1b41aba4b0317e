//! What earlier daemons left to this one: units in the air, a clock that is behind the ledger, and
//! instants that fell due while nobody kept time.

use std::sync::Arc;

use jiff::Timestamp;

use super::Daemon;
use crate::cron::Schedule;
use crate::cron::clock::Look;
use crate::job::{self, Job};
use crate::store::{JobEntry, JobRow, Opened, Record};
use crate::timetable::{self, Verdict};
use crate::unit::RunEnd;

impl Daemon {
    /// What earlier daemons left: a clock behind the ledger, and time without a daemon.
    pub(super) fn take_over_from_earlier(&mut self, opened: &Opened, now: Timestamp) {
        for (run, job) in &opened.lost_runs {
            log::warn!(
                target: "loom::run", job = job.as_str(), run = *run, outcome = RunEnd::Lost;
                "{job}: lost, the last daemon ended before it"
            );
        }
        self.begin_epoch_if_behind(&opened.jobs, now);
        let mut due = Vec::new();
        for row in opened.jobs.iter().filter(|row| row.removed_at.is_none()) {
            due.extend(self.due_in_downtime(row, now));
        }
        // Gaps are told of the jobs as they were, before the ledger hears what they are now.
        let (gaps, runs): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|(_, verdict)| matches!(verdict, Verdict::Gap(..)));
        for (job, verdict) in gaps {
            self.carry_out(&job, verdict);
        }
        self.engine.settle();
        self.adopt_jobs(now);
        for (job, verdict) in runs {
            self.carry_out(&job, verdict);
        }
    }

    /// A clock behind the ledger was set back while no daemon ran: its instants come again, and
    /// are others than those that were accounted for.
    fn begin_epoch_if_behind(&mut self, jobs: &[JobRow], now: Timestamp) {
        let Some(latest) = jobs.iter().map(|row| row.accounted_through).max() else { return };
        if !Look::at_start(latest, now).opens_epoch() {
            return;
        }
        log::warn!(
            target: "loom::cron",
            "the clock was set back: the ledger reaches to {latest}; schedules begin anew"
        );
        self.engine.scheduler.begin_epoch();
        self.engine.settle();
        for row in jobs.iter().filter(|row| row.accounted_through > now) {
            let job = row.entry.name.clone();
            self.engine.ledger.submit(Record::Accounted { job, through: now });
        }
    }

    /// What fell due while no daemon ran, by the schedule that was in force then.
    fn due_in_downtime(&self, row: &JobRow, now: Timestamp) -> Vec<(Arc<Job>, Verdict)> {
        let JobEntry { name, schedule, timezone } = &row.entry;
        let Ok(schedule) = Schedule::parse(schedule) else {
            log::error!(target: "loom::ledger", "{name}: this is no schedule: {schedule}");
            return Vec::new();
        };
        let zone = job::zone(timezone.as_deref());
        let job = self.engine.jobs.get(name);
        let verdicts = timetable::downtime(
            &schedule,
            &zone,
            row.accounted_through,
            now,
            job.map(Arc::as_ref),
            self.paused,
        );
        // One that is no more has nobody to tell, but its gap is recorded all the same.
        let gone = || {
            let source = job::Source { file: Default::default(), line: 0 };
            Arc::new(Job::new(name.clone(), String::new(), schedule.clone(), source))
        };
        let job = job.cloned().unwrap_or_else(gone);
        verdicts.into_iter().map(|verdict| (job.clone(), verdict)).collect()
    }
}

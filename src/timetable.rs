//! Which jobs come due, and what becomes of each due instant: a run, or a gap with its reason.
//!
//! Holds what is accounted for, and the next fire, of every job, so that an ordinary look at the
//! clock touches only the jobs that are due. Knows schedules, rules and time; does no I/O and does
//! not know what running a job means.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::cron::clock::{Due, Look, Watch};
use crate::cron::{Fires, Schedule};
use crate::job::Job;
use crate::job::policy::Missed;
use crate::unit::Reason;

/// What becomes of due instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Run(Timestamp),
    /// In place of an earlier gap with the same first instant and reason: so it grows.
    Gap(Fires, Reason),
}

/// Why nothing is run for the time being.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standstill {
    /// Somebody said so.
    pub paused: bool,
    /// The ledger takes nothing more. Gaps are kept here until it does.
    pub ledger_down: bool,
}

#[derive(Debug)]
struct Entry {
    job: Arc<Job>,
    zone: TimeZone,
    watch: Watch,
    growing: Option<Growing>,
}

/// A gap that instants are added to for as long as its reason lasts, and no longer: what comes
/// between is covered by something else.
#[derive(Debug, Clone, Copy)]
struct Growing {
    epoch: u32,
    fires: Fires,
    reason: Reason,
    /// It has grown since it was last told.
    untold: bool,
}

#[derive(Debug, Default)]
pub struct Timetable {
    entries: BTreeMap<String, Entry>,
    coming: BTreeSet<(Timestamp, String)>,
    /// Gaps that grow no more, yet to be told.
    left: Vec<Untold>,
}

/// A gap kept while the ledger was down, and the clock's epoch it belongs to.
#[derive(Debug, Clone)]
pub struct Untold {
    pub job: Arc<Job>,
    pub epoch: u32,
    pub fires: Fires,
    pub reason: Reason,
}

impl Timetable {
    /// When a job next comes due.
    pub fn next(&self) -> Option<Timestamp> {
        self.coming.first().map(|(at, _)| *at)
    }

    /// Jobs whose schedule a reload left as it was go on where they were; all others begin at
    /// `now`. What was due before must have been taken.
    pub fn replace(&mut self, jobs: &BTreeMap<String, Arc<Job>>, now: Timestamp) {
        let left = self.take_untold();
        let mut old = std::mem::take(self);
        self.left = left;
        for (name, job) in jobs {
            let same = |entry: &Entry| {
                entry.job.schedule == job.schedule && entry.job.timezone == job.timezone
            };
            let zone = job.zone();
            let (watch, growing) = match old.entries.remove(name).filter(same) {
                Some(entry) => (entry.watch, entry.growing),
                None => (Watch::new(&job.schedule, &zone, now), None),
            };
            self.arm(name, &watch);
            self.entries.insert(name.clone(), Entry { job: job.clone(), zone, watch, growing });
        }
    }

    /// What has become due by `now`, which `look` is the verdict on. `epoch`: the one that
    /// begins or goes on with this look.
    pub fn take_due(
        &mut self,
        look: Look,
        now: Timestamp,
        epoch: u32,
        standstill: Standstill,
    ) -> Vec<(Arc<Job>, Verdict)> {
        let names = match look {
            Look::Steady => self.pop_coming(now),
            Look::Stepped { .. } | Look::Jumped { .. } => {
                self.coming.clear();
                self.entries.keys().cloned().collect()
            }
        };
        let mut verdicts = Vec::new();
        for name in names {
            let Some(entry) = self.entries.get_mut(&name) else { continue };
            let found = entry.watch.look(&entry.job.schedule, &entry.zone, look, now);
            if let Some(due) = found {
                let standing = entry.standing(standstill);
                self.left.extend(entry.end_gap(standing, epoch));
                let judged = entry.judge(due, now, epoch, standstill);
                verdicts.extend(judged.into_iter().map(|verdict| (entry.job.clone(), verdict)));
            }
            let watch = entry.watch;
            self.arm(&name, &watch);
        }
        verdicts
    }

    /// The gaps that were kept while the ledger was down.
    pub fn take_untold(&mut self) -> Vec<Untold> {
        let mut untold = std::mem::take(&mut self.left);
        for entry in self.entries.values_mut() {
            untold.extend(entry.untold());
        }
        untold
    }

    fn pop_coming(&mut self, now: Timestamp) -> Vec<String> {
        let mut names = Vec::new();
        while self.coming.first().is_some_and(|(at, _)| *at <= now) {
            names.extend(self.coming.pop_first().map(|(_, name)| name));
        }
        names
    }

    fn arm(&mut self, name: &str, watch: &Watch) {
        if let Some(at) = watch.next_fire() {
            self.coming.insert((at, name.to_owned()));
        }
    }
}

impl Entry {
    /// Why nothing of the job is run.
    fn standing(&self, standstill: Standstill) -> Option<Reason> {
        match standstill {
            _ if !self.job.enabled => Some(Reason::Disabled),
            Standstill { paused: true, .. } => Some(Reason::Paused),
            Standstill { ledger_down: true, .. } => Some(Reason::LedgerDown),
            Standstill { paused: false, ledger_down: false } => None,
        }
    }

    /// What stood still before does not go on with the next standstill.
    fn end_gap(&mut self, standing: Option<Reason>, epoch: u32) -> Option<Untold> {
        let goes_on = |of: &Growing| Some(of.reason) == standing && of.epoch == epoch;
        if self.growing.as_ref().is_some_and(goes_on) {
            return None;
        }
        let untold = self.untold();
        self.growing = None;
        untold
    }

    /// What is to be told of the gap that grows.
    fn untold(&mut self) -> Option<Untold> {
        let growing = self.growing.as_mut().filter(|growing| growing.untold)?;
        growing.untold = false;
        let Growing { epoch, fires, reason, .. } = *growing;
        Some(Untold { job: self.job.clone(), epoch, fires, reason })
    }

    fn judge(
        &mut self,
        due: Due,
        now: Timestamp,
        epoch: u32,
        standstill: Standstill,
    ) -> Vec<Verdict> {
        if let Some(reason) = self.standing(standstill) {
            let all = [due.missed, due.run.map(Fires::once), due.passed_over];
            all.into_iter().flatten().for_each(|fires| self.grow(fires, reason, epoch));
            if standstill.ledger_down {
                return Vec::new();
            }
            let told = self.untold();
            return told.into_iter().map(|gap| Verdict::Gap(gap.fires, gap.reason)).collect();
        }
        let mut verdicts = Vec::new();
        verdicts.extend(due.missed.map(|fires| Verdict::Gap(fires, Reason::Deadline)));
        verdicts.extend(due.run.map(|at| match is_in_time(&self.job, at, now) {
            true => Verdict::Run(at),
            false => Verdict::Gap(Fires::once(at), Reason::Deadline),
        }));
        verdicts.extend(due.passed_over.map(|fires| Verdict::Gap(fires, Reason::ClockJump)));
        verdicts
    }

    fn grow(&mut self, fires: Fires, reason: Reason, epoch: u32) {
        let fires = self.growing.map_or(fires, |before| Fires {
            first: before.fires.first,
            last: fires.last,
            count: before.fires.count + fires.count,
        });
        self.growing = Some(Growing { epoch, fires, reason, untold: true });
    }
}

fn is_in_time(job: &Job, at: Timestamp, now: Timestamp) -> bool {
    let deadline = SignedDuration::try_from(job.deadline).unwrap_or(SignedDuration::MAX);
    now.duration_since(at) <= deadline
}

/// What becomes of the instants that passed while no daemon ran: after `accounted_through`, by
/// the schedule that was in force then. `job`: as it is now, if it still is. One that is switched
/// off would not have run with a daemon either, and nobody is to be told of it.
pub fn downtime(
    schedule: &Schedule,
    zone: &TimeZone,
    accounted_through: Timestamp,
    now: Timestamp,
    job: Option<&Job>,
    paused: bool,
) -> Vec<Verdict> {
    let Some(all) = schedule.fires_between(zone, accounted_through, now) else {
        return Vec::new();
    };
    if job.is_some_and(|job| !job.enabled) {
        return vec![Verdict::Gap(all, Reason::Disabled)];
    }
    if paused {
        return vec![Verdict::Gap(all, Reason::Paused)];
    }
    let makes_up = |job: &&Job| job.missed == Missed::Once && is_in_time(job, all.last, now);
    if job.filter(makes_up).is_none() {
        return vec![Verdict::Gap(all, Reason::DaemonDown)];
    }
    let before = all.last.saturating_sub(SignedDuration::from_nanos(1)).ok();
    let skipped = before.and_then(|at| schedule.fires_between(zone, accounted_through, at));
    let gap = skipped.map(|fires| Verdict::Gap(fires, Reason::DaemonDown));
    gap.into_iter().chain([Verdict::Run(all.last)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Source;

    fn job(name: &str, schedule: &str) -> Arc<Job> {
        let source = Source { file: "jobs.yaml".into(), line: 1 };
        let schedule = Schedule::parse(schedule).unwrap();
        let job = Job::new(name.into(), "loom.run".into(), schedule, source);
        Arc::new(Job { timezone: Some("UTC".into()), ..job })
    }

    fn jobs(all: &[(&str, &str)]) -> BTreeMap<String, Arc<Job>> {
        all.iter().map(|(name, schedule)| (name.to_string(), job(name, schedule))).collect()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn only_what_is_due_is_taken_and_only_once() {
        let mut table = Timetable::default();
        table.replace(
            &jobs(&[("often", "* * * * *"), ("hourly", "0 * * * *")]),
            at("2026-11-21T10:58:30Z"),
        );
        assert_eq!(table.next(), Some(at("2026-11-21T10:59:00Z")));
        let names = |due: Vec<(Arc<Job>, Verdict)>| -> Vec<String> {
            due.into_iter().map(|(job, _)| job.name.clone()).collect()
        };
        let now = at("2026-11-21T10:59:00Z");
        assert_eq!(names(table.take_due(Look::Steady, now, 0, Standstill::default())), ["often"]);
        assert!(table.take_due(Look::Steady, now, 0, Standstill::default()).is_empty());
        let now = at("2026-11-21T11:00:00Z");
        assert_eq!(
            names(table.take_due(Look::Steady, now, 0, Standstill::default())),
            ["hourly", "often"]
        );
    }

    #[test]
    fn nobody_misses_a_job_that_was_switched_off_while_no_daemon_ran() {
        let on = job("tick", "* * * * *");
        let off = Job { enabled: false, missed: Missed::Once, ..(*on).clone() };
        let (from, now) = (at("2026-11-21T10:58:30Z"), at("2026-11-21T11:00:30Z"));
        let reasons = |job: Option<&Job>, paused| -> Vec<Reason> {
            let verdicts = downtime(&on.schedule, &TimeZone::UTC, from, now, job, paused);
            let reason = |verdict| match verdict {
                Verdict::Gap(fires, reason) => (fires.count == 2).then_some(reason),
                Verdict::Run(_) => None,
            };
            verdicts.into_iter().map(|verdict| reason(verdict).expect("one gap of two")).collect()
        };
        assert_eq!(reasons(Some(&on), false), [Reason::DaemonDown]);
        assert_eq!(reasons(None, false), [Reason::DaemonDown]);
        assert_eq!(reasons(Some(&off), false), [Reason::Disabled]);
        assert_eq!(reasons(Some(&on), true), [Reason::Paused]);
    }

    #[test]
    fn a_reload_on_the_full_minute_neither_loses_nor_repeats_a_fire() {
        let mut table = Timetable::default();
        let all = jobs(&[("kept", "* * * * *"), ("changed", "* * * * *")]);
        table.replace(&all, at("2026-11-21T10:58:30Z"));
        let now = at("2026-11-21T10:59:00Z");
        assert_eq!(table.take_due(Look::Steady, now, 0, Standstill::default()).len(), 2);
        table.replace(&jobs(&[("kept", "* * * * *"), ("changed", "59 * * * *")]), now);
        assert!(table.take_due(Look::Steady, now, 0, Standstill::default()).is_empty());
        assert_eq!(table.next(), Some(at("2026-11-21T11:00:00Z")));
    }

    fn ledger_down(paused: bool) -> Standstill {
        Standstill { paused, ledger_down: true }
    }

    /// Each look at a full minute from 10:01 on, and all that is told of it.
    fn told_of(standstills: &[Standstill]) -> Vec<(u64, Timestamp, Timestamp, Reason)> {
        let mut table = Timetable::default();
        let start = at("2026-11-21T10:00:30Z");
        table.replace(&jobs(&[("job", "* * * * *")]), start);
        let mut told = Vec::new();
        for (n, standstill) in standstills.iter().enumerate() {
            let now = start + SignedDuration::from_secs(30 + 60 * n as i64);
            for (_, verdict) in table.take_due(Look::Steady, now, 0, *standstill) {
                match verdict {
                    Verdict::Gap(fires, reason) => told.push((fires, reason)),
                    Verdict::Run(_) => {}
                }
            }
        }
        told.extend(table.take_untold().into_iter().map(|gap| (gap.fires, gap.reason)));
        told.into_iter().map(|(fires, why)| (fires.count, fires.first, fires.last, why)).collect()
    }

    #[test]
    fn a_gap_kept_does_not_reach_across_what_another_covers() {
        let minute = |n: i64| at("2026-11-21T10:01:00Z") + SignedDuration::from_mins(n);
        let (up, down) = (Standstill::default(), ledger_down(false));
        let told = told_of(&[down, ledger_down(true), down, up, down]);
        let once = |n: i64, reason| (1, minute(n), minute(n), reason);
        let expected = [
            once(0, Reason::LedgerDown),
            once(1, Reason::Paused),
            once(2, Reason::LedgerDown),
            once(4, Reason::LedgerDown),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_is_told_of_one_gap_does_not_silence_another() {
        let paused = Standstill { paused: true, ledger_down: false };
        let told = told_of(&[ledger_down(false), ledger_down(false), paused]);
        let count = |why| told.iter().filter(|gap| gap.3 == why).map(|gap| gap.0).sum::<u64>();
        assert_eq!((count(Reason::LedgerDown), count(Reason::Paused)), (2, 1));
    }
}

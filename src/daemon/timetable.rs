//! Which jobs come due.
//!
//! Holds what is accounted for, and the next fire, of every job, so that an ordinary look at the
//! clock touches only the jobs that are due. Knows schedules and time; does no I/O and does not
//! know what running a job means.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cron::clock::{Due, Look, Watch};
use crate::job::Job;

#[derive(Debug)]
struct Entry {
    job: Arc<Job>,
    zone: TimeZone,
    watch: Watch,
}

#[derive(Debug, Default)]
pub struct Timetable {
    entries: BTreeMap<String, Entry>,
    coming: BTreeSet<(Timestamp, String)>,
}

impl Timetable {
    /// When a job next comes due.
    pub fn next(&self) -> Option<Timestamp> {
        self.coming.first().map(|(at, _)| *at)
    }

    /// Jobs whose schedule a reload left as it was go on where they were; all others begin at
    /// `now`. What was due before must have been taken.
    pub fn replace(&mut self, jobs: &BTreeMap<String, Arc<Job>>, now: Timestamp) {
        let mut old = std::mem::take(self);
        for (name, job) in jobs {
            let same = |entry: &Entry| {
                entry.job.schedule == job.schedule && entry.job.timezone == job.timezone
            };
            let zone = job.zone();
            let watch = match old.entries.remove(name).filter(same) {
                Some(entry) => entry.watch,
                None => Watch::new(&job.schedule, &zone, now),
            };
            self.arm(name, &watch);
            self.entries.insert(name.clone(), Entry { job: job.clone(), zone, watch });
        }
    }

    /// The jobs that are due at `now`, which `look` is the verdict on.
    pub fn take_due(&mut self, look: Look, now: Timestamp) -> Vec<(Arc<Job>, Due)> {
        let names = match look {
            Look::Steady => self.pop_coming(now),
            Look::Stepped { .. } | Look::Jumped { .. } => {
                self.coming.clear();
                self.entries.keys().cloned().collect()
            }
        };
        let mut due = Vec::new();
        for name in names {
            let Some(entry) = self.entries.get_mut(&name) else { continue };
            let found = entry.watch.look(&entry.job.schedule, &entry.zone, look, now);
            due.extend(found.map(|found| (entry.job.clone(), found)));
            let watch = entry.watch;
            self.arm(&name, &watch);
        }
        due
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cron::Schedule;
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
        let names = |due: Vec<(Arc<Job>, Due)>| -> Vec<String> {
            due.into_iter().map(|(job, _)| job.name.clone()).collect()
        };
        let now = at("2026-11-21T10:59:00Z");
        assert_eq!(names(table.take_due(Look::Steady, now)), ["often"]);
        assert!(table.take_due(Look::Steady, now).is_empty());
        let now = at("2026-11-21T11:00:00Z");
        assert_eq!(names(table.take_due(Look::Steady, now)), ["hourly", "often"]);
    }

    #[test]
    fn a_reload_on_the_full_minute_neither_loses_nor_repeats_a_fire() {
        let mut table = Timetable::default();
        let all = jobs(&[("kept", "* * * * *"), ("changed", "* * * * *")]);
        table.replace(&all, at("2026-11-21T10:58:30Z"));
        let now = at("2026-11-21T10:59:00Z");
        assert_eq!(table.take_due(Look::Steady, now).len(), 2);
        table.replace(&jobs(&[("kept", "* * * * *"), ("changed", "59 * * * *")]), now);
        assert!(table.take_due(Look::Steady, now).is_empty());
        assert_eq!(table.next(), Some(at("2026-11-21T11:00:00Z")));
    }
}

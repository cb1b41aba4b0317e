//! What all jobs may have in common: the keys that stand in a job or in `defaults` of loom.yaml.
//!
//! A job is made by laying one over the other: what Loom itself does, then `defaults`, then the
//! job's own keys. A key without a value takes Loom's own, so that a default can be taken back.

use std::path::Path;
use std::time::Duration;

use super::diagnostic::quoted;
use super::fields::{self, Fields};
use super::report::Report;
use super::yaml::Item;
use super::{hooks, nodes, policy, python, settings};
use crate::cron::Schedule;
use crate::job::{Job, Source};
use crate::python::Python;

/// Each job has its own; there is no default for them.
const OWN: [&str; 5] = ["task", "args", "kwargs", "targets", "description"];

pub const KEYS: [&str; 25] = [
    "task",
    "args",
    "kwargs",
    "schedule",
    "targets",
    "description",
    "timezone",
    "timeout",
    "overlap",
    "parallel",
    "success",
    "retries",
    "missed",
    "deadline",
    "splay",
    "locks",
    "log",
    "hooks",
    "notify_interval",
    "enabled",
    "tags",
    "python",
    "pythonpath",
    "bridge",
    "answers",
];

const DEFAULT_SCHEDULE: &str = "* * * * *";

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// What a job is where it says nothing.
pub struct Defaults<'a> {
    /// Without `defaults`.
    bare: Job,
    job: Job,
    has_schedule: bool,
    /// What paths are relative to.
    base: &'a Path,
}

impl<'a> Defaults<'a> {
    /// Of the value of `defaults`, if there is one; `timezone` and `python` are the configuration's.
    pub fn read(
        item: Option<Item<'_>>,
        timezone: Option<&str>,
        python: &Python,
        base: &'a Path,
        report: &mut Report,
    ) -> Self {
        let schedule = Schedule::parse(DEFAULT_SCHEDULE).expect("a sound expression");
        let source = Source { file: base.to_path_buf(), line: 0 };
        let mut bare = Job::new(String::new(), String::new(), schedule, source);
        bare.timezone = timezone.map(str::to_string);
        bare.python = python.clone();
        let mut defaults = Defaults { job: bare.clone(), bare, has_schedule: false, base };
        let fields = item.and_then(|item| Fields::open(item, "defaults", &KEYS, report));
        if let Some(fields) = fields {
            for (key, _) in fields.map.entries() {
                if let Some(name) = key.text().filter(|name| OWN.contains(name)) {
                    let message =
                        format!("{} cannot be a default; it is each job's own", quoted(name));
                    report.error(key, message);
                }
            }
            let mut job = defaults.bare.clone();
            defaults.lay(&fields, &mut job, report);
            defaults.job = job;
            defaults.has_schedule = fields.get("schedule").is_some();
        }
        defaults
    }

    /// A job with all it says but the keys that only a job has.
    pub fn job(&self, fields: &Fields<'_>, report: &mut Report) -> Job {
        let mut job = self.job.clone();
        self.lay(fields, &mut job, report);
        job
    }

    /// Whether somebody has said when such a job comes due.
    pub fn say_when(&self, fields: &Fields<'_>) -> bool {
        match fields.key_and_value("schedule") {
            Some((_, item)) => !item.is_null(),
            None => self.has_schedule,
        }
    }

    /// What a part of a flow says of its own, over what its job says.
    pub fn over(&self, fields: &Fields<'_>, job: &mut Job, report: &mut Report) {
        self.lay(fields, job, report);
    }

    fn lay(&self, written: &Fields<'_>, job: &mut Job, report: &mut Report) {
        let bare = &self.bare;
        let mut over = Over { written, report };
        over.set("schedule", &mut job.schedule, &bare.schedule, schedule);
        over.set("timezone", &mut job.timezone, &bare.timezone, |item, report| {
            settings::timezone(item, report).map(Some)
        });
        over.set("timeout", &mut job.timeout, &bare.timeout, |item, report| {
            fields::duration(item, "timeout", SECOND..=DAY * 365, report).map(Some)
        });
        over.set("overlap", &mut job.overlap, &bare.overlap, policy::overlap);
        over.set("parallel", &mut job.parallel, &bare.parallel, |item, report| {
            policy::parallel(item, "parallel", report).map(Some)
        });
        over.set("success", &mut job.success, &bare.success, |item, report| {
            policy::share(item, "success", report).map(Some)
        });
        over.merge("retries", &mut job.retries, &bare.retries, policy::retries);
        over.set("missed", &mut job.missed, &bare.missed, policy::missed);
        over.set("deadline", &mut job.deadline, &bare.deadline, |item, report| {
            fields::duration(item, "deadline", SECOND..=DAY * 30, report)
        });
        over.set("splay", &mut job.splay, &bare.splay, |item, report| {
            fields::duration(item, "splay", Duration::ZERO..=DAY, report)
        });
        over.set("locks", &mut job.locks, &bare.locks, |item, report| {
            Some(policy::locks(item, report))
        });
        over.set("log", &mut job.log, &bare.log, |item, report| {
            policy::log(item, self.base, report).map(Some)
        });
        over.merge("hooks", &mut job.hooks, &bare.hooks, hooks::read);
        over.set(
            "notify_interval",
            &mut job.notify_interval,
            &bare.notify_interval,
            |i, report| fields::duration(i, "notify_interval", Duration::ZERO..=DAY * 30, report),
        );
        over.set("enabled", &mut job.enabled, &bare.enabled, |item, report| {
            fields::flag(item, "enabled", report)
        });
        let (own, bare) = (&mut job.python, &bare.python);
        over.set("python", &mut own.interpreter, &bare.interpreter, |item, report| {
            python::interpreter(item, self.base, report)
        });
        over.set("pythonpath", &mut own.path, &bare.path, |item, report| {
            python::path(item, self.base, report)
        });
        over.set("bridge", &mut own.bridge, &bare.bridge, python::bridge);
        over.set("answers", &mut own.answers, &bare.answers, |item, report| {
            python::answers(item, self.base, report)
        });
        let bare = &self.bare;
        over.set("tags", &mut job.tags, &bare.tags, |item, report| Some(nodes::tags(item, report)));
    }
}

/// What is written, on its way over what there is.
struct Over<'f, 'a, 'r> {
    written: &'f Fields<'a>,
    report: &'r mut Report,
}

impl Over<'_, '_, '_> {
    /// Takes the place of the value. What was mistaken does not.
    fn set<T: Clone>(
        &mut self,
        key: &str,
        value: &mut T,
        bare: &T,
        read: impl FnOnce(Item<'_>, &mut Report) -> Option<T>,
    ) {
        self.merge(key, value, bare, |item, value, report| {
            if let Some(read) = read(item, report) {
                *value = read;
            }
        });
    }

    /// A key that is not there changes nothing; one without a value leaves `bare`.
    fn merge<T: Clone>(
        &mut self,
        key: &str,
        value: &mut T,
        bare: &T,
        over: impl FnOnce(Item<'_>, &mut T, &mut Report),
    ) {
        match self.written.key_and_value(key) {
            None => {}
            Some((_, item)) if item.is_null() => value.clone_from(bare),
            Some((_, item)) => over(item, value, self.report),
        }
    }
}

fn schedule(item: Item<'_>, report: &mut Report) -> Option<Schedule> {
    let expr = fields::text(item, "schedule", report)?;
    let parsed = Schedule::parse(expr);
    match &parsed {
        Ok(schedule) => schedule.warnings().into_iter().for_each(|w| report.warning(item, w)),
        Err(e) => {
            report.error(report.within(item, e.span.clone()), format!("schedule: {}", e.message))
        }
    }
    parsed.ok()
}

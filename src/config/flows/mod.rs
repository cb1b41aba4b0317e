//! The flows of all manifests -> jobs whose work is a [`Flow`].
//!
//! They are read once all jobs are, since a slot may name a job of another file. What a flow says
//! of itself is read here, its slots in `parts`; `lookup` finds the jobs that are named there, and
//! `chain` what rescues them.

mod chain;
mod lookup;
mod parts;

use std::path::PathBuf;
use std::time::Duration;

use super::defaults;
use super::diagnostic::quoted;
use super::fields::{self, Fields};
use super::jobs::{Jobs, job_name};
use super::report::Report;
use super::yaml::{Item, Value};
use crate::cron::Schedule;
use crate::job::flow::{FLOW, Flow, Part, own_name};
use crate::job::{Job, Source};
use parts::Slots;

/// What takes a name: as `job` of the jobs.
const A_FLOW: &str = "flow";

/// The keys of a flow.
pub const KEYS: [&str; 11] = [
    "slots",
    "schedule",
    "description",
    "timezone",
    "overlap",
    "missed",
    "deadline",
    "hooks",
    "notify_interval",
    "enabled",
    "tags",
];

/// A manifest with flows, kept until all jobs are read.
pub struct Written {
    pub path: PathBuf,
    pub root: Value,
}

/// Reads the flows of all manifests into `jobs`.
pub fn read(written: &[Written], jobs: &mut Jobs<'_>, report: &mut Report) {
    // All of their names are taken first: one that names another is told so.
    let mut flows = Vec::new();
    for Written { path, root } in written {
        let is_flows = |(key, _): &(Item<'_>, Item<'_>)| key.text() == Some("flows");
        let Some((_, item)) = root.item().entries().find(is_flows) else { continue };
        if item.is_null() || item.is_unknown() {
            continue;
        }
        if !item.is_mapping() {
            let message = format!("flows is a mapping of names to flows, not {}", item.kind());
            report.error(item, message);
            continue;
        }
        for (key, value) in item.entries() {
            let Some(name) = job_name(key, "flow", report) else { continue };
            if jobs.claim(key, &name, A_FLOW, report) {
                may_hold_jobs(key, &name, jobs, report);
                flows.push((path, name, key, value));
            }
            if jobs.is_full() {
                return;
            }
        }
    }
    for (path, name, key, value) in flows {
        let source = Source { file: path.clone(), line: key.node.span.line };
        report.in_this(A_FLOW, &name.clone(), |report| {
            if let Some(job) = flow(key, value, name, source, jobs, report)
                && jobs.has_room(key, &job, report)
            {
                jobs.by_name.insert(job.name.clone(), job);
            }
        });
        if jobs.is_full() {
            return;
        }
    }
}

/// What it holds itself is called `FLOW/NAME`: no other job may be called so.
fn may_hold_jobs(key: Item<'_>, name: &str, jobs: &Jobs<'_>, report: &mut Report) {
    let within = format!("{name}/");
    let next = jobs.by_name.range(within.clone()..).next();
    let Some((job, _)) = next.filter(|(job, _)| job.starts_with(&within)) else { return };
    let message = format!(
        "job {} is called as one that flow {} holds; rename one of them",
        quoted(job),
        quoted(name)
    );
    match jobs.place(job) {
        Some(place) => {
            let note = format!("the job is at {}", report.position(place));
            report.error_noting(key, message, note);
        }
        None => report.error(key, message),
    }
}

/// Reads all of it, whatever is wrong with some, so that all mistakes are told.
fn flow(
    key: Item<'_>,
    value: Item<'_>,
    name: String,
    source: Source,
    jobs: &mut Jobs<'_>,
    report: &mut Report,
) -> Option<Job> {
    let what = format!("flow {}", quoted(&name));
    if value.is_null() {
        report.error(key, format!("{what} is empty; it needs \"slots\""));
        return None;
    }
    let fields = Fields::open_but(value, &what, &KEYS, misplaced, report)?;
    let rules = jobs.defaults().job(&fields, report);
    let description = match fields.get("description") {
        Some(item) => fields::text(item, "description", report).map(|text| text.trim().to_owned()),
        None => Some(String::new()),
    };
    let slots = fields.require("slots", key, &what, report);
    let slots = slots.and_then(|item| Slots::read(item, &name, &source, jobs, report));
    let flow = slots.and_then(|slots| slots.build(jobs, report));
    let (flow, description) = (flow?, description?);
    let targets = flow.targets();
    if !jobs.has_room_for_targets(key, targets.len(), report) {
        return None;
    }
    // A default schedule is for jobs: what a flow does together is not begun by chance.
    let schedule = match fields.get("schedule") {
        Some(_) => rules.schedule,
        None => Schedule::never(),
    };
    Some(Job {
        description: match description.is_empty() {
            true => default_description(&name, &flow),
            false => description,
        },
        flow: Some(flow),
        targets,
        timezone: rules.timezone,
        overlap: rules.overlap,
        missed: rules.missed,
        deadline: rules.deadline,
        splay: Duration::ZERO,
        hooks: rules.hooks,
        notify_interval: rules.notify_interval,
        enabled: rules.enabled,
        tags: rules.tags,
        // All else is its jobs' own.
        ..Job::new(name, FLOW.to_owned(), schedule, source)
    })
}

/// Of a key that a flow cannot have though a job of it can.
fn misplaced(key: &str) -> Option<String> {
    let of_jobs = key == "on_failure" || defaults::KEYS.contains(&key);
    let shown = quoted(key);
    match key {
        "splay" => Some(format!("a flow has no {shown}; its jobs begin slot by slot")),
        "jobs" => Some(format!("a flow has no {shown}; its \"slots\" are lists of jobs")),
        _ => of_jobs.then(|| format!("a flow has no {shown}; each job of a flow has its own")),
    }
}

/// `a, b; c`: its jobs, slot by slot.
fn default_description(name: &str, flow: &Flow) -> String {
    const SHOWN: usize = 100;
    let short = |part: &Part| own_name(name, &part.job.name).unwrap_or(&part.job.name).to_owned();
    let slot = |parts: &Vec<Part>| parts.iter().map(short).collect::<Vec<_>>().join(", ");
    let text = flow.slots.iter().map(slot).collect::<Vec<_>>().join("; ");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

//! The flows of all manifests -> jobs whose work is a [`Flow`].
//!
//! They are read once all jobs are, since a slot may name a job of another file. A name in a slot
//! stands for a job that the flow holds itself, else for one of the manifests.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::defaults;
use super::diagnostic::quoted;
use super::fields::{self, Fields};
use super::jobs::{Claim, Jobs, job_name};
use super::report::Report;
use super::yaml::{Item, Value};
use crate::cron::Schedule;
use crate::job::flow::{FLOW, Flow, OnFailure, Part, Then};
use crate::job::policy::{Overlap, Share};
use crate::job::{Job, Source};

/// The keys of a flow.
const KEYS: [&str; 11] = [
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

/// What a slot may say of a job that stands elsewhere.
const OVERLAID: [&str; 6] = ["job", "success", "parallel", "timeout", "retries", "on_failure"];

/// The keys of a job that have no meaning in a flow, which has them itself.
const OF_SCHEDULES: [&str; 7] =
    ["schedule", "timezone", "overlap", "missed", "deadline", "splay", "enabled"];

const RESCUE: [&str; 2] = ["rescue", "then"];

/// The most parts of a flow, rescues included, and the most rescues in a row.
const MAX_PARTS: usize = 1000;
const MAX_RESCUES: usize = 8;

/// A manifest with flows, kept until all jobs are read.
pub struct Written {
    pub path: PathBuf,
    pub root: Value,
}

/// Reads the flows of all manifests into `jobs`.
pub fn read(written: &[Written], jobs: &mut Jobs<'_>, report: &mut Report) {
    for Written { path, root } in written {
        let is_flows = |(key, _): &(Item<'_>, Item<'_>)| key.text() == Some("flows");
        let Some((_, flows)) = root.item().entries().find(is_flows) else { continue };
        if flows.is_null() || flows.is_unknown() {
            continue;
        }
        if !flows.is_mapping() {
            let message = format!("flows is a mapping of names to flows, not {}", flows.kind());
            report.error(flows, message);
            continue;
        }
        for (key, value) in flows.entries() {
            let Some(name) = job_name(key, "flow", report) else { continue };
            match jobs.claim(key, &name, "flow", report) {
                Claim::Free => {}
                Claim::Taken => continue,
                Claim::Full => return,
            }
            let source = Source { file: path.clone(), line: key.node.span.line };
            let mut reader = Reader { name, source, drafts: Vec::new(), names: HashMap::new() };
            if let Some(job) = reader.flow(key, value, jobs, report)
                && jobs.has_room(key, &job, report)
            {
                jobs.by_name.insert(job.name.clone(), job);
            }
        }
    }
}

/// One flow.
struct Reader<'i> {
    name: String,
    source: Source,
    drafts: Vec<Draft<'i>>,
    /// The first of each name.
    names: HashMap<String, usize>,
}

/// A part whose rescue is not looked up yet.
struct Draft<'i> {
    job: Job,
    on_failure: Then,
    rescue: Option<Rescue<'i>>,
}

struct Rescue<'i> {
    at: Item<'i>,
    by: By,
    then: Then,
}

enum By {
    Name(String),
    /// One that is written there.
    Draft(usize),
}

/// A name in a slot that may stand for a job of the flow's own further down.
enum Entry<'i> {
    Draft(usize),
    Name(Item<'i>, &'i str),
}

impl<'i> Reader<'i> {
    fn flow(
        &mut self,
        key: Item<'i>,
        value: Item<'i>,
        jobs: &mut Jobs<'_>,
        report: &mut Report,
    ) -> Option<Job> {
        let what = format!("flow {}", quoted(&self.name));
        if value.is_null() {
            report.error(key, format!("{what} is empty; it needs \"slots\""));
            return None;
        }
        let (fields, job) = jobs.defaults().job(value, &what, &KEYS, report)?;
        let slots = self.slots(fields.require("slots", key, &what, report)?, jobs, report)?;
        let flow = self.build(&slots, report)?;
        let mut targets: Vec<String> = Vec::new();
        let mut seen = HashSet::new();
        for (_, part) in flow.parts() {
            targets.extend(part.job.targets.iter().filter(|name| seen.insert(*name)).cloned());
        }
        let description = match fields.get("description") {
            Some(item) => fields::text(item, "description", report)?.trim().to_owned(),
            None => default_description(&flow),
        };
        // A default schedule is for jobs: what a flow does together is not begun by chance.
        let schedule = match fields.get("schedule") {
            Some(_) => job.schedule.clone(),
            None => Schedule::never(),
        };
        if !jobs.has_room_for_targets(key, targets.len(), report) {
            return None;
        }
        Some(Job {
            name: self.name.clone(),
            task: FLOW.to_owned(),
            flow: Some(flow),
            schedule,
            targets,
            description,
            source: self.source.clone(),
            // The parts have their own.
            args: Vec::new(),
            kwargs: Vec::new(),
            timeout: None,
            parallel: None,
            success: None,
            splay: std::time::Duration::ZERO,
            locks: Vec::new(),
            log: None,
            ..job
        })
    }

    fn slots(
        &mut self,
        item: Item<'i>,
        jobs: &mut Jobs<'_>,
        report: &mut Report,
    ) -> Option<Vec<Vec<usize>>> {
        if item.is_unknown() {
            return None;
        }
        if !item.is_list() {
            let message = format!("slots is a list of lists of jobs, not {}", item.kind());
            report.error(item, message);
            return None;
        }
        if item.items().next().is_none() {
            report.error(item, "a flow has at least one slot");
            return None;
        }
        let mut sound = true;
        let mut slots = Vec::new();
        for (number, slot) in (1..).zip(item.items()) {
            if slot.is_unknown() {
                sound = false;
                continue;
            }
            if !slot.is_list() {
                let hint = match slot.text() {
                    Some(name) => format!("; write [{name}]"),
                    None => String::new(),
                };
                let kind = slot.kind();
                report.error(slot, format!("slot {number} is a list of jobs, not {kind}{hint}"));
                sound = false;
                continue;
            }
            let mut entries = Vec::new();
            for entry in slot.items() {
                match self.entry(entry, jobs, report) {
                    Some(entry) => entries.push(entry),
                    None => sound = false,
                }
                if self.drafts.len() > MAX_PARTS {
                    report.error(entry, format!("more than {MAX_PARTS} jobs in one flow"));
                    return None;
                }
            }
            if slot.items().next().is_none() {
                report.error(slot, format!("slot {number} is empty; it needs a job at least"));
                sound = false;
            }
            slots.push(entries);
        }
        let mut found = Vec::new();
        for entries in slots {
            let entries: Vec<Option<usize>> =
                entries.into_iter().map(|entry| self.resolve(entry, jobs, report)).collect();
            found.push(entries);
        }
        // Rescues that are named are looked up among all of them, and may be jobs of elsewhere.
        sound &= self.resolve_rescues(jobs, report);
        let found: Option<Vec<Vec<usize>>> =
            found.into_iter().map(|entries| entries.into_iter().collect()).collect();
        found.filter(|_| sound)
    }

    /// A name, or a mapping: of a job that stands elsewhere, or of one that is written here.
    fn entry(
        &mut self,
        item: Item<'i>,
        jobs: &mut Jobs<'_>,
        report: &mut Report,
    ) -> Option<Entry<'i>> {
        if item.is_unknown() {
            return None;
        }
        if !item.is_mapping() {
            return Some(Entry::Name(item, fields::text(item, "a job of a slot", report)?));
        }
        let named = Fields { map: item };
        if named.key_and_value("job").is_none() {
            return self.own(item, jobs, report).map(Entry::Draft);
        }
        let fields = Fields::open(item, "a job of a slot", &OVERLAID, report)?;
        let name_item = fields.require("job", item, "it", report)?;
        let name = fields::text(name_item, "job", report)?;
        let mut job = self.find(name_item, name, jobs, report)?;
        jobs.defaults().over(&fields, &mut job, report);
        let (on_failure, rescue) = self.on_failure(&fields, jobs, report)?;
        self.draft(name, job, on_failure, rescue).map(Entry::Draft)
    }

    /// A job that stands nowhere else.
    fn own(&mut self, item: Item<'i>, jobs: &mut Jobs<'_>, report: &mut Report) -> Option<usize> {
        let keys: Vec<&str> = ["name"]
            .into_iter()
            .chain(defaults::KEYS.into_iter().filter(|key| !OF_SCHEDULES.contains(key)))
            .chain(["on_failure"])
            .collect();
        let what = "a job of a slot";
        let name_item = (Fields { map: item }).require("name", item, what, report)?;
        let short = job_name(name_item, "job", report)?;
        let name = format!("{}/{short}", self.name);
        match jobs.claim(name_item, &name, "job", report) {
            Claim::Free => {}
            Claim::Taken | Claim::Full => return None,
        }
        let source = Source { line: item.node.span.line, ..self.source.clone() };
        let (fields, job) = jobs.job(item, item, name, source, &keys, report)?;
        let (on_failure, rescue) = self.on_failure(&fields, jobs, report)?;
        self.draft(&short, job, on_failure, rescue)
    }

    fn draft(
        &mut self,
        name: &str,
        job: Job,
        on_failure: Then,
        rescue: Option<Rescue<'i>>,
    ) -> Option<usize> {
        let overlap = match job.overlap {
            // It waits for a run of its own, where it would be left out by its schedule.
            Overlap::Skip | Overlap::Queue => Overlap::Queue,
            Overlap::Allow => Overlap::Allow,
        };
        let success = job.success.or(Some(Share::Percent(100)));
        let job = Job { overlap, success, ..job };
        self.drafts.push(Draft { job, on_failure, rescue });
        let number = self.drafts.len() - 1;
        self.names.entry(name.to_owned()).or_insert(number);
        Some(number)
    }

    /// `stop`, `continue`, or a rescue.
    fn on_failure(
        &mut self,
        fields: &Fields<'i>,
        jobs: &mut Jobs<'_>,
        report: &mut Report,
    ) -> Option<(Then, Option<Rescue<'i>>)> {
        let Some(item) = fields.get("on_failure") else { return Some((Then::Stop, None)) };
        if !item.is_mapping() {
            return then(item, "on_failure", "stop, continue or {rescue: JOB}", report)
                .map(|then| (then, None));
        }
        let fields = Fields::open(item, "on_failure", &RESCUE, report)?;
        let rescue = fields.require("rescue", item, "on_failure", report)?;
        let then = match fields.get("then") {
            Some(item) => then(item, "then", "continue or stop", report)?,
            None => Then::Continue,
        };
        let by = match self.entry(rescue, jobs, report)? {
            Entry::Draft(number) => By::Draft(number),
            Entry::Name(_, name) => By::Name(name.to_owned()),
        };
        Some((Then::Stop, Some(Rescue { at: rescue, by, then })))
    }

    fn resolve(
        &mut self,
        entry: Entry<'i>,
        jobs: &mut Jobs<'_>,
        report: &mut Report,
    ) -> Option<usize> {
        match entry {
            Entry::Draft(number) => Some(number),
            Entry::Name(item, name) => {
                let own = format!("{}/{name}", self.name);
                if jobs.is_written(&own) {
                    // Mistaken, it has been told.
                    return self.names.get(name).copied();
                }
                let job = self.find(item, name, jobs, report)?;
                self.draft(name, job, Then::Stop, None)
            }
        }
    }

    fn resolve_rescues(&mut self, jobs: &mut Jobs<'_>, report: &mut Report) -> bool {
        let mut sound = true;
        for number in 0..self.drafts.len() {
            let Some(Rescue { at, by: By::Name(name), .. }) = &self.drafts[number].rescue else {
                continue;
            };
            let (at, name) = (*at, name.clone());
            let found = match self.names.get(&name) {
                Some(found) => Some(*found),
                None => {
                    let job = self.find(at, &name, jobs, report);
                    job.and_then(|job| self.draft(&name, job, Then::Stop, None))
                }
            };
            match (found, &mut self.drafts[number].rescue) {
                (Some(found), Some(rescue)) => rescue.by = By::Draft(found),
                (Some(_), None) | (None, _) => sound = false,
            }
        }
        sound
    }

    /// The job of this name among the manifests'.
    fn find(
        &self,
        at: Item<'_>,
        name: &str,
        jobs: &mut Jobs<'_>,
        report: &mut Report,
    ) -> Option<Job> {
        match jobs.by_name.get(name) {
            Some(job) if job.flow.is_some() => {
                report.error(at, format!("{} is a flow; a slot holds jobs", quoted(name)));
                None
            }
            Some(job) => {
                let job = job.clone();
                jobs.has_room_for_targets(at, job.targets.len(), report).then_some(job)
            }
            // Mistaken, it has been told.
            None if jobs.is_written(name) => None,
            None => {
                let own = self.names.keys().map(String::as_str);
                let known = jobs.by_name.keys().map(String::as_str).chain(own);
                let hint = report.hints.did_you_mean(name, known);
                report.error(at, format!("there is no job {}{hint}", quoted(name)));
                None
            }
        }
    }

    fn build(&self, slots: &[Vec<usize>], report: &mut Report) -> Option<Flow> {
        let mut sound = true;
        let slots = slots.iter().map(|slot| {
            let parts = slot.iter().filter_map(|number| {
                let part = self.part(*number, &mut Vec::new(), report);
                sound &= part.is_some();
                part
            });
            parts.collect()
        });
        let slots = slots.collect();
        sound.then_some(Flow { any_host: false, slots })
    }

    /// `above`: what it is to rescue.
    fn part(&self, number: usize, above: &mut Vec<usize>, report: &mut Report) -> Option<Part> {
        let draft = &self.drafts[number];
        above.push(number);
        let on_failure = match (&draft.rescue, draft.on_failure) {
            (None, Then::Stop) => OnFailure::Stop,
            (None, Then::Continue) => OnFailure::Continue,
            (Some(Rescue { at, by, then }), _) => {
                let By::Draft(by) = by else { return None };
                if above.contains(by) {
                    let round =
                        above.iter().chain([by]).map(|at| self.drafts[*at].job.name.as_str());
                    let round = round.collect::<Vec<_>>().join(" → ");
                    report.error(*at, format!("rescue goes round: {round}"));
                    return None;
                }
                if above.len() > MAX_RESCUES {
                    report.error(*at, format!("more than {MAX_RESCUES} rescues in a row"));
                    return None;
                }
                let part = Box::new(self.part(*by, above, report)?);
                OnFailure::Rescue { part, then: *then }
            }
        };
        above.pop();
        Some(Part { job: draft.job.clone(), on_failure })
    }
}

fn then(item: Item<'_>, what: &str, expected: &str, report: &mut Report) -> Option<Then> {
    let word = fields::text(item, what, report)?;
    match word {
        "stop" => Some(Then::Stop),
        "continue" => Some(Then::Continue),
        _ => {
            let hint = report.hints.did_you_mean(word, ["stop", "continue"]);
            let shown = report.show(item);
            report.error(item, format!("{what} is {expected}, not {shown}{hint}"));
            None
        }
    }
}

/// `a, b; c`: its jobs, slot by slot.
fn default_description(flow: &Flow) -> String {
    const SHOWN: usize = 100;
    let slot = |parts: &Vec<Part>| {
        let names: Vec<&str> = parts.iter().map(|part| part.job.name.as_str()).collect();
        names.join(", ")
    };
    let text = flow.slots.iter().map(slot).collect::<Vec<_>>().join("; ");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

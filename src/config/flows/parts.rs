//! The slots of one flow, as they are written: names, jobs that stand elsewhere with something
//! said of them, and jobs that stand here.
//!
//! First everything is read, here; then every name is looked up, in `lookup`: one may stand for a job
//! that the flow holds itself further down, or in a rescue. What is mistaken is left out, and the flow
//! with it, once all that is wrong has been told.

use std::collections::HashMap;

use super::chain::Chains;
use super::lookup::in_flow;
use crate::config::defaults;
use crate::config::diagnostic::quoted;
use crate::config::fields::{self, Fields};
use crate::config::jobs::{Jobs, job_name};
use crate::config::report::Report;
use crate::config::yaml::Item;
use crate::job::flow::Then;
use crate::job::{Job, Source};

/// What takes a name of a job that a flow holds itself.
pub const OF_A_FLOW: &str = "job of a flow";

/// What a slot may say of a job that stands elsewhere.
const OVERLAID: [&str; 6] = ["job", "success", "parallel", "timeout", "retries", "on_failure"];

/// The keys of a job that have no meaning in a flow, which has them itself.
const OF_SCHEDULES: [&str; 7] =
    ["schedule", "timezone", "overlap", "missed", "deadline", "splay", "enabled"];

const RESCUE: [&str; 2] = ["rescue", "then"];

/// The most jobs of a flow, rescues included.
pub const MAX_PARTS: usize = 1000;

const FORMS: &str = "write {job: NAME} for a job that stands elsewhere, or {name: NAME, task: …, \
                     targets: …} for one of the flow's own";

/// A job at its place, which may be called so elsewhere too.
pub struct Entry<'i> {
    pub at: Item<'i>,
    pub job: Which<'i>,
    pub on_failure: Option<Failure<'i>>,
}

pub enum Which<'i> {
    /// By its number.
    Own(usize),
    /// Its name, and what is said of it.
    Named(&'i str, Option<Fields<'i>>),
}

pub enum Failure<'i> {
    Then(Then),
    Rescue(Box<Entry<'i>>, Then),
}

/// Of one flow.
pub struct Slots<'i> {
    pub flow: &'i str,
    source: &'i Source,
    pub slots: Vec<Vec<Entry<'i>>>,
    /// Jobs that the flow holds itself; none where it is mistaken.
    pub own: Vec<Own<'i>>,
    /// By their short names.
    pub names: HashMap<String, usize>,
    /// Entries so far, rescues included.
    count: usize,
    /// Nothing of it was mistaken so far.
    pub sound: bool,
}

pub struct Own<'i> {
    pub at: Item<'i>,
    pub name: String,
    pub job: Option<Job>,
    pub on_failure: Option<Failure<'i>>,
}

impl<'i> Slots<'i> {
    /// `None` if there is nothing to go on with.
    pub fn read(
        item: Item<'i>,
        flow: &'i str,
        source: &'i Source,
        jobs: &mut Jobs<'_>,
        report: &mut Report,
    ) -> Option<Chains<'i>> {
        if item.is_unknown() {
            return None;
        }
        if !item.is_list() {
            let hint = item.text().map(|name| format!("; write [[{name}]]")).unwrap_or_default();
            let kind = item.kind();
            report.error(item, format!("slots is a list of lists of jobs, not {kind}{hint}"));
            return None;
        }
        if item.items().next().is_none() {
            report.error(item, "a flow has at least one slot");
            return None;
        }
        let (own, names) = (Vec::new(), HashMap::new());
        let mut slots =
            Slots { flow, source, slots: Vec::new(), own, names, count: 0, sound: true };
        for (number, slot) in (1..).zip(item.items()) {
            let entries = slots.slot(number, slot, jobs, report)?;
            slots.slots.push(entries);
        }
        slots.resolve(jobs, report)
    }

    /// `None`: there are too many.
    fn slot(
        &mut self,
        number: usize,
        slot: Item<'i>,
        jobs: &mut Jobs<'_>,
        report: &mut Report,
    ) -> Option<Vec<Entry<'i>>> {
        let mut entries = Vec::new();
        if slot.is_unknown() {
            self.sound = false;
        } else if !slot.is_list() {
            let hint = match slot.text().filter(|_| !slot.is_null()) {
                Some(name) => format!("; write [{name}]"),
                None if slot.is_mapping() => "; put it in [ ]".to_owned(),
                None => String::new(),
            };
            let kind = slot.kind();
            report.error(slot, format!("slot {number} is a list of jobs, not {kind}{hint}"));
            self.sound = false;
        } else if slot.items().next().is_none() {
            report.error(slot, format!("slot {number} is empty; it needs a job at least"));
            self.sound = false;
        }
        for item in slot.items() {
            match self.entry(item, jobs, report) {
                Some(entry) => entries.push(entry),
                None => self.sound = false,
            }
            if self.count > MAX_PARTS || jobs.is_full() {
                return None;
            }
        }
        Some(entries)
    }

    /// A name, or a mapping: of a job that stands elsewhere, or of one that is written here.
    fn entry(
        &mut self,
        item: Item<'i>,
        jobs: &mut Jobs<'_>,
        report: &mut Report,
    ) -> Option<Entry<'i>> {
        self.count += 1;
        if self.count > MAX_PARTS {
            report.error(item, too_many());
            return None;
        }
        if item.is_unknown() {
            return None;
        }
        if item.is_null() || item.is_list() {
            let message = format!("a job of a flow is a name or a mapping, not {}", item.kind());
            report.error(item, message);
            return None;
        }
        if !item.is_mapping() {
            let name = fields::text(item, "the name of a job", report)?;
            return Some(Entry { at: item, job: Which::Named(name, None), on_failure: None });
        }
        let get = |key| Fields { map: item }.key_and_value(key).map(|(_, value)| value);
        match (get("job"), get("name")) {
            (None, Some(own)) => match own.text().filter(|_| !own.is_null()) {
                Some(name) => report.in_this("job", name, |report| self.own(item, jobs, report)),
                None => self.own(item, jobs, report),
            },
            (Some(job), None) => match job.text().filter(|_| !job.is_null()) {
                Some(name) => report.in_this("job", name, |report| self.named(item, jobs, report)),
                None => self.named(item, jobs, report),
            },
            (Some(_), Some(_)) => {
                let message = "a job of a flow has either \"job\" or \"name\", not both";
                report.error_noting(item, message, FORMS);
                None
            }
            (None, None) => {
                let message = "a job of a flow has neither \"job\" nor \"name\"";
                report.error_noting(item, message, FORMS);
                None
            }
        }
    }

    /// A job that stands elsewhere, and what is said of it.
    fn named(
        &mut self,
        item: Item<'i>,
        jobs: &mut Jobs<'_>,
        report: &mut Report,
    ) -> Option<Entry<'i>> {
        let misplaced = |key: &str| {
            defaults::KEYS.contains(&key).then(|| {
                let known = OVERLAID[1..].join(", ");
                format!("{} is said where the job stands; here can be said {known}", quoted(key))
            })
        };
        let what = "a job of a flow that stands elsewhere";
        let fields = Fields::open_but(item, what, &OVERLAID, misplaced, report)?;
        let on_failure = self.on_failure(&fields, jobs, report);
        let name = fields.require("job", item, "it", report)?;
        let at = name;
        let name = fields::text(name, "job", report)?;
        Some(Entry { at, job: Which::Named(name, Some(fields)), on_failure: on_failure? })
    }

    /// A job that stands nowhere else.
    fn own(
        &mut self,
        item: Item<'i>,
        jobs: &mut Jobs<'_>,
        report: &mut Report,
    ) -> Option<Entry<'i>> {
        let keys: Vec<&str> = ["name"]
            .into_iter()
            .chain(defaults::KEYS.into_iter().filter(|key| !OF_SCHEDULES.contains(key)))
            .chain(["on_failure"])
            .collect();
        let misplaced = |key: &str| {
            let message = || format!("{} has no meaning for a job of a flow", quoted(key));
            match key {
                // A flow has none either.
                "splay" => Some(message()),
                _ if OF_SCHEDULES.contains(&key) => Some(message() + "; the flow has it"),
                _ => None,
            }
        };
        let what = "a job of the flow's own";
        let fields = Fields::open_but(item, what, &keys, misplaced, report)?;
        let on_failure = self.on_failure(&fields, jobs, report);
        let name_item = fields.require("name", item, what, report);
        let short = name_item.and_then(|at| self.own_name(at, jobs, report));
        // What else is wrong with it is told even if its name is.
        let called = name_item.and_then(Item::text).unwrap_or_default();
        let name = format!("{}/{called}", self.flow);
        let source = Source { line: item.node.span.line, ..self.source.clone() };
        let job = jobs.job(item, &fields, name, source, report).map(in_flow);
        let (short, at) = (short?, name_item?);
        let job = job.filter(|job| jobs.has_room(at, job, report));
        let is_sound = job.is_some() && on_failure.is_some();
        let number = self.own.len();
        self.names.insert(short.clone(), number);
        self.own.push(Own { at, name: short, job, on_failure: on_failure.flatten() });
        let entry = Entry { at: item, job: Which::Own(number), on_failure: None };
        is_sound.then_some(entry)
    }

    /// A short name that is free.
    fn own_name(&self, at: Item<'_>, jobs: &mut Jobs<'_>, report: &mut Report) -> Option<String> {
        let short = job_name(at, "job", report)?;
        let shown = quoted(&short);
        let name = format!("{}/{short}", self.flow);
        let problem = if short.contains('/') {
            format!("the name of a flow's own job contains a slash: {shown}")
        } else if name.len() > 200 {
            format!("the name of the flow and of its job are longer than 200 bytes: {shown}")
        } else if let Some(first) = self.names.get(&short) {
            let message = format!("job {shown} is defined twice in flow {}", quoted(self.flow));
            let first = report.position(self.own[*first].at.node.span);
            let note = format!("first at {first}; its name alone runs it again");
            report.error_noting(at, message, note);
            return None;
        } else {
            return jobs.claim(at, &name, OF_A_FLOW, report).then_some(short);
        };
        report.error(at, problem);
        None
    }

    /// `stop`, `continue`, or a rescue; nothing where nothing is said. `None`: it is mistaken.
    fn on_failure(
        &mut self,
        fields: &Fields<'i>,
        jobs: &mut Jobs<'_>,
        report: &mut Report,
    ) -> Option<Option<Failure<'i>>> {
        const FORM: &str = "stop, continue or {rescue: JOB}";
        let Some(item) = fields.get("on_failure") else { return Some(None) };
        if item.is_unknown() {
            return None;
        }
        if item.is_list() {
            report.error(item, format!("on_failure is {FORM}, not a list"));
            return None;
        }
        if !item.is_mapping() {
            return then(item, "on_failure", FORM, report).map(|then| Some(Failure::Then(then)));
        }
        let fields = Fields::open(item, "on_failure", &RESCUE, report)?;
        let then = match fields.get("then") {
            Some(item) => then(item, "then", "continue or stop", report),
            None => Some(Then::Continue),
        };
        // Who is to rescue is looked up even if this is mistaken.
        self.sound &= then.is_some();
        let rescue = fields.require("rescue", item, "on_failure", report)?;
        let rescue = self.entry(rescue, jobs, report)?;
        Some(Some(Failure::Rescue(Box::new(rescue), then.unwrap_or_default())))
    }
}

pub fn too_many() -> String {
    format!("more than {MAX_PARTS} jobs in one flow, rescues included")
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

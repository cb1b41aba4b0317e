//! Roadrunner's job flow -> a flow that stands in no manifest.
//!
//! JSON as Roadrunner took it, or the same in YAML, of which JSON is a part: one reader has both,
//! and tells every mistake where it was written. Knows the keys of that file; which hosts there are
//! it is told, and what is done with the flow is no concern of its.

mod hosts;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use crate::api::flow::{FlowJob, FlowRequest};
use crate::config::compose::{self, Equal};
use crate::config::diagnostic::{Diagnostic, quoted};
use crate::config::fields::{self, Fields};
use crate::config::jobs::job_name;
use crate::config::policy;
use crate::config::report::Report;
use crate::config::scalar;
use crate::config::source::{FileId, Span};
use crate::config::yaml::{Anchors, Item, Kind, MAX_NODES, Parsed, Value};
use crate::job::Job;
use crate::job::flow::{CommandLine, Flow, MAX_COMMAND, MAX_JOBS};
use crate::job::policy::Share;

pub use hosts::Hosts;
use hosts::Names;

const KEYS: [&str; 3] = ["default_job_timeout", "default_retries", "job_flow"];
const SLOT: [&str; 2] = ["slot_id", "jobs"];
const JOB: [&str; 7] =
    ["job_id", "cmd", "hosts", "success_constraint", "parallelism", "timeout", "retries"];
/// Where a number counts something.
const COUNTS: [&str; 4] = ["default_retries", "retries", "success_constraint", "parallelism"];

const LONGEST_TIMEOUT: Duration = Duration::from_secs(365 * 86_400);

/// Characters of a file's name that the daemon is told.
const LONGEST_NAME: usize = 200;

/// Where a flow is written.
pub enum Written<'a> {
    File(&'a Path),
    /// What was read already, and what messages call it.
    Bytes {
        shown: &'a str,
        bytes: Vec<u8>,
    },
}

/// A flow without mistakes.
#[derive(Debug)]
pub struct Given {
    pub request: FlowRequest,
    /// What the daemon will make of it.
    pub job: Job,
    /// Hosts that are no nodes.
    pub strangers: BTreeSet<String>,
    pub warnings: Vec<Diagnostic>,
}

/// Reads a flow, or says everything that is wrong with it.
pub fn read_flow(written: Written<'_>, hosts: Hosts<'_>) -> Result<Given, Vec<Diagnostic>> {
    let mut report = Report::default();
    let (shown, bytes) = match written {
        Written::File(path) => (path, None),
        Written::Bytes { shown, bytes } => (Path::new(shown), Some(bytes)),
    };
    let file = report.sources.add(shown);
    let read = match bytes {
        Some(bytes) => report.sources.take(file, bytes),
        None => report.sources.read(file),
    };
    let mut reader = Reader { names: Names::new(hosts), ..Reader::default() };
    let slots = match read {
        Ok(()) => reader.file(file, &mut report),
        Err(problem) => {
            report.error(problem.span, problem.message);
            None
        }
    };
    let failed = report.has_errors();
    let diagnostics = report.finish();
    let Some(slots) = slots.filter(|_| !failed) else { return Err(diagnostics) };
    let from = shown.to_string_lossy().chars().take(LONGEST_NAME).collect();
    let request = |slot: &Vec<Read>| slot.iter().map(|read| read.request.clone()).collect();
    let request = FlowRequest {
        from,
        slots: slots.iter().map(request).collect(),
        any_host: hosts.any,
        wait: 0,
    };
    let lines = |slot: Vec<Read>| slot.into_iter().map(|read| read.line).collect();
    let job = Flow::given(hosts.any, slots.into_iter().map(lines).collect());
    Ok(Given { request, job, strangers: reader.names.strangers, warnings: diagnostics })
}

/// A job: as it is sent, and as it is meant.
struct Read {
    request: FlowJob,
    line: CommandLine,
}

#[derive(Default)]
struct Reader<'k> {
    names: Names<'k>,
    timeout: Option<Duration>,
    attempts: Option<u32>,
    slot_ids: HashMap<String, Span>,
    job_ids: HashMap<String, Span>,
    jobs: usize,
}

impl Reader<'_> {
    fn file(&mut self, file: FileId, report: &mut Report) -> Option<Vec<Vec<Read>>> {
        let Report { sources, hints, .. } = &mut *report;
        let text = sources.text(file);
        // A reader of JSON takes the last of two equal keys; of YAML they are a mistake.
        let json = text.trim_start().starts_with(['{', '[']);
        let equal = if json { Equal::Last } else { Equal::First };
        let mut parsed =
            compose::parse_with(file, text, &Anchors::default(), MAX_NODES, hints, equal);
        if json && let Some(root) = &mut parsed.root {
            whole_numbers(root);
        }
        tell(&parsed, json, report);
        let root = match &parsed.root {
            Some(root) => root.item(),
            None if parsed.anchors.partial => return None,
            None => {
                report.error(file, "is empty; a job flow has at least \"job_flow\"");
                return None;
            }
        };
        if root.is_list() {
            let message = "a job flow is a mapping; its slots stand under the key \"job_flow\"";
            report.error(root, message);
            return None;
        }
        let fields = Fields::open(root, "a job flow", &KEYS, report)?;
        if let Some(item) = fields.get("default_job_timeout") {
            self.timeout = timeout(item, "default_job_timeout", report);
        }
        if let Some(item) = fields.get("default_retries") {
            self.attempts = policy::attempts(item, "default_retries", report);
        }
        let slots = fields.require("job_flow", root, "a job flow", report)?;
        let items = list(slots, "job_flow", "slot", report)?;
        let slots: Vec<_> = items.iter().map(|item| self.slot(*item, report)).collect();
        order(&items, report);
        slots.into_iter().collect()
    }

    /// `None` after it has reported, as of all below.
    fn slot(&mut self, item: Item<'_>, report: &mut Report) -> Option<Vec<Read>> {
        let fields = Fields::open(item, "a slot", &SLOT, report)?;
        // It names the slot for people only: without one it is as good.
        if let Some(id) = fields.get("slot_id")
            && let Some(text) = fields::text(id, "slot_id", report)
        {
            once(&mut self.slot_ids, id, text, "slot_id", report);
        }
        let jobs = fields.require("jobs", item, "the slot", report)?;
        let items = list(jobs, "jobs", "job", report)?;
        let read = |item: Item<'_>| {
            let id = (Fields { map: item })
                .key_and_value("job_id")
                .and_then(|(_, id)| id.text().filter(|_| !id.is_null()));
            match id {
                Some(id) => report.in_this("job", id, |report| self.job(item, report)),
                None => self.job(item, report),
            }
        };
        let jobs: Vec<_> = items.into_iter().map(read).collect();
        jobs.into_iter().collect()
    }

    fn job(&mut self, item: Item<'_>, report: &mut Report) -> Option<Read> {
        self.jobs += 1;
        if self.jobs > MAX_JOBS {
            if self.jobs == MAX_JOBS + 1 {
                report.error(item, format!("more than {MAX_JOBS} jobs in one flow"));
            }
            return None;
        }
        let fields = Fields::open(item, "a job", &JOB, report)?;
        let id = fields.require("job_id", item, "the job", report);
        let name = id.and_then(|id| {
            let name = job_name(id, "job", report)?;
            once(&mut self.job_ids, id, &name, "job_id", report);
            Some(name)
        });
        let what = match &name {
            Some(name) => format!("job {}", quoted(name)),
            None => "the job".to_owned(),
        };
        let cmd = fields.require("cmd", item, &what, report);
        let command = cmd.and_then(|item| command(item, report));
        let hosts = fields.require("hosts", item, &what, report);
        let hosts = hosts.and_then(|item| self.names.targets(item, report));
        let success = match fields.get("success_constraint") {
            Some(item) => policy::share(item, "success_constraint", report),
            None => Some(Share::Percent(100)),
        };
        let parallel = match fields.get("parallelism") {
            Some(item) => {
                policy::parallel(item, "parallelism", report).map(|parallel| parallel.steps)
            }
            None => Some(Vec::new()),
        };
        let timeout = match fields.get("timeout") {
            Some(item) => timeout(item, "timeout", report).map(Some),
            None => Some(self.timeout),
        };
        let attempts = match fields.get("retries") {
            Some(item) => policy::attempts(item, "retries", report),
            None => Some(self.attempts.unwrap_or(1)),
        };
        let (name, command, (written, targets)) = (name?, command?, hosts?);
        let (success, parallel, attempts) = (success?, parallel?, attempts?);
        let timeout = timeout?;
        if let (Share::Count(count), Some(item)) = (success, fields.get("success_constraint"))
            && count as usize > targets.len()
            && self.names.are_known()
        {
            let all = targets.len();
            let message = format!(
                "success_constraint is {count}, but the job has only {}: all of them",
                match all {
                    1 => "1 host".to_owned(),
                    all => format!("{all} hosts"),
                }
            );
            report.warning(item, message);
        }
        let request = FlowJob {
            job: name.clone(),
            command: command.clone(),
            targets: written,
            success: Some(success.to_string()),
            parallel: parallel.iter().map(Share::to_string).collect(),
            timeout: timeout.map(|timeout| timeout.as_secs_f64()),
            attempts: Some(attempts),
        };
        let line = CommandLine { name, command, targets, success, parallel, timeout, attempts };
        Some(Read { request, line })
    }
}

/// Writes counts that JSON has as `2.0` as `2`: it tells no whole numbers from others, and who makes
/// it by a program may get either.
fn whole_numbers(value: &mut Value) {
    // What is shared has been written with an alias, which no JSON has.
    let Some(node) = Rc::get_mut(&mut value.node) else { return };
    match &mut node.kind {
        Kind::List(values) => values.iter_mut().for_each(whole_numbers),
        Kind::Map(entries) => {
            for entry in entries {
                if entry.key.item().text().is_some_and(|key| COUNTS.contains(&key)) {
                    whole_number(&mut entry.value);
                } else {
                    whole_numbers(&mut entry.value);
                }
            }
        }
        Kind::Scalar { .. } | Kind::Unknown => {}
    }
}

/// Or each of a list of steps.
fn whole_number(value: &mut Value) {
    let Some(node) = Rc::get_mut(&mut value.node) else { return };
    match &mut node.kind {
        Kind::List(values) => values.iter_mut().for_each(whole_number),
        Kind::Scalar { text, plain: true, .. } => {
            if let Some((whole, zeros)) = text.split_once('.')
                && !zeros.is_empty()
                && zeros.bytes().all(|digit| digit == b'0')
                && scalar::digits(whole).is_ok()
            {
                *text = whole.into();
            }
        }
        Kind::Scalar { .. } | Kind::Map(_) | Kind::Unknown => {}
    }
}

/// What the YAML itself has wrong, or the JSON.
fn tell(parsed: &Parsed, json: bool, report: &mut Report) {
    for secret in &parsed.secrets {
        report.sources.hide(*secret);
    }
    for problem in &parsed.problems {
        let message = match json {
            true => problem.message.replacen("not YAML", "neither JSON nor YAML", 1),
            false => problem.message.clone(),
        };
        let subject = problem.subject.iter().map(|subject| format!(" {subject}"));
        let message: String = std::iter::once(message).chain(subject).collect();
        match problem.first {
            Some(counts) if json => {
                let counts = report.position(counts);
                let note = Some(format!("the last one counts, as for Roadrunner: {counts}"));
                report.warning_with(problem.span, message, note);
            }
            Some(first) => {
                let note = format!("first at {}", report.position(first));
                report.error_noting(problem.span, message, note);
            }
            None => report.error(problem.span, message),
        }
    }
}

/// The entries of a list that must have some.
fn list<'a>(item: Item<'a>, what: &str, of: &str, report: &mut Report) -> Option<Vec<Item<'a>>> {
    if item.is_unknown() {
        return None;
    }
    if !item.is_list() {
        report.error(item, format!("{what} is a list of {of}s, not {}", item.kind()));
        return None;
    }
    let items: Vec<Item<'a>> = item.items().collect();
    if items.is_empty() {
        report.error(item, format!("{what} is empty; it needs one {of} at least"));
        return None;
    }
    Some(items)
}

fn once(
    seen: &mut HashMap<String, Span>,
    item: Item<'_>,
    text: &str,
    what: &str,
    report: &mut Report,
) {
    if let Some(first) = seen.get(text) {
        let note = format!("first at {}", report.position(*first));
        report.error_noting(item, format!("{what} {} is used twice", quoted(text)), note);
        return;
    }
    seen.insert(text.to_owned(), item.node.span);
}

/// Slots run as they are written. Whoever numbers them otherwise may have meant another order.
fn order(slots: &[Item<'_>], report: &mut Report) {
    const SHOWN: usize = 10;
    let numbers = slots.iter().filter_map(|slot| {
        let item = Fields { map: *slot }.get("slot_id")?;
        Some((item, scalar::digits(item.text()?).ok()?))
    });
    let numbers: Vec<(Item<'_>, u64)> = numbers.collect();
    if numbers.len() < slots.len() {
        return;
    }
    let step = numbers.windows(2).find(|pair| pair[0].1 > pair[1].1);
    if let Some([_, (item, _)]) = step {
        let mut shown: Vec<String> =
            numbers.iter().take(SHOWN).map(|(_, number)| number.to_string()).collect();
        if numbers.len() > SHOWN {
            shown.push("…".to_owned());
        }
        let order = shown.join(", ");
        let message = format!("slots run in the order they are written, by slot_id: {order}");
        report.warning(*item, message);
    }
}

/// A command line, which may be longer than other texts.
fn command(item: Item<'_>, report: &mut Report) -> Option<String> {
    let Some(text) = item.text() else {
        if !item.is_unknown() {
            report.error(item, format!("cmd is a command line, not {}", item.kind()));
        }
        return None;
    };
    let problem = if text.trim().is_empty() {
        "cmd is empty".to_owned()
    } else if text.len() > MAX_COMMAND {
        format!("cmd is longer than {} KiB", MAX_COMMAND >> 10)
    } else if text.contains('\0') {
        "cmd contains a NUL character, which no command line can".to_owned()
    } else {
        return Some(text.to_owned());
    };
    report.error(item, problem);
    None
}

/// Seconds, which Roadrunner's files have; or a duration, as elsewhere.
fn timeout(item: Item<'_>, what: &str, report: &mut Report) -> Option<Duration> {
    let text = fields::text(item, what, report)?.trim();
    let plain = text.bytes().all(|b| b == b'.' || b.is_ascii_digit());
    let seconds = text.parse::<f64>().ok().filter(|_| plain);
    let time = match seconds {
        Some(seconds) => Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)),
        None => scalar::duration(text),
    };
    let shown = report.show(item);
    let problem = match time {
        None => format!("{what} is a number of seconds like 90, or a time like 5m, not {shown}"),
        // The daemon counts in milliseconds.
        Some(time) if time < Duration::from_millis(1) => {
            format!("{what} is more than 0 seconds, not {shown}; leave it out to wait for ever")
        }
        Some(time) if time > LONGEST_TIMEOUT => {
            format!("{what} is {} at most, not {shown}", fields::show_duration(LONGEST_TIMEOUT))
        }
        Some(time) => return Some(time),
    };
    report.error(item, problem);
    None
}

//! One manifest -> its [`Job`]s.

mod room;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::defaults::{Defaults, KEYS};
use super::diagnostic::{is_invisible, quoted};
use super::fields::{self, Fields};
use super::hostset;
use super::nodes::Nodes;
use super::policy;
use super::report::Report;
use super::source::Span;
use super::tasks::Tasks;
use super::values::{self, Room};
use super::yaml::Item;
use crate::arg::Arg;
use crate::job::flow::FLOW;
use crate::job::{EXEC, Job, Source};
use crate::task::{self, Problem};

/// The jobs of all manifests so far, and what is needed to read the next.
pub struct Jobs<'a> {
    pub by_name: BTreeMap<String, Job>,
    /// What is not known of their tasks yet.
    pub python: Tasks,
    nodes: &'a Nodes,
    known: HashSet<&'a str>,
    defaults: &'a Defaults<'a>,
    /// Where each name was written first, and of what it is; mistaken ones included.
    places: HashMap<String, (Span, &'static str)>,
    /// What stands in `by_name` though something is wrong with it: guess nothing from it.
    doubtful: HashSet<String>,
    /// Jobs that come due every minute because nobody has said when.
    unscheduled: HashSet<String>,
    /// Jobs that stand in flows, besides those with a name of their own.
    copies: usize,
    is_full: bool,
    room: Room,
    /// How many more targets there may be.
    targets: usize,
    /// How many more bytes their texts may take.
    texts: usize,
}

impl<'a> Jobs<'a> {
    pub fn new(nodes: &'a Nodes, defaults: &'a Defaults<'a>) -> Self {
        Jobs {
            by_name: BTreeMap::new(),
            python: Tasks::default(),
            nodes,
            known: nodes.names.iter().map(String::as_str).collect(),
            defaults,
            places: HashMap::new(),
            doubtful: HashSet::new(),
            unscheduled: HashSet::new(),
            copies: 0,
            is_full: false,
            room: Room::default(),
            targets: room::MAX_TARGETS,
            texts: room::MAX_TEXTS,
        }
    }

    /// Reads the mapping under a manifest's `jobs`.
    pub fn read(&mut self, jobs: Item<'_>, file: &Path, report: &mut Report) {
        if jobs.is_null() || jobs.is_unknown() {
            return;
        }
        if !jobs.is_mapping() {
            report.error(jobs, format!("jobs is a mapping of names to jobs, not {}", jobs.kind()));
            return;
        }
        for (key, value) in jobs.entries() {
            let Some(name) = job_name(key, "job", report) else { continue };
            if !self.claim(key, &name, "job", report) {
                if self.is_full {
                    return;
                }
                continue;
            }
            let what = format!("job {}", quoted(&name));
            if value.is_null() {
                report.error(key, format!("{what} is empty; it needs \"task\" and \"targets\""));
                continue;
            }
            let Some(fields) = Fields::open(value, &what, &KEYS, report) else { continue };
            let source = Source { file: file.to_path_buf(), line: key.node.span.line };
            let Some(job) = self.job(key, &fields, name, source, report) else { continue };
            if !self.has_room(key, &job, report) {
                return;
            }
            if job.enabled && !self.defaults.say_when(&fields) {
                self.unscheduled.insert(job.name.clone());
            }
            self.by_name.insert(job.name.clone(), job);
        }
    }

    /// What it is that something of this name is written as, though it may be mistaken.
    pub fn written(&self, name: &str) -> Option<&'static str> {
        self.places.get(name).map(|(_, what)| *what)
    }

    /// Where it is written first.
    pub fn place(&self, name: &str) -> Option<Span> {
        self.places.get(name).map(|(span, _)| *span)
    }

    /// Something is wrong with it, which has been told.
    pub fn is_doubtful(&self, name: &str) -> bool {
        self.nodes.partial || self.doubtful.contains(name)
    }

    /// Whether nobody has said when the job comes due; to be asked once.
    pub fn take_unscheduled(&mut self, name: &str) -> bool {
        self.unscheduled.remove(name)
    }

    pub fn defaults(&self) -> &'a Defaults<'a> {
        self.defaults
    }

    /// One job. `owner` is where it is told what is missing.
    pub fn job<'i>(
        &mut self,
        owner: Item<'i>,
        fields: &Fields<'i>,
        name: String,
        source: Source,
        report: &mut Report,
    ) -> Option<Job> {
        let what = format!("job {}", quoted(&name));
        let told = report.told();
        let job = self.defaults.job(fields, report);
        self.room.next_job();
        let task_item = fields.require("task", owner, &what, report);
        let task = task_item.and_then(|item| fields::text(item, "task", report));
        let args = self.args(fields.get("args"), report);
        let kwargs = self.kwargs(fields.get("kwargs"), report);
        if let (Some(item), Some(task), Some(args), Some(kwargs)) =
            (task_item, task.filter(|task| !task::is_python(task)), &args, &kwargs)
        {
            for problem in task::check(task, args, kwargs) {
                report_task(problem, task, item, fields, report);
            }
        }
        let targets = fields.require("targets", owner, &what, report);
        let targets = targets.map(|item| self.targets(item, report)).unwrap_or_default();
        let description =
            fields.get("description").and_then(|i| fields::text(i, "description", report));
        let task = task?.to_string();
        let job = Job {
            name,
            description: match description {
                Some(text) => text.trim().to_string(),
                None => default_description(&task, &targets),
            },
            task,
            args: args?,
            kwargs: kwargs?,
            targets,
            source,
            ..job
        };
        policy::warn(&job, fields, report);
        if let Some(item) = task_item.filter(|_| task::is_python(&job.task)) {
            self.python.add(&job, item, fields);
        }
        if report.told() > told {
            self.doubtful.insert(job.name.clone());
        }
        Some(job)
    }

    fn args(&mut self, item: Option<Item<'_>>, report: &mut Report) -> Option<Vec<Arg>> {
        let Some(item) = item else { return Some(Vec::new()) };
        if item.is_unknown() {
            return None;
        }
        if !item.is_list() {
            report.error(item, format!("args is a list of values, not {}", item.kind()));
            return None;
        }
        item.items().map(|inner| values::read(inner, &mut self.room, report)).collect()
    }

    fn kwargs(
        &mut self,
        item: Option<Item<'_>>,
        report: &mut Report,
    ) -> Option<Vec<(String, Arg)>> {
        let Some(item) = item else { return Some(Vec::new()) };
        if item.is_unknown() {
            return None;
        }
        if !item.is_mapping() {
            report.error(
                item,
                format!("kwargs is a mapping of names to values, not {}", item.kind()),
            );
            return None;
        }
        item.entries()
            .map(|(key, value)| {
                let name = fields::text(key, "the name of an argument", report)?;
                Some((name.to_string(), values::read(value, &mut self.room, report)?))
            })
            .collect()
    }

    /// Names, host sets and `@tag`s -> names, each once, in the order written.
    fn targets(&mut self, item: Item<'_>, report: &mut Report) -> Vec<String> {
        let mut targets = Vec::new();
        let mut seen = HashSet::new();
        let written = fields::texts(item, "targets", report);
        if written.is_empty() && (item.is_list() && item.items().next().is_none()) {
            report.warning(item, "the job has no targets; it will run nowhere");
        }
        for (item, text) in written {
            let (names, count) = self.target(item, text, report);
            if !self.has_room_for_targets(item, count, report) {
                break;
            }
            for name in names {
                if seen.insert(name.clone()) {
                    targets.push(name);
                }
            }
        }
        targets
    }

    /// The names of nodes, and how many names were written, unknown ones included.
    fn target(&self, item: Item<'_>, text: &str, report: &mut Report) -> (Vec<String>, usize) {
        if let Some(tag) = text.strip_prefix('@') {
            return match self.nodes.tagged.get(tag) {
                Some(names) => (names.clone(), names.len()),
                None => {
                    if !self.nodes.partial {
                        let hint =
                            report.hints.nearest(tag, self.nodes.tagged.keys().map(String::as_str));
                        let hint = hint.map(|t| format!("; did you mean \"@{t}\"?"));
                        let message = format!("no node has the tag {}", quoted(tag));
                        report.error(item, message + &hint.unwrap_or_default());
                    }
                    (Vec::new(), 1)
                }
            };
        }
        let names = match hostset::expand(text) {
            Ok(names) => names,
            Err(e) => {
                let place = report.within(item, e.span);
                report.error(place, format!("host set {}: {}", quoted(text), e.message));
                return (Vec::new(), 1);
            }
        };
        let count = names.len();
        let (known, unknown): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| self.known.contains(name.as_str()));
        if let Some(first) = unknown.first().filter(|_| !self.nodes.partial) {
            let hint = report.hints.did_you_mean(first, self.known.iter().copied());
            let of = if first == text { String::new() } else { format!(" (of {})", quoted(text)) };
            let more = match unknown.len() {
                1 => String::new(),
                more => format!(", nor {} more", more - 1),
            };
            report.error(item, format!("unknown node {}{of}{more}{hint}", quoted(first)));
        }
        (known, count)
    }
}

/// A name that a job or a flow may have; `what` it is of.
pub fn job_name(key: Item<'_>, what: &str, report: &mut Report) -> Option<String> {
    let name = fields::text(key, &format!("the name of a {what}"), report)?;
    let problem = if name.is_empty() {
        "is empty"
    } else if name.contains(|c: char| c.is_control() || is_invisible(c)) {
        "contains a control character"
    } else if name.trim() != name {
        "begins or ends with a blank"
    } else if name == EXEC || name.split('/').next() == Some(FLOW) {
        "is what runs of no job are called"
    } else if name.len() > 200 {
        "is longer than 200 bytes"
    } else {
        return Some(name.to_string());
    };
    report.error(key, format!("the name of a {what} {problem}: {}", quoted(name)));
    None
}

fn default_description(task: &str, targets: &[String]) -> String {
    const NAMED: usize = 5;
    let mut names = targets.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if targets.len() > NAMED {
        names.push_str(&format!(" and {} more", targets.len() - NAMED));
    }
    if names.is_empty() { task.to_string() } else { format!("{task} on {names}") }
}

/// Puts the caret under the argument that the task does not like.
fn report_task(
    problem: Problem,
    task: &str,
    task_item: Item<'_>,
    fields: &Fields<'_>,
    report: &mut Report,
) {
    match problem {
        Problem::Unknown { suggestions } => {
            let hint = match suggestions.is_empty() {
                // What `fab` took, which knew the module from elsewhere.
                true if !task.contains('.') => {
                    "; a Python task is named with its module, as in \"fabfile.deploy\"".into()
                }
                true => String::new(),
                false => {
                    let named: Vec<_> = suggestions.iter().map(|s| quoted(s)).collect();
                    format!("; did you mean {}?", named.join(" or "))
                }
            };
            report.error(task_item, format!("unknown task {}{hint}", quoted(task)));
        }
        Problem::Kwarg { name, message } => {
            let kwargs = fields.get("kwargs");
            let key = kwargs.and_then(|map| map.entries().find(|(k, _)| k.text() == Some(&name)));
            report.error(key.map(|(key, _)| key).or(kwargs).unwrap_or(task_item), message);
        }
        Problem::Arg { index, message } => {
            let args = fields.get("args");
            let arg = args.and_then(|list| list.items().nth(index));
            report.error(arg.or(args).unwrap_or(task_item), message);
        }
        Problem::Call { message } => report.error(task_item, message),
    }
}

//! Whether the Python tasks of all jobs are there and take what they are given.
//!
//! Jobs are gathered while the manifests are read and asked about together: one process for each
//! interpreter and path, however many jobs there are. What is wrong is told at the place in the
//! manifest where it was written. Who answers is the caller's choice.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::diagnostic::quoted;
use super::fields::Fields;
use super::report::{Place, Report};
use super::source::plain;
use super::trust::Trust;
use super::yaml::Item;
use crate::inspect::{About, Answer, Ask, Call, Found, Problem, Question, Verdict};
use crate::job::{Job, Source};
use crate::task;

/// Of all questions together; a load has twice that.
pub const TIME_LIMIT: Duration = Duration::from_secs(30);

/// So many arguments of a call can be pointed at.
const MAX_PLACES: usize = 50;
/// So many suggestions are made.
const MAX_NEAR: usize = 3;

/// Answers a question within so much time.
pub type Asking<'a> = &'a mut dyn FnMut(&Question, Duration) -> io::Result<Answer>;

/// The calls of Python tasks so far.
#[derive(Debug, Default)]
pub struct Tasks {
    groups: Vec<Group>,
    by_python: HashMap<(String, Vec<PathBuf>, &'static str), usize>,
    jobs: usize,
}

/// All that one interpreter is asked.
#[derive(Debug)]
struct Group {
    question: Question,
    calls: Vec<Call>,
    known: HashMap<Call, usize>,
    jobs: Vec<Written>,
}

/// A job's call, and where it is written.
#[derive(Debug)]
struct Written {
    job: String,
    call: usize,
    task: Place,
    /// The job's own interpreter.
    python: Option<Place>,
    args: Vec<Place>,
    kwargs: Vec<Place>,
}

impl Tasks {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.jobs
    }

    /// A job whose task is Python's.
    pub fn add(&mut self, job: &Job, task: Item<'_>, fields: &Fields<'_>) {
        let python = &job.python;
        let bridge = python.bridge.as_str();
        let key = (python.interpreter.clone(), python.path.clone(), bridge);
        let at = *self.by_python.entry(key).or_insert_with(|| {
            self.groups.push(Group {
                question: Question {
                    interpreter: python.interpreter.clone(),
                    path: python.path.clone(),
                    bridge: bridge.to_owned(),
                    ask: Ask::Tasks,
                },
                calls: Vec::new(),
                known: HashMap::new(),
                jobs: Vec::new(),
            });
            self.groups.len() - 1
        });
        let group = &mut self.groups[at];
        let call = Call {
            task: job.task.clone(),
            args: job.args.len(),
            kwargs: job.kwargs.iter().map(|(name, _)| name.clone()).collect(),
        };
        let call = *group.known.entry(call.clone()).or_insert_with(|| {
            group.calls.push(call);
            group.calls.len() - 1
        });
        let args = fields.get("args").into_iter().flat_map(Item::items);
        let kwargs = fields.get("kwargs").into_iter().flat_map(Item::entries);
        self.jobs += 1;
        group.jobs.push(Written {
            job: job.name.clone(),
            call,
            task: task.into(),
            python: fields.get("python").map(Place::from),
            args: args.take(MAX_PLACES).map(Place::from).collect(),
            kwargs: kwargs.take(MAX_PLACES).map(|(key, _)| key.into()).collect(),
        });
    }

    /// Asks, tells what is wrong, and returns where the task of each job is defined. `python`: where
    /// the interpreter of all jobs is named, and which it is.
    pub fn check(
        self,
        ask: Asking<'_>,
        python: Option<(Place, &str)>,
        trust: &mut Trust,
        report: &mut Report,
    ) -> BTreeMap<String, Source> {
        let end = Instant::now() + TIME_LIMIT;
        let mut sources = BTreeMap::new();
        for mut group in self.groups {
            group.question.ask = Ask::Calls(std::mem::take(&mut group.calls));
            trust.directories(&group.question.path, report);
            trust.interpreter(&group.question.interpreter, report);
            if trust.refuses() {
                // Whoever wrote that may have named the interpreter, which is run to be asked.
                continue;
            }
            let left = end.saturating_duration_since(Instant::now());
            let answer = match left.is_zero() {
                true => Err(io::Error::other("looking for those of other jobs took too long")),
                false => ask(&group.question, left),
            };
            match answer {
                Ok(Answer::Calls(verdicts)) => group.tell(&verdicts, &mut sources, trust, report),
                Ok(Answer::NoInterpreter(message)) => {
                    let place = python.filter(|(_, name)| *name == group.question.interpreter);
                    let own = group.jobs.iter().find_map(|job| job.python);
                    let at = own.or(place.map(|(place, _)| place)).unwrap_or(group.jobs[0].task);
                    report.error_with(at, message, others(group.jobs.len()));
                }
                Ok(Answer::Tasks { .. }) => {
                    group.unchecked("the answer is to something else", report)
                }
                Err(error) => group.unchecked(&plain(&error), report),
            }
        }
        sources
    }
}

impl Group {
    fn tell(
        &self,
        verdicts: &[Verdict],
        sources: &mut BTreeMap<String, Source>,
        trust: &mut Trust,
        report: &mut Report,
    ) {
        let Ask::Calls(calls) = &self.question.ask else { return };
        let found = verdicts.iter().filter_map(|verdict| verdict.found.as_ref());
        let files = verdicts.iter().flat_map(|verdict| &verdict.files);
        for file in files.chain(found.map(|found| &found.file)) {
            trust.module(file, &self.question.path, report);
        }
        let mut concerned = concerned(&self.jobs, verdicts);
        for job in &self.jobs {
            let (Some(verdict), Some(call)) = (verdicts.get(job.call), calls.get(job.call)) else {
                continue;
            };
            for problem in &verdict.problems {
                let note = match problem.about {
                    About::Module => match concerned.remove(problem.message.as_str()) {
                        Some(jobs) => others(jobs),
                        None => continue,
                    },
                    About::Task | About::Arg(_) | About::Kwarg(_) => None,
                };
                job.tell(problem, verdict.found.as_ref(), call, note, report);
            }
            if let Some(Found { file, line, .. }) = &verdict.found {
                sources.insert(job.job.clone(), Source { file: file.clone(), line: *line });
            }
        }
    }

    /// Nothing is known of them; that is no reason to refuse them.
    fn unchecked(&self, why: &str, report: &mut Report) {
        let task = match &self.question.ask {
            Ask::Calls(calls) => calls.first().map(|call| quoted(&call.task)),
            Ask::Tasks => None,
        };
        let message = format!("task {} could not be looked for: {why}", task.unwrap_or_default());
        report.warning_with(self.jobs[0].task, message, others(self.jobs.len()));
    }
}

/// How many jobs each problem of a module is about: it is told once, at the first of them.
fn concerned<'a>(jobs: &[Written], verdicts: &'a [Verdict]) -> HashMap<&'a str, usize> {
    let mut concerned = HashMap::new();
    for verdict in jobs.iter().filter_map(|job| verdicts.get(job.call)) {
        let of_module = verdict.problems.iter().filter(|one| one.about == About::Module);
        let messages: HashSet<&str> = of_module.map(|one| one.message.as_str()).collect();
        for message in messages {
            *concerned.entry(message).or_insert(0) += 1;
        }
    }
    concerned
}

/// How many of so many jobs there are besides the one at which it is told.
fn others(jobs: usize) -> Option<String> {
    match jobs {
        0 | 1 => None,
        2 => Some("it concerns one more job".to_owned()),
        jobs => Some(format!("it concerns {} more jobs", jobs - 1)),
    }
}

impl Written {
    fn tell(
        &self,
        problem: &Problem,
        found: Option<&Found>,
        call: &Call,
        others: Option<String>,
        report: &mut Report,
    ) {
        let at = match &problem.about {
            About::Task | About::Module => None,
            About::Arg(index) => self.args.get(*index),
            About::Kwarg(name) => {
                let at = call.kwargs.iter().position(|known| known == name);
                at.and_then(|at| self.kwargs.get(at))
            }
        };
        let at = *at.unwrap_or(&self.task);
        let place = || found.map(|f| format!("the task is in {}:{}", f.file.display(), f.line));
        let note = others.or_else(place);
        if problem.uncertain {
            return report.warning_with(at, problem.message.clone(), note);
        }
        let mut near = problem.near.clone();
        if found.is_none() {
            // A native task may have been meant as well.
            for problem in task::check(&call.task, &[], &[]) {
                if let task::Problem::Unknown { suggestions } = problem {
                    near.extend(suggestions);
                }
            }
        }
        report.error_with(at, problem.message.clone() + &hint(&near), note);
    }
}

fn hint(near: &[String]) -> String {
    let mut named: Vec<String> = Vec::new();
    for one in near.iter().map(|one| quoted(one)) {
        if named.len() < MAX_NEAR && !named.contains(&one) {
            named.push(one);
        }
    }
    match named.is_empty() {
        true => String::new(),
        false => format!("; did you mean {}?", named.join(" or ")),
    }
}

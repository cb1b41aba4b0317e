//! What there is to be listed: the native tasks, the Python ones of a configuration, and the jobs
//! that use them. Python modules are asked about, never run.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::example;
use crate::config::Config;
use crate::inspect::{self, Answer, Ask, Call, Found, Question, Unread};
use crate::job::Job;
use crate::python::Python;
use crate::task::{self, Default, Form, TASKS, Task};

/// All that is told of a task, also as JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    pub task: String,
    /// Other paths for it.
    pub aliases: Vec<&'static str>,
    pub native: bool,
    /// Of a Python task: where it is defined.
    pub file: Option<PathBuf>,
    pub line: Option<u32>,
    pub signature: String,
    /// Of a native task Markdown, else the docstring.
    pub doc: Option<String>,
    /// One line.
    pub summary: Option<String>,
    /// `None` where it is not known.
    pub params: Option<Vec<Param>>,
    /// The lines of a job that calls it, from `task:` on.
    pub example: String,
    pub jobs: Vec<Usage>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Param {
    /// Of a Python task with its stars.
    pub name: String,
    pub required: bool,
    /// As it is written: in a native task's signature, or in Python.
    pub default: Option<String>,
    pub takes: Option<String>,
    pub doc: Option<String>,
}

/// A job that names a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Usage {
    pub job: String,
    pub file: PathBuf,
    pub line: u32,
}

pub struct Catalog {
    /// The native ones first, then file by file.
    pub entries: Vec<Entry>,
    /// The configuration, if there is one.
    pub file: Option<PathBuf>,
    /// What could not be read, a sentence each.
    pub troubles: Vec<String>,
    unread: Vec<Unread>,
}

impl Catalog {
    pub fn native() -> Catalog {
        let entries = TASKS.iter().map(Entry::native).collect();
        Catalog { entries, file: None, troubles: Vec::new(), unread: Vec::new() }
    }

    /// Adds what this configuration has and uses.
    pub fn configured(&mut self, config: &Config) {
        self.file = Some(config.settings.file.clone());
        for entry in &mut self.entries {
            let uses = |job: &&Job| entry.paths().any(|path| path == job.task);
            entry.jobs = config.with_tasks().filter(uses).map(Usage::of).collect();
        }
        for python in pythons(config) {
            match inspect::ask(&question(python, Ask::Tasks)) {
                Ok(answer) => self.answered(answer, python, config),
                Err(e) => self.trouble(format!("Python tasks cannot be listed: {e}")),
            }
        }
        self.tell_unread();
        let native = TASKS.len();
        self.entries[native..].sort_by(|a, b| (a.module(), a.line).cmp(&(b.module(), b.line)));
    }

    /// What no interpreter could read: a job may name the one for it.
    fn tell_unread(&mut self) {
        for module in std::mem::take(&mut self.unread) {
            if self.entries.iter().any(|entry| entry.file.as_ref() == Some(&module.file)) {
                continue;
            }
            let mut place = module.file.display().to_string();
            if module.line > 0 {
                place += &format!(":{}", module.line);
            }
            self.trouble(format!("{place}: {}", module.message));
        }
    }

    fn answered(&mut self, answer: Answer, python: &Python, config: &Config) {
        match answer {
            Answer::Tasks { tasks, unread } => {
                for found in tasks {
                    self.found(&found, python, config);
                }
                self.unread.extend(unread);
            }
            Answer::NoInterpreter(why) => self.trouble(why),
            Answer::Calls(_) => self.trouble("Python's answer is to another question".into()),
        }
    }

    /// What several interpreters find in the same file is one task.
    fn found(&mut self, found: &Found, python: &Python, config: &Config) {
        let jobs = uses(&found.task, python, config);
        let is_same = |entry: &&mut Entry| {
            entry.task == found.task && entry.file.as_ref() == Some(&found.file)
        };
        match self.entries.iter_mut().find(is_same) {
            Some(entry) => entry.jobs.extend(jobs),
            None => self.entries.push(Entry::python(found, jobs)),
        }
    }

    fn trouble(&mut self, sentence: String) {
        if !self.troubles.contains(&sentence) {
            self.troubles.push(sentence);
        }
    }
}

/// A task that no list has, since nothing but a job says that it is one.
pub fn called(config: &Config, name: &str) -> Option<Entry> {
    let call = Call { task: name.to_owned(), args: 0, kwargs: Vec::new() };
    pythons(config).into_iter().filter(|_| name.contains('.')).find_map(|python| {
        let asked = inspect::ask(&question(python, Ask::Calls(vec![call.clone()])));
        let Ok(Answer::Calls(verdicts)) = asked else { return None };
        let found = verdicts.into_iter().next()?.found?;
        Some(Entry::python(&found, uses(name, python, config)))
    })
}

/// Each way of running Python once, the one of the configuration first.
fn pythons(config: &Config) -> Vec<&Python> {
    let of_jobs = config.with_tasks().filter(|job| !task::is_native(&job.task));
    let all = std::iter::once(&config.settings.python).chain(of_jobs.map(|job| &job.python));
    let mut each: Vec<&Python> = Vec::new();
    for python in all {
        if !each.iter().any(|known| is_same(known, python)) {
            each.push(python);
        }
    }
    each
}

/// Whether both find the same tasks.
fn is_same(one: &Python, other: &Python) -> bool {
    let of = |python: &Python| (python.interpreter.clone(), python.path.clone(), python.bridge);
    of(one) == of(other)
}

fn question(python: &Python, ask: Ask) -> Question {
    Question {
        interpreter: python.interpreter.clone(),
        path: python.path.clone(),
        bridge: python.bridge.as_str().into(),
        ask,
    }
}

fn uses(task: &str, python: &Python, config: &Config) -> Vec<Usage> {
    let jobs = config.with_tasks().filter(|job| job.task == task);
    jobs.filter(|job| is_same(&job.python, python)).map(Usage::of).collect()
}

impl Usage {
    fn of(job: &Job) -> Usage {
        Usage { job: job.name.clone(), file: job.source.file.clone(), line: job.source.line }
    }
}

impl Entry {
    fn native(task: &'static Task) -> Entry {
        Entry {
            task: task.path.into(),
            aliases: task.aliases.to_vec(),
            native: true,
            file: None,
            line: None,
            signature: task.to_string(),
            doc: Some(task.long.into()),
            summary: Some(task.doc.into()),
            params: Some(task.params.iter().map(Param::native).collect()),
            example: task.example.into(),
            jobs: Vec::new(),
        }
    }

    fn python(found: &Found, jobs: Vec<Usage>) -> Entry {
        let doc = found.doc.as_deref().map(str::trim).filter(|doc| !doc.is_empty());
        Entry {
            task: found.task.clone(),
            aliases: Vec::new(),
            native: false,
            file: Some(found.file.clone()),
            line: Some(found.line),
            signature: example::signature(found),
            doc: doc.map(str::to_owned),
            summary: doc.and_then(|doc| doc.lines().next()).map(|line| line.trim().to_owned()),
            params: found.params.as_deref().map(Param::python),
            example: example::job(found),
            jobs,
        }
    }

    /// All it can be called by.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.task.as_str()).chain(self.aliases.iter().copied())
    }

    /// The Python module that has it, and its file.
    pub fn module(&self) -> Option<(&str, &Path)> {
        let module = self.task.rsplit_once('.').map_or("", |(module, _)| module);
        self.file.as_deref().map(|file| (module, file))
    }
}

impl Param {
    fn native(param: &task::Param) -> Param {
        let default = match param.default {
            Default::Required => None,
            given @ (Default::Absent
            | Default::Flag(_)
            | Default::Text(_)
            | Default::Seconds(_)) => Some(given),
        };
        let star = if param.form == Form::Rest { "*" } else { "" };
        Param {
            name: format!("{star}{}", param.name),
            required: default.is_none(),
            default: default.map(|default| default.to_string()),
            takes: Some(param.takes()),
            doc: Some(param.doc.into()),
        }
    }

    fn python(params: &[inspect::Param]) -> Vec<Param> {
        let named = params.iter().filter(|param| !matches!(param.name.as_str(), "*" | "/"));
        let param = |param: &inspect::Param| Param {
            name: param.name.clone(),
            required: param.default.is_none() && !param.name.starts_with('*'),
            default: param.default.clone(),
            takes: None,
            doc: None,
        };
        named.map(param).collect()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// One that takes a version, by place, and says so.
    pub fn found(task: &str) -> Found {
        let param = |name: &str, default: Option<&str>| inspect::Param {
            name: name.into(),
            default: default.map(str::to_owned),
        };
        Found {
            task: task.into(),
            file: "/srv/loom/deploy.py".into(),
            line: 12,
            params: Some(vec![param("version", None), param("restart", Some("True"))]),
            doc: Some("Puts a version there.\n\nAnd starts it.".into()),
        }
    }

    pub fn python(task: &str) -> Entry {
        Entry::python(&found(task), Vec::new())
    }

    #[test]
    fn a_native_task_is_told_from_the_table() {
        let catalog = Catalog::native();
        assert_eq!(catalog.entries.len(), TASKS.len());
        let last = &catalog.entries.last().unwrap();
        assert_eq!(last.signature, "loom.system.add_sshfs_mount(*mounts, become=false)");
        let params = last.params.as_ref().unwrap();
        assert_eq!((params[0].name.as_str(), params[0].required), ("*mounts", true));
        assert_eq!(params[1].default.as_deref(), Some("false"));
        assert!(params[0].takes.as_ref().unwrap().starts_with("each a mapping"), "{params:?}");
    }

    #[test]
    fn a_python_task_is_told_from_its_source() {
        let entry = python("deploy.release");
        assert_eq!(entry.signature, "deploy.release(version, restart=True)");
        assert_eq!(entry.summary.as_deref(), Some("Puts a version there."));
        assert_eq!(entry.module(), Some(("deploy", Path::new("/srv/loom/deploy.py"))));
        let json = serde_json::to_value(&entry).unwrap();
        assert_eq!(json["params"][1]["default"], "True");
        assert_eq!((&json["line"], &json["native"]), (&12.into(), &false.into()));
    }

    #[test]
    fn what_two_interpreters_find_in_one_file_is_one_task() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("loom.yaml", "nodesfile: nodes.yaml\njobspath: .\n");
        write("nodes.yaml", "n1: {user: root}\n");
        let job = "{task: loom.run, args: [a], targets: n1";
        write("jobs.yaml", &format!("jobs:\n  a: {job}}}\n  b: {job}, python: python2.7}}\n"));
        let loaded = crate::config::load(dir.path().join("loom.yaml").to_str().unwrap()).unwrap();
        let mut config = loaded.config;
        for job in config.jobs.values_mut() {
            job.task = "deploy.release".into();
        }
        assert_eq!(pythons(&config).len(), 2, "the one of all, and the one of b");
        let mut catalog = Catalog::native();
        for python in pythons(&config) {
            let tasks = vec![found("deploy.release")];
            catalog.answered(Answer::Tasks { tasks, unread: Vec::new() }, python, &config);
        }
        let entries = &catalog.entries[TASKS.len()..];
        assert_eq!(entries.len(), 1);
        let jobs: Vec<&str> = entries[0].jobs.iter().map(|usage| usage.job.as_str()).collect();
        assert_eq!(jobs, ["a", "b"]);
    }

    #[test]
    fn a_module_is_unread_only_if_no_interpreter_reads_it() {
        let unread = |file: &str| Unread { file: file.into(), line: 2, message: "is odd".into() };
        let mut catalog = Catalog::native();
        catalog.entries.push(Entry::python(&found("deploy.release"), Vec::new()));
        catalog.unread = vec![unread("/srv/loom/deploy.py"), unread("/srv/loom/broken.py")];
        catalog.tell_unread();
        assert_eq!(catalog.troubles, ["/srv/loom/broken.py:2: is odd"]);
    }
}

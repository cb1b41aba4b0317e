//! What became of each call under a bridge, and how two of these compare.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// The file of calls, as far as libraries.py does not read it.
pub struct Calls {
    /// Functions that are not called, and why.
    pub left_out: BTreeMap<String, String>,
    /// Calls that are known to come out differently, and why.
    pub differ: BTreeMap<String, String>,
    /// Files of the node that are known to be others at the end, and why.
    pub files: BTreeMap<String, String>,
}

impl Calls {
    pub fn read(path: &Path) -> Calls {
        let text = fs::read_to_string(path).unwrap();
        let mut calls =
            Calls { left_out: BTreeMap::new(), differ: BTreeMap::new(), files: BTreeMap::new() };
        let mut reason = None;
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(rest) = line.strip_prefix("- ") {
                let (name, reason) = rest.split_once(": ").expect("- NAME: REASON");
                calls.left_out.insert(name.into(), reason.into());
            } else if let Some(rest) = line.strip_prefix("~ ") {
                let (path, reason) = rest.split_once(": ").expect("~ PATH: REASON");
                calls.files.insert(path.into(), reason.into());
            } else if let Some(rest) = line.strip_prefix("! ") {
                reason = Some(rest.to_owned());
            } else if let Some(reason) = reason.take() {
                calls.differ.insert(line.trim().into(), reason);
            }
        }
        calls
    }
}

/// Of a library, under a bridge.
pub struct Outcomes {
    functions: BTreeSet<String>,
    calls: Vec<Made>,
    changes: BTreeMap<String, String>,
}

pub struct Made {
    call: String,
    function: String,
    end: String,
    /// Returned, or said by what was raised.
    value: Value,
    /// How the node's programs were called.
    reached: Value,
}

impl Outcomes {
    pub fn read(report: &Path, changes: Vec<(String, String)>) -> Outcomes {
        let text = fs::read_to_string(report).unwrap();
        let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let head = lines.next().expect("the task wrote nothing");
        let functions = head["functions"].as_array().unwrap().iter().map(text_of).collect();
        let calls = lines.map(|line| Made {
            call: text_of(&line["call"]),
            function: text_of(&line["function"]),
            end: text_of(&line["end"]),
            value: line["value"].clone(),
            reached: line["reached"].clone(),
        });
        Outcomes { functions, calls: calls.collect(), changes: changes.into_iter().collect() }
    }
}

pub struct Comparison {
    pub library: &'static str,
    pub version: &'static str,
    calls: Calls,
    loom: Outcomes,
    classic: Outcomes,
}

/// The figures of a library.
pub struct Figures {
    pub functions: usize,
    pub called: usize,
    pub calls: usize,
    /// Returned, raised or exited alike.
    pub same_class: usize,
    /// And with the same value, and the same programs called on the node.
    pub identical: usize,
    /// Files of the node that were changed.
    pub files: usize,
    pub same_files: usize,
}

impl Comparison {
    pub fn new(
        library: &'static str,
        version: &'static str,
        calls: Calls,
        loom: Outcomes,
        classic: Outcomes,
    ) -> Comparison {
        Comparison { library, version, calls, loom, classic }
    }

    fn pairs(&self) -> impl Iterator<Item = (&Made, &Made)> {
        assert_eq!(self.loom.calls.len(), self.classic.calls.len(), "not all calls were made");
        self.loom.calls.iter().zip(&self.classic.calls)
    }

    /// The calls that came out differently, and the reason if there is a known one.
    pub fn different(&self) -> Vec<(&str, Option<&str>)> {
        let different = self.pairs().filter(|(loom, classic)| !identical(loom, classic));
        different
            .map(|(loom, _)| {
                let reason = self.calls.differ.get(&loom.call).map(String::as_str);
                (loom.call.as_str(), reason)
            })
            .collect()
    }

    /// The files that were not alike at the end, and the reason if there is a known one.
    pub fn different_files(&self) -> Vec<(&str, Option<&str>)> {
        let reason = |path: &String| self.calls.files.get(path).map(String::as_str);
        self.other_files().into_iter().map(|path| (path.as_str(), reason(path))).collect()
    }

    pub fn left_out(&self) -> impl Iterator<Item = (&str, &str)> {
        self.calls.left_out.iter().map(|(name, reason)| (name.as_str(), reason.as_str()))
    }

    pub fn figures(&self) -> Figures {
        let called: BTreeSet<&String> = self.loom.calls.iter().map(|made| &made.function).collect();
        let files = self.files();
        Figures {
            functions: self.classic.functions.len(),
            called: called.iter().filter(|name| self.classic.functions.contains(**name)).count(),
            calls: self.classic.calls.len(),
            same_class: self.pairs().filter(|(loom, classic)| loom.end == classic.end).count(),
            identical: self.pairs().filter(|(loom, classic)| identical(loom, classic)).count(),
            files: files.len(),
            same_files: files.len() - self.other_files().len(),
        }
    }

    fn files(&self) -> BTreeSet<&String> {
        self.loom.changes.keys().chain(self.classic.changes.keys()).collect()
    }

    fn other_files(&self) -> Vec<&String> {
        let other =
            |path: &&String| self.loom.changes.get(*path) != self.classic.changes.get(*path);
        self.files().into_iter().filter(other).collect()
    }

    /// For the one who reads the test's output.
    pub fn told(&self) -> String {
        let figures = self.figures();
        format!(
            "{} {}: {} of {} functions, {} calls, {} with the same result class, {} identical; \
             {} files changed, {} alike\n",
            self.library,
            self.version,
            figures.called,
            figures.functions,
            figures.calls,
            figures.same_class,
            figures.identical,
            figures.files,
            figures.same_files,
        )
    }

    /// All that is not as the file of calls says.
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (loom, classic) in self.pairs() {
            let known = self.calls.differ.contains_key(&loom.call);
            match (identical(loom, classic), known) {
                (true, true) => wrong.push(format!("{} does not differ any more\n", loom.call)),
                (false, false) => wrong.push(told_apart(loom, classic)),
                (true, false) | (false, true) => {}
            }
        }
        let called: BTreeSet<&String> = self.loom.calls.iter().map(|made| &made.function).collect();
        for name in &self.classic.functions {
            match (called.contains(name), self.calls.left_out.contains_key(name)) {
                (false, false) => wrong.push(format!("{name} is neither called nor left out\n")),
                (true, true) => wrong.push(format!("{name} is called, and said to be left out\n")),
                (true, false) | (false, true) => {}
            }
        }
        let other = self.other_files();
        for path in self.calls.files.keys().filter(|path| !other.contains(path)) {
            wrong.push(format!("{path} does not differ any more\n"));
        }
        for path in other.into_iter().filter(|path| !self.calls.files.contains_key(*path)) {
            let told = |side: &Outcomes| {
                side.changes.get(path).map_or("as it was".into(), |what| what.replace('\t', " "))
            };
            let (loom, classic) = (told(&self.loom), told(&self.classic));
            wrong.push(format!("{path}\n    loom:        {loom}\n    fab-classic: {classic}\n"));
        }
        wrong
    }
}

fn identical(loom: &Made, classic: &Made) -> bool {
    (&loom.end, &loom.value, &loom.reached) == (&classic.end, &classic.value, &classic.reached)
}

fn told_apart(loom: &Made, classic: &Made) -> String {
    let mut told = format!("{}\n", loom.call);
    for (name, made) in [("loom:       ", loom), ("fab-classic:", classic)] {
        writeln!(told, "    {name} {} {} {}", made.end, made.value, made.reached).unwrap();
    }
    told
}

fn text_of(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

//! The hosts of a job: names, host sets and `@tag`s -> names, held against the nodes there are.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::config::diagnostic::quoted;
use crate::config::fields;
use crate::config::hostset;
use crate::config::nodes::host_problem;
use crate::config::report::Report;
use crate::config::yaml::Item;
use crate::job::flow::MAX_UNITS;

/// What a host may be called.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hosts<'a> {
    /// Each node with its tags; `None`: nobody knows, and no name is wrong.
    pub nodes: Option<&'a BTreeMap<String, Vec<String>>>,
    /// One that is no node is taken with the defaults.
    pub any: bool,
}

#[derive(Default)]
pub struct Names<'k> {
    hosts: Hosts<'k>,
    /// By tag, the nodes that have it.
    tagged: BTreeMap<&'k str, Vec<&'k str>>,
    /// How many names there were so far, as they are written.
    count: usize,
    /// Hosts that are no nodes.
    pub strangers: BTreeSet<String>,
}

impl<'k> Names<'k> {
    pub fn new(hosts: Hosts<'k>) -> Names<'k> {
        let mut tagged: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, tags) in hosts.nodes.into_iter().flatten() {
            for tag in tags {
                tagged.entry(tag).or_default().push(name);
            }
        }
        Names { hosts, tagged, ..Names::default() }
    }

    /// Without, what a name stands for is not known either.
    pub fn are_known(&self) -> bool {
        self.hosts.nodes.is_some()
    }

    /// As written, and the names that it stands for, each once; `None` after it has reported.
    pub fn targets(
        &mut self,
        item: Item<'_>,
        report: &mut Report,
    ) -> Option<(Vec<String>, Vec<String>)> {
        let before = report.errors();
        let written = fields::texts(item, "hosts", report);
        if written.is_empty() && report.errors() == before {
            report.error(item, "hosts is empty; a job runs on one host at least");
        }
        let (mut targets, mut seen) = (Vec::new(), HashSet::new());
        for (item, text) in &written {
            for name in self.target(*item, text, report).unwrap_or_default() {
                if seen.insert(name.clone()) {
                    targets.push(name);
                }
            }
        }
        let written = written.into_iter().map(|(_, text)| text.to_owned()).collect();
        (report.errors() == before).then_some((written, targets))
    }

    fn target(&mut self, item: Item<'_>, text: &str, report: &mut Report) -> Option<Vec<String>> {
        // What is beyond the limit is not looked at: of a few bytes there may be ten million.
        if self.count > MAX_UNITS {
            return None;
        }
        let names = match hostset::expand(text) {
            Ok(names) => names,
            Err(e) => {
                let place = report.within(item, e.span);
                report.error(place, format!("host set {}: {}", quoted(text), e.message));
                return None;
            }
        };
        self.count += names.iter().map(|name| self.worth(name)).sum::<usize>();
        if self.count > MAX_UNITS {
            report.error(item, format!("the jobs of a flow have at most {MAX_UNITS} hosts"));
            return None;
        }
        let (mut found, mut unknown) = (Vec::new(), Vec::new());
        for name in names {
            match (name.strip_prefix('@'), self.hosts.nodes) {
                (Some(tag), Some(_)) => found.extend(self.tagged(item, tag, report)?),
                (None, Some(nodes)) if !nodes.contains_key(&name) => unknown.push(name),
                (Some(_), None) | (None, Some(_) | None) => found.push(name),
            }
        }
        if !unknown.is_empty() && !self.hosts.any {
            self.tell_unknown(item, text, &unknown, report);
            return None;
        }
        for name in unknown {
            if let Some(problem) = host_problem(&name) {
                report.error(item, format!("host {} {problem}", quoted(&name)));
                return None;
            }
            self.strangers.insert(name.clone());
            found.push(name);
        }
        Some(found)
    }

    /// How many hosts a name stands for.
    fn worth(&self, name: &str) -> usize {
        let tagged = name.strip_prefix('@').and_then(|tag| self.tagged.get(tag));
        tagged.map_or(1, Vec::len)
    }

    fn tagged(&self, item: Item<'_>, tag: &str, report: &mut Report) -> Option<Vec<String>> {
        if let Some(names) = self.tagged.get(tag) {
            return Some(names.iter().map(|name| (*name).to_owned()).collect());
        }
        let near = report.hints.nearest(tag, self.tagged.keys().copied());
        let hint = near.map(|near| format!("; did you mean {}?", quoted(&format!("@{near}"))));
        let message = format!("no node has the tag {}", quoted(tag));
        report.error(item, message + &hint.unwrap_or_default());
        None
    }

    fn tell_unknown(&self, item: Item<'_>, text: &str, unknown: &[String], report: &mut Report) {
        let Some(first) = unknown.first() else { return };
        let known = self.hosts.nodes.into_iter().flat_map(BTreeMap::keys).map(String::as_str);
        let hint = report.hints.did_you_mean(first, known);
        let of = if first == text { String::new() } else { format!(" (of {})", quoted(text)) };
        let more = match unknown.len() {
            1 => String::new(),
            more => format!(", nor {} more", more - 1),
        };
        report.error_noting(
            item,
            format!("unknown node {}{of}{more}{hint}", quoted(first)),
            "with --any-host, hosts that are no nodes are taken with the defaults",
        );
    }
}

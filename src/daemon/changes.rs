//! What a reload changed, for the log and for who asked for it. Decides nothing.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::Config;
use crate::job::{Job, Source};
use crate::node::Node;

#[derive(Debug, PartialEq, Eq)]
pub struct Changes {
    parts: Vec<String>,
}

impl Changes {
    pub fn between(old: &Config, new: &Config) -> Changes {
        let (old_jobs, old_flows) = jobs_and_flows(&old.jobs);
        let (new_jobs, new_flows) = jobs_and_flows(&new.jobs);
        let mut parts = compare("job", &old_jobs, &new_jobs);
        parts.extend(compare("flow", &old_flows, &new_flows));
        parts.extend(compare("node", &named(&old.nodes), &named(&new.nodes)));
        if old.settings != new.settings {
            parts.push("settings changed".to_owned());
        }
        Changes { parts }
    }
}

/// A manifest that merely moved, or a job further down in it, is no change.
trait Sourceless {
    fn without_source(&self) -> Self;
}

impl Sourceless for Job {
    fn without_source(&self) -> Self {
        let source = Source { file: Default::default(), line: 0 };
        let mut job = Job { source: source.clone(), ..self.clone() };
        job.flow.iter_mut().for_each(|flow| flow.each_job(|part| part.source = source.clone()));
        job
    }
}

impl Sourceless for Node {
    fn without_source(&self) -> Self {
        let source = Source { file: Default::default(), line: 0 };
        Node { source, ..self.clone() }
    }
}

type Named<'a, T> = BTreeMap<&'a str, &'a T>;

fn named<T>(all: &BTreeMap<String, T>) -> Named<'_, T> {
    all.iter().map(|(name, one)| (name.as_str(), one)).collect()
}

fn jobs_and_flows(jobs: &BTreeMap<String, Job>) -> (Named<'_, Job>, Named<'_, Job>) {
    named(jobs).into_iter().partition(|(_, job)| job.flow.is_none())
}

fn compare<T: Sourceless + PartialEq>(what: &str, old: &Named<T>, new: &Named<T>) -> Vec<String> {
    let added = new.keys().filter(|name| !old.contains_key(*name));
    let removed = old.keys().filter(|name| !new.contains_key(*name));
    let changed = new.iter().filter(|(name, value)| {
        old.get(*name).is_some_and(|old| old.without_source() != value.without_source())
    });
    let parts = [
        ("added", added.copied().collect::<Vec<&str>>()),
        ("changed", changed.map(|(name, _)| *name).collect()),
        ("removed", removed.copied().collect()),
    ];
    parts
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(how, names)| {
            let plural = if names.len() == 1 { "" } else { "s" };
            format!("{what}{plural} {how}: {}", shorten(&names))
        })
        .collect()
}

/// The first few names, and how many more there are.
fn shorten(names: &[&str]) -> String {
    const SHOWN: usize = 10;
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..SHOWN].join(", ")),
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.parts.is_empty() {
            f.write_str("nothing changed")
        } else {
            f.write_str(&self.parts.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cron::Schedule;
    use crate::job::flow::{Flow, OnFailure, Part, Then};

    fn job(name: &str, line: u32) -> Job {
        let source = Source { file: "jobs/a.yaml".into(), line };
        Job::new(name.to_owned(), "loom.run".to_owned(), Schedule::never(), source)
    }

    /// One part with a rescue, written this far down.
    fn flow(line: u32, timeout: u64) -> Job {
        let mut last = job("back", line + 2);
        last.timeout = Some(std::time::Duration::from_secs(timeout));
        let rescue = Box::new(Part { job: last, on_failure: OnFailure::Stop });
        let on_failure = OnFailure::Rescue { part: rescue, then: Then::Stop };
        let part = Part { job: job("own", line + 1), on_failure };
        Job { flow: Some(Flow { any_host: false, slots: vec![vec![part]] }), ..job("f", line) }
    }

    #[test]
    fn a_flow_that_only_moved_is_the_same() {
        assert_eq!(flow(3, 9).without_source(), flow(8, 9).without_source());
        assert_ne!(flow(3, 9).without_source(), flow(3, 8).without_source());
    }

    #[test]
    fn flows_are_called_flows() {
        let [none, some] = [Vec::new(), vec![flow(3, 9), job("a", 1), job("b", 2)]];
        let all = |jobs: &[Job]| -> BTreeMap<String, Job> {
            jobs.iter().map(|job| (job.name.clone(), job.clone())).collect()
        };
        let changes = |old: &[Job], new: &[Job]| {
            let (old, new) = (all(old), all(new));
            let (old, new) = (jobs_and_flows(&old), jobs_and_flows(&new));
            [compare("job", &old.0, &new.0), compare("flow", &old.1, &new.1)].concat()
        };
        assert_eq!(changes(&none, &some), ["jobs added: a, b", "flow added: f"]);
        assert_eq!(changes(&[flow(3, 9)], &[flow(3, 8)]), ["flow changed: f"]);
        // What was a job, and is a flow now.
        assert_eq!(changes(&[job("f", 1)], &[flow(1, 9)]), ["job removed: f", "flow added: f"]);
    }
}

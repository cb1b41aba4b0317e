//! Finding jobs and nodes by what a person types on a command line.

use std::collections::HashSet;

use super::nodes::host_problem;
use super::report::Hints;
use super::{Config, diagnostic::quoted, hostset};
use crate::job::Job;
use crate::job::flow::own_name;

/// `; did you mean "…"?`, when one of the known words is near.
pub fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    Hints::default().did_you_mean(word, known)
}

impl Config {
    /// The job of this name, or a sentence that names a near one.
    pub fn job(&self, name: &str) -> Result<&Job, String> {
        self.jobs.get(name).ok_or_else(|| {
            let hint = Hints::default().did_you_mean(name, self.jobs.keys().map(String::as_str));
            format!("there is no job {}{hint}", quoted(name))
        })
    }

    /// Every job that has a task: those of `jobs`, and those that flows hold themselves.
    pub fn with_tasks(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values().flat_map(|job| match &job.flow {
            None => vec![job],
            Some(flow) => {
                let mut seen = HashSet::new();
                let is_own = |part: &&Job| own_name(&job.name, &part.name).is_some();
                let own = flow.parts().map(|(_, part)| &part.job).filter(is_own);
                own.filter(|part| seen.insert(part.name.as_str())).collect()
            }
        })
    }

    /// Node names, host sets and `@tag`s, separated by commas -> names, each once.
    pub fn resolve_targets(&self, text: &str) -> Result<Vec<String>, String> {
        self.resolve_hosts(text, false)
    }

    /// As [`Config::resolve_targets`]; with `any_host` a name may stand for no node.
    pub fn resolve_hosts(&self, text: &str, any_host: bool) -> Result<Vec<String>, String> {
        let words = hostset::expand(text).map_err(|e| format!("{}: {e}", quoted(text)))?;
        let (mut names, mut seen) = (Vec::new(), HashSet::new());
        for word in words {
            if any_host && !word.starts_with('@') && !self.nodes.contains_key(&word) {
                if let Some(why) = host_problem(&word) {
                    return Err(format!("host {} {why}", quoted(&word)));
                }
                if seen.insert(word.clone()) {
                    names.push(word);
                }
                continue;
            }
            for name in self.resolve_target(&word)? {
                if seen.insert(name.clone()) {
                    names.push(name);
                }
            }
        }
        Ok(names)
    }

    fn resolve_target(&self, word: &str) -> Result<Vec<String>, String> {
        if let Some(tag) = word.strip_prefix('@') {
            let tagged = self.nodes.values().filter(|node| node.tags.iter().any(|t| t == tag));
            let names: Vec<String> = tagged.map(|node| node.name.clone()).collect();
            if names.is_empty() {
                return Err(format!("no node has the tag {}", quoted(tag)));
            }
            return Ok(names);
        }
        if self.nodes.contains_key(word) {
            return Ok(vec![word.to_owned()]);
        }
        let hint = Hints::default().did_you_mean(word, self.nodes.keys().map(String::as_str));
        Err(format!("there is no node {}{hint}", quoted(word)))
    }
}

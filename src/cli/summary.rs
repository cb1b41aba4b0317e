//! What became of the units of a run, for the last lines on the screen: those that did not
//! succeed, each with its node and why, and how many did. On stderr, so that it never mixes with
//! output that is piped on.

use std::collections::BTreeMap;
use std::time::Duration;

use super::screen::{Paint, escape};
use crate::config::folding;

#[derive(Debug, Default)]
pub struct Summary {
    total: usize,
    succeeded: usize,
    /// By outcome: where, and why.
    others: BTreeMap<String, Vec<String>>,
}

impl Summary {
    /// Without a job where it is of none. `outcome` is for people, `failed, exit 3`; `detail` may
    /// quote what a node said.
    pub fn add(
        &mut self,
        job: Option<&str>,
        node: &str,
        success: bool,
        outcome: &str,
        detail: Option<&str>,
    ) {
        self.total += 1;
        if success {
            self.succeeded += 1;
            return;
        }
        let detail = detail.map(|detail| format!(": {}", escape(detail)));
        let job = job.map(|job| format!("{} on ", escape(job)));
        let line = job.unwrap_or_default() + &escape(node) + &detail.unwrap_or_default();
        self.others.entry(escape(outcome)).or_default().push(line);
    }

    /// Nothing was to be done.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// So many that did.
    pub fn add_successes(&mut self, number: usize) {
        self.total += number;
        self.succeeded += number;
    }

    /// On several nodes alike.
    pub fn add_alike(&mut self, job: &str, nodes: &[&str], outcome: &str, detail: Option<&str>) {
        self.add(Some(job), &folding::fold(nodes), false, outcome, detail);
        self.total += nodes.len().saturating_sub(1);
    }

    /// Every one of them; a run of no units did not succeed.
    pub fn all_succeeded(&self) -> bool {
        self.succeeded == self.total && self.total > 0
    }

    /// `verdict`: whether it succeeded as a whole, which a job may do without every unit.
    pub fn print(&self, verdict: bool, took: Duration) {
        let paint = Paint::for_stderr();
        for (outcome, lines) in &self.others {
            for line in lines {
                eprintln!("{} {line}", paint.bad(&format!("{outcome}:")));
            }
        }
        let line = self.last_line(took);
        eprintln!("{}", if verdict { paint.good(&line) } else { paint.bad(&line) });
    }

    fn last_line(&self, took: Duration) -> String {
        // To the millisecond below a second, where that is all there is to see.
        let took = match took.as_millis() {
            millis @ ..1000 => format!("{millis}ms"),
            _ => format!("{took:.1?}"),
        };
        format!("{} of {} units succeeded in {took}", self.succeeded, self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_says_how_many_and_how_long() {
        let mut summary = Summary::default();
        summary.add(None, "a", true, "succeeded", None);
        let line = |millis| summary.last_line(Duration::from_millis(millis));
        assert_eq!(line(14), "1 of 1 units succeeded in 14ms");
        assert_eq!(line(2345), "1 of 1 units succeeded in 2.3s");
    }
}

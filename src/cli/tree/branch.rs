//! One job of a flow at its place: the run that has become of it, the last attempt on each of its
//! nodes, and what rescues it.

use std::collections::{BTreeMap, HashMap};

use crate::api::flow::{OnFailure, Part, Planned};
use crate::api::run::{Run, RunDetail, Tally};
use crate::api::unit::Unit;
use crate::cli::screen::Tone;

/// A job at its place, and what rescues it.
#[derive(Debug, Clone)]
pub struct Branch {
    pub planned: Planned,
    pub run: Option<Run>,
    /// Nodes that its run lacks, because it could not be begun there.
    pub left_out: usize,
    pub rescue: Option<Box<Branch>>,
    /// By node; `None` if nothing is known beyond the run's tally.
    leaves: Option<BTreeMap<String, Leaf>>,
}

/// The last attempt on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    unit: u64,
    pub stands: Stands,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stands {
    Waiting,
    Running,
    Over { outcome: String, summary: String, detail: Option<String> },
}

/// Nodes by how they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub total: usize,
    pub succeeded: usize,
    /// In whatever way: also lost.
    pub failed: usize,
    pub cancelled: usize,
    pub skipped: usize,
    pub running: usize,
}

/// How a part, with its rescue, or a slot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    ToCome,
    UnderWay,
    Good,
    Bad,
    /// In the run that this one takes up again.
    Before,
}

pub fn over(outcome: &str, summary: &str, detail: Option<&str>) -> Stands {
    let detail = detail.map(str::to_owned);
    Stands::Over { outcome: outcome.to_owned(), summary: summary.to_owned(), detail }
}

impl Branch {
    pub fn of(part: Part, parts: &mut HashMap<u64, RunDetail>) -> Branch {
        let Part { planned, run, rescued_by } = part;
        let rescue = match (rescued_by, &planned.rescue) {
            (Some(begun), _) => Some(*begun),
            (None, Some(planned)) => {
                Some(Part { planned: Planned::clone(planned), run: None, rescued_by: None })
            }
            (None, None) => None,
        };
        let detail = run.as_ref().and_then(|run| parts.remove(&run.id));
        let left_out = detail.as_ref().map_or(0, |detail| detail.gaps.len());
        let rescue = rescue.map(|rescue| Box::new(Branch::of(rescue, parts)));
        Branch { planned, run, left_out, rescue, leaves: detail.map(|detail| leaves(detail.nodes)) }
    }

    /// This run has become of it.
    pub fn begin(&mut self, run: Run) {
        (self.run, self.leaves) = (Some(run), Some(BTreeMap::new()));
    }

    /// The attempt stands so on the node; `false` if that, or what came after it, was known.
    pub fn stands(&mut self, node: &str, unit: u64, stands: Stands) -> bool {
        let leaves = self.leaves.get_or_insert_default();
        if let Some(known) = leaves.get(node) {
            let is_over = matches!(known.stands, Stands::Over { .. });
            if known.unit > unit || known.unit == unit && is_over {
                return false;
            }
        }
        leaves.insert(node.to_owned(), Leaf { unit, stands });
        true
    }

    /// Nodes where it has failed since it stood as `before`: how, and why.
    pub fn failures_since<'a>(
        &'a self,
        before: Option<&'a Branch>,
    ) -> impl Iterator<Item = (&'a str, &'a str, Option<&'a str>)> {
        self.leaves.iter().flatten().filter_map(move |(node, leaf)| {
            let (summary, detail) = leaf.failure()?;
            let was = before.and_then(|before| before.leaves.as_ref()?.get(node));
            let is_new = was.is_none_or(|was| was.unit != leaf.unit || was.failure().is_none());
            is_new.then_some((node.as_str(), summary, detail))
        })
    }

    /// It, and what rescues it, begun or not.
    pub fn chain(&self) -> impl Iterator<Item = &Branch> {
        std::iter::successors(Some(self), |branch| branch.rescue.as_deref())
    }

    pub fn counts(&self) -> Counts {
        let Some(run) = &self.run else { return Counts::default() };
        let Some(leaves) = &self.leaves else {
            let Tally { total, succeeded, failed, cancelled, lost, skipped, open: _ } = run.units;
            let [total, succeeded, failed] = [total, succeeded, failed + lost].map(|n| n as usize);
            let [cancelled, skipped] = [cancelled, skipped].map(|n| n as usize);
            return Counts { total, succeeded, failed, cancelled, skipped, running: 0 };
        };
        let total = (run.units.total as usize).max(leaves.len());
        let mut counts = Counts { total, ..Counts::default() };
        for leaf in leaves.values() {
            match &leaf.stands {
                Stands::Waiting => {}
                Stands::Running => counts.running += 1,
                Stands::Over { outcome, .. } => match outcome.as_str() {
                    "succeeded" => counts.succeeded += 1,
                    "cancelled" => counts.cancelled += 1,
                    "skipped" => counts.skipped += 1,
                    _ => counts.failed += 1,
                },
            }
        }
        counts
    }

    /// Nodes of the plan that succeeded in the run that this one takes up again.
    pub fn before(&self, is_retry: bool) -> usize {
        let Some(run) = self.run.as_ref().filter(|_| is_retry) else { return 0 };
        self.planned.targets.len().saturating_sub(run.units.total as usize + self.left_out)
    }

    /// In the order of the plan.
    fn in_order(&self) -> impl Iterator<Item = (&str, &Leaf)> {
        let leaves = self.leaves.iter().flatten();
        let places: HashMap<&str, usize> =
            self.planned.targets.iter().map(String::as_str).zip(0..).collect();
        let mut leaves: Vec<(&str, &Leaf)> = leaves.map(|(n, leaf)| (n.as_str(), leaf)).collect();
        leaves.sort_by_key(|(node, _)| places.get(node).copied().unwrap_or(usize::MAX));
        leaves.into_iter()
    }

    /// Nodes with what they ended with, and why.
    pub fn failures(&self) -> Vec<(&str, &str, Option<&str>)> {
        let failed = self.in_order().filter_map(|(node, leaf)| Some((node, leaf.failure()?)));
        failed.map(|(node, (summary, detail))| (node, summary, detail)).collect()
    }

    /// Nodes where it ended and did not succeed, in whatever way: how, and why.
    pub fn unsuccessful(&self) -> Vec<(&str, String, Option<String>)> {
        let of = |(node, leaf): (_, &Leaf)| match &leaf.stands {
            Stands::Over { outcome, .. } if outcome == "succeeded" => None,
            Stands::Over { summary, detail, .. } => Some((node, summary.clone(), detail.clone())),
            Stands::Waiting | Stands::Running => None,
        };
        self.in_order().filter_map(of).collect()
    }

    pub fn running(&self) -> Vec<&str> {
        let running = self.in_order().filter(|(_, leaf)| leaf.stands == Stands::Running);
        running.map(|(node, _)| node).collect()
    }

    /// `goes_on`: the flow, so that what is planned may still come.
    pub fn state(&self, goes_on: bool) -> State {
        let Some(run) = &self.run else { return State::ToCome };
        if !run.is_over() {
            return State::UnderWay;
        }
        let rescued = || match (&self.rescue, run.state.as_str()) {
            (Some(rescue), "failed" | "lost") => match rescue.state(goes_on) {
                State::ToCome if goes_on => State::UnderWay,
                State::ToCome | State::Before => State::Bad,
                known => known,
            },
            (Some(_) | None, _) => State::Bad,
        };
        match (run.state.as_str(), self.planned.on_failure) {
            ("succeeded", _) => State::Good,
            // On somebody's word.
            ("cancelled", _) => State::Bad,
            (_, OnFailure::Continue) => State::Good,
            (_, OnFailure::Stop) => State::Bad,
            (_, OnFailure::Rescue) => rescued(),
            (_, OnFailure::RescueAndStop) => match rescued() {
                State::UnderWay => State::UnderWay,
                State::ToCome | State::Good | State::Bad | State::Before => State::Bad,
            },
        }
    }
}

impl Leaf {
    fn of(unit: &Unit) -> Leaf {
        let stands = match unit.state.as_str() {
            "queued" => Stands::Waiting,
            "running" => Stands::Running,
            _ => {
                let outcome = unit.outcome.as_deref().unwrap_or(&unit.state);
                let detail = unit.detail.as_deref().or(unit.reason.as_deref());
                over(outcome, unit.summary.as_deref().unwrap_or(outcome), detail)
            }
        };
        Leaf { unit: unit.id, stands }
    }

    fn failure(&self) -> Option<(&str, Option<&str>)> {
        match &self.stands {
            Stands::Over { outcome, summary, detail } if Tone::of(outcome) == Tone::Bad => {
                Some((summary, detail.as_deref()))
            }
            Stands::Over { .. } | Stands::Waiting | Stands::Running => None,
        }
    }
}

/// The last attempt on each node.
fn leaves(units: Vec<Unit>) -> BTreeMap<String, Leaf> {
    let mut leaves: BTreeMap<String, Leaf> = BTreeMap::new();
    for unit in units {
        if leaves.get(&unit.node).is_none_or(|known| known.unit < unit.id) {
            leaves.insert(unit.node.clone(), Leaf::of(&unit));
        }
    }
    leaves
}

impl Counts {
    pub fn done(self) -> usize {
        self.succeeded + self.failed + self.cancelled + self.skipped
    }

    pub fn plus(self, other: Counts) -> Counts {
        Counts {
            total: self.total + other.total,
            succeeded: self.succeeded + other.succeeded,
            failed: self.failed + other.failed,
            cancelled: self.cancelled + other.cancelled,
            skipped: self.skipped + other.skipped,
            running: self.running + other.running,
        }
    }
}

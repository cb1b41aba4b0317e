//! How a flow stands: its slots, and what has become of their jobs.
//!
//! Begins as the API has it and is changed by events, in whatever order old and new ones come
//! together: what is known to be over stays over. Keeps what is news, for who tells it line by line.

use std::collections::HashMap;

use jiff::Timestamp;

use super::branch::{Branch, Counts, Stands, State, over};
use crate::api::event::Event;
use crate::api::flow::Part;
use crate::api::run::{Place, Run, RunDetail, Tally};
use crate::cli::screen::Tone;
use crate::job::flow::own_name;

#[derive(Debug, Clone)]
pub struct Tree {
    /// The flow.
    pub run: Run,
    pub slots: Vec<Vec<Branch>>,
    /// Of runs that are parts.
    places: HashMap<u64, Place>,
    news: Vec<News>,
    /// Something has happened that events do not tell in full.
    is_stale: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum News {
    Begun(Place),
    Failed {
        place: Place,
        node: String,
        summary: String,
        detail: Option<String>,
        again: Option<f64>,
    },
    Ended(Place),
}

/// Parts of which the units are worth asking for.
pub fn begun(flow: &RunDetail) -> Vec<u64> {
    let parts = flow.slots.iter().flatten().flatten().flat_map(Part::chain);
    let runs = parts.filter_map(|part| Some((part.run.as_ref()?, part.planned.targets.len())));
    let tells_all =
        |(run, targets): &(&Run, usize)| run.is_over() && run.units.succeeded as usize == *targets;
    runs.filter(|run| !tells_all(run)).map(|(run, _)| run.id).collect()
}

impl Tree {
    /// `parts`: by run, where they were asked for.
    pub fn new(flow: RunDetail, mut parts: HashMap<u64, RunDetail>) -> Tree {
        let slots = flow.slots.unwrap_or_default().into_iter();
        let slots: Vec<Vec<Branch>> = slots
            .map(|slot| slot.into_iter().map(|p| Branch::of(p, &mut parts)).collect())
            .collect();
        let (run, places) = (flow.run, HashMap::new());
        let mut tree = Tree { run, slots, places, news: Vec::new(), is_stale: false };
        tree.places =
            tree.branches().filter_map(|(at, b)| Some((b.run.as_ref()?.id, at))).collect();
        tree
    }

    /// Every part and every rescue, in their order.
    pub fn branches(&self) -> impl Iterator<Item = (Place, &Branch)> {
        let run = self.run.id;
        let slots = (1..).zip(&self.slots);
        let parts =
            slots.flat_map(|(slot, parts)| (1..).zip(parts).map(move |(part, b)| (slot, part, b)));
        parts.flat_map(move |(slot, part, first)| {
            (0..).zip(first.chain()).map(move |(rescue, b)| (Place { run, slot, part, rescue }, b))
        })
    }

    pub fn branch(&self, place: Place) -> Option<&Branch> {
        self.branches().find(|(at, _)| *at == place).map(|(_, branch)| branch)
    }

    fn branch_mut(&mut self, place: Place) -> Option<&mut Branch> {
        let slot = self.slots.get_mut((place.slot as usize).checked_sub(1)?)?;
        let first = slot.get_mut((place.part as usize).checked_sub(1)?)?;
        (0..place.rescue).try_fold(first, |branch, _| branch.rescue.as_deref_mut())
    }

    /// The job's name where it is clear which flow is meant: of its own jobs, what they are called
    /// there.
    pub fn name<'a>(&self, job: &'a str) -> &'a str {
        own_name(&self.run.job, job).unwrap_or(job)
    }

    pub fn is_over(&self) -> bool {
        self.run.is_over()
    }

    /// Whether there is more to know than events have told; once.
    pub fn take_stale(&mut self) -> bool {
        std::mem::take(&mut self.is_stale)
    }

    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// Nodes of all parts, by how they stand.
    pub fn counts(&self) -> Counts {
        let begun = self.branches().filter(|(_, branch)| branch.run.is_some());
        begun.fold(Counts::default(), |all, (_, branch)| all.plus(branch.counts()))
    }

    /// From 0.
    pub fn slot_state(&self, slot: usize) -> State {
        let Some(parts) = self.slots.get(slot) else { return State::ToCome };
        let has_begun = |parts: &Vec<Branch>| parts.iter().any(|part| part.run.is_some());
        let goes_on = !self.is_over();
        if !has_begun(parts) {
            let later = self.slots.iter().skip(slot + 1).any(has_begun);
            return if later { State::Before } else { State::ToCome };
        }
        let states: Vec<State> = (0..parts.len()).map(|part| self.part_state(slot, part)).collect();
        let has = |state| states.contains(&state);
        match () {
            () if has(State::UnderWay) || goes_on && has(State::ToCome) => State::UnderWay,
            () if has(State::Bad) || has(State::ToCome) => State::Bad,
            () => State::Good,
        }
    }

    /// In what a slot has ended that is bad; from 0.
    pub fn slot_end(&self, slot: usize) -> String {
        let bad = (0..self.slots[slot].len()).filter(|p| self.part_state(slot, *p) == State::Bad);
        let ends = bad.filter_map(|part| {
            let last =
                self.slots[slot][part].chain().filter_map(|part| part.run.as_ref()).last()?;
            // What was only tidied up after has failed all the same.
            Some(if last.state == "succeeded" { "failed" } else { last.state.as_str() })
        });
        let rank =
            |end: &&str| ["cancelled", "lost", "skipped", "failed"].iter().position(|e| e == end);
        ends.max_by_key(rank).unwrap_or("cancelled").to_owned()
    }

    /// From 0.
    pub fn part_state(&self, slot: usize, part: usize) -> State {
        let parts = &self.slots[slot];
        let state = parts[part].state(!self.is_over());
        // Parts of a slot begin together, but for those that have nothing left to do.
        let is_resumed = self.run.retry_of.is_some() && parts.iter().any(|part| part.run.is_some());
        if state == State::ToCome && is_resumed { State::Before } else { state }
    }

    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::RunQueued { run, job, trigger, at, units, flow: Some(place), .. }
                if place.run == self.run.id =>
            {
                self.begins(*place, queued(*run, job, trigger, *at, *units, *place));
            }
            Event::RunStarted { run, at, .. } => {
                if let Some(run) = self.run_mut(*run).filter(|run| !run.is_over()) {
                    run.started_at.get_or_insert(*at);
                    "running".clone_into(&mut run.state);
                }
            }
            Event::RunEnded { run, at, state, reason, succeeded, .. } => {
                let Some(ended) = self.run_mut(*run).filter(|run| !run.is_over()) else { return };
                ended.finished_at = Some(*at);
                ended.state.clone_from(state);
                ended.reason.clone_from(reason);
                ended.units.succeeded = *succeeded;
                let Some(place) = self.places.get(run).copied() else { return };
                self.news.push(News::Ended(place));
                // Units that never began may have ended without a word.
                let counts = self.branch(place).map(Branch::counts).unwrap_or_default();
                self.is_stale |= counts.done() < counts.total;
            }
            Event::UnitStarted { unit, run, node, .. } => {
                self.stands(*run, node, *unit, Stands::Running);
            }
            Event::UnitEnded { unit, run, node, outcome, summary, detail, again, .. } => {
                let stands = match again {
                    Some(_) => Stands::Waiting,
                    None => over(outcome, summary, detail.as_deref()),
                };
                if self.stands(*run, node, *unit, stands)
                    && Tone::of(outcome) == Tone::Bad
                    && let Some(place) = self.places.get(run).copied()
                {
                    let (node, summary) = (node.clone(), summary.clone());
                    let (detail, again) = (detail.clone(), *again);
                    self.news.push(News::Failed { place, node, summary, detail, again });
                }
            }
            Event::Resync => self.is_stale = true,
            Event::RunQueued { .. }
            | Event::Missed { .. }
            | Event::Switched { .. }
            | Event::Paused { .. }
            | Event::Reloaded { .. } => {}
        }
    }

    fn begins(&mut self, place: Place, run: Run) {
        let Some(branch) = self.branch_mut(place) else { return };
        if branch.run.is_some() {
            return;
        }
        // Why, nobody has said.
        let lacks = branch.planned.targets.len() > run.units.total as usize;
        let id = run.id;
        branch.begin(run);
        self.is_stale |= lacks;
        self.places.insert(id, place);
        self.news.push(News::Begun(place));
    }

    fn run_mut(&mut self, run: u64) -> Option<&mut Run> {
        if run == self.run.id {
            return Some(&mut self.run);
        }
        let place = *self.places.get(&run)?;
        self.branch_mut(place)?.run.as_mut()
    }

    /// `false` if that, or what came after it, was known.
    fn stands(&mut self, run: u64, node: &str, unit: u64, stands: Stands) -> bool {
        let place = self.places.get(&run).copied();
        let branch = place.and_then(|place| self.branch_mut(place));
        branch.is_some_and(|branch| branch.stands(node, unit, stands))
    }

    /// It stands so now; what is not known yet is news.
    pub fn renew(&mut self, new: Tree) {
        let mut news = std::mem::take(&mut self.news);
        for (place, branch) in new.branches() {
            let Some(run) = &branch.run else { continue };
            let before = self.branch(place);
            let known = before.and_then(|before| before.run.as_ref());
            if known.is_none() {
                news.push(News::Begun(place));
            }
            for (node, summary, detail) in branch.failures_since(before) {
                let (node, again) = (node.to_owned(), None);
                let (summary, detail) = (summary.to_owned(), detail.map(str::to_owned));
                news.push(News::Failed { place, node, summary, detail, again });
            }
            if run.is_over() && known.is_none_or(|known| !known.is_over()) {
                news.push(News::Ended(place));
            }
        }
        *self = Tree { news, is_stale: false, ..new };
    }
}

fn queued(id: u64, job: &str, trigger: &str, at: Timestamp, units: u32, place: Place) -> Run {
    Run {
        id,
        job: job.to_owned(),
        trigger: trigger.to_owned(),
        by: None,
        retry_of: None,
        command: None,
        scheduled_at: None,
        queued_at: at,
        started_at: None,
        finished_at: None,
        state: "queued".to_owned(),
        reason: None,
        units: Tally { total: units, open: units, ..Tally::default() },
        flow: Some(place),
    }
}

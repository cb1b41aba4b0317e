//! From the jobs of a flow and what rescues them to the flow itself.
//!
//! Who rescues whom is told by numbers here, so that one job can rescue many. In a flow each part
//! holds its own rescue, and that holds its own: whoever goes round would never end.

use std::collections::HashMap;

use super::parts::{MAX_PARTS, too_many};
use crate::config::diagnostic::quoted;
use crate::config::jobs::Jobs;
use crate::config::report::Report;
use crate::config::yaml::Item;
use crate::job::Job;
use crate::job::flow::{Flow, OnFailure, Part, Then};

/// The most rescues in a row.
const MAX_RESCUES: usize = 8;

/// Jobs of one flow, each as often as something else is said of it.
#[derive(Default)]
pub struct Chains<'i> {
    pub drafts: Vec<Draft<'i>>,
    /// Where each job of a slot is named, and its draft.
    pub slots: Vec<Vec<(Item<'i>, usize)>>,
    /// By name: the draft of a job that stands elsewhere, with nothing said of it.
    pub plain: HashMap<String, usize>,
}

pub struct Draft<'i> {
    pub at: Item<'i>,
    /// As the flow calls it.
    pub name: String,
    /// None: it is mistaken, which has been told.
    pub job: Option<Job>,
    /// When it fails, and nothing rescues it.
    pub then: Then,
    pub rescue: Option<Next<'i>>,
    /// Whose word counts when it fails, if nothing is said here.
    pub inherits: Option<usize>,
    is_used: bool,
}

/// What rescues a draft.
#[derive(Clone, Copy)]
pub struct Next<'i> {
    pub at: Item<'i>,
    pub by: usize,
    pub then: Then,
}

impl<'i> Chains<'i> {
    /// Its number.
    pub fn add(&mut self, at: Item<'i>, name: &str, job: Option<Job>) -> usize {
        let (name, then, rescue, inherits) = (name.to_owned(), Then::Stop, None, None);
        self.drafts.push(Draft { at, name, job, then, rescue, inherits, is_used: false });
        self.drafts.len() - 1
    }

    /// The first that is called so.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.drafts.iter().position(|draft| draft.name == name)
    }

    /// To be called once all is known. Whether every rescue comes to an end.
    pub fn tie(&mut self, report: &mut Report) -> bool {
        for number in 0..self.drafts.len() {
            if let Some(own) = self.drafts[number].inherits {
                self.drafts[number].then = self.drafts[own].then;
                self.drafts[number].rescue = self.drafts[own].rescue;
            }
        }
        let mut sound = true;
        // By number: how many follow it, once that is known; none if it goes round.
        let mut follow: Vec<Option<Option<usize>>> = vec![None; self.drafts.len()];
        for first in 0..self.drafts.len() {
            let mut path = Vec::new();
            let mut at = first;
            let end = loop {
                if let Some(known) = follow[at] {
                    break known;
                }
                if let Some(begin) = path.iter().position(|number| *number == at) {
                    self.tell_round(&path[begin..], report);
                    break None;
                }
                path.push(at);
                match self.drafts[at].rescue {
                    Some(next) => at = next.by,
                    None => {
                        follow[at] = Some(Some(0));
                        path.pop();
                        break Some(0);
                    }
                }
            };
            let mut count = end;
            for number in path.into_iter().rev() {
                count = count.map(|count| count + 1);
                follow[number] = Some(count);
                if let (Some(next), Some(TOO_MANY)) = (self.drafts[number].rescue, count) {
                    report.error(next.at, format!("more than {MAX_RESCUES} rescues in a row"));
                    sound = false;
                }
                sound &= count.is_some_and(|count| count < TOO_MANY);
            }
        }
        sound
    }

    /// Told once, at the first of them in the file.
    fn tell_round(&self, round: &[usize], report: &mut Report) {
        let place = |number: &usize| {
            let span = self.drafts[*number].rescue.map(|next| next.at.node.span);
            span.map(|span| (span.line, span.column))
        };
        let first = (0..round.len()).min_by_key(|at| place(&round[*at])).unwrap_or(0);
        let (before, from) = round.split_at(first);
        let names = from.iter().chain(before).chain(from.first());
        let names: Vec<&str> = names.map(|number| &*self.drafts[*number].name).collect();
        if let Some(next) = from.first().and_then(|number| self.drafts[*number].rescue) {
            report.error(next.at, format!("rescue goes round: {}", names.join(" → ")));
        }
    }

    /// Of drafts that are all sound, and [tied](Self::tie).
    pub fn build(mut self, jobs: &mut Jobs<'_>, report: &mut Report) -> Option<Flow> {
        let mut count = 0;
        let mut slots = Vec::new();
        for slot in std::mem::take(&mut self.slots) {
            let mut parts: Vec<Part> = Vec::new();
            // By name: how often it is there.
            let mut names: HashMap<String, usize> = HashMap::new();
            for (at, first) in slot {
                let part = self.part(at, first, &mut count, jobs, report)?;
                let times = names.entry(part.job.name.clone()).or_default();
                *times += 1;
                if *times == 2 {
                    let name = quoted(&self.drafts[first].name);
                    let message = format!(
                        "job {name} is in slot {} twice; the jobs of a slot run beside each other",
                        slots.len() + 1
                    );
                    report.warning(at, message);
                }
                parts.push(part);
            }
            slots.push(parts);
        }
        self.warn(jobs, report);
        Some(Flow { any_host: false, slots })
    }

    /// A part with all its rescues, for which there may be no room.
    fn part(
        &mut self,
        at: Item<'_>,
        first: usize,
        count: &mut usize,
        jobs: &mut Jobs<'_>,
        report: &mut Report,
    ) -> Option<Part> {
        let next = |number: &usize| self.drafts[*number].rescue.map(|next| next.by);
        let chain: Vec<usize> = std::iter::successors(Some(first), next).collect();
        *count += chain.len();
        if *count > MAX_PARTS {
            report.error(at, too_many());
            return None;
        }
        let mut below = None;
        for number in chain.into_iter().rev() {
            let draft = &mut self.drafts[number];
            let job = draft.job.as_ref()?;
            // The first use was counted when it was read.
            let again = std::mem::replace(&mut draft.is_used, true);
            if again && !jobs.has_room_for_copy(at, job, report) {
                return None;
            }
            let on_failure = match (below.take(), draft.rescue, draft.then) {
                (Some(part), Some(Next { then, .. }), _) => OnFailure::Rescue { part, then },
                (_, _, Then::Stop) => OnFailure::Stop,
                (_, _, Then::Continue) => OnFailure::Continue,
            };
            below = Some(Box::new(Part { job: job.clone(), on_failure }));
        }
        below.map(|part| *part)
    }

    fn warn(&self, jobs: &Jobs<'_>, report: &mut Report) {
        for Draft { at, name, job, .. } in &self.drafts {
            let Some(job) = job.as_ref().filter(|job| job.targets.is_empty()) else { continue };
            if !jobs.is_doubtful(&job.name) {
                let message = format!("job {} has no targets: the flow fails there", quoted(name));
                report.warning(*at, message);
            }
        }
    }
}

/// So many follow each other, and one more than may.
const TOO_MANY: usize = MAX_RESCUES + 1;

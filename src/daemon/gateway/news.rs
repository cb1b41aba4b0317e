//! What happens to runs and units, as gateways are told of it, and counted.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::event::Event;
use crate::protocol::control::{Counters, News};

/// `None`: what is of no interest outside.
pub fn news(event: &Event) -> Option<News> {
    Some(match event {
        Event::RunQueued(run) => News::RunQueued {
            run: run.run,
            job: run.job.name.clone(),
            trigger: run.trigger,
            scheduled_at: run.scheduled_at,
            at: run.queued_at,
            units: run.units,
            within: run.within.map(|within| (within.flow, within.place)),
        },
        Event::RunStarted { run, at } => {
            News::RunStarted { run: run.run, job: run.job.name.clone(), at: *at }
        }
        Event::RunLate(_) => return None,
        Event::RunEnded { run, at, end, succeeded, .. } => News::RunEnded {
            run: run.run,
            job: run.job.name.clone(),
            at: *at,
            end: *end,
            units: run.units,
            succeeded: *succeeded,
        },
        Event::UnitStarted { unit, run, job, node, .. } => News::UnitStarted {
            unit: *unit,
            run: *run,
            job: job.name.clone(),
            node: node.clone(),
            at: Timestamp::now(),
        },
        Event::UnitEnded { unit, run, job, info, again } => News::UnitEnded {
            unit: *unit,
            run: *run,
            job: job.name.clone(),
            node: info.node.clone(),
            attempt: info.attempt,
            at: Timestamp::now(),
            outcome: info.outcome.clone(),
            detail: info.detail.clone(),
            result: info.result.clone(),
            again: again.map(|delay| delay.as_millis() as u64),
        },
        Event::Missed { job, node, fires, reason } => News::Missed {
            job: job.name.clone(),
            node: node.clone(),
            first_at: fires.first,
            last_at: fires.last,
            count: fires.count,
            reason: *reason,
        },
    })
}

/// What has happened since the start, in numbers.
#[derive(Debug, Default)]
pub struct Tallies {
    runs: BTreeMap<&'static str, u64>,
    units: BTreeMap<&'static str, u64>,
    missed: BTreeMap<&'static str, u64>,
    unit_millis: u64,
    pub workers_started: u64,
    pub connections_made: u64,
    pub reloads: u64,
    pub reloads_refused: u64,
}

impl Tallies {
    pub fn count(&mut self, event: &Event) {
        match event {
            Event::RunEnded { end, .. } => *self.runs.entry(end.word()).or_default() += 1,
            Event::UnitEnded { info, .. } => {
                *self.units.entry(info.outcome.word()).or_default() += 1;
                self.unit_millis += info.took.map_or(0, |took| took.as_millis() as u64);
            }
            Event::Missed { fires, reason, .. } => {
                *self.missed.entry(reason.as_str()).or_default() += fires.count;
            }
            Event::RunQueued(_)
            | Event::RunStarted { .. }
            | Event::RunLate(_)
            | Event::UnitStarted { .. } => {}
        }
    }

    pub fn counters(&self) -> Counters {
        let list = |map: &BTreeMap<&'static str, u64>| {
            map.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
        };
        Counters {
            runs: list(&self.runs),
            units: list(&self.units),
            missed: list(&self.missed),
            workers_started: self.workers_started,
            connections_made: self.connections_made,
            reloads: self.reloads,
            reloads_refused: self.reloads_refused,
            unit_millis: self.unit_millis,
        }
    }
}

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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::cron::Schedule;
    use crate::event::{PartEnd, RunInfo, UnitInfo, Within};
    use crate::job::flow::Place;
    use crate::job::{Job, Source};
    use crate::unit::{Outcome, RunEnd, RunId, Trigger, UnitId};

    const PLACE: Place = Place { slot: 1, part: 1, rescue: 0 };

    fn run(id: u64, units: usize, within: Option<Within>) -> Arc<RunInfo> {
        let source = Source { file: "jobs.yaml".into(), line: 1 };
        let job = Job::new(format!("j{id}"), "loom.run".into(), Schedule::never(), source);
        Arc::new(RunInfo {
            run: RunId(id),
            job: Arc::new(job),
            trigger: Trigger::Flow,
            scheduled_at: None,
            queued_at: Timestamp::UNIX_EPOCH,
            units,
            within,
        })
    }

    fn unit() -> UnitInfo {
        let (detail, result) = Default::default();
        let (node, outcome) = ("n1".to_owned(), Outcome::Succeeded);
        let took = Some(Duration::from_millis(1500));
        UnitInfo { node, attempt: 1, outcome, detail, result, took }
    }

    fn ended(run: Arc<RunInfo>, units: Vec<UnitInfo>, parts: Vec<PartEnd>) -> Event {
        let (at, end) = (Timestamp::UNIX_EPOCH, RunEnd::Succeeded);
        Event::RunEnded { run, started_at: None, at, end, units, succeeded: 1, parts }
    }

    /// The flow's end tells of the unit again, and so does that of the part.
    #[test]
    fn a_flow_and_its_part_are_runs_and_a_unit_is_counted_once() {
        let within = Within { flow: RunId(1), place: PLACE, missing: 0, succeeded: 0 };
        let (flow, part) = (run(1, 1, None), run(2, 1, Some(within)));
        let end = PartEnd {
            place: PLACE,
            run: Some(RunId(2)),
            end: RunEnd::Succeeded,
            nodes: 1,
            succeeded: 1,
            units: vec![unit()],
        };
        let over = Event::UnitEnded {
            unit: UnitId(1),
            run: RunId(2),
            job: part.job.clone(),
            info: unit(),
            again: None,
        };
        let mut tallies = Tallies::default();
        let events = [
            Event::RunQueued(flow.clone()),
            Event::RunQueued(part.clone()),
            over,
            ended(part, vec![unit()], Vec::new()),
            ended(flow, Vec::new(), vec![end]),
        ];
        events.iter().for_each(|event| tallies.count(event));
        let counters = tallies.counters();
        let one = |count| vec![("succeeded".to_owned(), count)];
        assert_eq!((counters.runs, counters.units, counters.unit_millis), (one(2), one(1), 1500));
        let told: Vec<News> = events.iter().filter_map(news).collect();
        let News::RunQueued { within, .. } = &told[1] else { panic!("{told:?}") };
        assert_eq!(*within, Some((RunId(1), PLACE)));
        let News::RunEnded { units, succeeded, .. } = &told[4] else { panic!("{told:?}") };
        assert_eq!((*units, *succeeded), (1, 1));
    }
}

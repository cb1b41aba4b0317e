//! Flows: runs without units of their own, whose parts are runs.
//!
//! What [`crate::flow`] decides is carried out here: a part's nodes are asked for by
//! [`Action::BeginPart`], since only the event loop knows what is behind their names by now.

use std::sync::Arc;

use super::{Action, Now, Scheduler, Target};
use crate::cron::Fires;
use crate::event::{Cause, Event, RunInfo, Within};
use crate::flow::{Entrance, Resume, Start, Step, plan};
use crate::job::Job;
use crate::job::flow::Place;
use crate::job::policy::Share;
use crate::store::Record;
use crate::unit::{Canceller, Reason, RunEnd, RunId, Trigger};

impl Scheduler {
    /// Makes a run of the flow that `job` is; its first slot begins at once, unless it has to wait
    /// for another run of it. `None`: it overlaps one, which a gap says.
    pub fn begin_flow(
        &mut self,
        now: Now,
        job: &Arc<Job>,
        resume: Option<Resume>,
        cause: Cause,
    ) -> Option<RunId> {
        let flow = job.flow.as_ref()?;
        let waits = match self.flows.entrance(&job.name, job.overlap) {
            Entrance::Open => false,
            Entrance::Waits => true,
            Entrance::Refused => {
                let fires = Fires::once(cause.scheduled_at.unwrap_or(now.wall));
                if cause.trigger == Trigger::Schedule {
                    self.gap(job, None, fires, Reason::Overlap, None);
                }
                return None;
            }
        };
        let run = self.take_run_id();
        let info = Arc::new(RunInfo {
            run,
            job: job.clone(),
            trigger: cause.trigger,
            scheduled_at: cause.scheduled_at,
            queued_at: now.wall,
            units: resume.as_ref().map_or(flow.units(), |resume| resume.units(flow)),
            within: None,
        });
        let (taken_up, plan) = (cause.retry_of, plan::text_of_run(job, resume.as_ref()));
        self.queue_run(now, info.clone(), cause, Some(plan), Vec::new());
        self.flows.open(info, resume, waits);
        if let Some(taken_up) = taken_up {
            self.flows.note_taken_up(run, taken_up);
        }
        if !waits {
            let step = self.flows.begin(run);
            self.follow(now, run, step);
        }
        Some(run)
    }

    /// Begins a part of a flow on what is left of its nodes. `missing`: names that stand for no
    /// node any more.
    pub fn begin_part(
        &mut self,
        now: Now,
        flow: RunId,
        start: &Start,
        targets: &[Target],
        missing: Vec<String>,
    ) {
        let Start { place, part, succeeded, .. } = start;
        let within = Within { flow, place: *place, missing: missing.len(), succeeded: *succeeded };
        let cause = Cause { within: Some(within), ..Cause::new(Trigger::Flow, None) };
        let job = Arc::new(part.job.clone());
        let run = self.begin_run(now, &job, targets, cause);
        let at = Fires::once(now.wall);
        let reason = match (targets.is_empty(), missing.is_empty()) {
            (false, _) => Reason::Overlap,
            (true, false) => Reason::Removed,
            (true, true) => Reason::NoTargets,
        };
        let all = targets.len() + missing.len() + succeeded;
        for node in missing {
            self.gap(&job, Some(node), at, Reason::Removed, run.or(Some(flow)));
        }
        if run.is_some() {
            return;
        }
        if all == 0 {
            // No instant is covered by this, and no node left out: it is told, and not recorded.
            self.tell(Event::Missed { job: job.clone(), node: None, fires: at, reason });
        }
        // What has succeeded in an earlier run may be enough.
        let needed = job.success.unwrap_or(Share::Percent(100)).at_least(all);
        let end = match all > 0 && *succeeded >= needed {
            true => RunEnd::Succeeded,
            false => RunEnd::Skipped { reason },
        };
        self.part_ended(now, within, None, end, 0);
    }

    /// The run of a part is over, or there is none.
    pub(super) fn part_ended(
        &mut self,
        now: Now,
        within: Within,
        run: Option<RunId>,
        end: RunEnd,
        succeeded: usize,
    ) {
        let step = self.flows.ended(within.flow, within.place, run, end, succeeded);
        self.follow(now, within.flow, step);
    }

    /// A unit of a part goes to a worker.
    pub(super) fn flow_started(&mut self, now: Now, flow: RunId) {
        if self.flows.started(flow, now.wall) {
            self.record(Record::StartRun { run: flow, at: now.wall });
            if let Some(info) = self.flows.info(flow).cloned() {
                self.tell(Event::RunStarted { run: info, at: now.wall });
            }
        }
    }

    fn follow(&mut self, now: Now, flow: RunId, step: Step) {
        match step {
            Step::Nothing => {}
            Step::Begin(starts) => {
                for start in starts {
                    let start = Box::new(start);
                    self.outbox.push_back(Action::BeginPart { flow, start });
                }
            }
            Step::Over(over) => {
                self.forget_timers(flow);
                self.record(Record::CloseRun { run: flow, end: over.end, at: now.wall });
                self.tell(Event::RunEnded {
                    run: over.info,
                    started_at: over.started_at,
                    at: now.wall,
                    end: over.end,
                    units: Vec::new(),
                    succeeded: over.parts.iter().map(|part| part.succeeded).sum(),
                    parts: over.parts,
                });
                if let Some(next) = over.next.filter(|_| !self.stopping) {
                    let step = self.flows.begin(next);
                    self.follow(now, next, step);
                }
            }
        }
    }

    /// No other part of the flow begins, and what runs of it ends on somebody's word; `false` if it
    /// is not open.
    pub(super) fn cancel_flow(&mut self, now: Now, flow: RunId, by: &Canceller) -> bool {
        if !self.flows.end(flow, RunEnd::Cancelled) {
            return false;
        }
        self.drop_starts(now, flow);
        for run in self.runs.of_flow(flow) {
            self.cancel_run(now, run, by);
        }
        let step = self.flows.settle(flow);
        self.follow(now, flow, step);
        true
    }

    /// Flows end as their parts do, and no other part begins.
    pub(super) fn end_flows(&mut self, now: Now, end: RunEnd, which: impl Fn(&Job) -> bool) {
        for flow in self.flows.ids() {
            if self.flows.info(flow).is_some_and(|info| which(&info.job)) {
                self.flows.end(flow, end);
                self.drop_starts(now, flow);
                let step = self.flows.settle(flow);
                self.follow(now, flow, step);
            }
        }
    }

    /// Ends flows that the configuration lacks, as what runs of them ends: no other part begins.
    pub fn end_removed_flows(&mut self, now: Now, is_gone: impl Fn(&Job) -> bool) {
        self.end_flows(now, RunEnd::Skipped { reason: Reason::Removed }, is_gone);
    }

    /// Parts whose turn had come and that have not begun yet.
    fn drop_starts(&mut self, now: Now, flow: RunId) {
        let mut dropped = Vec::new();
        self.outbox.retain(|action| match action {
            Action::BeginPart { flow: of, start } if *of == flow => {
                dropped.push(start.place);
                false
            }
            _ => true,
        });
        for place in dropped {
            let step = self.flows.ended(flow, place, None, RunEnd::Cancelled, 0);
            self.follow(now, flow, step);
        }
    }

    /// The flow did not begin in time: none of it needs to any more.
    pub(super) fn flow_too_late(&mut self, now: Now, flow: RunId) -> bool {
        let Some(info) = self.flows.info(flow).cloned() else { return false };
        if self.flows.has_started(flow) {
            return true;
        }
        self.tell_too_late(&info);
        self.flows.end(flow, RunEnd::Skipped { reason: Reason::Deadline });
        self.drop_starts(now, flow);
        for run in self.runs.of_flow(flow) {
            self.skip_unsent(now, run, Reason::Deadline);
        }
        let step = self.flows.settle(flow);
        self.follow(now, flow, step);
        true
    }

    /// The open flow that takes this run up.
    pub fn taker_of(&self, run: RunId) -> Option<RunId> {
        self.flows.taker_of(run)
    }

    /// Which flow the run is of, and as what.
    pub fn place_of(&self, run: RunId) -> Option<(RunId, Place)> {
        let within = self.runs.info(run)?.within?;
        Some((within.flow, within.place))
    }
}

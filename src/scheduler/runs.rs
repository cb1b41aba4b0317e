//! Beginning and ending runs.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::unit::hash;
use super::{Now, Phase, Scheduler, Timer, Unit};
use crate::cron::Fires;
use crate::dispatch::Ask;
use crate::event::{Cause, Event, RunInfo, UnitInfo};
use crate::job::Job;
use crate::node::Node;
use crate::node_state::MasterId;
use crate::pool;
use crate::protocol::message::Report;
use crate::run::Step;
use crate::store::{OpenUnit, Record};
use crate::unit::{Canceller, Kill, Outcome, Reason, RunEnd, RunId, Trigger, UnitId};

/// A run that has not begun so long after it should have is late.
const LATE: Duration = Duration::from_secs(60);

/// A node, and the connection that leads there.
pub type Target = (Arc<Node>, MasterId);

impl Scheduler {
    /// Makes a run of `job` on `targets`, in so far as the job may run there. Nothing starts
    /// before the ledger has it. `None`: it runs nowhere, and a gap says why.
    pub fn begin_run(
        &mut self,
        now: Now,
        job: &Arc<Job>,
        targets: &[Target],
        cause: Cause,
    ) -> Option<RunId> {
        let Cause { trigger, scheduled_at, .. } = cause;
        let run = RunId(self.numbers.next_run);
        let within = cause.within;
        let mut rows = Vec::new();
        let mut overlapping = Vec::new();
        for target in targets {
            let (node, master) = target;
            let unit = UnitId(self.numbers.next_unit);
            let ask = Ask {
                unit,
                run,
                job: &job.name,
                node: &node.name,
                master: *master,
                sessions: node.max_sessions,
                overlap: job.overlap,
                locks: &job.locks,
            };
            if !self.dispatcher.enter(ask) {
                overlapping.push(node.name.clone());
                continue;
            }
            self.take_unit_id();
            let cookie = self.cookie(unit, job);
            let not_before = scheduled_at.and_then(|at| splay(job, &node.name, at, now));
            let new = Unit::new((run, job), target, 1, cookie, not_before);
            rows.push(new.row(unit));
            self.units.insert(unit, new);
        }
        let instant = Fires::once(scheduled_at.unwrap_or(now.wall));
        if targets.is_empty() {
            if trigger == Trigger::Schedule {
                self.gap(job, None, instant, Reason::NoTargets, None);
            }
            return None;
        }
        let opened = (!rows.is_empty()).then_some(run);
        if opened.is_some() {
            let info = RunInfo {
                run,
                job: job.clone(),
                trigger,
                scheduled_at,
                queued_at: now.wall,
                units: rows.len(),
                within,
            };
            let hope = self.open_run(now, Arc::new(info), cause, targets.len(), rows);
            self.left_out(job, overlapping, instant, trigger, opened);
            if !hope {
                self.give_up_hope(now, run);
            }
        } else {
            // Of a part that runs nowhere, the flow lacks the node.
            self.left_out(job, overlapping, instant, trigger, within.map(|within| within.flow));
        }
        opened
    }

    /// Whether its constraint can be met.
    fn open_run(
        &mut self,
        now: Now,
        info: Arc<RunInfo>,
        cause: Cause,
        targets: usize,
        units: Vec<OpenUnit>,
    ) -> bool {
        self.take_run_id();
        let run = info.run;
        let all = targets + info.within.map_or(0, |within| within.missing + within.succeeded);
        let room = self.runs.open(info.clone(), all);
        if let Some(room) = room {
            self.dispatcher.open_run(run, room.limit, room.quota);
        }
        self.queue_run(now, info, cause, None, units);
        room.is_some()
    }

    /// Its row is on its way, and who watches is told of it. `plan`: of a flow, which has no units.
    pub(super) fn queue_run(
        &mut self,
        now: Now,
        info: Arc<RunInfo>,
        cause: Cause,
        plan: Option<String>,
        units: Vec<OpenUnit>,
    ) {
        self.set_run_timers(now, &info);
        self.record(Record::OpenRun {
            run: info.run,
            job: info.job.name.clone(),
            trigger: info.trigger,
            scheduled_at: info.scheduled_at,
            epoch: self.numbers.epoch,
            at: info.queued_at,
            by: cause.by,
            retry_of: cause.retry_of,
            command: cause.command,
            within: info.within,
            plan,
            units,
        });
        self.tell(Event::RunQueued(info));
    }

    pub(super) fn take_run_id(&mut self) -> RunId {
        let run = RunId(self.numbers.next_run);
        self.numbers.next_run += 1;
        run
    }

    fn set_run_timers(&mut self, now: Now, info: &RunInfo) {
        let Some(scheduled_at) = info.scheduled_at else { return };
        let (run, job) = (info.run, &info.job);
        let late = now.after(scheduled_at, job.splay + LATE);
        self.timers.insert((late, Timer::Late(run)));
        let deadline = now.after(scheduled_at, job.splay + job.deadline);
        self.timers.insert((deadline, Timer::Deadline(run)));
        self.run_timers.insert(run, (late, deadline));
    }

    pub(super) fn skip_unsent(&mut self, now: Now, run: RunId, reason: Reason) {
        let unsent = self.units_of(run, is_unsent);
        self.skip(now, unsent, reason);
    }

    /// The rows of these units are on the disk.
    pub fn recorded(&mut self, now: Now, units: impl IntoIterator<Item = UnitId>) {
        for id in units {
            if self.units.get(&id).is_some_and(|unit| unit.phase == Phase::Recording) {
                self.admit(now, id);
            }
        }
    }

    /// The ledger refuses these units' rows, as those of a run that it has already. Those that
    /// it did not keep from starting, because it was down, go on.
    pub fn refused(&mut self, now: Now, units: impl IntoIterator<Item = UnitId>) {
        for id in units {
            self.refuse(now, id);
        }
    }

    /// The job of an open run.
    pub fn job_of(&self, run: RunId) -> Option<Arc<Job>> {
        let info = self.runs.info(run).or_else(|| self.flows.info(run));
        info.map(|info| info.job.clone())
    }

    /// Ends a run on somebody's word; `false` if it is not open.
    pub fn cancel_run(&mut self, now: Now, run: RunId, by: &Canceller) -> bool {
        if self.cancel_flow(now, run, by) {
            return true;
        }
        let open = self.runs.info(run).is_some();
        // The end of one can be the end of another, which is not to be tried again any more.
        for unit in self.units.values_mut().filter(|unit| unit.run == run) {
            unit.last = true;
        }
        for id in self.units_of(run, |_| true) {
            self.cancel_unit(now, id, by);
        }
        open
    }

    /// No unit starts any more, and workers leave as they become free. Those that run go on.
    pub fn stop(&mut self, now: Now, by: &Canceller) {
        self.stopping = true;
        self.end_flows(now, RunEnd::Cancelled, |_| true);
        for id in self.unit_ids(|unit| !matches!(unit.phase, Phase::Sent { .. })) {
            self.cancel_unit(now, id, by);
        }
        self.on_pool(now, pool::Event::Stop);
    }

    /// Ends the units that still run, by their workers.
    pub fn cancel_all(&mut self, now: Now, by: &Canceller) {
        for id in self.unit_ids(|_| true) {
            self.cancel_unit(now, id, by);
        }
    }

    /// Ends the units that still run, without their workers.
    pub fn give_up_all(&mut self, now: Now, by: &Canceller) {
        for id in self.unit_ids(|_| true) {
            let outcome = Outcome::Cancelled { by: by.clone(), kill: Kill::Unconfirmed };
            let detail = "its worker did not end it in time and was killed".to_owned();
            self.end_unit(now, id, Report::of(outcome, Some(detail)));
        }
    }

    /// Ends what has not begun and is of a job or node that is no more. What runs goes on, and is
    /// not tried again.
    pub fn skip_removed(&mut self, now: Now, is_gone: impl Fn(&Job, &Node) -> bool) {
        let Scheduler { runs, flows, units, .. } = self;
        // Of what is part of a flow, the flow is meant: the job may stand nowhere else.
        let is_gone = |unit: &Unit| {
            let within = runs.info(unit.run).and_then(|info| info.within);
            let flow = within.and_then(|within| flows.info(within.flow));
            is_gone(flow.map_or(&unit.job, |info| &info.job), &unit.node)
        };
        let gone: Vec<UnitId> =
            units.iter().filter(|(_, unit)| is_gone(unit)).map(|(id, _)| *id).collect();
        for id in &gone {
            self.units.get_mut(id).into_iter().for_each(|unit| unit.last = true);
        }
        let unsent = self.unit_ids(is_unsent);
        let gone: HashSet<UnitId> = gone.into_iter().collect();
        let unsent = unsent.into_iter().filter(|id| gone.contains(id)).collect();
        self.skip(now, unsent, Reason::Removed);
    }

    fn skip(&mut self, now: Now, units: Vec<UnitId>, reason: Reason) {
        for id in units {
            if self.units.get(&id).is_some_and(|unit| unit.phase == Phase::Submitted) {
                self.on_pool(now, pool::Event::Withdraw { unit: id });
            }
            self.end_unit(now, id, Report::of(Outcome::Skipped { reason }, None));
        }
    }

    /// The last first: as they leave, none of them takes the place of another.
    fn unit_ids(&self, wanted: impl Fn(&Unit) -> bool) -> Vec<UnitId> {
        let wanted = self.units.iter().filter(|(_, unit)| wanted(unit));
        let mut ids: Vec<UnitId> = wanted.map(|(id, _)| *id).collect();
        ids.sort_by(|a, b| b.cmp(a));
        ids
    }

    fn units_of(&self, run: RunId, wanted: impl Fn(&Unit) -> bool) -> Vec<UnitId> {
        self.unit_ids(|unit| unit.run == run && wanted(unit))
    }

    /// A unit has had its last attempt.
    pub(super) fn count(&mut self, now: Now, run: RunId, unit: &UnitInfo) {
        if let Some(within) = self.runs.info(run).and_then(|info| info.within) {
            self.flows.unit_ended(within.flow, within.place, unit);
        }
        match self.runs.ended(run, unit) {
            Step::Nothing => {}
            Step::Hopeless => self.give_up_hope(now, run),
            Step::Over(over) => {
                let within = over.info.within;
                self.dispatcher.close_run(run);
                self.forget_timers(run);
                self.record(Record::CloseRun { run, end: over.end, at: now.wall });
                self.tell(Event::RunEnded {
                    run: over.info,
                    started_at: over.started_at,
                    at: now.wall,
                    end: over.end,
                    units: over.units,
                    succeeded: over.tally.succeeded,
                    parts: Vec::new(),
                });
                if let Some(within) = within {
                    self.part_ended(now, within, Some(run), over.end, over.tally.succeeded);
                }
            }
        }
    }

    /// They would find nothing; but a run of seconds is not to be remembered for hours.
    pub(super) fn forget_timers(&mut self, run: RunId) {
        if let Some((late, deadline)) = self.run_timers.remove(&run) {
            self.timers.remove(&(late, Timer::Late(run)));
            self.timers.remove(&(deadline, Timer::Deadline(run)));
        }
    }

    pub(super) fn late(&mut self, run: RunId) {
        let has_started = self.runs.has_started(run) || self.flows.has_started(run);
        let info = self.runs.info(run).or_else(|| self.flows.info(run)).cloned();
        if let Some(info) = info.filter(|_| !has_started) {
            self.tell(Event::RunLate(info));
        }
    }

    /// Not begun in time: none of it needs to any more.
    pub(super) fn too_late(&mut self, now: Now, run: RunId) {
        if self.flow_too_late(now, run) {
            return;
        }
        if !self.runs.has_started(run) {
            if let Some(info) = self.runs.info(run).cloned() {
                self.tell_too_late(&info);
            }
            self.skip_unsent(now, run, Reason::Deadline);
        }
    }

    /// The run accounts for its instant: there is no gap.
    pub(super) fn tell_too_late(&mut self, info: &RunInfo) {
        if let Some(at) = info.scheduled_at {
            let (job, fires) = (info.job.clone(), Fires::once(at));
            self.tell(Event::Missed { job, node: None, fires, reason: Reason::Deadline });
        }
    }
}

impl Now {
    /// `wait` after an instant of the wall clock, on the other clock; now, if that has passed.
    fn after(self, instant: Timestamp, wait: Duration) -> std::time::Instant {
        let passed = self.wall.duration_since(instant);
        let left = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        let left = left.saturating_sub(passed);
        self.mono + Duration::try_from(left).unwrap_or_default()
    }
}

fn is_unsent(unit: &Unit) -> bool {
    match unit.phase {
        Phase::Recording | Phase::Waiting | Phase::Submitted => true,
        Phase::Sent { .. } => false,
    }
}

/// When the unit may begin: the same distance from each instant, for the same job and node.
fn splay(job: &Job, node: &str, instant: Timestamp, now: Now) -> Option<std::time::Instant> {
    let span = u64::try_from(job.splay.as_millis()).unwrap_or(u64::MAX);
    if span == 0 {
        return None;
    }
    let lot = hash(format!("{}\0{node}", job.name).as_bytes()) % span;
    Some(now.after(instant, Duration::from_millis(lot)))
}

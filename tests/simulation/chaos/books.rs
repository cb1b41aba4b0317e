//! What must hold whatever happens, checked with each record and each unit that is sent.
//!
//! Knows the rules of jobs as the manual has them, and nothing of how the scheduler keeps them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use loom::cron::Fires;
use loom::event::Within;
use loom::job::Job;
use loom::job::policy::{Overlap, RetryOn};
use loom::node_state::MasterId;
use loom::scheduler;
use loom::store::{Gap, OpenUnit, Record};
use loom::unit::{Outcome, Reason, RunEnd, RunId, Trigger, UnitId};

use super::flows::Flows;

/// A due instant: of this job, in this epoch of the clock.
pub type Instant = (String, u32, Timestamp);

#[derive(Debug)]
struct Unit {
    run: RunId,
    attempt: u32,
    closed: Option<Outcome>,
    /// When it may begin at the earliest.
    not_before: Duration,
    sent: bool,
    may_start: bool,
    /// What it has said of its rights can be relied on.
    rights_kept: bool,
}

#[derive(Debug)]
struct Run {
    job: Arc<Job>,
    within: Option<Within>,
    targets: usize,
    /// Of these, that had succeeded in an earlier run.
    before: usize,
    deadline: Option<Duration>,
    begun: bool,
    /// The last attempt on each node.
    last: BTreeMap<String, UnitId>,
    cancelled: bool,
    closed: bool,
}

/// At work at this moment, as the workers see it.
#[derive(Debug, Clone)]
pub struct AtWork {
    pub unit: UnitId,
    pub run: RunId,
    pub job: Arc<Job>,
    pub node: String,
    pub master: MasterId,
}

#[derive(Debug, Default)]
pub struct Books {
    units: HashMap<UnitId, Unit>,
    runs: HashMap<RunId, Run>,
    pub flows: Flows,
    at_work: HashMap<UnitId, AtWork>,
    /// By job, epoch, first instant and reason.
    gaps: BTreeMap<(String, u32, Timestamp, &'static str), (Timestamp, u64)>,
    run_instants: BTreeSet<Instant>,
    pub sent: usize,
    pub stopping: bool,
}

/// A run about to be made, as the player knows it.
pub struct Made {
    pub job: Arc<Job>,
    pub targets: usize,
    pub before: usize,
    pub deadline: Option<Duration>,
}

impl Books {
    /// `made`: what the run is of, if this opens one.
    pub fn record(&mut self, now: Duration, record: &Record, made: Option<&Made>) {
        match record {
            Record::OpenRun {
                run, job, trigger, scheduled_at, epoch, units, within, plan, ..
            } => {
                if *trigger == Trigger::Schedule {
                    let instant = (job.clone(), *epoch, scheduled_at.expect("an instant"));
                    assert!(self.run_instants.insert(instant), "{job}: an instant runs twice");
                }
                if plan.is_some() {
                    assert!(units.is_empty(), "a flow has no units of its own");
                    return self.flows.opens(*run, job, *scheduled_at);
                }
                assert!(!units.is_empty(), "a run of nothing");
                let of_part = within.map(|within| self.flows.part_opens(*run, within));
                let made = of_part.as_ref().or(made).expect("a run that nobody made");
                assert_eq!(made.job.name, *job);
                let open = Run {
                    job: made.job.clone(),
                    within: *within,
                    targets: made.targets,
                    before: made.before,
                    deadline: made.deadline,
                    begun: false,
                    last: BTreeMap::new(),
                    cancelled: false,
                    closed: false,
                };
                assert!(self.runs.insert(*run, open).is_none(), "run {run} twice");
                for unit in units {
                    assert_eq!(unit.attempt, 1);
                    self.open(*run, unit, Duration::ZERO);
                }
            }
            Record::Retry { run, unit } => {
                let before = self.runs[run].last[&unit.node];
                let before = &self.units[&before];
                let retries = &self.runs[run].job.retries;
                assert_eq!(unit.attempt, before.attempt + 1);
                assert!(unit.attempt <= retries.attempts, "an attempt too many");
                let outcome = before.closed.as_ref().expect("the attempt before is over");
                let kind = RetryOn::of(outcome).expect("an outcome to be tried again");
                assert!(retries.on.contains(&kind), "{kind:?} is not to be tried again");
                assert!(!self.stopping, "another attempt at a stop");
                // Half of it may be jitter.
                self.open(*run, unit, now + retries.delay / 2);
            }
            Record::StartRun { run, .. } if self.flows.is_flow(*run) => self.flows.starts(*run),
            Record::StartRun { run, .. } => {
                let run = self.runs.get_mut(run).expect("known");
                assert!(!std::mem::replace(&mut run.begun, true), "begun twice");
            }
            Record::StartUnit { unit, .. } | Record::OnNode { unit, .. } => {
                let unit = &self.units[unit];
                assert!(unit.sent && unit.closed.is_none());
            }
            Record::Rights { unit, .. } => {
                let unit = self.units.get_mut(unit).expect("known");
                assert!(unit.sent && unit.closed.is_none());
                unit.rights_kept = false;
            }
            Record::CloseUnit { unit: id, outcome, .. } => {
                let unit = self.units.get_mut(id).expect("opened before it is closed");
                assert!(unit.closed.is_none(), "unit {id} is closed twice");
                assert!(!self.runs[&unit.run].closed, "unit {id} outlives its run");
                if *outcome == (Outcome::Skipped { reason: Reason::Constraint }) {
                    let job = &self.runs[&unit.run].job;
                    let steps = job.parallel.as_ref().map_or(1, |parallel| parallel.steps.len());
                    assert!(job.success.is_some() || steps > 1, "no constraint");
                    assert!(!unit.sent);
                }
                if *outcome == (Outcome::Skipped { reason: Reason::Deadline }) {
                    assert!(!self.runs[&unit.run].begun, "skipped after it had begun");
                }
                unit.closed = Some(outcome.clone());
            }
            Record::CloseRun { run, end, .. } if self.flows.is_flow(*run) => {
                self.flows.closes(*run, *end);
            }
            Record::CloseRun { run: id, end, .. } => {
                let run = self.runs.get_mut(id).expect("known");
                assert!(!std::mem::replace(&mut run.closed, true), "run {id} is closed twice");
                let last: Vec<&Unit> = run.last.values().map(|unit| &self.units[unit]).collect();
                assert!(last.iter().all(|unit| unit.closed.is_some()), "run {id} has open units");
                let ok = last.iter().filter(|u| u.closed == Some(Outcome::Succeeded)).count();
                let needed = run.job.success.map(|share| share.at_least(run.targets));
                if let Some(needed) = needed {
                    let met = ok + run.before >= needed;
                    assert_eq!(*end == RunEnd::Succeeded, met, "run {id}: {end:?}");
                }
                if let Some(within) = run.within {
                    self.flows.part_closes(*id, within, *end);
                }
            }
            Record::Gap(gap) => self.gap(gap),
            Record::Jobs { .. }
            | Record::Accounted { .. }
            | Record::Paused(_)
            | Record::Hook(_)
            | Record::Epoch(_)
            | Record::Swept { .. } => {}
            Record::Token(_)
            | Record::RevokeToken { .. }
            | Record::Audit(_)
            | Record::Switch { .. }
            | Record::Request(_) => panic!("no scheduler's business: {record:?}"),
        }
    }

    fn open(&mut self, run: RunId, unit: &OpenUnit, not_before: Duration) {
        let OpenUnit { unit: id, node, attempt, .. } = unit;
        let open = Unit {
            run,
            attempt: *attempt,
            closed: None,
            not_before,
            sent: false,
            may_start: false,
            rights_kept: false,
        };
        assert!(self.units.insert(*id, open).is_none(), "unit {id} twice");
        let run = self.runs.get_mut(&run).expect("known");
        assert!(!run.closed && !run.cancelled);
        run.last.insert(node.clone(), *id);
    }

    fn gap(&mut self, gap: &Gap) {
        // Those of one node, and of what nobody's clock had due, cover no instant.
        if gap.node.is_some() {
            return;
        }
        let key = (gap.job.clone(), gap.epoch, gap.first_at, gap.reason.as_str());
        let before = self.gaps.insert(key, (gap.last_at, gap.count));
        if let Some((last, count)) = before {
            assert!(gap.last_at >= last && gap.count >= count, "a gap shrinks: {gap:?}");
        }
    }

    /// Forgets a gap of a run by hand: no instant is behind it.
    pub fn disregard(&mut self, job: &str, epoch: u32, at: Timestamp) {
        for reason in [Reason::Overlap, Reason::NoTargets] {
            self.gaps.remove(&(job.to_owned(), epoch, at, reason.as_str()));
        }
    }

    /// The unit is on the disk, or nothing can be written.
    pub fn may_start(&mut self, unit: UnitId) {
        self.units.get_mut(&unit).expect("known").may_start = true;
    }

    /// The unit's rights are on the disk, or nothing can be written.
    pub fn may_have_rights(&mut self, unit: UnitId) {
        self.units.get_mut(&unit).expect("known").rights_kept = true;
    }

    /// The unit's worker hears that it may go on.
    pub fn has_rights(&self, id: UnitId) {
        assert!(self.units[&id].rights_kept, "unit {id} goes on too early");
    }

    pub fn open_runs(&self) -> Vec<RunId> {
        let mut open: Vec<RunId> =
            self.runs.iter().filter(|(_, run)| !run.closed).map(|(id, _)| *id).collect();
        open.extend(self.flows.open());
        open.sort();
        open
    }

    pub fn cancel(&mut self, run: RunId) {
        if self.flows.is_flow(run) {
            for part in self.flows.told_to_end(run) {
                self.cancel(part);
            }
            return;
        }
        self.runs.get_mut(&run).expect("known").cancelled = true;
    }

    /// A unit goes to a worker.
    pub fn send(&mut self, now: Duration, id: UnitId, unit: &scheduler::Unit) {
        let book = self.units.get_mut(&id).expect("recorded");
        assert!(!std::mem::replace(&mut book.sent, true), "unit {id} is sent twice");
        assert!(book.closed.is_none(), "unit {id} is over");
        assert!(book.may_start, "unit {id} is not on the disk");
        assert!(now >= book.not_before, "unit {id} comes too early");
        assert!(!self.stopping, "unit {id} starts at a stop");
        let run = &self.runs[&unit.run];
        assert!(!run.cancelled && !run.closed, "the run of unit {id} is over");
        if let Some(deadline) = run.deadline.filter(|_| !run.begun) {
            assert!(now <= deadline, "unit {id} begins after the deadline");
        }
        if let Some(within) = run.within {
            self.flows.sends(now, within);
        }
        self.assert_hope(unit.run);
        self.assert_step(id, unit);
        let AtWork { .. } = self.at_work.entry(id).or_insert(AtWork {
            unit: id,
            run: unit.run,
            job: unit.job.clone(),
            node: unit.node.name.clone(),
            master: unit.master,
        });
        self.sent += 1;
        self.assert_room(id, unit);
    }

    fn assert_hope(&self, id: RunId) {
        let run = &self.runs[&id];
        let Some(success) = run.job.success else { return };
        let over = |unit: &&UnitId| self.units[*unit].closed.is_some();
        let ok = |unit: &&UnitId| self.units[*unit].closed == Some(Outcome::Succeeded);
        let may = run.last.values().filter(|unit| !over(unit) || ok(unit)).count();
        // One that never had a chance is noticed with the first unit that ends.
        if run.last.values().any(|unit| over(&unit)) {
            assert!(
                may + run.before >= success.at_least(run.targets),
                "run {id} is hopeless: {run:?} {:?}",
                run.last.values().map(|u| (u, &self.units[u])).collect::<Vec<_>>()
            );
        }
    }

    /// As many units of the run at once as its step has; and the first of a step comes when all of
    /// the steps before have ended, and enough of them well.
    fn assert_step(&self, id: UnitId, unit: &scheduler::Unit) {
        let run = &self.runs[&unit.run];
        let Some(parallel) = &run.job.parallel else { return };
        let shows = |outcome: &Outcome| match outcome {
            Outcome::Cancelled { .. } | Outcome::Skipped { .. } => false,
            Outcome::Succeeded
            | Outcome::Failed { .. }
            | Outcome::Signaled { .. }
            | Outcome::Unreachable
            | Outcome::TimedOut { .. }
            | Outcome::Crashed
            | Outcome::Lost => true,
        };
        let others = || run.last.values().filter(|other| **other != id).map(|id| &self.units[id]);
        let ended = others().filter(|u| u.closed.as_ref().is_some_and(shows)).count();
        let has_begun = |u: &&Unit| u.closed.is_none() && (u.sent || u.attempt > 1);
        let begun = ended + others().filter(has_begun).count();
        let (mut before, mut step) = (0, 0);
        let sizes = parallel.at_once(run.targets);
        while step + 1 < sizes.len() && begun >= before + sizes[step] {
            before += sizes[step];
            step += 1;
        }
        let at_once = self.at_work.values().filter(|o| o.run == unit.run && o.unit != id).count();
        if unit.attempt > 1 {
            // What the ledger refused has ended, and never was of a step: it may be an earlier one.
            let widest = sizes[..=step].iter().max();
            assert!(Some(&at_once) < widest, "unit {id}: beyond all steps of {sizes:?}");
            return;
        }
        assert!(at_once < sizes[step], "unit {id}: beyond step {step} of {sizes:?}");
        assert!(ended >= before, "unit {id}: {before} are to end first, not {ended}");
        if begun == before {
            // What an earlier run has done counts.
            let ok = others().filter(|u| u.closed == Some(Outcome::Succeeded)).count() + run.before;
            let ended = ended + run.before;
            let needed = run.job.success.map_or(run.targets, |share| share.at_least(run.targets));
            assert!(
                ok * run.targets >= ended * needed,
                "unit {id}: {ok} of {ended}, and it widens"
            );
        }
    }

    fn assert_room(&self, id: UnitId, unit: &scheduler::Unit) {
        let job = &unit.job;
        let others = || self.at_work.values().filter(|other| other.unit != id);
        let on_master = others().filter(|other| other.master == unit.master).count();
        assert!(on_master < unit.node.max_sessions as usize, "unit {id}: beyond max_sessions");
        for other in others().filter(|other| other.node == unit.node.name) {
            let shared = other.job.locks.iter().any(|lock| job.locks.contains(lock));
            assert!(!shared, "{id} and {} share a lock", other.unit);
            let same = other.job.name == job.name && job.overlap != Overlap::Allow;
            assert!(!same, "{id} and {} overlap", other.unit);
        }
    }

    pub fn at_work(&self) -> usize {
        self.at_work.len()
    }

    /// Its worker is done with it, or gone.
    pub fn leaves_work(&mut self, unit: UnitId) {
        self.at_work.remove(&unit);
    }

    /// Everything is over, and the instants that fell due are covered, each once.
    pub fn assert_complete(&self, due: &BTreeSet<Instant>, jobs: &HashMap<String, Arc<Job>>) {
        assert!(self.open_runs().is_empty());
        let open: Vec<_> = self.units.iter().filter(|(_, unit)| unit.closed.is_none()).collect();
        assert!(open.is_empty(), "{open:?}");
        let mut covered = self.run_instants.clone();
        for ((job, epoch, first, reason), (last, count)) in &self.gaps {
            let fires = instants(&jobs[job], *first, *last);
            assert_eq!(fires.len() as u64, *count, "{job}: {reason} from {first} to {last}");
            for at in fires {
                let once = covered.insert((job.clone(), *epoch, at));
                assert!(once, "{job}: {at} is covered twice, the second time by {reason}");
            }
        }
        let left: Vec<_> = due.difference(&covered).collect();
        assert!(left.is_empty(), "nothing covers {left:?}");
        let more: Vec<_> = covered.difference(due).collect();
        assert!(more.is_empty(), "nobody asked for {more:?}");
    }
}

/// The due instants of a job, first and last included.
pub fn instants(job: &Job, first: Timestamp, last: Timestamp) -> Vec<Timestamp> {
    let zone = job.zone();
    let mut all = vec![first];
    while let Some(next) = all.last().and_then(|at| job.schedule.next_after(&zone, *at))
        && next <= last
    {
        all.push(next);
    }
    all
}

pub fn instants_of(job: &Job, fires: Fires) -> Vec<Timestamp> {
    let all = instants(job, fires.first, fires.last);
    assert_eq!(all.len() as u64, fires.count);
    all
}

/// Of earlier attempts and runs nothing is needed twice.
#[derive(Debug, Default)]
pub struct Seen(HashSet<MasterId>);

impl Seen {
    pub fn begins(&mut self, id: MasterId) {
        assert!(self.0.insert(id), "two connections {id:?} at once");
    }

    pub fn ends(&mut self, id: MasterId) {
        self.0.remove(&id);
    }

    pub fn has(&self, id: MasterId) -> bool {
        self.0.contains(&id)
    }

    pub fn all(&self) -> Vec<MasterId> {
        let mut all: Vec<MasterId> = self.0.iter().copied().collect();
        all.sort();
        all
    }
}

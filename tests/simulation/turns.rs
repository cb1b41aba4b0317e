//! Single turns of the scheduler, one after the other: what one event must not do to others.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use loom::event::{Cause, Event};
use loom::job::Job;
use loom::job::flow::Place;
use loom::job::policy::{Overlap, Retries, RetryOn, Share};
use loom::node_state::{self, MasterId};
use loom::pool::{self, SlotId};
use loom::protocol::cookie::{self, Rights};
use loom::protocol::message::{FromWorker, Output, Report};
use loom::scheduler::{Action, Now, Numbers, Scheduler, Target};
use loom::store::{Gap, Record};
use loom::unit::{Canceller, Outcome, Reason, RunEnd, RunId, Trigger, UnitId};

use super::world::{job, node};

pub struct Turns {
    pub scheduler: Scheduler,
    pub nodes: Vec<Target>,
    pub now: Now,
    pub opened: HashSet<UnitId>,
    pub ends: Vec<Outcome>,
    pub sent: Vec<(SlotId, UnitId)>,
    /// Runs as the ledger has them: opened, begun and closed in this order.
    pub runs: Vec<Wrote>,
    pub gaps: Vec<Gap>,
    pub told: Vec<Event>,
    /// Runs of this job are refused by the ledger.
    pub refused: Option<String>,
    pub connecting: Vec<MasterId>,
    /// What units that wait for their node were told.
    pub rejoined: Vec<(UnitId, Option<String>)>,
    /// Cookies as they are to be kept, and whose units were told that they are.
    pub cookies: Vec<(UnitId, String)>,
    pub kept: Vec<UnitId>,
    pub swept: Vec<(String, Vec<String>)>,
    pub closed: Vec<(RunId, RunEnd)>,
}

/// What becomes of a run in the ledger.
#[derive(Debug, Clone, PartialEq)]
pub enum Wrote {
    Opened(RunId, String, Option<(RunId, Place)>),
    Began(RunId),
    Closed(RunId, RunEnd),
}

impl Turns {
    pub fn new(nodes: usize, workers: usize) -> Turns {
        let numbers =
            Numbers { cookie_prefix: "turns".into(), epoch: 0, next_run: 1, next_unit: 1 };
        let pool = pool::Limits {
            min: 0,
            max: workers,
            idle_timeout: Duration::from_secs(20),
            recycle_after: 0,
        };
        let masters = node_state::Limits {
            connect_timeout: Duration::from_secs(20),
            persist: Duration::from_secs(60),
            max_connecting: 10,
        };
        let wall: Timestamp = "2026-03-01T00:00:30Z".parse().unwrap();
        Turns {
            scheduler: Scheduler::new(numbers, BTreeMap::new(), pool, masters),
            nodes: (0..nodes).map(|n| (Arc::new(node(n)), MasterId(n as u32))).collect(),
            now: Now { mono: Instant::now(), wall },
            opened: HashSet::new(),
            ends: Vec::new(),
            sent: Vec::new(),
            runs: Vec::new(),
            gaps: Vec::new(),
            told: Vec::new(),
            refused: None,
            connecting: Vec::new(),
            rejoined: Vec::new(),
            cookies: Vec::new(),
            kept: Vec::new(),
            swept: Vec::new(),
            closed: Vec::new(),
        }
    }

    pub fn run(&mut self, job: Job) -> RunId {
        let (targets, _) = self.targets(&job.targets);
        let run = self.scheduler.begin_run(
            self.now,
            &Arc::new(job),
            &targets,
            Cause::new(Trigger::Manual, None),
        );
        self.settle();
        run.expect("a run")
    }

    /// Nodes that there are, and names that stand for none.
    fn targets(&self, names: &[String]) -> (Vec<Target>, Vec<String>) {
        let (mut targets, mut missing) = (Vec::new(), Vec::new());
        for name in names {
            match self.nodes.get(name[1..].parse::<usize>().unwrap()) {
                Some(target) => targets.push(target.clone()),
                None => missing.push(name.clone()),
            }
        }
        (targets, missing)
    }

    /// Everything is written at once, workers start, and connections are left to the test.
    pub fn settle(&mut self) {
        while let Some(action) = self.scheduler.next_action(self.now) {
            match action {
                Action::Record(Record::OpenRun { run, job, within, units, .. }) => {
                    self.opened.extend(units.iter().map(|unit| unit.unit));
                    let units = units.into_iter().map(|unit| unit.unit);
                    match self.refused.as_ref() == Some(&job) {
                        true => self.scheduler.refused(self.now, units),
                        false => self.scheduler.recorded(self.now, units),
                    }
                    let within = within.map(|within| (within.flow, within.place));
                    self.runs.push(Wrote::Opened(run, job, within));
                }
                Action::Record(Record::StartRun { run, .. }) => self.runs.push(Wrote::Began(run)),
                Action::Record(Record::CloseRun { run, end, .. }) => {
                    self.closed.push((run, end));
                    self.runs.push(Wrote::Closed(run, end));
                }
                Action::Record(Record::Gap(gap)) => self.gaps.push(gap),
                Action::BeginPart { flow, start } => {
                    let (targets, missing) = self.targets(&start.nodes);
                    self.scheduler.begin_part(self.now, flow, &start, &targets, missing);
                }
                Action::Tell(event) => self.told.push(event),
                Action::Record(Record::Retry { unit, .. }) => {
                    self.opened.insert(unit.unit);
                    self.scheduler.recorded(self.now, [unit.unit]);
                }
                Action::Record(Record::CloseUnit { unit, outcome, .. }) => {
                    assert!(self.opened.remove(&unit), "{unit} is closed, and not open");
                    self.ends.push(outcome);
                }
                Action::Record(Record::Rights { unit, cookie }) => {
                    self.cookies.push((unit, cookie));
                }
                Action::Record(Record::Swept { node, cookies }) => {
                    self.swept.push((node, cookies));
                }
                Action::RightsKept { unit, .. } => self.kept.push(unit),
                Action::Connect(id) => self.connecting.push(id),
                Action::Send { slot, unit } => {
                    self.scheduler.sweeps_for(unit);
                    if self.scheduler.unit(unit).is_some() {
                        self.scheduler.sent(self.now, slot, unit, 1);
                        self.sent.push((slot, unit));
                    }
                }
                Action::Rejoined { unit, trouble, .. } => self.rejoined.push((unit, trouble)),
                Action::Record(_)
                | Action::Close(_)
                | Action::EndMaster(_)
                | Action::Spawn(_)
                | Action::Cancel { .. }
                | Action::Shutdown(_)
                | Action::KillWorker(_) => {}
            }
        }
    }

    pub fn on_master(&mut self, event: node_state::Event) {
        self.scheduler.on_master(self.now, event);
        self.settle();
    }

    /// The unit that was sent as the nth ends.
    pub fn done(&mut self, nth: usize, outcome: Outcome) {
        let (slot, unit) = self.sent[nth];
        let report = Report { outcome, detail: None, result: None, output: Output::default() };
        self.scheduler.hear(self.now, slot, FromWorker::Done { unit, report });
        self.settle();
    }

    /// The worker of the unit that was sent as the nth says so.
    pub fn says(&mut self, nth: usize, message: impl Fn(UnitId) -> FromWorker) {
        let (slot, unit) = self.sent[nth];
        self.scheduler.hear(self.now, slot, message(unit));
        self.settle();
    }

    pub fn pass(&mut self, time: Duration) {
        self.now.mono += time;
        self.scheduler.tick(self.now);
        self.settle();
    }

    pub fn ended(&self, outcome: &Outcome) -> usize {
        self.ends.iter().filter(|end| *end == outcome).count()
    }
}

pub const FAILED: Outcome = Outcome::Failed { exit: Some(1) };

pub fn retries(attempts: u32, on: &[RetryOn]) -> Retries {
    Retries { attempts, on: on.iter().copied().collect(), ..Retries::default() }
}

/// Each failure makes room for the next: in turn, or the stack would end.
#[test]
fn ten_thousand_nodes_that_fail_in_a_row_do_not_nest() {
    const NODES: usize = 10_000;
    let mut turns = Turns::new(NODES, 10);
    // So that all of them are in their pause at once.
    turns.run(job("first", "* * * * *", 0..NODES));
    while let Some(id) = turns.connecting.pop() {
        turns.on_master(node_state::Event::Exited(id));
    }
    assert_eq!(turns.ended(&Outcome::Unreachable), NODES);
    for success in [None, Some(Share::Percent(1))] {
        let name = format!("{success:?}");
        let plain = job(&name, "* * * * *", 0..NODES);
        turns.run(Job { parallel: Some(Share::Count(1).into()), success, ..plain });
    }
    let skipped = turns.ended(&Outcome::Skipped { reason: Reason::Constraint });
    assert_eq!(turns.ended(&Outcome::Unreachable) + skipped, 3 * NODES);
    assert!(turns.scheduler.is_idle() && turns.connecting.is_empty());
}

#[test]
fn what_a_cancelled_run_makes_room_for_goes_at_once() {
    let mut turns = Turns::new(2, 4);
    let rules = |name: &str, nodes| Job { locks: vec!["apt".into()], ..job(name, "@daily", nodes) };
    turns.run(job("warm", "@daily", 0..1));
    turns.on_master(node_state::Event::Connected(MasterId(0)));
    turns.done(0, Outcome::Succeeded);
    // It waits for its connection and has the lock.
    let mut moved = turns.nodes[0].clone();
    moved.1 = MasterId(1);
    let there = std::mem::replace(&mut turns.nodes[0], moved);
    let first = turns.run(rules("first", 0..1));
    turns.nodes[0] = there;
    turns.run(rules("second", 0..1));
    assert_eq!(turns.sent.len(), 1);
    assert!(turns.scheduler.cancel_run(turns.now, first, &Canceller::User("ann".into())));
    turns.settle();
    assert_eq!(turns.sent.len(), 2);
}

#[test]
fn what_runs_of_a_job_that_is_removed_is_not_tried_again() {
    let mut turns = Turns::new(1, 4);
    let plain = job("job", "* * * * *", 0..1);
    turns.run(Job { retries: retries(3, &[RetryOn::Failed]), ..plain });
    turns.on_master(node_state::Event::Connected(MasterId(0)));
    turns.scheduler.skip_removed(turns.now, |_, _| true);
    turns.done(0, FAILED);
    assert!(turns.scheduler.is_idle());
}

#[test]
fn what_runs_of_a_hopeless_run_is_not_tried_again() {
    let mut turns = Turns::new(2, 4);
    let plain = job("job", "* * * * *", 0..2);
    let (success, retries) = (Some(Share::Count(2)), retries(2, &[RetryOn::Failed]));
    turns.run(Job { success, retries, ..plain });
    turns.on_master(node_state::Event::Connected(MasterId(0)));
    turns.on_master(node_state::Event::Connected(MasterId(1)));
    turns.done(0, Outcome::Signaled { signal: 9 });
    turns.done(1, FAILED);
    assert!(turns.scheduler.is_idle());
}

/// The end of the first makes room for the second, whose end makes the run hopeless: by then the
/// first must have been told of, its next attempt included.
#[test]
fn a_unit_is_told_of_before_others_end_because_of_it() {
    let mut turns = Turns::new(2, 4);
    turns.run(job("pause", "* * * * *", 1..2));
    turns.on_master(node_state::Event::Exited(MasterId(1)));
    let plain = job("job", "* * * * *", 0..2);
    turns.run(Job {
        parallel: Some(Share::Count(1).into()),
        success: Some(Share::Percent(100)),
        retries: retries(2, &[RetryOn::Failed]),
        ..plain
    });
    turns.on_master(node_state::Event::Connected(MasterId(0)));
    turns.done(0, FAILED);
    assert!(turns.scheduler.is_idle());
    assert_eq!(turns.ended(&Outcome::Skipped { reason: Reason::Constraint }), 1);
}

#[test]
fn a_unit_that_runs_is_not_ended_because_the_ledger_refuses_it() {
    let mut turns = Turns::new(1, 4);
    let rules = || Job { overlap: Overlap::Queue, ..job("job", "* * * * *", 0..1) };
    turns.run(rules());
    turns.run(rules());
    turns.on_master(node_state::Event::Connected(MasterId(0)));
    turns.scheduler.refused(turns.now, [UnitId(1)]);
    turns.settle();
    assert_eq!(turns.sent.len(), 1, "the next still waits for it");
    turns.done(0, Outcome::Succeeded);
    assert_eq!(turns.sent.len(), 2);
    turns.pass(Duration::from_secs(1));
    assert_eq!(turns.scheduler.forgotten(), None);
}

const LEAVING: fn(UnitId) -> FromWorker = |unit| FromWorker::Leaving { unit };
const REJOIN: fn(UnitId) -> FromWorker = |unit| FromWorker::Rejoin { unit, anew: false };
const ROOT: fn(UnitId) -> FromWorker = |unit| FromWorker::Rights { unit, rights: Rights::Root };
const REJOIN_ANEW: fn(UnitId) -> FromWorker = |unit| FromWorker::Rejoin { unit, anew: true };

/// One unit at work on the node, and another that waits for it.
fn one_at_work() -> Turns {
    let mut turns = Turns::new(1, 4);
    let mut node = (*turns.nodes[0].0).clone();
    node.max_sessions = 1;
    turns.nodes[0].0 = Arc::new(node);
    turns.run(job("reboot", "@daily", 0..1));
    turns.on_master(node_state::Event::Connected(MasterId(0)));
    turns.run(job("other", "@daily", 0..1));
    assert_eq!((turns.sent.len(), turns.connecting.len()), (1, 1));
    turns
}

#[test]
fn a_unit_gets_its_connection_again_however_often_it_failed_and_others_wait() {
    let mut turns = one_at_work();
    turns.says(0, LEAVING);
    turns.on_master(node_state::Event::Exited(MasterId(0)));
    for attempt in 0..8 {
        turns.says(0, REJOIN);
        assert_eq!(turns.connecting.len(), attempt + 2, "no pause grows between them");
        turns.scheduler.complain(MasterId(0), Some("refused".into()));
        turns.on_master(node_state::Event::Exited(MasterId(0)));
        assert_eq!(turns.rejoined.len(), attempt + 1);
        assert_eq!(turns.rejoined[attempt].1.as_deref(), Some("refused"));
        assert_eq!(turns.scheduler.forgotten(), None);
    }
    assert_eq!(turns.ends, [], "nobody is given up");
    turns.says(0, REJOIN);
    turns.on_master(node_state::Event::Connected(MasterId(0)));
    assert_eq!(turns.rejoined.last().unwrap().1, None);
    assert_eq!(turns.sent.len(), 1, "it still has the only session");
    turns.done(0, Outcome::Succeeded);
    assert_eq!(turns.sent.len(), 2);
    turns.done(1, Outcome::Succeeded);
    assert_eq!(turns.ended(&Outcome::Succeeded), 2);
    turns.pass(Duration::from_secs(60));
    turns.on_master(node_state::Event::Exited(MasterId(0)));
    assert_eq!(turns.scheduler.connections(), 0, "it is dropped when it has been idle");
}

#[test]
fn a_unit_that_goes_on_by_itself_holds_up_the_others_for_a_while_only() {
    let mut turns = one_at_work();
    turns.says(0, LEAVING);
    turns.on_master(node_state::Event::Exited(MasterId(0)));
    turns.pass(Duration::from_secs(400));
    turns.says(0, REJOIN);
    turns.on_master(node_state::Event::Exited(MasterId(0)));
    turns.pass(Duration::from_secs(400));
    assert_eq!((turns.ends.len(), turns.connecting.len()), (0, 2), "it was heard of");
    turns.pass(Duration::from_secs(201));
    assert_eq!(turns.connecting.len(), 3, "the node is tried for the other");
    turns.on_master(node_state::Event::Exited(MasterId(0)));
    assert_eq!(turns.ended(&Outcome::Unreachable), 1);
    turns.done(0, Outcome::Succeeded);
    assert!(turns.scheduler.is_idle());
}

#[test]
fn when_it_gives_up_the_others_wait_as_for_any_node() {
    let mut turns = one_at_work();
    turns.says(0, LEAVING);
    turns.on_master(node_state::Event::Exited(MasterId(0)));
    turns.says(0, REJOIN);
    turns.on_master(node_state::Event::Exited(MasterId(0)));
    turns.done(0, Outcome::Failed { exit: None });
    assert_eq!(turns.ended(&Outcome::Unreachable), 1);
    assert!(turns.scheduler.is_idle());
}

#[test]
fn a_unit_that_ends_while_its_node_is_connected_to_leaves_nothing_behind() {
    let mut turns = Turns::new(1, 4);
    turns.run(job("reboot", "@daily", 0..1));
    turns.on_master(node_state::Event::Connected(MasterId(0)));
    turns.says(0, REJOIN_ANEW);
    assert_eq!(turns.rejoined, [], "the one there is goes first");
    turns.on_master(node_state::Event::Exited(MasterId(0)));
    assert_eq!(turns.connecting.len(), 2);
    turns.done(0, Outcome::Lost);
    turns.on_master(node_state::Event::Connected(MasterId(0)));
    assert_eq!(turns.rejoined, []);
    turns.pass(Duration::from_secs(60));
    turns.on_master(node_state::Event::Exited(MasterId(0)));
    assert_eq!(turns.scheduler.connections(), 0);
}

#[test]
fn rights_are_kept_before_the_unit_goes_on_and_are_swept_with() {
    let mut turns = Turns::new(1, 4);
    turns.run(job("deploy", "@daily", 0..1));
    turns.on_master(node_state::Event::Connected(MasterId(0)));
    let (_, unit) = turns.sent[0];
    let www = || Rights::User("www".into());
    turns.says(0, |unit| FromWorker::Rights { unit, rights: www() });
    turns.says(0, |unit| FromWorker::Rights { unit, rights: Rights::Root });
    let own = format!("turns-{unit}");
    let kept = cookie::with(&cookie::with(&own, &www()), &Rights::Root);
    assert_eq!(turns.cookies, [(unit, cookie::with(&own, &www())), (unit, kept.clone())]);
    assert_eq!(turns.kept, [], "nothing is on the disk yet");
    turns.scheduler.rights_kept(unit);
    turns.settle();
    assert_eq!(turns.kept, [unit]);

    // The next unit on the node sweeps for it so, and then it is forgotten.
    turns.done(0, Outcome::Lost);
    turns.scheduler.rights_kept(unit);
    turns.run(job("next", "@daily", 0..1));
    assert_eq!(turns.kept, [unit], "nobody is told of a unit that is over");
    assert_eq!(turns.scheduler.unit(turns.sent[1].1).unwrap().sweeps, std::slice::from_ref(&kept));
    turns.says(1, |unit| FromWorker::Swept { unit });
    assert_eq!(turns.swept, [("n0".to_owned(), vec![kept])]);
    turns.done(1, Outcome::Succeeded);
    turns.run(job("next", "@daily", 0..1));
    assert_eq!(turns.scheduler.unit(turns.sent[2].1).unwrap().sweeps, [""; 0]);
}

#[test]
fn what_another_worker_says_moves_nothing() {
    let mut turns = one_at_work();
    let (slot, _) = turns.sent[0];
    for message in [LEAVING, REJOIN, REJOIN_ANEW, ROOT] {
        turns.scheduler.hear(turns.now, slot, message(UnitId(99)));
    }
    turns.settle();
    assert_eq!((turns.rejoined.len(), turns.scheduler.connections()), (0, 1));
    assert_eq!(turns.cookies, []);
}

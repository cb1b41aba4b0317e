//! A world that is mostly well: ssh masters come up or fail, workers start, units take their time,
//! and a ledger that writes at once. Its books are checked with each record.

use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use loom::cron::Schedule;
use loom::cron::clock::Look;
use loom::event::Cause;
use loom::job::{Job, Source};
use loom::node::Node;
use loom::node_state::{self, MasterId};
use loom::pool::{self, SlotId};
use loom::protocol::message::{FromWorker, HEARTBEAT, Output, Report};
use loom::scheduler::{Action, Now, Numbers, Scheduler, Target};
use loom::store::Record;
use loom::timetable::{Standstill, Timetable, Verdict};
use loom::unit::{Outcome, RunEnd, RunId, Trigger, UnitId};

const START: &str = "2026-03-01T00:00:30Z";

/// What comes to pass later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Later {
    Hello(SlotId),
    Started(SlotId, UnitId),
    Heartbeat(SlotId, UnitId),
    Done(SlotId, UnitId),
    Gone(SlotId),
    Connected(MasterId),
    Failed(MasterId),
    Closed(MasterId),
}

type At = std::cmp::Reverse<(Duration, u64, Later)>;

/// How a simulated node answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Well,
    /// Connections are refused.
    Refuses,
    /// Connections hang.
    Hangs,
}

/// The ledger, as far as it must add up.
#[derive(Default)]
pub struct Books {
    open_units: HashMap<UnitId, RunId>,
    open_runs: HashMap<RunId, usize>,
    /// Of open flows: the slot that is under way, and its parts that are.
    flows: HashMap<RunId, (u32, HashSet<RunId>)>,
    part_of: HashMap<RunId, RunId>,
    /// (job, instant) of runs and of gaps without a node.
    covered: HashSet<(String, Timestamp)>,
    pub succeeded: usize,
    pub failed: usize,
    pub unreachable: usize,
    pub skipped: usize,
    pub gaps: usize,
    pub ends: HashMap<&'static str, usize>,
}

pub struct World {
    scheduler: Scheduler,
    timetable: Timetable,
    jobs: BTreeMap<String, Arc<Job>>,
    nodes: Vec<Arc<Node>>,
    pub health: Vec<Health>,
    base: Instant,
    start: Timestamp,
    passed: Duration,
    later: BinaryHeap<At>,
    order: u64,
    pub books: Books,
    running: HashMap<UnitId, SlotId>,
    /// When the last unit succeeded.
    pub last_success: Duration,
    pub most_running: usize,
    pub most_connecting: usize,
    connecting: HashSet<MasterId>,
    /// How long a unit takes, and how it ends.
    pub unit: fn(UnitId) -> (Duration, Outcome),
}

impl World {
    pub fn new(nodes: usize, workers: usize, jobs: Vec<Job>) -> World {
        let base = Instant::now();
        let numbers = Numbers { cookie_prefix: "sim".into(), epoch: 0, next_run: 1, next_unit: 1 };
        let pool = pool::Limits {
            min: 0,
            max: workers,
            idle_timeout: Duration::from_secs(20),
            recycle_after: 500,
        };
        let masters = node_state::Limits {
            connect_timeout: Duration::from_secs(20),
            persist: Duration::from_secs(60),
            max_connecting: 10,
        };
        let start: Timestamp = START.parse().unwrap();
        let jobs: BTreeMap<_, _> =
            jobs.into_iter().map(|job| (job.name.clone(), Arc::new(job))).collect();
        let mut timetable = Timetable::default();
        timetable.replace(&jobs, start);
        World {
            scheduler: Scheduler::new(numbers, BTreeMap::new(), pool, masters),
            timetable,
            jobs,
            nodes: (0..nodes).map(|n| Arc::new(node(n))).collect(),
            health: vec![Health::Well; nodes],
            base,
            start,
            passed: Duration::ZERO,
            later: BinaryHeap::new(),
            order: 0,
            books: Books::default(),
            running: HashMap::new(),
            last_success: Duration::ZERO,
            most_running: 0,
            most_connecting: 0,
            connecting: HashSet::new(),
            unit: |_| (Duration::from_secs(2), Outcome::Succeeded),
        }
    }

    fn now(&self) -> Now {
        let passed = SignedDuration::try_from(self.passed).unwrap();
        Now { mono: self.base + self.passed, wall: self.start + passed }
    }

    fn after(&mut self, wait: Duration, what: Later) {
        self.order += 1;
        self.later.push(std::cmp::Reverse((self.passed + wait, self.order, what)));
    }

    /// Plays until so much time has passed, and then until every unit has ended.
    pub fn play(&mut self, span: Duration) {
        while self.passed < span || !self.scheduler.is_idle() {
            let fire = self
                .timetable
                .next()
                .filter(|_| self.passed < span)
                .map(|at| Duration::try_from(at.duration_since(self.start)).unwrap());
            let tick = self.scheduler.deadline().map(|at| at - self.base);
            let event = self.later.peek().map(|std::cmp::Reverse((at, ..))| *at);
            let Some(next) = [fire, tick, event].into_iter().flatten().min() else { break };
            self.passed = self.passed.max(next);
            let now = self.now();
            if fire.is_some_and(|at| at <= self.passed) {
                self.fire(now);
            }
            while self.later.peek().is_some_and(|std::cmp::Reverse((at, ..))| *at <= self.passed) {
                let Some(std::cmp::Reverse((_, _, what))) = self.later.pop() else { break };
                self.happen(now, what);
                self.settle();
            }
            self.scheduler.tick(now);
            self.settle();
        }
    }

    fn fire(&mut self, now: Now) {
        let due = self.timetable.take_due(Look::Steady, now.wall, 0, Standstill::default());
        for (job, verdict) in due {
            match verdict {
                Verdict::Run(at) => {
                    let cause = Cause::new(Trigger::Schedule, Some(at));
                    if job.flow.is_some() {
                        self.scheduler.begin_flow(now, &job, None, cause);
                    } else {
                        let targets = self.targets(&job.targets);
                        self.scheduler.begin_run(now, &job, &targets, cause);
                    }
                }
                Verdict::Gap(fires, reason) => {
                    self.scheduler.gap(&job, None, fires, reason, None);
                }
            }
            self.settle();
        }
    }

    fn targets(&self, names: &[String]) -> Vec<Target> {
        let number = |name: &String| name[1..].parse::<u32>().unwrap();
        let target = |n: u32| (self.nodes[n as usize].clone(), MasterId(n));
        names.iter().map(number).map(target).collect()
    }

    fn happen(&mut self, now: Now, what: Later) {
        match what {
            Later::Hello(slot) => {
                let hello = FromWorker::Hello { version: loom::protocol::VERSION, pid: 1 };
                self.scheduler.hear(now, slot, hello);
            }
            Later::Started(slot, unit) => {
                let started = FromWorker::Started { unit, remote_pgid: Some(1) };
                self.scheduler.hear(now, slot, started);
            }
            Later::Heartbeat(slot, unit) => {
                if self.running.contains_key(&unit) {
                    self.scheduler.hear(now, slot, FromWorker::Heartbeat);
                    self.after(HEARTBEAT, Later::Heartbeat(slot, unit));
                }
            }
            Later::Done(slot, unit) => {
                self.running.remove(&unit);
                let (_, outcome) = (self.unit)(unit);
                if outcome.is_success() {
                    self.last_success = self.passed;
                }
                let report =
                    Report { outcome, detail: None, result: None, output: Output::default() };
                self.scheduler.hear(now, slot, FromWorker::Done { unit, report });
            }
            Later::Gone(slot) => self.scheduler.on_pool(now, pool::Event::Exited { slot }),
            Later::Connected(id) => {
                self.connecting.remove(&id);
                self.scheduler.on_master(now, node_state::Event::Connected(id));
            }
            Later::Failed(id) | Later::Closed(id) => {
                self.connecting.remove(&id);
                self.scheduler.on_master(now, node_state::Event::Exited(id));
            }
        }
    }

    fn settle(&mut self) {
        while let Some(action) = self.scheduler.next_action(self.now()) {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        let now = self.now();
        match action {
            Action::Record(record) => self.write(now, record),
            Action::Connect(id) => {
                self.connecting.insert(id);
                self.most_connecting = self.most_connecting.max(self.connecting.len());
                match self.health[id.0 as usize] {
                    Health::Well => self.after(Duration::from_millis(130), Later::Connected(id)),
                    Health::Refuses => self.after(Duration::from_millis(5), Later::Failed(id)),
                    // ssh's own ConnectTimeout.
                    Health::Hangs => self.after(Duration::from_secs(10), Later::Failed(id)),
                }
            }
            Action::Close(id) | Action::EndMaster(id) => {
                self.connecting.remove(&id);
                self.after(Duration::from_millis(5), Later::Closed(id));
            }
            Action::Spawn(slot) => self.after(Duration::from_millis(1), Later::Hello(slot)),
            Action::Send { slot, unit } => {
                assert!(self.scheduler.unit(unit).is_some());
                self.scheduler.sent(now, slot, unit, 1);
                assert!(self.running.insert(unit, slot).is_none(), "{unit} runs twice");
                self.most_running = self.most_running.max(self.running.len());
                let (took, _) = (self.unit)(unit);
                self.after(Duration::from_millis(10), Later::Started(slot, unit));
                self.after(took, Later::Done(slot, unit));
                if took > HEARTBEAT {
                    self.after(HEARTBEAT, Later::Heartbeat(slot, unit));
                }
            }
            Action::Shutdown(slot) | Action::KillWorker(slot) => {
                self.after(Duration::from_millis(1), Later::Gone(slot));
            }
            Action::BeginPart { flow, start } => {
                let targets = self.targets(&start.nodes);
                self.scheduler.begin_part(now, flow, &start, &targets, Vec::new());
            }
            Action::Cancel { .. }
            | Action::Rejoined { .. }
            | Action::RightsKept { .. }
            | Action::Tell(_) => {}
        }
    }

    /// Writes a record at once, and sees that it fits the books.
    fn write(&mut self, now: Now, record: Record) {
        let books = &mut self.books;
        match record {
            Record::OpenRun { run, job, scheduled_at, units, within, plan, .. } => {
                if let Some(within) = within {
                    let (slot, parts) = books.flows.get_mut(&within.flow).expect("an open flow");
                    if within.place.slot != *slot {
                        assert!(within.place.slot > *slot && parts.is_empty(), "{slot} is open");
                        *slot = within.place.slot;
                    }
                    parts.insert(run);
                    books.part_of.insert(run, within.flow);
                } else {
                    let instant = scheduled_at.expect("scheduled");
                    assert!(books.covered.insert((job, instant)), "an instant is covered twice");
                }
                if plan.is_some() {
                    books.flows.insert(run, (0, HashSet::new()));
                }
                books.open_runs.insert(run, units.len());
                books.open_units.extend(units.iter().map(|unit| (unit.unit, run)));
                let units: Vec<UnitId> = units.iter().map(|unit| unit.unit).collect();
                self.scheduler.recorded(now, units);
            }
            Record::Retry { run, unit } => {
                *books.open_runs.get_mut(&run).expect("an open run") += 1;
                books.open_units.insert(unit.unit, run);
                self.scheduler.recorded(now, [unit.unit]);
            }
            Record::CloseUnit { unit, outcome, .. } => {
                let run = books.open_units.remove(&unit).expect("closed once");
                *books.open_runs.get_mut(&run).expect("an open run") -= 1;
                match outcome {
                    Outcome::Succeeded => books.succeeded += 1,
                    Outcome::Unreachable => books.unreachable += 1,
                    Outcome::Skipped { .. } => books.skipped += 1,
                    _ => books.failed += 1,
                }
            }
            Record::CloseRun { run, end, .. } => {
                assert_eq!(books.open_runs.remove(&run), Some(0), "closed with its last unit");
                if let Some((_, parts)) = books.flows.remove(&run) {
                    assert!(parts.is_empty(), "closed with its last part");
                }
                if let Some(flow) = books.part_of.remove(&run) {
                    let (_, parts) = books.flows.get_mut(&flow).expect("an open flow");
                    assert!(parts.remove(&run));
                }
                let word = match end {
                    RunEnd::Succeeded => "succeeded",
                    RunEnd::Failed => "failed",
                    RunEnd::Cancelled => "cancelled",
                    RunEnd::Lost => "lost",
                    RunEnd::Skipped { .. } => "skipped",
                };
                *books.ends.entry(word).or_default() += 1;
            }
            Record::Gap(gap) => {
                books.gaps += 1;
                if gap.node.is_none() {
                    assert_eq!(gap.count, 1);
                    assert!(books.covered.insert((gap.job, gap.first_at)), "covered twice");
                }
            }
            Record::StartRun { .. } | Record::StartUnit { .. } | Record::OnNode { .. } => {}
            other => panic!("{other:?}"),
        }
    }

    /// Every instant of every job in the span is covered, and nothing is open.
    pub fn assert_books_add_up(&self, span: Duration) {
        assert!(self.books.open_units.is_empty() && self.books.open_runs.is_empty());
        assert!(self.books.flows.is_empty());
        assert!(self.running.is_empty());
        let end = self.start + SignedDuration::try_from(span).unwrap();
        for job in self.jobs.values() {
            let due = job.schedule.fires_between(&job.zone(), self.start, end).unwrap();
            let covered = self.books.covered.iter().filter(|(name, _)| *name == job.name).count();
            assert_eq!(covered as u64, due.count, "{}", job.name);
        }
    }
}

pub fn node(n: usize) -> Node {
    Node {
        name: format!("n{n}"),
        user: "root".into(),
        ip: None,
        port: None,
        identity: None,
        password: None,
        tags: Vec::new(),
        ssh_options: BTreeMap::new(),
        max_sessions: 8,
        source: source(),
    }
}

pub fn source() -> Source {
    Source { file: "jobs.yaml".into(), line: 1 }
}

pub fn job(name: &str, schedule: &str, nodes: std::ops::Range<usize>) -> Job {
    let schedule = Schedule::parse(schedule).unwrap();
    Job {
        timezone: Some("UTC".into()),
        targets: nodes.map(|n| format!("n{n}")).collect(),
        ..Job::new(name.into(), "loom.run".into(), schedule, source())
    }
}

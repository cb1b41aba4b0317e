//! Plays a plan: the event loop in virtual time, with an operator who knows no mercy.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use loom::cron::Fires;
use loom::cron::clock::{Clock, Look, Watch};
use loom::event::{Cause, Event};
use loom::flow::{Resume, Start};
use loom::job::Job;
use loom::node::Node;
use loom::node_state::{self, MasterId};
use loom::pool::{self, SlotId};
use loom::scheduler::{Action, Now, Numbers, Scheduler, Target};
use loom::store::Record;
use loom::timetable::{Standstill, Timetable, Untold, Verdict};
use loom::unit::{Canceller, Reason, RunId, Trigger, UnitId};

use super::Plan;
use super::books::{Books, Instant as Due, Made, Seen, instants_of};
use crate::world::node;

const LOOK: Duration = Duration::from_secs(60);

/// Records that may wait while nothing can be written.
const MEMORY: usize = 60;

/// What comes to pass later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Later {
    Hello(SlotId),
    Started(SlotId, UnitId),
    Heartbeat(SlotId),
    /// How it ends is drawn when it does.
    Done(SlotId, UnitId),
    Cancelled(SlotId, UnitId),
    Babble(SlotId),
    /// It made its node go away, and asks for it.
    Rejoin(SlotId, UnitId),
    /// Something of it is about to get other rights.
    Rights(SlotId, UnitId),
    Gone(SlotId),
    Connected(MasterId, u64),
    SshEnds(MasterId, u64),
    Write,
    Mischief,
    Hurry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Well,
    Refuses,
    Hangs,
    /// Connections come up, and break after a while.
    Drops,
}

#[derive(Debug, Default)]
pub struct Worker {
    pub unit: Option<UnitId>,
    /// It says nothing any more, and hears nothing.
    pub hung: bool,
}

/// What records are on the way to the disk, and whether they get there.
#[derive(Debug, Default)]
pub struct Ledger {
    pub waiting: VecDeque<(Record, Vec<UnitId>)>,
    pub degraded: bool,
    pub refusing: bool,
    /// Flows that it does not have: it refuses their parts.
    pub unknown: BTreeSet<RunId>,
}

pub struct Player {
    pub scheduler: Scheduler,
    pub timetable: Timetable,
    clock: Clock,
    look_at: Timestamp,
    pub paused: bool,
    was_down: bool,

    pub plan: Plan,
    pub jobs: BTreeMap<String, Arc<Job>>,
    pub all_jobs: HashMap<String, Arc<Job>>,
    pub nodes: BTreeMap<String, (Arc<Node>, MasterId)>,
    pub all_nodes: Vec<Arc<Node>>,
    pub health: HashMap<String, Health>,
    /// Which node a connection leads to.
    pub masters: Vec<String>,

    base: Instant,
    start: Timestamp,
    pub passed: Duration,
    /// How far the wall clock was set.
    pub set_by: SignedDuration,
    later: BinaryHeap<std::cmp::Reverse<(Duration, u64, Later)>>,
    order: u64,
    dice: u64,

    pub workers: BTreeMap<SlotId, Worker>,
    pub max_workers: usize,
    pub no_spawn: bool,
    pub ssh: Seen,
    pub ssh_generation: HashMap<MasterId, u64>,
    pub ssh_lost: HashMap<MasterId, Duration>,
    pub ledger: Ledger,
    pub books: Books,
    made: Option<Made>,
    watches: BTreeMap<String, Watch>,
    due: BTreeSet<Due>,
    pub healed: bool,
    ended: bool,
}

impl Player {
    pub fn new(plan: &Plan) -> Player {
        let start: Timestamp = "2026-03-01T00:00:30Z".parse().unwrap();
        let numbers =
            Numbers { cookie_prefix: "chaos".into(), epoch: 0, next_run: 1, next_unit: 1 };
        let all_nodes: Vec<Arc<Node>> = (0..plan.nodes)
            .map(|n| Arc::new(Node { max_sessions: 1 + n as u32 % 3, ..node(n) }))
            .collect();
        let jobs = plan.jobs.iter().enumerate();
        let jobs: Vec<Job> =
            jobs.map(|(n, rules)| rules.job(&format!("j{n}"), plan.nodes)).collect();
        let flows = plan.flows.iter().enumerate();
        let flows: Vec<Job> =
            flows.map(|(n, rules)| rules.job(&format!("f{n}"), &jobs, plan.nodes)).collect();
        let all = jobs.into_iter().chain(flows);
        let jobs: BTreeMap<String, Arc<Job>> =
            all.map(|job| (job.name.clone(), Arc::new(job))).collect();
        let mut player = Player {
            scheduler: Scheduler::new(
                numbers,
                BTreeMap::new(),
                limits(plan.workers),
                master_limits(60),
            ),
            timetable: Timetable::default(),
            clock: Clock::new(start, Duration::ZERO),
            look_at: start,
            paused: false,
            was_down: false,
            plan: plan.clone(),
            all_jobs: jobs.clone().into_iter().collect(),
            jobs,
            nodes: BTreeMap::new(),
            health: HashMap::new(),
            masters: Vec::new(),
            base: Instant::now(),
            start,
            passed: Duration::ZERO,
            set_by: SignedDuration::ZERO,
            later: BinaryHeap::new(),
            order: 0,
            dice: plan.seed,
            workers: BTreeMap::new(),
            max_workers: plan.workers,
            no_spawn: false,
            ssh: Seen::default(),
            ssh_generation: HashMap::new(),
            ssh_lost: HashMap::new(),
            ledger: Ledger::default(),
            books: Books::default(),
            made: None,
            watches: BTreeMap::new(),
            due: BTreeSet::new(),
            healed: false,
            ended: false,
            all_nodes,
        };
        for node in player.all_nodes.clone() {
            player.add_node(node);
        }
        player.adopt_jobs(start);
        player
    }

    /// A number below `n`.
    pub fn draw(&mut self, n: u64) -> u64 {
        // SplitMix64.
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n.max(1)
    }

    pub fn now(&self) -> Now {
        let passed = SignedDuration::try_from(self.passed).unwrap() + self.set_by;
        Now { mono: self.base + self.passed, wall: self.start + passed }
    }

    pub fn after(&mut self, wait: Duration, what: Later) {
        self.order += 1;
        self.later.push(std::cmp::Reverse((self.passed + wait, self.order, what)));
    }

    pub fn after_ms(&mut self, from: u64, to: u64, what: Later) {
        let wait = from + self.draw(to - from);
        self.after(Duration::from_millis(wait), what);
    }

    pub fn may(&self) -> super::Faults {
        if self.healed { super::Faults::default() } else { self.plan.faults }
    }

    /// Until everything has gone wrong, healed and come to rest.
    pub fn play(mut self) {
        let chaos = Duration::from_secs(60 * self.plan.minutes);
        // Everything that lasts ends within two hours: retries, splays, deadlines.
        let quiet = chaos + Duration::from_secs(600);
        self.after_ms(0, 5000, Later::Mischief);
        let mut steps = 0u64;
        loop {
            if self.passed >= chaos && !self.healed {
                self.heal();
            }
            if self.passed >= quiet && !self.ended {
                self.ended = true;
                self.look();
                self.settle();
            }
            let tick = self.scheduler.deadline().map(|at| at - self.base);
            let event = self.later.peek().map(|std::cmp::Reverse((at, ..))| *at);
            let look = (!self.ended && !self.books.stopping).then(|| self.look_in());
            let mark = [chaos, quiet].into_iter().find(|at| *at > self.passed);
            let next = [tick, event, look, mark].into_iter().flatten().min();
            let Some(next) = next else { break };
            self.passed = self.passed.max(next);
            steps += 1;
            assert!(steps < 2_000_000, "time does not pass");
            while self.later.peek().is_some_and(|std::cmp::Reverse((at, ..))| *at <= self.passed) {
                let Some(std::cmp::Reverse((_, _, what))) = self.later.pop() else { break };
                self.happen(what);
            }
            self.scheduler.tick(self.now());
            self.settle();
            if !self.ended && !self.books.stopping && self.look_in() <= self.passed {
                self.look();
            }
            self.settle();
            self.tell_untold();
            self.settle();
            assert_eq!(self.scheduler.forgotten(), None);
        }
        self.assert_at_rest();
    }

    fn assert_at_rest(&mut self) {
        assert!(self.scheduler.is_idle(), "units wait for ever: {:?}", self.scheduler);
        assert!(self.scheduler.is_at_rest(), "something is left: {:?}", self.scheduler);
        assert!(self.ledger.waiting.is_empty());
        self.books.assert_complete(&self.due, &self.all_jobs);
    }

    /// In how much time the alarm rings.
    fn look_in(&self) -> Duration {
        let at = self.timetable.next().map_or(self.look_at, |at| at.min(self.look_at));
        let wait = Duration::try_from(at.duration_since(self.now().wall)).unwrap_or_default();
        self.passed + wait
    }

    pub fn is_ledger_down(&self) -> bool {
        self.ledger.degraded && self.ledger.waiting.len() >= MEMORY
    }

    /// As the daemon does.
    pub fn look(&mut self) -> Timestamp {
        let now = self.now();
        self.look_at = now.wall + SignedDuration::try_from(LOOK).unwrap();
        let look = self.clock.look(now.wall, self.passed);
        if look.opens_epoch() {
            self.scheduler.begin_epoch();
        }
        if self.books.stopping {
            return now.wall;
        }
        self.expect_due(look, now.wall);
        let ledger_down = self.is_ledger_down();
        self.was_down |= ledger_down;
        let standstill = Standstill { paused: self.paused, ledger_down };
        let epoch = self.scheduler.epoch();
        for (job, verdict) in self.timetable.take_due(look, now.wall, epoch, standstill) {
            match verdict {
                Verdict::Run(at) => self.begin_run(&job, Trigger::Schedule, Some(at), None),
                Verdict::Gap(fires, reason) => self.scheduler.gap(&job, None, fires, reason, None),
            }
        }
        self.settle();
        now.wall
    }

    /// What every job's own watch says is due.
    fn expect_due(&mut self, look: Look, now: Timestamp) {
        let epoch = self.scheduler.epoch();
        for (name, watch) in &mut self.watches {
            let job = &self.all_jobs[name];
            let Some(due) = watch.look(&job.schedule, &job.zone(), look, now) else { continue };
            let run = due.run.map(|at| Fires { first: at, last: at, count: 1 });
            for fires in [due.missed, run, due.passed_over].into_iter().flatten() {
                for at in instants_of(job, fires) {
                    self.due.insert((name.clone(), epoch, at));
                }
            }
        }
    }

    pub fn begin_run(
        &mut self,
        job: &Arc<Job>,
        trigger: Trigger,
        at: Option<Timestamp>,
        resume: Option<Resume>,
    ) {
        let targets: Vec<Target> =
            job.targets.iter().filter_map(|name| self.nodes.get(name)).cloned().collect();
        let now = self.now();
        let limit = SignedDuration::try_from(job.splay + job.deadline).unwrap();
        let left = at.map(|at| limit.saturating_sub(now.wall.duration_since(at)));
        let left = left.map(|left| self.passed + Duration::try_from(left).unwrap_or_default());
        self.settle();
        if job.flow.is_some() {
            self.books.flows.coming = Some((job.clone(), resume.clone(), left));
            self.scheduler.begin_flow(now, job, resume, Cause::new(trigger, at));
            self.settle();
            self.books.flows.coming = None;
            return;
        }
        self.made =
            Some(Made { job: job.clone(), targets: targets.len(), before: 0, deadline: left });
        self.scheduler.begin_run(now, job, &targets, Cause::new(trigger, at));
        self.settle();
        self.made = None;
        if trigger == Trigger::Manual {
            self.books.disregard(&job.name, self.scheduler.epoch(), now.wall);
        }
    }

    fn tell_untold(&mut self) {
        if !self.was_down || self.is_ledger_down() {
            return;
        }
        self.was_down = false;
        for Untold { job, epoch, fires, reason } in self.timetable.take_untold() {
            self.scheduler.gap_of_epoch(&job, epoch, fires, reason);
        }
    }

    pub fn adopt_jobs(&mut self, now: Timestamp) {
        self.timetable.replace(&self.jobs, now);
        self.watches.retain(|name, _| self.jobs.contains_key(name));
        for (name, job) in &self.jobs {
            let begin = || Watch::new(&job.schedule, &job.zone(), now);
            self.watches.entry(name.clone()).or_insert_with(begin);
        }
    }

    pub fn add_node(&mut self, node: Arc<Node>) {
        let id = MasterId(self.masters.len() as u32);
        self.masters.push(node.name.clone());
        self.health.entry(node.name.clone()).or_insert(Health::Well);
        self.nodes.insert(node.name.clone(), (node, id));
    }

    pub fn settle(&mut self) {
        while let Some(action) = self.scheduler.next_action(self.now()) {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Record(record) => self.submit(record),
            Action::Connect(id) => self.connect(id),
            Action::Close(id) => self.close(id),
            Action::EndMaster(id) => self.end_master(id),
            Action::Spawn(slot) => self.spawn(slot),
            Action::Send { slot, unit } => self.send(slot, unit),
            Action::Cancel { slot, unit, .. } => self.order_cancel(slot, unit),
            Action::Rejoined { slot, unit, trouble } => self.rejoined(slot, unit, trouble),
            Action::RightsKept { unit, .. } => self.books.has_rights(unit),
            Action::Shutdown(slot) => self.order_shutdown(slot),
            Action::KillWorker(slot) => self.kill(slot),
            Action::BeginPart { flow, start } => self.begin_part(flow, &start),
            Action::Tell(Event::Missed { job, fires, reason: Reason::Deadline, .. }) => {
                self.books.flows.too_late(self.passed, &job.name, fires.first);
            }
            Action::Tell(_) => {}
        }
    }

    fn begin_part(&mut self, flow: RunId, start: &Start) {
        let (mut targets, mut missing) = (Vec::new(), Vec::new());
        for name in &start.nodes {
            match self.nodes.get(name) {
                Some(target) => targets.push(target.clone()),
                None => missing.push(name.clone()),
            }
        }
        assert!(!self.books.stopping, "a part begins at a stop");
        self.books.flows.part_begins(flow, start, start.nodes.len());
        self.scheduler.begin_part(self.now(), flow, start, &targets, missing);
    }

    fn submit(&mut self, record: Record) {
        self.books.record(self.passed, &record, self.made.as_ref());
        let units: Vec<UnitId> = match &record {
            Record::OpenRun { units, .. } => units.iter().map(|unit| unit.unit).collect(),
            Record::Retry { unit, .. } => vec![unit.unit],
            _ => Vec::new(),
        };
        if self.ledger.degraded {
            self.keep_rights(&record);
            units.iter().for_each(|unit| self.books.may_start(*unit));
            self.scheduler.recorded(self.now(), units.iter().copied());
        } else if self.ledger.waiting.is_empty() {
            let slow = if self.may().ledger { 3000 } else { 20 };
            self.after_ms(0, slow, Later::Write);
        }
        self.ledger.waiting.push_back((record, units));
    }

    /// What the record says of a unit's rights can be relied on.
    pub fn keep_rights(&mut self, record: &Record) {
        if let Record::Rights { unit, .. } = record {
            self.books.may_have_rights(*unit);
            self.scheduler.rights_kept(*unit);
        }
    }

    fn happen(&mut self, what: Later) {
        match what {
            Later::Mischief => {
                if !self.healed {
                    self.make_mischief();
                    self.after_ms(100, 20_000, Later::Mischief);
                }
            }
            Later::Hurry => {
                let by = Canceller::Shutdown;
                self.scheduler.cancel_all(self.now(), &by);
            }
            Later::Write => self.write(),
            Later::Hello(_)
            | Later::Started(..)
            | Later::Heartbeat(_)
            | Later::Done(..)
            | Later::Cancelled(..)
            | Later::Babble(_)
            | Later::Rejoin(..)
            | Later::Rights(..)
            | Later::Gone(_) => self.worker_does(what),
            Later::Connected(id, generation) => self.connected(id, generation),
            Later::SshEnds(id, generation) => self.ssh_ends(id, generation),
        }
        // Several things can happen before the event loop comes round.
        if self.draw(2) == 0 {
            self.settle();
        }
    }

    /// Whether a unit of this job or node may still start.
    pub fn assert_configured(&self, unit: UnitId) {
        let unit = self.scheduler.unit(unit).expect("known");
        let flow = self.scheduler.place_of(unit.run).map(|(flow, _)| flow);
        let job = flow.map_or(Some(unit.job.clone()), |flow| self.scheduler.job_of(flow));
        let job = job.expect("the flow is open");
        assert!(self.jobs.contains_key(&job.name), "a unit of a job that is no more");
        assert!(self.nodes.contains_key(&unit.node.name), "a unit on a node that is no more");
    }
}

pub fn limits(max: usize) -> pool::Limits {
    pool::Limits { min: 0, max, idle_timeout: Duration::from_secs(20), recycle_after: 7 }
}

pub fn master_limits(persist: u64) -> node_state::Limits {
    node_state::Limits {
        connect_timeout: Duration::from_secs(20),
        persist: Duration::from_secs(persist),
        max_connecting: 2,
    }
}

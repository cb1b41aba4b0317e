//! Runs and their units, from the due instant to the last outcome.
//!
//! Puts the deciding modules together: [`run`](crate::run), [`dispatch`](crate::dispatch),
//! [`node_state`] and [`pool`]. It is told what happens and leaves what is to be done in an
//! outbox, from which its caller takes [`Action`]s until none is left. It does no I/O and knows
//! neither files nor processes, so that a week of ten thousand nodes can be played in seconds
//! (tests/simulation).

mod flows;
mod gaps;
mod masters;
mod rejoin;
mod runs;
mod steps;
mod unit;
mod workers;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use jiff::Timestamp;

use crate::dispatch::Dispatcher;
use crate::event::Event;
use crate::flow::{Flows, Start};
use crate::node_state::{self, MasterId, Masters};
use crate::pool::{self, Pool, SlotId};
use crate::protocol::control::Units;
use crate::run::Runs;
use crate::store::Record;
use crate::unit::{Canceller, RunId, UnitId};
use rejoin::Away;
pub use runs::Target;
pub use unit::{KILL_GRACE, Phase, Unit};

/// One moment on both clocks: timeouts run on the first, records bear the second.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub mono: Instant,
    pub wall: Timestamp,
}

impl Now {
    pub fn read() -> Now {
        Now { mono: Instant::now(), wall: Timestamp::now() }
    }
}

/// What the event loop is to do.
#[derive(Debug)]
pub enum Action {
    /// Submit it to the ledger. Of `OpenRun` and `Retry` is to be told that they are written, by
    /// [`Scheduler::recorded`], or that they cannot be, by [`Scheduler::refused`]; of `Rights` in
    /// any case, by [`Scheduler::rights_kept`].
    Record(Record),
    /// Start an ssh master; [`node_state::Event`] says what becomes of it.
    Connect(MasterId),
    Close(MasterId),
    EndMaster(MasterId),
    /// Start a worker; [`pool::Event`] says what becomes of it.
    Spawn(SlotId),
    /// Hand the unit over: [`Scheduler::sent`] or [`Scheduler::unsendable`].
    Send {
        slot: SlotId,
        unit: UnitId,
    },
    Cancel {
        slot: SlotId,
        unit: UnitId,
        by: Canceller,
    },
    /// Tell the worker that its unit's connection is up again, or why it is not.
    Rejoined {
        slot: SlotId,
        unit: UnitId,
        trouble: Option<String>,
    },
    /// Tell the worker that its unit may go on, with the rights it told of.
    RightsKept {
        slot: SlotId,
        unit: UnitId,
    },
    Shutdown(SlotId),
    KillWorker(SlotId),
    /// Look up the nodes of a part whose turn has come, and begin it: [`Scheduler::begin_part`].
    BeginPart {
        flow: RunId,
        start: Box<Start>,
    },
    /// For whoever watches.
    Tell(Event),
}

/// What is due when its moment comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Its splay or retry delay is over.
    Admit(UnitId),
    /// It should have begun by now.
    Late(RunId),
    /// It need not begin any more.
    Deadline(RunId),
    /// Its worker should have ended it by now.
    Overdue(UnitId),
    /// It made its node go away, and has not been heard of since.
    Silent(UnitId),
}

/// What is numbered on from an earlier daemon.
#[derive(Debug, Clone)]
pub struct Numbers {
    /// Distinguishes our cookies from those of all other daemons.
    pub cookie_prefix: String,
    /// Counts the wall clock's re-anchorings.
    pub epoch: u32,
    pub next_run: u64,
    pub next_unit: u64,
}

#[derive(Debug)]
pub struct Scheduler {
    numbers: Numbers,
    pool: Pool,
    masters: Masters,
    dispatcher: Dispatcher,
    runs: Runs,
    flows: Flows,
    units: HashMap<UnitId, Unit>,
    timers: BTreeSet<(Instant, Timer)>,
    /// When a scheduled run is late, and when too late.
    run_timers: HashMap<RunId, (Instant, Instant)>,
    /// By node: cookies of units that may have left something running there.
    sweep: BTreeMap<String, Vec<String>>,
    /// Units that made their node go away, and wait for it.
    away: Away,
    /// Why a connection last failed.
    complaints: HashMap<MasterId, String>,
    outbox: VecDeque<Action>,
    stopping: bool,
    /// `make_wanted` is at work.
    wanting: bool,
}

impl Scheduler {
    /// `sweep`: by node, cookies of what earlier daemons may have left there.
    pub fn new(
        numbers: Numbers,
        sweep: BTreeMap<String, Vec<String>>,
        pool: pool::Limits,
        masters: node_state::Limits,
    ) -> Scheduler {
        let mut dispatcher = Dispatcher::default();
        dispatcher.set_workers(pool.max);
        Scheduler {
            numbers,
            pool: Pool::new(pool),
            masters: Masters::new(masters),
            dispatcher,
            runs: Runs::default(),
            flows: Flows::default(),
            units: HashMap::new(),
            timers: BTreeSet::new(),
            run_timers: HashMap::new(),
            sweep,
            away: Away::default(),
            complaints: HashMap::new(),
            outbox: VecDeque::new(),
            stopping: false,
            wanting: false,
        }
    }

    /// What is to be done next. To be asked until there is nothing, whatever has happened: only
    /// then do runs go on with their next steps, and are units handed over to the workers and nodes
    /// that have become free.
    pub fn next_action(&mut self, now: Now) -> Option<Action> {
        if self.outbox.is_empty() {
            self.take_steps(now);
            self.pump(now);
        }
        self.outbox.pop_front()
    }

    pub fn adjust(&mut self, now: Now, pool: pool::Limits, masters: node_state::Limits) {
        self.dispatcher.set_workers(pool.max);
        self.on_pool(now, pool::Event::Adjust(pool));
        self.on_master(now, node_state::Event::Adjust(masters));
    }

    /// When [`Scheduler::tick`] is next needed.
    pub fn deadline(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let others = [self.masters.deadline(), self.dispatcher.stuck_at(), timer];
        self.pool.deadline().into_iter().chain(others.into_iter().flatten()).min()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Now) {
        if self.pool.deadline().is_some_and(|at| now.mono >= at) {
            self.on_pool(now, pool::Event::Tick);
        }
        if self.masters.deadline().is_some_and(|at| now.mono >= at) {
            self.on_master(now, node_state::Event::Tick);
        }
        for id in self.dispatcher.take_stuck(now.mono) {
            self.on_master(now, node_state::Event::Renew(id));
        }
        while let Some((at, timer)) = self.timers.first().copied()
            && now.mono >= at
        {
            self.timers.remove(&(at, timer));
            match timer {
                Timer::Admit(unit) => self.admit(now, unit),
                Timer::Late(run) => self.late(run),
                Timer::Deadline(run) => self.too_late(now, run),
                Timer::Overdue(unit) => self.overdue(now, unit),
                Timer::Silent(unit) => self.silent(now, unit),
            }
        }
    }

    /// Nothing is recorded, queued or running.
    pub fn is_idle(&self) -> bool {
        self.units.is_empty() && self.flows.is_empty()
    }

    /// Something that will not go on by itself though it could, between two events. For tests.
    #[doc(hidden)]
    pub fn forgotten(&self) -> Option<String> {
        let unit = self.dispatcher.forgotten().map(|unit| format!("unit {unit} is not woken"));
        let next = self.pool.room() > 0 && self.dispatcher.has_next();
        let next = next.then(|| "a unit that could go is not sent".to_owned());
        let mut awaited = self.dispatcher.awaited();
        // A unit that waits for its own node has it tried from time to time.
        let left = |id: &MasterId| !self.masters.is_under_way(*id) && !self.away.is_from(*id);
        let master = awaited.find(left);
        let master = master.map(|id| format!("{id:?} is waited for and not wanted"));
        unit.or(next).or(master)
    }

    /// Nothing is left of anything: no unit, no book about one, no worker, no connection. For
    /// tests, once everything is over and time has passed.
    #[doc(hidden)]
    pub fn is_at_rest(&self) -> bool {
        self.units.is_empty()
            && self.runs.is_empty()
            && self.flows.is_at_rest()
            && self.timers.is_empty()
            && self.run_timers.is_empty()
            && self.outbox.is_empty()
            && self.away.is_empty()
            && self.dispatcher.is_at_rest()
            && self.masters.is_at_rest()
            && self.pool.is_at_rest()
    }

    pub fn unit(&self, id: UnitId) -> Option<&Unit> {
        self.units.get(&id)
    }

    pub fn epoch(&self) -> u32 {
        self.numbers.epoch
    }

    /// Instants may come again: from now on they are others than before.
    pub fn begin_epoch(&mut self) {
        self.numbers.epoch += 1;
        self.record(Record::Epoch(self.numbers.epoch));
    }

    /// A flow stands for its parts.
    pub fn open_runs(&self) -> usize {
        self.runs.whole() + self.flows.len()
    }

    /// Live workers.
    pub fn workers(&self) -> usize {
        self.pool.live()
    }

    /// Connections that are up.
    pub fn connections(&self) -> usize {
        self.masters.up()
    }

    pub fn is_connected(&self, id: MasterId) -> bool {
        self.masters.is_up(id)
    }

    /// Open units by how far they have come.
    pub fn count_units(&self) -> Units {
        let mut count = Units::default();
        for (id, unit) in &self.units {
            match unit.phase {
                Phase::Recording => count.recording += 1,
                Phase::Waiting if self.dispatcher.is_queued(*id) => count.waiting += 1,
                Phase::Waiting => count.held += 1,
                Phase::Submitted => count.waiting += 1,
                Phase::Sent { .. } => count.running += 1,
            }
        }
        count
    }

    fn record(&mut self, record: Record) {
        self.outbox.push_back(Action::Record(record));
    }

    fn tell(&mut self, event: Event) {
        self.outbox.push_back(Action::Tell(event));
    }
}

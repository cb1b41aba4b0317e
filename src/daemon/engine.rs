//! The engine: everything a running Loom holds, and one turn of its event loop.
//!
//! It owns the children, the ledger and the deciding modules, and decides nothing itself: it
//! turns what the kernel reports into their events and performs the actions they answer with.
//! The daemon and `loom once` both drive it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inotify::{Inotify, WatchMask};

use super::runtime::RuntimeDir;
use super::token::Token;
use crate::config::{Config, Settings};
use crate::dispatch::Dispatcher;
use crate::job::Job;
use crate::master::askpass::Askpass;
use crate::master::{Master, Parameters};
use crate::node::Node;
use crate::node_state::{self, MasterId, Masters};
use crate::pool::child::{Executable, Workers};
use crate::pool::{self, Pool, SlotId};
use crate::run::Runs;
use crate::store::{Opened, Record, Seq, Writer};
use crate::sys::poll::{Interest, Poll};
use crate::unit::{Outcome, RunId, UnitId};

/// How far a unit has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its row is on the way to the ledger.
    Recording,
    /// In the dispatcher, until its node and a worker are free.
    Waiting,
    /// In the pool.
    Submitted,
    /// At a worker.
    Sent { slot: SlotId },
}

/// A unit that has no outcome yet, with the job and node as they were when it was made.
#[derive(Debug)]
pub struct Unit {
    pub run: RunId,
    pub job: Arc<Job>,
    pub node: Arc<Node>,
    pub master: MasterId,
    pub attempt: u32,
    pub cookie: String,
    pub phase: Phase,
    /// When a worker got it.
    pub begun: Option<Instant>,
    /// Cookies of earlier units on its node, for which its worker sweeps before it starts.
    pub sweeps: Vec<String>,
}

/// A unit that has come to its end, for whoever drives the engine.
#[derive(Debug)]
pub struct Ended {
    pub job: String,
    pub node: String,
    pub outcome: Outcome,
    pub detail: Option<String>,
    pub took: Option<Duration>,
}

/// Where things are written.
#[derive(Debug)]
pub struct Paths {
    pub runtime: RuntimeDir,
    pub output: PathBuf,
    pub max_output: u64,
}

impl Paths {
    /// At most 4,096 files to a directory.
    pub fn output_of(&self, unit: UnitId) -> PathBuf {
        self.output.join(format!("{:04x}", unit.0 >> 12)).join(format!("{unit}.log"))
    }
}

pub struct Engine {
    pub config: Arc<Config>,
    pub jobs: BTreeMap<String, Arc<Job>>,
    pub nodes: BTreeMap<String, Arc<Node>>,
    pub poll: Poll,
    pub paths: Paths,
    /// `loom once`: units print their output behind their node's name, padded to this width.
    pub echo: Option<usize>,
    /// Distinguishes our cookies from all other daemons'.
    pub ledger_id: String,
    /// Counts the wall clock's re-anchorings.
    pub epoch: u32,
    pub next_run: u64,
    pub next_unit: u64,

    pub pool: Pool,
    pub masters: Masters,
    pub dispatcher: Dispatcher,
    pub runs: Runs,
    pub units: HashMap<UnitId, Unit>,
    /// Units whose rows are not yet known to be durable.
    pub recording: VecDeque<(Seq, Vec<UnitId>)>,
    /// By node: cookies of units that may have left something running there.
    pub sweep: BTreeMap<String, Vec<String>>,
    pub ended: Vec<Ended>,

    pub ledger: Writer,
    pub executable: Executable,
    pub workers: Workers,
    pub connections: BTreeMap<MasterId, Master>,
    /// By [`MasterId`]; grows with each distinct set that was ever configured.
    pub parameters: Vec<Parameters>,
    /// By node name: its parameters as they are now.
    pub parameter_index: HashMap<String, MasterId>,
    /// What ssh said when a connection last failed.
    pub complaints: HashMap<MasterId, String>,
    pub(super) askpass: Askpass,
    pub(super) sockets: Inotify,
}

impl Engine {
    /// Starts `min_workers` workers; connects to nothing yet.
    pub fn new(
        config: Config,
        runtime: RuntimeDir,
        ledger: Writer,
        opened: &Opened,
        echo: Option<usize>,
    ) -> io::Result<Engine> {
        let askpass = Askpass::listen(runtime.path())?;
        let sockets = Inotify::init()?;
        sockets.watches().add(runtime.path(), WatchMask::CREATE)?;
        let poll = Poll::new()?;
        poll.add(askpass.fd(), Token::Askpass.into(), Interest::Read)?;
        poll.add(sockets.as_fd(), Token::Sockets.into(), Interest::Read)?;
        poll.add(ledger.fd(), Token::Ledger.into(), Interest::Read)?;
        let mut engine = Engine {
            jobs: BTreeMap::new(),
            nodes: BTreeMap::new(),
            poll,
            paths: Paths {
                runtime,
                output: config.settings.statedir.join("output"),
                max_output: config.settings.max_output,
            },
            echo,
            ledger_id: opened.ledger_id.clone(),
            epoch: opened.epoch,
            next_run: opened.next_run.0,
            next_unit: opened.next_unit.0,
            pool: Pool::new(pool_limits(&config.settings)),
            masters: Masters::new(master_limits(&config.settings)),
            dispatcher: Dispatcher::default(),
            runs: Runs::default(),
            units: HashMap::new(),
            recording: VecDeque::new(),
            sweep: opened.unswept.clone(),
            ended: Vec::new(),
            ledger,
            executable: Executable::find()?,
            workers: BTreeMap::new(),
            connections: BTreeMap::new(),
            parameters: Vec::new(),
            parameter_index: HashMap::new(),
            complaints: HashMap::new(),
            askpass,
            sockets,
            config: Arc::new(config),
        };
        engine.adopt_config();
        engine.on_pool(pool::Event::Tick);
        Ok(engine)
    }

    /// Makes the jobs and nodes of `self.config` those that new runs are made of.
    pub fn adopt_config(&mut self) {
        let share = |(name, job): (&String, &Job)| (name.clone(), Arc::new(job.clone()));
        self.jobs = self.config.jobs.iter().map(share).collect();
        let share = |(name, node): (&String, &Node)| (name.clone(), Arc::new(node.clone()));
        self.nodes = self.config.nodes.iter().map(share).collect();
    }

    /// Instants may come again: from now on they are others than before.
    pub fn begin_epoch(&mut self) {
        self.epoch += 1;
        self.ledger.submit(Record::Epoch(self.epoch));
    }

    pub fn targets(&self, job: &Job) -> Vec<Arc<Node>> {
        job.targets.iter().filter_map(|name| self.nodes.get(name)).cloned().collect()
    }

    /// Nothing is recorded, queued or running.
    pub fn is_idle(&self) -> bool {
        self.units.is_empty()
    }

    /// When [`Engine::tick`] is next needed.
    pub fn deadline(&self) -> Option<Instant> {
        self.pool.deadline().into_iter().chain(self.masters.deadline()).min()
    }

    /// Hands over what can be, waits at most `until` for something to happen, and lets time
    /// pass. Returns what is not the engine's own.
    pub fn turn(&mut self, until: Option<Instant>) -> io::Result<Vec<Token>> {
        self.pump();
        let until = until.into_iter().chain(self.deadline()).min();
        let timeout = until.map(|at| at.saturating_duration_since(Instant::now()));
        let mut others = Vec::new();
        for raw in self.poll.wait(timeout)? {
            let Ok(token) = Token::try_from(raw) else { continue };
            match token {
                Token::Ledger => self.acknowledged(),
                Token::Sockets => self.sockets_appeared(),
                Token::Askpass => self.answer_askpass(),
                Token::Frames(slot) => self.frames(slot),
                Token::Orders(slot) => self.orders(slot),
                Token::Printed(slot) => self.printed(slot),
                Token::Master(id) => self.master_printed(id),
                Token::Signals | Token::Alarm | Token::Watch | Token::Loader => others.push(token),
            }
        }
        // Only after everybody was heard: we may have been the ones who slept.
        self.tick();
        Ok(others)
    }

    /// The end: no worker is left; the masters go, and what is yet unwritten is written.
    pub fn finish(self, limit: Duration) {
        let Engine { connections, ledger, paths, .. } = self;
        // Dropping them ends and reaps them.
        drop(connections);
        if let Err(e) = ledger.finish(limit) {
            log::error!(target: "loom::ledger", "{e}");
        }
        drop(paths);
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if self.pool.deadline().is_some_and(|at| now >= at) {
            self.on_pool(pool::Event::Tick);
        }
        if self.masters.deadline().is_some_and(|at| now >= at) {
            self.on_master(node_state::Event::Tick);
        }
    }

    /// SIGCHLD: somebody is gone; the kernel merges signals, so everybody is looked at.
    pub fn reap(&mut self) {
        let slots: Vec<SlotId> = self.workers.keys().copied().collect();
        for slot in slots {
            let Some(worker) = self.workers.get_mut(&slot) else { continue };
            let Some(how) = worker.exited() else { continue };
            let level = if how.success() { log::Level::Debug } else { log::Level::Warn };
            log::log!(target: "loom::pool", level, "worker {} is gone: {how}", worker.pid());
            self.frames(slot);
            self.printed(slot);
            if let Some(worker) = self.workers.remove(&slot) {
                self.unwatch_worker(&worker);
            }
            self.on_pool(pool::Event::Exited { slot });
        }
        let ids: Vec<MasterId> = self.connections.keys().copied().collect();
        for id in ids {
            self.reap_master(id);
        }
    }
}

pub fn pool_limits(settings: &Settings) -> pool::Limits {
    pool::Limits {
        min: settings.min_workers as usize,
        max: settings.max_workers as usize,
        idle_timeout: settings.idle_timeout,
        recycle_after: settings.recycle_after,
    }
}

/// ssh's own ConnectTimeout ends before a login begins; ours leaves as long again for that.
pub fn master_limits(settings: &Settings) -> node_state::Limits {
    node_state::Limits {
        connect_timeout: settings.connect_timeout * 2,
        persist: settings.ssh_persist,
        max_connecting: settings.max_connecting as usize,
    }
}

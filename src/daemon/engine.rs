//! The engine: everything a running Loom holds, and one turn of its event loop.
//!
//! It owns the children, the ledger and the scheduler, and decides nothing itself: it tells the
//! scheduler what the kernel reports and performs the actions it answers with. The daemon and
//! `loom once` both drive it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::runtime::RuntimeDir;
use super::sockets::Sockets;
use super::token::Token;
use crate::config::{Config, Settings};
use crate::event::Event;
use crate::executable::Executable;
use crate::job::Job;
use crate::master::askpass::Askpass;
use crate::master::{Master, Parameters};
use crate::node::Node;
use crate::node_state::{self, MasterId};
use crate::pool;
use crate::pool::child::Workers;
use crate::protocol::message::ToWorker;
use crate::scheduler::{Action, Now, Numbers, Scheduler};
use crate::store::{self, Condition, Opened, Record, Seq, Switched, Writer};
use crate::sys::poll::{Interest, Poll};
use crate::unit::UnitId;

/// Where things are written.
#[derive(Debug)]
pub struct Paths {
    pub runtime: RuntimeDir,
    pub output: PathBuf,
    pub max_output: u64,
}

impl Paths {
    pub fn output_of(&self, unit: UnitId) -> PathBuf {
        store::output_file(&self.output, unit)
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
    pub scheduler: Scheduler,
    /// What has happened, for whoever drives the engine.
    pub events: Vec<Event>,

    /// Jobs that are off by hand, whatever is written of them.
    pub switched_off: Arc<BTreeMap<String, Switched>>,

    pub ledger: Writer,
    /// Why nothing can be written for now.
    pub trouble: Option<String>,
    /// Units whose rows are not yet known to be durable.
    recording: VecDeque<(Seq, Vec<UnitId>)>,
    /// Units that wait for their rights to be durable.
    keeping: VecDeque<(Seq, UnitId)>,
    pub(super) executable: Executable,
    pub(super) workers: Workers,
    pub(super) connections: BTreeMap<MasterId, Master>,
    /// By [`MasterId`]; grows with each distinct set that was ever configured.
    pub(super) parameters: Vec<Parameters>,
    /// By node name: its parameters as they are now.
    pub(super) parameter_index: HashMap<String, MasterId>,
    pub(super) askpass: Askpass,
    pub(super) sockets: Sockets,
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
        let sockets = Sockets::of(runtime.path());
        let poll = Poll::new()?;
        poll.add(askpass.fd(), Token::Askpass.into(), Interest::Read)?;
        if let Some(fd) = sockets.fd() {
            poll.add(fd, Token::Sockets.into(), Interest::Read)?;
        }
        poll.add(ledger.fd(), Token::Ledger.into(), Interest::Read)?;
        let numbers = Numbers {
            cookie_prefix: opened.cookie_prefix.clone(),
            epoch: opened.epoch,
            next_run: opened.next_run.0,
            next_unit: opened.next_unit.0,
        };
        let scheduler = Scheduler::new(
            numbers,
            opened.unswept.clone(),
            pool_limits(&config.settings),
            master_limits(&config.settings),
        );
        let mut engine = Engine {
            jobs: BTreeMap::new(),
            nodes: BTreeMap::new(),
            poll,
            paths: Paths {
                runtime,
                output: config.settings.statedir.join(store::OUTPUT),
                max_output: config.settings.max_output,
            },
            echo,
            scheduler,
            events: Vec::new(),
            switched_off: Arc::new(opened.switched_off.clone()),
            ledger,
            trouble: None,
            recording: VecDeque::new(),
            keeping: VecDeque::new(),
            executable: Executable::find("loom-worker")?,
            workers: BTreeMap::new(),
            connections: BTreeMap::new(),
            parameters: Vec::new(),
            parameter_index: HashMap::new(),
            askpass,
            sockets,
            config: Arc::new(config),
        };
        engine.adopt_config();
        engine.scheduler.on_pool(Now::read(), pool::Event::Tick);
        engine.settle();
        Ok(engine)
    }

    /// Makes the jobs and nodes of `self.config` those that new runs are made of.
    pub fn adopt_config(&mut self) {
        let effective = |(name, job): (&String, &Job)| {
            let enabled = job.enabled && !self.switched_off.contains_key(name);
            (name.clone(), Arc::new(Job { enabled, ..job.clone() }))
        };
        self.jobs = self.config.jobs.iter().map(effective).collect();
        let share = |(name, node): (&String, &Node)| (name.clone(), Arc::new(node.clone()));
        self.nodes = self.config.nodes.iter().map(share).collect();
    }

    /// Switches a job of the configuration off, or on again.
    pub fn switch(&mut self, name: &str, off: Option<Switched>) {
        let switched = Arc::make_mut(&mut self.switched_off);
        let is_off = off.is_some();
        match off {
            Some(off) => drop(switched.insert(name.to_owned(), off)),
            None => drop(switched.remove(name)),
        }
        if let (Some(written), Some(job)) = (self.config.jobs.get(name), self.jobs.get_mut(name)) {
            let enabled = written.enabled && !is_off;
            *job = Arc::new(Job { enabled, ..written.clone() });
        }
    }

    /// Names of the nodes whose connection is up.
    pub fn connected(&self) -> Vec<String> {
        let up = |id: &MasterId| self.scheduler.is_connected(*id);
        let names = self.parameter_index.iter().filter(|(_, id)| up(id));
        names.map(|(name, _)| name.clone()).collect()
    }

    /// Nothing is recorded, queued or running.
    pub fn is_idle(&self) -> bool {
        self.scheduler.is_idle()
    }

    /// The ledger cannot be written, and as much waits for it as may.
    pub fn is_ledger_down(&self) -> bool {
        self.trouble.is_some() && self.ledger.backlog() > store::MEMORY
    }

    /// Waits at most `until` for something to happen, and lets time pass. Returns what is not
    /// the engine's own.
    pub fn turn(&mut self, until: Option<Instant>) -> io::Result<Vec<Token>> {
        self.settle();
        let look = self.sockets.deadline(self.connections.keys().copied());
        let until = until.into_iter().chain(self.scheduler.deadline()).chain(look).min();
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
                Token::Signals
                | Token::Alarm
                | Token::Watch
                | Token::Loader
                | Token::Control(_)
                | Token::Knock(_)
                | Token::Told(_)
                | Token::Hook(_) => others.push(token),
            }
        }
        // Only after everybody was heard: we may have been the ones who slept.
        if look.is_some_and(|at| Instant::now() >= at) {
            self.sockets_appeared();
        }
        self.scheduler.tick(Now::read());
        self.settle();
        Ok(others)
    }

    /// Does what the scheduler wants done, and what follows from that.
    pub fn settle(&mut self) {
        while let Some(action) = self.scheduler.next_action(Now::read()) {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Record(record) => self.submit(record),
            Action::Connect(id) => self.connect(id),
            Action::Close(id) => {
                if let Some(master) = self.connections.get(&id) {
                    master.close();
                }
            }
            Action::EndMaster(id) => {
                if let Some(master) = self.connections.get(&id) {
                    master.kill();
                }
            }
            Action::Spawn(slot) => self.start_worker(slot),
            Action::Send { slot, unit } => self.send(slot, unit),
            Action::Cancel { slot, unit, by } => self.order_cancel(slot, unit, by),
            Action::Rejoined { slot, unit, trouble } => {
                self.tell_worker(slot, &ToWorker::Rejoined { unit, trouble });
            }
            Action::RightsKept { slot, unit } => {
                self.tell_worker(slot, &ToWorker::RightsKept { unit });
            }
            Action::Shutdown(slot) => self.order_shutdown(slot),
            Action::KillWorker(slot) => {
                if let Some(worker) = self.workers.get(&slot) {
                    log::debug!(target: "loom::pool", "killing worker {}", worker.pid());
                    worker.kill();
                }
            }
            Action::BeginPart { flow, start } => self.begin_part(flow, &start),
            Action::Tell(event) => self.events.push(event),
        }
    }

    fn submit(&mut self, record: Record) {
        let units = match &record {
            Record::OpenRun { units, .. } => units.iter().map(|unit| unit.unit).collect(),
            Record::Retry { unit, .. } => vec![unit.unit],
            Record::Rights { unit, .. } => {
                let unit = *unit;
                let seq = self.ledger.submit(record);
                self.keeping.push_back((seq, unit));
                if self.trouble.is_some() {
                    self.rights_kept(None);
                }
                return;
            }
            Record::Jobs { .. }
            | Record::StartRun { .. }
            | Record::StartUnit { .. }
            | Record::OnNode { .. }
            | Record::CloseUnit { .. }
            | Record::CloseRun { .. }
            | Record::Gap(_)
            | Record::Accounted { .. }
            | Record::Token(_)
            | Record::RevokeToken { .. }
            | Record::Audit(_)
            | Record::Switch { .. }
            | Record::Request(_)
            | Record::Paused(_)
            | Record::Hook(_)
            | Record::Epoch(_)
            | Record::Swept { .. } => Vec::new(),
        };
        let seq = self.ledger.submit(record);
        if units.is_empty() {
            return;
        }
        if self.trouble.is_some() {
            // They are kept in memory: what can be run is worth more than the certainty that
            // nothing of it is forgotten should we end before the disk is mended.
            self.scheduler.recorded(Now::read(), units.iter().copied());
        }
        self.recording.push_back((seq, units));
    }

    /// Rows are durable: their units may wait for their nodes now.
    fn acknowledged(&mut self) {
        let news = self.ledger.acknowledged();
        match news.condition {
            Some(Condition::Degraded(why)) => {
                log::error!(
                    target: "loom::ledger",
                    "nothing can be recorded: {why}. Loom goes on and keeps up to {} records in \
                     memory",
                    store::MEMORY
                );
                self.trouble = Some(why);
                let waiting: Vec<UnitId> =
                    self.recording.iter().flat_map(|(_, units)| units).copied().collect();
                self.scheduler.recorded(Now::read(), waiting);
                self.rights_kept(None);
            }
            Some(Condition::Sound) => {
                log::info!(target: "loom::ledger", "recording again");
                self.trouble = None;
            }
            None => {}
        }
        for rejected in news.rejected {
            log::error!(target: "loom::ledger", "a record was rejected: {}", rejected.why);
            let at = self.recording.iter().position(|(seq, _)| *seq == rejected.seq);
            if let Some((_, units)) = at.and_then(|at| self.recording.remove(at)) {
                self.scheduler.refused(Now::read(), units);
            }
        }
        while self.recording.front().is_some_and(|(seq, _)| *seq <= news.through) {
            let Some((_, units)) = self.recording.pop_front() else { break };
            self.scheduler.recorded(Now::read(), units);
        }
        self.rights_kept(Some(news.through));
    }

    /// Units may go on whose rights are durable `through` here; all, if nothing can be written.
    fn rights_kept(&mut self, through: Option<Seq>) {
        while let Some(&(seq, unit)) = self.keeping.front()
            && through.is_none_or(|through| seq <= through)
        {
            self.keeping.pop_front();
            self.scheduler.rights_kept(unit);
        }
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

    /// SIGCHLD: somebody is gone; the kernel merges signals, so everybody is looked at.
    pub fn reap(&mut self) {
        self.reap_workers();
        let ids: Vec<MasterId> = self.connections.keys().copied().collect();
        for id in ids {
            self.reap_master(id);
        }
        self.settle();
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

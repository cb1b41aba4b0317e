//! The life of a unit in the parent: recorded, queued, handed to a worker, recorded again.
//!
//! The engine's hands for what `dispatch`, `node_state` and `pool` decide.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Engine;
use super::engine::{Ended, Phase, Unit};
use crate::cron::Fires;
use crate::job::Job;
use crate::master::{self, Master};
use crate::node::Node;
use crate::node_state::{self, MasterId};
use crate::pool::child::{Stdout, Worker};
use crate::pool::slot::Death;
use crate::pool::{self, SlotId};
use crate::protocol::message::{Endpoint, FromWorker, Output, Report, Sink, ToWorker, UnitOrder};
use crate::run::Step;
use crate::store::{Condition, Gap, OpenUnit, Record, Seq};
use crate::task;
use crate::unit::{Canceller, Kill, Outcome, Reason, RunId, Trigger, UnitId};

/// Between TERM and KILL on the node.
pub const KILL_GRACE: Duration = Duration::from_secs(5);

/// How much later than the worker's own timeout its parent steps in.
const BACKSTOP: Duration = KILL_GRACE.saturating_add(Duration::from_secs(5));

impl Engine {
    /// Makes a run of `job` on `targets`. Nothing starts before the ledger has acknowledged it.
    pub fn begin_run(
        &mut self,
        job: &Arc<Job>,
        targets: &[Arc<Node>],
        trigger: Trigger,
        scheduled_at: Option<Timestamp>,
    ) {
        let at = Timestamp::now();
        let run = RunId(self.next_run);
        let mut opened = Vec::new();
        let mut overlapping = Vec::new();
        for node in targets {
            if self.dispatcher.begin(&job.name, &node.name) {
                opened.push((UnitId(self.next_unit), node));
                self.next_unit += 1;
            } else {
                overlapping.push(node.name.clone());
            }
        }
        if !opened.is_empty() {
            self.next_run += 1;
            self.open_run(run, job, &opened, trigger, scheduled_at, at);
        }
        let instant = scheduled_at.unwrap_or(at);
        let instant = Fires { first: instant, last: instant, count: 1 };
        self.record_overlaps(job, overlapping, instant, (!opened.is_empty()).then_some(run));
        if targets.is_empty() {
            self.record_gap(&job.name, None, instant, Reason::NoTargets, None);
        }
    }

    fn open_run(
        &mut self,
        run: RunId,
        job: &Arc<Job>,
        opened: &[(UnitId, &Arc<Node>)],
        trigger: Trigger,
        scheduled_at: Option<Timestamp>,
        at: Timestamp,
    ) {
        let mut rows = Vec::with_capacity(opened.len());
        for (unit, node) in opened {
            let cookie = format!("{}-{unit}", self.boot);
            rows.push(OpenUnit {
                unit: *unit,
                node: node.name.clone(),
                attempt: 1,
                cookie: cookie.clone(),
            });
            let master = self.master_of(node);
            let unit_state = Unit {
                run,
                job: job.clone(),
                node: (*node).clone(),
                master,
                attempt: 1,
                cookie,
                phase: Phase::Recording,
                begun: None,
            };
            self.units.insert(*unit, unit_state);
        }
        log::info!(target: "loom::run", "run {run} of {}: {} units", job.name, rows.len());
        self.runs.open(run, rows.len());
        let seq = self.ledger.submit(Record::OpenRun {
            run,
            job: job.name.clone(),
            trigger,
            scheduled_at,
            epoch: self.epoch,
            at,
            units: rows,
        });
        self.recording.push_back((seq, opened.iter().map(|(unit, _)| *unit).collect()));
    }

    /// One gap for the job if nothing of it could run, else one for each node left out.
    fn record_overlaps(
        &mut self,
        job: &Job,
        nodes: Vec<String>,
        instant: Fires,
        run: Option<RunId>,
    ) {
        if nodes.is_empty() {
            return;
        }
        log::warn!(
            target: "loom::run",
            "{}: skipped on {}: its previous run is not over there", job.name, nodes.join(", ")
        );
        if run.is_none() {
            self.record_gap(&job.name, None, instant, Reason::Overlap, None);
            return;
        }
        for node in nodes {
            self.record_gap(&job.name, Some(node), instant, Reason::Overlap, run);
        }
    }

    pub fn record_gap(
        &mut self,
        job: &str,
        node: Option<String>,
        fires: Fires,
        reason: Reason,
        run: Option<RunId>,
    ) {
        let Fires { first, last, count } = fires;
        let (job, epoch) = (job.to_owned(), self.epoch);
        let gap = Gap { job, node, first_at: first, last_at: last, count, epoch, reason, run };
        self.ledger.submit(Record::Gap(gap));
    }

    /// Rows are durable: their units may wait for their nodes now.
    pub fn acknowledged(&mut self) {
        let news = self.ledger.acknowledged();
        let through = news.through;
        match news.condition {
            Some(Condition::Degraded(why)) => {
                log::error!(target: "loom::ledger", "nothing can be recorded, so nothing starts: {why}");
            }
            Some(Condition::Sound) => log::info!(target: "loom::ledger", "recording"),
            None => {}
        }
        for rejected in news.rejected {
            log::error!(target: "loom::ledger", "a record was rejected: {}", rejected.why);
            self.drop_unrecorded(rejected.seq);
        }
        while self.recording.front().is_some_and(|(seq, _)| *seq <= through) {
            let Some((_, units)) = self.recording.pop_front() else { break };
            for id in units {
                let Some(unit) = self.units.get_mut(&id) else { continue };
                unit.phase = Phase::Waiting;
                let (master, limit) = (unit.master, unit.node.max_sessions);
                self.dispatcher.queue(id, master, limit);
                self.on_master(node_state::Event::Want(master));
            }
        }
    }

    /// A run that the ledger refuses, as one that it has already, does not run.
    fn drop_unrecorded(&mut self, seq: Seq) {
        let Some(at) = self.recording.iter().position(|(recorded, _)| *recorded == seq) else {
            return;
        };
        for id in self.recording.remove(at).into_iter().flat_map(|(_, units)| units) {
            let outcome = Outcome::Failed { exit: None };
            let detail = "the ledger refused the run; nothing was started".to_owned();
            self.end_unit(id, outcome, Some(detail), Output::default());
        }
    }

    /// Hands over as many units as workers and nodes can take.
    pub fn pump(&mut self) {
        while self.pool.room() > 0 {
            let Some(id) = self.dispatcher.take_next() else { break };
            let Some(unit) = self.units.get_mut(&id) else { continue };
            unit.phase = Phase::Submitted;
            self.masters.acquire(unit.master);
            let limit = unit.job.timeout.map(|timeout| timeout + BACKSTOP);
            self.on_pool(pool::Event::Submit { unit: id, limit });
        }
    }

    pub fn on_pool(&mut self, event: pool::Event) {
        let mut follow_up = Vec::new();
        for action in self.pool.handle(Instant::now(), event) {
            match action {
                pool::Action::Spawn(slot) => {
                    if let Err(e) = self.start_worker(slot) {
                        log::error!(target: "loom::pool", "a worker cannot be started: {e}");
                        follow_up.push(pool::Event::SpawnFailed { slot });
                    }
                }
                pool::Action::Send { slot, unit } => follow_up.extend(self.send(slot, unit)),
                pool::Action::Shutdown(slot) => {
                    if let Some(worker) = self.workers.get_mut(&slot)
                        && let Err(e) = worker.send(&ToWorker::Shutdown)
                    {
                        log::error!(target: "loom::pool", "worker {}: {e}", worker.pid());
                    }
                }
                pool::Action::Kill(slot) => {
                    if let Some(worker) = self.workers.get(&slot) {
                        log::warn!(target: "loom::pool", "worker {} is killed", worker.pid());
                        worker.kill();
                    }
                }
                pool::Action::Fail { unit, death } => {
                    let (outcome, detail) = match death {
                        Death::Crashed => (Outcome::Crashed, "the worker process died"),
                        Death::Overdue => (
                            Outcome::TimedOut { kill: Kill::Unconfirmed },
                            "the worker did not act on the timeout and was killed",
                        ),
                    };
                    self.end_unit(unit, outcome, Some(detail.to_owned()), Output::default());
                }
            }
        }
        for event in follow_up {
            self.on_pool(event);
        }
    }

    fn start_worker(&mut self, slot: SlotId) -> std::io::Result<()> {
        let stdout = if self.echo.is_some() { Stdout::Inherit } else { Stdout::Log };
        let worker = Worker::start(&self.executable, stdout)?;
        log::debug!(target: "loom::pool", "worker {} started", worker.pid());
        self.watch_worker(slot, &worker)?;
        self.workers.insert(slot, worker);
        Ok(())
    }

    /// Sends the unit to the worker; an event for the pool if that cannot be.
    fn send(&mut self, slot: SlotId, id: UnitId) -> Option<pool::Event> {
        let unit = self.units.get_mut(&id)?;
        // Absent: the worker could not be started, and the pool is about to hear of it.
        let worker = self.workers.get_mut(&slot)?;
        let pid = worker.pid();
        unit.phase = Phase::Sent { slot };
        unit.begun = Some(Instant::now());
        let (run, sweep) = (unit.run, self.sweep.get(&unit.node.name).cloned());
        let order = order(id, unit, sweep.unwrap_or_default(), self.echo, &self.paths);
        if let Err(e) = worker.send(&ToWorker::Run(Box::new(order))) {
            let outcome = Outcome::Failed { exit: None };
            self.end_unit(id, outcome, Some(e.to_string()), Output::default());
            return Some(pool::Event::Done { slot, unit: id });
        }
        self.ask_to_write(slot);
        let at = Timestamp::now();
        if let Step::Started = self.runs.started(run) {
            self.ledger.submit(Record::StartRun { run, at });
        }
        self.ledger.submit(Record::StartUnit { unit: id, worker_pid: Some(pid), at });
        None
    }

    /// Takes in what a worker says.
    pub fn hear(&mut self, slot: SlotId, message: FromWorker) {
        match message {
            FromWorker::Hello { version, pid } => {
                if version == crate::protocol::VERSION {
                    self.on_pool(pool::Event::Hello { slot });
                } else {
                    log::error!(
                        target: "loom::pool",
                        "worker {pid} speaks version {version} of the protocol, not {}; \
                         install loom and loom-worker of the same release",
                        crate::protocol::VERSION
                    );
                    self.on_pool(pool::Event::Broken { slot });
                }
            }
            FromWorker::Heartbeat => self.on_pool(pool::Event::Heartbeat { slot }),
            FromWorker::Started { unit, remote_pgid } => {
                self.on_pool(pool::Event::Heartbeat { slot });
                let Some(known) = self.units.get(&unit) else { return };
                // The worker sweeps before it starts.
                if let Some(cookies) = self.sweep.remove(&known.node.name) {
                    let node = known.node.name.clone();
                    self.ledger.submit(Record::Swept { node, cookies });
                }
                if let Some(remote_pgid) = remote_pgid {
                    self.ledger.submit(Record::OnNode { unit, remote_pgid });
                }
            }
            FromWorker::Done { unit, report } => {
                // Only the worker that holds a unit can end it.
                if self.pool.holds(slot, unit) {
                    let Report { outcome, detail, output } = report;
                    self.end_unit(unit, outcome, detail, output);
                }
                self.on_pool(pool::Event::Done { slot, unit });
            }
        }
    }

    /// The one way out for a unit, whatever became of it.
    pub fn end_unit(
        &mut self,
        id: UnitId,
        outcome: Outcome,
        detail: Option<String>,
        output: Output,
    ) {
        let Some(unit) = self.units.remove(&id) else { return };
        let took = unit.begun.map(|begun| begun.elapsed());
        self.log_end(id, &unit, &outcome, detail.as_deref(), took);
        self.dispatcher.end(&unit.job.name, &unit.node.name);
        match unit.phase {
            Phase::Recording => {}
            Phase::Waiting => drop(self.dispatcher.withdraw(id)),
            Phase::Submitted | Phase::Sent { .. } => {
                self.dispatcher.release(unit.master);
                self.on_master(node_state::Event::Release(unit.master));
            }
        }
        if may_linger(&outcome) {
            self.sweep.entry(unit.node.name.clone()).or_default().push(unit.cookie.clone());
        }
        let at = Timestamp::now();
        self.ledger.submit(Record::CloseUnit {
            unit: id,
            outcome: outcome.clone(),
            detail: detail.clone(),
            output,
            at,
        });
        if let Step::Over(tally) = self.runs.ended(unit.run, &outcome) {
            let end = tally.verdict();
            log::info!(target: "loom::run", "run {} of {}: {end}", unit.run, unit.job.name);
            self.ledger.submit(Record::CloseRun { run: unit.run, end, at });
        }
        self.ended.push(Ended {
            job: unit.job.name.clone(),
            node: unit.node.name.clone(),
            outcome,
            detail,
            took,
        });
    }

    fn log_end(
        &self,
        id: UnitId,
        unit: &Unit,
        outcome: &Outcome,
        detail: Option<&str>,
        took: Option<Duration>,
    ) {
        let level = if outcome.is_success() { log::Level::Info } else { log::Level::Warn };
        let took = took.map_or(String::new(), |took| format!(" after {took:.1?}"));
        let detail = detail.map_or(String::new(), |detail| format!(": {detail}"));
        log::log!(
            target: "loom::unit", level,
            "{} on {}: {outcome}{took} (run {}, unit {id}){detail}",
            unit.job.name, unit.node.name, unit.run
        );
    }

    /// Ends a unit that no worker has yet; `false` if one has.
    pub fn cancel_unsent(&mut self, id: UnitId, by: &Canceller) -> bool {
        match self.units.get(&id).map(|unit| unit.phase) {
            Some(Phase::Recording | Phase::Waiting) => {}
            Some(Phase::Submitted) => self.on_pool(pool::Event::Withdraw { unit: id }),
            Some(Phase::Sent { .. }) | None => return false,
        }
        let outcome = Outcome::Cancelled { by: by.clone(), kill: Kill::Confirmed };
        self.end_unit(id, outcome, Some("it had not started".to_owned()), Output::default());
        true
    }

    pub fn on_master(&mut self, event: node_state::Event) {
        let mut follow_up = Vec::new();
        for action in self.masters.handle(Instant::now(), event) {
            match action {
                node_state::Action::Connect(id) => {
                    if let Err(e) = self.connect(id) {
                        log::error!(target: "loom::master", "ssh cannot be started: {e}");
                        follow_up.push(node_state::Event::Exited(id));
                    }
                }
                node_state::Action::Close(id) => {
                    self.dispatcher.set_up(id, false);
                    if let Some(master) = self.connections.get(&id) {
                        master.close();
                    }
                }
                node_state::Action::Up(id) => self.dispatcher.set_up(id, true),
                node_state::Action::Unreachable(id) => self.give_up(id),
                node_state::Action::Down(id) => {
                    self.dispatcher.set_up(id, false);
                    if self.dispatcher.is_wanted(id) {
                        follow_up.push(node_state::Event::Want(id));
                    }
                }
            }
        }
        for event in follow_up {
            self.on_master(event);
        }
    }

    fn connect(&mut self, id: MasterId) -> std::io::Result<()> {
        let parameters = &self.parameters[id.0 as usize];
        let master = Master::start(self.paths.runtime.path(), id, parameters)?;
        log::debug!(
            target: "loom::master",
            "connecting to {} (ssh process {})", parameters.node, master.pid()
        );
        self.watch_master(id, &master)?;
        self.connections.insert(id, master);
        Ok(())
    }

    /// Nobody waits for a node that does not answer.
    fn give_up(&mut self, id: MasterId) {
        self.dispatcher.set_up(id, false);
        let detail = self.complaints.get(&id).cloned().unwrap_or_else(|| {
            let seconds = self.config.settings.connect_timeout.as_secs_f32();
            format!("ssh was not connected within {seconds} s")
        });
        for unit in self.dispatcher.take_waiting(id) {
            self.end_unit(unit, Outcome::Unreachable, Some(detail.clone()), Output::default());
        }
    }

    /// The connection for this node, as it is configured now.
    pub fn master_of(&mut self, node: &Node) -> MasterId {
        let wanted = master::options::parameters(node, self.config.settings.connect_timeout);
        let known = self.parameter_index.get(&wanted.node);
        if let Some(id) = known
            && self.parameters[id.0 as usize] == wanted
        {
            return *id;
        }
        let id = MasterId(self.parameters.len() as u32);
        self.parameter_index.insert(wanted.node.clone(), id);
        self.parameters.push(wanted);
        id
    }
}

/// Whether something of the unit may still run on its node.
fn may_linger(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Crashed | Outcome::Lost => true,
        Outcome::TimedOut { kill } | Outcome::Cancelled { kill, .. } => *kill == Kill::Unconfirmed,
        Outcome::Succeeded
        | Outcome::Failed { .. }
        | Outcome::Signaled { .. }
        | Outcome::Unreachable
        | Outcome::Skipped { .. } => false,
    }
}

fn order(
    id: UnitId,
    unit: &Unit,
    sweep: Vec<String>,
    echo: Option<usize>,
    paths: &super::engine::Paths,
) -> UnitOrder {
    let (job, node) = (&unit.job, &unit.node);
    let wants_password = task::wants_password(&job.task, &job.args, &job.kwargs);
    UnitOrder {
        unit: id,
        run: unit.run,
        job: job.name.clone(),
        attempt: unit.attempt,
        node: Endpoint {
            name: node.name.clone(),
            host: node.host().to_owned(),
            user: node.user.clone(),
            port: node.port,
            control: master::socket(paths.runtime.path(), unit.master),
        },
        task: job.task.clone(),
        args: job.args.clone(),
        kwargs: job.kwargs.clone(),
        timeout: job.timeout,
        kill_grace: KILL_GRACE,
        cookie: unit.cookie.clone(),
        sweep,
        password: node.password.clone().filter(|_| wants_password),
        output: Sink {
            file: paths.output_of(id),
            max_bytes: paths.max_output,
            echo: echo.map(|width| format!("{:>width$} | ", node.name)),
        },
    }
}

//! The engine's hands for the pool: starting workers, speaking with them, and hearing them.

use std::io;
use std::time::Instant;

use jiff::Timestamp;

use super::engine::{Engine, Paths, Phase, Unit};
use super::token::Token;
use super::units::KILL_GRACE;
use crate::master;
use crate::pool::child::{Stdout, Worker};
use crate::pool::slot::Death;
use crate::pool::{self, SlotId};
use crate::protocol;
use crate::protocol::message::{Endpoint, FromWorker, Output, Report, Sink, ToWorker, UnitOrder};
use crate::run::Step;
use crate::store::Record;
use crate::sys::poll::Interest;
use crate::task;
use crate::unit::{Kill, Outcome, UnitId};

impl Engine {
    pub(super) fn on_pool(&mut self, event: pool::Event) {
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
                        log::debug!(target: "loom::pool", "killing worker {}", worker.pid());
                        worker.kill();
                    }
                }
                pool::Action::Fail { unit, death } => {
                    let (outcome, detail) = match death {
                        Death::Crashed => (Outcome::Crashed, "the worker process died"),
                        Death::NoWorker => {
                            (Outcome::Failed { exit: None }, "no worker process can be started")
                        }
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

    fn start_worker(&mut self, slot: SlotId) -> io::Result<()> {
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
        unit.sweeps = self.sweep.get(&unit.node.name).cloned().unwrap_or_default();
        let run = unit.run;
        let order = order(id, unit, self.echo, &self.paths);
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
    pub(super) fn hear(&mut self, slot: SlotId, message: FromWorker) {
        match message {
            FromWorker::Hello { version, pid } => {
                if version == protocol::VERSION {
                    self.on_pool(pool::Event::Hello { slot });
                } else {
                    log::error!(
                        target: "loom::pool",
                        "worker {pid} speaks version {version} of the protocol, not {}; \
                         install loom and loom-worker of the same release",
                        protocol::VERSION
                    );
                    self.on_pool(pool::Event::Broken { slot });
                }
            }
            FromWorker::Heartbeat => self.on_pool(pool::Event::Heartbeat { slot }),
            FromWorker::Started { unit, remote_pgid } => {
                self.on_pool(pool::Event::Heartbeat { slot });
                if self.pool.holds(slot, unit) {
                    self.on_node(unit, remote_pgid);
                }
            }
            FromWorker::Swept { .. } => {}
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

    fn on_node(&mut self, id: UnitId, remote_pgid: Option<u32>) {
        if let Some(remote_pgid) = remote_pgid {
            self.ledger.submit(Record::OnNode { unit: id, remote_pgid });
        }
        let Some(unit) = self.units.get_mut(&id) else { return };
        let cookies = std::mem::take(&mut unit.sweeps);
        if cookies.is_empty() {
            return;
        }
        let node = unit.node.name.clone();
        // Others may have been added since this unit was sent.
        if let Some(left) = self.sweep.get_mut(&node) {
            left.retain(|cookie| !cookies.contains(cookie));
        }
        self.ledger.submit(Record::Swept { node, cookies });
    }

    pub(super) fn watch_worker(&self, slot: SlotId, worker: &Worker) -> io::Result<()> {
        self.poll.add(worker.frames_fd(), Token::Frames(slot).into(), Interest::Read)?;
        self.poll.add(worker.printed_fd(), Token::Printed(slot).into(), Interest::Read)
    }

    pub(super) fn unwatch_worker(&self, worker: &Worker) {
        for fd in [worker.frames_fd(), worker.printed_fd(), worker.orders_fd()] {
            let _ = self.poll.remove(fd);
        }
    }

    /// To be told when the rest of an order fits into the worker's pipe.
    pub(super) fn ask_to_write(&self, slot: SlotId) {
        if let Some(worker) = self.workers.get(&slot)
            && worker.unsent()
        {
            let _ =
                self.poll.add(worker.orders_fd(), Token::Orders(slot).into(), Interest::ReadWrite);
        }
    }

    pub(super) fn orders(&mut self, slot: SlotId) {
        let Some(worker) = self.workers.get_mut(&slot) else { return };
        worker.flush();
        if !worker.unsent() {
            let _ = self.poll.remove(worker.orders_fd());
        }
    }

    pub(super) fn frames(&mut self, slot: SlotId) {
        let Some(worker) = self.workers.get_mut(&slot) else { return };
        let mut messages = Vec::new();
        let heard = worker.receive(&mut messages);
        if !matches!(heard, Ok(true)) {
            let _ = self.poll.remove(worker.frames_fd());
        }
        let pid = worker.pid();
        for message in messages {
            self.hear(slot, message);
        }
        match heard {
            Ok(true) => {}
            Ok(false) => self.on_pool(pool::Event::Closed { slot }),
            Err(e) => {
                log::error!(target: "loom::pool", "worker {pid} sent {e}");
                self.on_pool(pool::Event::Broken { slot });
            }
        }
    }

    pub(super) fn printed(&mut self, slot: SlotId) {
        let Some(worker) = self.workers.get_mut(&slot) else { return };
        if !worker.log_printed() {
            let _ = self.poll.remove(worker.printed_fd());
        }
    }
}

fn order(id: UnitId, unit: &Unit, echo: Option<usize>, paths: &Paths) -> UnitOrder {
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
        sweep: unit.sweeps.clone(),
        password: node.password.clone().filter(|_| wants_password),
        output: Sink {
            file: paths.output_of(id),
            max_bytes: paths.max_output,
            log: None,
            echo: echo.map(|width| format!("{:>width$} | ", node.name)),
        },
    }
}

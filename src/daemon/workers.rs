//! The engine's hands for the pool: starting workers, speaking with them, and hearing them.

use std::io;

use jiff::Zoned;

use super::engine::{Engine, Paths};
use super::token::Token;
use crate::master;
use crate::pool::child::{Stdout, Worker};
use crate::pool::{self, SlotId};
use crate::protocol::cookie::{self, Rights};
use crate::protocol::message::{Endpoint, Sink, ToWorker, UnitOrder};
use crate::scheduler::{KILL_GRACE, Now, Unit};
use crate::sys::poll::Interest;
use crate::task;
use crate::unit::{Canceller, UnitId};

impl Engine {
    pub(super) fn start_worker(&mut self, slot: SlotId) {
        if let Err(e) = self.try_to_start_worker(slot) {
            log::error!(target: "loom::pool", "a worker cannot be started: {e}");
            self.scheduler.on_pool(Now::read(), pool::Event::SpawnFailed { slot });
        }
    }

    fn try_to_start_worker(&mut self, slot: SlotId) -> io::Result<()> {
        let stdout = if self.echo.is_some() { Stdout::Inherit } else { Stdout::Log };
        let worker = Worker::start(&self.executable, stdout)?;
        log::debug!(target: "loom::pool", "worker {} started", worker.pid());
        self.watch_worker(slot, &worker)?;
        self.workers.insert(slot, worker);
        Ok(())
    }

    pub(super) fn send(&mut self, slot: SlotId, id: UnitId) {
        // Absent: the worker could not be started, and the pool has heard of it.
        let Some(worker) = self.workers.get_mut(&slot) else { return };
        self.scheduler.sweeps_for(id);
        let Some(unit) = self.scheduler.unit(id) else {
            // It was ended while this was on its way.
            self.scheduler.on_pool(Now::read(), pool::Event::Done { slot, unit: id });
            return;
        };
        let pid = worker.pid();
        let order = order(id, unit, self.echo, &self.paths);
        match worker.send(&ToWorker::Run(Box::new(order))) {
            Ok(()) => {
                self.ask_to_write(slot);
                self.scheduler.sent(Now::read(), slot, id, pid);
            }
            Err(e) => self.scheduler.unsendable(Now::read(), slot, id, e.to_string()),
        }
    }

    pub(super) fn order_cancel(&mut self, slot: SlotId, unit: UnitId, by: Canceller) {
        self.tell_worker(slot, &ToWorker::Cancel { unit, by });
    }

    pub(super) fn order_shutdown(&mut self, slot: SlotId) {
        self.tell_worker(slot, &ToWorker::Shutdown);
    }

    pub(super) fn tell_worker(&mut self, slot: SlotId, message: &ToWorker) {
        let Some(worker) = self.workers.get_mut(&slot) else { return };
        if let Err(e) = worker.send(message) {
            log::error!(target: "loom::pool", "worker {}: {e}", worker.pid());
        }
        self.ask_to_write(slot);
    }

    pub(super) fn reap_workers(&mut self) {
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
            self.scheduler.on_pool(Now::read(), pool::Event::Exited { slot });
        }
    }

    pub(super) fn kill_workers(&self) {
        self.workers.values().for_each(Worker::kill);
    }

    fn watch_worker(&self, slot: SlotId, worker: &Worker) -> io::Result<()> {
        self.poll.add(worker.frames_fd(), Token::Frames(slot).into(), Interest::Read)?;
        self.poll.add(worker.printed_fd(), Token::Printed(slot).into(), Interest::Read)
    }

    fn unwatch_worker(&self, worker: &Worker) {
        for fd in [worker.frames_fd(), worker.printed_fd(), worker.orders_fd()] {
            let _ = self.poll.remove(fd);
        }
    }

    /// To be told when the rest of an order fits into the worker's pipe.
    fn ask_to_write(&self, slot: SlotId) {
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
            self.scheduler.hear(Now::read(), slot, message);
        }
        match heard {
            Ok(true) => {}
            Ok(false) => self.scheduler.on_pool(Now::read(), pool::Event::Closed { slot }),
            Err(e) => {
                log::error!(target: "loom::pool", "worker {pid} sent {e}");
                self.scheduler.on_pool(Now::read(), pool::Event::Broken { slot });
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
    let mut sweeps_with = unit.sweeps.iter().flat_map(|kept| cookie::all_rights(kept));
    let sweeps_as_another = sweeps_with.any(|rights| rights != Rights::Own);
    let wants_password =
        sweeps_as_another || task::wants_password(&job.task, &job.args, &job.kwargs);
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
            identity: node.identity.clone(),
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
        python: (!task::is_native(&job.task)).then(|| job.python.clone()),
        output: Sink {
            file: paths.output_of(id),
            max_bytes: paths.max_output,
            log: job.log.as_ref().map(|log| log.of(&job.name, &node.name, Zoned::now().date())),
            echo: echo.map(|width| format!("{:>width$} | ", node.name)),
        },
    }
}

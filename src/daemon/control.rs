//! The control channel: requests of the gateway, each answered with one reply.
//!
//! Only typed messages in our own frames arrive here, from a process of our own. Whoever holds
//! the other end may do what the messages can say.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use super::{Daemon, Token};
use crate::protocol::control::{Answer, Command, Reply, Request, Status};
use crate::protocol::frame::{CAP, FrameError, Inbox, Outbox};
use crate::scheduler::Now;
use crate::store::Record;
use crate::sys::poll::{Interest, Poll};
use crate::sys::signals::Signal;
use crate::unit::{Canceller, Trigger};

/// Answers that wait to be read, at most: whoever does not read them gets no more.
const UNREAD: usize = 4 * CAP;

#[derive(Debug)]
pub struct Control {
    stream: UnixStream,
    inbox: Inbox,
    outbox: Outbox,
}

impl Control {
    pub fn new(socket: OwnedFd) -> io::Result<Control> {
        let stream = UnixStream::from(socket);
        stream.set_nonblocking(true)?;
        Ok(Control { stream, inbox: Inbox::default(), outbox: Outbox::default() })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// What has arrived, and whether more may come.
    fn receive(&mut self) -> (Vec<Request>, Result<bool, FrameError>) {
        let filled = self.inbox.fill(&mut &self.stream);
        let mut requests = Vec::new();
        loop {
            match self.inbox.take() {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => return (requests, filled),
                Err(e) => return (requests, Err(e)),
            }
        }
    }

    fn reply(&mut self, reply: &Reply) -> Result<(), FrameError> {
        self.outbox.push(reply)?;
        self.flush()?;
        match self.outbox.len() {
            length if length > UNREAD => Err(FrameError::TooLarge { length, cap: UNREAD }),
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), FrameError> {
        self.outbox.flush(&mut &self.stream)
    }

    /// What did not fit into the socket goes when there is room.
    fn watch(&self, poll: &Poll) {
        let _ = poll.remove(self.fd());
        let interest = if self.outbox.is_empty() { Interest::Read } else { Interest::ReadWrite };
        if let Err(e) = poll.add(self.fd(), Token::Control.into(), interest) {
            log::error!(target: "loom::control", "the control channel cannot be watched: {e}");
        }
    }
}

impl Daemon {
    pub(super) fn on_control(&mut self) {
        let Some(mut control) = self.control.take() else { return };
        let (requests, more) = control.receive();
        let mut sent = control.flush();
        for request in requests {
            let Request { id, by, command } = request;
            // Who asks how things are may do so all the time.
            let level = match &command {
                Command::Status => log::Level::Debug,
                Command::Run { .. }
                | Command::Cancel { .. }
                | Command::Pause
                | Command::Resume
                | Command::Reload
                | Command::Stop { .. } => log::Level::Info,
            };
            log::log!(target: "loom::control", level, "{by}: {command:?}");
            let reply = Reply { id, answer: self.obey(command, by) };
            sent = sent.and_then(|()| control.reply(&reply));
        }
        match more.and_then(|more| sent.map(|()| more)) {
            Ok(true) => {
                control.watch(&self.engine.poll);
                self.control = Some(control);
            }
            Ok(false) => drop(self.engine.poll.remove(control.fd())),
            Err(e) => {
                let _ = self.engine.poll.remove(control.fd());
                log::error!(target: "loom::control", "the control channel is closed: {e}");
            }
        }
    }

    fn obey(&mut self, command: Command, by: String) -> Result<Answer, String> {
        match command {
            Command::Status => return Ok(Answer::Status(self.status())),
            Command::Run { job, on } => return self.run_by_hand(&job, on.as_deref()),
            Command::Cancel { run } => {
                let by = Canceller::User(by);
                if !self.engine.scheduler.cancel_run(Now::read(), run, &by) {
                    return Err(format!("run {run} is not under way"));
                }
                self.engine.settle();
            }
            Command::Pause => self.pause(true),
            Command::Resume => self.pause(false),
            Command::Reload => self.reload.request(),
            Command::Stop { drain } => {
                if self.stopping.is_some() {
                    return Err("it is being stopped already".to_owned());
                }
                self.begin_to_stop(Signal::Term, drain);
            }
        }
        Ok(Answer::Done)
    }

    fn run_by_hand(&mut self, name: &str, on: Option<&str>) -> Result<Answer, String> {
        if self.stopping.is_some() {
            return Err("it is being stopped; nothing starts any more".to_owned());
        }
        if self.engine.is_ledger_down() {
            return Err("the ledger cannot be written; nothing starts until it can".to_owned());
        }
        let config = self.engine.config.clone();
        config.job(name)?;
        let Some(job) = self.engine.jobs.get(name).cloned() else {
            return Err(format!("no job {name:?}"));
        };
        let targets = match on {
            Some(on) => config.resolve_targets(on)?,
            None => job.targets.clone(),
        };
        Ok(Answer::Run(self.engine.begin_run(&job, &targets, Trigger::Manual, None)))
    }

    /// What is due at this instant is still judged by what was in force before it.
    fn pause(&mut self, paused: bool) {
        if self.paused != paused {
            self.look();
            self.paused = paused;
            self.engine.ledger.submit(Record::Paused(paused));
            log::info!("{}", if paused { "all schedules are paused" } else { "schedules go on" });
        }
    }

    fn status(&self) -> Status {
        let units = self.engine.scheduler.count_units();
        Status {
            paused: self.paused,
            stopping: self.stopping.is_some(),
            runs: self.engine.scheduler.open_runs(),
            units,
            workers: self.engine.scheduler.workers(),
            busy: units.running,
            connections: self.engine.scheduler.connections(),
            backlog: self.engine.ledger.backlog(),
            trouble: self.engine.trouble.clone(),
        }
    }
}

//! The pool's I/O: real worker processes, their frames and what they print.
//!
//! Owns the processes by slot. It carries messages and reports what arrives; which unit goes
//! where is the pool's to decide.

use std::collections::BTreeMap;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Instant;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::SlotId;

use crate::executable::Executable;
use crate::logging::printed::Printed;
use crate::protocol::frame::{FrameError, Inbox, Outbox};
use crate::protocol::message::{FromWorker, ToWorker};
use crate::protocol::{VERSION, WORKER_IN, WORKER_OUT};
use crate::sys::poll::set_nonblocking;
use crate::sys::spawn::spawn;
use crate::unit::{RunId, UnitId};

/// Read from one worker before others get their turn.
const CHUNKS: usize = 16;

/// Where a worker's own stdout goes; its stderr always becomes lines of our log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdout {
    Log,
    /// To ours, for `loom once`: units' output is printed by the worker itself.
    Inherit,
}

/// One live worker.
#[derive(Debug)]
pub struct Worker {
    process: Child,
    to: PipeWriter,
    from: PipeReader,
    printed: PipeReader,
    inbox: Inbox,
    outbox: Outbox,
    lines: Printed,
    /// Whose order it has.
    unit: Option<(RunId, UnitId)>,
}

impl Worker {
    /// Starts a worker and says hello.
    pub fn start(executable: &Executable, stdout: Stdout) -> io::Result<Worker> {
        let (child_in, to) = io::pipe()?;
        let (from, child_out) = io::pipe()?;
        let (printed, child_err) = io::pipe()?;
        let mut command = executable.command();
        command.stdin(Stdio::null()).stderr(child_err.try_clone()?);
        match stdout {
            Stdout::Log => command.stdout(child_err),
            Stdout::Inherit => command.stdout(Stdio::inherit()),
        };
        let fds: [(OwnedFd, i32); 2] =
            [(child_in.into(), WORKER_IN), (child_out.into(), WORKER_OUT)];
        let process = spawn(command, &fds)?;
        for fd in [to.as_fd(), from.as_fd(), printed.as_fd()] {
            set_nonblocking(fd)?;
        }
        let (inbox, outbox, lines) = Default::default();
        let mut worker = Worker { process, to, from, printed, inbox, outbox, lines, unit: None };
        worker.send(&ToWorker::Hello { version: VERSION }).map_err(io::Error::other)?;
        Ok(worker)
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Readable: frames are there, or the worker is gone. Writable, while [`Worker::unsent`].
    pub fn frames_fd(&self) -> BorrowedFd<'_> {
        self.from.as_fd()
    }

    pub fn orders_fd(&self) -> BorrowedFd<'_> {
        self.to.as_fd()
    }

    pub fn printed_fd(&self) -> BorrowedFd<'_> {
        self.printed.as_fd()
    }

    /// Queues a message and writes what fits. That the worker is gone is no error here: its
    /// exit tells.
    pub fn send(&mut self, message: &ToWorker) -> Result<(), FrameError> {
        self.outbox.push(message)?;
        match message {
            ToWorker::Run(order) => self.unit = Some((order.run, order.unit)),
            ToWorker::Hello { .. }
            | ToWorker::Cancel { .. }
            | ToWorker::Rejoined { .. }
            | ToWorker::RightsKept { .. }
            | ToWorker::Shutdown => {}
        }
        self.flush();
        Ok(())
    }

    pub fn flush(&mut self) {
        if let Err(e) = self.outbox.flush(&mut self.to) {
            log::debug!("worker {}: cannot be written to: {e}", self.pid());
        }
    }

    pub fn unsent(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// The messages that have arrived; `false` once the worker has closed its end. An error
    /// means that nothing it says can be trusted any more.
    pub fn receive(&mut self, into: &mut Vec<FromWorker>) -> Result<bool, FrameError> {
        let open = self.inbox.fill(&mut self.from)?;
        while let Some(message) = self.inbox.take()? {
            match &message {
                FromWorker::Done { .. } => self.unit = None,
                FromWorker::Hello { .. }
                | FromWorker::Heartbeat
                | FromWorker::Started { .. }
                | FromWorker::Swept { .. }
                | FromWorker::Rights { .. }
                | FromWorker::Leaving { .. }
                | FromWorker::Rejoin { .. } => {}
            }
            into.push(message);
        }
        Ok(open)
    }

    /// Puts what the worker printed into the log, line by line; `false` at the end. Who prints
    /// without end is left to the next turn.
    pub fn log_printed(&mut self) -> bool {
        let mut chunk = [0; 4096];
        for _ in 0..CHUNKS {
            match self.printed.read(&mut chunk) {
                Ok(0) => {
                    let lines = self.lines.finish(Instant::now());
                    self.log(lines);
                    return false;
                }
                Ok(n) => {
                    let lines = self.lines.take(&chunk[..n], Instant::now());
                    self.log(lines);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return true,
            }
        }
        true
    }

    fn log(&self, lines: Vec<String>) {
        let (run, unit) = self.unit.unzip();
        for line in lines {
            log::warn!(target: "loom::worker", run, unit, worker = self.pid(); "{line}");
        }
    }

    /// SIGKILL to the worker and whatever it started here.
    pub fn kill(&self) {
        let _ = killpg(Pid::from_raw(self.pid() as i32), Signal::SIGKILL);
    }

    /// How it ended, once it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        // An error can only mean that there is no such child any more.
        self.process.try_wait().unwrap_or(Some(ExitStatus::default()))
    }
}

/// What the worker started dies with it; the group may outlive its leader.
impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
        let _ = self.process.wait();
    }
}

/// All live workers, by slot.
pub type Workers = BTreeMap<SlotId, Worker>;

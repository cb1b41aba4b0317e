//! The worker's conversation with its parent: one unit at a time, and a sign of life while it
//! runs.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use loom::protocol::frame::{FrameError, Inbox, Outbox};
use loom::protocol::message::{FromWorker, HEARTBEAT, ToWorker, UnitOrder};
use loom::protocol::{VERSION, WORKER_IN, WORKER_OUT};
use loom::sys::{inherited, limits, process};
use loom::unit::UnitId;
use nix::sys::prctl;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, interval_at};

use crate::milestone::Milestone;
use crate::unit;

#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error("the parent's frames: {0}")]
    Frame(#[from] FrameError),
    #[error("the parent speaks version {theirs} of the protocol, this worker {VERSION}")]
    Version { theirs: u32 },
    #[error("the parent sent {0} out of turn")]
    OutOfTurn(&'static str),
    #[error("{0}")]
    Io(#[from] io::Error),
}

pub fn main() -> ExitCode {
    // SAFETY: nothing in this process has opened a descriptor yet.
    let pipes = unsafe { (inherited::take(WORKER_IN), inherited::take(WORKER_OUT)) };
    let (Ok(from), Ok(to)) = pipes else {
        eprintln!("loom-worker: started by hand? It expects its parent on descriptors 3 and 4");
        return ExitCode::from(2);
    };
    // It was started through a descriptor, whose number would be its name in ps and top.
    let _ = prctl::set_name(c"loom-worker");
    die_of_panics();
    match run(from, to) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loom-worker: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A unit that panics leaves nothing behind that could be trusted: the parent starts a new worker.
fn die_of_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        print(info);
        std::process::abort();
    }));
}

fn run(from: OwnedFd, to: OwnedFd) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let parent = Parent {
            from: Receiver::from_owned_fd(from)?,
            inbox: Inbox::default(),
            to: Sender::from_owned_fd(to)?,
        };
        serve(parent).await
    });
    // Without waiting for a password's command or a file that is read to no end.
    runtime.shutdown_background();
    served
}

async fn serve(mut parent: Parent) -> Result<(), ServeError> {
    parent.tell(&FromWorker::Hello { version: VERSION, pid: std::process::id() }).await?;
    match parent.next().await? {
        Some(ToWorker::Hello { version: VERSION }) => {}
        Some(ToWorker::Hello { version }) => return Err(ServeError::Version { theirs: version }),
        Some(other) => return Err(ServeError::OutOfTurn(name(&other))),
        None => return Ok(()),
    }
    loop {
        match parent.next().await? {
            Some(ToWorker::Run(order)) => {
                if let Next::Exit = work(&mut parent, *order).await? {
                    return Ok(());
                }
            }
            // It ended while the message was on its way.
            Some(
                ToWorker::Cancel { .. } | ToWorker::Rejoined { .. } | ToWorker::RightsKept { .. },
            ) => {}
            Some(ToWorker::Shutdown) | None => return Ok(()),
            Some(hello @ ToWorker::Hello { .. }) => {
                return Err(ServeError::OutOfTurn(name(&hello)));
            }
        }
    }
}

enum Next {
    Unit,
    Exit,
}

/// Runs one unit. Should the parent go away meanwhile, so do we: the command's lease ends with us.
async fn work(parent: &mut Parent, order: UnitOrder) -> Result<Next, ServeError> {
    let answers = order.python.as_ref().is_some_and(|python| !python.answers.is_empty());
    if order.password.is_some() || answers {
        process::undumpable()?;
        // An interpreter that is told them is another process.
        limits::no_core_files()?;
    }
    let id = order.unit;
    let (cancel, cancelled) = mpsc::unbounded_channel();
    let (tell, mut milestones) = mpsc::unbounded_channel();
    let (rejoin, rejoined) = mpsc::unbounded_channel();
    let mut running = std::pin::pin!(unit::run(order, cancelled, tell, rejoined));
    let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    let mut next = Next::Unit;
    let mut told = Told::default();
    loop {
        tokio::select! {
            biased;
            Some(milestone) = milestones.recv() => {
                parent.tell_of(id, milestone, &mut told).await?;
            }
            report = &mut running => {
                while let Ok(milestone) = milestones.try_recv() {
                    parent.tell_of(id, milestone, &mut told).await?;
                }
                parent.tell(&FromWorker::Done { unit: id, report }).await?;
                return Ok(next);
            }
            _ = heartbeat.tick() => parent.tell(&FromWorker::Heartbeat).await?,
            message = parent.next() => match message? {
                Some(ToWorker::Cancel { unit, by }) if unit == id => drop(cancel.send(by)),
                Some(ToWorker::Rejoined { unit, trouble }) if unit == id => {
                    drop(rejoin.send(trouble));
                }
                Some(ToWorker::RightsKept { unit }) if unit == id => {
                    // It may have given up waiting.
                    told.kept.take().map(|kept| kept.send(()));
                }
                Some(
                    ToWorker::Cancel { .. }
                    | ToWorker::Rejoined { .. }
                    | ToWorker::RightsKept { .. },
                ) => {}
                Some(ToWorker::Shutdown) => next = Next::Exit,
                None => return Ok(Next::Exit),
                Some(other @ (ToWorker::Hello { .. } | ToWorker::Run(_))) => {
                    return Err(ServeError::OutOfTurn(name(&other)));
                }
            },
        }
    }
}

fn name(message: &ToWorker) -> &'static str {
    match message {
        ToWorker::Hello { .. } => "Hello",
        ToWorker::Run(_) => "Run",
        ToWorker::Cancel { .. } => "Cancel",
        ToWorker::Rejoined { .. } => "Rejoined",
        ToWorker::RightsKept { .. } => "RightsKept",
        ToWorker::Shutdown => "Shutdown",
    }
}

/// What the parent has been told of a unit.
#[derive(Default)]
struct Told {
    /// A unit begins once, however many commands it has.
    started: bool,
    /// Who waits for the parent to keep the unit's rights.
    kept: Option<oneshot::Sender<()>>,
}

struct Parent {
    from: Receiver,
    inbox: Inbox,
    to: Sender,
}

impl Parent {
    /// `None` once the parent is gone. Nothing is lost when the future is dropped.
    async fn next(&mut self) -> Result<Option<ToWorker>, FrameError> {
        loop {
            if let Some(message) = self.inbox.take()? {
                return Ok(Some(message));
            }
            self.from.readable().await?;
            if !self.inbox.fill(&mut Now(&self.from))? {
                return Ok(None);
            }
        }
    }

    async fn tell_of(
        &mut self,
        unit: UnitId,
        milestone: Milestone,
        told: &mut Told,
    ) -> Result<(), FrameError> {
        match milestone {
            Milestone::Swept => self.tell(&FromWorker::Swept { unit }).await,
            Milestone::Leaving => self.tell(&FromWorker::Leaving { unit }).await,
            Milestone::Rejoin { anew } => self.tell(&FromWorker::Rejoin { unit, anew }).await,
            Milestone::Rights { rights, kept } => {
                told.kept = Some(kept);
                self.tell(&FromWorker::Rights { unit, rights }).await
            }
            Milestone::Started { .. } if told.started => Ok(()),
            Milestone::Started { pgid } => {
                told.started = true;
                self.tell(&FromWorker::Started { unit, remote_pgid: pgid }).await
            }
        }
    }

    async fn tell(&mut self, message: &FromWorker) -> Result<(), FrameError> {
        let mut outbox = Outbox::default();
        outbox.push(message)?;
        while !outbox.is_empty() {
            self.to.writable().await?;
            outbox.flush(&mut Now(&self.to))?;
        }
        Ok(())
    }
}

/// What a pipe can do at this moment.
struct Now<'a, P>(&'a P);

impl Read for Now<'_, Receiver> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Now<'_, Sender> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }
}

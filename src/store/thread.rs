//! The ledger's thread: a queue in, an eventfd out.
//!
//! Whatever the disk does, the caller never waits for it. Records are written in the order they
//! were submitted, in chunks of what has gathered. What cannot be written yet stays queued and is
//! tried again; nothing is dropped, and the caller is told how the ledger fares.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, SigmaskHow};

use super::error::StoreError;
use super::ledger::{Ledger, Opened};
use super::prune::{Pruned, Retention};
use super::record::Record;

/// Records in one transaction, at most.
const CHUNK: usize = 512;
/// How long a record that nobody waits for may wait for company. Commits, not rows, are what a
/// ledger costs.
const GATHER: Duration = Duration::from_millis(10);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Numbers records in the order submitted, from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seq(pub u64);

/// A record that contradicts the ledger. It counts as acknowledged and is not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub seq: Seq,
    pub why: String,
}

/// How the ledger fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    Sound,
    /// Nothing can be written for now; what is submitted waits in memory. Says why.
    Degraded(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// Everything up to here is on the disk, but for what was rejected.
    pub through: Seq,
    /// Since the last call; to be heeded before `through` is acted upon.
    pub rejected: Vec<Rejected>,
    /// Only when it has changed since the last call.
    pub condition: Option<Condition>,
}

/// Records that the end of the daemon found unwritten.
#[derive(Debug, thiserror::Error)]
#[error("{count} records could not be written to the ledger: {why}")]
pub struct Unwritten {
    pub count: u64,
    pub why: String,
}

/// The caller's end.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Never sent on: it closes when the thread ends.
    ended: mpsc::Receiver<()>,
    submitted: u64,
}

pub(super) struct Shared {
    queue: Mutex<Queue>,
    bell: Condvar,
    report: Mutex<Report>,
    written: AtomicU64,
    wake: EventFd,
}

#[derive(Default)]
struct Queue {
    records: VecDeque<Record>,
    /// One of them is to be acknowledged before something may start.
    urgent: bool,
    prune: Option<(Retention, Timestamp)>,
    /// Set when the daemon ends: how long to go on trying.
    close_by: Option<Instant>,
}

#[derive(Default)]
struct Report {
    rejected: Vec<Rejected>,
    trouble: Option<String>,
    changed: bool,
}

impl Writer {
    /// Opens the ledger (see [`Ledger::open`]) and starts its thread, which takes no signals.
    /// To be called after the last fork.
    pub fn start(statedir: &Path, now: Timestamp) -> Result<(Writer, Opened), StoreError> {
        let (ledger, opened) = Ledger::open(statedir, now)?;
        let io = |e: io::Error| StoreError::io(statedir, e);
        let shared = Shared::new().map_err(io)?;
        let (alive, ended) = mpsc::channel();
        let scribe = Scribe::new(ledger, shared.clone());
        let mask =
            SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK).map_err(|e| io(e.into()))?;
        let thread = thread::Builder::new().name("ledger".to_string()).spawn(move || {
            let _alive = alive;
            scribe.run();
        });
        mask.thread_set_mask().map_err(|e| io(e.into()))?;
        let thread = Some(thread.map_err(io)?);
        Ok((Writer { shared, thread, ended, submitted: 0 }, opened))
    }

    /// Never waits. The caller bounds what it submits by watching [`Writer::backlog`].
    pub fn submit(&mut self, record: Record) -> Seq {
        self.submitted += 1;
        let mut queue = lock(&self.shared.queue);
        let urgent = record.is_urgent() && !queue.urgent;
        queue.urgent |= urgent;
        queue.records.push_back(record);
        if urgent || matches!(queue.records.len(), 1 | CHUNK) {
            self.shared.bell.notify_one();
        }
        Seq(self.submitted)
    }

    /// Deletes what is not to be kept, in batches, whenever there is nothing to write.
    pub fn prune(&mut self, keep: Retention, now: Timestamp) {
        lock(&self.shared.queue).prune = Some((keep, now));
        self.shared.bell.notify_one();
    }

    /// Readable when [`Writer::acknowledged`] has something to say.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.shared.wake.as_fd()
    }

    /// Takes what has been reported, and makes [`Writer::fd`] unreadable again.
    pub fn acknowledged(&mut self) -> Acknowledged {
        // Only EAGAIN can come of it: nothing new.
        let _ = self.shared.wake.read();
        let mut report = lock(&self.shared.report);
        let condition = std::mem::take(&mut report.changed).then(|| match &report.trouble {
            Some(trouble) => Condition::Degraded(trouble.clone()),
            None => Condition::Sound,
        });
        let rejected = std::mem::take(&mut report.rejected);
        Acknowledged { through: Seq(self.shared.written()), rejected, condition }
    }

    /// Records submitted and not yet acknowledged.
    pub fn backlog(&self) -> u64 {
        self.submitted - self.shared.written()
    }

    /// Writes what is left, logs what was rejected of it, and closes the ledger. Gives up after
    /// `limit`, a little later if the disk hangs.
    pub fn finish(mut self, limit: Duration) -> Result<(), Unwritten> {
        self.close(limit);
        let hangs = match self.ended.recv_timeout(limit + LONGEST_WAIT) {
            Err(RecvTimeoutError::Timeout) => true,
            Ok(()) | Err(RecvTimeoutError::Disconnected) => false,
        };
        if let Some(thread) = self.thread.take_if(|_| !hangs) {
            // A panic has already been reported as trouble.
            let _ = thread.join();
        }
        for Rejected { seq: Seq(seq), why } in self.acknowledged().rejected {
            log::error!("the ledger refused record {seq}: {why}");
        }
        match self.backlog() {
            0 => Ok(()),
            count => {
                let trouble = lock(&self.shared.report).trouble.take();
                let why = trouble.unwrap_or_else(|| "the disk does not answer".to_string());
                Err(Unwritten { count, why })
            }
        }
    }

    fn close(&self, limit: Duration) {
        lock(&self.shared.queue).close_by = Some(Instant::now() + limit);
        self.shared.bell.notify_one();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.close(Duration::ZERO);
        }
    }
}

impl Shared {
    pub(super) fn new() -> io::Result<Arc<Shared>> {
        Ok(Arc::new(Shared {
            queue: Mutex::default(),
            bell: Condvar::new(),
            report: Mutex::default(),
            written: AtomicU64::new(0),
            wake: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
        }))
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    fn wake(&self) {
        // The counter cannot overflow: each read resets it.
        let _ = self.wake.write(1);
    }

    fn set_trouble(&self, trouble: Option<String>) {
        let mut report = lock(&self.report);
        report.changed |= report.trouble != trouble;
        report.trouble = trouble;
    }
}

/// What is guarded stays consistent even if a holder panics: every change is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread's end.
pub(super) struct Scribe {
    pub(super) ledger: Ledger,
    shared: Arc<Shared>,
    /// Taken from the queue and not yet written.
    pub(super) pending: VecDeque<Record>,
    /// Halved to find a record that the ledger refuses.
    chunk: usize,
    pruned: Pruned,
}

impl Scribe {
    pub(super) fn new(ledger: Ledger, shared: Arc<Shared>) -> Scribe {
        let pending = VecDeque::with_capacity(CHUNK);
        Scribe { ledger, shared, pending, chunk: CHUNK, pruned: Pruned::default() }
    }

    fn run(mut self) {
        let _alarm = Alarm(self.shared.clone());
        let mut wait = FIRST_WAIT;
        while self.refill() {
            let result = self.step();
            self.shared.set_trouble(result.as_ref().err().map(StoreError::to_string));
            self.shared.wake();
            match result {
                Ok(()) => wait = FIRST_WAIT,
                Err(_) if self.wait(wait) => wait = (wait * 2).min(LONGEST_WAIT),
                Err(_) => return,
            }
        }
        if let Err(e) = self.ledger.close() {
            log::warn!("the ledger could not be closed in order, which is harmless: {e}");
        }
    }

    /// Waits for records; `false` at the end. Prunes while there are none.
    fn refill(&mut self) -> bool {
        let mut queue = lock(&self.shared.queue);
        loop {
            if !queue.records.is_empty() && self.pending.is_empty() {
                queue = self.gather(queue);
            }
            let some = queue.records.len().min(CHUNK - self.pending.len());
            self.pending.extend(queue.records.drain(..some));
            queue.urgent &= !queue.records.is_empty();
            if !self.pending.is_empty() {
                return true;
            }
            if queue.close_by.is_some() {
                return false;
            }
            queue = match queue.prune {
                Some((keep, now)) => {
                    drop(queue);
                    let more = prune(&mut self.ledger, &mut self.pruned, keep, now);
                    let mut queue = lock(&self.shared.queue);
                    if !more && queue.prune == Some((keep, now)) {
                        queue.prune = None;
                    }
                    queue
                }
                None => self.shared.bell.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn gather<'a>(&self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        let alone = |queue: &mut Queue| {
            !queue.urgent && queue.records.len() < CHUNK && queue.close_by.is_none()
        };
        let gathered = self.shared.bell.wait_timeout_while(queue, GATHER, alone);
        gathered.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Writes a chunk, or finds out more about the record that spoils it. An error is the
    /// disk's, and changes nothing.
    pub(super) fn step(&mut self) -> Result<(), StoreError> {
        let count = self.chunk.min(self.pending.len());
        match self.ledger.apply(&self.pending.make_contiguous()[..count]) {
            Ok(()) => self.settle(count),
            Err(e) if e.is_refusal() && count == 1 => {
                let seq = Seq(self.shared.written() + 1);
                lock(&self.shared.report).rejected.push(Rejected { seq, why: e.to_string() });
                self.settle(1);
            }
            Err(e) if e.is_refusal() => self.chunk = count / 2,
            Err(e) => return Err(e),
        }
        Ok(())
    }

    fn settle(&mut self, count: usize) {
        self.pending.drain(..count);
        self.chunk = CHUNK;
        self.shared.written.fetch_add(count as u64, Ordering::Release);
    }

    /// Between two attempts; `false` once the daemon's end can wait no longer.
    fn wait(&self, wait: Duration) -> bool {
        let queue = lock(&self.shared.queue);
        let closing = queue.close_by.is_some();
        let wait = if closing { FIRST_WAIT } else { wait };
        let (queue, _) = self
            .shared
            .bell
            .wait_timeout_while(queue, wait, |queue| queue.close_by.is_some() == closing)
            .unwrap_or_else(PoisonError::into_inner);
        queue.close_by.is_none_or(|end| Instant::now() < end)
    }
}

/// One batch; whether there is more to do. An error ends it until the next time.
fn prune(ledger: &mut Ledger, total: &mut Pruned, keep: Retention, now: Timestamp) -> bool {
    match ledger.prune(keep, now) {
        Ok(batch) => *total += batch,
        Err(e) => {
            log::warn!("the ledger cannot be pruned now: {e}");
            total.more = false;
        }
    }
    if !total.more {
        let Pruned { runs, gaps, hooks, files, more: _ } = std::mem::take(total);
        if runs + gaps + hooks + files > 0 {
            log::info!("pruned {runs} runs, {gaps} gaps, {hooks} hooks and {files} output files");
        }
        return false;
    }
    true
}

/// Tells the caller should the thread panic: a promise that no acknowledgement will come.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            let trouble = "the ledger's thread has failed; nothing more is written until restart";
            self.0.set_trouble(Some(trouble.to_string()));
            self.0.wake();
        }
    }
}

//! The ledger's thread: a queue in, an eventfd out.
//!
//! Whatever the disk does, the caller never waits for it. Records are written in the order they
//! were submitted, in chunks of what has gathered. What cannot be written yet stays queued and is
//! tried again; nothing is dropped, and the caller is told how the ledger fares. This is the
//! caller's end; the thread's is `scribe`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, SigmaskHow};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::error::StoreError;
use super::ledger::{Ledger, Opened};
use super::prune::Retention;
use super::queue::{CHUNK, Queue};
use super::record::Record;
use super::scribe::Scribe;

/// How many records may wait in memory while nothing can be written. A daemon with a greater
/// [`Writer::backlog`] starts nothing more; what then falls due is a gap, `ledger down`, that it
/// keeps to itself until recording works again.
pub const MEMORY: u64 = 10_000;

/// Between two attempts.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A disk that takes longer over one chunk does not answer.
const PATIENCE: Duration = Duration::from_secs(10);

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
    /// Nothing can be written for now; what is submitted waits in memory, see [`MEMORY`]. Says
    /// why.
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
    /// The trouble that was last reported.
    told: Option<String>,
}

pub(super) struct Shared {
    pub queue: Mutex<Queue>,
    pub bell: Condvar,
    report: Mutex<Report>,
    written: AtomicU64,
    wake: EventFd,
    /// Rings if the thread is too long at one thing.
    late: TimerFd,
    patience: Duration,
    /// Readable when one of the two is.
    both: Epoll,
}

#[derive(Default)]
struct Report {
    rejected: Vec<Rejected>,
    trouble: Option<String>,
    /// Since when the thread has been at what it does.
    at_work: Option<Instant>,
}

impl Writer {
    /// Opens the ledger (see [`Ledger::open`]) and starts its thread, which takes no signals.
    /// To be called after the last fork.
    pub fn start(statedir: &Path, now: Timestamp) -> Result<(Writer, Opened), StoreError> {
        let (ledger, opened) = Ledger::open(statedir, now)?;
        let writer = Writer::over(ledger, PATIENCE).map_err(|e| StoreError::io(statedir, e))?;
        Ok((writer, opened))
    }

    pub(super) fn over(ledger: Ledger, patience: Duration) -> io::Result<Writer> {
        let shared = Shared::new(patience)?;
        let (alive, ended) = mpsc::channel();
        let scribe = Scribe::new(ledger, shared.clone());
        let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        let thread = thread::Builder::new().name("ledger".to_string()).spawn(move || {
            let _alive = alive;
            scribe.run();
        });
        mask.thread_set_mask()?;
        Ok(Writer { shared, thread: Some(thread?), ended, submitted: 0, told: None })
    }

    /// Never waits. The caller bounds what it submits by watching [`Writer::backlog`].
    pub fn submit(&mut self, record: Record) -> Seq {
        let mut queue = lock(&self.shared.queue);
        let (urgent, count) = (queue.urgent, queue.len());
        let seq = queue.push(record);
        if queue.urgent && !urgent || queue.len() != count && matches!(queue.len(), 1 | CHUNK) {
            self.shared.bell.notify_one();
        }
        self.submitted = self.submitted.max(seq);
        Seq(seq)
    }

    /// The last record submitted.
    pub fn submitted(&self) -> Seq {
        Seq(self.submitted)
    }

    /// Everything up to here is on the disk, but for what was rejected.
    pub fn written(&self) -> Seq {
        Seq(self.shared.written())
    }

    /// Deletes what is not to be kept, in batches, whenever there is nothing to write.
    pub fn prune(&mut self, keep: Retention, now: Timestamp) {
        lock(&self.shared.queue).prune = Some((keep, now));
        self.shared.bell.notify_one();
    }

    /// Readable when [`Writer::acknowledged`] has something to say.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.shared.both.0.as_fd()
    }

    /// Takes what has been reported, and makes [`Writer::fd`] unreadable again.
    pub fn acknowledged(&mut self) -> Acknowledged {
        self.shared.hush();
        let trouble = self.trouble();
        let condition = (trouble != self.told).then(|| match &trouble {
            Some(trouble) => Condition::Degraded(trouble.clone()),
            None => Condition::Sound,
        });
        self.told = trouble;
        let rejected = std::mem::take(&mut lock(&self.shared.report).rejected);
        Acknowledged { through: Seq(self.shared.written()), rejected, condition }
    }

    /// Why nothing can be written for now, if so.
    pub fn trouble(&self) -> Option<String> {
        let report = lock(&self.shared.report);
        let patience = self.shared.patience;
        let hangs = report.at_work.is_some_and(|since| since.elapsed() >= patience);
        let silence = || hangs.then(|| format!("the disk has not answered for {patience:?}"));
        report.trouble.clone().or_else(silence)
    }

    pub fn is_degraded(&self) -> bool {
        self.trouble().is_some()
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
                let unknown = || "the disk was too slow".to_string();
                Err(Unwritten { count, why: self.trouble().unwrap_or_else(unknown) })
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
    pub fn new(patience: Duration) -> io::Result<Arc<Shared>> {
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let late = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let both = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        both.add(&wake, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        both.add(&late, EpollEvent::new(EpollFlags::EPOLLIN, 1))?;
        Ok(Arc::new(Shared {
            queue: Mutex::default(),
            bell: Condvar::new(),
            report: Mutex::default(),
            written: AtomicU64::new(0),
            wake,
            late,
            patience,
            both,
        }))
    }

    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    pub fn settle(&self, count: usize) {
        self.written.fetch_add(count as u64, Ordering::Release);
    }

    pub fn reject(&self, why: String) {
        let seq = Seq(self.written() + 1);
        lock(&self.report).rejected.push(Rejected { seq, why });
    }

    pub fn wake(&self) {
        // The counter cannot overflow: each read resets it.
        let _ = self.wake.write(1);
    }

    /// Only EAGAIN can come of it: nothing new.
    fn hush(&self) {
        let _ = self.wake.read();
        let _ = nix::unistd::read(&self.late, &mut [0; 8]);
    }

    pub fn set_trouble(&self, trouble: Option<String>) {
        lock(&self.report).trouble = trouble;
    }

    /// Does what may take long on a bad disk.
    pub fn patiently<T>(&self, work: impl FnOnce() -> T) -> T {
        let once = Expiration::OneShot(TimeSpec::from_duration(self.patience));
        // Without the timer the caller finds out when it next looks.
        let _ = self.late.set(once, TimerSetTimeFlags::empty());
        lock(&self.report).at_work = Some(Instant::now());
        let done = work();
        lock(&self.report).at_work = None;
        let _ = self.late.unset();
        done
    }
}

/// What is guarded stays consistent even if a holder panics: every change is a single step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

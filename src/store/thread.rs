//! The ledger's thread: a queue in, an eventfd out.
//!
//! Whatever the disk does, the caller never waits for it. Records are written in the order they
//! were submitted, in chunks of what has gathered. What cannot be written yet stays queued and is
//! tried again; nothing is dropped, and the caller is told how the ledger fares. This is the
//! caller's end; the thread's is `scribe`, and between them is what they share (`shared`).

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::sys::signal::{SigSet, SigmaskHow};

use super::error::StoreError;
use super::ledger::{Ledger, Opened};
use super::prune::Retention;
use super::queue::CHUNK;
use super::record::Record;
use super::scribe::{LONGEST_WAIT, Scribe};
use super::shared::{Rejected, Seq, Shared, lock};

/// How many records may wait in memory while nothing can be written. A daemon with a greater
/// [`Writer::backlog`] starts nothing more; what then falls due is a gap, `ledger down`, that it
/// keeps to itself until recording works again.
pub const MEMORY: u64 = 10_000;

/// A disk that takes longer over one chunk does not answer.
const PATIENCE: Duration = Duration::from_secs(10);

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
        self.shared.fd()
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
        let rejected = self.shared.rejected();
        Acknowledged { through: Seq(self.shared.written()), rejected, condition }
    }

    /// Why nothing can be written for now, if so.
    pub fn trouble(&self) -> Option<String> {
        self.shared.trouble()
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

//! The ledger's thread itself: takes records from the queue, writes them in chunks, tries again.

use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::error::StoreError;
use super::ledger::Ledger;
use super::prune::{Pruned, Retention};
use super::queue::{CHUNK, Queue};
use super::record::Record;
use super::shared::{Shared, lock};

/// How long a record that nobody waits for may wait for company. Commits, not rows, are what a
/// ledger costs.
const GATHER: Duration = Duration::from_millis(10);
/// Between two attempts; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(5);

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

    pub(super) fn run(mut self) {
        let _alarm = Alarm(self.shared.clone());
        let mut wait = FIRST_WAIT;
        while self.refill() {
            let shared = self.shared.clone();
            let result = shared.patiently(|| self.step());
            self.shared.set_trouble(result.as_ref().err().map(StoreError::to_string));
            self.shared.wake();
            match result {
                Ok(()) => wait = FIRST_WAIT,
                Err(_) if self.wait(wait) => wait = (wait * 2).min(LONGEST_WAIT),
                Err(_) => return,
            }
        }
        let shared = self.shared.clone();
        if let Err(e) = shared.patiently(|| self.ledger.close()) {
            log::warn!("the ledger could not be closed in order, which is harmless: {e}");
        }
    }

    /// Waits for records; `false` at the end. Prunes while there are none.
    fn refill(&mut self) -> bool {
        let mut queue = lock(&self.shared.queue);
        loop {
            if !queue.is_empty() && self.pending.is_empty() {
                queue = self.gather(queue);
            }
            self.pending.extend(queue.take(CHUNK - self.pending.len()));
            if !self.pending.is_empty() {
                return true;
            }
            if queue.close_by.is_some() {
                return false;
            }
            queue = match queue.prune {
                Some((keep, now)) => {
                    drop(queue);
                    let shared = self.shared.clone();
                    let more =
                        shared.patiently(|| prune(&mut self.ledger, &mut self.pruned, keep, now));
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
        let alone =
            |queue: &mut Queue| !queue.urgent && queue.len() < CHUNK && queue.close_by.is_none();
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
                self.shared.reject(e.to_string());
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
        self.shared.settle(count);
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
        // Keys of requests are no loss to anybody.
        let Pruned { runs, gaps, hooks, audit, requests: _, files, more: _ } =
            std::mem::take(total);
        if runs + gaps + hooks + audit + files > 0 {
            log::info!(
                "pruned {runs} runs, {gaps} gaps, {hooks} hooks, {audit} entries of the audit and \
                 {files} output files"
            );
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

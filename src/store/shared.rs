//! What the two ends of the ledger's thread share: the queue, how far it is written, and how the
//! disk fares.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::queue::Queue;

/// Numbers records in the order submitted, from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seq(pub u64);

/// A record that contradicts the ledger. It counts as acknowledged and is not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub seq: Seq,
    pub why: String,
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
    pub fn hush(&self) {
        let _ = self.wake.read();
        let _ = nix::unistd::read(&self.late, &mut [0; 8]);
    }

    /// Readable after [`Shared::wake`], and when the thread is too long at one thing.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.both.0.as_fd()
    }

    /// What was rejected since the last call.
    pub fn rejected(&self) -> Vec<Rejected> {
        std::mem::take(&mut lock(&self.report).rejected)
    }

    /// Why nothing can be written for now, if so.
    pub fn trouble(&self) -> Option<String> {
        let report = lock(&self.report);
        let patience = self.patience;
        let hangs = report.at_work.is_some_and(|since| since.elapsed() >= patience);
        let silence = || hangs.then(|| format!("the disk has not answered for {patience:?}"));
        report.trouble.clone().or_else(silence)
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

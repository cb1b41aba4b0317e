//! An alarm on the wall clock that also rings when somebody sets that clock.
//!
//! Only for what is due at a time of day. Timeouts belong to the monotonic clock and are the
//! poll loop's own.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::clock_gettime;

/// Time since the machine was started, its sleep included: what passes in a suspend has passed.
pub fn since_boot() -> Duration {
    // It cannot fail on a kernel that has timerfds.
    clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

#[derive(Debug)]
pub struct Alarm {
    timer: TimerFd,
}

/// What [`Alarm::take`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    /// The instant has come.
    Due,
    /// The clock was set while the alarm was armed: everything due must be computed anew.
    ClockSet,
    /// Neither; the descriptor was not readable.
    Nothing,
}

impl Alarm {
    pub fn new() -> io::Result<Alarm> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        Ok(Alarm { timer: TimerFd::new(ClockId::CLOCK_REALTIME, flags)? })
    }

    /// Rings once, at this instant, at once if it has passed; `None` disarms. An alarm that is
    /// not armed does not notice that the clock is set.
    /// [`Rung::ClockSet`] if the clock was set since the last call: nobody else will tell.
    pub fn set(&self, at: Option<SystemTime>) -> io::Result<Rung> {
        let Some(at) = at else {
            self.timer.unset()?;
            return Ok(Rung::Nothing);
        };
        // An expiry of 0 would disarm: what lies before 1970 is due anyway.
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let expiry = TimeSpec::from_duration(since.max(std::time::Duration::from_nanos(1)));
        let flags =
            TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        match self.timer.set(Expiration::OneShot(expiry), flags) {
            Ok(()) => Ok(Rung::Nothing),
            // It is armed all the same (timerfd_create(2), notes).
            Err(Errno::ECANCELED) => Ok(Rung::ClockSet),
            Err(e) => Err(e.into()),
        }
    }

    /// Readable when there is something to [`take`](Alarm::take).
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }

    pub fn take(&self) -> io::Result<Rung> {
        let mut expirations = [0; 8];
        loop {
            match nix::unistd::read(&self.timer, &mut expirations) {
                Ok(_) => return Ok(Rung::Due),
                Err(Errno::ECANCELED) => return Ok(Rung::ClockSet),
                Err(Errno::EAGAIN) => return Ok(Rung::Nothing),
                Err(Errno::EINTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::time::Duration;

    fn rings(alarm: &Alarm, timeout: PollTimeout) -> bool {
        poll(&mut [PollFd::new(alarm.fd(), PollFlags::POLLIN)], timeout).unwrap() == 1
    }

    #[test]
    fn rings_once_when_its_instant_has_come() {
        let alarm = Alarm::new().unwrap();
        assert_eq!(alarm.take().unwrap(), Rung::Nothing);
        alarm.set(Some(SystemTime::now() + Duration::from_millis(20))).unwrap();
        assert!(rings(&alarm, PollTimeout::from(10_000u16)));
        assert_eq!(alarm.take().unwrap(), Rung::Due);
        assert_eq!(alarm.take().unwrap(), Rung::Nothing);
    }

    #[test]
    fn the_past_rings_at_once_and_nothing_rings_when_disarmed() {
        let alarm = Alarm::new().unwrap();
        alarm.set(Some(UNIX_EPOCH)).unwrap();
        assert!(rings(&alarm, PollTimeout::from(10_000u16)));
        alarm.set(None).unwrap();
        assert!(!rings(&alarm, PollTimeout::ZERO));
    }
}

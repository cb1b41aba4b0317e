//! Steps of the machine's clock, and what has come due since the last look at it.
//!
//! Two pure machines; the caller brings the time.
//!
//! One [`Clock`] for the daemon compares how far the wall clock and the monotonic clock have come
//! between two looks. The caller looks at every wake-up and at least once a minute. Which
//! monotonic clock is its choice: with one that goes on in suspend (CLOCK_BOOTTIME) a suspend is
//! time in which fires were missed, with one that stops (CLOCK_MONOTONIC) it is a step.
//!
//! One [`Watch`] for each job remembers through when its fires are accounted for and when the
//! next one is. At [`Look::Steady`] only the watches whose `next_fire` has come need a look; at
//! any other verdict, once, every one of them does.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{DST_REACH, Fires, Schedule};

/// A smaller step jumps over no whole minute. The schedule absorbs it: set back, nothing fires a
/// second time; set forward, a minute passed over fires late.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(1);

/// Tells a step of the wall clock from time going by.
#[derive(Debug, Clone)]
pub struct Clock {
    wall: Timestamp,
    elapsed: Duration,
}

/// What the wall clock has done since the last look, beside going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Steady,
    /// Set by a minute to [`DST_REACH`] either way: treated like a change of daylight saving
    /// time.
    Stepped {
        by: SignedDuration,
    },
    /// Set farther: re-anchored, nothing is made up. The daemon writes one log line and one
    /// summary row for each job.
    Jumped {
        /// What the wall clock would show, had it not been set.
        from: Timestamp,
        to: Timestamp,
    },
}

impl Look {
    /// Whether instants that were accounted for may come again, so that a new clock epoch must
    /// begin: after a jump, and after a step back, in which wildcard schedules repeat.
    pub fn opens_epoch(&self) -> bool {
        match self {
            Look::Steady => false,
            Look::Stepped { by } => by.is_negative(),
            Look::Jumped { .. } => true,
        }
    }

    /// The verdict between a wall clock as it should be and as it is.
    fn judge(expected: Timestamp, wall: Timestamp) -> Look {
        let by = wall.duration_since(expected);
        if by.abs() < TOLERANCE {
            Look::Steady
        } else if by.abs() <= DST_REACH {
            Look::Stepped { by }
        } else {
            Look::Jumped { from: expected, to: wall }
        }
    }

    /// The verdict for a daemon that starts and finds fires accounted for through
    /// `accounted_through`. Time that went by without a daemon is no step; only a clock behind
    /// the ledger must have been set.
    pub fn at_start(accounted_through: Timestamp, wall: Timestamp) -> Look {
        if wall < accounted_through { Look::judge(accounted_through, wall) } else { Look::Steady }
    }
}

impl Clock {
    /// `elapsed` is the monotonic clock, counted from any fixed moment.
    pub fn new(wall: Timestamp, elapsed: Duration) -> Clock {
        Clock { wall, elapsed }
    }

    /// Each look is compared with the one before.
    pub fn look(&mut self, wall: Timestamp, elapsed: Duration) -> Look {
        let passed = elapsed.saturating_sub(self.elapsed);
        let expected = self.wall.saturating_add(passed).unwrap_or(Timestamp::MAX);
        *self = Clock { wall, elapsed };
        Look::judge(expected, wall)
    }
}

/// The fires of one job: those accounted for and the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    accounted_through: Timestamp,
    next_fire: Option<Timestamp>,
}

/// What a look has found due; every instant it covers is in exactly one of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// To be run now: the latest.
    pub run: Option<Timestamp>,
    /// Came due before `run` and were not run in time. All of them before it.
    pub missed: Option<Fires>,
    /// The clock was set past them, and they are not made up for. All of them after `run`.
    pub passed_over: Option<Fires>,
}

impl Watch {
    /// Watches for fires strictly after `accounted_through`.
    pub fn new(schedule: &Schedule, zone: &TimeZone, accounted_through: Timestamp) -> Watch {
        Watch { accounted_through, next_fire: schedule.next_after(zone, accounted_through) }
    }

    /// Every fire up to here has been reported as due.
    pub fn accounted_through(&self) -> Timestamp {
        self.accounted_through
    }

    /// When to look again; `None` is never.
    pub fn next_fire(&self) -> Option<Timestamp> {
        self.next_fire
    }

    /// Tells what is due at `now` and accounts for it. `look` is the verdict of the same look.
    ///
    /// - Steady: the latest instant runs, those before it were missed.
    /// - Stepped forward: a fixed schedule treats what the clock was set past as due, so it runs
    ///   once; a wildcard schedule passes it over.
    /// - Stepped back: a fixed schedule waits until the wall clock is where it was; a wildcard
    ///   schedule follows elapsed time and fires at the repeated instants again.
    /// - Jumped: what lies between is passed over, and fires come from `now` on.
    pub fn look(
        &mut self,
        schedule: &Schedule,
        zone: &TimeZone,
        look: Look,
        now: Timestamp,
    ) -> Option<Due> {
        let lived = match look {
            Look::Steady if self.next_fire.is_none_or(|fire| fire > now) => return None,
            Look::Steady => now,
            Look::Stepped { by } if schedule.is_wildcard() => {
                now.saturating_sub(by.max(SignedDuration::ZERO)).unwrap_or(now)
            }
            Look::Stepped { .. } => now,
            Look::Jumped { .. } => self.accounted_through,
        };
        let due = Due::between(schedule, zone, self.accounted_through, lived, now);
        let through = match look {
            Look::Stepped { .. } if schedule.is_wildcard() => now,
            Look::Jumped { .. } => now,
            Look::Steady | Look::Stepped { .. } => now.max(self.accounted_through),
        };
        *self = Watch::new(schedule, zone, through);
        due
    }
}

impl Due {
    /// `lived`: until when time went by; from there the clock was set to `now`.
    fn between(
        schedule: &Schedule,
        zone: &TimeZone,
        accounted_through: Timestamp,
        lived: Timestamp,
        now: Timestamp,
    ) -> Option<Due> {
        let run = schedule.fires_between(zone, accounted_through, lived).map(|due| due.last);
        let before =
            |instant: Timestamp| instant.saturating_sub(SignedDuration::from_nanos(1)).ok();
        let missed = run
            .and_then(before)
            .and_then(|last| schedule.fires_between(zone, accounted_through, last));
        let passed_over = schedule.fires_between(zone, lived.max(accounted_through), now);
        (run.is_some() || passed_over.is_some()).then_some(Due { run, missed, passed_over })
    }
}

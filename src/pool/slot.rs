//! One place for a worker process: its states, and what each event does in each of them.
//!
//! ```text
//! Starting -> Idle <-> Busy -> Retiring | Killing -> (gone)
//! ```
//! A slot knows the unit it holds by its id alone, and does no I/O.

use std::time::{Duration, Instant};

use crate::protocol::message::HEARTBEAT;
use crate::unit::UnitId;

/// Heartbeats that may be missed before a busy worker is taken for dead.
const MISSED_HEARTBEATS: u32 = 3;

/// How long a worker may take to leave after it was asked to.
pub const LEAVE: Duration = Duration::from_secs(5);

/// Why a unit ended without its worker's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// The worker went away, or was killed because it no longer answered.
    Crashed,
    /// The worker let the unit's timeout pass; it was killed in the end.
    Overdue,
    /// There was none to be had.
    NoWorker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Started, has not yet said hello, holds no unit.
    Starting {
        since: Instant,
    },
    Idle {
        since: Instant,
    },
    /// A unit was handed over; the worker may not have said hello yet.
    Busy {
        unit: UnitId,
        heard: Instant,
        overdue: Option<Instant>,
    },
    /// Asked to leave. `replace`: its going makes room for one successor.
    Retiring {
        since: Instant,
        replace: bool,
    },
    /// Sent SIGKILL. The unit it held, if any, ends when the process is gone.
    Killing {
        unit: Option<(UnitId, Death)>,
    },
}

#[derive(Debug)]
pub struct Slot {
    pub state: State,
    /// Units handed over so far.
    pub served: u32,
    /// It finished a unit: its death is no sign that workers cannot live here.
    pub proven: bool,
}

/// What a tick finds to be done about a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Fine,
    Kill(Death),
}

impl Slot {
    pub fn new(now: Instant) -> Slot {
        Slot { state: State::Starting { since: now }, served: 0, proven: false }
    }

    /// Whether a unit can be handed over now; hello need not have been said.
    pub fn is_free(&self) -> bool {
        match self.state {
            State::Starting { .. } | State::Idle { .. } => true,
            State::Busy { .. } | State::Retiring { .. } | State::Killing { .. } => false,
        }
    }

    pub fn hello(&mut self, now: Instant) {
        match &mut self.state {
            State::Starting { .. } => self.state = State::Idle { since: now },
            State::Busy { heard, .. } => *heard = now,
            State::Idle { .. } | State::Retiring { .. } | State::Killing { .. } => {}
        }
    }

    pub fn heartbeat(&mut self, now: Instant) {
        match &mut self.state {
            State::Busy { heard, .. } => *heard = now,
            State::Starting { .. }
            | State::Idle { .. }
            | State::Retiring { .. }
            | State::Killing { .. } => {}
        }
    }

    /// The moment by which [`Slot::verdict`] must be asked again.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Busy { heard, overdue, .. } => {
                let silent = heard + HEARTBEAT * MISSED_HEARTBEATS;
                Some(overdue.map_or(silent, |overdue| overdue.min(silent)))
            }
            State::Starting { since } => Some(since + HEARTBEAT * MISSED_HEARTBEATS),
            State::Retiring { since, .. } => Some(since + LEAVE),
            State::Idle { .. } | State::Killing { .. } => None,
        }
    }

    pub fn verdict(&self, now: Instant) -> Verdict {
        if self.deadline().is_none_or(|at| now < at) {
            return Verdict::Fine;
        }
        match self.state {
            State::Busy { overdue: Some(at), .. } if now >= at => Verdict::Kill(Death::Overdue),
            State::Busy { .. } | State::Starting { .. } | State::Retiring { .. } => {
                Verdict::Kill(Death::Crashed)
            }
            State::Idle { .. } | State::Killing { .. } => Verdict::Fine,
        }
    }

    /// The state after SIGKILL was sent; the unit stays known until the process is gone.
    pub fn killed(&mut self, death: Death) {
        self.state = match self.state {
            State::Busy { unit, .. } => State::Killing { unit: Some((unit, death)) },
            State::Starting { .. } | State::Idle { .. } | State::Retiring { .. } => {
                State::Killing { unit: None }
            }
            State::Killing { unit } => State::Killing { unit },
        };
    }
}

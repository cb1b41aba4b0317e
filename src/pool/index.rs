//! What is asked of all slots at every step, kept ready: which are free, how many stay, and what
//! is due first.

use std::collections::BTreeSet;
use std::time::Instant;

use super::SlotId;
use super::slot::{Slot, State};

#[derive(Debug, Default)]
pub struct Index {
    pub free: BTreeSet<SlotId>,
    /// Since when each idle one is.
    pub idle: BTreeSet<(Instant, SlotId)>,
    /// When each is to be looked at again.
    pub due: BTreeSet<(Instant, SlotId)>,
    /// Those that are not on their way out.
    pub staying: usize,
}

impl Index {
    pub fn add(&mut self, id: SlotId, slot: &Slot) {
        if slot.is_free() {
            self.free.insert(id);
        }
        self.idle.extend(idle_since(slot).map(|since| (since, id)));
        self.due.extend(slot.deadline().map(|at| (at, id)));
        self.staying += usize::from(stays(slot));
    }

    /// `slot`: as it was added.
    pub fn remove(&mut self, id: SlotId, slot: &Slot) {
        self.free.remove(&id);
        if let Some(since) = idle_since(slot) {
            self.idle.remove(&(since, id));
        }
        if let Some(at) = slot.deadline() {
            self.due.remove(&(at, id));
        }
        self.staying -= usize::from(stays(slot));
    }
}

/// One on its way out makes room for nobody yet, but must not be counted when it is decided how
/// many more should go.
fn stays(slot: &Slot) -> bool {
    match slot.state {
        State::Starting { .. } | State::Idle { .. } | State::Busy { .. } => true,
        State::Retiring { .. } | State::Killing { .. } => false,
    }
}

fn idle_since(slot: &Slot) -> Option<Instant> {
    match slot.state {
        State::Idle { since } => Some(since),
        State::Starting { .. }
        | State::Busy { .. }
        | State::Retiring { .. }
        | State::Killing { .. } => None,
    }
}

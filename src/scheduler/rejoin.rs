//! Units that make their node go away, as a reboot does, and go on when it is back.
//!
//! Such a unit keeps its worker and asks, at its own pace, for its connection. Until it has ended,
//! a connection that cannot be made is no verdict on the others that wait for the node.

use std::collections::BTreeMap;

use super::{Action, Now, Phase, Scheduler};
use crate::node_state::{self, MasterId};
use crate::unit::UnitId;

/// By connection: the units, and whether they wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Away {
    units: BTreeMap<MasterId, BTreeMap<UnitId, bool>>,
}

impl Away {
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Whether a unit has made the node at the end of it go away.
    pub fn is_from(&self, master: MasterId) -> bool {
        self.units.contains_key(&master)
    }

    /// Whether a unit has asked for it.
    pub fn is_awaited(&self, master: MasterId) -> bool {
        self.units.get(&master).is_some_and(|units| units.values().any(|asks| *asks))
    }

    fn add(&mut self, master: MasterId, unit: UnitId, asks: bool) {
        *self.units.entry(master).or_default().entry(unit).or_default() |= asks;
    }

    /// Those that asked; they have their answer now.
    fn take_asking(&mut self, master: MasterId) -> Vec<UnitId> {
        let units = self.units.get_mut(&master).into_iter().flatten();
        units.filter_map(|(unit, asks)| std::mem::take(asks).then_some(*unit)).collect()
    }

    fn remove(&mut self, master: MasterId, unit: UnitId) -> bool {
        let Some(units) = self.units.get_mut(&master) else { return false };
        let known = units.remove(&unit).is_some();
        if units.is_empty() {
            self.units.remove(&master);
        }
        known
    }
}

impl Scheduler {
    /// Whether a unit has made the node at the end of this connection go away.
    pub fn is_away(&self, master: MasterId) -> bool {
        self.away.is_from(master)
    }

    pub(super) fn leaving(&mut self, id: UnitId) {
        if let Some(unit) = self.units.get(&id) {
            self.away.add(unit.master, id, false);
        }
    }

    /// The unit wants its connection again.
    pub(super) fn rejoin(&mut self, now: Now, id: UnitId, anew: bool) {
        let Some(master) = self.units.get(&id).map(|unit| unit.master) else { return };
        self.away.add(master, id, true);
        if anew {
            self.on_master(now, node_state::Event::Discard(master));
        }
        self.on_master(now, node_state::Event::Rejoin(master));
    }

    /// The connection is up.
    pub(super) fn rejoined(&mut self, master: MasterId) -> Option<node_state::Event> {
        let units = self.away.take_asking(master);
        self.answer(&units, None);
        // They have it; whether others still wait for it is to be seen.
        let unwanted = !units.is_empty() && !self.dispatcher.is_wanted(master);
        unwanted.then_some(node_state::Event::Unwanted(master))
    }

    /// It cannot be made; they ask again.
    pub(super) fn not_rejoined(&mut self, master: MasterId) {
        let units = self.away.take_asking(master);
        let why = self.complaint(master);
        self.answer(&units, Some(why));
    }

    /// The unit is over. Whoever waits for its node waits as for any other from now on.
    pub(super) fn no_longer_away(&mut self, now: Now, master: MasterId, id: UnitId) {
        if !self.away.remove(master, id) || self.away.is_from(master) {
            return;
        }
        if self.dispatcher.is_wanted(master) {
            self.on_master(now, node_state::Event::Want(master));
        } else {
            self.on_master(now, node_state::Event::Unwanted(master));
        }
    }

    fn answer(&mut self, units: &[UnitId], trouble: Option<String>) {
        for id in units {
            match self.units.get(id).map(|unit| unit.phase) {
                Some(Phase::Sent { slot }) => {
                    let trouble = trouble.clone();
                    self.outbox.push_back(Action::Rejoined { slot, unit: *id, trouble });
                }
                Some(Phase::Recording | Phase::Waiting | Phase::Submitted) | None => {}
            }
        }
    }
}

//! Units that make their node go away, as a reboot does, and go on when it is back.
//!
//! Such a unit keeps its worker and asks, at its own pace, for its connection. Until it has ended,
//! a connection that cannot be made is no verdict on the others that wait for the node; unless
//! nothing is heard of it for long, since the others are not to wait for what it does by itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Action, Now, Phase, Scheduler, Timer};
use crate::node_state::{self, MasterId};
use crate::unit::UnitId;

/// For so long a unit that says nothing is taken to wait for its node.
const PATIENCE: Duration = Duration::from_secs(600);

/// By connection: the units.
#[derive(Debug, Default)]
pub(super) struct Away {
    units: BTreeMap<MasterId, BTreeMap<UnitId, Absence>>,
}

#[derive(Debug)]
struct Absence {
    /// It waits for an answer.
    asks: bool,
    /// When it is not counted on any more.
    until: Instant,
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
        self.units.get(&master).is_some_and(|units| units.values().any(|absence| absence.asks))
    }

    /// When it was not to be counted on any more before.
    fn add(
        &mut self,
        master: MasterId,
        unit: UnitId,
        asks: bool,
        until: Instant,
    ) -> Option<Instant> {
        let units = self.units.entry(master).or_default();
        let before = units.get(&unit).map(|absence| (absence.asks, absence.until));
        let asks = asks || before.is_some_and(|(asks, _)| asks);
        units.insert(unit, Absence { asks, until });
        before.map(|(_, until)| until)
    }

    fn asks(&self, master: MasterId, unit: UnitId) -> bool {
        self.units.get(&master).and_then(|units| units.get(&unit)).is_some_and(|found| found.asks)
    }

    /// Those that asked; they have their answer now.
    fn take_asking(&mut self, master: MasterId) -> Vec<UnitId> {
        let units = self.units.get_mut(&master).into_iter().flatten();
        let asking = |absence: &mut Absence| std::mem::take(&mut absence.asks);
        units.filter_map(|(unit, absence)| asking(absence).then_some(*unit)).collect()
    }

    fn remove(&mut self, master: MasterId, unit: UnitId) -> Option<Instant> {
        let units = self.units.get_mut(&master)?;
        let known = units.remove(&unit);
        if units.is_empty() {
            self.units.remove(&master);
        }
        known.map(|absence| absence.until)
    }
}

impl Scheduler {
    /// Whether a unit has made the node at the end of this connection go away.
    pub fn is_away(&self, master: MasterId) -> bool {
        self.away.is_from(master)
    }

    pub(super) fn leaving(&mut self, now: Now, id: UnitId) {
        if let Some(master) = self.units.get(&id).map(|unit| unit.master) {
            self.count_on(now, master, id, false);
        }
    }

    fn count_on(&mut self, now: Now, master: MasterId, id: UnitId, asks: bool) {
        let until = now.mono + PATIENCE;
        if let Some(before) = self.away.add(master, id, asks, until) {
            self.timers.remove(&(before, Timer::Silent(id)));
        }
        self.timers.insert((until, Timer::Silent(id)));
    }

    /// Nothing was heard of it for long. Who has asked and got no answer is not silent.
    pub(super) fn silent(&mut self, now: Now, id: UnitId) {
        let Some(master) = self.units.get(&id).map(|unit| unit.master) else { return };
        match self.away.asks(master, id) {
            true => self.count_on(now, master, id, true),
            false => self.no_longer_away(now, master, id),
        }
    }

    /// The unit wants its connection again.
    pub(super) fn rejoin(&mut self, now: Now, id: UnitId, anew: bool) {
        let Some(master) = self.units.get(&id).map(|unit| unit.master) else { return };
        self.count_on(now, master, id, true);
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

    /// The unit is over, or was silent for too long. Whoever waits for its node waits as for any other from now on.
    pub(super) fn no_longer_away(&mut self, now: Now, master: MasterId, id: UnitId) {
        let Some(until) = self.away.remove(master, id) else { return };
        self.timers.remove(&(until, Timer::Silent(id)));
        if self.away.is_from(master) {
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

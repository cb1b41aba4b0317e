//! Runs of which only so many units may begin, and those all end before others do.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use super::*;

/// A run of five units, one on each of five nodes.
fn five(quota: usize) -> (Sim, Vec<UnitId>) {
    let mut sim = Sim::new();
    sim.dispatcher.open_run(RunId(1), quota, Some(quota));
    (2..7).for_each(|n| sim.up(MasterId(n)));
    let of_run = |ask: &mut Ask<'_>| ask.run = RunId(1);
    let units = (2..7).map(|n| sim.try_enter("a", MasterId(n), of_run).unwrap()).collect();
    (sim, units)
}

impl Sim {
    fn admit(&mut self, units: &[UnitId]) {
        units.iter().for_each(|unit| self.dispatcher.admit(*unit));
    }

    /// The next attempt of a unit, which is not yet admitted.
    fn again(&mut self, unit: UnitId) -> UnitId {
        self.next += 1;
        let next = UnitId(self.next - 1);
        self.dispatcher.pass_on(unit, next);
        next
    }
}

#[test]
fn of_a_quota_all_end_before_the_next_begins() {
    let (mut sim, units) = five(2);
    sim.admit(&units);
    assert_eq!([sim.take(), sim.take(), sim.take()], [Some(units[0]), Some(units[1]), None]);
    sim.dispatcher.leave(units[1]);
    assert_eq!((sim.take(), sim.dispatcher.take_spent()), (None, None), "the other is at work");
    sim.dispatcher.leave(units[0]);
    assert_eq!(sim.dispatcher.forgotten(), None, "somebody is yet to be told");
    assert_eq!((sim.take(), sim.dispatcher.take_spent()), (None, Some(RunId(1))));
    assert_eq!(sim.dispatcher.take_spent(), None, "once");
    assert!(sim.dispatcher.forgotten().is_some(), "it was told, and gave no quota");
    sim.dispatcher.widen(RunId(1), 2, None);
    assert_eq!([sim.take(), sim.take(), sim.take()], [Some(units[2]), Some(units[3]), None]);
    sim.dispatcher.leave(units[2]);
    assert_eq!(sim.take(), Some(units[4]), "a sliding window");
    units[3..].iter().for_each(|unit| sim.dispatcher.leave(*unit));
    assert_eq!(sim.dispatcher.take_spent(), None, "without a quota there is nothing to use up");
}

#[test]
fn a_retry_goes_on_with_the_quota_of_its_first_attempt() {
    let (mut sim, units) = five(1);
    // The one that came last begins first, and waits behind all others by its arrival.
    sim.admit(&units[4..]);
    assert_eq!(sim.take(), Some(units[4]));
    sim.admit(&units[..4]);
    let retry = sim.again(units[4]);
    assert_eq!((sim.take(), sim.dispatcher.take_spent()), (None, None), "it waits for its time");
    sim.dispatcher.admit(retry);
    assert_eq!(sim.take(), Some(retry), "before those that may not begin");
    let third = sim.again(retry);
    sim.dispatcher.leave(third);
    assert_eq!(sim.dispatcher.take_spent(), Some(RunId(1)), "given up while it waited");
    sim.dispatcher.widen(RunId(1), 4, Some(4));
    assert_eq!((0..5).filter_map(|_| sim.take()).collect::<Vec<_>>(), units[..4]);
}

#[test]
fn who_ends_without_saying_anything_makes_room_for_another() {
    let (mut sim, units) = five(1);
    sim.admit(&units);
    sim.dispatcher.withdraw(units[1]);
    assert_eq!(sim.take(), Some(units[0]), "one that had not begun has nothing to give");
    sim.dispatcher.withdraw(units[0]);
    assert_eq!((sim.dispatcher.take_spent(), sim.take()), (None, Some(units[2])));
    let retry = sim.again(units[2]);
    sim.dispatcher.withdraw(retry);
    assert_eq!((sim.dispatcher.take_spent(), sim.take()), (None, Some(units[3])));
    sim.dispatcher.leave(units[3]);
    assert_eq!(sim.dispatcher.take_spent(), Some(RunId(1)));
    sim.dispatcher.hold(RunId(1));
    assert_eq!(sim.take(), None);
    sim.dispatcher.leave(units[4]);
    sim.dispatcher.close_run(RunId(1));
    assert_eq!(sim.dispatcher.take_spent(), None);
}

#[test]
fn a_run_that_is_closed_is_not_told_to_be_spent() {
    let (mut sim, units) = five(5);
    sim.admit(&units);
    assert_eq!((0..5).filter_map(|_| sim.take()).count(), 5);
    units.iter().for_each(|unit| sim.dispatcher.leave(*unit));
    sim.dispatcher.close_run(RunId(1));
    assert_eq!(sim.dispatcher.take_spent(), None);
}

#[test]
fn who_waits_for_a_lock_has_not_begun() {
    let (mut sim, units) = five(1);
    static DISK: LazyLock<[String; 1]> = LazyLock::new(|| ["disk".to_owned()]);
    let other = |ask: &mut Ask<'_>| ask.locks = &*DISK;
    let holder = sim.try_enter("b", A, other).unwrap();
    let both = |ask: &mut Ask<'_>| (ask.run, ask.locks) = (RunId(1), &*DISK);
    let locked = sim.try_enter("a", A, both).unwrap();
    sim.admit(&[holder, locked, units[0], units[1]]);
    assert_eq!([sim.take(), sim.take(), sim.take()], [Some(holder), Some(units[0]), None]);
    // Its lock is free, and its run may begin nothing: it stands in nobody's way.
    sim.dispatcher.leave(holder);
    let behind = sim.try_enter("b", A, other).unwrap();
    sim.admit(&[behind]);
    assert_eq!([sim.take(), sim.take()], [Some(behind), None]);
    sim.dispatcher.leave(units[0]);
    assert_eq!(sim.dispatcher.take_spent(), Some(RunId(1)));
    sim.dispatcher.widen(RunId(1), 2, None);
    assert_eq!([sim.take(), sim.take()], [Some(units[1]), None]);
    sim.dispatcher.leave(behind);
    assert_eq!(sim.take(), Some(locked));
}

proptest! {
    /// Step by step, with retries, locks and units that are withdrawn: never more at once than the
    /// step has, none before all of the step before have ended, a retry never waits for a quota,
    /// and all go in the end.
    #[test]
    fn a_step_begins_when_all_of_the_one_before_have_ended(
        sizes in proptest::collection::vec(1usize..5, 1..5),
        units in 1u64..25,
        moves in proptest::collection::vec((0u8..9, any::<prop::sample::Index>()), 0..200)
    ) {
        const RUN: RunId = RunId(1);
        let lock = ["disk".to_owned()];
        let mut dispatcher = Dispatcher::default();
        dispatcher.set_workers(100);
        let now = Instant::now();
        let (mut ahead, mut granted) = (sizes.iter().copied(), 0);
        let mut limit = ahead.next().unwrap();
        let quota = |limit: usize, ahead: &dyn ExactSizeIterator<Item = usize>| {
            (ahead.len() > 0).then_some(limit)
        };
        granted += limit;
        let mut last = ahead.len() == 0;
        dispatcher.open_run(RUN, limit, quota(limit, &ahead));
        dispatcher.open_run(RunId(0), usize::MAX, None);
        let mut next = units * 2;
        // By the first attempt on each node: which attempt it is that is there now.
        let mut waiting: BTreeMap<u64, UnitId> = BTreeMap::new();
        let mut others = Vec::new();
        for n in 0..units {
            let (master, node) = (MasterId(n as u32), n.to_string());
            dispatcher.set_up(master, true, now);
            let locks = &lock[..usize::from(n % 3 == 0)];
            let ask = |unit: u64, run: u64, job: &'static str| (UnitId(unit), RunId(run), job);
            // Somebody else holds the locks at first.
            for (unit, run, job) in [ask(units + n, 0, "other"), ask(n, 1, "job")] {
                let overlap = Overlap::Allow;
                let (node, sessions) = (node.as_str(), 9);
                let asked = Ask { unit, run, job, node, master, sessions, overlap, locks };
                prop_assert!(dispatcher.enter(asked));
            }
            if n % 3 == 0 {
                dispatcher.admit(UnitId(units + n));
                others.push(UnitId(units + n));
            } else {
                dispatcher.leave(UnitId(units + n));
            }
            waiting.insert(n, UnitId(n));
        }
        let mut begun: HashSet<u64> = HashSet::new();
        let mut running: BTreeMap<u64, UnitId> = BTreeMap::new();
        let mut aside: HashSet<UnitId> = waiting.values().copied().collect();
        let finish = (0..units * 4).flat_map(|_| [1u8, 0, 0, 0, 8, 2].map(|kind| (kind, None)));
        let moves = moves.into_iter().map(|(kind, which)| (kind, Some(which))).chain(finish);
        for (kind, which) in moves {
            let pick = |of: &BTreeMap<u64, UnitId>| {
                let all: Vec<(u64, UnitId)> = of.iter().map(|(n, unit)| (*n, *unit)).collect();
                if all.is_empty() { return None }
                Some(which.map_or(all[0], |which| all[which.index(all.len())]))
            };
            match kind {
                0 | 3 => if let Some(unit) = dispatcher.take_next(now)
                    && !others.contains(&unit)
                {
                    let n = waiting.iter().find(|(_, at)| **at == unit).map(|(n, _)| *n).unwrap();
                    waiting.remove(&n);
                    running.insert(n, unit);
                    begun.insert(n);
                    prop_assert!(!aside.contains(&unit));
                    prop_assert!(running.len() <= limit);
                    prop_assert!(last || begun.len() <= granted);
                },
                1 | 4 => match which {
                    Some(_) => if let Some((_, unit)) = pick(&waiting) {
                        aside.remove(&unit);
                        dispatcher.admit(unit);
                    },
                    None => aside.drain().for_each(|unit| dispatcher.admit(unit)),
                },
                2 | 5 => if let Some((n, unit)) = pick(&running) {
                    running.remove(&n);
                    dispatcher.leave(unit);
                },
                6 => if let Some((n, unit)) = pick(&running) {
                    running.remove(&n);
                    next += 1;
                    dispatcher.pass_on(unit, UnitId(next));
                    waiting.insert(n, UnitId(next));
                    aside.insert(UnitId(next));
                },
                7 => if let Some((n, unit)) = pick(&running).or_else(|| pick(&waiting)) {
                    // Of those that wait in the queue the sim cannot know whether they have begun.
                    if running.remove(&n).is_some() {
                        begun.remove(&n);
                        dispatcher.withdraw(unit);
                    }
                },
                _ => others.drain(..).for_each(|unit| dispatcher.leave(unit)),
            }
            if let Some(run) = dispatcher.take_spent() {
                prop_assert_eq!(run, RUN);
                prop_assert!(!last && running.is_empty());
                prop_assert_eq!(begun.len(), granted, "the quota is used up");
                prop_assert!(begun.iter().all(|n| !waiting.contains_key(n)), "no retry is left");
                limit = ahead.next().unwrap();
                granted += limit;
                last = ahead.len() == 0;
                dispatcher.widen(RUN, limit, quota(limit, &ahead));
            }
            prop_assert_eq!(dispatcher.forgotten(), None);
            prop_assert_eq!(dispatcher.take_spent(), None);
        }
        prop_assert!(waiting.is_empty() && running.is_empty(), "left: {waiting:?} {running:?}");
        dispatcher.close_run(RUN);
        dispatcher.close_run(RunId(0));
        (0..units).for_each(|n| dispatcher.set_up(MasterId(n as u32), false, now));
        dispatcher.take_wanted();
        prop_assert!(dispatcher.is_at_rest());
    }
}

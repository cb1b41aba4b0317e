//! Each gate by itself, and all of them at random.

mod steps;

use super::*;
use proptest::prelude::*;
use std::collections::HashSet;
use std::time::Duration;

const A: MasterId = MasterId(0);
const B: MasterId = MasterId(1);

struct Sim {
    dispatcher: Dispatcher,
    now: Instant,
    next: u64,
}

impl Sim {
    fn new() -> Sim {
        let mut dispatcher = Dispatcher::default();
        dispatcher.set_workers(8);
        let mut sim = Sim { dispatcher, now: Instant::now(), next: 0 };
        sim.up(A);
        sim.up(B);
        sim.dispatcher.open_run(RunId(0), usize::MAX, None);
        sim
    }

    fn up(&mut self, master: MasterId) {
        self.dispatcher.set_up(master, true, self.now);
    }

    fn try_enter(
        &mut self,
        job: &str,
        master: MasterId,
        change: impl FnOnce(&mut Ask<'_>),
    ) -> Option<UnitId> {
        let node = format!("n{}", master.0);
        let unit = UnitId(self.next);
        let mut ask = Ask {
            unit,
            run: RunId(0),
            job,
            node: &node,
            master,
            sessions: 2,
            overlap: Overlap::Allow,
            locks: &[],
        };
        change(&mut ask);
        self.next += 1;
        self.dispatcher.enter(ask).then_some(unit)
    }

    fn enter(&mut self, job: &str, master: MasterId) -> UnitId {
        let unit = self.try_enter(job, master, |_| {}).unwrap();
        self.dispatcher.admit(unit);
        unit
    }

    fn take(&mut self) -> Option<UnitId> {
        self.dispatcher.take_next(self.now)
    }
}

#[test]
fn a_node_that_is_down_holds_up_nobody() {
    let mut sim = Sim::new();
    sim.dispatcher.set_up(A, false, sim.now);
    let first = sim.enter("a", A);
    let second = sim.enter("b", B);
    assert_eq!(sim.take(), Some(second));
    assert_eq!(sim.take(), None);
    sim.up(A);
    assert_eq!(sim.take(), Some(first));
}

#[test]
fn a_node_takes_no_more_units_than_its_sessions() {
    let mut sim = Sim::new();
    let units: Vec<_> = (0..3).map(|_| sim.enter("a", A)).collect();
    assert_eq!([sim.take(), sim.take(), sim.take()], [Some(units[0]), Some(units[1]), None]);
    sim.dispatcher.leave(units[0]);
    assert_eq!(sim.take(), Some(units[2]));
}

#[test]
fn skip_leaves_out_and_queue_keeps_one_behind() {
    let mut sim = Sim::new();
    let skip = |ask: &mut Ask<'_>| ask.overlap = Overlap::Skip;
    let queue = |ask: &mut Ask<'_>| ask.overlap = Overlap::Queue;
    let first = sim.try_enter("a", A, skip).unwrap();
    assert_eq!(sim.try_enter("a", A, skip), None);
    assert!(sim.try_enter("a", B, skip).is_some(), "another node");
    assert!(sim.try_enter("b", A, skip).is_some(), "another job");
    let behind = sim.try_enter("a", A, queue).unwrap();
    assert_eq!(sim.try_enter("a", A, queue), None, "one waits already");
    sim.dispatcher.admit(behind);
    sim.dispatcher.admit(first);
    assert_eq!([sim.take(), sim.take()], [Some(first), None]);
    sim.dispatcher.leave(first);
    assert_eq!(sim.take(), Some(behind));
    assert_eq!(sim.try_enter("a", A, skip), None);
}

#[test]
fn a_run_has_no_more_under_way_than_its_window() {
    let mut sim = Sim::new();
    sim.dispatcher.open_run(RunId(1), 1, None);
    let of_run = |ask: &mut Ask<'_>| ask.run = RunId(1);
    let first = sim.try_enter("a", A, of_run).unwrap();
    let second = sim.try_enter("a", B, of_run).unwrap();
    sim.dispatcher.admit(second);
    sim.dispatcher.admit(first);
    assert_eq!([sim.take(), sim.take()], [Some(second), None], "the first admitted goes first");
    sim.dispatcher.leave(second);
    assert_eq!(sim.take(), Some(first));
}

#[test]
fn a_lock_is_held_once_on_a_node_and_waiters_are_not_overtaken() {
    let mut sim = Sim::new();
    let both = ["disk".to_owned(), "net".to_owned()];
    let mut enter = |job: &str, master: MasterId, locks: &[String]| {
        let node = format!("n{}", master.0);
        let unit = UnitId(100 + sim.next);
        sim.next += 1;
        let (run, sessions, overlap) = (RunId(0), 9, Overlap::Allow);
        let node = node.as_str();
        let ask = Ask { unit, run, job, node, master, sessions, overlap, locks };
        assert!(sim.dispatcher.enter(ask));
        sim.dispatcher.admit(unit);
        unit
    };
    let disk = enter("a", A, &both[..1]);
    let all = enter("b", A, &both);
    let net = enter("c", A, &both[1..]);
    let elsewhere = enter("d", B, &both);
    assert_eq!([sim.take(), sim.take(), sim.take()], [Some(disk), Some(elsewhere), None]);
    sim.dispatcher.leave(disk);
    assert_eq!([sim.take(), sim.take()], [Some(all), None]);
    sim.dispatcher.leave(all);
    assert_eq!(sim.take(), Some(net));
}

#[test]
fn whoever_waits_for_its_window_does_not_stand_before_a_lock() {
    let mut sim = Sim::new();
    sim.dispatcher.open_run(RunId(1), 1, None);
    let disk = ["disk".to_owned()];
    let mut enter = |run: u64, node: MasterId| {
        let unit = UnitId(100 + sim.next);
        sim.next += 1;
        let (run, sessions, overlap) = (RunId(run), 9, Overlap::Allow);
        let name = format!("n{}", node.0);
        let (node, master) = (name.as_str(), node);
        let ask = Ask { unit, run, job: "a", node, master, sessions, overlap, locks: &disk };
        assert!(sim.dispatcher.enter(ask));
        sim.dispatcher.admit(unit);
        unit
    };
    let holder = enter(0, A);
    let first = enter(1, A);
    let second = enter(0, A);
    // The window of the first closes while it waits for the lock.
    let elsewhere = enter(1, B);
    assert_eq!([sim.take(), sim.take(), sim.take()], [Some(holder), Some(elsewhere), None]);
    sim.dispatcher.leave(holder);
    assert_eq!([sim.take(), sim.take()], [Some(second), None], "the first cannot use it yet");
    sim.dispatcher.leave(first);
    sim.dispatcher.leave(second);
    sim.dispatcher.leave(elsewhere);
    assert!(sim.dispatcher.locks.is_empty() && sim.dispatcher.units.is_empty());
}

#[test]
fn a_small_job_waits_one_turn_of_a_large_one() {
    let mut sim = Sim::new();
    let large: Vec<_> = (0..100)
        .map(|_| {
            let unit = sim.try_enter("large", A, |ask| ask.sessions = 1000).unwrap();
            sim.dispatcher.admit(unit);
            unit
        })
        .collect();
    assert_eq!(sim.take(), Some(large[0]));
    let small = sim.try_enter("small", A, |ask| ask.sessions = 1000).unwrap();
    sim.dispatcher.admit(small);
    assert!([sim.take(), sim.take()].contains(&Some(small)));
}

#[test]
fn a_stale_connection_is_tried_with_one_unit_and_half_of_the_workers() {
    let mut sim = Sim::new();
    sim.dispatcher.set_workers(4);
    for n in 2..6 {
        sim.up(MasterId(n));
    }
    sim.now += Duration::from_secs(60);
    let units: Vec<_> = (2..6).map(|n| sim.enter("a", MasterId(n))).collect();
    let second_on_the_first = sim.enter("a", MasterId(2));
    assert_eq!([sim.take(), sim.take(), sim.take()], [Some(units[0]), Some(units[1]), None]);
    sim.dispatcher.proven(MasterId(2), sim.now);
    assert_eq!([sim.take(), sim.take()], [Some(units[2]), Some(second_on_the_first)]);
    assert_eq!(sim.take(), None);
    sim.dispatcher.leave(units[1]);
    assert_eq!(sim.take(), Some(units[3]));
}

#[test]
fn a_connection_that_answers_after_all_waits_for_no_other() {
    let mut sim = Sim::new();
    sim.dispatcher.set_workers(2);
    let first = sim.enter("a", A);
    assert_eq!(sim.take(), Some(first));
    sim.now += Duration::from_secs(60);
    let probe = sim.enter("a", B);
    let second = sim.enter("a", A);
    assert_eq!([sim.take(), sim.take()], [Some(probe), None], "one probe at a time");
    sim.dispatcher.proven(A, sim.now);
    assert_eq!(sim.take(), Some(second));
}

#[test]
fn what_waits_behind_probes_without_an_answer_is_reported_once_a_second() {
    let second = Duration::from_secs(1);
    let mut sim = Sim::new();
    sim.dispatcher.set_workers(4);
    (2..7).for_each(|n| sim.up(MasterId(n)));
    let in_use = sim.enter("a", MasterId(6));
    assert_eq!(sim.take(), Some(in_use));
    sim.now += 60 * second;
    let units: Vec<_> = (2..7).map(|n| sim.enter("a", MasterId(n))).collect();
    assert_eq!(sim.dispatcher.stuck_at(), None, "nobody was tried yet");
    assert_eq!([sim.take(), sim.take(), sim.take()], [Some(units[0]), Some(units[1]), None]);
    assert_eq!(sim.dispatcher.take_stuck(sim.now), []);
    sim.now += second;
    assert_eq!(sim.dispatcher.stuck_at(), Some(sim.now));
    assert_eq!(sim.dispatcher.take_stuck(sim.now), [MasterId(4), MasterId(5)], "not those in use");
    assert_eq!(sim.dispatcher.stuck_at(), Some(sim.now + second));
    // One is made anew, and needs no probe.
    sim.dispatcher.set_up(MasterId(4), false, sim.now);
    sim.up(MasterId(4));
    assert_eq!([sim.take(), sim.take()], [Some(units[2]), None]);
    // An answer, and the next is tried.
    sim.dispatcher.proven(MasterId(2), sim.now);
    assert_eq!(sim.dispatcher.stuck_at(), None);
    assert_eq!(sim.take(), Some(units[3]));
    sim.now += second;
    assert_eq!(sim.dispatcher.take_stuck(sim.now), [], "nobody is left but the one in use");
}

proptest! {
    /// Each unit leaves exactly once; sessions, windows and locks hold at every moment; and when
    /// everything is up and free, nothing is left waiting.
    #[test]
    fn every_unit_goes_once_and_limits_hold(
        steps in proptest::collection::vec((0u8..7, 0u32..4, 0usize..3), 1..300)
    ) {
        let names = ["disk".to_owned(), "net".to_owned()];
        let mut dispatcher = Dispatcher::default();
        dispatcher.set_workers(6);
        let now = Instant::now();
        for run in 0..3 {
            dispatcher.open_run(RunId(run), 1 + run as usize * 3, None);
        }
        let mut asked = HashMap::new();
        let mut waiting = HashSet::new();
        let mut running: Vec<UnitId> = Vec::new();
        let mut gone = HashSet::new();
        for (n, (kind, node, which)) in steps.into_iter().enumerate() {
            let (unit, master) = (UnitId(n as u64), MasterId(node));
            match kind {
                0..=2 => {
                    let locks = &names[..which.min(2)];
                    let run = RunId(which as u64);
                    let node_name = node.to_string();
                    let overlap = [Overlap::Allow, Overlap::Queue, Overlap::Skip][which];
                    let ask = Ask {
                        unit, run, job: names[n % 2].as_str(), node: &node_name, master,
                        sessions: 2, overlap, locks,
                    };
                    if dispatcher.enter(ask) {
                        asked.insert(unit, (master, run, locks.len()));
                        waiting.insert(unit);
                        dispatcher.admit(unit);
                    }
                }
                3 => dispatcher.set_up(master, node % 2 == 0, now),
                4 => if let Some(unit) = running.pop() {
                    dispatcher.leave(unit);
                },
                5 => if let Some(unit) = waiting.iter().min().copied() {
                    waiting.remove(&unit);
                    gone.insert(unit);
                    dispatcher.leave(unit);
                },
                _ => if let Some(unit) = dispatcher.take_next(now) {
                    prop_assert!(waiting.remove(&unit));
                    prop_assert!(gone.insert(unit));
                    running.push(unit);
                    let (master, run, locks) = asked[&unit];
                    let alike = |same: &dyn Fn(&(MasterId, RunId, usize)) -> bool| {
                        running.iter().filter(|unit| same(&asked[*unit])).count()
                    };
                    prop_assert!(alike(&|other| other.0 == master) <= 2);
                    prop_assert!(alike(&|other| other.1 == run) <= 1 + run.0 as usize * 3);
                    let locked = alike(&|other| other.0 == master && other.2 > 0);
                    prop_assert!(locks == 0 || locked <= 1, "both locked sets share a lock");
                },
            }
        }
        for node in 0..4 {
            dispatcher.set_up(MasterId(node), true, now);
        }
        loop {
            while let Some(unit) = running.pop() {
                dispatcher.leave(unit);
            }
            let Some(unit) = dispatcher.take_next(now) else { break };
            prop_assert!(waiting.remove(&unit));
            prop_assert!(gone.insert(unit));
            running.push(unit);
        }
        prop_assert!(waiting.is_empty(), "left behind: {waiting:?}");
        prop_assert_eq!(gone.len(), asked.len());
        prop_assert!(dispatcher.units.is_empty());
    }
}

//! The pool's rules, one test for each sentence of them, against simulated workers.

use super::*;
use proptest::prelude::*;

const LIMITS: Limits =
    Limits { min: 0, max: 3, idle_timeout: Duration::from_secs(20), recycle_after: 500 };

/// A pool whose workers live in the test: spawned at once, silent until told otherwise.
struct Sim {
    pool: Pool,
    now: Instant,
    units: u64,
}

impl Sim {
    fn new(limits: Limits) -> Sim {
        Sim { pool: Pool::new(limits), now: Instant::now(), units: 0 }
    }

    fn on(&mut self, event: Event) -> Vec<Action> {
        self.pool.handle(self.now, event)
    }

    fn submit(&mut self) -> Vec<Action> {
        self.units += 1;
        self.on(Event::Submit { unit: UnitId(self.units), limit: None })
    }

    fn pass(&mut self, seconds: u64) -> Vec<Action> {
        self.now += Duration::from_secs(seconds);
        self.on(Event::Tick)
    }

    /// A worker that has said hello and waits.
    fn idle(&mut self) -> SlotId {
        let actions = self.submit();
        let Some(Action::Send { slot, unit }) = actions.last().copied() else {
            panic!("no unit was handed over: {actions:?}")
        };
        self.on(Event::Hello { slot });
        self.on(Event::Done { slot, unit });
        slot
    }
}

fn spawned(actions: &[Action]) -> usize {
    actions.iter().filter(|a| matches!(a, Action::Spawn(_))).count()
}

fn unit(n: u64) -> UnitId {
    UnitId(n)
}

#[test]
fn start_spawns_up_to_min() {
    let mut sim = Sim::new(Limits { min: 2, ..LIMITS });
    assert_eq!(sim.on(Event::Tick), [Action::Spawn(SlotId(0)), Action::Spawn(SlotId(1))]);
}

#[test]
fn an_idle_worker_gets_the_unit() {
    let mut sim = Sim::new(LIMITS);
    let slot = sim.idle();
    assert_eq!(sim.submit(), [Action::Send { slot, unit: unit(2) }]);
}

#[test]
fn below_max_a_worker_is_spawned_and_handed_the_unit_before_it_says_hello() {
    let mut sim = Sim::new(LIMITS);
    let slot = SlotId(0);
    assert_eq!(sim.submit(), [Action::Spawn(slot), Action::Send { slot, unit: unit(1) }]);
}

#[test]
fn at_max_units_wait_first_in_first_out() {
    let mut sim = Sim::new(Limits { max: 1, ..LIMITS });
    sim.submit();
    assert_eq!(sim.submit(), []);
    assert_eq!(sim.submit(), []);
    let slot = SlotId(0);
    assert_eq!(sim.on(Event::Done { slot, unit: unit(1) }), [Action::Send { slot, unit: unit(2) }]);
    assert_eq!(sim.on(Event::Done { slot, unit: unit(2) }), [Action::Send { slot, unit: unit(3) }]);
}

#[test]
fn adjust_stops_idle_workers_beyond_max_first_and_busy_ones_as_they_finish() {
    let mut sim = Sim::new(LIMITS);
    for _ in 0..3 {
        sim.submit();
    }
    sim.on(Event::Done { slot: SlotId(1), unit: unit(2) });
    let one = Limits { max: 1, ..LIMITS };
    assert_eq!(sim.on(Event::Adjust(one)), [Action::Shutdown(SlotId(1))]);
    assert_eq!(
        sim.on(Event::Done { slot: SlotId(0), unit: unit(1) }),
        [Action::Shutdown(SlotId(0))]
    );
    assert_eq!(sim.on(Event::Done { slot: SlotId(2), unit: unit(3) }), []);
}

#[test]
fn adjust_grows_to_min() {
    let mut sim = Sim::new(LIMITS);
    assert_eq!(spawned(&sim.on(Event::Adjust(Limits { min: 2, ..LIMITS }))), 2);
}

#[test]
#[should_panic(expected = "checked when loaded")]
fn adjust_asserts_that_min_is_not_above_max() {
    Sim::new(LIMITS).on(Event::Adjust(Limits { min: 4, ..LIMITS }));
}

#[test]
fn prune_stops_what_idles_too_long_but_keeps_min_and_never_a_busy_one() {
    let mut sim = Sim::new(Limits { min: 1, ..LIMITS });
    sim.on(Event::Tick);
    sim.on(Event::Hello { slot: SlotId(0) });
    for _ in 0..3 {
        sim.submit();
    }
    sim.on(Event::Done { slot: SlotId(0), unit: unit(1) });
    sim.on(Event::Done { slot: SlotId(1), unit: unit(2) });
    assert_eq!(sim.pass(19), []);
    sim.on(Event::Heartbeat { slot: SlotId(2) });
    let actions = sim.pass(2);
    assert_eq!(actions, [Action::Shutdown(SlotId(0)), Action::Shutdown(SlotId(1))]);
    sim.on(Event::Exited { slot: SlotId(0) });
    sim.on(Event::Exited { slot: SlotId(1) });
    sim.on(Event::Done { slot: SlotId(2), unit: unit(3) });
    assert_eq!(sim.pass(60), [], "the last one is min");
    assert_eq!(sim.pool.deadline(), None, "nothing to wake up for");
}

#[test]
fn recycle_after_the_last_call_shuts_down_waits_and_replaces_once() {
    let mut sim = Sim::new(Limits { recycle_after: 2, max: 1, ..LIMITS });
    let slot = sim.idle();
    sim.submit();
    sim.submit();
    assert_eq!(sim.on(Event::Done { slot, unit: unit(2) }), [Action::Shutdown(slot)]);
    assert_eq!(sim.pool.room(), 0, "a retiring worker counts against max");
    let next = SlotId(1);
    assert_eq!(
        sim.on(Event::Exited { slot }),
        [Action::Spawn(next), Action::Send { slot: next, unit: unit(3) }]
    );
}

#[test]
fn recycle_after_zero_never_recycles() {
    let mut sim = Sim::new(Limits { recycle_after: 0, ..LIMITS });
    let slot = sim.idle();
    for n in 2..1000 {
        assert_eq!(sim.submit(), [Action::Send { slot, unit: unit(n) }]);
        assert_eq!(sim.on(Event::Done { slot, unit: unit(n) }), []);
    }
}

#[test]
fn the_limit_counts_from_dispatch_and_ends_in_a_kill_a_failure_and_one_replacement() {
    let mut sim = Sim::new(Limits { max: 1, ..LIMITS });
    sim.submit();
    sim.on(Event::Submit { unit: unit(9), limit: Some(Duration::from_secs(15)) });
    sim.pass(25);
    let slot = SlotId(0);
    sim.on(Event::Done { slot, unit: unit(1) });
    assert_eq!(sim.pass(14), [], "waiting in the queue does not count");
    assert_eq!(sim.pass(1), [Action::Kill(slot)]);
    assert_eq!(
        sim.on(Event::Exited { slot }),
        [Action::Fail { unit: unit(9), death: Death::Overdue }, Action::Spawn(SlotId(1))]
    );
}

#[test]
fn death_while_busy_fails_that_unit_and_is_replaced_once() {
    let mut sim = Sim::new(LIMITS);
    let slot = sim.idle();
    sim.submit();
    assert_eq!(
        sim.on(Event::Exited { slot }),
        [Action::Fail { unit: unit(2), death: Death::Crashed }, Action::Spawn(SlotId(1))]
    );
}

#[test]
fn death_while_idle_only_restores_min() {
    let mut sim = Sim::new(LIMITS);
    let slot = sim.idle();
    assert_eq!(sim.on(Event::Exited { slot }), []);
    let mut sim = Sim::new(Limits { min: 1, ..LIMITS });
    let slot = sim.idle();
    assert_eq!(sim.on(Event::Exited { slot }), [Action::Spawn(SlotId(1))]);
}

#[test]
fn three_missed_heartbeats_kill_a_busy_worker_and_none_an_idle_one() {
    let mut sim = Sim::new(LIMITS);
    let slot = sim.idle();
    sim.pool.limits.idle_timeout = Duration::from_secs(3600);
    assert_eq!(sim.pass(600), []);
    sim.submit();
    sim.pass(29);
    sim.on(Event::Heartbeat { slot });
    assert_eq!(sim.pass(29), []);
    assert_eq!(sim.pass(1), [Action::Kill(slot)]);
}

#[test]
fn a_pool_that_overslept_gives_a_busy_worker_another_chance() {
    let mut sim = Sim::new(LIMITS);
    let slot = sim.idle();
    sim.submit();
    // Both were stopped for ten minutes, and it is the pool that wakes first.
    assert_eq!(sim.pass(600), []);
    assert_eq!(sim.pass(29), []);
    assert_eq!(sim.pass(1), [Action::Kill(slot)]);
}

#[test]
fn a_broken_worker_is_killed_once() {
    let mut sim = Sim::new(LIMITS);
    sim.submit();
    let slot = SlotId(0);
    assert_eq!(sim.on(Event::Broken { slot }), [Action::Kill(slot)]);
    assert_eq!(sim.on(Event::Broken { slot }), []);
}

#[test]
fn a_worker_that_closes_its_end_is_killed_unless_it_was_asked_to_leave() {
    let mut sim = Sim::new(Limits { recycle_after: 1, ..LIMITS });
    let slot = sim.idle();
    assert_eq!(sim.on(Event::Closed { slot }), [], "recycled");
    sim.submit();
    let slot = SlotId(1);
    assert_eq!(sim.on(Event::Closed { slot }), [Action::Kill(slot)]);
}

#[test]
fn an_answer_that_races_with_the_kill_counts() {
    let mut sim = Sim::new(LIMITS);
    sim.submit();
    let slot = SlotId(0);
    sim.on(Event::Broken { slot });
    sim.on(Event::Done { slot, unit: unit(1) });
    assert_eq!(sim.on(Event::Exited { slot }), []);
}

#[test]
fn an_answer_nobody_asked_for_is_a_reason_to_kill() {
    let mut sim = Sim::new(LIMITS);
    let slot = sim.idle();
    assert_eq!(sim.on(Event::Done { slot, unit: unit(77) }), [Action::Kill(slot)]);
}

#[test]
fn workers_that_die_at_once_are_not_spawned_in_a_storm() {
    let mut sim = Sim::new(Limits { min: 2, ..LIMITS });
    let mut spawns = spawned(&sim.on(Event::Tick));
    let end = sim.now + Duration::from_secs(60);
    while sim.now < end {
        let alive: Vec<SlotId> = sim.pool.slots.keys().copied().collect();
        for slot in alive {
            spawns += spawned(&sim.on(Event::Exited { slot }));
        }
        let wake = sim.pool.deadline().expect("it must try again").max(sim.now);
        sim.now = wake;
        spawns += spawned(&sim.on(Event::Tick));
    }
    assert!((5..30).contains(&spawns), "{spawns} spawns in a minute");
}

#[test]
fn a_unit_whose_worker_could_not_be_started_keeps_its_place() {
    let mut sim = Sim::new(Limits { max: 1, ..LIMITS });
    sim.submit();
    assert_eq!(sim.on(Event::SpawnFailed { slot: SlotId(0) }), []);
    assert_eq!(sim.submit(), []);
    let slot = SlotId(1);
    assert_eq!(sim.pass(1), [Action::Spawn(slot), Action::Send { slot, unit: unit(1) }]);
}

#[test]
fn when_no_worker_can_be_started_the_unit_fails_in_the_end() {
    let mut sim = Sim::new(LIMITS);
    sim.submit();
    let mut failed = Vec::new();
    for n in 0..HOPELESS {
        failed = sim.on(Event::SpawnFailed { slot: SlotId(n) });
        sim.pass(10);
    }
    assert_eq!(failed, [Action::Fail { unit: unit(1), death: Death::NoWorker }]);
}

#[test]
fn while_no_worker_can_be_started_there_is_room_for_nobody() {
    let mut sim = Sim::new(LIMITS);
    sim.submit();
    assert_eq!(sim.pool.room(), 2);
    sim.on(Event::Broken { slot: SlotId(0) });
    sim.on(Event::Exited { slot: SlotId(0) });
    assert_eq!(sim.pool.room(), 0, "it waits where its turn and its connection are looked after");
    let deadline = sim.pool.deadline().expect("the end of the pause");
    sim.now = deadline;
    assert_eq!(sim.on(Event::Tick), []);
    assert_eq!((sim.pool.room(), sim.pool.deadline()), (3, None));
}

#[test]
fn stop_asks_all_to_leave_and_kills_those_that_stay() {
    let mut sim = Sim::new(LIMITS);
    let idle = sim.idle();
    sim.submit();
    sim.submit();
    sim.on(Event::Done { slot: idle, unit: unit(2) });
    assert_eq!(sim.on(Event::Stop), [Action::Shutdown(idle)]);
    assert_eq!(sim.submit(), [], "nothing new is handed over");
    let busy = SlotId(1);
    assert_eq!(sim.on(Event::Done { slot: busy, unit: unit(3) }), [Action::Shutdown(busy)]);
    assert_eq!(sim.pass(5), [Action::Kill(idle), Action::Kill(busy)]);
    sim.on(Event::Exited { slot: idle });
    sim.on(Event::Exited { slot: busy });
    assert_eq!(sim.pool.live(), 0);
}

proptest! {
    /// Whatever happens in whatever order: never more workers than max (unless max was just
    /// lowered), and each unit is handed over at most once and ends at most once.
    #[test]
    fn any_sequence_of_events_keeps_the_books(
        steps in proptest::collection::vec((0u8..9, 0u32..8, 0u64..12), 1..200)
    ) {
        let mut sim = Sim::new(LIMITS);
        let mut held: std::collections::HashMap<SlotId, UnitId> = Default::default();
        let mut sent = std::collections::HashSet::new();
        let mut ended = std::collections::HashSet::new();
        let mut alive: Vec<SlotId> = Vec::new();
        for (kind, pick, seconds) in steps {
            let slot = alive.get(pick as usize % alive.len().max(1)).copied();
            let actions = match (kind, slot) {
                (0..=3, _) => sim.submit(),
                (4, Some(slot)) => sim.on(Event::Hello { slot }),
                (5, Some(slot)) => match held.remove(&slot) {
                    Some(unit) => {
                        prop_assert!(ended.insert(unit));
                        sim.on(Event::Done { slot, unit })
                    }
                    None => sim.on(Event::Heartbeat { slot }),
                },
                (6, Some(slot)) => {
                    alive.retain(|s| *s != slot);
                    sim.on(Event::Exited { slot })
                }
                (7, Some(slot)) => sim.on(Event::Broken { slot }),
                _ => sim.pass(seconds),
            };
            for action in actions {
                match action {
                    Action::Spawn(slot) => alive.push(slot),
                    Action::Send { slot, unit } => {
                        prop_assert!(alive.contains(&slot));
                        prop_assert!(sent.insert(unit), "{unit} was handed over twice");
                        prop_assert!(held.insert(slot, unit).is_none(), "two units at once");
                    }
                    Action::Fail { unit, .. } => {
                        prop_assert!(ended.insert(unit), "{unit} ended twice");
                        held.retain(|_, held| *held != unit);
                    }
                    Action::Shutdown(_) | Action::Kill(_) => {}
                }
            }
            prop_assert!(sim.pool.live() <= LIMITS.max);
            prop_assert_eq!(sim.pool.live(), alive.len());
        }
    }
}

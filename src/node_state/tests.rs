//! Connections in virtual time: what each event leads to.

use super::*;

const LIMITS: Limits = Limits {
    connect_timeout: Duration::from_secs(10),
    persist: Duration::from_secs(60),
    max_connecting: 2,
};
const A: MasterId = MasterId(0);

struct Sim {
    masters: Masters,
    now: Instant,
}

impl Sim {
    fn new() -> Sim {
        Sim { masters: Masters::new(LIMITS), now: Instant::now() }
    }

    fn on(&mut self, event: Event) -> Vec<Action> {
        self.masters.handle(self.now, event)
    }

    fn pass(&mut self, seconds: u64) -> Vec<Action> {
        self.now += Duration::from_secs(seconds);
        self.on(Event::Tick)
    }
}

#[test]
fn a_wanted_node_is_connected_once_and_kept_while_used() {
    let mut sim = Sim::new();
    assert_eq!(sim.on(Event::Want(A)), [Action::Connect(A)]);
    assert_eq!(sim.on(Event::Want(A)), []);
    assert_eq!(sim.on(Event::Connected(A)), [Action::Up(A)]);
    sim.masters.acquire(A);
    assert_eq!(sim.pass(3600), []);
    assert_eq!(sim.masters.deadline(), None, "nothing to wake up for");
    sim.on(Event::Release(A));
    assert_eq!(sim.pass(3600), [], "another unit still waits for it");
    sim.on(Event::Unwanted(A));
    assert_eq!(sim.pass(59), []);
    assert_eq!(sim.pass(1), [Action::Close(A)]);
    assert_eq!(sim.pass(5), [Action::Kill(A)], "it does not listen");
    assert_eq!(sim.on(Event::Want(A)), [], "it must be gone first");
    assert_eq!(sim.on(Event::Exited(A)), [Action::Down(A)]);
    assert_eq!(sim.on(Event::Want(A)), [Action::Connect(A)]);
}

#[test]
fn at_most_max_connecting_connect_at_once() {
    let mut sim = Sim::new();
    let connects: usize = (0..10).map(|n| sim.on(Event::Want(MasterId(n))).len()).sum();
    assert_eq!(connects, 2);
    assert_eq!(sim.on(Event::Connected(A)), [Action::Up(A), Action::Connect(MasterId(2))]);
}

#[test]
fn a_dead_node_is_given_up_after_the_timeout_and_fails_at_once_while_it_backs_off() {
    let mut sim = Sim::new();
    sim.on(Event::Want(A));
    assert_eq!(sim.pass(10), [Action::Kill(A), Action::Unreachable(A)]);
    assert_eq!(sim.on(Event::Exited(A)), [], "already accounted for");
    assert_eq!(sim.on(Event::Want(A)), [Action::Unreachable(A)]);
    sim.pass(1);
    assert_eq!(sim.on(Event::Want(A)), [Action::Connect(A)]);
    assert_eq!(sim.on(Event::Exited(A)), [Action::Unreachable(A)]);
    sim.pass(1);
    assert_eq!(sim.on(Event::Want(A)), [Action::Unreachable(A)], "the pause has doubled");
}

#[test]
fn a_lost_connection_is_made_anew_for_the_next_unit() {
    let mut sim = Sim::new();
    sim.on(Event::Want(A));
    sim.on(Event::Connected(A));
    sim.masters.acquire(A);
    sim.on(Event::Release(A));
    assert_eq!(sim.on(Event::Exited(A)), [Action::Down(A)]);
    assert_eq!(sim.on(Event::Want(A)), [Action::Connect(A)]);
}

#[test]
fn a_connection_lost_before_it_served_counts_as_a_failure() {
    let mut sim = Sim::new();
    sim.on(Event::Want(A));
    sim.on(Event::Connected(A));
    sim.masters.acquire(A);
    assert_eq!(sim.on(Event::Exited(A)), [Action::Unreachable(A)]);
    sim.on(Event::Release(A));
    assert_eq!(sim.on(Event::Want(A)), [Action::Unreachable(A)]);
}

#[test]
fn a_connection_is_made_anew_unless_it_is_in_use() {
    let mut sim = Sim::new();
    sim.on(Event::Want(A));
    assert_eq!(sim.on(Event::Renew(A)), [], "it is being made");
    sim.on(Event::Connected(A));
    sim.masters.acquire(A);
    assert_eq!(sim.on(Event::Renew(A)), []);
    sim.on(Event::Release(A));
    assert_eq!(sim.on(Event::Renew(A)), [Action::Close(A)]);
    assert_eq!(sim.on(Event::Renew(A)), []);
    assert_eq!(sim.on(Event::Exited(A)), [Action::Down(A)]);
    assert_eq!(sim.on(Event::Want(A)), [Action::Connect(A)]);
}

#[test]
fn a_retired_connection_ends_when_its_last_session_does() {
    let mut sim = Sim::new();
    sim.on(Event::Want(A));
    sim.on(Event::Connected(A));
    sim.masters.acquire(A);
    sim.on(Event::Unwanted(A));
    assert_eq!(sim.on(Event::Retire(A)), []);
    assert_eq!(sim.on(Event::Release(A)), [Action::Close(A)]);
    sim.on(Event::Exited(A));
    assert!(sim.masters.masters.is_empty());
}

#[test]
fn a_retired_connection_is_forgotten_however_it_ends() {
    let mut sim = Sim::new();
    sim.on(Event::Want(A));
    sim.on(Event::Retire(A));
    assert_eq!(sim.on(Event::Exited(A)), [Action::Unreachable(A)]);
    assert_eq!(sim.on(Event::Unwanted(A)), []);
    assert!(sim.masters.masters.is_empty(), "it could not be made");

    sim.on(Event::Want(A));
    sim.on(Event::Retire(A));
    assert_eq!(sim.pass(10), [Action::Kill(A), Action::Unreachable(A)]);
    sim.on(Event::Unwanted(A));
    sim.pass(60);
    assert_eq!(sim.on(Event::Want(A)), [Action::Unreachable(A)], "it must be gone first");
    assert_eq!(sim.on(Event::Exited(A)), []);
    assert!(sim.masters.masters.is_empty(), "it did not answer");

    sim.on(Event::Want(A));
    sim.on(Event::Connected(A));
    sim.on(Event::Retire(A));
    sim.on(Event::Want(A));
    sim.masters.acquire(A);
    sim.on(Event::Unwanted(A));
    assert_eq!(sim.on(Event::Release(A)), [Action::Close(A)], "wanted once more, and retired");
    assert_eq!(sim.on(Event::Exited(A)), [Action::Down(A)]);
    assert!(sim.masters.masters.is_empty(), "it was closed");
}

#[test]
fn a_node_that_was_made_to_go_away_is_tried_without_a_pause() {
    let mut sim = Sim::new();
    sim.on(Event::Want(A));
    sim.on(Event::Connected(A));
    sim.masters.acquire(A);
    sim.on(Event::Unwanted(A));
    assert_eq!(sim.on(Event::Rejoin(A)), [Action::Up(A)], "it is still there");
    sim.on(Event::Exited(A));
    for _ in 0..5 {
        assert_eq!(sim.on(Event::Rejoin(A)), [Action::Connect(A)]);
        assert_eq!(sim.on(Event::Rejoin(A)), [], "heard of when it changes");
        assert_eq!(sim.on(Event::Exited(A)), [Action::Unreachable(A)]);
    }
    sim.on(Event::Rejoin(A));
    assert_eq!(sim.pass(10), [Action::Kill(A), Action::Unreachable(A)]);
    assert_eq!(sim.on(Event::Rejoin(A)), [Action::Unreachable(A)], "its ssh must be gone first");
    sim.on(Event::Exited(A));
    assert_eq!(sim.on(Event::Rejoin(A)), [Action::Connect(A)]);
    assert_eq!(sim.on(Event::Connected(A)), [Action::Up(A)]);
    sim.on(Event::Unwanted(A));
    assert_eq!(sim.pass(3600), [], "it is in use");
    sim.on(Event::Release(A));
    assert_eq!(sim.pass(60), [Action::Close(A)]);
}

#[test]
fn a_connection_that_does_not_answer_is_dropped_though_it_is_in_use() {
    let mut sim = Sim::new();
    sim.on(Event::Discard(A));
    sim.on(Event::Want(A));
    assert_eq!(sim.on(Event::Discard(A)), [], "it is being made");
    sim.on(Event::Connected(A));
    sim.masters.acquire(A);
    assert_eq!(sim.on(Event::Renew(A)), []);
    assert_eq!(sim.on(Event::Discard(A)), [Action::Close(A)]);
    assert_eq!(sim.on(Event::Rejoin(A)), []);
    assert_eq!(sim.on(Event::Exited(A)), [Action::Down(A)]);
    assert_eq!(sim.on(Event::Rejoin(A)), [Action::Connect(A)]);
    sim.on(Event::Unwanted(A));
    sim.on(Event::Connected(A));
    assert_eq!(sim.pass(3600), [], "one that was cut off from it may not know yet");
}

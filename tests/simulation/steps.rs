//! Runs that widen step by step, one turn after the other.

use std::time::Duration;

use loom::job::Job;
use loom::job::policy::{Parallel, RetryOn, Share};
use loom::node_state::{self, MasterId};
use loom::unit::{Canceller, Outcome, Reason, RunEnd, RunId};

use super::turns::{FAILED, Turns, retries};
use super::world::job;

const SKIPPED: Outcome = Outcome::Skipped { reason: Reason::Constraint };

fn steps(counts: &[u32]) -> Option<Parallel> {
    Some(Parallel { steps: counts.iter().map(|count| Share::Count(*count)).collect() })
}

/// A run of `job` on so many nodes, which are all up.
fn begun(nodes: usize, job: Job) -> (Turns, RunId) {
    let mut turns = Turns::new(nodes, 100);
    let run = turns.run(job);
    connect(&mut turns);
    (turns, run)
}

/// All connections that are asked for come up.
fn connect(turns: &mut Turns) {
    while let Some(id) = turns.connecting.pop() {
        turns.on_master(node_state::Event::Connected(id));
    }
}

/// So many more have been sent: they end well.
fn succeed(turns: &mut Turns, from: usize, count: usize) {
    connect(turns);
    assert_eq!(turns.sent.len(), from + count);
    for nth in from..from + count {
        assert_eq!(turns.sent.len(), from + count, "the step is not over");
        turns.done(nth, Outcome::Succeeded);
        assert_eq!(turns.scheduler.forgotten(), None);
    }
    connect(turns);
}

#[test]
fn each_step_ends_before_the_next_begins_and_the_last_slides() {
    let (mut turns, run) =
        begun(20, Job { parallel: steps(&[1, 4, 7]), ..job("job", "@daily", 0..20) });
    succeed(&mut turns, 0, 1);
    succeed(&mut turns, 1, 4);
    assert_eq!(turns.sent.len(), 12, "seven at once");
    turns.done(5, FAILED);
    connect(&mut turns);
    assert_eq!(turns.sent.len(), 13, "as one ends the next begins, as without steps");
    for nth in 6..20 {
        turns.done(nth, Outcome::Succeeded);
        connect(&mut turns);
    }
    assert_eq!(turns.closed, [(run, RunEnd::Failed)]);
    assert_eq!(turns.ended(&SKIPPED), 0);
    assert!(turns.scheduler.is_idle());
}

#[test]
fn after_the_first_that_fails_nothing_begins() {
    for success in [None, Some(Share::Percent(10)), Some(Share::Percent(100))] {
        let plain = job("job", "@daily", 0..50);
        let (mut turns, run) = begun(50, Job { parallel: steps(&[1, 50]), success, ..plain });
        turns.done(0, FAILED);
        assert_eq!((turns.sent.len(), turns.ended(&SKIPPED)), (1, 49), "{success:?}");
        assert_eq!(turns.closed, [(run, RunEnd::Failed)]);
        assert!(turns.scheduler.is_idle() && turns.connecting.is_empty());
        turns.pass(Duration::from_secs(60));
        turns.on_master(node_state::Event::Exited(MasterId(0)));
        assert_eq!(turns.scheduler.connections(), 0);
    }
}

#[test]
fn a_node_that_is_down_is_a_step_that_failed() {
    let mut turns = Turns::new(3, 100);
    let run = turns.run(Job { parallel: steps(&[1, 3]), ..job("job", "@daily", 0..3) });
    turns.on_master(node_state::Event::Exited(MasterId(0)));
    assert_eq!((turns.ended(&Outcome::Unreachable), turns.ended(&SKIPPED)), (1, 2));
    assert_eq!(turns.closed, [(run, RunEnd::Failed)]);
}

#[test]
fn a_step_waits_for_its_retries_which_count_once() {
    let (parallel, retries) = (steps(&[2, 6]), retries(3, &[RetryOn::Failed]));
    let (mut turns, run) =
        begun(6, Job { parallel, retries, success: None, ..job("job", "@daily", 0..6) });
    turns.done(0, FAILED);
    turns.done(1, Outcome::Succeeded);
    assert_eq!((turns.sent.len(), turns.ended(&SKIPPED)), (2, 0), "the first is not over yet");
    turns.pass(Duration::from_secs(20));
    assert_eq!(turns.sent.len(), 3, "its second attempt, and nobody else");
    turns.done(2, FAILED);
    turns.pass(Duration::from_secs(40));
    turns.done(3, Outcome::Succeeded);
    connect(&mut turns);
    assert_eq!(turns.sent.len(), 8, "all four that are left");
    (4..8).for_each(|nth| turns.done(nth, Outcome::Succeeded));
    assert_eq!(turns.closed, [(run, RunEnd::Succeeded)]);
}

#[test]
fn who_has_nothing_to_show_is_replaced() {
    let mut turns = Turns::new(3, 100);
    let run = turns.run(Job { parallel: steps(&[1, 3]), ..job("job", "@daily", 0..3) });
    assert_eq!(turns.connecting, [MasterId(0)]);
    turns.scheduler.skip_removed(turns.now, |_, node| node.name == "n0");
    turns.settle();
    assert_eq!(turns.connecting, [MasterId(0), MasterId(1)], "another goes first");
    turns.on_master(node_state::Event::Connected(MasterId(1)));
    assert_eq!(turns.sent.len(), 1);
    turns.done(0, FAILED);
    assert_eq!(turns.ended(&SKIPPED), 1);
    assert_eq!(turns.closed, [(run, RunEnd::Failed)]);
}

#[test]
fn a_run_that_is_cancelled_or_stopped_in_a_step_ends_as_that() {
    let by = Canceller::User("ann".into());
    for cancel in [true, false] {
        let (mut turns, run) =
            begun(9, Job { parallel: steps(&[2, 3, 9]), ..job("job", "@daily", 0..9) });
        turns.done(0, FAILED);
        match cancel {
            true => assert!(turns.scheduler.cancel_run(turns.now, run, &by)),
            false => turns.scheduler.stop(turns.now, &by),
        }
        turns.settle();
        let kill = loom::unit::Kill::Confirmed;
        assert_eq!(turns.ended(&Outcome::Cancelled { by: by.clone(), kill }), 7);
        turns.done(1, Outcome::Succeeded);
        assert_eq!((turns.sent.len(), turns.ended(&SKIPPED)), (2, 0));
        assert_eq!(turns.closed, [(run, RunEnd::Failed)]);
        assert!(turns.scheduler.is_idle());
    }
}

/// Each failure makes room for the next, and here a step for the next step: in turn.
#[test]
fn steps_on_ten_thousand_nodes_that_are_down_do_not_nest() {
    const NODES: usize = 10_000;
    let mut turns = Turns::new(NODES, 10);
    turns.run(job("first", "* * * * *", 0..NODES));
    turns.on_master(node_state::Event::Connected(MasterId(0)));
    turns.done(0, Outcome::Succeeded);
    while let Some(id) = turns.connecting.pop() {
        if id != MasterId(0) {
            turns.on_master(node_state::Event::Exited(id));
        }
    }
    assert_eq!(turns.ended(&Outcome::Unreachable), NODES - 1);
    let plain = || job("job", "* * * * *", 0..NODES);
    turns.run(Job { parallel: steps(&[1, 1]), ..plain() });
    turns.done(1, Outcome::Succeeded);
    assert_eq!(turns.ended(&Outcome::Unreachable), 2 * (NODES - 1), "the last step is all");
    turns.run(Job { parallel: steps(&[1; 20]), success: Some(Share::Count(1)), ..plain() });
    turns.done(2, Outcome::Succeeded);
    assert_eq!(turns.ended(&Outcome::Unreachable), 3 * (NODES - 1), "one is enough for all");
    turns.run(Job { parallel: steps(&[1, 1, 1]), ..plain() });
    turns.done(3, Outcome::Succeeded);
    assert_eq!((turns.ended(&SKIPPED), turns.closed.len()), (NODES - 2, 4));
    assert!(turns.scheduler.is_idle());
}

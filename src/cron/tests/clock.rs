//! Steps of the clock, look by look.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::super::clock::{Clock, Due, Look, Watch};
use super::{at, schedule};

/// A daemon that looks every half minute of real time at a clock that can be set.
struct Simulation {
    clock: Clock,
    wall: Timestamp,
    elapsed: Duration,
}

impl Simulation {
    fn start(wall: &str) -> Simulation {
        let (wall, elapsed) = (at(wall), Duration::from_secs(1_000));
        Simulation { clock: Clock::new(wall, elapsed), wall, elapsed }
    }

    fn set(&mut self, by: SignedDuration) {
        self.wall += by;
    }

    fn pass(&mut self, time: Duration) -> Look {
        self.wall += time;
        self.elapsed += time;
        self.clock.look(self.wall, self.elapsed)
    }

    /// The instants that ran in so many minutes, and all that was seen due.
    fn run(&mut self, expr: &str, watch: &mut Watch, minutes: u32) -> (Vec<String>, Vec<Due>) {
        let schedule = schedule(expr);
        let (mut ran, mut seen) = (Vec::new(), Vec::new());
        for _ in 0..minutes * 2 {
            let look = self.pass(Duration::from_secs(30));
            let Some(due) = watch.look(&schedule, &TimeZone::UTC, look, self.wall) else {
                continue;
            };
            ran.extend(due.run.map(|run| run.strftime("%d %H:%M").to_string()));
            seen.push(due);
        }
        (ran, seen)
    }
}

fn watch(expr: &str, since: &str) -> Watch {
    Watch::new(&schedule(expr), &TimeZone::UTC, at(since))
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

#[test]
fn looks_tell_steps_from_time() {
    let minute = SignedDuration::from_mins(1);
    let second = SignedDuration::from_secs(1);
    let steps = [
        (SignedDuration::ZERO, "steady"),
        (minute - second, "steady"),
        (second - minute, "steady"),
        (minute, "stepped"),
        (-minute, "stepped"),
        (hours(3), "stepped"),
        (hours(-3), "stepped"),
        (hours(3) + second, "jumped"),
        (hours(-3) - second, "jumped"),
        (hours(24 * 365 * 72), "jumped"),
    ];
    for (by, expected) in steps {
        let mut simulation = Simulation::start("2026-11-21T10:00:10Z");
        simulation.set(by);
        let look = simulation.pass(Duration::from_secs(60));
        let verdict = match look {
            Look::Steady => "steady",
            Look::Stepped { by: seen } => {
                assert_eq!(seen, by);
                "stepped"
            }
            Look::Jumped { from, to } => {
                assert_eq!(from, at("2026-11-21T10:01:10Z"));
                assert_eq!(to, from + by);
                "jumped"
            }
        };
        assert_eq!(verdict, expected, "{by:?}");
        assert_eq!(simulation.pass(Duration::from_secs(60)), Look::Steady, "after {by:?}");
    }
}

#[test]
fn new_epochs_begin_where_instants_can_repeat() {
    let now = at("2026-11-21T10:00:00Z");
    assert!(!Look::Steady.opens_epoch());
    assert!(!Look::Stepped { by: hours(1) }.opens_epoch());
    assert!(Look::Stepped { by: hours(-1) }.opens_epoch());
    assert!(Look::Jumped { from: now, to: now + hours(4) }.opens_epoch());
}

#[test]
fn at_start_only_a_clock_behind_the_ledger_was_set() {
    let now = at("2026-11-21T10:00:00Z");
    assert_eq!(Look::at_start(now - hours(500), now), Look::Steady);
    assert_eq!(Look::at_start(now, now), Look::Steady);
    assert_eq!(Look::at_start(now + hours(2), now), Look::Stepped { by: hours(-2) });
    let later = now + hours(4);
    assert_eq!(Look::at_start(later, now), Look::Jumped { from: later, to: now });
}

#[test]
fn steady_time_runs_each_instant_once() {
    let mut simulation = Simulation::start("2026-11-21T10:00:10Z");
    let mut watch = watch("*/2 * * * *", "2026-11-21T10:00:10Z");
    let (ran, seen) = simulation.run("*/2 * * * *", &mut watch, 6);
    assert_eq!(ran, ["21 10:02", "21 10:04", "21 10:06"]);
    assert!(seen.iter().all(|due| due.missed.is_none() && due.passed_over.is_none()));
}

#[test]
fn a_late_look_runs_the_latest_and_counts_the_rest() {
    let mut simulation = Simulation::start("2026-11-21T10:00:10Z");
    let mut watch = watch("* * * * *", "2026-11-21T10:00:10Z");
    let look = simulation.pass(Duration::from_secs(600));
    let due = watch.look(&schedule("* * * * *"), &TimeZone::UTC, look, simulation.wall).unwrap();
    assert_eq!(due.run, Some(at("2026-11-21T10:10:00Z")));
    let missed = due.missed.unwrap();
    assert_eq!(
        (missed.first, missed.last),
        (at("2026-11-21T10:01:00Z"), at("2026-11-21T10:09:00Z"))
    );
    assert_eq!(missed.count, 9);
    assert_eq!(due.passed_over, None);
    assert_eq!(watch.accounted_through(), simulation.wall);
    assert_eq!(watch.next_fire(), Some(at("2026-11-21T10:11:00Z")));
}

#[test]
fn forward_a_fixed_job_runs_once_and_a_wildcard_job_not() {
    let mut simulation = Simulation::start("2026-11-21T10:00:10Z");
    let mut fixed = watch("0,30 11 * * *", "2026-11-21T10:00:10Z");
    simulation.set(hours(2));
    let (ran, seen) = simulation.run("0,30 11 * * *", &mut fixed, 3);
    assert_eq!(ran, ["21 11:30"]);
    assert_eq!(seen[0].missed.unwrap().first, at("2026-11-21T11:00:00Z"));
    assert_eq!(seen[0].missed.unwrap().count, 1);

    let mut simulation = Simulation::start("2026-11-21T10:00:10Z");
    let mut wildcard = watch("* * * * *", "2026-11-21T10:00:10Z");
    simulation.set(hours(2));
    let (ran, seen) = simulation.run("* * * * *", &mut wildcard, 2);
    assert_eq!(ran, ["21 12:01", "21 12:02"]);
    let passed_over = seen[0].passed_over.unwrap();
    assert_eq!(passed_over.first, at("2026-11-21T10:01:00Z"));
    assert_eq!(passed_over.last, at("2026-11-21T12:00:00Z"));
    assert_eq!(passed_over.count, 120);
}

#[test]
fn what_came_due_before_a_step_still_runs() {
    let mut simulation = Simulation::start("2026-11-21T10:00:50Z");
    let mut wildcard = watch("* * * * *", "2026-11-21T10:00:50Z");
    simulation.set(hours(1));
    let look = simulation.pass(Duration::from_secs(30));
    let due = wildcard.look(&schedule("* * * * *"), &TimeZone::UTC, look, simulation.wall).unwrap();
    assert_eq!(due.run, Some(at("2026-11-21T10:01:00Z")));
    assert_eq!(due.missed, None);
    assert_eq!(due.passed_over.unwrap().count, 60);
    assert_eq!(due.passed_over.unwrap().first, at("2026-11-21T10:02:00Z"));
}

#[test]
fn back_a_fixed_job_does_not_repeat_and_a_wildcard_job_does() {
    let expr = "0 10,11 * * *";
    let mut simulation = Simulation::start("2026-11-21T09:59:10Z");
    let mut fixed = watch(expr, "2026-11-21T09:59:10Z");
    assert_eq!(simulation.run(expr, &mut fixed, 2).0, ["21 10:00"]);
    simulation.set(hours(-2));
    assert_eq!(simulation.run(expr, &mut fixed, 240).0, ["21 11:00"]);

    let expr = "0 * * * *";
    let mut simulation = Simulation::start("2026-11-21T09:59:10Z");
    let mut wildcard = watch(expr, "2026-11-21T09:59:10Z");
    assert_eq!(simulation.run(expr, &mut wildcard, 2).0, ["21 10:00"]);
    simulation.set(hours(-2));
    assert_eq!(simulation.run(expr, &mut wildcard, 180).0, ["21 09:00", "21 10:00", "21 11:00"]);
}

#[test]
fn small_steps_repeat_nothing() {
    let mut simulation = Simulation::start("2026-11-21T09:59:50Z");
    let mut watch = watch("* * * * *", "2026-11-21T09:59:50Z");
    assert_eq!(simulation.run("* * * * *", &mut watch, 1).0, ["21 10:00"]);
    simulation.set(SignedDuration::from_secs(-59));
    assert_eq!(simulation.run("* * * * *", &mut watch, 2).0, ["21 10:01"]);
}

#[test]
fn a_jump_makes_nothing_up_and_fires_go_on_from_there() {
    for expr in ["0 * * * *", "0 0-23 * * *"] {
        let mut simulation = Simulation::start("2026-11-21T10:30:00Z");
        let mut watch = watch(expr, "2026-11-21T10:30:00Z");
        let there = hours(24 * 365 * 72);
        simulation.set(there);
        let (ran, seen) = simulation.run(expr, &mut watch, 60);
        assert_eq!(ran.len(), 1, "{expr}");
        assert_eq!(seen[0].run, None, "{expr}");
        assert_eq!(seen[0].passed_over.unwrap().count, 24 * 365 * 72, "{expr}");

        simulation.set(-there);
        let (ran, seen) = simulation.run(expr, &mut watch, 60);
        assert_eq!(ran, ["21 12:00"], "{expr}");
        assert_eq!(seen.len(), 1, "nothing was passed over on the way back: {expr}");
    }
}

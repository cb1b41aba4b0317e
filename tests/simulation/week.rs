//! Days of large fleets, and what a rule comes to on them.

use std::time::{Duration, Instant};

use loom::job::Job;
use loom::job::policy::{Overlap, Retries, RetryOn, Share};
use loom::unit::Outcome;
use nix::time::{ClockId, clock_gettime};

use super::world::{Health, World, job};

const HOUR: Duration = Duration::from_secs(3600);

/// Ten hourly jobs on a thousand nodes each, with all the rules there are: a day, and in an
/// optimized build (`make simulation`) a week.
#[test]
fn hourly_jobs_on_ten_thousand_nodes() {
    let retries = Retries { attempts: 3, on: RetryOn::ALL.into(), ..Retries::default() };
    let jobs = (0..10).map(|n| {
        let nodes = n * 1000..(n + 1) * 1000;
        let plain = job(&format!("job{n}"), &format!("{} * * * *", n * 5), nodes);
        match n {
            0 => Job { parallel: Some(Share::Percent(2).into()), ..plain },
            1 => Job { success: Some(Share::Percent(80)), ..plain },
            2 => Job { retries: retries.clone(), ..plain },
            3 => Job { splay: Duration::from_secs(600), ..plain },
            4 => Job { locks: vec!["disk".into()], ..plain },
            5 => Job { overlap: Overlap::Queue, ..plain },
            6 => Job { overlap: Overlap::Allow, ..plain },
            _ => plain,
        }
    });
    let mut world = World::new(10_000, 50, jobs.collect());
    world.unit = |unit| {
        let failed = unit.0.is_multiple_of(997);
        let outcome = if failed { Outcome::Failed { exit: Some(1) } } else { Outcome::Succeeded };
        (Duration::from_millis(1000 + unit.0 % 2000), outcome)
    };
    for dead in (0..10_000).step_by(500) {
        world.health[dead] = if dead % 1000 == 0 { Health::Refuses } else { Health::Hangs };
    }
    let (begun, cpu) = (Instant::now(), cpu_time());
    let days = if cfg!(debug_assertions) { 1 } else { 7 };
    let span = days * 24 * HOUR;
    world.play(span);
    let (took, cpu) = (begun.elapsed(), cpu_time() - cpu);
    world.assert_books_add_up(span);
    let books = &world.books;
    let units = books.succeeded + books.failed + books.unreachable + books.skipped;
    println!(
        "{days} days of 10,000 nodes: {units} units in {took:.1?}, {cpu:.1?} of processor time \
         ({:.1} µs each): {} succeeded, {} failed, {} unreachable, {} skipped, {} gaps; at most {} \
         at once; runs: {:?}",
        cpu.as_secs_f64() * 1e6 / units as f64,
        books.succeeded,
        books.failed,
        books.unreachable,
        books.skipped,
        books.gaps,
        world.most_running,
        books.ends,
    );
    assert!(units >= 240_000 * days as usize);
    assert!(world.most_running <= 50);
}

fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

/// 500 units of 2 s take 20 s on 50 workers, and 500 connections of 130 ms, ten at a time, less.
/// What the other half costs: once, that each of them must be tried; then nothing.
#[test]
fn half_a_fleet_that_hangs_does_not_delay_the_other_half() {
    let mut world = World::new(1000, 50, vec![job("job", "* * * * *", 0..1000)]);
    for dead in (0..1000).step_by(2) {
        world.health[dead] = Health::Hangs;
    }
    let (first, second) = (Duration::from_secs(30), Duration::from_secs(90));
    world.play(first + Duration::from_secs(1));
    assert_eq!((world.books.succeeded, world.books.unreachable), (500, 500));
    assert!(world.last_success < first + Duration::from_secs(75), "{:?}", world.last_success);
    assert!(world.most_connecting <= 100, "{}", world.most_connecting);

    let mut world = World::new(1000, 50, vec![job("job", "*/2 * * * *", 0..1000)]);
    for dead in (0..1000).step_by(2) {
        world.health[dead] = Health::Hangs;
    }
    let second = second + Duration::from_secs(120);
    world.play(second + Duration::from_secs(1));
    world.assert_books_add_up(second + Duration::from_secs(1));
    assert!(world.last_success < second + Duration::from_secs(30), "{:?}", world.last_success);
}

#[test]
fn no_more_than_parallel_at_once_and_none_after_hope_is_gone() {
    let rules = Job {
        parallel: Some(Share::Count(2).into()),
        success: Some(Share::Percent(80)),
        ..job("job", "* * * * *", 0..10)
    };
    let mut world = World::new(10, 10, vec![rules]);
    world.unit = |unit| match unit.0 {
        2..=4 => (Duration::from_secs(2), Outcome::Failed { exit: Some(1) }),
        _ => (Duration::from_secs(2), Outcome::Succeeded),
    };
    let span = Duration::from_secs(31);
    world.play(span);
    world.assert_books_add_up(span);
    let books = &world.books;
    assert_eq!(world.most_running, 2);
    assert_eq!(books.failed, 3);
    assert_eq!(books.succeeded + books.skipped, 7);
    assert!(books.skipped >= 4, "{} were skipped", books.skipped);
    assert_eq!(books.ends.get("failed"), Some(&1));
}

#[test]
fn what_has_not_begun_by_its_deadline_is_skipped() {
    let rules = Job { deadline: Duration::from_secs(30), ..job("job", "* * * * *", 0..4) };
    let blocker = job("blocker", "* * * * *", 0..4);
    let mut world = World::new(4, 1, vec![blocker, rules]);
    world.unit = |_| (Duration::from_secs(40), Outcome::Succeeded);
    let span = Duration::from_secs(31);
    world.play(span);
    world.assert_books_add_up(span);
    assert_eq!(world.books.skipped, 4, "the job that waited");
    assert_eq!(world.books.succeeded, 4);
}

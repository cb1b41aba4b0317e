//! Everything goes wrong at once, at random: nodes, workers, the ledger, the clock, the operator.
//!
//! A plan says which jobs there are and what may go wrong; a seed decides when. After a while
//! everything heals, and then nothing may be left waiting and every due instant must be covered.

mod books;
mod hands;
mod operator;
mod player;

use std::collections::BTreeSet;
use std::time::Duration;

use loom::cron::Schedule;
use loom::job::policy::{Overlap, Parallel, Retries, RetryOn, Share};
use loom::job::{Job, Source};
use proptest::prelude::*;

use player::Player;

/// What may go wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub nodes: bool,
    pub workers: bool,
    pub spawn: bool,
    pub ledger: bool,
    /// Cancels, runs by hand, pauses.
    pub people: bool,
    pub reloads: bool,
    pub clock: bool,
}

#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub jobs: Vec<Rules>,
    pub nodes: usize,
    pub workers: usize,
    pub faults: Faults,
    /// Before everything heals.
    pub minutes: u64,
    /// At a random moment, instead of healing.
    pub stop: Option<Stop>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Drain,
    Hurry,
}

/// A job, without its name.
#[derive(Debug, Clone)]
pub struct Rules {
    pub every: u32,
    pub overlap: Overlap,
    pub parallel: Option<Parallel>,
    pub success: Option<Share>,
    pub attempts: u32,
    pub on: BTreeSet<RetryOn>,
    pub locks: Vec<String>,
    pub splay: u64,
    pub deadline: u64,
    pub timeout: Option<u64>,
    pub enabled: bool,
}

impl Rules {
    /// On `nodes` nodes, named as the player names them.
    pub fn job(&self, name: &str, nodes: usize) -> Job {
        let schedule = match self.every {
            0 => "*/2 * * * *".to_owned(),
            // Not a wildcard schedule: set forward, it makes up for what was passed over.
            1 => "0-59 0-23 * * *".to_owned(),
            _ => "* * * * *".to_owned(),
        };
        let schedule = Schedule::parse(&schedule).unwrap();
        let source = Source { file: "jobs.yaml".into(), line: 1 };
        Job {
            timezone: Some("UTC".into()),
            targets: (0..nodes).map(|n| format!("n{n}")).collect(),
            overlap: self.overlap,
            parallel: self.parallel.clone(),
            success: self.success,
            retries: Retries {
                attempts: self.attempts,
                delay: Duration::from_secs(5),
                on: self.on.clone(),
                ..Retries::default()
            },
            locks: self.locks.clone(),
            splay: Duration::from_secs(self.splay),
            deadline: Duration::from_secs(self.deadline),
            timeout: self.timeout.map(Duration::from_secs),
            enabled: self.enabled,
            ..Job::new(name.into(), "loom.run".into(), schedule, source)
        }
    }
}

fn share() -> impl Strategy<Value = Option<Share>> {
    prop_oneof![
        Just(None),
        (1u32..4).prop_map(|n| Some(Share::Count(n))),
        (1u8..=100).prop_map(|n| Some(Share::Percent(n))),
    ]
}

/// None, one, or steps.
fn parallel() -> impl Strategy<Value = Option<Parallel>> {
    let steps = proptest::collection::vec(share(), 0..4);
    steps.prop_map(|steps| {
        let steps: Option<Vec<Share>> = steps.into_iter().collect();
        steps.filter(|steps| !steps.is_empty()).map(|steps| Parallel { steps })
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    let overlap = prop_oneof![Just(Overlap::Skip), Just(Overlap::Queue), Just(Overlap::Allow)];
    let on = proptest::sample::subsequence(RetryOn::ALL.to_vec(), 0..=5);
    let locks = proptest::sample::subsequence(vec!["apt".to_owned(), "disk".to_owned()], 0..=2);
    let rest = (
        prop_oneof![Just(0), Just(0), 1u64..90],
        prop_oneof![Just(10_800), 5u64..120],
        proptest::option::of(5u64..60),
        proptest::bool::weighted(0.9),
    );
    (0u32..4, overlap, parallel(), share(), 1u32..4, on, locks, rest).prop_map(
        |(every, overlap, parallel, success, attempts, on, locks, rest)| {
            let (splay, deadline, timeout, enabled) = rest;
            let on = on.into_iter().collect();
            Rules {
                every,
                overlap,
                parallel,
                success,
                attempts,
                on,
                locks,
                splay,
                deadline,
                timeout,
                enabled,
            }
        },
    )
}

fn faults() -> impl Strategy<Value = Faults> {
    any::<[bool; 7]>().prop_map(|[nodes, workers, spawn, ledger, people, reloads, clock]| Faults {
        nodes,
        workers,
        spawn,
        ledger,
        people,
        reloads,
        clock,
    })
}

fn plan() -> impl Strategy<Value = Plan> {
    let jobs = proptest::collection::vec(rules(), 1..6);
    let stop = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Stop::Drain)),
        1 => Just(Some(Stop::Hurry)),
    ];
    (any::<u64>(), jobs, 1usize..7, 1usize..7, faults(), 1u64..25, stop).prop_map(
        |(seed, jobs, nodes, workers, faults, minutes, stop)| Plan {
            seed,
            jobs,
            nodes,
            workers,
            faults,
            minutes,
            stop,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_goes_wrong_the_books_add_up(plan in plan()) {
        Player::new(&plan).play();
    }
}

//! Everything goes wrong at once, at random: nodes, workers, the ledger, the clock, the operator.
//!
//! A plan says which jobs there are and what may go wrong; a seed decides when. After a while
//! everything heals, and then nothing may be left waiting and every due instant must be covered.

mod books;
mod flows;
mod hands;
mod operator;
mod player;

use std::collections::BTreeSet;
use std::time::Duration;

use loom::cron::Schedule;
use loom::job::flow::{FLOW, Flow, OnFailure, Part, Then};
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
    pub flows: Vec<FlowRules>,
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

/// A flow, without its name. Its schedule, overlap and deadline are those of a job.
#[derive(Debug, Clone)]
pub struct FlowRules {
    pub rules: Rules,
    pub by_hand: bool,
    pub slots: Vec<Vec<PartRules>>,
}

#[derive(Debug, Clone)]
pub struct PartRules {
    /// Instead of its own rules those of a job.
    pub of: Option<usize>,
    pub rules: Rules,
    /// Nodes of which one is the first, and how many: more than there are stand for all.
    pub on: (usize, usize),
    pub word: Word,
}

#[derive(Debug, Clone)]
pub enum Word {
    Stop,
    Continue,
    Rescue(Box<PartRules>, Then),
}

impl FlowRules {
    pub fn job(&self, name: &str, jobs: &[Job], nodes: usize) -> Job {
        let slot = |(s, parts): (usize, &Vec<PartRules>)| {
            let parts = parts.iter().enumerate();
            parts.map(|(p, part)| part.part(&format!("{name}/p{s}.{p}"), jobs, nodes)).collect()
        };
        let flow =
            Flow { any_host: false, slots: self.slots.iter().enumerate().map(slot).collect() };
        let rules = Rules { splay: 0, ..self.rules.clone() };
        let mut job = rules.job(name, nodes);
        if self.by_hand {
            job.schedule = Schedule::never();
        }
        Job { task: FLOW.into(), flow: Some(flow), parallel: None, success: None, ..job }
    }
}

impl PartRules {
    /// As a manifest's flow has it.
    fn part(&self, name: &str, jobs: &[Job], nodes: usize) -> Part {
        let (from, count) = self.on;
        let job = match self.of {
            Some(n) => jobs[n % jobs.len()].clone(),
            None => {
                let all = self.rules.job(name, nodes);
                let targets = (0..count.min(nodes)).map(|n| format!("n{}", (from + n) % nodes));
                Job { targets: targets.collect(), schedule: Schedule::never(), ..all }
            }
        };
        let overlap = match job.overlap {
            Overlap::Skip | Overlap::Queue => Overlap::Queue,
            Overlap::Allow => Overlap::Allow,
        };
        let success = job.success.or(Some(Share::Percent(100)));
        let on_failure = match &self.word {
            Word::Stop => OnFailure::Stop,
            Word::Continue => OnFailure::Continue,
            Word::Rescue(by, then) => OnFailure::Rescue {
                part: Box::new(by.part(&format!("{name}r"), jobs, nodes)),
                then: *then,
            },
        };
        Part { job: Job { overlap, success, ..job }, on_failure }
    }
}

fn part_rules(rescues: u32) -> BoxedStrategy<PartRules> {
    let plain = prop_oneof![Just(Word::Stop), Just(Word::Continue)].boxed();
    let word = match rescues {
        0 => plain,
        more => {
            let then = prop_oneof![Just(Then::Continue), Just(Then::Stop)];
            let rescue = (part_rules(more - 1), then);
            let rescue = rescue.prop_map(|(by, then)| Word::Rescue(Box::new(by), then));
            prop_oneof![plain, rescue].boxed()
        }
    };
    let of = prop_oneof![3 => Just(None), 1 => (0..6usize).prop_map(Some)];
    // Rather less success than all, so that flows come further than their first slot.
    let eased = prop_oneof![Just(Some(Share::Percent(30))), share()];
    let rules = (rules(), eased).prop_map(|(rules, success)| Rules { success, ..rules });
    (of, rules, (0..7usize, 0..4usize), word)
        .prop_map(|(of, rules, on, word)| PartRules { of, rules, on, word })
        .boxed()
}

fn flow_rules() -> impl Strategy<Value = FlowRules> {
    let slots = proptest::collection::vec(proptest::collection::vec(part_rules(2), 1..=3), 1..=4);
    (rules(), any::<bool>(), slots).prop_map(|(rules, by_hand, slots)| FlowRules {
        rules,
        by_hand,
        slots,
    })
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
    let flows = proptest::collection::vec(flow_rules(), 0..3);
    let size = (1usize..7, 1usize..7);
    (any::<u64>(), jobs, flows, size, faults(), 1u64..25, stop).prop_map(
        |(seed, jobs, flows, (nodes, workers), faults, minutes, stop)| Plan {
            seed,
            jobs,
            flows,
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

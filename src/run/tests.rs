//! The constraint, the steps and the verdict, by counting.

use super::*;
use crate::cron::Schedule;
use crate::event::Within;
use crate::job::Source;
use crate::job::flow::Place;
use crate::job::policy::Parallel;
use crate::unit::{Canceller, Kill, Trigger};
use proptest::prelude::*;

const RUN: RunId = RunId(1);

/// What a run is opened with.
#[derive(Default)]
struct Begun {
    units: usize,
    success: Option<Share>,
    steps: Vec<Share>,
    missing: usize,
    before: usize,
}

impl Begun {
    fn targets(&self) -> usize {
        self.units + self.missing + self.before
    }

    fn open(&self) -> (Runs, Option<Room>) {
        let source = Source { file: "jobs.yaml".into(), line: 1 };
        let schedule = Schedule::parse("@daily").unwrap();
        let job = Job::new("job".into(), "loom.run".into(), schedule, source);
        let parallel = (!self.steps.is_empty()).then(|| Parallel { steps: self.steps.clone() });
        let place = Place { slot: 1, part: 1, rescue: 0 };
        let (missing, succeeded) = (self.missing, self.before);
        let info = RunInfo {
            run: RUN,
            job: Arc::new(Job { success: self.success, parallel, ..job }),
            trigger: Trigger::Manual,
            scheduled_at: None,
            queued_at: Timestamp::UNIX_EPOCH,
            units: self.units,
            within: Some(Within { flow: RunId(9), place, missing, succeeded }),
        };
        let mut runs = Runs::default();
        let room = runs.open(Arc::new(info), self.targets());
        (runs, room)
    }
}

fn open(units: usize, success: Option<Share>) -> Runs {
    Begun { units, success, ..Begun::default() }.open().0
}

fn end(runs: &mut Runs, outcome: Outcome) -> Step {
    let node = String::new();
    let (detail, result) = Default::default();
    runs.ended(RUN, &UnitInfo { node, attempt: 1, outcome, detail, result, took: None })
}

fn end_all(outcomes: &[Outcome]) -> RunEnd {
    let mut runs = open(outcomes.len(), None);
    assert!(runs.started(RUN, Timestamp::UNIX_EPOCH));
    assert!(!runs.started(RUN, Timestamp::UNIX_EPOCH));
    let (last, rest) = outcomes.split_last().unwrap();
    for outcome in rest {
        assert!(matches!(end(&mut runs, outcome.clone()), Step::Nothing));
    }
    let Step::Over(over) = end(&mut runs, last.clone()) else { panic!("still open") };
    assert!(runs.is_empty());
    over.end
}

#[test]
fn a_run_is_as_good_as_its_worst_unit() {
    let cancelled = Outcome::Cancelled { by: Canceller::Shutdown, kill: Kill::Confirmed };
    let ok = Outcome::Succeeded;
    assert_eq!(end_all(&[ok.clone(), ok.clone()]), RunEnd::Succeeded);
    assert_eq!(end_all(&[ok.clone(), cancelled.clone()]), RunEnd::Cancelled);
    assert_eq!(end_all(&[cancelled, Outcome::Lost]), RunEnd::Lost);
    let reason = Reason::Overlap;
    let skipped = Outcome::Skipped { reason };
    assert_eq!(end_all(&[skipped.clone(), ok.clone()]), RunEnd::Succeeded);
    assert_eq!(end_all(&[skipped]), RunEnd::Skipped { reason });
    assert_eq!(end_all(&[Outcome::Lost, Outcome::Unreachable, ok]), RunEnd::Failed);
}

#[test]
fn a_constraint_is_hopeless_with_the_first_failure_too_many() {
    let mut runs = open(10, Some(Share::Percent(80)));
    let failed = Outcome::Failed { exit: Some(1) };
    assert!(matches!(end(&mut runs, failed.clone()), Step::Nothing));
    assert!(matches!(end(&mut runs, failed.clone()), Step::Nothing));
    assert!(matches!(end(&mut runs, Outcome::Succeeded), Step::Nothing));
    assert!(matches!(end(&mut runs, failed.clone()), Step::Hopeless));
    assert!(matches!(end(&mut runs, failed), Step::Nothing), "said once");
}

#[test]
fn so_many_left_out_that_there_is_no_hope_is_known_at_once() {
    let mut runs = open(1, Some(Share::Percent(80)));
    let info = runs.info(RUN).unwrap().clone();
    assert_eq!(runs.open(info.clone(), 5), None, "one of five is here, four must succeed");
    assert!(runs.open(info, 1).is_some());
}

#[test]
fn a_constraint_is_not_broken_by_who_cancels() {
    let cancelled = Outcome::Cancelled { by: Canceller::Shutdown, kill: Kill::Confirmed };
    let failed = Outcome::Failed { exit: Some(1) };
    let end_of = |outcomes: [&Outcome; 5]| {
        let mut runs = open(5, Some(Share::Percent(80)));
        let steps = outcomes.map(|outcome| end(&mut runs, outcome.clone()));
        let hopeless = steps.iter().any(|step| matches!(step, Step::Hopeless));
        let [.., Step::Over(over)] = steps else { panic!("still open") };
        (over.end, hopeless)
    };
    let (f, c) = (&failed, &cancelled);
    assert_eq!(end_of([c, c, c, c, c]), (RunEnd::Cancelled, false));
    assert_eq!(end_of([c, c, c, c, f]), (RunEnd::Cancelled, false), "one may fail");
    assert_eq!(end_of([f, f, c, c, c]), (RunEnd::Failed, true), "not two");
}

const FAILED: Outcome = Outcome::Failed { exit: Some(1) };

fn shares(steps: &[u32]) -> Vec<Share> {
    steps.iter().map(|step| Share::Count(*step)).collect()
}

#[test]
fn a_run_widens_while_all_succeed_where_nothing_else_is_said() {
    let percent = |percent| Share::Percent(percent);
    let steps = vec![Share::Count(1), percent(10), percent(50), percent(100)];
    let begun = Begun { units: 40, steps, ..Begun::default() };
    let (mut runs, room) = begun.open();
    let mut room = room.unwrap();
    for expected in [1, 4, 20] {
        assert_eq!(room, Room { limit: expected, quota: Some(expected) });
        (0..expected).for_each(|_| drop(end(&mut runs, Outcome::Succeeded)));
        let Some(Next::Widen(next)) = runs.next_step(RUN) else { panic!("it does not widen") };
        room = next;
    }
    assert_eq!(room, Room { limit: 40, quota: None }, "all that are left");
    assert_eq!(begun.open().1, Some(Room { limit: 1, quota: Some(1) }));
    let (mut runs, _) = begun.open();
    end(&mut runs, Outcome::Lost);
    assert_eq!(runs.next_step(RUN), Some(Next::Stop));
    assert_eq!(runs.next_step(RUN), None, "said once");
}

#[test]
fn a_share_alone_or_none_is_one_step() {
    let room = |steps| Begun { units: 4, steps, ..Begun::default() }.open().1.unwrap();
    assert_eq!(room(Vec::new()), Room { limit: usize::MAX, quota: None });
    assert_eq!(room(shares(&[3])), Room { limit: 3, quota: None });
}

#[test]
fn a_step_may_fail_in_part_if_the_constraint_may() {
    let success = Some(Share::Percent(80));
    let begun = Begun { units: 20, success, steps: shares(&[1, 4, 5, 20]), ..Begun::default() };
    let (mut runs, _) = begun.open();
    end(&mut runs, Outcome::Succeeded);
    assert!(matches!(runs.next_step(RUN), Some(Next::Widen(_))));
    (0..3).for_each(|_| drop(end(&mut runs, Outcome::Succeeded)));
    end(&mut runs, FAILED);
    let five = Room { limit: 5, quota: Some(5) };
    assert_eq!(runs.next_step(RUN), Some(Next::Widen(five)), "four of five");
    (0..3).for_each(|_| drop(end(&mut runs, Outcome::Succeeded)));
    (0..2).for_each(|_| assert!(matches!(end(&mut runs, FAILED), Step::Nothing), "hope is left"));
    assert_eq!(runs.next_step(RUN), Some(Next::Stop), "seven of ten");
    // The others end because of it: nothing new, and as failed as it was.
    let reason = Reason::Constraint;
    for _ in 0..9 {
        assert!(matches!(end(&mut runs, Outcome::Skipped { reason }), Step::Nothing));
    }
    let Step::Over(over) = end(&mut runs, Outcome::Skipped { reason }) else { panic!("open") };
    assert_eq!(over.end, RunEnd::Failed);
}

#[test]
fn the_one_that_is_tried_first_has_to_succeed_whatever_the_constraint() {
    for success in [None, Some(Share::Percent(1)), Some(Share::Count(1))] {
        let begun = Begun { units: 100, success, steps: shares(&[1, 100]), ..Begun::default() };
        let (mut runs, _) = begun.open();
        end(&mut runs, FAILED);
        assert_eq!(runs.next_step(RUN), Some(Next::Stop), "{success:?}");
    }
}

#[test]
fn what_is_left_out_is_a_target_too_and_what_succeeded_before_has_ended_well() {
    let after_one_of_three = |success, missing, before| {
        let begun = Begun { units: 6, success, steps: shares(&[3, 9]), missing, before };
        let (mut runs, _) = begun.open();
        for outcome in [FAILED, Outcome::Succeeded, FAILED] {
            end(&mut runs, outcome);
        }
        runs.next_step(RUN).unwrap() != Next::Stop
    };
    let (half, three) = (Some(Share::Percent(50)), Some(Share::Count(3)));
    assert!(!after_one_of_three(half, 0, 0));
    assert!(!after_one_of_three(half, 2, 0));
    assert!(after_one_of_three(half, 0, 2), "three of five");
    assert!(!after_one_of_three(three, 0, 0), "three of six are half of them");
    assert!(after_one_of_three(three, 3, 0), "three of nine are a third");
}

proptest! {
    /// Step by step, played by counting: each step is asked for when so many units have ended as
    /// it allows, the next comes if those that succeeded are the same part of them as the
    /// constraint wants of all, and when it does not come, the run fails.
    #[test]
    fn a_step_follows_if_the_constraint_holds_for_what_has_ended(
        outcomes in proptest::collection::vec(0u8..12, 1..60),
        steps in proptest::collection::vec(share(), 1..5),
        success in proptest::option::of(share()),
        missing in 0usize..4,
        before in 0usize..4,
    ) {
        let units = outcomes.len();
        let begun = Begun { units, success, steps, missing, before };
        let targets = begun.targets();
        let needed = success.map_or(targets, |share| share.at_least(targets));
        let (mut runs, room) = begun.open();
        let Some(mut room) = room else {
            prop_assert!(success.is_some() && units + before < needed);
            return Ok(());
        };
        let sizes: Vec<usize> = begun.steps.iter().map(|share| share.at_most(targets)).collect();
        let (mut step, mut of_step, mut succeeded, mut ended) = (0, 0, before, before);
        let (mut stopped, mut hopeless, mut cancelled) = (false, false, 0);
        for kind in outcomes {
            let kill = Kill::Confirmed;
            let outcome = match kind {
                _ if stopped || hopeless => Outcome::Skipped { reason: Reason::Constraint },
                0 => FAILED,
                1 => Outcome::Lost,
                2 => Outcome::Skipped { reason: Reason::Removed },
                3 => Outcome::Cancelled { by: Canceller::Shutdown, kill },
                _ => Outcome::Succeeded,
            };
            let shown = shows(&outcome);
            prop_assert_eq!(shown, !(stopped || hopeless || kind == 2 || kind == 3));
            cancelled += usize::from(matches!(outcome, Outcome::Cancelled { .. }));
            (ended, of_step) = (ended + usize::from(shown), of_step + usize::from(shown));
            succeeded += usize::from(outcome == Outcome::Succeeded);
            prop_assert_eq!(room.limit, sizes[step]);
            prop_assert_eq!(room.quota, (step + 1 < sizes.len()).then_some(sizes[step]));
            match end(&mut runs, outcome) {
                Step::Nothing => {}
                Step::Hopeless => {
                    prop_assert!(!stopped && !hopeless);
                    hopeless = true;
                }
                Step::Over(over) => {
                    let met = succeeded >= needed;
                    let by_whom = cancelled > 0 && over.end == RunEnd::Cancelled;
                    let bad = matches!(over.end, RunEnd::Failed | RunEnd::Lost) || by_whom;
                    prop_assert!(!stopped || bad && !met, "{:?}", over.end);
                    prop_assert_eq!(runs.next_step(RUN), None);
                    break;
                }
            }
            if Some(of_step) == room.quota && !stopped {
                let holds = succeeded * targets >= ended * needed;
                match runs.next_step(RUN) {
                    Some(Next::Widen(next)) => {
                        prop_assert!(holds && !hopeless);
                        (room, step, of_step) = (next, step + 1, 0);
                    }
                    Some(Next::Stop) => {
                        prop_assert!(!holds && !hopeless);
                        stopped = true;
                    }
                    None => prop_assert!(hopeless),
                }
            }
        }
        prop_assert!(runs.is_empty());
    }

    /// The verdict under a constraint is the plain count, and hopelessness is never wrong.
    #[test]
    fn a_constraint_is_met_by_counting(
        units in proptest::collection::vec(any::<bool>(), 1..60), percent in 1u8..=100
    ) {
        let mut runs = open(units.len(), Some(Share::Percent(percent)));
        let needed = (units.len() * usize::from(percent)).div_ceil(100);
        let met = units.iter().filter(|ok| **ok).count() >= needed;
        let mut hopeless = false;
        for ok in &units {
            let outcome = if *ok { Outcome::Succeeded } else { Outcome::Unreachable };
            match end(&mut runs, outcome) {
                Step::Nothing => {}
                Step::Hopeless => hopeless = true,
                Step::Over(over) => {
                    prop_assert_eq!(over.end == RunEnd::Succeeded, met);
                }
            }
        }
        prop_assert!(runs.is_empty());
        prop_assert!(!hopeless || !met);
    }
}

fn share() -> impl Strategy<Value = Share> {
    prop_oneof![(1u32..8).prop_map(Share::Count), (1u8..=100).prop_map(Share::Percent)]
}

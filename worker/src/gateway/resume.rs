//! What is left of a flow that did not come to its end: from its plan and the runs of its parts.
//!
//! A flow is taken up at the first of its slots that is not done. There, units that have succeeded
//! count and are not run again; everything else is. What an earlier run had done already is in the
//! plan of the run that took it up, so that no more than one run has to be looked at, however often
//! a flow was taken up, and whatever has been pruned. Knows neither the ledger nor the parent.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use loom::api::flow::{OnFailure, Plan, Planned};
use loom::job::flow::{FLOW, Place, own_name};
use loom::job::policy::Share;
use loom::protocol::control::{FlowOf, GivenPart, TakeUp};
use loom::store::{RunState, UnitRow, UnitState};
use loom::unit::{Outcome, Reason, RunEnd, RunId};

/// The run of a part of the flow.
#[derive(Debug, Clone)]
pub struct Part {
    pub place: Place,
    pub state: RunState,
    pub nodes: Vec<(String, Fate)>,
}

/// What became of a node, by the last attempt there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Succeeded,
    /// By itself.
    Failed,
    /// Because the flow, or the daemon, was to end.
    CutShort,
}

/// The slot in which the flow came furthest: the only one whose units matter.
pub fn reached(plan: &Plan, places: impl IntoIterator<Item = Place>) -> u32 {
    let first = plan.resumed.as_ref().map_or(1, |resumed| resumed.slot);
    places.into_iter().map(|place| place.slot).fold(first, u32::max)
}

/// `None`: every slot is done. `parts`: those of the slot that was reached, at least.
pub fn left(run: RunId, plan: &Plan, parts: &[Part]) -> Option<TakeUp> {
    let slot = reached(plan, parts.iter().map(|part| part.place));
    let before = plan.resumed.as_ref().filter(|resumed| resumed.slot == slot);
    let written = plan.slots.get((slot as usize).checked_sub(1)?)?;
    let (mut is_done, mut done) = (true, Vec::new());
    for (number, planned) in (1..).zip(written) {
        let mut runs: BTreeMap<u32, &Part> = BTreeMap::new();
        let of_part = |part: &&Part| part.place.slot == slot && part.place.part == number;
        runs.extend(parts.iter().filter(of_part).map(|part| (part.place.rescue, part)));
        let earlier = before.and_then(|resumed| resumed.done.get(number as usize - 1));
        let earlier = earlier.into_iter().flatten().map(String::as_str);
        let own = runs.get(&0).into_iter().flat_map(|part| &part.nodes);
        let own = own.filter(|(_, fate)| *fate == Fate::Succeeded).map(|(node, _)| node.as_str());
        let succeeded: HashSet<&str> = earlier.chain(own).collect();
        let all = planned.targets.iter().all(|node| succeeded.contains(node.as_str()));
        is_done &= all && !planned.targets.is_empty() || went_well(planned, 0, &runs);
        let nodes = planned.targets.iter().filter(|node| succeeded.contains(node.as_str()));
        let nodes: Vec<String> = nodes.cloned().collect();
        if !nodes.is_empty() {
            done.push((number, nodes));
        }
    }
    let jobs = plan.jobs();
    match is_done {
        false => Some(TakeUp { run, slot, done, jobs }),
        true if (slot as usize) < plan.slots.len() => {
            Some(TakeUp { run, slot: slot + 1, done: Vec::new(), jobs })
        }
        true => None,
    }
}

/// Whether the flow could have gone on after this part, as far as the ledger tells. Of what was
/// interrupted nobody knows how it would have ended.
fn went_well(planned: &Planned, rescue: u32, runs: &BTreeMap<u32, &Part>) -> bool {
    let rescued = || match (planned.on_failure, &planned.rescue) {
        (OnFailure::Rescue, Some(planned)) => went_well(planned, rescue + 1, runs),
        (
            OnFailure::Stop | OnFailure::Continue | OnFailure::Rescue | OnFailure::RescueAndStop,
            _,
        ) => false,
    };
    // Whether it could run nowhere, or its turn had not come, tells what rescues it.
    let Some(part) = runs.get(&rescue) else { return rescued() };
    let RunState::Done(end) = part.state else { return false };
    let cut_short = part.nodes.iter().any(|(_, fate)| *fate == Fate::CutShort);
    match (end, planned.on_failure) {
        (RunEnd::Succeeded, _) => true,
        (RunEnd::Cancelled, _) => false,
        (RunEnd::Failed | RunEnd::Lost | RunEnd::Skipped { .. }, OnFailure::Continue) => !cut_short,
        (RunEnd::Failed | RunEnd::Lost | RunEnd::Skipped { .. }, _) => rescued(),
    }
}

/// By the last attempt on each node.
pub fn fates(units: &[UnitRow]) -> Vec<(String, Fate)> {
    let mut last: BTreeMap<&str, &UnitRow> = BTreeMap::new();
    for unit in units {
        let latest = last.entry(&unit.node).or_insert(unit);
        if unit.attempt > latest.attempt {
            *latest = unit;
        }
    }
    last.into_iter().map(|(node, unit)| (node.to_owned(), fate(&unit.state))).collect()
}

fn fate(state: &UnitState) -> Fate {
    match state {
        UnitState::Queued | UnitState::Running => Fate::CutShort,
        UnitState::Done(outcome) => match outcome {
            Outcome::Succeeded => Fate::Succeeded,
            Outcome::Failed { .. }
            | Outcome::Signaled { .. }
            | Outcome::Unreachable
            | Outcome::TimedOut { .. }
            | Outcome::Crashed => Fate::Failed,
            Outcome::Lost | Outcome::Cancelled { .. } => Fate::CutShort,
            Outcome::Skipped { reason: Reason::Constraint } => Fate::Failed,
            Outcome::Skipped { .. } => Fate::CutShort,
        },
    }
}

/// A flow that stands in no manifest, as it was given. `from`: where it came from, for people.
pub fn given(plan: &Plan, from: String) -> Option<FlowOf> {
    let slots = plan.slots.iter().map(|parts| parts.iter().map(given_part).collect());
    let slots = slots.collect::<Option<Vec<Vec<GivenPart>>>>()?;
    Some(FlowOf::Given { from, slots, any_host: plan.any_host })
}

fn given_part(planned: &Planned) -> Option<GivenPart> {
    let timeout = planned.timeout.map(Duration::try_from_secs_f64).transpose().ok()?;
    Some(GivenPart {
        name: own_name(FLOW, &planned.job)?.to_owned(),
        command: planned.command.clone()?,
        targets: planned.targets.clone(),
        success: planned.success.parse().ok()?,
        parallel: planned.parallel.as_deref().map_or(Some(Vec::new()), shares)?,
        timeout: timeout.map(|timeout| timeout.as_millis() as u64),
        attempts: planned.attempts,
    })
}

/// One, or steps: `[1, 10%, 100%]`.
fn shares(text: &str) -> Option<Vec<Share>> {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(steps) => steps.split(", ").map(|step| step.parse().ok()).collect(),
        None => Some(vec![text.parse().ok()?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loom::api::flow::Resumed;
    use loom::job::policy::Parallel;

    fn planned(job: &str, targets: usize, on_failure: OnFailure) -> Planned {
        let rescued = matches!(on_failure, OnFailure::Rescue | OnFailure::RescueAndStop);
        let targets: Vec<String> = (1..=targets).map(|n| format!("n{n}")).collect();
        Planned {
            job: job.to_owned(),
            command: None,
            success: "100%".to_owned(),
            needed: targets.len() as u32,
            at_once: vec![targets.len() as u32],
            targets,
            parallel: None,
            timeout: None,
            attempts: 1,
            on_failure,
            rescue: rescued.then(|| Box::new(planned("back", 1, OnFailure::Stop))),
        }
    }

    /// A slot of one job, one of two, one of one; each on three nodes.
    fn plan(on_failure: OnFailure) -> Plan {
        let part = |job| planned(job, 3, on_failure);
        let slots = vec![vec![part("a")], vec![part("b"), part("c")], vec![part("d")]];
        Plan { any_host: false, slots, resumed: None }
    }

    const OK: Fate = Fate::Succeeded;
    const BAD: Fate = Fate::Failed;
    const CUT: Fate = Fate::CutShort;

    fn part(place: (u32, u32, u32), end: RunEnd, fates: &[Fate]) -> Part {
        let (slot, part, rescue) = place;
        let nodes = (1..).zip(fates).map(|(n, fate)| (format!("n{n}"), *fate)).collect();
        Part { place: Place { slot, part, rescue }, state: RunState::Done(end), nodes }
    }

    /// The slot, and by part the nodes that are done.
    fn at(plan: &Plan, parts: &[Part]) -> Option<(u32, Vec<(u32, String)>)> {
        let left = left(RunId(1), plan, parts)?;
        assert_eq!(left.jobs, [vec!["a"], vec!["b", "c"], vec!["d"]]);
        let done = left.done.into_iter().map(|(part, nodes)| (part, nodes.join(" ")));
        Some((left.slot, done.collect()))
    }

    #[test]
    fn a_flow_is_taken_up_where_it_failed_with_what_did_not_succeed() {
        let plan = plan(OnFailure::Stop);
        let first = part((1, 1, 0), RunEnd::Succeeded, &[OK, OK, OK]);
        let b = part((2, 1, 0), RunEnd::Failed, &[OK, BAD, OK]);
        let c = part((2, 2, 0), RunEnd::Succeeded, &[OK, OK, OK]);
        let expected = vec![(1, "n1 n3".to_owned()), (2, "n1 n2 n3".to_owned())];
        assert_eq!(at(&plan, &[first.clone(), b.clone(), c]), Some((2, expected)));
        // One that never began runs whole.
        assert_eq!(at(&plan, &[first.clone(), b]), Some((2, vec![(1, "n1 n3".to_owned())])));
        assert_eq!(at(&plan, &[]), Some((1, vec![])));
        let all = part((3, 1, 0), RunEnd::Succeeded, &[OK, OK, OK]);
        assert_eq!(at(&plan, &[first, all]), None, "nothing is left");
    }

    #[test]
    fn between_two_slots_the_later_one_is_next() {
        let plan = plan(OnFailure::Stop);
        let first = part((1, 1, 0), RunEnd::Succeeded, &[OK, OK, BAD]);
        assert_eq!(at(&plan, &[first]), Some((2, vec![])), "its constraint was met");
        // Its units were done, and nobody came to write that it was over.
        let first = part((1, 1, 0), RunEnd::Lost, &[OK, OK, OK]);
        assert_eq!(at(&plan, &[first]), Some((2, vec![])));
    }

    #[test]
    fn what_was_done_before_the_run_counts() {
        let done = vec![vec!["n1".to_owned()], ["n1", "n2", "n3"].map(str::to_owned).to_vec()];
        let resumed = Some(Resumed { slot: 2, done });
        let plan = Plan { resumed, ..plan(OnFailure::Stop) };
        let carried = || (2, "n1 n2 n3".to_owned());
        assert_eq!(at(&plan, &[]), Some((2, vec![(1, "n1".to_owned()), carried()])));
        let b = Part {
            nodes: vec![("n2".to_owned(), OK), ("n3".to_owned(), BAD)],
            ..part((2, 1, 0), RunEnd::Failed, &[])
        };
        let expected = vec![(1, "n1 n2".to_owned()), carried()];
        assert_eq!(at(&plan, std::slice::from_ref(&b)), Some((2, expected)));
        let fine = Part { nodes: vec![("n2".to_owned(), OK), ("n3".to_owned(), OK)], ..b };
        assert_eq!(
            at(&plan, std::slice::from_ref(&fine)),
            Some((3, vec![])),
            "the whole slot is done"
        );
        // Of another slot than the one it began with, nothing was done before.
        let d = part((3, 1, 0), RunEnd::Failed, &[BAD, OK, BAD]);
        assert_eq!(at(&plan, &[fine, d]), Some((3, vec![(1, "n2".to_owned())])));
    }

    #[test]
    fn a_failure_that_was_put_up_with_is_done_unless_it_was_cut_short() {
        let plan = plan(OnFailure::Continue);
        let next = Some((2, vec![]));
        let again = Some((1, vec![(1, "n1".to_owned())]));
        let first = |end, fates: &[Fate]| part((1, 1, 0), end, fates);
        assert_eq!(at(&plan, &[first(RunEnd::Failed, &[OK, BAD, BAD])]), next);
        assert_eq!(at(&plan, &[first(RunEnd::Failed, &[OK, BAD, CUT])]), again);
        assert_eq!(at(&plan, &[first(RunEnd::Lost, &[OK, CUT, CUT])]), again);
        assert_eq!(at(&plan, &[first(RunEnd::Cancelled, &[OK, BAD, BAD])]), again);
        let open = Part { state: RunState::Running, ..first(RunEnd::Failed, &[OK, BAD, BAD]) };
        assert_eq!(at(&plan, &[open]), again);
    }

    #[test]
    fn what_a_rescue_has_mended_is_done_and_what_it_tidied_up_is_not() {
        let failed = part((1, 1, 0), RunEnd::Failed, &[OK, BAD, BAD]);
        let rescue = |end| part((1, 1, 1), end, &[OK]);
        let again = Some((1, vec![(1, "n1".to_owned())]));
        let mended = plan(OnFailure::Rescue);
        assert_eq!(at(&mended, &[failed.clone(), rescue(RunEnd::Succeeded)]), Some((2, vec![])));
        assert_eq!(at(&mended, &[failed.clone(), rescue(RunEnd::Failed)]), again);
        assert_eq!(at(&mended, std::slice::from_ref(&failed)), again, "the rescue never began");
        assert_eq!(at(&mended, &[rescue(RunEnd::Succeeded)]), Some((2, vec![])), "it ran nowhere");
        let tidied = plan(OnFailure::RescueAndStop);
        assert_eq!(at(&tidied, &[failed, rescue(RunEnd::Succeeded)]), again);
    }

    #[test]
    fn the_last_attempt_tells_what_became_of_a_node() {
        use loom::unit::{Canceller, Kill, UnitId};
        let unit = |node: &str, attempt, outcome| UnitRow {
            unit: UnitId(1),
            run: RunId(1),
            node: node.to_owned(),
            attempt,
            state: UnitState::Done(outcome),
            detail: None,
            result: None,
            worker_pid: None,
            remote_pgid: None,
            cookie: None,
            started_at: None,
            finished_at: None,
            output: Default::default(),
        };
        let by = Canceller::Shutdown;
        let fates = fates(&[
            unit("n1", 2, Outcome::Succeeded),
            unit("n1", 1, Outcome::Unreachable),
            unit("n2", 1, Outcome::Skipped { reason: Reason::Constraint }),
            unit("n3", 1, Outcome::Skipped { reason: Reason::Removed }),
            unit("n4", 1, Outcome::Cancelled { by, kill: Kill::Confirmed }),
            unit("n5", 1, Outcome::Lost),
            unit("n6", 1, Outcome::Crashed),
        ]);
        let fates: Vec<Fate> = fates.into_iter().map(|(_, fate)| fate).collect();
        assert_eq!(fates, [OK, BAD, CUT, CUT, CUT, BAD]);
    }

    #[test]
    fn a_flow_of_no_manifest_is_given_as_it_was() {
        let steps = [Share::Count(1), Share::Percent(10), Share::Percent(100)];
        let part = |job: &str, parallel: &[Share]| Planned {
            job: format!("@flow/{job}"),
            command: Some("true".to_owned()),
            success: Share::Percent(80).to_string(),
            parallel: (!parallel.is_empty())
                .then(|| Parallel { steps: parallel.to_vec() }.to_string()),
            timeout: Some(1.5),
            attempts: 3,
            ..planned(job, 2, OnFailure::Stop)
        };
        let cases = [&[][..], &steps[..1], &steps];
        let slots = vec![cases.map(|parallel| part("x", parallel)).to_vec()];
        let plan = Plan { any_host: true, slots, resumed: None };
        let Some(FlowOf::Given { from, slots, any_host }) = given(&plan, "a.json".to_owned())
        else {
            panic!("not given");
        };
        assert_eq!((from.as_str(), any_host), ("a.json", true));
        for (given, parallel) in slots[0].iter().zip(cases) {
            let expected = GivenPart {
                name: "x".to_owned(),
                command: "true".to_owned(),
                targets: vec!["n1".to_owned(), "n2".to_owned()],
                success: Share::Percent(80),
                parallel: parallel.to_vec(),
                timeout: Some(1500),
                attempts: 3,
            };
            assert_eq!(*given, expected);
        }
        let elsewhere = Planned { job: "x".to_owned(), ..part("x", &[]) };
        let plan = Plan { slots: vec![vec![elsewhere]], ..plan };
        assert_eq!(given(&plan, String::new()), None);
    }
}

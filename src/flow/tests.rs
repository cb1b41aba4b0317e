//! Flows of any shape, whose parts end in any order and any way, against the rules as the manual
//! has them: read off afterwards, from what began and how it ended.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::cron::Schedule;
use crate::job::flow::{FLOW, Flow, OnFailure, Part, Then};
use crate::job::hooks::{Action, Hook, Occasion};
use crate::job::{Job, Source};
use crate::unit::{Outcome, Reason, Trigger};

const RUN: RunId = RunId(1);

/// A part, and how it is to end.
#[derive(Debug, Clone)]
struct Shape {
    nodes: usize,
    end: RunEnd,
    /// If it ends after the flow was told to.
    late: RunEnd,
    word: Word,
}

#[derive(Debug, Clone)]
enum Word {
    Stop,
    Continue,
    Rescue(Box<Shape>, Then),
}

const NO_TARGETS: RunEnd = RunEnd::Skipped { reason: Reason::NoTargets };
const REMOVED: RunEnd = RunEnd::Skipped { reason: Reason::Removed };
const TOO_LATE: RunEnd = RunEnd::Skipped { reason: Reason::Deadline };

fn part(end: RunEnd, word: Word) -> Shape {
    Shape { nodes: 2, end, late: RunEnd::Cancelled, word }
}

fn rescued(end: RunEnd, by: Shape, then: Then) -> Shape {
    part(end, Word::Rescue(Box::new(by), then))
}

fn source() -> Source {
    Source { file: "jobs.yaml".into(), line: 1 }
}

fn job(name: &str, nodes: usize) -> Job {
    let targets = (0..nodes).map(|n| format!("n{n}")).collect();
    Job { targets, ..Job::new(name.to_owned(), "loom.run".into(), Schedule::never(), source()) }
}

fn written(shape: &Shape, name: &str) -> Part {
    let on_failure = match &shape.word {
        Word::Stop => OnFailure::Stop,
        Word::Continue => OnFailure::Continue,
        Word::Rescue(by, then) => {
            OnFailure::Rescue { part: Box::new(written(by, &format!("{name}r"))), then: *then }
        }
    };
    Part { job: job(name, shape.nodes), on_failure }
}

fn info(run: RunId, name: &str, slots: &[Vec<Shape>]) -> Arc<RunInfo> {
    let slot = |(s, parts): (usize, &Vec<Shape>)| {
        parts.iter().enumerate().map(|(p, shape)| written(shape, &format!("p{s}.{p}"))).collect()
    };
    let flow = Flow { any_host: false, slots: slots.iter().enumerate().map(slot).collect() };
    let units = flow.units();
    let job = Job::new(name.to_owned(), FLOW.into(), Schedule::never(), source());
    Arc::new(RunInfo {
        run,
        job: Arc::new(Job { flow: Some(flow), ..job }),
        trigger: Trigger::Manual,
        scheduled_at: None,
        queued_at: Timestamp::UNIX_EPOCH,
        units,
        within: None,
    })
}

fn at(slots: &[Vec<Shape>], place: Place) -> &Shape {
    let mut shape = &slots[place.slot as usize - 1][place.part as usize - 1];
    for _ in 0..place.rescue {
        let Word::Rescue(by, _) = &shape.word else { panic!("{place} is no place") };
        shape = by;
    }
    shape
}

/// What came to pass.
struct Played {
    /// Slot by slot, and a rescue by itself.
    begun: Vec<Vec<Place>>,
    /// How each ended, and whether the flow had been told to end by then.
    ends: BTreeMap<Place, (RunEnd, bool)>,
    over: Over,
}

/// Tells the flow of an end after the other, in the order that `order` draws. `stop`: after so many
/// it is told to end.
fn play(
    slots: &[Vec<Shape>],
    resume: Option<Resume>,
    order: &[usize],
    stop: Option<(usize, RunEnd)>,
) -> Played {
    let mut flows = Flows::default();
    let mut info = info(RUN, "flow", slots);
    let left =
        resume.as_ref().map_or(info.units, |resume| resume.units(info.job.flow.as_ref().unwrap()));
    Arc::make_mut(&mut info).units = left;
    flows.open(info, resume.clone(), false);
    let mut under_way: Vec<Place> = Vec::new();
    let (mut begun, mut ends) = (Vec::<Vec<Place>>::new(), BTreeMap::new());
    let mut order = order.iter().cycle();
    let mut step = flows.begin(RUN);
    let mut told = 0;
    let mut stopped = false;
    let over = loop {
        match step {
            Step::Over(over) => break *over,
            Step::Nothing => {}
            Step::Begin(starts) => {
                assert!(!stopped, "something begins after the end");
                assert!(!starts.is_empty());
                let places: Vec<Place> = starts.iter().map(|start| start.place).collect();
                if starts[0].place.rescue == 0 {
                    assert!(under_way.is_empty(), "{under_way:?} is under way");
                }
                for start in starts {
                    assert!(!under_way.contains(&start.place) && !ends.contains_key(&start.place));
                    assert_nodes(slots, &start, resume.as_ref());
                    under_way.push(start.place);
                }
                begun.push(places);
            }
        }
        assert!(!under_way.is_empty(), "it waits for nothing");
        if let Some((after, end)) = stop
            && after == told
            && !stopped
        {
            stopped = true;
            assert!(flows.end(RUN, end));
            // The first word counts.
            assert!(flows.end(RUN, RunEnd::Lost));
            assert!(matches!(flows.settle(RUN), Step::Nothing), "something is under way");
        }
        assert!(matches!(flows.settle(RUN), Step::Nothing));
        let place = under_way.swap_remove(order.next().unwrap() % under_way.len());
        let shape = at(slots, place);
        let end = if stopped { shape.late } else { shape.end };
        ends.insert(place, (end, stopped));
        told += 1;
        let succeeded = if end == RunEnd::Succeeded { shape.nodes } else { 0 };
        step = flows.ended(RUN, place, Some(RunId(told as u64 + 1)), end, succeeded);
    };
    assert!(under_way.is_empty(), "{under_way:?} is under way at the end");
    assert!(flows.is_at_rest() && flows.is_empty());
    assert!(!flows.end(RUN, RunEnd::Cancelled));
    assert!(matches!(flows.begin(RUN), Step::Nothing));
    assert!(matches!(flows.settle(RUN), Step::Nothing));
    let again = flows.ended(RUN, begun_first(&begun), None, RunEnd::Failed, 0);
    assert!(matches!(again, Step::Nothing), "over once");
    Played { begun, ends, over }
}

fn begun_first(begun: &[Vec<Place>]) -> Place {
    begun.first().map_or(Place { slot: 1, part: 1, rescue: 0 }, |slot| slot[0])
}

/// Only what had succeeded before is left out, and only of the slot that is taken up.
fn assert_nodes(slots: &[Vec<Shape>], start: &Start, resume: Option<&Resume>) {
    let Place { slot, part, rescue } = start.place;
    let all = 0..at(slots, start.place).nodes;
    let done = resume.filter(|resume| resume.slot == slot && rescue == 0);
    let done = done.and_then(|resume| resume.done.get(&part)).cloned().unwrap_or_default();
    let (done, left): (Vec<String>, Vec<String>) =
        all.map(|n| format!("n{n}")).partition(|node| done.contains(node));
    assert_eq!((&start.nodes, start.succeeded), (&left, done.len()), "{}", start.place);
}

/// How a part stands when all of its chain has ended, and what of the chain has begun.
fn chain(
    slots: &[Vec<Shape>],
    place: Place,
    played: &Played,
    begun: &mut Vec<Place>,
) -> Option<RunEnd> {
    begun.push(place);
    let shape = at(slots, place);
    let (end, late) = played.ends[&place];
    match (end, &shape.word) {
        (RunEnd::Succeeded, _) => None,
        (RunEnd::Cancelled, _) => Some(end),
        (RunEnd::Skipped { .. }, Word::Continue) if late => Some(end),
        (_, Word::Continue) => None,
        (_, Word::Rescue(_, then)) if !late => {
            let next = Place { rescue: place.rescue + 1, ..place };
            match (chain(slots, next, played, begun), then) {
                (None, Then::Continue) => None,
                (None, Then::Stop) => Some(RunEnd::Failed),
                // The failure that it was for is there all the same.
                (Some(RunEnd::Skipped { .. }), _) => Some(RunEnd::Failed),
                (Some(end), _) => Some(end),
            }
        }
        // It was to run, and could not.
        (RunEnd::Skipped { .. }, _) if !late => Some(RunEnd::Failed),
        (_, Word::Stop | Word::Rescue(..)) => Some(end),
    }
}

/// What must have begun, and how it must have ended.
fn expected(
    slots: &[Vec<Shape>],
    resume: Option<&Resume>,
    stop: Option<RunEnd>,
    played: &Played,
) -> (Vec<Place>, RunEnd) {
    let mut begun = Vec::new();
    let first = resume.map_or(1, |resume| resume.slot);
    for (slot, parts) in (1..).zip(slots).filter(|(slot, _)| *slot >= first) {
        let mut bad = Vec::new();
        let before = begun.len();
        for (part, shape) in (1..).zip(parts) {
            let done = resume.filter(|resume| resume.slot == slot);
            let done = done.and_then(|resume| resume.done.get(&part)).map_or(0, HashSet::len);
            if done == 0 || done < shape.nodes {
                bad.extend(chain(slots, Place { slot, part, rescue: 0 }, played, &mut begun));
            }
        }
        let late = begun[before..].iter().any(|place| played.ends[place].1);
        let stop = stop.filter(|_| late);
        let blamed = bad.iter().map(|end| match (end, stop) {
            (RunEnd::Cancelled | RunEnd::Skipped { .. }, Some(stop)) => stop,
            (end, _) => *end,
        });
        let blamed: Vec<RunEnd> = blamed.collect();
        for worst in [RunEnd::Failed, RunEnd::Lost, RunEnd::Cancelled] {
            if blamed.contains(&worst) {
                return (begun, worst);
            }
        }
        match (blamed.first(), stop) {
            (Some(skipped), _) => return (begun, *skipped),
            (None, Some(stop)) if (slot as usize) < slots.len() => return (begun, stop),
            (None, _) => {}
        }
    }
    (begun, RunEnd::Succeeded)
}

fn end() -> impl Strategy<Value = RunEnd> {
    prop_oneof![
        6 => Just(RunEnd::Succeeded),
        4 => Just(RunEnd::Failed),
        1 => Just(RunEnd::Lost),
        1 => Just(RunEnd::Cancelled),
        1 => Just(NO_TARGETS),
    ]
}

fn late() -> impl Strategy<Value = RunEnd> {
    prop_oneof![
        4 => Just(RunEnd::Cancelled),
        2 => Just(RunEnd::Succeeded),
        1 => Just(RunEnd::Failed),
        1 => Just(RunEnd::Lost),
        1 => Just(REMOVED),
    ]
}

fn then() -> impl Strategy<Value = Then> {
    prop_oneof![Just(Then::Continue), Just(Then::Stop)]
}

fn shape(rescues: u32) -> BoxedStrategy<Shape> {
    let plain = prop_oneof![2 => Just(Word::Stop), 1 => Just(Word::Continue)].boxed();
    let word = match rescues {
        0 => plain,
        more => {
            let rescue = (shape(more - 1), then());
            prop_oneof![plain, rescue.prop_map(|(by, then)| Word::Rescue(Box::new(by), then))]
                .boxed()
        }
    };
    let shape = |(nodes, end, late, word)| Shape { nodes, end, late, word };
    (0..4usize, end(), late(), word).prop_map(shape).boxed()
}

fn slots() -> impl Strategy<Value = Vec<Vec<Shape>>> {
    proptest::collection::vec(proptest::collection::vec(shape(3), 1..=4), 1..=5)
}

fn stop() -> impl Strategy<Value = Option<(usize, RunEnd)>> {
    let end = prop_oneof![Just(RunEnd::Cancelled), Just(REMOVED), Just(TOO_LATE)];
    proptest::option::of((0..12usize, end))
}

/// A slot that there is, and of its parts what is done: everything or some of it.
fn resume(slots: &[Vec<Shape>], slot: Index, done: &[u8]) -> Resume {
    let slot = slot.index(slots.len());
    let done = (1..).zip(slots[slot].iter().zip(done.iter().cycle()));
    let done = done.map(|(part, (shape, mask))| {
        (part, (0..shape.nodes).filter(|n| mask >> n & 1 == 1).map(|n| format!("n{n}")).collect())
    });
    Resume { slot: slot as u32 + 1, done: done.collect() }
}

proptest! {
    #[test]
    fn what_begins_and_how_it_ends_is_what_the_rules_say(
        slots in slots(),
        stop in stop(),
        order in proptest::collection::vec(0..12usize, 1..20),
        taken_up in proptest::option::of((any::<Index>(), proptest::collection::vec(0..16u8, 4))),
    ) {
        let resume = taken_up.map(|(slot, done)| resume(&slots, slot, &done));
        let played = play(&slots, resume.clone(), &order, stop);
        let told = played.ends.values().any(|(_, late)| *late);
        let stopped = stop.filter(|_| told).map(|(_, end)| end);
        let (begun, end) = expected(&slots, resume.as_ref(), stopped, &played);
        prop_assert_eq!(played.over.end, end);
        let mut places: Vec<Place> = played.begun.concat();
        prop_assert_eq!(places.len(), begun.len(), "each begins once");
        places.sort();
        let mut expected = begun;
        expected.sort();
        prop_assert_eq!(&places, &expected);
        // Slot after slot.
        let slots_begun = played.begun.iter().map(|places| places[0].slot);
        prop_assert!(slots_begun.is_sorted());
        // What it tells of its parts adds up.
        let over = &played.over;
        let told: Vec<Place> = over.parts.iter().map(|part| part.place).collect();
        prop_assert_eq!(told, places);
        for part in &over.parts {
            let done = resume.as_ref().filter(|resume| resume.slot == part.place.slot);
            let done = done.filter(|_| part.place.rescue == 0);
            let done = done.and_then(|resume| resume.done.get(&part.place.part));
            let nodes = at(&slots, part.place).nodes - done.map_or(0, HashSet::len);
            prop_assert_eq!((part.end, part.nodes), (played.ends[&part.place].0, nodes));
        }
        let first = resume.as_ref().map_or(1, |resume| resume.slot) as usize;
        let done: usize = resume.iter().flat_map(|resume| resume.done.values()).map(HashSet::len).sum();
        let planned: usize = slots[first - 1..].iter().flatten().map(|shape| shape.nodes).sum();
        let rescues = over.parts.iter().filter(|part| part.place.rescue > 0);
        let rescues: usize = rescues.map(|part| part.nodes).sum();
        prop_assert_eq!(over.info.units, planned - done + rescues);
    }

    /// One queue for each name, in which one waits; it goes when nothing of the name is under way.
    #[test]
    fn flows_of_one_name_wait_or_are_refused_as_their_overlap_says(
        steps in proptest::collection::vec((0..2usize, 0..4u8, any::<Index>(), any::<bool>()), 1..80),
    ) {
        let slots = [vec![part(RunEnd::Succeeded, Word::Stop)]];
        let place = Place { slot: 1, part: 1, rescue: 0 };
        let names = ["one", "two"];
        let mut flows = Flows::default();
        let mut under_way: [BTreeSet<RunId>; 2] = Default::default();
        let mut waiting: [Option<RunId>; 2] = Default::default();
        let mut next = 1;
        for (which, what, index, by_hand) in steps {
            let overlap = match what {
                0 => Overlap::Skip,
                1 => Overlap::Queue,
                2 => Overlap::Allow,
                _ => {
                    // One of them ends, or somebody ends it, or the one that waits.
                    let all = under_way[which].iter().chain(&waiting[which]).copied();
                    let all: Vec<RunId> = all.collect();
                    if all.is_empty() {
                        continue;
                    }
                    let run = all[index.index(all.len())];
                    let waits = waiting[which] == Some(run);
                    if waits || by_hand {
                        prop_assert!(flows.end(run, RunEnd::Cancelled));
                    }
                    let step = match waits {
                        true => flows.settle(run),
                        false => flows.ended(run, place, None, RunEnd::Succeeded, 1),
                    };
                    let Step::Over(over) = step else { panic!("{run} goes on") };
                    let end = if waits { RunEnd::Cancelled } else { RunEnd::Succeeded };
                    prop_assert_eq!(over.end, end);
                    match waits {
                        true => waiting[which] = None,
                        false => drop(under_way[which].remove(&run)),
                    }
                    let expected = waiting[which].filter(|_| !waits && under_way[which].is_empty());
                    prop_assert_eq!(over.next, expected);
                    if let Some(next) = over.next {
                        prop_assert!(matches!(flows.begin(next), Step::Begin(_)));
                        waiting[which] = None;
                        under_way[which].insert(next);
                    }
                    continue;
                }
            };
            let is_free = under_way[which].is_empty() && waiting[which].is_none();
            let expected = match overlap {
                Overlap::Allow => Entrance::Open,
                _ if is_free => Entrance::Open,
                Overlap::Queue if waiting[which].is_none() => Entrance::Waits,
                Overlap::Queue | Overlap::Skip => Entrance::Refused,
            };
            let entrance = flows.entrance(names[which], overlap);
            prop_assert_eq!(entrance, expected);
            let run = RunId(next);
            next += 1;
            match entrance {
                Entrance::Refused => continue,
                Entrance::Waits => {
                    flows.open(info(run, names[which], &slots), None, true);
                    waiting[which] = Some(run);
                }
                Entrance::Open => {
                    flows.open(info(run, names[which], &slots), None, false);
                    prop_assert!(matches!(flows.begin(run), Step::Begin(_)));
                    under_way[which].insert(run);
                }
            }
            let open = under_way.iter().map(BTreeSet::len).sum::<usize>();
            prop_assert_eq!(flows.len(), open + waiting.iter().flatten().count());
        }
    }
}

fn ends(slots: &[Vec<Shape>], stop: Option<(usize, RunEnd)>) -> RunEnd {
    play(slots, None, &[0], stop).over.end
}

#[test]
fn a_flow_that_was_to_end_has_not_succeeded_because_its_failures_do_not_matter() {
    for stop in [TOO_LATE, REMOVED] {
        let shape = Shape { late: stop, ..part(RunEnd::Succeeded, Word::Continue) };
        assert_eq!(ends(&[vec![shape.clone()]], Some((0, stop))), stop);
        let rescue = rescued(RunEnd::Failed, shape, Then::Continue);
        assert_eq!(ends(&[vec![rescue]], Some((1, stop))), RunEnd::Failed, "nothing mended it");
    }
    // What was under way all the same, and to its end, is what it is.
    let done = Shape { late: RunEnd::Succeeded, ..part(RunEnd::Failed, Word::Stop) };
    assert_eq!(ends(&[vec![done.clone()]], Some((0, REMOVED))), RunEnd::Succeeded);
    let next = part(RunEnd::Succeeded, Word::Stop);
    assert_eq!(ends(&[vec![done], vec![next]], Some((0, REMOVED))), REMOVED);
}

#[test]
fn a_part_that_ran_nowhere_is_a_failure() {
    let well = part(RunEnd::Succeeded, Word::Stop);
    for end in [NO_TARGETS, REMOVED] {
        assert_eq!(ends(&[vec![part(end, Word::Stop)]], None), RunEnd::Failed);
        assert_eq!(ends(&[vec![part(end, Word::Continue)]], None), RunEnd::Succeeded);
        let mended = rescued(end, well.clone(), Then::Continue);
        assert_eq!(ends(&[vec![mended]], None), RunEnd::Succeeded);
    }
}

#[test]
fn whoever_cancels_a_flow_does_not_undo_a_failure() {
    for end in [NO_TARGETS, RunEnd::Failed] {
        let slot = vec![part(end, Word::Stop), part(RunEnd::Succeeded, Word::Stop)];
        assert_eq!(ends(&[slot], Some((1, RunEnd::Cancelled))), RunEnd::Failed);
    }
}

#[test]
fn a_rescue_mends_or_tidies_up() {
    let well = part(RunEnd::Succeeded, Word::Stop);
    let ill = part(RunEnd::Failed, Word::Stop);
    let of = |shape: Shape| ends(&[vec![shape], vec![well.clone()]], None);
    assert_eq!(of(rescued(RunEnd::Lost, well.clone(), Then::Continue)), RunEnd::Succeeded);
    assert_eq!(of(rescued(RunEnd::Lost, well.clone(), Then::Stop)), RunEnd::Failed);
    assert_eq!(of(rescued(RunEnd::Lost, ill.clone(), Then::Continue)), RunEnd::Failed);
    let twice = rescued(RunEnd::Failed, well.clone(), Then::Continue);
    assert_eq!(of(rescued(RunEnd::Failed, twice.clone(), Then::Continue)), RunEnd::Succeeded);
    assert_eq!(of(rescued(RunEnd::Failed, twice, Then::Stop)), RunEnd::Failed);
    let content = part(RunEnd::Failed, Word::Continue);
    assert_eq!(of(rescued(RunEnd::Failed, content, Then::Continue)), RunEnd::Succeeded);
    // Nobody mends what somebody has ended.
    assert_eq!(of(rescued(RunEnd::Cancelled, well.clone(), Then::Continue)), RunEnd::Cancelled);
}

#[test]
fn units_are_kept_for_hooks_only() {
    for listens in [true, false] {
        let mut info = info(RUN, "flow", &[vec![part(RunEnd::Succeeded, Word::Stop)]]);
        let action = Action::Command("true".to_owned());
        let hook = Hook { action, arguments: false, timeout: std::time::Duration::from_secs(1) };
        if listens {
            let job = Arc::make_mut(&mut Arc::make_mut(&mut info).job);
            job.hooks.insert(Occasion::Success, vec![hook]);
        }
        let mut flows = Flows::default();
        flows.open(info, None, false);
        flows.begin(RUN);
        let place = Place { slot: 1, part: 1, rescue: 0 };
        let (detail, result) = Default::default();
        let (node, outcome) = ("n0".to_owned(), Outcome::Succeeded);
        let unit = UnitInfo { node, attempt: 1, outcome, detail, result, took: None };
        flows.unit_ended(RUN, place, &unit);
        let step = flows.ended(RUN, place, Some(RunId(2)), RunEnd::Succeeded, 1);
        let Step::Over(over) = step else { panic!("it goes on") };
        let expected = if listens { vec![unit] } else { Vec::new() };
        assert_eq!(over.parts[0].units, expected);
    }
}

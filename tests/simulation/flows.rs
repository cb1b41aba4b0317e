//! Flows, one event after the other: what follows from the end of a part, and from what people,
//! reloads, deadlines and the ledger do to a flow meanwhile.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use loom::cron::Schedule;
use loom::event::{Cause, Event};
use loom::flow::Resume;
use loom::job::Job;
use loom::job::flow::{FLOW, Flow, OnFailure, Part, Place, Then};
use loom::job::policy::{Overlap, RetryOn, Share};
use loom::node_state;
use loom::unit::{Canceller, Outcome, Reason, RunEnd, RunId, Trigger};

use super::turns::{FAILED, Turns, Wrote, retries};
use super::world::{World, job, source};

fn ann() -> Canceller {
    Canceller::User("ann".into())
}

fn part(job: Job) -> Part {
    let success = job.success.or(Some(Share::Percent(100)));
    Part { job: Job { success, ..job }, on_failure: OnFailure::Stop }
}

fn on(name: &str, nodes: std::ops::Range<usize>) -> Part {
    part(job(name, "@never", nodes))
}

fn going_on(part: Part) -> Part {
    Part { on_failure: OnFailure::Continue, ..part }
}

fn rescued(part: Part, by: Part) -> Part {
    let on_failure = OnFailure::Rescue { part: Box::new(by), then: Then::Continue };
    Part { on_failure, ..part }
}

fn flow(slots: Vec<Vec<Part>>) -> Job {
    let flow = Flow { any_host: false, slots };
    let plain = Job::new("flow".into(), FLOW.into(), Schedule::never(), source());
    Job { flow: Some(flow), ..plain }
}

impl Turns {
    fn begin(&mut self, job: &Job) -> Option<RunId> {
        self.begin_as(job, None, Cause::new(Trigger::Manual, None))
    }

    fn begin_as(&mut self, job: &Job, resume: Option<Resume>, cause: Cause) -> Option<RunId> {
        let run = self.scheduler.begin_flow(self.now, &Arc::new(job.clone()), resume, cause);
        self.settle();
        run
    }

    fn cancel(&mut self, run: RunId) -> bool {
        let open = self.scheduler.cancel_run(self.now, run, &ann());
        self.settle();
        open
    }

    fn connect_all(&mut self) {
        while let Some(id) = self.connecting.pop() {
            self.on_master(node_state::Event::Connected(id));
        }
    }

    fn end_of(&self, run: RunId) -> Option<RunEnd> {
        let mut ends = self.runs.iter().filter_map(|wrote| match wrote {
            Wrote::Closed(of, end) if *of == run => Some(*end),
            _ => None,
        });
        let end = ends.next();
        assert_eq!(ends.next(), None, "run {run} is closed twice");
        end
    }

    /// Of runs that are parts, in the order in which they were opened.
    fn parts(&self) -> Vec<&str> {
        let parts = self.runs.iter().filter_map(|wrote| match wrote {
            Wrote::Opened(_, job, Some(_)) => Some(job.as_str()),
            _ => None,
        });
        parts.collect()
    }

    fn assert_at_rest(&mut self) {
        assert!(self.scheduler.is_idle(), "{:?}", self.scheduler);
        assert_eq!(self.scheduler.open_runs(), 0);
        self.pass(Duration::from_secs(3600));
        assert_eq!(self.scheduler.forgotten(), None);
    }
}

fn place(slot: u32, part: u32, rescue: u32) -> Place {
    Place { slot, part, rescue }
}

#[test]
fn a_flow_is_opened_before_its_parts_and_closed_after_them() {
    let mut turns = Turns::new(2, 4);
    let flow = flow(vec![vec![on("a", 0..1), on("b", 1..2)], vec![on("c", 0..1)]]);
    let run = turns.begin(&flow).unwrap();
    turns.connect_all();
    turns.done(0, Outcome::Succeeded);
    assert_eq!(turns.parts(), ["a", "b"], "the next slot waits for the other");
    turns.done(1, Outcome::Succeeded);
    turns.done(2, Outcome::Succeeded);
    let [a, b, c] = [2, 3, 4].map(RunId);
    let of = |slot, part| Some((run, place(slot, part, 0)));
    let (succeeded, opened) =
        (RunEnd::Succeeded, |run, job: &str, within| Wrote::Opened(run, job.to_owned(), within));
    // The connection of n1 came up first.
    assert_eq!(
        turns.runs,
        [
            opened(run, "flow", None),
            opened(a, "a", of(1, 1)),
            opened(b, "b", of(1, 2)),
            Wrote::Began(run),
            Wrote::Began(b),
            Wrote::Began(a),
            Wrote::Closed(b, succeeded),
            Wrote::Closed(a, succeeded),
            opened(c, "c", of(2, 1)),
            Wrote::Began(c),
            Wrote::Closed(c, succeeded),
            Wrote::Closed(run, succeeded),
        ]
    );
    let told: Vec<(RunId, usize, usize)> = (turns.told.iter())
        .filter_map(|event| match event {
            Event::RunEnded { run, succeeded, parts, .. } => {
                Some((run.run, *succeeded, parts.len()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(told, [(b, 1, 0), (a, 1, 0), (c, 1, 0), (run, 3, 3)]);
    turns.assert_at_rest();
}

/// Each end makes the next begin: in turn, or the stack would end.
#[test]
fn a_thousand_slots_in_which_nothing_can_run_do_not_nest() {
    const SLOTS: usize = 1000;
    let mut turns = Turns::new(0, 4);
    let nothing = || going_on(on("none", 0..0));
    let gone = || going_on(on("gone", 5..6));
    let slots = (0..SLOTS).map(|n| vec![if n % 2 == 0 { nothing() } else { gone() }]);
    let run = turns.begin(&flow(slots.collect())).unwrap();
    assert_eq!(turns.end_of(run), Some(RunEnd::Succeeded));
    assert_eq!(turns.parts(), [""; 0]);
    // Whose node is gone, and that the flow lacks it.
    assert_eq!(turns.gaps.len(), SLOTS / 2);
    let gap = &turns.gaps[0];
    assert_eq!(
        (gap.reason, gap.run, gap.node.as_deref()),
        (Reason::Removed, Some(run), Some("n5"))
    );
    let missed = turns.told.iter().filter(|event| matches!(event, Event::Missed { .. })).count();
    assert_eq!(missed, SLOTS, "each is told of");
    turns.assert_at_rest();
    let chain = (0..SLOTS).fold(nothing(), |by, _| rescued(nothing(), by));
    let run = turns.begin(&flow(vec![vec![chain]])).unwrap();
    assert_eq!(turns.end_of(run), Some(RunEnd::Succeeded));
    turns.assert_at_rest();
}

#[test]
fn parts_that_may_not_overlap_are_left_out_and_the_flow_lacks_them() {
    let mut turns = Turns::new(1, 4);
    turns.run(job("a", "@daily", 0..1));
    // In a manifest `skip` becomes `queue` here; a further one is left out all the same.
    let again = || part(Job { overlap: Overlap::Queue, ..job("a", "@never", 0..1) });
    let run = turns.begin(&flow(vec![vec![again(), again()], vec![on("b", 0..1)]])).unwrap();
    assert_eq!(turns.parts(), ["a"]);
    let gap = &turns.gaps[0];
    assert_eq!((gap.reason, gap.run), (Reason::Overlap, Some(run)));
    turns.connect_all();
    assert_eq!(turns.sent.len(), 1, "it waits behind the one there is");
    turns.done(0, FAILED);
    turns.done(1, Outcome::Succeeded);
    assert_eq!(turns.end_of(run), Some(RunEnd::Failed));
    turns.assert_at_rest();
}

#[test]
fn a_part_whose_nodes_are_gone_has_no_hope_and_is_rescued() {
    let mut turns = Turns::new(4, 4);
    let most = part(Job { success: Some(Share::Percent(80)), ..job("most", "@never", 0..6) });
    let flow = flow(vec![vec![rescued(most, on("rescue", 0..1))], vec![on("next", 1..2)]]);
    let run = turns.begin(&flow).unwrap();
    let constraint = Outcome::Skipped { reason: Reason::Constraint };
    assert_eq!(turns.ended(&constraint), 4, "four of six cannot be 80 %");
    assert_eq!(turns.gaps.len(), 2);
    assert!(turns.gaps.iter().all(|gap| gap.run == Some(RunId(2)) && gap.node.is_some()));
    assert_eq!(turns.parts(), ["most", "rescue"]);
    turns.connect_all();
    turns.done(0, Outcome::Succeeded);
    turns.connect_all();
    turns.done(1, Outcome::Succeeded);
    assert_eq!(turns.end_of(run), Some(RunEnd::Succeeded));
    turns.assert_at_rest();
}

#[test]
fn what_had_succeeded_before_counts_when_a_flow_is_taken_up() {
    let mut turns = Turns::new(9, 4);
    let most = part(Job { success: Some(Share::Percent(80)), ..job("most", "@never", 0..10) });
    let flow = flow(vec![vec![on("first", 0..1)], vec![most], vec![on("last", 0..1)]]);
    let resume = |nodes: std::ops::Range<usize>| {
        let nodes: HashSet<String> = nodes.map(|n| format!("n{n}")).collect();
        Some(Resume { slot: 2, done: BTreeMap::from([(1, nodes)]) })
    };
    let cause = || Cause::new(Trigger::Retry, None);
    // n9 is gone. Seven succeeded, two are left, of which one must.
    let run = turns.begin_as(&flow, resume(0..7), cause()).unwrap();
    turns.connect_all();
    turns.done(0, FAILED);
    assert_eq!(turns.parts(), ["most"]);
    turns.done(1, Outcome::Succeeded);
    turns.connect_all();
    turns.done(2, Outcome::Succeeded);
    assert_eq!(turns.end_of(run), Some(RunEnd::Succeeded));
    // Only n9 is left, and it is gone; nine of ten had succeeded.
    turns.runs.clear();
    let run = turns.begin_as(&flow, resume(0..9), cause()).unwrap();
    assert_eq!(turns.parts(), ["last"], "enough had succeeded");
    turns.connect_all();
    turns.done(3, Outcome::Succeeded);
    assert_eq!(turns.end_of(run), Some(RunEnd::Succeeded));
    let Some(Event::RunEnded { run, succeeded, .. }) = turns.told.last() else { panic!() };
    assert_eq!((run.units, *succeeded), (2, 1), "of those that were left");
    turns.assert_at_rest();
}

#[test]
fn a_part_is_over_when_the_last_attempt_is() {
    let mut turns = Turns::new(1, 4);
    let again = Job { retries: retries(2, &[RetryOn::Failed]), ..job("again", "@never", 0..1) };
    let flow = flow(vec![vec![rescued(part(again), on("rescue", 0..1))], vec![on("next", 0..1)]]);
    let run = turns.begin(&flow).unwrap();
    turns.connect_all();
    turns.done(0, FAILED);
    assert_eq!(turns.parts(), ["again"], "it has another attempt");
    turns.pass(Duration::from_secs(45));
    turns.done(1, Outcome::Succeeded);
    assert_eq!(turns.parts(), ["again", "next"]);
    turns.done(2, Outcome::Succeeded);
    assert_eq!(turns.end_of(run), Some(RunEnd::Succeeded));
    turns.assert_at_rest();
}

#[test]
fn a_cancelled_flow_ends_with_its_last_unit_and_nothing_more_begins() {
    let mut turns = Turns::new(3, 4);
    let slots = || {
        let first = rescued(on("a", 0..1), on("rescue", 0..1));
        vec![vec![first, on("b", 1..2)], vec![on("c", 2..3)]]
    };
    let run = turns.begin(&flow(slots())).unwrap();
    turns.on_master(node_state::Event::Connected(turns.connecting[0]));
    assert_eq!(turns.sent.len(), 1, "one runs, one waits for its node");
    assert!(turns.cancel(run));
    assert_eq!((turns.ends.len(), turns.end_of(run)), (1, None));
    assert!(turns.cancel(run), "it is still there");
    turns.done(0, FAILED);
    assert_eq!(turns.end_of(run), Some(RunEnd::Failed), "it failed before it was ended");
    assert_eq!(turns.parts(), ["a", "b"]);
    assert!(!turns.cancel(run));
    // Before the first part has begun: it never does.
    turns.runs.clear();
    let job = Arc::new(flow(slots()));
    let cause = Cause::new(Trigger::Manual, None);
    let run = turns.scheduler.begin_flow(turns.now, &job, None, cause).unwrap();
    assert!(turns.cancel(run));
    assert_eq!(turns.parts(), [""; 0]);
    assert_eq!(turns.end_of(run), Some(RunEnd::Cancelled));
    turns.on_master(node_state::Event::Exited(turns.connecting[1]));
    turns.assert_at_rest();
}

#[test]
fn whoever_cancels_a_part_stops_the_flow_when_its_siblings_are_done() {
    let mut turns = Turns::new(2, 4);
    let first = rescued(going_on(on("a", 0..1)), on("rescue", 0..1));
    let run = turns.begin(&flow(vec![vec![first, on("b", 1..2)], vec![on("c", 0..1)]])).unwrap();
    assert!(turns.cancel(RunId(2)));
    assert_eq!(turns.end_of(RunId(2)), Some(RunEnd::Cancelled));
    assert_eq!(turns.end_of(run), None);
    turns.connect_all();
    turns.done(0, Outcome::Succeeded);
    assert_eq!(turns.end_of(RunId(3)), Some(RunEnd::Succeeded));
    assert_eq!(turns.end_of(run), Some(RunEnd::Cancelled));
    turns.assert_at_rest();
}

#[test]
fn a_flow_that_did_not_begin_in_time_is_skipped_with_its_parts() {
    let mut turns = Turns::new(1, 1);
    // It has the only worker.
    turns.run(job("long", "@never", 0..1));
    turns.connect_all();
    let late = Duration::from_secs(600);
    for on_failure in [OnFailure::Stop, OnFailure::Continue] {
        turns.runs.clear();
        turns.told.clear();
        let first = Part { on_failure, ..on("a", 0..1) };
        let job = Job { deadline: late, overlap: Overlap::Queue, ..flow(vec![vec![first]]) };
        let cause = |turns: &Turns| Cause::new(Trigger::Schedule, Some(turns.now.wall));
        let cause = cause(&turns);
        let run = turns.begin_as(&job, None, cause.clone()).unwrap();
        let waits = turns.begin_as(&job, None, cause.clone()).unwrap();
        assert_eq!(turns.begin_as(&job, None, cause), None);
        assert_eq!(turns.gaps.pop().unwrap().reason, Reason::Overlap);
        turns.pass_both(late);
        let skipped = Some(RunEnd::Skipped { reason: Reason::Deadline });
        assert_eq!((turns.end_of(run), turns.end_of(waits)), (skipped, skipped));
        assert_eq!(turns.parts(), ["a"], "the one that waited had no turn");
        let lates = turns.told.iter().filter(|event| matches!(event, Event::RunLate(_))).count();
        assert_eq!(lates, 2);
        assert_eq!(turns.scheduler.open_runs(), 1);
    }
    // It has begun, and may take its time.
    let job = Job { deadline: late, ..flow(vec![vec![on("a", 0..1)], vec![on("b", 0..1)]]) };
    let cause = Cause::new(Trigger::Schedule, Some(turns.now.wall));
    let run = turns.begin_as(&job, None, cause).unwrap();
    turns.done(0, Outcome::Succeeded);
    turns.pass_both(late);
    turns.done(1, Outcome::Succeeded);
    turns.pass_both(late);
    turns.done(2, Outcome::Succeeded);
    assert_eq!(turns.end_of(run), Some(RunEnd::Succeeded));
    turns.assert_at_rest();
}

impl Turns {
    /// On both clocks.
    fn pass_both(&mut self, time: Duration) {
        self.now.wall += SignedDuration::try_from(time).unwrap();
        self.pass(time);
    }
}

#[test]
fn the_next_of_a_name_begins_when_the_one_before_is_over() {
    let mut turns = Turns::new(1, 4);
    let flow = Job { overlap: Overlap::Queue, ..flow(vec![vec![on("a", 0..1)]]) };
    let first = turns.begin(&flow).unwrap();
    let second = turns.begin(&flow).unwrap();
    assert_eq!(turns.begin(&flow), None, "one waits already");
    assert_eq!(turns.parts(), ["a"]);
    turns.connect_all();
    turns.done(0, FAILED);
    assert_eq!((turns.end_of(first), turns.parts()), (Some(RunEnd::Failed), vec!["a", "a"]));
    let third = turns.begin(&flow).unwrap();
    assert!(turns.cancel(third), "it only waits");
    assert_eq!(turns.end_of(third), Some(RunEnd::Cancelled));
    let fourth = turns.begin(&flow).unwrap();
    assert!(turns.cancel(second));
    turns.done(1, Outcome::Cancelled { by: ann(), kill: loom::unit::Kill::Confirmed });
    assert_eq!(turns.end_of(second), Some(RunEnd::Cancelled));
    turns.done(2, Outcome::Succeeded);
    assert_eq!(turns.end_of(fourth), Some(RunEnd::Succeeded));
    turns.assert_at_rest();
}

#[test]
fn at_a_stop_flows_end_with_what_runs() {
    for (slots, end) in [(1, RunEnd::Succeeded), (2, RunEnd::Cancelled)] {
        let mut turns = Turns::new(1, 4);
        let slots = (0..slots).map(|n| vec![on(&format!("s{n}"), 0..1)]).collect();
        let flow = Job { overlap: Overlap::Queue, ..flow(slots) };
        let run = turns.begin(&flow).unwrap();
        let waits = turns.begin(&flow).unwrap();
        turns.connect_all();
        turns.scheduler.stop(turns.now, &Canceller::Shutdown);
        turns.settle();
        assert_eq!((turns.end_of(run), turns.end_of(waits)), (None, Some(RunEnd::Cancelled)));
        turns.done(0, Outcome::Succeeded);
        assert_eq!(turns.end_of(run), Some(end));
        assert_eq!(turns.parts(), ["s0"]);
        assert!(turns.scheduler.is_idle());
    }
}

#[test]
fn a_flow_that_leaves_the_configuration_ends_with_what_runs() {
    let mut turns = Turns::new(2, 4);
    let again = Job { retries: retries(3, &[RetryOn::Failed]), ..job("a", "@never", 0..2) };
    let slots =
        || vec![vec![rescued(part(again.clone()), on("rescue", 0..1))], vec![on("b", 0..1)]];
    let reload = |turns: &mut Turns| {
        turns.scheduler.end_removed_flows(turns.now, |job| job.name == "flow");
        // Its jobs stand nowhere else: the flow is meant.
        turns.scheduler.skip_removed(turns.now, |job, _| job.name == "flow");
        turns.settle();
    };
    let removed = RunEnd::Skipped { reason: Reason::Removed };
    let run = turns.begin(&flow(slots())).unwrap();
    reload(&mut turns);
    assert_eq!(turns.end_of(run), Some(removed));
    let reasons = [Reason::Removed, Reason::Constraint];
    assert_eq!(reasons.map(|reason| turns.ended(&Outcome::Skipped { reason })), [1, 1]);
    for (outcome, end) in [(Outcome::Succeeded, removed), (FAILED, RunEnd::Failed)] {
        turns.runs.clear();
        let before = turns.sent.len();
        let run = turns.begin(&flow(slots())).unwrap();
        turns.connect_all();
        reload(&mut turns);
        assert_eq!(turns.end_of(run), None, "it runs on both");
        turns.done(before, Outcome::Succeeded);
        turns.done(before + 1, outcome);
        assert_eq!((turns.end_of(run), turns.parts()), (Some(end), vec!["a"]));
    }
    turns.assert_at_rest();
}

#[test]
fn a_flow_whose_nodes_leave_the_configuration_has_failed() {
    let mut turns = Turns::new(1, 4);
    let run = turns.begin(&flow(vec![vec![on("a", 0..1)]])).unwrap();
    turns.scheduler.skip_removed(turns.now, |_, node| node.name == "n0");
    turns.settle();
    assert_eq!(turns.end_of(RunId(2)), Some(RunEnd::Skipped { reason: Reason::Removed }));
    assert_eq!(turns.end_of(run), Some(RunEnd::Failed));
    turns.on_master(node_state::Event::Exited(turns.connecting[0]));
    turns.assert_at_rest();
}

#[test]
fn a_flow_whose_part_the_ledger_refuses_has_failed() {
    let mut turns = Turns::new(1, 4);
    turns.refused = Some("a".to_owned());
    let run = turns.begin(&flow(vec![vec![on("a", 0..1)], vec![on("b", 0..1)]])).unwrap();
    assert_eq!((turns.ends.len(), turns.sent.len()), (1, 0));
    assert_eq!((turns.end_of(run), turns.parts()), (Some(RunEnd::Failed), vec!["a"]));
    turns.assert_at_rest();
}

/// Ten slots each, in which a canary goes before the rest, some units fail and rescues mend that.
#[test]
fn a_hundred_flows_on_ten_thousand_nodes() {
    const FLOWS: usize = 100;
    const SLOTS: usize = 10;
    let flows = (0..FLOWS).map(|n| {
        let nodes = n * 100..(n + 1) * 100;
        let slots = (0..SLOTS).map(|slot| {
            let name = |what: &str| format!("f{n}/{what}{slot}");
            let rules = |job: Job| part(Job { parallel: Some(Share::Percent(50).into()), ..job });
            let half = nodes.start + 50;
            let first = rules(job(&name("a"), "@never", nodes.start..half));
            let second = rules(job(&name("b"), "@never", half..nodes.end));
            let mend = |part, what| rescued(part, going_on(on(&name(what), nodes.clone())));
            vec![mend(first, "ra"), mend(second, "rb")]
        });
        let (name, schedule) = (format!("f{n}"), Schedule::parse("* * * * *").unwrap());
        Job { name, schedule, timezone: Some("UTC".into()), ..flow(slots.collect()) }
    });
    let mut world = World::new(10_000, 50, flows.collect());
    world.unit = |unit| {
        let failed = unit.0.is_multiple_of(997);
        let outcome = if failed { FAILED } else { Outcome::Succeeded };
        (Duration::from_millis(1000 + unit.0 % 2000), outcome)
    };
    let span = Duration::from_secs(31);
    let begun = std::time::Instant::now();
    world.play(span);
    let took = begun.elapsed();
    world.assert_books_add_up(span);
    let books = &world.books;
    let units = books.succeeded + books.failed + books.skipped;
    println!("{FLOWS} flows: {units} units in {took:.1?}, runs: {:?}", books.ends);
    assert!(units >= FLOWS * SLOTS * 100);
    // Each that failed was mended: all flows succeeded, and failed runs had a rescue.
    let parts = FLOWS * SLOTS * 2;
    let failed = books.ends["failed"];
    assert!(failed >= 50 && books.ends["succeeded"] >= FLOWS + parts - failed);
    assert_eq!(books.unreachable + books.gaps, 0);
}

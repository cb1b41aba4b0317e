//! What became of a due instant: every verdict, by what the ledger has.

use jiff::{SignedDuration, Timestamp};
use loom::access::Role;
use loom::api::job::{Verdict, Why};
use loom::event::Within;
use loom::job::flow::Place;
use loom::protocol::control::{JobEntry, News, Switched};
use loom::store::{Gap, Record};
use loom::unit::{Outcome, Reason, RunEnd, RunId, Trigger};
use serde_json::json;

use super::rig::{How, Rig, at, close_unit, job, known, node, open_run, whole_run};

fn nightly() -> JobEntry {
    JobEntry {
        timezone: Some("Europe/Berlin".to_owned()),
        details: r#"{"deadline":"3h"}"#.to_owned(),
        ..job("nightly", "0 2 * * *")
    }
}

fn rig() -> Rig {
    Rig::local(&[nightly()], &[node("n1"), node("n2")])
}

fn why(rig: &Rig, at: &str) -> Why {
    let query = if at.is_empty() { String::new() } else { format!("?at={at}") };
    rig.client.get(&format!("/api/v1/jobs/nightly/why{query}")).of()
}

fn gap(node: Option<&str>, first: &str, last: &str, count: u64, reason: Reason) -> Gap {
    Gap {
        job: "nightly".to_owned(),
        node: node.map(str::to_owned),
        first_at: at(first),
        last_at: at(last),
        count,
        epoch: 0,
        reason,
        run: None,
    }
}

#[test]
fn a_run_is_told_of_with_what_it_left_out_and_why() {
    let rig = rig();
    let due = at("2026-02-01T01:00:00Z");
    let early = at("2026-02-01T00:30:00Z");
    // One that still runs on n2.
    rig.record(&[open_run(1, "nightly", &How::manual(early), &["n1", "n2"])]);
    rig.parent.start_unit(1, 1, early);
    rig.record(&[close_unit(1, 0, Outcome::Succeeded, early)]);
    let ends = [("n1", Outcome::Failed { exit: Some(1) })];
    rig.record(&whole_run(2, "nightly", &How::scheduled(due), &ends, RunEnd::Failed));
    let at_due = "2026-02-01T01:00:00Z";
    let left_out = gap(Some("n2"), at_due, at_due, 1, Reason::Overlap);
    rig.record(&[Record::Gap(Gap { run: Some(RunId(2)), ..left_out })]);
    // The job's zone, with seconds, with an offset: the same instant.
    for text in ["2026-02-01T02:00", "2026-02-01%2002:00:59", "2026-02-01T02:00:00%2B01:00"] {
        let told = why(&rig, text);
        assert_eq!((told.verdict, told.at), (Verdict::Run, due), "{text}");
        assert_eq!(
            told.text,
            "It ran, and run 2 failed: its one node failed. It left out n2: the job still ran (run \
             1, since 2026-02-01 01:30 CET, on n2)."
        );
        assert_eq!(told.run.unwrap().id, 2);
        assert_eq!(told.gaps.len(), 1);
        assert_eq!(told.due_before, Some(at("2026-01-31T01:00:00Z")));
        assert_eq!(told.due_after, Some(at("2026-02-02T01:00:00Z")));
    }
}

#[test]
fn a_gap_is_told_with_what_its_reason_means() {
    let rig = rig();
    let down = gap(None, "2026-02-01T01:00:00Z", "2026-02-05T01:00:00Z", 5, Reason::DaemonDown);
    let late = gap(None, "2026-02-06T01:00:00Z", "2026-02-06T01:00:00Z", 1, Reason::Deadline);
    let overlap = gap(None, "2026-02-08T01:00:00Z", "2026-02-08T01:00:00Z", 1, Reason::Overlap);
    rig.record(&[down, late, overlap].map(Record::Gap));
    let due = at("2026-02-07T01:00:00Z");
    rig.record(&[open_run(1, "nightly", &How::scheduled(due), &["n1", "n2"])]);
    let told = why(&rig, "2026-02-03T02:00");
    assert_eq!(told.verdict, Verdict::Gap);
    assert_eq!(
        told.text,
        "It did not run: the daemon did not run then. The same holds for 5 due instants, from \
         2026-02-01 02:00 CET to 2026-02-05 02:00 CET."
    );
    let late =
        "It did not run: it was noticed too late to be worth running (its `deadline` is 3h).";
    assert_eq!(why(&rig, "2026-02-06T02:00").text, late);
    assert_eq!(
        why(&rig, "2026-02-08T02:00").text,
        "It did not run: the job still ran (run 1, since 2026-02-07 02:00 CET, on n1 and n2)."
    );
    // Within a gap, and not due all the same.
    let told = why(&rig, "2026-02-03T12:00");
    assert_eq!(told.verdict, Verdict::NotDue);
    assert_eq!(
        told.text,
        "It is not due at 2026-02-03 12:00 CET: its schedule is `0 2 * * *`, in Europe/Berlin. Of \
         the due instants before it is 2026-02-03 02:00 CET, after it 2026-02-04 02:00 CET."
    );
}

#[test]
fn what_is_to_come_says_so_and_what_keeps_it_from_running() {
    let rig = rig();
    let next = why(&rig, "").due_after.unwrap().to_string();
    let told = why(&rig, &next);
    assert_eq!(told.verdict, Verdict::Future);
    assert!(
        told.text.contains("is still to come, in ") && told.text.ends_with('.'),
        "{}",
        told.text
    );
    rig.tell(News::Paused(true));
    rig.heard();
    assert!(why(&rig, &next).text.ends_with("all schedules are paused."));
    let off = Some(Switched { by: "bob".to_owned(), at: at("2026-02-01T00:00:00Z") });
    rig.tell(News::Switched { job: "nightly".to_owned(), off });
    rig.heard();
    let text = why(&rig, &next).text;
    assert!(text.ends_with("the job was switched off by bob at 2026-02-01 01:00 CET."), "{text}");
    let stands: Why = rig.client.get("/api/v1/jobs/nightly/why").of();
    let text = stands.text;
    assert!(text.contains(" As things are it does not run: the job was switched off"), "{text}");
    let not_due = (at(&next) + SignedDuration::from_mins(1)).to_string();
    assert_eq!(why(&rig, &not_due).verdict, Verdict::NotDue);
}

#[test]
fn what_has_no_entry_says_what_may_be_the_cause() {
    let rig = rig();
    let told = why(&rig, "2025-12-31T02:00");
    assert_eq!(told.verdict, Verdict::Before);
    assert!(told.text.starts_with("The ledger knows the job since 2026-01-01 01:00 CET;"));
    let told = why(&rig, "2026-02-01T02:00");
    assert_eq!(told.verdict, Verdict::Nothing);
    assert!(told.text.contains("has not come to it"), "{}", told.text);
    let through = at("2026-02-01T01:00:00Z");
    rig.record(&[Record::Accounted { job: "nightly".to_owned(), through }]);
    let told = why(&rig, "2026-02-01T02:00");
    assert_eq!(told.verdict, Verdict::Nothing);
    assert!(told.text.contains("pruned"), "{}", told.text);
}

#[test]
fn without_an_instant_it_is_the_last_that_was_due() {
    let every = job("every", "* * * * *");
    let rig = Rig::local(&[every, job("leap", "0 0 29 2 *")], &[]);
    let told: Why = rig.client.get("/api/v1/jobs/every/why").of();
    let age = Timestamp::now().duration_since(told.at);
    assert!(age >= SignedDuration::ZERO && age < SignedDuration::from_secs(120), "{age}");
    let told: Why = rig.client.get("/api/v1/jobs/leap/why").of();
    assert!(told.at.to_string().contains("-02-29T00:00:00Z"));
    for text in ["soon", "2026-02-01", "2026-02-01T02:00:00+01:00"] {
        rig.client.get(&format!("/api/v1/jobs/leap/why?at={text}")).problem(400);
    }
}

#[test]
fn of_a_job_that_is_gone_the_ledger_still_tells() {
    let rig = Rig::remote(&[nightly(), job("other", "@daily")], &[]);
    let due = at("2026-02-01T01:00:00Z");
    let ends = [("n1", Outcome::Succeeded)];
    rig.record(&whole_run(1, "nightly", &How::scheduled(due), &ends, RunEnd::Succeeded));
    let left = [job("other", "@daily")];
    let jobs = known(&left);
    rig.record(&[Record::Jobs { jobs, at: at("2026-02-01T12:00:00Z") }]);
    rig.parent.catalog(2, &left, &[]);
    rig.heard();
    let client = rig.client.clone().bearer(&rig.token("all", Role::Viewer, &[]));
    let path = "/api/v1/jobs/nightly/why";
    client.get("/api/v1/jobs/nightly").problem(404);
    let told: Why = client.get(path).of();
    assert_eq!((told.verdict, told.at, told.due_after), (Verdict::Run, due, None));
    let told: Why = client.get(&format!("{path}?at=2026-02-02T02:00")).of();
    assert_eq!(told.verdict, Verdict::NotDue);
    assert_eq!(
        told.text,
        "It was not due at 2026-02-02 02:00 CET: the job was taken out of the configuration at \
         2026-02-01 13:00 CET."
    );
    let limited = rig.client.clone().bearer(&rig.token("limited", Role::Viewer, &["other"]));
    assert_eq!(limited.get(path).problem(404), r#"there is no job "nightly""#);
    client.get("/api/v1/jobs/never/why").problem(404);
}

/// A run of the flow `nightly` whose second slot was left undone.
fn flow(rig: &Rig, run: u64, how: &How) {
    let part = |job: &str, needed: u32| {
        json!({"job": job, "targets": ["n1", "n2"], "success": "100%", "needed": needed,
               "at_once": [2], "attempts": 1, "on_failure": "stop"})
    };
    let slots = json!({"slots": [[part("first", 1)], [part("second", 2)]]});
    let mut opening = open_run(run, "nightly", how, &[]);
    let Record::OpenRun { plan, .. } = &mut opening else { unreachable!() };
    *plan = Some(slots.to_string());
    let mut records = vec![opening];
    for (slot, job, end) in [(1, "first", RunEnd::Succeeded), (2, "second", RunEnd::Failed)] {
        let ends = [("n1", Outcome::Succeeded), ("n2", Outcome::Failed { exit: Some(1) })];
        let part = How { trigger: Trigger::Flow, scheduled_at: None, ..how.clone() };
        let mut whole = whole_run(run + u64::from(slot), job, &part, &ends, end);
        let Record::OpenRun { within, .. } = &mut whole[0] else { unreachable!() };
        let place = Place { slot, part: 1, rescue: 0 };
        *within = Some(Within { flow: RunId(run), place, missing: 0, succeeded: 0 });
        records.extend(whole);
    }
    records.push(Record::CloseRun { run: RunId(run), end: RunEnd::Failed, at: how.at });
    rig.record(&records);
}

#[test]
fn a_flow_is_told_of_by_its_slots() {
    let rig = rig();
    let due = at("2026-02-01T01:00:00Z");
    flow(&rig, 1, &How::scheduled(due));
    let told = why(&rig, "2026-02-01T02:00");
    let expected = "It was begun because it was due. In slot 2 second succeeded on 1 of 2 nodes, and \
                    needed 2 (run 3). That ended it in slot 2 of 2. `loom flow retry 1` takes up \
                    what is left of it.";
    assert!(told.text.ends_with(expected), "{}", told.text);
    assert_eq!((told.verdict, told.run.map(|run| run.id)), (Verdict::Run, Some(1)));

    // One that is under way keeps out the next, without units of its own.
    rig.record(&[open_run(10, "nightly", &How::manual(due), &[])]);
    let next = "2026-02-02T01:00:00Z";
    rig.record(&[Record::Gap(gap(None, next, next, 1, Reason::Overlap))]);
    assert_eq!(why(&rig, next).text, "It did not run: the job still ran there.");
    let manual = How { by: Some("ann".to_owned()), ..How::manual(due) };
    let mut opening = open_run(11, "nightly", &manual, &[]);
    let Record::OpenRun { plan, .. } = &mut opening else { unreachable!() };
    *plan = Some(json!({"slots": []}).to_string());
    rig.record(&[opening]);
    let said = why(&rig, next).text;
    assert_eq!(said, "It did not run: the job still ran (run 11, since 2026-02-01 02:00 CET).");
}

#[test]
fn a_run_is_told_of_whenever_it_was_and_of_what_is_never_due_the_last_is() {
    let rig = Rig::local(&[job("nightly", "@never"), job("other", "@never")], &[node("n1")]);
    let day = at("2026-02-01T01:23:45Z");
    let ask = |query: &str| rig.client.get(&format!("/api/v1/jobs/nightly/why{query}"));
    assert_eq!(ask("").of::<Why>().verdict, Verdict::NotDue, "it has not run yet");
    let ann = How { by: Some("ann".to_owned()), ..How::manual(day) };
    let fine = [("n1", Outcome::Succeeded)];
    rig.record(&whole_run(1, "nightly", &ann, &fine, RunEnd::Succeeded));
    flow(&rig, 10, &ann);
    let last: Why = ask("").of();
    assert!(last.text.contains("It was begun because ann asked for it."), "{}", last.text);
    assert_eq!((last.verdict, last.at, last.run.unwrap().id), (Verdict::Run, day, 10));
    let first: Why = ask("?run=1").of();
    assert!(first.text.contains("run 1 succeeded: its one node succeeded"), "{}", first.text);
    rig.record(&whole_run(20, "other", &ann, &fine, RunEnd::Succeeded));
    for run in [20, 99] {
        assert!(ask(&format!("?run={run}")).problem(404).contains("of nightly"));
    }
    ask("?run=1&at=02:00").problem(400);
}

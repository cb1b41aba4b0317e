//! Runs and units: lists, one of them, cancelling and trying again.

use std::time::Duration;

use loom::access::Role;
use loom::api::Page;
use loom::api::run::{Run, RunDetail, Started};
use loom::api::unit::Unit;
use loom::protocol::control::{Answer, Command};
use loom::store::{Gap, OpenUnit, Record};
use loom::unit::{Canceller, Kill, Outcome, Reason, RunEnd, RunId, UnitId};
use serde_json::{Value, json};

use super::rig::{How, Rig, at, close_unit, job, node, open_run, unit_id, whole_run};

const FAILED: Outcome = Outcome::Failed { exit: Some(3) };

fn rig() -> Rig {
    Rig::local(&[job("a", "@yearly"), job("b", "@yearly")], &["n1", "n2", "n3"].map(node))
}

fn t() -> jiff::Timestamp {
    at("2026-02-01T00:00:00Z")
}

fn ids(rig: &Rig, query: &str) -> Vec<u64> {
    let page: Page<Run> = rig.client.get(&format!("/api/v1/runs{query}")).of();
    page.items.iter().map(|run| run.id).collect()
}

#[test]
fn runs_are_listed_the_latest_first_and_found_by_what_is_known_of_them() {
    let rig = rig();
    let fine = [("n1", Outcome::Succeeded), ("n2", Outcome::Succeeded)];
    let bad = [("n2", FAILED)];
    let later = t() + Duration::from_secs(3600);
    rig.record(&whole_run(1, "a", &How::scheduled(t()), &fine, RunEnd::Succeeded));
    rig.record(&whole_run(2, "b", &How::manual(t()), &bad, RunEnd::Failed));
    let retry =
        How { retry_of: Some(RunId(2)), trigger: loom::unit::Trigger::Retry, ..How::manual(later) };
    rig.record(&whole_run(3, "b", &retry, &bad, RunEnd::Failed));
    rig.record(&[open_run(4, "a", &How::manual(later), &["n1"])]);
    assert_eq!(ids(&rig, ""), [4, 3, 2, 1]);
    assert_eq!(ids(&rig, "?job=a"), [4, 1]);
    assert_eq!(ids(&rig, "?state=failed"), [3, 2]);
    assert_eq!(ids(&rig, "?state=queued,succeeded"), [4, 1]);
    assert_eq!(ids(&rig, "?trigger=manual,retry&job=b"), [3, 2]);
    assert_eq!(ids(&rig, "?node=n1"), [4, 1]);
    assert_eq!(ids(&rig, "?since=2026-02-01T00:30:00Z"), [4, 3]);
    assert_eq!(ids(&rig, "?until=2026-02-01T01:30:00%2B01:00"), [2, 1]);
    assert_eq!(ids(&rig, "?retry_of=2"), [3]);
    let page: Page<Run> = rig.client.get("/api/v1/runs?limit=3").of();
    assert_eq!((page.items.len(), page.next.as_deref()), (3, Some("2")));
    assert_eq!(ids(&rig, "?limit=3&cursor=2"), [1]);
    let tally = &page.items[0].units;
    assert_eq!((tally.total, tally.open), (1, 1));
    for query in ["state=done", "trigger=hand", "since=today", "cursor=x", "retry_of=x"] {
        rig.client.get(&format!("/api/v1/runs?{query}")).problem(400);
    }
}

#[test]
fn a_run_is_shown_with_every_attempt_and_the_nodes_it_lacks() {
    let rig = rig();
    rig.record(&[open_run(1, "a", &How::scheduled(t()), &["n2", "n1"])]);
    let again = OpenUnit { unit: UnitId(1900), node: "n2".into(), attempt: 2, cookie: "c".into() };
    rig.record(&[
        close_unit(1, 0, Outcome::Unreachable, t()),
        Record::Retry { run: RunId(1), unit: again },
        Record::Gap(Gap {
            job: "a".into(),
            node: Some("n3".into()),
            first_at: t(),
            last_at: t(),
            count: 1,
            epoch: 0,
            reason: Reason::Overlap,
            run: Some(RunId(1)),
        }),
    ]);
    let shown: RunDetail = rig.client.get("/api/v1/runs/1").of();
    let nodes: Vec<_> = shown.nodes.iter().map(|u| (u.node.as_str(), u.attempt)).collect();
    assert_eq!(nodes, [("n1", 1), ("n2", 1), ("n2", 2)]);
    assert_eq!(shown.nodes[1].outcome.as_deref(), Some("unreachable"));
    assert_eq!(shown.run.units.open, 2);
    assert_eq!(shown.gaps.len(), 1);
    assert_eq!((shown.gaps[0].node.as_deref(), shown.gaps[0].run), (Some("n3"), Some(1)));
    assert!(rig.client.get("/api/v1/runs/9").problem(404).contains("no run 9"));
    rig.client.get("/api/v1/runs/x").problem(400);
    rig.client.get("/api/v1/runs/1?wait=61").problem(400);
    rig.client.get(&format!("/api/v1/runs/{}", u64::MAX)).problem(404);
}

#[test]
fn units_are_shown_with_their_job_and_open_ones_are_listed() {
    let rig = rig();
    rig.record(&whole_run(1, "a", &How::manual(t()), &[("n1", FAILED)], RunEnd::Failed));
    rig.record(&[open_run(2, "b", &How::manual(t()), &["n1", "n2", "n3"])]);
    rig.parent.start_unit(2, 1, t());
    rig.record(&[close_unit(2, 0, Outcome::Unreachable, t())]);
    let unit: Unit = rig.client.get(&format!("/api/v1/units/{}", unit_id(1, 0))).of();
    assert_eq!((unit.job.as_deref(), unit.exit), (Some("a"), Some(3)));
    assert_eq!(unit.summary.as_deref(), Some("failed, exit 3"));
    rig.client.get("/api/v1/units/7").problem(404);
    let open: Page<Unit> = rig.client.get("/api/v1/units?state=open").of();
    let open: Vec<_> = open.items.iter().map(|u| (u.node.as_str(), u.state.as_str())).collect();
    assert_eq!(open, [("n2", "running"), ("n3", "queued")]);
    let one: Page<Unit> = rig.client.get("/api/v1/units?state=open&limit=1").of();
    assert_eq!(one.items.len(), 1);
    for query in ["", "?state=done", "?state=", "?state=open&limit=0"] {
        rig.client.get(&format!("/api/v1/units{query}")).problem(400);
    }
}

#[test]
fn a_run_that_is_over_is_not_cancelled() {
    let rig = rig();
    rig.react(|_, _| Ok(Answer::Done));
    rig.record(&whole_run(1, "a", &How::manual(t()), &[("n1", FAILED)], RunEnd::Failed));
    rig.record(&[open_run(2, "b", &How::manual(t()), &["n1"])]);
    let said = rig.client.post("/api/v1/runs/1/cancel", None).problem(409);
    assert_eq!(said, "run 1 is over: failed");
    rig.client.post("/api/v1/runs/3/cancel", None).problem(404);
    assert_eq!(rig.asked(), []);
    assert_eq!(rig.client.post("/api/v1/runs/2/cancel", None).status(), 202);
    assert_eq!(rig.last_asked().command, Command::Cancel { run: RunId(2) });
}

fn retry(rig: &Rig, run: u64, body: Option<Value>) -> super::http::Answer {
    rig.client.post(&format!("/api/v1/runs/{run}/retry"), body)
}

/// Nodes n1 to n9, by what became of them.
fn every_end() -> Vec<(&'static str, Outcome)> {
    let kill = Kill::Confirmed;
    vec![
        ("n1", Outcome::Succeeded),
        ("n2", FAILED),
        ("n3", Outcome::Unreachable),
        ("n4", Outcome::Skipped { reason: Reason::Constraint }),
        ("n5", Outcome::TimedOut { kill }),
        ("n6", Outcome::Lost),
        ("n7", Outcome::Crashed),
        ("n8", Outcome::Signaled { signal: 9 }),
        ("n9", Outcome::Cancelled { by: Canceller::Shutdown, kill }),
    ]
}

#[test]
fn a_retry_is_of_the_nodes_that_are_meant() {
    let nodes: Vec<_> = (1..=9).map(|n| node(&format!("n{n}"))).collect();
    let rig = Rig::local(&[job("a", "@yearly")], &nodes);
    rig.react(|_, _| Ok(Answer::Run(Some(RunId(9)))));
    rig.record(&whole_run(1, "a", &How::manual(t()), &every_end(), RunEnd::Failed));
    for (only, on) in [
        (None, "n2,n3,n4,n5,n6,n7,n8,n9"),
        (Some("unsuccessful"), "n2,n3,n4,n5,n6,n7,n8,n9"),
        (Some("failed"), "n2,n5,n6,n7,n8,n9"),
        (Some("unstarted"), "n3,n4"),
    ] {
        let answer = retry(&rig, 1, only.map(|only| json!({"only": only})));
        assert_eq!(answer.head.header("location"), Some("/api/v1/runs/9"));
        assert_eq!(answer.of::<Started>().run, Some(9));
        let (job, on) = ("a".to_owned(), Some(on.to_owned()));
        let retry_of = Some(RunId(1));
        let expected = Command::Run { job, on, args: vec![], retry_of };
        assert_eq!(rig.last_asked().command, expected, "{only:?}");
    }
    retry(&rig, 1, Some(json!({"only": "some"}))).problem(400);
}

#[test]
fn a_retry_goes_by_the_last_attempt_and_leaves_out_nodes_that_are_gone() {
    let rig = rig();
    rig.react(|_, _| Ok(Answer::Run(Some(RunId(9)))));
    rig.record(&[open_run(1, "a", &How::manual(t()), &["n2", "n1", "gone"])]);
    let again = OpenUnit { unit: UnitId(1900), node: "n2".into(), attempt: 2, cookie: "c".into() };
    let (by, kill) = (Canceller::User("bob".into()), Kill::Confirmed);
    rig.record(&[
        close_unit(1, 0, Outcome::Unreachable, t()),
        Record::Retry { run: RunId(1), unit: again },
        Record::StartUnit { unit: UnitId(1900), worker_pid: None, at: t() },
    ]);
    let said = retry(&rig, 1, None).problem(409);
    assert!(said.contains("run 1 is queued still"), "{said}");
    let output = loom::protocol::message::Output::default();
    rig.record(&[
        Record::CloseUnit {
            unit: UnitId(1900),
            outcome: Outcome::Succeeded,
            detail: None,
            result: None,
            output,
            at: t(),
        },
        // It had not begun.
        close_unit(1, 1, Outcome::Cancelled { by, kill }, t()),
        close_unit(1, 2, Outcome::Unreachable, t()),
        Record::CloseRun { run: RunId(1), end: RunEnd::Failed, at: t() },
    ]);
    let client = rig.client.clone().with("Idempotency-Key", "again");
    let answer = client.post("/api/v1/runs/1/retry", Some(json!({"only": "unstarted"})));
    assert_eq!(answer.of::<Started>().left_out, ["gone"]);
    let asked = rig.last_asked();
    assert_eq!(asked.key.as_deref(), Some("again"));
    assert!(matches!(asked.command, Command::Run { on: Some(on), .. } if on == "n1"));
}

#[test]
fn what_cannot_be_tried_again_says_why() {
    let rig = rig();
    let fine = [("n1", Outcome::Succeeded)];
    rig.record(&whole_run(1, "a", &How::manual(t()), &fine, RunEnd::Succeeded));
    rig.record(&whole_run(
        2,
        "@exec",
        &How::exec(t(), "uptime"),
        &[("n1", FAILED)],
        RunEnd::Failed,
    ));
    rig.record(&whole_run(3, "a", &How::manual(t()), &[("old", FAILED)], RunEnd::Failed));
    let said = |run| retry(&rig, run, None).problem(409);
    let nothing = "nothing of run 1 (succeeded) is to be tried again: every node succeeded";
    assert_eq!(said(1), nothing);
    assert!(said(2).contains("give it anew"), "{}", said(2));
    assert!(said(3).contains("no longer in the configuration: old"), "{}", said(3));
    retry(&rig, 4, None).problem(404);
    assert_eq!(rig.asked(), []);
}

#[test]
fn who_is_limited_to_jobs_sees_their_runs_and_units_only() {
    let rig = Rig::remote(&[job("a", "@yearly"), job("b", "@yearly")], &[node("n1")]);
    let fine = [("n1", Outcome::Succeeded)];
    rig.record(&whole_run(1, "a", &How::manual(t()), &fine, RunEnd::Succeeded));
    rig.record(&whole_run(2, "b", &How::manual(t()), &fine, RunEnd::Succeeded));
    rig.record(&whole_run(3, "@exec", &How::exec(t(), "x"), &fine, RunEnd::Succeeded));
    for (run, job) in [(4, "a"), (5, "b"), (6, "@exec")] {
        rig.record(&[open_run(run, job, &How::manual(t()), &["n1"])]);
    }
    for (globs, runs, units) in [
        (&["a"][..], &[4, 1][..], 1),
        // What is no job is matched by no glob.
        (&["*"], &[5, 4, 2, 1], 2),
        (&[], &[6, 5, 4, 3, 2, 1], 3),
    ] {
        let name = format!("t{}", globs.concat().replace('*', "-all"));
        let client = rig.client.clone().bearer(&rig.token(&name, Role::Operator, globs));
        let page: Page<Run> = client.get("/api/v1/runs").of();
        let seen: Vec<u64> = page.items.iter().map(|run| run.id).collect();
        assert_eq!(seen, runs, "{globs:?}");
        let open: Page<Unit> = client.get("/api/v1/units?state=open").of();
        assert_eq!(open.items.len(), units, "{globs:?}");
        for run in 1..=6 {
            let (unit, sees) = (unit_id(run, 0), runs.contains(&run));
            for path in [format!("runs/{run}"), format!("units/{unit}")] {
                let status = client.get(&format!("/api/v1/{path}")).status();
                assert_eq!(status, if sees { 200 } else { 404 }, "{globs:?} {path}");
            }
            if !sees {
                for what in ["cancel", "retry"] {
                    let path = format!("/api/v1/runs/{run}/{what}");
                    assert_eq!(client.post(&path, None).status(), 404, "{globs:?} {path}");
                }
            }
        }
    }
    assert_eq!(rig.asked(), []);
}

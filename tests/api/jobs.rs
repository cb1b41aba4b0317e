//! The API, asked of a real daemon whose jobs run on real nodes.

use std::time::Duration;

use loom::api::job::{JobDetail, Verdict, Why};
use loom::api::run::{RunDetail, Started};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::harness::{Daemon, Farm, Site, api, until};

/// A full minute comes within it, and what is due then is in the ledger.
const A_MINUTE: Duration = Duration::from_secs(100);

fn get<T: DeserializeOwned>(site: &Site, path: &str) -> T {
    let answer = api::get(site, path).unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{path}: {e}: {}", answer.body))
}

fn post(site: &Site, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> api::Answer {
    api::ask_with(site, "POST", path, headers, body).unwrap()
}

/// Sets a run going, and waits for its end.
fn run(site: &Site, path: &str, headers: &[(&str, &str)]) -> (u64, String) {
    let answer = post(site, path, headers, Some(json!({"wait": 30})));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let started: Started = serde_json::from_str(&answer.body).unwrap();
    let state = started.state.expect("its end was waited for");
    assert_eq!(started.run, Some(state.id));
    (state.id, state.state)
}

#[test]
fn a_job_is_run_once_for_each_key_and_retried_where_it_failed() {
    let farm = Farm::start(3);
    let site = Site::new(&farm);
    let command =
        "echo ran >>$LOOM_EVIDENCE/ran; test $LOOM_NODE != n2 || test -e $LOOM_EVIDENCE/well";
    site.write_command("flaky", command, &["n1", "n2", "n3"]);
    let mut daemon = Daemon::start(&site);

    let key = [("Idempotency-Key", "once")];
    let (first, state) = run(&site, "jobs/flaky/run", &key);
    assert_eq!(state, "failed");
    assert_eq!(run(&site, "jobs/flaky/run", &key), (first, state));
    let other = post(&site, "jobs/flaky/run", &key, Some(json!({"on": "n1"})));
    assert_eq!(other.status, 409, "{}", other.body);
    assert_eq!(daemon.ledger().runs("flaky").len(), 1);
    let told: RunDetail = get(&site, &format!("runs/{first}"));
    let ends: Vec<_> =
        told.nodes.iter().map(|u| (&*u.node, u.summary.as_deref().unwrap())).collect();
    assert_eq!(ends, [("n1", "succeeded"), ("n2", "failed, exit 1"), ("n3", "succeeded")]);
    assert!(told.run.by.is_some());

    std::fs::write(farm.node("n2").evidence().join("well"), "").unwrap();
    let (second, state) = run(&site, &format!("runs/{first}/retry"), &[]);
    assert_eq!(state, "succeeded");
    let told: RunDetail = get(&site, &format!("runs/{second}"));
    assert_eq!((told.run.trigger.as_str(), told.run.retry_of), ("retry", Some(first)));
    assert_eq!(told.nodes.iter().map(|unit| &*unit.node).collect::<Vec<_>>(), ["n2"]);
    for (node, lines) in [("n1", "ran\n"), ("n2", "ran\nran\n"), ("n3", "ran\n")] {
        assert_eq!(farm.evidence(node, "ran"), lines, "on {node}");
    }
    let nothing = post(&site, &format!("runs/{second}/retry"), &[], None);
    assert_eq!(nothing.status, 409, "{}", nothing.body);

    let answer =
        post(&site, "exec", &[], Some(json!({"on": "n[1,3]", "command": "true", "wait": 30})));
    let started: Started = serde_json::from_str(&answer.body).unwrap();
    let state = started.state.unwrap();
    assert_eq!((&*state.job, &*state.state, state.units.succeeded), ("@exec", "succeeded", 2));
    assert_eq!(post(&site, &format!("runs/{}/retry", state.id), &[], None).status, 409);
    daemon.stop();
}

#[test]
fn a_job_that_is_switched_off_stays_so_until_it_is_switched_on() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let body = "task: loom.run\nargs: ['true']\nschedule: '* * * * *'\ntargets: [n1]";
    site.write_job("tick", body);
    let mut daemon = Daemon::start(&site);
    assert_eq!(post(&site, "jobs/tick/disable", &[], None).status, 204);
    assert_eq!(post(&site, "jobs/tick/disable", &[], None).status, 409);
    let off = |site: &Site| {
        let told: JobDetail = get(site, "jobs/tick");
        assert!(!told.job.enabled && told.job.next_at.is_none());
        told.job.switched_off.expect("it was switched off by hand")
    };
    let switched = off(&site);
    let was_due = until("a due instant that is a gap", A_MINUTE, || {
        let told: Why = get(&site, "jobs/tick/why");
        (told.verdict == Verdict::Gap).then_some(told)
    });
    assert_eq!(was_due.gaps[0].reason, "disabled");
    let expected = format!("It did not run: the job was switched off by {} at ", switched.by);
    assert!(was_due.text.starts_with(&expected), "{}", was_due.text);
    daemon.stop();

    let mut daemon = Daemon::start(&site);
    // The ledger keeps milliseconds.
    let still = off(&site);
    assert_eq!((still.by, still.at.as_millisecond()), (switched.by, switched.at.as_millisecond()));
    // By hand it runs all the same.
    assert_eq!(run(&site, "jobs/tick/run", &[]).1, "succeeded");
    assert_eq!(post(&site, "jobs/tick/enable", &[], None).status, 204);
    let told: JobDetail = get(&site, "jobs/tick");
    assert!(told.job.enabled && told.job.switched_off.is_none());
    let next = told.job.next_at.expect("it comes due again");
    let came = until("the next due instant", A_MINUTE, || {
        let told: Why = get(&site, &format!("jobs/tick/why?at={next}"));
        (told.verdict == Verdict::Run).then_some(told)
    });
    assert_eq!(came.run.unwrap().scheduled_at, Some(next));
    daemon.stop();
}

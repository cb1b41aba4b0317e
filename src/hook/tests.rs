mod flows;
mod mail;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::arg::Arg;
use crate::cron::{Fires, Schedule};
use crate::event::RunInfo;
use crate::job::Source;
use crate::unit::{Canceller, Kill, Trigger, UnitId};

const INTERVAL: Duration = Duration::from_secs(60);

fn hook(action: Action) -> Hook {
    Hook { action, arguments: false, timeout: Duration::from_secs(30) }
}

fn command() -> Hook {
    hook(Action::Command("true".to_owned()))
}

/// A job with a command at every occasion.
fn job(name: &str) -> Job {
    let source = Source { file: "jobs.yaml".into(), line: 1 };
    let schedule = Schedule::parse("30 2 * * *").unwrap();
    let mut job = Job::new(name.to_owned(), "loom.run".to_owned(), schedule, source);
    job.hooks = Occasion::ALL.into_iter().map(|occasion| (occasion, vec![command()])).collect();
    job
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn run(job: &Job, units: usize) -> Arc<RunInfo> {
    Arc::new(RunInfo {
        run: RunId(12),
        job: Arc::new(job.clone()),
        trigger: Trigger::Schedule,
        scheduled_at: Some(at(0)),
        queued_at: at(1),
        within: None,
        units,
    })
}

fn unit(node: &str, outcome: Outcome) -> UnitInfo {
    let took = Some(Duration::from_millis(2100));
    UnitInfo { node: node.to_owned(), attempt: 1, outcome, detail: None, result: None, took }
}

fn ended(job: &Job, end: RunEnd, units: Vec<UnitInfo>) -> Event {
    let succeeded = units.iter().filter(|unit| unit.outcome.is_success()).count();
    let run = run(job, units.len());
    let parts = Vec::new();
    Event::RunEnded { run, started_at: Some(at(2)), at: at(5), end, units, succeeded, parts }
}

fn missed(job: &Job, reason: Reason) -> Event {
    let fires = Fires { first: at(0), last: at(120), count: 3 };
    Event::Missed { job: Arc::new(job.clone()), node: None, fires, reason }
}

fn hooks() -> Hooks {
    Hooks::new("control".to_owned(), BTreeSet::new())
}

fn told(firings: &[Firing]) -> Vec<Occasion> {
    firings.iter().map(|firing| firing.occasion).collect()
}

fn json_of(firing: &Firing) -> Value {
    assert_eq!(firing.body.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
    serde_json::from_slice(&firing.body).unwrap()
}

/// Headers by name, and the text.
fn mail(job: &Job, event: Event) -> (BTreeMap<String, String>, String) {
    let firings = hooks().on(Instant::now(), &event);
    let mail = String::from_utf8(firings[0].body.clone()).unwrap();
    assert!(mail.lines().all(|line| line.len() < 998), "{}: {mail}", job.name);
    let (headers, text) = mail.split_once("\n\n").unwrap();
    let headers = headers.replace("\n ", " ");
    let headers = headers.lines().map(|line| line.split_once(": ").unwrap());
    (headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(), text.to_owned())
}

fn mailing(name: &str, to: &str) -> Job {
    let mut job = job(name);
    let mail = hook(Action::Mail(to.to_owned()));
    job.hooks = Occasion::ALL.into_iter().map(|occasion| (occasion, vec![mail.clone()])).collect();
    job
}

#[test]
fn each_event_has_its_occasions() {
    let job = job("backup");
    let now = Instant::now();
    let on = |event: Event| told(&hooks().on(now, &event));
    assert_eq!(on(Event::RunStarted { run: run(&job, 1), at: at(2) }), [Occasion::Start]);
    assert_eq!(on(Event::RunLate(run(&job, 1))), [Occasion::Late]);
    assert_eq!(on(ended(&job, RunEnd::Succeeded, vec![])), [Occasion::Success]);
    assert_eq!(on(ended(&job, RunEnd::Failed, vec![])), [Occasion::Failure]);
    assert_eq!(on(ended(&job, RunEnd::Lost, vec![])), [Occasion::Failure]);
    assert_eq!(on(ended(&job, RunEnd::Cancelled, vec![])), []);
    let reason = Reason::NoTargets;
    assert_eq!(on(ended(&job, RunEnd::Skipped { reason }, vec![])), []);
    let away = vec![unit("n1", Outcome::Unreachable)];
    assert_eq!(
        on(ended(&job, RunEnd::Failed, away.clone())),
        [Occasion::Failure, Occasion::Unreachable]
    );
    // Enough of the others have succeeded, or somebody has cancelled the rest.
    assert_eq!(
        on(ended(&job, RunEnd::Succeeded, away.clone())),
        [Occasion::Success, Occasion::Unreachable]
    );
    assert_eq!(on(ended(&job, RunEnd::Cancelled, away)), [Occasion::Unreachable]);
    for reason in Reason::ALL {
        let expected = match reason {
            Reason::Disabled | Reason::Paused => vec![],
            _ => vec![Occasion::Missed],
        };
        assert_eq!(on(missed(&job, reason)), expected, "{reason:?}");
    }
    assert_eq!(on(Event::RunQueued(run(&job, 1))), []);
    assert_eq!(
        on(Event::UnitEnded {
            unit: UnitId(1),
            run: RunId(12),
            job: Arc::new(job.clone()),
            info: unit("n1", Outcome::Crashed),
            again: None,
        }),
        []
    );
}

#[test]
fn a_job_recovers_from_what_the_ledger_or_this_daemon_saw_fail() {
    let (one, two) = (job("one"), job("two"));
    let mut hooks = Hooks::new("control".to_owned(), BTreeSet::from(["one".to_owned()]));
    let now = Instant::now();
    let mut on = |job: &Job, end| told(&hooks.on(now, &ended(job, end, vec![])));
    let recovered = [Occasion::Success, Occasion::Recovery];
    assert_eq!(on(&two, RunEnd::Succeeded), [Occasion::Success]);
    assert_eq!(on(&one, RunEnd::Succeeded), recovered);
    assert_eq!(on(&one, RunEnd::Succeeded), [Occasion::Success]);
    on(&two, RunEnd::Lost);
    // Neither says anything of the job.
    on(&two, RunEnd::Cancelled);
    on(&two, RunEnd::Skipped { reason: Reason::Overlap });
    assert_eq!(on(&two, RunEnd::Succeeded), recovered);
}

#[test]
fn a_failure_counts_even_if_nobody_wanted_to_hear_of_it() {
    let mut job = job("backup");
    let all = std::mem::take(&mut job.hooks);
    let mut hooks = hooks();
    let now = Instant::now();
    assert_eq!(told(&hooks.on(now, &ended(&job, RunEnd::Failed, vec![]))), []);
    job.hooks = all;
    assert_eq!(
        told(&hooks.on(now, &ended(&job, RunEnd::Succeeded, vec![]))),
        [Occasion::Success, Occasion::Recovery]
    );
}

#[test]
fn what_was_held_back_is_counted_and_told_next_time() {
    let mut job = job("backup");
    job.notify_interval = INTERVAL;
    // All hooks of an occasion go together.
    job.hooks.insert(Occasion::Failure, vec![command(), command()]);
    let other = Job { name: "other".to_owned(), ..job.clone() };
    let mut hooks = hooks();
    let start = Instant::now();
    let mut fail = |job: &Job, after: u64| {
        hooks.on(start + Duration::from_secs(after), &ended(job, RunEnd::Failed, vec![]))
    };
    let suppressed = |firings: Vec<Firing>| -> Vec<Value> {
        firings.iter().map(|f| json_of(f)["suppressed"].clone()).collect()
    };
    assert_eq!(suppressed(fail(&job, 0)), [0, 0]);
    assert_eq!(fail(&job, 1), []);
    assert_eq!(suppressed(fail(&other, 1)), [0, 0]);
    assert_eq!(fail(&job, 59), []);
    assert_eq!(suppressed(fail(&job, 60)), [2, 2]);
    assert_eq!(suppressed(fail(&job, 120)), [0, 0]);
}

#[test]
fn a_job_that_is_gone_leaves_nothing_behind() {
    let mut job = job("backup");
    job.notify_interval = INTERVAL;
    let mut hooks = hooks();
    let now = Instant::now();
    hooks.on(now, &ended(&job, RunEnd::Failed, vec![]));
    hooks.retain(|name| name == "backup");
    assert_eq!((hooks.failing.len(), hooks.told.len()), (1, 1));
    hooks.retain(|_| false);
    assert_eq!((hooks.failing.len(), hooks.told.len()), (0, 0));
    // It is new when it comes back.
    assert_eq!(told(&hooks.on(now, &ended(&job, RunEnd::Succeeded, vec![]))), [Occasion::Success]);
}

#[test]
fn the_json_is_what_the_chapter_promises() {
    let mut job = job("backup");
    job.description = "all databases".to_owned();
    job.tags = vec!["db".to_owned()];
    job.timezone = Some("Europe/Berlin".to_owned());
    job.args = vec![Arg::Str("geheim".to_owned())];
    let mut failed = unit("n2", Outcome::Failed { exit: Some(3) });
    failed.attempt = 2;
    failed.detail = Some("disk \u{1b}[31mfull".to_owned());
    let mut away = unit("n3", Outcome::Unreachable);
    away.took = None;
    let killed = unit("n4", Outcome::TimedOut { kill: Kill::Confirmed });
    let units = vec![unit("n1", Outcome::Succeeded), failed, away, killed];
    let firings = hooks().on(Instant::now(), &ended(&job, RunEnd::Failed, units));
    let plain = |node: &str, outcome: &str| {
        json!({"node": node, "job": null, "attempt": 1, "outcome": outcome, "exit": null, "signal": null,
               "kill": null, "detail": null, "result": null, "seconds": 2.1})
    };
    let with = |mut unit: Value, change: Value| {
        let Value::Object(change) = change else { panic!() };
        unit.as_object_mut().unwrap().extend(change);
        unit
    };
    let away = with(plain("n3", "unreachable"), json!({"seconds": null}));
    let expected = json!({
        "version": 1,
        "occasion": "on_failure",
        "host": "control",
        "suppressed": 0,
        "job": {"name": "backup", "task": "loom.run", "description": "all databases",
                "tags": ["db"], "schedule": "30 2 * * *", "timezone": "Europe/Berlin"},
        "run": {"id": 12, "trigger": "schedule", "scheduled_at": "2027-01-15T08:00:00Z",
                "queued_at": "2027-01-15T08:00:01Z", "started_at": "2027-01-15T08:00:02Z",
                "finished_at": "2027-01-15T08:00:05Z", "state": "failed", "reason": null,
                "flow": null},
        "flow": null,
        "counts": {"total": 4, "succeeded": 1, "failed": 1, "signaled": 0, "unreachable": 1,
                   "timed_out": 1, "cancelled": 0, "crashed": 0, "lost": 0, "skipped": 0},
        "units": [
            with(plain("n2", "failed"), json!({"attempt": 2, "exit": 3, "detail": "disk \u{1b}[31mfull"})),
            away,
            with(plain("n4", "timed out"), json!({"kill": "confirmed"})),
            plain("n1", "succeeded"),
        ],
        "more_units": 0,
        "gap": null,
    });
    assert_eq!(json_of(&firings[0]), expected);
    assert_eq!(firings[1].occasion, Occasion::Unreachable);
    assert_eq!(json_of(&firings[1])["units"], json!([away]));
    assert_eq!(json_of(&firings[1])["counts"], expected["counts"]);
}

#[test]
fn a_gap_has_no_run() {
    let firing = &hooks().on(Instant::now(), &missed(&job("backup"), Reason::DaemonDown))[0];
    assert_eq!(firing.run, None);
    let told = json_of(firing);
    assert_eq!((&told["run"], &told["counts"]), (&Value::Null, &Value::Null));
    assert_eq!(
        told["gap"],
        json!({"first_at": "2027-01-15T08:00:00Z", "last_at": "2027-01-15T08:02:00Z", "count": 3,
               "reason": "daemon down", "node": null})
    );
}

#[test]
fn arguments_are_told_only_to_those_who_asked() {
    let mut job = job("backup");
    job.args = vec![Arg::Str("geheim".to_owned()), Arg::Float(f64::NAN)];
    let map = vec![(Arg::Int(1), Arg::Null), (Arg::Str("b".to_owned()), Arg::Bool(true))];
    job.kwargs = vec![("env".to_owned(), Arg::Map(map))];
    let trusted = Hook { arguments: true, ..command() };
    job.hooks.insert(Occasion::Failure, vec![command(), trusted]);
    let firings = hooks().on(Instant::now(), &ended(&job, RunEnd::Failed, vec![]));
    assert!(!String::from_utf8_lossy(&firings[0].body).contains("geheim"));
    assert_eq!(json_of(&firings[0])["job"].get("args"), None);
    let told = json_of(&firings[1]);
    assert_eq!(told["job"]["args"], json!(["geheim", null]));
    assert_eq!(told["job"]["kwargs"], json!({"env": {"1": null, "b": true}}));
    let shown = format!("{:?}", firings[1]);
    assert!(shown.ends_with(&format!("bytes: {} }}", firings[1].body.len())), "{shown}");
}

#[test]
fn a_crowd_of_units_is_cut_with_its_failures_first() {
    let job = job("backup");
    let mut units: Vec<UnitInfo> =
        (0..5000).map(|n| unit(&format!("n{n}"), Outcome::Succeeded)).collect();
    units[4999] = UnitInfo { detail: Some("x".repeat(1 << 20)), ..unit("last", Outcome::Crashed) };
    let firing = &hooks().on(Instant::now(), &ended(&job, RunEnd::Failed, units))[0];
    let told = json_of(firing);
    assert_eq!(told["units"].as_array().unwrap().len(), 1000);
    assert_eq!((&told["more_units"], &told["counts"]["total"]), (&json!(4000), &json!(5000)));
    assert_eq!(told["units"][0]["node"], "last");
    assert!(firing.body.len() < 200_000, "{}", firing.body.len());
}

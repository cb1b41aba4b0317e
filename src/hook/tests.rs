mod flows;

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
fn a_mail_says_what_happened_where_and_when() {
    let job = mailing("backup", "ops@example.com");
    let mut failed = unit("n3", Outcome::Failed { exit: Some(3) });
    failed.detail = Some("disk\nfull \u{202e}\u{1b}[31m".to_owned());
    let away = UnitInfo { took: None, attempt: 3, ..unit("n4", Outcome::Unreachable) };
    let units = vec![unit("n1", Outcome::Succeeded), failed, away];
    let (headers, text) = mail(&job, ended(&job, RunEnd::Failed, units));
    let expected = [
        ("Auto-Submitted", "auto-generated"),
        ("Content-Transfer-Encoding", "8bit"),
        ("Content-Type", "text/plain; charset=UTF-8"),
        ("MIME-Version", "1.0"),
        ("Subject", "Loom: backup failed on n3, n4 (run 12)"),
        ("To", "ops@example.com"),
    ];
    assert_eq!(headers, expected.map(|(n, v)| (n.to_owned(), v.to_owned())).into());
    assert_eq!(
        text,
        "backup failed on n3, n4 (run 12).\n\
         \n\
         1 succeeded, 1 failed, 1 unreachable, 3 nodes in all.\n\
         \n\
         \x20 n3: failed, exit 3, after 2.1 s\n\
         \x20     disk\n\
         \x20     full \\u{202e}\\u{1b}[31m\n\
         \x20 n4: unreachable, attempt 3\n\
         \n\
         Due        2027-01-15 08:00:00 UTC\n\
         Queued     2027-01-15 08:00:01 UTC\n\
         Began      2027-01-15 08:00:02 UTC\n\
         Ended      2027-01-15 08:00:05 UTC\n\
         Trigger    schedule\n\
         Task       loom.run\n\
         Schedule   30 2 * * *\n\
         \n\
         -- \n\
         Loom on control: on_failure\n"
    );
}

#[test]
fn a_subject_names_three_nodes_and_counts_the_rest() {
    let job = mailing("backup", "ops");
    let units: Vec<UnitInfo> =
        (0..3000).map(|n| unit(&format!("n{n}"), Outcome::Failed { exit: None })).collect();
    let (headers, text) = mail(&job, ended(&job, RunEnd::Failed, units));
    assert_eq!(headers["Subject"], "Loom: backup failed on n0, n1, n2 and 2997 more (run 12)");
    assert!(text.contains("  n49: failed, after 2.1 s\n  and 2950 more\n"), "{text}");
    let subject = |event: Event| mail(&job, event).0["Subject"].clone();
    assert_eq!(
        subject(missed(&job, Reason::DaemonDown)),
        "Loom: backup was not run 3 times: daemon down"
    );
    assert_eq!(subject(Event::RunLate(run(&job, 1))), "Loom: backup is late (run 12)");
    let by = Canceller::Shutdown;
    let units = vec![
        unit("n1", Outcome::Unreachable),
        unit("n2", Outcome::Cancelled { by, kill: Kill::Confirmed }),
    ];
    assert_eq!(
        subject(ended(&job, RunEnd::Cancelled, units)),
        "Loom: backup could not reach n1 (run 12)"
    );
}

#[test]
fn a_subject_beyond_ascii_is_encoded() {
    let job = mailing("Sicherung für Zürich, täglich um halb drei, 日本 und anderswo", "ops");
    let firings = hooks().on(Instant::now(), &ended(&job, RunEnd::Succeeded, vec![]));
    let mail = String::from_utf8(firings[0].body.clone()).unwrap();
    let headers = mail.split_once("\n\n").unwrap().0;
    assert!(headers.is_ascii() && headers.lines().all(|line| line.len() <= 76), "{headers}");
    assert!(headers.contains("Subject: =?UTF-8?Q?Loom=3A_Sicherung_f=C3=BCr_Z=C3=BCrich"));
    assert!(headers.contains("=E6=97=A5"), "a character stays in one word: {headers}");
}

proptest! {
    /// Whatever names and details hold, a mail has the headers it is to have and no others.
    #[test]
    fn no_text_adds_a_header(
        name in "(?s).{0,40}",
        to in "(?s).{0,40}",
        node in "(?s).{0,40}",
        detail in "(?s)(.|\n){0,80}",
    ) {
        let job = mailing(&name, &to);
        let failed = UnitInfo { detail: Some(detail), ..unit(&node, Outcome::Crashed) };
        let (headers, text) = mail(&job, ended(&job, RunEnd::Failed, vec![failed]));
        prop_assert_eq!(headers.len(), 6);
        prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", text);
    }

    /// Against the rule as it is written: at most one of a job and occasion in an interval, none
    /// is forgotten, and a recovery is a success after a failure.
    #[test]
    fn interval_and_recovery_hold_over_any_course(
        steps in prop::collection::vec((0..2usize, 0..4usize, 0..50u64), 0..60),
        interval in 0..100u64,
    ) {
        let jobs = ["one", "two"].map(|name| Job {
            notify_interval: Duration::from_secs(interval),
            ..job(name)
        });
        let mut hooks = hooks();
        let start = Instant::now();
        let mut second = 0;
        let mut failing = [false; 2];
        // By job and occasion: what was due to be told, and when it was told, with the count.
        let mut due: BTreeMap<(usize, Occasion), Vec<u64>> = BTreeMap::new();
        let mut told: BTreeMap<(usize, Occasion), Vec<(u64, u64)>> = BTreeMap::new();
        for (which, what, later) in steps {
            second += later;
            let reason = Reason::Constraint;
            let end = [RunEnd::Succeeded, RunEnd::Failed, RunEnd::Cancelled, RunEnd::Skipped { reason }][what];
            match end {
                RunEnd::Succeeded => {
                    due.entry((which, Occasion::Success)).or_default().push(second);
                    if std::mem::take(&mut failing[which]) {
                        due.entry((which, Occasion::Recovery)).or_default().push(second);
                    }
                }
                RunEnd::Failed => {
                    due.entry((which, Occasion::Failure)).or_default().push(second);
                    failing[which] = true;
                }
                RunEnd::Cancelled | RunEnd::Lost | RunEnd::Skipped { .. } => {}
            }
            let now = start + Duration::from_secs(second);
            for firing in hooks.on(now, &ended(&jobs[which], end, vec![])) {
                prop_assert_eq!(&firing.job, &jobs[which].name);
                let suppressed = json_of(&firing)["suppressed"].as_u64().unwrap();
                told.entry((which, firing.occasion)).or_default().push((second, suppressed));
            }
        }
        prop_assert!(told.keys().eq(due.keys()));
        for (of, due) in due {
            let told = &told[&of];
            prop_assert_eq!(told[0], (due[0], 0));
            for pair in told.windows(2) {
                prop_assert!(pair[1].0 - pair[0].0 >= interval);
            }
            // Each that was due was told, or is counted in the next, or may yet be.
            let mut heard = 0;
            for (at, suppressed) in told {
                let index = heard + *suppressed as usize;
                prop_assert_eq!(due[index], *at);
                heard = index + 1;
            }
            let last = told[told.len() - 1].0;
            prop_assert!(due[heard..].iter().all(|at| at - last < interval));
        }
    }
}

//! The rules of a job and the defaults they begin with, as they are accepted.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Home, MAIN, config};
use crate::config::{Config, dump};
use crate::cron::Schedule;
use crate::job::hooks::{Action, Hook, Occasion, Url};
use crate::job::policy::{Missed, Overlap, Retries, RetryOn, Share};
use crate::job::{Job, Source};
use crate::protocol::frame;
use crate::python::Python;

/// A job `j` with these lines, and `defaults` with those.
fn home(defaults: &str, job: &str) -> Home {
    let indented =
        |text: &str, by: &str| text.lines().map(|line| format!("{by}{line}\n")).collect::<String>();
    let main = match defaults {
        "" => MAIN.to_string(),
        some => format!("{MAIN}defaults:\n{}", indented(some, "  ")),
    };
    let task = "    task: loom.run\n    args: [\"true\"]\n    targets: [web1, web2, db1]\n";
    let manifest = format!("jobs:\n  j:\n{task}{}", indented(job, "    "));
    Home::with(&[("loom.yaml", &main), ("jobs/a.yaml", &manifest)])
}

#[track_caller]
fn job(defaults: &str, job: &str) -> Job {
    home(defaults, job).config().jobs["j"].clone()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_job_that_says_nothing_has_the_documented_rules() {
    let home = home("", "");
    let job = home.config().jobs["j"].clone();
    let schedule = Schedule::parse("* * * * *").unwrap();
    let source = Source { file: job.source.file.clone(), line: 2 };
    let expected = Job {
        args: job.args.clone(),
        python: Python::new(vec![home.path("").components().collect()]),
        targets: ["web1", "web2", "db1"].map(String::from).to_vec(),
        description: "loom.run on web1, web2, db1".to_string(),
        ..Job::new("j".to_string(), "loom.run".to_string(), schedule, source)
    };
    assert_eq!(job, expected);
    assert_eq!((job.overlap, job.missed), (Overlap::Skip, Missed::Skip));
    assert_eq!((job.parallel, job.success), (None, None));
    assert_eq!((job.deadline, job.splay), (seconds(3 * 3600), Duration::ZERO));
    assert_eq!(job.retries.attempts, 1);
}

#[test]
fn rules_are_taken_as_written() {
    let home = home(
        "",
        "\
overlap: queue
parallel: 50%
success: 2
retries: {attempts: 5, delay: 30, backoff: 1.5, jitter: 25%, on: [failed, timed_out, Timed-Out, unreachable]}
missed: once
deadline: 12h
splay: 30s
locks: [yum, apt, yum]
log: logs/{job}/{node}-{date}.log
notify_interval: 1h
",
    );
    let job = &home.config().jobs["j"];
    assert_eq!((job.overlap, job.missed), (Overlap::Queue, Missed::Once));
    assert_eq!(job.parallel, Some(Share::Percent(50).into()));
    assert_eq!(job.success, Some(Share::Count(2)));
    let on = BTreeSet::from([RetryOn::Unreachable, RetryOn::Failed, RetryOn::TimedOut]);
    let retries = Retries { attempts: 5, delay: seconds(30), backoff: 1.5, jitter: 25, on };
    assert_eq!(job.retries, retries);
    assert_eq!((job.deadline, job.splay), (seconds(12 * 3600), seconds(30)));
    assert_eq!(job.locks, ["apt", "yum"]);
    assert_eq!(job.log.as_ref().unwrap().0, home.path("logs/{job}/{node}-{date}.log"));
    assert_eq!(job.notify_interval, seconds(3600));
    assert_eq!(home.messages(), "");
}

#[test]
fn every_bound_is_within() {
    let share = |written: &str| job("", &format!("parallel: {written}")).parallel.unwrap();
    assert_eq!(share("1"), Share::Count(1).into());
    assert_eq!(share("\"1000\""), Share::Count(1000).into());
    assert_eq!(share("1%"), Share::Percent(1).into());
    assert_eq!(share("'100 %'"), Share::Percent(100).into());
    let retries = |written: &str| job("", &format!("retries: {written}")).retries;
    assert_eq!(retries("1"), Retries::default());
    assert_eq!(retries("100").attempts, 100);
    let low = retries("{attempts: 1, delay: 1s, backoff: 1, jitter: 0}");
    assert_eq!((low.delay, low.backoff, low.jitter), (seconds(1), 1.0, 0));
    let high = retries("{attempts: 2, delay: 1h, backoff: 10.0, jitter: 100%, on: crashed}");
    assert_eq!((high.delay, high.backoff, high.jitter), (seconds(3600), 10.0, 100));
    assert_eq!(high.on, BTreeSet::from([RetryOn::Crashed]));
    let rest = job("", "deadline: 30d\nsplay: 0\nnotify_interval: 30d\nlog: ~/x\nlocks: yum");
    assert_eq!((rest.deadline, rest.notify_interval), (seconds(30 * 86_400), seconds(30 * 86_400)));
    assert!(rest.log.unwrap().0.is_absolute());
    assert_eq!(rest.locks, ["yum"]);
}

#[test]
fn a_hook_is_a_text_a_mapping_or_a_list_of_them() {
    let hooks = job(
        "",
        "\
hooks:
  on_start: logger started
  on_failure:
    - {webhook: 'https://hooks.example.com/T0KEN?x=1', arguments: true, timeout: 5s}
    - {mail: ops@example.com}
    - [{command: \"cat >> /tmp/failed\"}]
  on_late: {webhook: \"HTTP://[::1]:8080\"}
",
    )
    .hooks;
    let timeout = seconds(30);
    let plain = |action| Hook { action, arguments: false, timeout };
    let webhook = |url: &str| Action::Webhook(Url(url.to_string()));
    assert_eq!(hooks.len(), 3);
    assert_eq!(hooks[&Occasion::Start], [plain(Action::Command("logger started".to_string()))]);
    assert_eq!(
        hooks[&Occasion::Failure],
        [
            Hook {
                action: webhook("https://hooks.example.com/T0KEN?x=1"),
                arguments: true,
                timeout: seconds(5)
            },
            plain(Action::Mail("ops@example.com".to_string())),
            plain(Action::Command("cat >> /tmp/failed".to_string())),
        ]
    );
    assert_eq!(hooks[&Occasion::Late], [plain(webhook("HTTP://[::1]:8080"))]);
}

const DEFAULTS: &str = "\
schedule: '@hourly'
timezone: UTC
timeout: 1m
enabled: false
tags: [a]
overlap: allow
parallel: 2
success: 50%
retries: {attempts: 3, delay: 1m, on: [failed, unreachable]}
missed: once
deadline: 1h
splay: 10s
locks: [yum]
log: /var/log/{job}.log
hooks:
  on_failure: [{mail: ops@example.com}, logger failed]
  on_start: logger started
notify_interval: 5m
";

#[test]
fn defaults_stand_where_a_job_says_nothing() {
    let job = job(DEFAULTS, "");
    assert_eq!(job.schedule.expr(), "@hourly");
    assert_eq!(job.timezone.as_deref(), Some("UTC"));
    assert_eq!((job.timeout, job.enabled), (Some(seconds(60)), false));
    assert_eq!((&job.tags[..], &job.locks[..]), (&["a".into()][..], &["yum".into()][..]));
    assert_eq!((job.overlap, job.missed), (Overlap::Allow, Missed::Once));
    assert_eq!(job.parallel, Some(Share::Count(2).into()));
    assert_eq!(job.success, Some(Share::Percent(50)));
    assert_eq!((job.retries.attempts, job.retries.delay), (3, seconds(60)));
    assert_eq!((job.deadline, job.splay), (seconds(3600), seconds(10)));
    assert_eq!(job.log.unwrap().0.to_str(), Some("/var/log/{job}.log"));
    assert_eq!(job.hooks[&Occasion::Failure].len(), 2);
    assert_eq!(job.notify_interval, seconds(300));
}

#[test]
fn a_jobs_own_keys_win_retries_and_hooks_key_by_key() {
    let job = job(
        DEFAULTS,
        "\
timeout: 2m
enabled: true
tags: [b]
locks: []
retries: {attempts: 5, on: timed out}
hooks: {on_failure: logger mine, on_late: logger late}
",
    );
    assert_eq!((job.timeout, job.enabled), (Some(seconds(120)), true));
    assert_eq!((&job.tags[..], job.locks.len()), (&["b".into()][..], 0), "lists are not joined");
    assert_eq!((job.retries.attempts, job.retries.delay), (5, seconds(60)));
    assert_eq!(job.retries.on, BTreeSet::from([RetryOn::TimedOut]));
    let of = |occasion| match &job.hooks[&occasion][..] {
        [Hook { action: Action::Command(command), .. }] => command.as_str(),
        other => panic!("{other:?}"),
    };
    assert_eq!(of(Occasion::Start), "logger started");
    assert_eq!(of(Occasion::Failure), "logger mine");
    assert_eq!(of(Occasion::Late), "logger late");
    assert_eq!(job.hooks.len(), 3);
    assert_eq!(self::job(DEFAULTS, "retries: 7").retries.delay, seconds(60));
}

#[test]
fn a_key_without_a_value_takes_a_default_back() {
    let home = home(DEFAULTS, "hooks: {on_failure: null}\nlog:\ntimeout: ~\nsuccess: null\n");
    let taken = home.config().jobs["j"].clone();
    assert_eq!(taken.hooks.keys().collect::<Vec<_>>(), [&Occasion::Start]);
    assert_eq!((taken.log, taken.timeout, taken.success), (None, None, None));
    assert_eq!(taken.parallel, Some(Share::Count(2).into()));

    let keys = DEFAULTS.lines().filter_map(|line| line.split_once(':')).map(|(key, _)| key);
    let nothing: String =
        keys.filter(|key| !key.starts_with(' ')).map(|key| format!("{key}:\n")).collect();
    let all = self::home(DEFAULTS, &nothing);
    let taken = all.config().jobs;
    all.write("loom.yaml", MAIN);
    assert_eq!(taken, all.config().jobs);
    assert_eq!(taken["j"].schedule.expr(), "* * * * *");
}

#[test]
fn a_default_zone_outranks_the_configurations_and_falls_back_to_it() {
    let zone = |defaults: &str, own: &str| {
        let main = format!("{MAIN}timezone: Europe/Berlin\ndefaults: {{{defaults}}}\n");
        let job = format!("jobs:\n  j: {{task: loom.run, args: [a], targets: web1, {own}}}\n");
        let config: Config = config(&[("loom.yaml", &main), ("jobs/a.yaml", &job)]);
        config.jobs["j"].timezone.clone().unwrap()
    };
    assert_eq!(zone("", ""), "Europe/Berlin");
    assert_eq!(zone("timezone: UTC", ""), "UTC");
    assert_eq!(zone("timezone: UTC", "timezone: Asia/Tokyo"), "Asia/Tokyo");
    assert_eq!(zone("timezone: UTC", "timezone: null"), "Europe/Berlin");
}

#[test]
fn a_dump_shows_every_rule_and_the_frame_carries_it() {
    let config = home(DEFAULTS, "hooks: {on_late: {webhook: 'https://h.example/T0KEN'}}").config();
    let shown = dump(&config)["jobs"]["j"].clone();
    let expected = serde_json::json!({
        "overlap": "allow",
        "parallel": 2,
        "success": "50%",
        "retries": {
            "attempts": 3,
            "delay": "1m",
            "backoff": 2.0,
            "jitter": "10%",
            "on": ["unreachable", "failed"],
        },
        "missed": "once",
        "deadline": "1h",
        "splay": "10s",
        "locks": ["yum"],
        "log": "/var/log/{job}.log",
        "notify_interval": "5m",
        "hooks": {
            "on_start": [{"command": "logger started", "arguments": false, "timeout": "30s"}],
            "on_failure": [
                {"mail": "ops@example.com", "arguments": false, "timeout": "30s"},
                {"command": "logger failed", "arguments": false, "timeout": "30s"},
            ],
            "on_late": [{"webhook": "https://h.example/…", "arguments": false, "timeout": "30s"}],
        },
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&shown[key], value, "{key}");
    }
    let encoded = frame::encode(&config, frame::CONFIG_CAP).unwrap();
    let back: Option<Config> = frame::read(&mut encoded.as_slice(), frame::CONFIG_CAP).unwrap();
    assert_eq!(back, Some(config));
}

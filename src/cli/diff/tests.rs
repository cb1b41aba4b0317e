//! Configurations as a load gives them, compared as the command does it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Difference, Side, compare, show};
use crate::config;

const FROM: &str = "2026-11-20T23:00:00Z";

const NODES: &str = "web1: {user: root}\nweb2: {user: root}\ndb1: {user: root}\n";

struct Files {
    settings: &'static str,
    nodes: String,
    /// The body of `jobs`.
    jobs: String,
}

fn files(jobs: &[(&str, &str)]) -> Files {
    let job = |(name, more): &(&str, &str)| {
        format!(
            "  {name}: {{task: loom.run, args: [a], targets: web1, timezone: Europe/Berlin, {more}}}\n"
        )
    };
    let jobs = jobs.iter().map(job).collect();
    Files { settings: "statedir: /var/lib/loom\n", nodes: NODES.into(), jobs }
}

/// All in one place, so that paths are no difference.
struct Home(tempfile::TempDir);

impl Home {
    fn dump(&self, files: &Files) -> Value {
        let main = format!("nodesfile: nodes.yaml\njobspath: jobs\n{}", files.settings);
        let path = self.0.path();
        fs::create_dir_all(path.join("jobs")).unwrap();
        fs::set_permissions(path.join("jobs"), fs::Permissions::from_mode(0o700)).unwrap();
        for (name, text) in [
            ("loom.yaml", &main),
            ("nodes.yaml", &files.nodes),
            ("jobs/a.yaml", &format!("jobs:\n{}\n", files.jobs)),
        ] {
            fs::write(path.join(name), text).unwrap();
        }
        let loaded = config::load(path.join("loom.yaml").to_str().unwrap());
        config::dump(&loaded.unwrap_or_else(|e| panic!("{e:#?}")).config)
    }
}

fn compared(old: &Files, new: &Files) -> Difference {
    let home = Home(tempfile::tempdir().unwrap());
    let old = Side { config: home.dump(old), ..Side::default() };
    compare(&old, &home.dump(new), FROM.parse().unwrap()).unwrap()
}

fn shown(old: &Files, new: &Files) -> String {
    show(&compared(old, new), false)
}

#[test]
fn the_same_is_no_difference_wherever_it_is_written() {
    let old = files(&[("a", "schedule: '@daily'"), ("b", "enabled: no")]);
    let moved = Files { jobs: format!("\n\n{}", old.jobs), ..files(&[]) };
    assert!(compared(&old, &moved).is_none());
    assert_eq!(compared(&old, &moved).json()["equal"], true);
    assert_eq!(shown(&old, &moved), "no difference\n");
}

#[test]
fn a_job_that_comes_goes_or_changes_is_told_with_its_fires() {
    let old = files(&[("gone", "schedule: '0 3 * * *'"), ("report", "schedule: '0 4,6 * * *'")]);
    let new = files(&[
        ("new", "schedule: '*/10 * * * *'"),
        ("report", "schedule: '0 5,6 * * *', timeout: 5m, retries: 3, tags: [b, a]"),
    ]);
    let jobs = new.jobs.replacen("web1", "'web2,db1'", 1);
    let new = Files { jobs, ..new };
    assert_eq!(
        shown(&old, &new),
        r#"- job gone
    fires in the next 24 hours: 1 -> 0
      - 2026-11-21T03:00:00+01:00
+ job new: "*/10 * * * *" on db1 web2
    fires in the next 24 hours: 0 -> 144
      + 2026-11-21T00:10:00+01:00  2026-11-21T00:20:00+01:00  2026-11-21T00:30:00+01:00 and 141 more
~ job report
    schedule: "0 4,6 * * *" -> "0 5,6 * * *"
    timeout: none -> "5m"
    retries.attempts: 1 -> 3
    tags: +a +b
    fires in the next 24 hours: 2 -> 2
      - 2026-11-21T04:00:00+01:00
      + 2026-11-21T05:00:00+01:00

jobs: 1 added, 1 changed, 1 removed
the next 24 hours: 145 fires come, 2 go
"#
    );
}

#[test]
fn the_fires_of_the_day_are_those_after_now_up_to_a_day_later() {
    let change = |old: &str, new: &str| {
        let difference = compared(&files(&[("j", old)]), &files(&[("j", new)]));
        let fires = difference.fires;
        assert_eq!(fires.until.as_second() - fires.from.as_second(), 86_400);
        fires.jobs.into_iter().next().map(|j| (j.before, j.after, j.come.count, j.go.count))
    };
    let at = |expr: &str| format!("schedule: '{expr}'");
    // From midnight in Berlin, which does not count, to the next, which does.
    assert_eq!(change(&at("0 0 * * *"), &at("1 0 * * *")), Some((1, 1, 1, 1)));
    // What only looks different fires no differently.
    assert_eq!(change(&at("0 0 * * *"), &at("@daily")), None);
    assert_eq!(change(&at("0 * * * *"), &at("*/30 * * * *")), Some((24, 48, 24, 0)));
    let hourly = at("@hourly");
    assert_eq!(change(&hourly, &format!("{hourly}, enabled: no")), Some((24, 0, 0, 24)));
    assert_eq!(change(&format!("{hourly}, enabled: no"), &hourly), Some((0, 24, 24, 0)));
    assert_eq!(change(&hourly, &format!("{hourly}, splay: 1m")), None);
    // Not within the day.
    assert_eq!(change(&at("0 0 1 1 *"), &at("0 0 2 1 *")), None);
}

#[test]
fn another_zone_moves_the_fires() {
    let old = files(&[("j", "schedule: '0 3 * * *'")]);
    let new = Files { jobs: old.jobs.replace("Europe/Berlin", "UTC"), ..files(&[]) };
    let effect = compared(&old, &new).fires.jobs.remove(0);
    assert_eq!(effect.go.first, ["2026-11-21T03:00:00+01:00"]);
    assert_eq!(effect.come.first, ["2026-11-21T03:00:00+00:00"]);
}

#[test]
fn what_somebody_switched_off_fires_on_neither_side() {
    let home = Home(tempfile::tempdir().unwrap());
    let old = Side {
        config: home.dump(&files(&[("j", "schedule: '@hourly'")])),
        switched_off: ["j".to_owned()].into(),
    };
    let new = home.dump(&files(&[("j", "schedule: '@daily'")]));
    let difference = compare(&old, &new, FROM.parse().unwrap()).unwrap();
    assert_eq!((difference.fires.come, difference.fires.go), (0, 0));
    assert!(show(&difference, false).contains("\nswitched off by `loom disable`: j\n"));
}

#[test]
fn nodes_and_settings_are_told_and_what_a_reload_refuses() {
    let old = files(&[]);
    let new = Files {
        settings: "statedir: /srv/loom\nkeep: {days: 3}\nlisten: 127.0.0.1:7411\n",
        nodes: "web1: {user: deploy, tags: [web, x]}\nweb3: {user: root, ip: 10.0.0.3}\ndb1: {user: root}\n".into(),
        ..files(&[])
    };
    let difference = compared(&old, &new);
    assert_eq!(difference.refused, ["statedir", "listen"]);
    assert_eq!(
        show(&difference, false),
        r#"~ settings
    statedir: "/var/lib/loom" -> "/srv/loom"
    keep.days: 90 -> 3
    listen: none -> {"address":"127.0.0.1:7411","certificate":null,"key":null,"h…
- node web2
+ node web3: root@10.0.0.3
~ node web1
    user: "root" -> "deploy"
    tags: +web +x

nodes: 1 added, 1 changed, 1 removed; settings: 3 changed
a reload refuses all of this: statedir and listen cannot change while the daemon runs
"#
    );
    let json = difference.json();
    assert_eq!(json["equal"], false);
    assert_eq!(json["nodes"]["added"][0]["name"], "web3");
    assert_eq!(json["settings"][1], json!({"key": "keep.days", "old": 90, "new": 3}));
}

#[test]
fn another_version_may_not_know_a_key_and_nothing_steers_a_terminal() {
    let home = Home(tempfile::tempdir().unwrap());
    let new = home.dump(&files(&[("j", "description: \"a\\eb\"")]));
    let mut old = new.clone();
    let job = old["jobs"]["j"].as_object_mut().unwrap();
    job.remove("parallel").unwrap();
    job.insert("description".into(), json!("x"));
    old["settings"].as_object_mut().unwrap().remove("listen").unwrap();
    let side = |config: &Value| Side { config: config.clone(), ..Side::default() };
    let from: Timestamp = FROM.parse().unwrap();
    let difference = compare(&side(&old), &new, from).unwrap();
    assert_eq!(difference.jobs.changed[0].changes.len(), 1);
    assert!(difference.settings.is_empty());
    let shown = show(&difference, true);
    assert!(shown.contains(r#"description: "x" -> "a\u{1b}b""#), "{shown}");
    assert!(shown.starts_with("\x1b[33m~\x1b[0m job j\n"), "{shown}");

    old["jobs"]["j"]["schedule"] = json!("at noon");
    let error = compare(&side(&old), &new, from).unwrap_err();
    assert!(error.starts_with("job \"j\": "), "{error}");
    let error = compare(&side(&json!({"type": "about:blank"})), &new, from).unwrap_err();
    assert!(error.contains("is this from `loom check --dump`?"), "{error}");
}

#[test]
fn of_a_flow_it_is_told_which_of_its_jobs_change() {
    let with = |flow: &str| {
        let base = files(&[("pkg1", "schedule: '@never'"), ("pkg2", "schedule: '@never'")]);
        Files { jobs: format!("{}flows:\n  f:\n{flow}", base.jobs), ..base }
    };
    let old = with(
        "    slots:
      - [pkg1, {job: pkg2, on_failure: continue}]
      - - {name: own, task: loom.run, args: [a], targets: web1}
        - pkg2
",
    );
    let moved = Files { jobs: format!("\n{}", old.jobs), ..with("") };
    assert!(compared(&old, &moved).is_none());
    let new = with(
        "    slots:
      - [{job: pkg1, success: 80%}, pkg2]
      - - {name: own, task: loom.run, args: [b], targets: web2, on_failure: {rescue: pkg1}}
      - [pkg2]
",
    );
    let told = shown(&old, &new);
    assert_eq!(
        told,
        r#"~ flow f
    targets: +web2
    description: "pkg1, pkg2; own, pkg2" -> "pkg1, pkg2; own; pkg2"
    slots.1.pkg1.success: "100%" -> "80%"
    slots.1.pkg2.on_failure: "continue" -> "stop"
    slots.2.own.args: ["a"] -> ["b"]
    slots.2.own.targets: -web1 +web2
    slots.2.own.description: "loom.run on web1" -> "loom.run on web2"
    slots.2.own.on_failure: "stop" -> {"rescue":{"job":"pkg1","success":"80%","parallel":null,"tim…
    slots.2.pkg2: {"job":"pkg2","success":"100%","parallel":null,"timeout":nul… -> none
    slots.3: none -> {"pkg2":{"job":"pkg2","success":"100%","parallel":null,"time…

flows: 1 changed
"#
    );
    let none = files(&[("pkg1", "schedule: '@never'"), ("pkg2", "schedule: '@never'")]);
    let told = shown(&none, &old);
    let line = "+ flow f: \"@never\", 2 slots: pkg1, pkg2; own, pkg2 on web1\n";
    assert!(told.starts_with(line), "{told}");
}

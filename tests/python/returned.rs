//! What a Python task returns, on its way from the interpreter to whoever asks for it.

use std::process::Output;

use rusqlite::Connection;
use serde_json::Value;

use crate::harness::process;
use crate::harness::{Daemon, Farm, SOON, Site, until};

/// The first line steers a terminal, the next are not ASCII; 5 kB in all.
const TASKS: &str = r#"# -*- coding: utf-8 -*-
from __future__ import print_function

import os


def nothing():
    print("said and returned nothing")


def where():
    return "größer on " + os.environ["LOOM_NODE"]


def wild():
    return "\x1b[2J\x1b]0;owned\x07\r\n" + u"naïve ☃ \u202e\n".encode("utf-8").decode("utf-8") + "x" * 5000


def number():
    return {"free": 17}


def fails():
    raise ValueError("nothing is returned")


def aborts():
    from fabric.api import abort
    abort("the disk is full\n\n  on sda1\n")
"#;

/// Returns when there is a file of this name.
const SLOW: &str = "\
import os, time

def slow(name):
    while not os.path.exists(name):
        time.sleep(0.05)
    return 'kept'
";

fn site(farm: &Farm) -> Site {
    let site = Site::new(farm);
    site.write("returning.py", TASKS);
    for name in ["nothing", "where", "wild", "number", "fails", "aborts"] {
        let body = format!("task: returning.{name}\nschedule: '@yearly'\ntargets: [n1, n2]");
        site.write_job(name, &body);
    }
    site.write_job(
        "native",
        "task: loom.run\nargs: ['echo out']\nschedule: '@yearly'\ntargets: [n1]",
    );
    site
}

fn loom(site: &Site, args: &[&str]) -> Output {
    process::run(site.loom(args).env_remove("LOOM_HOST"), 4 * SOON)
}

fn json(site: &Site, args: &[&str]) -> Value {
    let output = loom(site, args);
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn results(site: &Site, job: &str) -> Vec<Option<String>> {
    site.ledger().units(job).into_iter().map(|unit| unit.result).collect()
}

/// No control character but the end of a line.
fn is_tame(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}')
}

#[test]
fn it_is_in_the_ledger_in_the_api_and_on_the_screen() {
    let farm = Farm::start(2);
    let site = site(&farm);
    let mut daemon = Daemon::start_with_control(&site);
    let run = |job: &str| {
        let run = daemon.run(job);
        let units = daemon.ledger().wait_for_run(job, run, SOON).1;
        (run.to_string(), units)
    };

    let (where_, _) = run("where");
    let mut known = results(&site, "where");
    known.sort();
    assert_eq!(known, ["größer on n1", "größer on n2"].map(|text| Some(text.to_owned())));
    let told = json(&site, &["show", &where_, "--json"]);
    let told: Vec<&str> =
        told["nodes"].as_array().unwrap().iter().map(|u| u["result"].as_str().unwrap()).collect();
    assert_eq!(told, ["größer on n1", "größer on n2"]);
    let shown = String::from_utf8(loom(&site, &["show", &where_]).stdout).unwrap();
    assert!(shown.contains(" on n2 returned: größer on n2\n"), "{shown}");

    let (wild, units) = run("wild");
    let whole = results(&site, "wild")[0].clone().unwrap();
    assert!(whole.starts_with("\x1b[2J\x1b]0;owned\x07\r\nnaïve ☃ \u{202e}\nxxx"), "{whole:?}");
    assert!(whole.ends_with("x…") && (4090..=4096).contains(&whole.len()), "{}", whole.len());
    let told = json(&site, &["show", &wild, "--json"]);
    assert_eq!(told["nodes"][0]["result"], *whole);
    let shown = String::from_utf8(loom(&site, &["show", &wild]).stdout).unwrap();
    assert!(is_tame(&shown), "{shown:?}");
    assert!(shown.contains("returned:\n    \\u{1b}[2J"), "{shown}");
    assert!(shown.contains("\n    naïve ☃ \\u{202e}\n    xxx"), "{shown}");
    // What it returned is not what it wrote.
    assert_eq!(units[0].output, "");

    let (number, _) = run("number");
    assert_eq!(results(&site, "number")[0].as_deref(), Some("{'free': 17}"));
    let logs = loom(&site, &["logs", &number]);
    assert_eq!(logs.stdout, b"");

    let (nothing, _) = run("nothing");
    assert_eq!(results(&site, "nothing")[0].as_deref(), Some("No output returned."));
    let (native, _) = run("native");
    assert_eq!(results(&site, "native"), [None]);
    let (fails, units) = run("fails");
    assert_eq!(results(&site, "fails")[0], None);
    assert_eq!(units[0].detail.as_deref(), Some("ValueError: nothing is returned"));
    let (aborts, units) = run("aborts");
    assert_eq!(units[0].detail.as_deref(), Some("the disk is full on sda1"));
    for run in [nothing, native, fails, aborts] {
        let shown = String::from_utf8(loom(&site, &["show", &run]).stdout).unwrap();
        assert!(!shown.contains("returned:") && !shown.contains("No output"), "{shown}");
    }
    daemon.stop();
}

#[test]
fn it_is_told_to_who_waits_apart_from_the_output() {
    let farm = Farm::start(2);
    let site = site(&farm);
    let mut daemon = Daemon::start_with_control(&site);
    let output = loom(&site, &["run", "where", "--wait"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("n1 | returned: größer on n1\n"), "{told}");
    assert!(told.contains("n2 | returned: größer on n2\n"), "{told}");
    assert_eq!(output.stdout, b"");

    let told = String::from_utf8(loom(&site, &["run", "wild", "--wait"]).stderr).unwrap();
    assert!(is_tame(&told), "{told:?}");
    assert!(told.contains("n1 |     naïve ☃ \\u{202e}\n"), "{told}");

    let told =
        String::from_utf8(loom(&site, &["run", "number", "--wait", "--fold"]).stderr).unwrap();
    assert_eq!(told.matches("n[1-2] | returned: {'free': 17}\n").count(), 1, "{told}");

    let told = String::from_utf8(loom(&site, &["run", "nothing", "--wait"]).stderr).unwrap();
    assert!(!told.contains("returned"), "{told}");
    daemon.stop();
}

#[test]
fn once_tells_it_too() {
    let farm = Farm::start(2);
    let site = site(&farm);
    let output = site.once(&["wild", "where", "nothing"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    assert!(is_tame(&told), "{told:?}");
    assert!(told.contains("n1 | returned: größer on n1\n"), "{told}");
    assert!(told.contains("n2 | returned:\nn2 |     \\u{1b}[2J"), "{told}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.matches("said and returned nothing\n").count(), 2, "{said}");
    assert!(!said.contains("größer"), "{said}");
}

#[test]
fn it_outlasts_a_ledger_that_cannot_be_written() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let locked = site.path("locked");
    site.write("slow.py", SLOW);
    let args = format!("args: [{locked:?}]");
    site.write_job("slow", &format!("task: slow.slow\n{args}\nschedule: '@yearly'\ntargets: [n1]"));
    let mut daemon = Daemon::start_with_control(&site);
    daemon.run("slow");
    until("the interpreter", SOON, || {
        let units = site.ledger().units("slow");
        units.iter().any(|unit| unit.state == "running").then_some(())
    });
    let other = Connection::open(site.statedir().join("ledger.db")).unwrap();
    other.busy_timeout(SOON).unwrap();
    other.execute_batch("begin immediate").unwrap();
    std::fs::write(locked, "").unwrap();
    let mark = daemon.log().mark();
    daemon.log().wait_after(mark, "locked", SOON);
    other.execute_batch("rollback").unwrap();
    daemon.ledger().wait_for("slow", "succeeded", 2 * SOON);
    assert_eq!(results(&site, "slow"), [Some("kept".to_owned())]);
    daemon.stop();
}

#[test]
fn a_hook_is_told_of_it() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write("returning.py", TASKS);
    let told = site.path("told.json");
    let hook = format!("hooks:\n  on_success: cat > {}", told.display());
    site.write_job(
        "told",
        &format!("task: returning.where\nschedule: '@yearly'\ntargets: [n1]\n{hook}"),
    );
    let mut daemon = Daemon::start_with_control(&site);
    daemon.run_to_end("told", SOON);
    let account = until("the hook", SOON, || {
        let text = std::fs::read(&told).ok()?;
        serde_json::from_slice::<Value>(&text).ok()
    });
    assert_eq!(account["units"][0]["result"], "größer on n1");
    daemon.stop();
}

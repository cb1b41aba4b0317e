//! `loom once` of a flow: slot after slot, without a daemon.

use std::process::Output;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::flows::with;
use crate::harness::process::{self, Process};
use crate::harness::{Farm, SOON, Site, until};

fn job(name: &str, command: &str, nodes: &[&str]) -> Value {
    json!({"name": name, "task": "loom.run", "args": [command], "targets": nodes})
}

fn text(output: &Output) -> (String, String) {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    (out.into_owned(), err.into_owned())
}

/// `needles` stand in `text`, one after the other.
fn in_order(text: &str, needles: &[&str]) {
    let mut rest = text;
    for needle in needles {
        let at = rest
            .find(needle)
            .unwrap_or_else(|| panic!("no {needle:?} where it should be:\n{text}"));
        rest = &rest[at + needle.len()..];
    }
}

#[test]
fn its_slots_run_one_after_the_other_and_it_may_succeed_without_every_unit() {
    let farm = Farm::start(3);
    let site = Site::new(&farm);
    let install = job("install", "echo installed; test $LOOM_NODE != n3", &["n1", "n2", "n3"]);
    let install = with(install, json!({"success": 2}));
    let slots = json!([[install], [job("start", "echo started", &["n1"])]]);
    site.write_flow("deploy", json!({"slots": slots}));
    let output = site.once(&["deploy"]);
    let (out, err) = text(&output);
    assert!(output.status.success(), "{err}");
    in_order(&out, &["installed", "n1 | started"]);
    in_order(
        &err,
        &[
            "slot 1, job 1: deploy/install on 3 nodes",
            "slot 2, job 1: deploy/start on 1 node",
            "deploy: succeeded",
            "failed, exit 1: deploy/install on n3",
            "3 of 4 units succeeded",
        ],
    );
}

#[test]
fn a_slot_that_fails_is_the_last() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    let rescue = json!({"rescue": job("back", "echo back", &["n2"]), "then": "stop"});
    let first = with(job("first", "false", &["n1"]), json!({"on_failure": rescue}));
    let slots = json!([[first], [job("second", "touch $LOOM_EVIDENCE/second", &["n1"])]]);
    site.write_flow("deploy", json!({"slots": slots}));
    site.write_command("alone", "true", &["n2"]);
    let output = site.once(&["deploy", "alone"]);
    let (out, err) = text(&output);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(out.contains("n2 | back"), "{out}");
    in_order(&err, &["slot 1, job 1, its rescue: deploy/back", "deploy: failed", "2 of 3 units"]);
    assert!(!farm.node("n1").evidence().join("second").exists());
}

#[test]
fn it_has_nodes_of_its_own() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let slots = json!([[job("a", "touch $LOOM_EVIDENCE/ran", &["n1"])]]);
    site.write_flow("deploy", json!({"slots": slots}));
    let output = site.once(&["deploy", "--on", "n1"]);
    let (_, err) = text(&output);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("deploy is a flow") && err.contains("--on"), "{err}");
    assert!(!farm.node("n1").evidence().join("ran").exists());
}

#[test]
fn an_interrupt_ends_it_where_it_is() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let long = job("long", "echo $$ >$LOOM_EVIDENCE/pid; sleep 600", &["n1"]);
    let slots = json!([[long], [job("next", "touch $LOOM_EVIDENCE/next", &["n1"])]]);
    site.write_flow("deploy", json!({"slots": slots}));
    let mut once = site.loom(&["once", "deploy"]).spawn().unwrap();
    let shell = until("the command", SOON, || farm.evidence("n1", "pid").trim().parse().ok());
    let command = Process::of(shell).expect("the command has ended by itself");
    Process::of(once.id() as i32).unwrap().signal(Signal::SIGINT);
    let status = process::wait(&mut once, Duration::from_secs(60)).expect("it goes on");
    assert_eq!(status.code(), Some(1));
    until("the end of the command", SOON, || (!command.is_alive()).then_some(()));
    assert!(!farm.node("n1").evidence().join("next").exists());
}

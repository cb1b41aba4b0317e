//! What has fallen silent is found by its silence: a stopped worker, a frozen session.

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::process::Process;
use crate::harness::{Farm, Fault, SOON, Site, until};

/// Three heartbeats of 10 s, or three unanswered questions of ssh, and then some.
const SILENCE: Duration = Duration::from_secs(90);

/// `loom once long`, its command running on the node.
fn running(farm: &Farm, site: &Site) -> std::process::Child {
    site.write_command("long", "echo up >$LOOM_EVIDENCE/up; sleep 600", &["n1"]);
    let mut once = site.loom(&["once", "long"]);
    let once = once.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the command", SOON, || (!farm.evidence("n1", "up").is_empty()).then_some(()));
    once
}

fn ends_saying(once: std::process::Child, words: &str) {
    let loom = Process::of(once.id() as i32).expect("it runs");
    until("the end of it", SILENCE, || (!loom.is_alive()).then_some(()));
    let output = once.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(words), "{said}");
}

#[test]
#[ignore = "minutes: make faults"]
fn a_stopped_worker_is_killed_and_its_unit_has_crashed() {
    let _fault = Fault::new("SIGSTOP of a worker");
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let once = running(&farm, &site);
    let loom = Process::of(once.id() as i32).unwrap();
    let worker = loom.children().into_iter().find(|child| child.comm() == "loom-worker");
    worker.expect("a worker").signal(Signal::SIGSTOP);
    ends_saying(once, "crashed: long on n1");
}

#[test]
#[ignore = "minutes: make faults"]
fn a_frozen_session_is_given_up_and_its_unit_is_lost() {
    let _fault = Fault::new("sshd session frozen");
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let once = running(&farm, &site);
    farm.freeze_sessions("n1");
    ends_saying(once, "lost: long on n1");
    farm.thaw("n1");
}

//! Connections: a node that cannot be reached harms nobody else, and is told for what it is.

use std::process::{Output, Stdio};

use nix::sys::signal::Signal;

use crate::harness::log::Log;
use crate::harness::process::{self, Process, said};
use crate::harness::{Farm, SOON, Site, until};

fn says(output: &Output, node: &str, words: &str) -> bool {
    said(output).lines().any(|line| line.contains(node) && line.contains(words))
}

/// Runs a job on both nodes: n1, which is in trouble, and n2, which must not care.
fn once_on_two(farm: &Farm, site: &Site) -> Output {
    site.write_command("mark", "touch $LOOM_EVIDENCE/ran", &["n1", "n2"]);
    let output = site.once(&["mark"]);
    assert!(!output.status.success(), "{}", said(&output));
    assert!(farm.node("n2").evidence().join("ran").exists(), "{}", said(&output));
    assert!(!farm.node("n1").evidence().join("ran").exists(), "{}", said(&output));
    output
}

#[test]
fn a_refused_connection_is_unreachable() {
    let mut farm = Farm::start(2);
    let site = Site::new(&farm);
    farm.stop_node("n1");
    let output = once_on_two(&farm, &site);
    assert!(says(&output, "n1", "unreachable"), "{}", said(&output));
    assert!(says(&output, "n1", "Connection refused"), "{}", said(&output));
}

#[test]
fn a_listener_that_never_answers_is_unreachable_after_the_timeout() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    site.settings("connect_timeout: 1\n");
    farm.freeze_listener("n1");
    let output = once_on_two(&farm, &site);
    assert!(says(&output, "n1", "unreachable"), "{}", said(&output));
    farm.thaw("n1");
}

#[test]
fn a_changed_host_key_is_refused_and_named() {
    let mut farm = Farm::start(2);
    let site = Site::new(&farm);
    farm.change_host_key("n1");
    let output = once_on_two(&farm, &site);
    assert!(says(&output, "n1", "unreachable"), "{}", said(&output));
    assert!(says(&output, "n1", "Host key verification failed"), "{}", said(&output));
}

#[test]
fn a_name_that_does_not_resolve_is_unreachable() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    let nodes = farm.nodes_yaml().replacen("ip: 127.0.0.2", "ip: nowhere.invalid", 1);
    site.write("nodes.yaml", &nodes);
    let output = once_on_two(&farm, &site);
    assert!(says(&output, "n1", "unreachable"), "{}", said(&output));
}

#[test]
fn a_session_that_breaks_under_a_command_is_lost() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    let command = "touch $LOOM_EVIDENCE/ran; [ $LOOM_NODE = n2 ] || sleep 600";
    site.write_command("long", command, &["n1", "n2"]);
    let mut once = site.loom(&["once", "long"]).stderr(Stdio::piped()).spawn().unwrap();
    let said = Log::follow(once.stderr.take().unwrap());
    let ran = farm.node("n1").evidence().join("ran");
    until("the command", SOON, || ran.exists().then_some(()));
    farm.kill_sessions("n1");
    let status = process::wait(&mut once, SOON).expect("loom once waits for a dead session");
    assert_eq!(status.code(), Some(1), "{}", said.text());
    said.wait_for("lost: long on n1", SOON);
    said.wait_for("1 of 2 units succeeded", SOON);
}

#[test]
fn exit_255_and_death_by_a_signal_are_the_commands_own() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_command("high", "exit 255", &["n1"]);
    site.write_command("killed", "kill -9 $$", &["n1"]);
    let output = site.once(&["high", "killed"]);
    assert!(says(&output, "high", "failed, exit 255"), "{}", said(&output));
    assert!(says(&output, "killed", "signaled, SIGKILL"), "{}", said(&output));
}

#[test]
fn no_command_outlives_a_killed_parent() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_command("long", "echo $$ >$LOOM_EVIDENCE/pid; sleep 600", &["n1"]);
    let mut once = site.loom(&["once", "long"]).spawn().unwrap();
    let shell = until("the command", SOON, || farm.evidence("n1", "pid").trim().parse().ok());
    let command = Process::of(shell).expect("the command has ended by itself");
    Process::of(once.id() as i32).unwrap().signal(Signal::SIGKILL);
    once.wait().unwrap();
    until("the end of the command", SOON, || (!command.is_alive()).then_some(()));
    until("the end of workers and masters", SOON, || {
        process::mentioning_path(site.root()).is_empty().then_some(())
    });
}

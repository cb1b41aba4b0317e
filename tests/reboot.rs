//! `reboot`: the node goes away with its connection, and the unit goes on when it is back.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use crate::harness::ledger::Unit;
use crate::harness::{Daemon, Farm, SOON, Site, until};

const A_MINUTE: Duration = Duration::from_secs(60);

/// Ends with the node.
const DOWN: &str = "touch $LOOM_EVIDENCE/down; sleep 600";
/// As systemd's: it only asks for what happens later.
const SOON_DOWN: &str = "touch $LOOM_EVIDENCE/down";

/// One node, a session at a time, and a job that reboots it. `more`: its other attributes.
fn site(farm: &Farm, command: &str, wait: u32, more: &str) -> Site {
    let site = Site::new(farm);
    site.write("nodes.yaml", &format!("{}  max_sessions: 1\n", farm.nodes_yaml()));
    site.write_job(
        "reboot",
        &format!(
            "task: fabric.api.reboot\nargs: [{wait}, '{command}']\n\
             kwargs: {{use_sudo: false}}\ntargets: [n1]\n{more}"
        ),
    );
    site.write_command("other", "touch $LOOM_EVIDENCE/other", &["n1"]);
    site
}

fn went_down(farm: &mut Farm) {
    until("the command", A_MINUTE, || {
        farm.node("n1").evidence().join("down").exists().then_some(())
    });
    farm.stop_node("n1");
}

/// Until the stopped node has been tried so often, and each time in vain.
fn tried(farm: &Farm, mut times: usize) {
    let node = farm.node("n1");
    let listener = TcpListener::bind((node.ip.as_str(), node.port)).unwrap();
    listener.set_nonblocking(true).unwrap();
    until("attempts to connect", A_MINUTE, || {
        match listener.accept() {
            Ok(_) => times -= 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
        (times == 0).then_some(())
    });
}

fn ended(daemon: &Daemon<'_>, run: i64) -> Unit {
    let (_, mut units) = daemon.ledger().wait_for_run("reboot", run, A_MINUTE);
    units.remove(0)
}

#[test]
fn the_unit_goes_on_when_its_node_is_back_and_others_wait_for_it() {
    for command in [DOWN, SOON_DOWN] {
        let mut farm = Farm::start(1);
        let site = site(&farm, command, 60, "");
        let mut daemon = Daemon::start_with_control(&site);
        let run = daemon.run("reboot");
        let other = daemon.run("other");
        went_down(&mut farm);
        tried(&farm, 2);
        assert_eq!(daemon.ledger().units("other")[0].outcome, None);
        farm.start_node("n1");
        let unit = ended(&daemon, run);
        assert_eq!(unit.outcome.as_deref(), Some("succeeded"), "{unit:?}");
        assert!(unit.output.contains("takes sessions again"), "{unit:?}");
        let (_, others) = daemon.ledger().wait_for_run("other", other, A_MINUTE);
        assert_eq!(others[0].outcome.as_deref(), Some("succeeded"), "{others:?}");
        daemon.stop();
    }
}

#[test]
fn a_node_that_stays_away_fails_the_unit() {
    let mut farm = Farm::start(1);
    let site = site(&farm, DOWN, 4, "");
    let mut daemon = Daemon::start_with_control(&site);
    let run = daemon.run("reboot");
    let other = daemon.run("other");
    went_down(&mut farm);
    let unit = ended(&daemon, run);
    assert_eq!(unit.outcome.as_deref(), Some("failed"), "{unit:?}");
    let detail = unit.detail.unwrap();
    assert!(detail.contains("did not take a session again within 4s"), "{detail}");
    assert!(detail.contains("Connection refused"), "{detail}");
    let (_, others) = daemon.ledger().wait_for_run("other", other, A_MINUTE);
    assert_eq!(others[0].outcome.as_deref(), Some("unreachable"), "{others:?}");
    daemon.stop();
    daemon.assert_nothing_left();
}

#[test]
fn a_command_that_fails_is_a_failure() {
    let farm = Farm::start(1);
    let site = site(&farm, "exit 3", 60, "");
    let mut daemon = Daemon::start_with_control(&site);
    let run = daemon.run("reboot");
    let unit = ended(&daemon, run);
    assert_eq!((unit.outcome.as_deref(), unit.exit), (Some("failed"), Some(3)), "{unit:?}");
    daemon.stop();
}

#[test]
fn a_timeout_and_the_daemons_end_hold_while_the_node_is_away() {
    for (more, outcome) in [("timeout: 4", "timed out"), ("", "cancelled")] {
        let mut farm = Farm::start(1);
        let site = site(&farm, DOWN, 600, more);
        let mut daemon = Daemon::start_with_control(&site);
        let run = daemon.run("reboot");
        went_down(&mut farm);
        if more.is_empty() {
            tried(&farm, 1);
            daemon.stop();
        }
        let (_, units) = site.ledger().wait_for_run("reboot", run, SOON);
        assert_eq!(units[0].outcome.as_deref(), Some(outcome), "{units:?}");
        assert_eq!(units[0].kill.as_deref(), Some("unconfirmed"), "{units:?}");
        if !more.is_empty() {
            daemon.stop();
        }
        daemon.assert_nothing_left();
    }
}

/// As the bridge's own `reboot` does it.
const MODULE: &str = r#"
import os
import loom_bridge

def boot(line, within, leaves):
    ask = loom_bridge.unit["channel"].ask
    request = {"op": "run", "line": line, "pty": False, "combine": False, "shell": True}
    if leaves:
        request["leaves"] = True
    try:
        left = ask(request, lambda stream, data: None)
    except Exception as error:
        left = error.kind
    back = ask({"op": "reconnect", "within": within})
    after = ask(dict(request, line="echo here"), lambda stream, data: os.write(1, data))
    print("%s %s %s" % (left, back["back"], after))
"#;

#[test]
fn a_python_task_goes_on_when_its_node_is_back() {
    for leaves in [true, false] {
        let mut farm = Farm::start(1);
        let site = site(&farm, DOWN, 60, "");
        site.write("boots.py", MODULE);
        site.write_job(
            "reboot",
            &format!("task: boots.boot\nargs: ['{DOWN}', 60, {leaves}]\ntargets: [n1]"),
        );
        let mut daemon = Daemon::start_with_control(&site);
        let run = daemon.run("reboot");
        went_down(&mut farm);
        tried(&farm, 1);
        farm.start_node("n1");
        let unit = ended(&daemon, run);
        assert_eq!(unit.outcome.as_deref(), Some("succeeded"), "{unit:?}");
        let left = if leaves { "{'left': True}" } else { "node" };
        assert!(unit.output.contains(&format!("{left} True {{'exit': 0}}")), "{unit:?}");
        daemon.stop();
    }
}

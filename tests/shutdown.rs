//! SIGTERM with units running: recorded, ended on the node, and nothing left.

use std::time::Duration;

use crate::harness::process::Process;
use crate::harness::{Daemon, Farm, SOON, Site, until};

const A_MINUTE: Duration = Duration::from_secs(100);

/// A daemon whose job has begun to sleep on n1, and that command's shell.
fn sleeping<'a>(farm: &Farm, site: &'a Site, settings: &str) -> (Daemon<'a>, Process) {
    site.settings(settings);
    site.write_job(
        "long",
        "task: loom.run\nargs: ['echo $$ >$LOOM_EVIDENCE/pid; sleep 600']\ntargets: [n1]",
    );
    let daemon = Daemon::start(site);
    let shell = until("the command", A_MINUTE, || farm.evidence("n1", "pid").trim().parse().ok());
    (daemon, Process::of(shell).expect("the command has ended by itself"))
}

#[test]
fn running_units_are_cancelled_by_shutdown_and_gone_from_the_node() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let (mut daemon, command) = sleeping(&farm, &site, "stop_timeout: 1\n");
    daemon.stop();
    assert!(!command.is_alive());
    let units = site.ledger().units("long");
    assert_eq!(units.len(), 1, "{units:?}");
    assert_eq!(units[0].outcome.as_deref(), Some("cancelled"), "{units:?}");
    assert_eq!(units[0].kill.as_deref(), Some("confirmed"), "{units:?}");
    assert!(site.ledger().is_sound());
}

#[test]
fn a_second_signal_hurries() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let (mut daemon, command) = sleeping(&farm, &site, "stop_timeout: 600\n");
    let mark = daemon.log().mark();
    daemon.term();
    daemon.log().find(mark, SOON, |_| true).expect("it says nothing about the signal");
    daemon.stop();
    assert!(!command.is_alive());
    let units = site.ledger().units("long");
    assert_eq!(units[0].outcome.as_deref(), Some("cancelled"), "{units:?}");
}

#[test]
fn a_killed_daemon_leaves_lost_units_and_no_process() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let (mut daemon, command) = sleeping(&farm, &site, "");
    daemon.kill9();
    until("the end of the command", SOON, || (!command.is_alive()).then_some(()));
    // So that it does not run again.
    site.write_command("long", "true", &["n1"]);
    let mut daemon = Daemon::start(&site);
    let unit = daemon.ledger().wait_for("long", "lost", SOON);
    assert_eq!(unit.node, "n1");
    assert!(daemon.ledger().is_sound());
    daemon.stop();
}

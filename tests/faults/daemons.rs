//! Two daemons with one state directory, and pidfiles that are not theirs.
//!
//! What a pidfile may hold, and what is made of it, is in `launch`; here it is what becomes of the
//! work.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::{Books, Daemon, Farm, Fault, SOON, Site, process, until};

/// Of two that start at once the other one may wait for a lock.
const DECIDED: Duration = Duration::from_secs(30);
const AT_ONCE: usize = 20;

fn scene() -> (Farm, Site) {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_witnessed("quick", "true", "schedule: '@yearly'\ntargets: [n1]");
    (farm, site)
}

fn run_to_its_end(daemon: &Daemon<'_>) {
    let run = daemon.run("quick");
    until("a run", SOON, || {
        let mut runs = daemon.ledger().runs("quick").into_iter();
        runs.any(|found| found.id == run && found.state == "succeeded").then_some(())
    });
}

fn pidfile(site: &Site) -> std::path::PathBuf {
    site.statedir().join("loom.pid")
}

/// A start that ends with status 1 and these words.
fn assert_refused(site: &Site, words: &str) {
    let output = process::run(&mut site.loom(&["-n"]), SOON);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(words), "{said}");
}

/// Something that lives and is no loom.
fn stranger() -> Child {
    Command::new("cat").stdin(Stdio::piped()).spawn().unwrap()
}

#[test]
fn of_two_that_start_at_once_one_keeps_time() {
    let _fault = Fault::new("two daemons with one state directory");
    let (farm, site) = scene();
    for round in 0..AT_ONCE {
        // Without pidfiles it is for the ledger to tell them apart.
        let loom = || {
            let mut loom = site.loom(&["-n"]);
            if round % 2 == 1 {
                loom.args(["--pidfile", ""]);
            }
            Daemon::spawn_with_control_as(&site, loom)
        };
        let (mut one, mut other) = (loom(), loom());
        until("the end of one of them", DECIDED, || {
            (!one.process().is_alive() || !other.process().is_alive()).then_some(())
        });
        let (winner, loser) =
            if one.process().is_alive() { (&mut one, &mut other) } else { (&mut other, &mut one) };
        assert_eq!(loser.wait(SOON).code(), Some(1), "{}", loser.log().text());
        assert!(!loser.log().text().contains("keeps time"), "{}", loser.log().text());
        winner.wait_for_log("keeps time", SOON);
        if round < 4 {
            run_to_its_end(winner);
        }
        winner.stop();
        let text = winner.log().text();
        assert!(!text.contains("ERROR"), "{text}");
    }
    assert_eq!(site.ledger().runs("quick").len(), 4);
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_second_daemon_does_the_first_no_harm() {
    let _fault = Fault::new("two daemons with one state directory");
    let (farm, site) = scene();
    site.write_witnessed("long", "sleep 2", "schedule: '@yearly'\ntargets: [n1]");
    let mut daemon = Daemon::start_with_control(&site);
    daemon.run("long");
    until("the long command", SOON, || farm.evidence("n1", "witness").lines().next().map(drop));
    assert_refused(&site, &format!("another loom is running, PID {} ", daemon.pid()));
    let mut without = site.loom(&["-n", "--pidfile", ""]);
    let output = process::run(&mut without, SOON);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("another loom already writes the ledger in "), "{said}");
    daemon.ledger().wait_for("long", "succeeded", SOON);
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn after_a_crash_the_pidfile_is_taken_over_and_what_ran_is_lost() {
    let _fault = Fault::new("stale pidfile");
    let (farm, site) = scene();
    site.write_witnessed("long", "sleep 600", "schedule: '@yearly'\ntargets: [n1]");
    let mut daemon = Daemon::start_with_control(&site);
    daemon.run("long");
    until("the long command", SOON, || farm.evidence("n1", "witness").lines().next().map(drop));
    daemon.kill9();
    assert_eq!(fs::read_to_string(pidfile(&site)).unwrap().trim(), daemon.pid().to_string());
    let mut daemon = Daemon::start_with_control(&site);
    daemon.wait_for_log("removed a stale pidfile", SOON);
    daemon.ledger().wait_for("long", "lost", SOON);
    run_to_its_end(&daemon);
    daemon.stop();
    assert!(!pidfile(&site).exists());
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_foreign_pidfile_stops_the_start_and_nothing_else() {
    let _fault = Fault::new("foreign pidfile");
    let (farm, site) = scene();
    let mut daemon = Daemon::start_with_control(&site);
    run_to_its_end(&daemon);
    daemon.stop();

    let mut stranger = stranger();
    fs::write(pidfile(&site), stranger.id().to_string()).unwrap();
    assert_refused(&site, &format!("another loom is running, PID {} ", stranger.id()));
    assert!(stranger.try_wait().unwrap().is_none(), "it was ended");
    for garbage in ["buy milk", "-1", "0", "1 2"] {
        fs::write(pidfile(&site), garbage).unwrap();
        assert_refused(&site, "is not a process id");
        assert_eq!(fs::read_to_string(pidfile(&site)).unwrap(), garbage);
    }
    fs::write(pidfile(&site), stranger.id().to_string()).unwrap();
    process::end(&mut stranger);

    let mut daemon = Daemon::start_with_control(&site);
    run_to_its_end(&daemon);
    daemon.stop();
    assert_eq!(site.ledger().runs("quick").len(), 2);
    Books::of(&site).with(&farm).balance();
}

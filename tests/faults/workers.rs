//! Worker processes that die, stop, talk rubbish, or cannot be had.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use loom::protocol::message::{FromWorker, Output, Report};
use loom::protocol::{VERSION, control, frame};
use loom::unit::{Outcome, UnitId};
use nix::sys::signal::Signal;

use crate::harness::beside::Beside;
use crate::harness::ledger::Unit;
use crate::harness::process;
use crate::harness::site::loom_executable;
use crate::harness::{Books, Daemon, Farm, Fault, SOON, Site, books, until};

/// Three heartbeats of 10 s, and then some.
const SILENCE: Duration = Duration::from_secs(90);
const ON_N1: &str = "schedule: '@yearly'\ntargets: [n1]";

fn assert_outcome(unit: &Unit, outcome: &str) {
    assert_eq!(unit.outcome.as_deref(), Some(outcome), "{unit:?}");
}

/// A site with the jobs `long` and `next` on n1, and a daemon on it with `long` running.
fn running<'a>(farm: &Farm, site: &'a Site) -> (Daemon<'a>, i64) {
    site.settings("connect_timeout: 5\nstop_timeout: 1\n");
    site.write_witnessed("long", "sleep 600", ON_N1);
    site.write_witnessed("next", "true", ON_N1);
    let daemon = Daemon::start_with_control(site);
    let run = daemon.run("long");
    until("the command", SOON, || (books::starts(farm) == 1).then_some(()));
    (daemon, run)
}

/// `long` crashed with its worker, its command is ended, and the next unit runs.
fn crashed(farm: &Farm, site: &Site, mut daemon: Daemon, run: i64, within: Duration) {
    let (over, units) = daemon.ledger().wait_for_run("long", run, within);
    assert_outcome(&units[0], "crashed");
    assert_eq!(over.state, "failed");
    assert_outcome(&daemon.run_to_end("next", SOON)[0], "succeeded");
    let mark = daemon
        .ledger()
        .query("select value from meta where key = 'copy'", &[], |row| row.get::<_, String>(0));
    let cookie = format!("LOOM_UNIT={}-1-{}", mark[0], units[0].id);
    let left: Vec<String> = process::carrying(&cookie)
        .into_iter()
        .map(|process| format!("{} {}", process.pid, process.command_line()))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    daemon.stop();
    Books::of(site).with(farm).balance();
}

#[test]
fn a_killed_worker_harms_its_unit_alone() {
    let _fault = Fault::new("kill -9 of a worker mid-unit");
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let (daemon, run) = running(&farm, &site);
    daemon.workers().into_iter().for_each(|worker| worker.signal(Signal::SIGKILL));
    crashed(&farm, &site, daemon, run, SOON);
}

#[test]
#[ignore = "minutes: make faults"]
fn a_stopped_worker_is_found_by_its_silence() {
    let _fault = Fault::new("SIGSTOP of a worker");
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let (daemon, run) = running(&farm, &site);
    daemon.workers().into_iter().for_each(|worker| worker.signal(Signal::SIGSTOP));
    crashed(&farm, &site, daemon, run, SILENCE);
}

#[test]
fn workers_that_keep_dying_are_not_replaced_without_end() {
    let _fault = Fault::new("workers killed 20 times a second");
    const KILLING: Duration = Duration::from_secs(10);
    /// Two at a time, with pauses of 0.1 s that are doubled: 16 in 10 s. Without pauses, 400.
    const AT_MOST: usize = 60;
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    site.settings("connect_timeout: 5\nstop_timeout: 1\nmin_workers: 2\nmax_workers: 2\n");
    site.write_witnessed("victim", "sleep 1", "schedule: '@yearly'\ntargets: [n1, n2]");
    let mut loom = site.loom(&["-n"]);
    loom.env("RUST_LOG", "info,loom::pool=debug");
    let mut daemon = Daemon::start_with_control_as(&site, loom);
    let end = Instant::now() + KILLING;
    let mut round = 0;
    while Instant::now() < end {
        daemon.workers().into_iter().for_each(|worker| worker.signal(Signal::SIGKILL));
        if round % 20 == 0 {
            // Or it is left out, where the one before still waits for a worker.
            let job = "victim".to_owned();
            daemon.control().request(control::Command::run(job)).unwrap();
        }
        round += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    let log = daemon.log().text();
    let started = log.matches(" started").count();
    assert!(started <= AT_MOST, "{started} workers were started:\n{log}");
    assert!(log.matches("is gone").count() >= 3, "hardly a worker was killed:\n{log}");
    until("the last victims' end", 2 * SOON, || {
        daemon.ledger().runs("victim").iter().all(|run| run.finished_at.is_some()).then_some(())
    });
    let units = daemon.run_to_end("victim", 2 * SOON);
    units.iter().for_each(|unit| assert_outcome(unit, "succeeded"));
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

fn frame_file(dir: &Path, name: &str, message: &FromWorker) {
    fs::write(dir.join(name), frame::encode(message, frame::CAP).unwrap()).unwrap();
}

#[test]
fn a_worker_that_talks_rubbish_is_ended_and_its_unit_has_crashed() {
    let _fault = Fault::new("garbage frames");
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_witnessed("victim", "true", ON_N1);
    let beside = Beside::a_shell();
    let dir = beside.path();
    frame_file(dir, "hello", &FromWorker::Hello { version: VERSION, pid: 1 });
    frame_file(dir, "future", &FromWorker::Hello { version: VERSION + 1, pid: 1 });
    let report = Report {
        outcome: Outcome::Succeeded,
        detail: None,
        result: None,
        output: Output::default(),
    };
    frame_file(dir, "another", &FromWorker::Done { unit: UnitId(4711), report });
    let dir = dir.display();
    let greeted = format!(
        "cat {dir}/hello >&4; head -c 1 <&3 >/dev/null; sleep 0.2; head -c 100 <&3 >/dev/null;"
    );
    let ways = [
        // No message at all.
        format!("{greeted} head -c 5000 /dev/urandom >&4; sleep 600"),
        // A length beyond every limit.
        format!("{greeted} printf '\\377\\377\\377\\377' >&4; sleep 600"),
        // A message, cut off.
        format!("{greeted} head -c 5 {dir}/hello >&4"),
        // Somebody else's unit.
        format!("{greeted} cat {dir}/another >&4; sleep 600"),
        // Never listens, never ends.
        format!("{greeted} exit 0"),
    ];
    for way in ways {
        let mut daemon = Daemon::start_with_control_as(&site, beside.scripted(&site, &way));
        let unit = daemon.run_to_end("victim", SOON).remove(0);
        assert_outcome(&unit, "crashed");
        daemon.stop();
    }
    // One of another release.
    let way = format!("cat {dir}/future >&4; sleep 600");
    let mut daemon = Daemon::start_with_control_as(&site, beside.scripted(&site, &way));
    let unit = daemon.run_to_end("victim", 2 * SOON).remove(0);
    assert!(["crashed", "failed"].contains(&unit.outcome.as_deref().unwrap()), "{unit:?}");
    daemon.wait_for_log("of the same release", SOON);
    daemon.stop();
    assert_eq!(books::starts(&farm), 0);
    Books::of(&site).with(&farm).balance();
}

#[test]
fn without_a_worker_nothing_is_started_and_with_one_removed_later_all_goes_on() {
    let _fault = Fault::new("worker binary missing");
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.settings("connect_timeout: 5\nstop_timeout: 1\nidle_timeout: 1\n");
    site.write_witnessed("next", "true", ON_N1);

    let mut loom = Beside::nothing();
    let output = process::run(&mut loom.loom(&site), SOON);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("loom-worker is in none of"), "{said}");

    loom = Beside::the_real_one();
    let mut daemon = Daemon::start_with_control_as(&site, loom.loom(&site));
    fs::remove_file(loom.worker()).unwrap();
    assert_outcome(&daemon.run_to_end("next", SOON)[0], "succeeded");
    until("the idle worker to leave", SOON, || daemon.workers().is_empty().then_some(()));
    assert_outcome(&daemon.run_to_end("next", SOON)[0], "succeeded");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_worker_that_cannot_be_executed_fails_its_units_and_says_so() {
    let _fault = Fault::new("worker binary missing");
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_witnessed("next", "true", ON_N1);
    let beside = Beside::nothing();
    fs::write(beside.worker(), "this is no executable").unwrap();
    let mut daemon = Daemon::start_with_control_as(&site, beside.loom(&site));
    let unit = daemon.run_to_end("next", 2 * SOON).remove(0);
    assert_outcome(&unit, "failed");
    daemon.wait_for_log("a worker cannot be started", SOON);
    daemon.stop();
    assert_eq!(books::starts(&farm), 0);
    Books::of(&site).with(&farm).balance();
}

/// A unit for each of twelve nodes, and then some for one, under a limit of descriptors; how
/// many of the twelve succeeded.
fn with_descriptors(limit: u32, then_runs: bool) -> usize {
    const NODES: usize = 12;
    const WATCHED: Duration = Duration::from_secs(5);
    let farm = Farm::start(NODES);
    let site = Site::new(&farm);
    // What stands idle in the way of others goes soon.
    site.settings(
        "connect_timeout: 5\nstop_timeout: 1\nmax_workers: 20\nssh_persist: 2\nidle_timeout: 1\n",
    );
    let targets = farm.names().join(", ");
    let on_all = format!("schedule: '@yearly'\ntargets: [{targets}]");
    site.write_witnessed("many", "sleep 6", &on_all);
    site.write_witnessed("next", "true", ON_N1);
    let mut limited = Command::new("prlimit");
    limited.arg(format!("--nofile={limit}:{limit}")).arg(loom_executable());
    let mut daemon = Daemon::start_with_control_as(&site, site.adapt(limited, &["-n"]));
    let run = daemon.run("many");
    let before = daemon.process().cpu_time();
    std::thread::sleep(WATCHED);
    let spent = daemon.process().cpu_time() - before;
    assert!(spent < Duration::from_secs(1), "{spent:?} of the processor in {WATCHED:?}");
    let lines = daemon.log().mark();
    assert!(lines < 500, "{lines} lines of log in {WATCHED:?}");
    daemon.wait_for_log("Too many open files", SOON);
    let (_, units) = daemon.ledger().wait_for_run("many", run, 4 * SOON);
    assert_eq!(units.len(), NODES);
    if then_runs {
        until("a unit to run again", 2 * SOON, || {
            let units = daemon.run_to_end("next", SOON);
            (units[0].outcome.as_deref() == Some("succeeded")).then_some(())
        });
    }
    daemon.stop();
    Books::of(&site).with(&farm).balance();
    units.iter().filter(|unit| unit.outcome.as_deref() == Some("succeeded")).count()
}

#[test]
fn with_hardly_any_descriptors_it_keeps_its_books_and_does_not_spin() {
    let _fault = Fault::new("nofile=32");
    with_descriptors(32, false);
}

#[test]
fn with_few_descriptors_it_does_what_it_can() {
    let _fault = Fault::new("nofile=32");
    let succeeded = with_descriptors(64, true);
    assert!(succeeded > 0);
}

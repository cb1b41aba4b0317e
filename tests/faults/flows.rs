//! Faults in the midst of a flow: it ends once, says how, and is taken up with what it had not done.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use loom::protocol::control::Command;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::clocks::{HOUR, MINUTE, TWO_MINUTES, Wall, run_after};
use crate::disk::{NOT_PERMITTED, SmallDisk, TRIED_AGAIN};
use crate::harness::flows::{own, with};
use crate::harness::{Books, Daemon, Farm, Fault, Ledger, SOON, Site, api, books, until};
use crate::parent::kills;

const ALL: [&str; 4] = ["n1", "n2", "n3", "n4"];

/// Leaves its name, and ends on a node that has the file `go`.
fn waiting(name: &str, nodes: &[&str]) -> Value {
    let command = "until test -e $LOOM_EVIDENCE/go; do sleep 0.05; done";
    own(name, &format!("echo {name} >>$LOOM_EVIDENCE/ran; {command}"), nodes)
}

fn plain(name: &str, nodes: &[&str]) -> Value {
    own(name, &format!("echo {name} >>$LOOM_EVIDENCE/ran"), nodes)
}

fn go(farm: &Farm, nodes: &[&str]) {
    for node in nodes {
        fs::write(farm.node(node).evidence().join("go"), "").unwrap();
    }
}

fn ran(farm: &Farm, node: &str) -> String {
    farm.evidence(node, "ran").replace('\n', " ").trim_end().to_owned()
}

/// How the parts' runs ended, in the order of their places.
fn parts(ledger: &Ledger, run: i64) -> Vec<String> {
    ledger.parts(run).into_iter().map(|(_, run)| run.state).collect()
}

/// The run that takes that one up; else what is said.
fn take_up(site: &Site, run: i64) -> Result<i64, String> {
    let path = format!("runs/{run}/retry");
    // The gateway may be a moment behind its daemon.
    let answer = until("an answer", SOON, || {
        api::ask(site, "POST", &path, Some(json!({}))).ok().filter(|answer| answer.status != 503)
    });
    match answer.status {
        201 => Ok(answer.json()["run"].as_i64().unwrap()),
        _ => Err(answer.json()["detail"].as_str().unwrap_or_default().to_owned()),
    }
}

#[test]
fn a_flow_of_a_killed_daemon_is_lost_and_taken_up_with_what_was_not_done() {
    let _fault = Fault::new("kill -9 of the parent in a flow");
    let farm = Farm::start(4);
    let site = Site::new(&farm);
    let second = with(waiting("second", &ALL), json!({"parallel": 3}));
    let slots = json!([
        [plain("first", &ALL)],
        [second, plain("beside", &["n4"])],
        [plain("third", &ALL[..2])],
    ]);
    site.write_flow("deploy", json!({"slots": slots}));
    go(&farm, &["n1"]);
    let mut daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();
    let run = daemon.run("deploy");
    ledger.wait_for("deploy/second", "succeeded", SOON);
    ledger.wait_for("deploy/beside", "succeeded", SOON);
    // In the second slot it is done on n1, and runs on the others.
    until("the others", SOON, || (books::starts(&farm) == 9).then_some(()));
    daemon.kill9();

    let mut daemon = Daemon::start_with_control(&site);
    assert_eq!(ledger.wait_for_flow("deploy", run, SOON), "lost");
    assert_eq!(parts(&ledger, run), ["succeeded", "lost", "succeeded"]);
    assert_eq!(daemon.control().status().runs, 0, "nothing of it runs by itself");
    go(&farm, &ALL);
    let later = take_up(&site, run).unwrap();
    assert_eq!(ledger.wait_for_flow("deploy", later, SOON), "succeeded");
    assert_eq!(parts(&ledger, later), ["succeeded", "succeeded"]);
    assert_eq!(ran(&farm, "n1"), "first second third");
    assert_eq!(ran(&farm, "n2"), "first second second third");
    assert_eq!(ran(&farm, "n3"), "first second second");
    let last = ran(&farm, "n4");
    assert_eq!((last.matches("second").count(), last.matches("beside").count()), (2, 1), "{last}");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

/// Killed at any moment: in a slot, between two, before the first, after the last; and each time
/// what is left is taken up, until all of it is done.
#[test]
#[ignore = "minutes: make faults"]
fn a_flow_killed_again_and_again_is_done_in_the_end_and_nothing_of_it_twice() {
    let _fault = Fault::new("kill -9 of the parent in a flow");
    const SPAN: u64 = 3000;
    let farm = Farm::start(4);
    let site = Site::new(&farm);
    let job = |name: &str, nodes: &[&str]| own(name, "sleep 0.$((RANDOM % 4))", nodes);
    let tolerant = with(own("c", "exit $((RANDOM % 2))", &ALL), json!({"on_failure": "continue"}));
    let rescued = with(
        own("d", "exit $((RANDOM % 2))", &ALL),
        json!({"success": "75%", "on_failure": {"rescue": job("back", &["n1"])}}),
    );
    let slots = json!([[job("a", &ALL), job("b", &["n1"])], [tolerant, rescued], [job("e", &ALL)]]);
    site.write_flow("deploy", json!({"slots": slots}));
    let ledger = site.ledger();
    let (mut last, mut taken_up) = (None, 0);
    for number in 0..kills(8) {
        let mut daemon = Daemon::start_with_control(&site);
        let drawn = Duration::from_millis(RandomState::new().hash_one(number) % SPAN);
        last = Some(match last.map(|run| take_up(&site, run)) {
            Some(Ok(run)) => {
                taken_up += 1;
                run
            }
            Some(Err(said)) => {
                let done = said.contains("has succeeded") || said.contains("each slot");
                assert!(done, "{said}");
                daemon.run("deploy")
            }
            None => daemon.run("deploy"),
        });
        std::thread::sleep(drawn);
        daemon.kill9();
        eprintln!(
            "kill {number} after {drawn:?}, in run {last:?}: {:?}",
            parts(&ledger, last.unwrap())
        );
    }
    assert!(taken_up > 0, "nothing was interrupted");
    let mut daemon = Daemon::start_with_control(&site);
    let mut run = last.unwrap();
    until("the end of it all", 4 * SOON, || {
        match take_up(&site, run) {
            Ok(later) => run = later,
            Err(_) => return Some(()),
        }
        (ledger.wait_for_flow("deploy", run, SOON) == "succeeded").then_some(())
    });
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_worker_killed_in_a_slot_fails_its_flow_which_is_taken_up() {
    let _fault = Fault::new("kill -9 of a worker mid-unit");
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    let slots = json!([[waiting("a", &ALL[..2])], [plain("b", &["n1"])]]);
    site.write_flow("deploy", json!({"slots": slots}));
    let mut daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();
    let run = daemon.run("deploy");
    until("the commands", SOON, || (books::starts(&farm) == 2).then_some(()));
    daemon.workers().into_iter().for_each(|worker| worker.signal(Signal::SIGKILL));
    assert_eq!(ledger.wait_for_flow("deploy", run, SOON), "failed");
    assert_eq!(parts(&ledger, run), ["failed"]);
    go(&farm, &ALL[..2]);
    let later = take_up(&site, run).unwrap();
    assert_eq!(ledger.wait_for_flow("deploy", later, SOON), "succeeded");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_node_that_goes_in_a_slot_fails_its_flow_which_is_taken_up_when_it_is_back() {
    let _fault = Fault::new("connection refused");
    let mut farm = Farm::start(2);
    let site = Site::new(&farm);
    site.settings("connect_timeout: 2\nstop_timeout: 1\n");
    let slots = json!([[waiting("a", &["n1"])], [plain("b", &ALL[..2])], [plain("c", &["n1"])]]);
    site.write_flow("deploy", json!({"slots": slots}));
    let mut daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();
    let run = daemon.run("deploy");
    until("the command", SOON, || (books::starts(&farm) == 1).then_some(()));
    farm.stop_node("n2");
    go(&farm, &["n1"]);
    assert_eq!(ledger.wait_for_flow("deploy", run, SOON), "failed");
    assert_eq!(parts(&ledger, run), ["succeeded", "failed"]);
    ledger.wait_for("deploy/b", "unreachable", SOON);
    farm.start_node("n2");
    let mut later = run;
    until("n2 to be used again", 3 * SOON, || {
        later = take_up(&site, later).unwrap();
        (ledger.wait_for_flow("deploy", later, SOON) == "succeeded").then_some(())
    });
    assert_eq!(ran(&farm, "n1").matches('b').count(), 1);
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_flow_goes_on_while_nothing_can_be_written_and_is_recorded_when_it_can() {
    let fault = Fault::new("disk full for the ledger");
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    let slots = json!([[waiting("a", &["n1"])], [plain("b", &ALL[..2])], [plain("c", &["n1"])]]);
    site.write_flow("deploy", json!({"slots": slots}));
    let Some(disk) = SmallDisk::of(&site) else { return fault.skip(NOT_PERMITTED) };
    let mut daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();
    let run = daemon.run("deploy");
    until("the command", SOON, || (books::starts(&farm) == 1).then_some(()));
    disk.fill();
    go(&farm, &["n1"]);
    daemon.wait_for_log("database or disk is full", SOON);
    let mark = daemon.log().mark();
    until("the last slot", SOON, || ran(&farm, "n1").contains('c').then_some(()));
    assert_eq!(ledger.runs("deploy")[0].state, "running");
    disk.make_room();
    daemon.log().wait_after(mark, "recording", TRIED_AGAIN);
    assert_eq!(ledger.wait_for_flow("deploy", run, TRIED_AGAIN), "succeeded");
    assert_eq!(parts(&ledger, run), ["succeeded"; 3]);
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

/// A daemon that dies then knows nothing of what came after, and says so of what it knows.
#[test]
fn a_flow_that_was_not_recorded_any_more_is_lost_from_there_on() {
    let fault = Fault::new("kill -9 of the parent in a flow");
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    let slots = json!([[waiting("a", &["n1"])], [plain("b", &ALL[..2])]]);
    site.write_flow("deploy", json!({"slots": slots}));
    let Some(disk) = SmallDisk::of(&site) else { return fault.skip(NOT_PERMITTED) };
    let mut daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();
    let run = daemon.run("deploy");
    until("the command", SOON, || (books::starts(&farm) == 1).then_some(()));
    disk.fill();
    go(&farm, &["n1"]);
    daemon.wait_for_log("database or disk is full", SOON);
    until("the last slot", SOON, || ran(&farm, "n1").contains('b').then_some(()));
    daemon.kill9();
    disk.make_room();
    let mut daemon = Daemon::start_with_control(&site);
    assert_eq!(ledger.wait_for_flow("deploy", run, SOON), "lost");
    let later = take_up(&site, run).unwrap();
    assert_eq!(ledger.wait_for_flow("deploy", later, SOON), "succeeded");
    daemon.stop();
    // What the nodes have seen in between is in no book; those of the ledger fit all the same.
    Books::of(&site).balance();
}

/// The first is run by hand; that of the full minute waits for it until it need not begin any more.
#[test]
fn a_flow_that_waits_for_longer_than_its_deadline_does_not_begin() {
    let fault = Fault::new("a job longer than its interval");
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let tolerant = with(waiting("a", &["n1"]), json!({"on_failure": "continue"}));
    let more = json!({"schedule": "* * * * *", "overlap": "queue", "deadline": 2});
    site.write_flow("deploy", with(more, json!({"slots": [[tolerant]]})));
    let Some(wall) = Wall::new(&site) else { return fault.skip("there is no libfaketime") };
    let mut daemon = Daemon::start_with_control_as(&site, wall.loom(&site));
    let ledger = daemon.ledger();
    let run = daemon.run("deploy");
    let due = until("the end of the one that was due", TWO_MINUTES, || {
        let mut runs = ledger.runs("deploy").into_iter();
        runs.find(|run| run.scheduled_at.is_some() && run.finished_at.is_some())
    });
    assert_eq!((due.state.as_str(), due.reason.as_deref()), ("skipped", Some("deadline")));
    assert!(ledger.parts(due.id).is_empty());
    go(&farm, &["n1"]);
    assert_eq!(ledger.wait_for_flow("deploy", run, SOON), "succeeded");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

/// One whose units wait for a worker all the time.
#[test]
fn a_flow_none_of_whose_units_begins_in_time_does_not_begin() {
    let fault = Fault::new("a job longer than its interval");
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.settings("connect_timeout: 5\nstop_timeout: 1\nmax_workers: 1\n");
    let busy = "until test -e $LOOM_EVIDENCE/go; do sleep 0.05; done";
    site.write_witnessed("busy", busy, "schedule: '@never'\ntargets: [n1]");
    let tolerant = with(plain("a", &["n1"]), json!({"on_failure": "continue"}));
    let more = json!({"schedule": "* * * * *", "deadline": 2});
    site.write_flow("deploy", with(more, json!({"slots": [[tolerant]]})));
    let Some(wall) = Wall::new(&site) else { return fault.skip("there is no libfaketime") };
    let mut daemon = Daemon::start_with_control_as(&site, wall.loom(&site));
    let ledger = daemon.ledger();
    daemon.run("busy");
    let due = until("the end of the one that was due", TWO_MINUTES, || {
        ledger.runs("deploy").into_iter().find(|run| run.finished_at.is_some())
    });
    assert_eq!((due.state.as_str(), due.reason.as_deref()), ("skipped", Some("deadline")));
    assert_eq!(parts(&ledger, due.id), ["skipped"]);
    go(&farm, &["n1"]);
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
#[ignore = "minutes: make faults"]
fn a_flow_of_every_minute_by_a_clock_that_is_set() {
    let fault = Fault::new("clock +2 h and -2 h");
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    let slots = json!([[plain("a", &ALL[..2])], [plain("b", &["n1"])]]);
    site.write_flow("tick", json!({"schedule": "* * * * *", "slots": slots}));
    let Some(mut wall) = Wall::new(&site) else { return fault.skip("there is no libfaketime") };
    let ledger = site.ledger();
    let mut daemon = Daemon::start_as(&site, wall.loom(&site));
    run_after(&ledger, 0, wall.now() - MINUTE);
    for (epoch, by) in [(0, 2 * HOUR), (1, -2 * HOUR)] {
        let mark = daemon.log().mark();
        wall.set(by, &daemon);
        let noticed = wall.now();
        daemon.log().wait_after(mark, "the clock was set ", TWO_MINUTES);
        run_after(&ledger, epoch, noticed);
    }
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

/// Every one of many flows at once, one cancelled while the others go on.
#[test]
fn flows_beside_each_other_and_on_the_same_nodes_all_end() {
    let _fault = Fault::new("SIGTERM with units running");
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    site.settings("connect_timeout: 5\nstop_timeout: 2\nmax_workers: 3\n");
    let job = |name: &str| own(name, "sleep 0.$((RANDOM % 5))", &ALL[..2]);
    let names: Vec<String> = (0..4).map(|n| format!("flow{n}")).collect();
    for name in &names {
        let slots = json!([[job("a"), job("b")], [job("c")], [job("d"), job("e")]]);
        site.write_flow(name, json!({"slots": slots, "overlap": "allow"}));
    }
    let mut daemon = Daemon::start_with_control(&site);
    let runs: Vec<Command> = names.iter().cycle().take(8).map(Command::run).collect();
    for (_, answer) in daemon.control().requests(&runs) {
        answer.unwrap();
    }
    until("the first that are done", SOON, || (books::starts(&farm) > 12).then_some(()));
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

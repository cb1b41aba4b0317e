//! Ending a flow that is under way, whoever does it and wherever it is.

use std::fs;

use loom::protocol::control::{Answer, Command};
use loom::unit::RunId;
use serde_json::{Value, json};

use crate::harness::flows::{own, with};
use crate::harness::{Books, Daemon, Farm, Ledger, SOON, Site, books, until};

/// A job that has begun when it has left a start, and ends when the node has the file `go`.
fn waiting(name: &str, nodes: &[&str]) -> Value {
    own(name, "until test -e $LOOM_EVIDENCE/go; do sleep 0.05; done", nodes)
}

fn go(farm: &Farm, node: &str) {
    fs::write(farm.node(node).evidence().join("go"), "").unwrap();
}

fn begun(farm: &Farm, commands: usize) {
    until("the commands", SOON, || (books::starts(farm) == commands).then_some(()));
}

fn cancel(daemon: &Daemon, run: i64) {
    let answer = daemon.control().request(Command::Cancel { run: RunId(run as u64) });
    assert_eq!(answer, Ok(Answer::Done));
}

/// State and reason of a run.
fn end_of(ledger: &Ledger, flow: &str, run: i64) -> (String, Option<String>) {
    let (run, _) = ledger.wait_for_run(flow, run, SOON);
    (run.state, run.reason)
}

/// By place: how the parts' runs ended.
fn parts(ledger: &Ledger, run: i64) -> Vec<((i64, i64, i64), String)> {
    ledger.parts(run).into_iter().map(|(place, run)| (place, run.state)).collect()
}

fn cancelled() -> (String, Option<String>) {
    ("cancelled".to_owned(), None)
}

fn over(site: &Site, farm: &Farm, mut daemon: Daemon) {
    daemon.stop();
    Books::of(site).with(farm).balance();
}

#[test]
fn one_that_waits_for_another_is_cancelled_and_the_next_has_its_turn() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let slots = json!([[waiting("a", &["n1"])]]);
    site.write_flow("deploy", json!({"slots": slots, "overlap": "queue"}));
    let daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();
    let first = daemon.run("deploy");
    begun(&farm, 1);
    let second = daemon.run("deploy");
    cancel(&daemon, second);
    assert_eq!(end_of(&ledger, "deploy", second), cancelled());
    assert_eq!(parts(&ledger, second), []);
    // There is room for one that waits again, and it begins when the first is over.
    let third = daemon.run("deploy");
    cancel(&daemon, first);
    assert_eq!(end_of(&ledger, "deploy", first), cancelled());
    go(&farm, "n1");
    assert_eq!(ledger.wait_for_flow("deploy", third, SOON), "succeeded");
    over(&site, &farm, daemon);
}

#[test]
fn one_that_has_not_begun_is_cancelled_with_its_parts() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.settings("connect_timeout: 5\nstop_timeout: 5\nmax_workers: 1\n");
    site.write_witnessed(
        "busy",
        "until test -e $LOOM_EVIDENCE/go; do sleep 0.05; done",
        "schedule: '@never'\ntargets: [n1]",
    );
    let tolerant = with(own("b", "true", &["n1"]), json!({"on_failure": "continue"}));
    site.write_flow("deploy", json!({"slots": [[own("a", "true", &["n1"]), tolerant]]}));
    let daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();
    daemon.run("busy");
    begun(&farm, 1);
    let run = daemon.run("deploy");
    until("its parts", SOON, || (ledger.parts(run).len() == 2).then_some(()));
    cancel(&daemon, run);
    assert_eq!(end_of(&ledger, "deploy", run), cancelled());
    go(&farm, "n1");
    over(&site, &farm, daemon);
}

#[test]
fn one_under_way_ends_here_and_on_its_nodes_and_nothing_is_rescued() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let rescue = json!({"rescue": own("back", "true", &["n1"])});
    let rescued = with(own("a", "sleep 600", &["n1"]), json!({"on_failure": rescue}));
    site.write_flow("deploy", json!({"slots": [[rescued], [own("b", "true", &["n1"])]]}));
    let daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();
    let run = daemon.run("deploy");
    begun(&farm, 1);
    cancel(&daemon, run);
    assert_eq!(end_of(&ledger, "deploy", run), cancelled());
    assert_eq!(parts(&ledger, run), [((1, 1, 0), "cancelled".to_owned())]);
    let unit = &ledger.units("deploy/a")[0];
    assert_eq!(unit.kill.as_deref(), Some("confirmed"), "{unit:?}");
    over(&site, &farm, daemon);
}

#[test]
fn that_a_part_may_fail_does_not_make_a_success_of_one_that_was_ended_in_it() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    // Once it has failed on one node, it would not begin on the other any more.
    let waits = "until test -e $LOOM_EVIDENCE/go; do sleep 0.05; done; exit 1";
    let command = format!("test $LOOM_NODE = n2 || {{ {waits}; }}; sleep 600");
    let tolerant = own("a", &command, &["n1", "n2"]);
    let tolerant = with(tolerant, json!({"on_failure": "continue"}));
    site.write_flow("deploy", json!({"slots": [[tolerant]]}));
    let daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();
    let run = daemon.run("deploy");
    begun(&farm, 2);
    fs::write(farm.node("n1").evidence().join("go"), "").unwrap();
    ledger.wait_for("deploy/a", "failed", SOON);
    cancel(&daemon, run);
    assert_eq!(end_of(&ledger, "deploy", run), cancelled());
    assert_eq!(parts(&ledger, run), [((1, 1, 0), "failed".to_owned())]);
    over(&site, &farm, daemon);
}

#[test]
fn one_in_a_rescue_is_cancelled() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let rescue = json!({"rescue": waiting("back", &["n1"])});
    let rescued = with(own("a", "false", &["n1"]), json!({"on_failure": rescue}));
    site.write_flow("deploy", json!({"slots": [[rescued], [own("b", "true", &["n1"])]]}));
    let daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();
    let run = daemon.run("deploy");
    begun(&farm, 2);
    cancel(&daemon, run);
    assert_eq!(end_of(&ledger, "deploy", run), cancelled());
    let expected = [((1, 1, 0), "failed".to_owned()), ((1, 1, 1), "cancelled".to_owned())];
    assert_eq!(parts(&ledger, run), expected);
    over(&site, &farm, daemon);
}

#[test]
fn with_one_of_its_parts_cancelled_a_flow_ends_when_the_others_have() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    let rescue = json!({"rescue": own("back", "true", &["n1"])});
    let rescued = with(own("a", "sleep 600", &["n1"]), json!({"on_failure": rescue}));
    let slots = json!([[rescued, waiting("b", &["n2"])], [own("c", "true", &["n1"])]]);
    site.write_flow("deploy", json!({"slots": slots}));
    let daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();
    let run = daemon.run("deploy");
    begun(&farm, 2);
    let part = ledger.parts(run)[0].1.id;
    cancel(&daemon, part);
    assert_eq!(end_of(&ledger, "deploy/a", part), cancelled());
    let flow = ledger.runs("deploy");
    assert_eq!(flow[0].state, "running", "its other part has not ended");
    go(&farm, "n2");
    assert_eq!(end_of(&ledger, "deploy", run), cancelled());
    let expected = [((1, 1, 0), "cancelled".to_owned()), ((1, 2, 0), "succeeded".to_owned())];
    assert_eq!(parts(&ledger, run), expected);
    over(&site, &farm, daemon);
}

/// A daemon with a flow in its first slot, on n1; another flow waits for it.
fn under_way<'a>(farm: &Farm, site: &'a Site) -> (Daemon<'a>, [i64; 2]) {
    site.settings("connect_timeout: 5\nstop_timeout: 2\n");
    let slots = json!([[waiting("a", &["n1"])], [own("b", "true", &["n1"])]]);
    site.write_flow("deploy", json!({"slots": slots, "overlap": "queue"}));
    let daemon = Daemon::start_with_control(site);
    let first = daemon.run("deploy");
    begun(farm, 1);
    let runs = [first, daemon.run("deploy")];
    (daemon, runs)
}

#[test]
fn a_daemon_that_is_stopped_ends_flows_with_the_units_they_have() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let (mut daemon, runs) = under_way(&farm, &site);
    daemon.stop();
    let ledger = site.ledger();
    for run in runs {
        assert_eq!(end_of(&ledger, "deploy", run), cancelled());
    }
    assert_eq!(parts(&ledger, runs[0]), [((1, 1, 0), "cancelled".to_owned())]);
    let unit = &ledger.units("deploy/a")[0];
    assert_eq!(
        (unit.outcome.as_deref(), unit.kill.as_deref()),
        (Some("cancelled"), Some("confirmed"))
    );
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_drain_lets_the_units_end_and_no_other_slot_begin() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let (mut daemon, runs) = under_way(&farm, &site);
    let answer = daemon.control().request(Command::Stop { drain: true });
    assert_eq!(answer, Ok(Answer::Done));
    go(&farm, "n1");
    daemon.wait(SOON);
    let ledger = site.ledger();
    for run in runs {
        assert_eq!(end_of(&ledger, "deploy", run), cancelled());
    }
    assert_eq!(parts(&ledger, runs[0]), [((1, 1, 0), "succeeded".to_owned())]);
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_flow_that_is_removed_ends_with_the_units_it_has() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let (daemon, runs) = under_way(&farm, &site);
    let ledger = daemon.ledger();
    let mark = daemon.log().mark();
    fs::remove_file(site.path("jobs/deploy.yaml")).unwrap();
    daemon.hup();
    daemon.log().wait_after(mark, "flow removed: deploy", SOON);
    let removed = || ("skipped".to_owned(), Some("removed".to_owned()));
    assert_eq!(end_of(&ledger, "deploy", runs[1]), removed());
    go(&farm, "n1");
    assert_eq!(end_of(&ledger, "deploy", runs[0]), removed());
    assert_eq!(parts(&ledger, runs[0]), [((1, 1, 0), "succeeded".to_owned())]);
    over(&site, &farm, daemon);
}

#[test]
fn a_flow_that_is_changed_goes_on_as_it_was() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let (daemon, runs) = under_way(&farm, &site);
    let mark = daemon.log().mark();
    site.write_flow("deploy", json!({"slots": [[own("c", "true", &["n1"])]]}));
    daemon.hup();
    daemon.log().wait_after(mark, "flow changed: deploy", SOON);
    go(&farm, "n1");
    let ledger = daemon.ledger();
    for run in runs {
        assert_eq!(ledger.wait_for_flow("deploy", run, SOON), "succeeded");
        assert_eq!(parts(&ledger, run).len(), 2);
    }
    over(&site, &farm, daemon);
}

/// The constraint is still of all that the part was to have.
#[test]
fn a_node_that_goes_before_its_slot_is_one_that_did_not_succeed() {
    let farm = Farm::start(3);
    let site = Site::new(&farm);
    let all = ["n1", "n2", "n3"];
    let most = with(own("most", "true", &all), json!({"success": "60%"}));
    let slots = json!([[waiting("a", &["n1"])], [most], [own("all", "true", &all)]]);
    site.write_flow("deploy", json!({"slots": slots}));
    let daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();
    let run = daemon.run("deploy");
    begun(&farm, 1);
    let mark = daemon.log().mark();
    let less: String =
        ["n1", "n2"].iter().map(|name| farm.node_yaml(name, farm.node(name))).collect();
    site.write("nodes.yaml", &less);
    let slots = json!([[waiting("a", &["n1"])], [own("most", "true", &["n1"])]]);
    site.write_flow("deploy", json!({"slots": slots}));
    daemon.hup();
    daemon.log().wait_after(mark, "node removed: n3", SOON);
    go(&farm, "n1");
    assert_eq!(ledger.wait_for_flow("deploy", run, SOON), "failed");
    let states: Vec<String> = parts(&ledger, run).into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["succeeded", "succeeded", "skipped"], "two of three are 60 %, not all");
    let gaps = "select job, node, reason, run from gaps order by id";
    let gaps = ledger.query(gaps, &[], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
    });
    let gap = |job: &str| (job.to_owned(), "n3".to_owned(), "removed".to_owned());
    assert_eq!(gaps, [gap("deploy/most"), gap("deploy/all")]);
    over(&site, &farm, daemon);
}

#[test]
fn while_all_schedules_are_paused_a_flow_goes_on() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let (daemon, runs) = under_way(&farm, &site);
    assert_eq!(daemon.control().request(Command::Pause), Ok(Answer::Done));
    go(&farm, "n1");
    for run in runs {
        assert_eq!(daemon.ledger().wait_for_flow("deploy", run, SOON), "succeeded");
    }
    over(&site, &farm, daemon);
}

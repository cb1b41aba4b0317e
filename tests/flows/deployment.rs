//! The deployment of Roadrunner's document: pkg1 on db[1-10] and pkg2 on api[1-6]; if both succeed,
//! apache is restarted on fe[1-100], on half of them at once.
//!
//! On 116 sshds, each on an address of its own. What is shown is shown by the nodes' own evidence.

use std::time::Duration;

use super::witness::{self, Gate, Step, UNLESS_BROKEN, step, steps_of};
use crate::harness::ledger::Unit;
use crate::harness::{Books, Daemon, Farm, Ledger, Site, until};

/// A hundred connections and a hundred restarts on a machine that has other things to do.
pub(super) const LONG: Duration = Duration::from_secs(180);
pub(super) const GATE: &str = "gate";

/// Room for more than the fifty restarts that there may be at once.
const SETTINGS: &str =
    "max_workers: 60\nmax_connecting: 20\nconnect_timeout: 30\nstop_timeout: 5\n";

fn names(prefix: &str, count: usize) -> impl Iterator<Item = String> {
    (1..=count).map(move |number| format!("{prefix}{number}"))
}

pub(super) fn the_116() -> (Farm, Site) {
    let farm = Farm::named(names("db", 10).chain(names("api", 6)).chain(names("fe", 100)));
    let site = Site::new(&farm);
    site.settings(SETTINGS);
    (farm, site)
}

/// A job that a flow holds itself, in one line.
fn job(name: &str, command: &str, targets: &str, more: &str) -> String {
    let command = serde_json::to_string(command).unwrap();
    format!("{{name: {name}, task: loom.run, args: [{command}], targets: \"{targets}\"{more}}}")
}

fn deployment(flow: &str, restart: &str) -> String {
    let pkg1 = job("pkg1", &step("pkg1", UNLESS_BROKEN), "db[1-10]", ", success: 80%");
    let pkg2 = job("pkg2", &step("pkg2", UNLESS_BROKEN), "api[1-6]", "");
    format!("flows:\n  {flow}:\n    slots:\n      - [{pkg1}, {pkg2}]\n      - [{restart}]\n")
}

/// Waits for a flow's end; its state.
fn end_of(ledger: &Ledger, flow: &str, run: i64) -> String {
    until(&format!("the end of {flow}, run {run}"), LONG, || {
        let run = ledger.runs(flow).into_iter().find(|each| each.id == run)?;
        run.finished_at.map(|_| run.state)
    })
}

fn count(units: &[Unit], outcome: &str) -> usize {
    units.iter().filter(|unit| unit.outcome.as_deref() == Some(outcome)).count()
}

/// What the nodes have seen of a deployment that came to its end: each front end once, fifty at
/// once at most and indeed, and the first after the last of the installs, of which so many are good.
pub(super) fn half_at_a_time_and_after_both_installs(farm: &Farm, good: usize) {
    let (restarts, steps) = (steps_of(farm, "restart"), witness::steps(farm));
    let mut restarted: Vec<&str> = restarts.iter().map(|restart| restart.node.as_str()).collect();
    restarted.sort_unstable();
    restarted.dedup();
    assert_eq!((restarts.len(), restarted.len()), (100, 100), "each of them once");
    assert_eq!(witness::most_at_once(&restarts), 50);
    let installs: Vec<_> = steps.iter().filter(|step| step.what != "restart").collect();
    let is_good = |step: &&&Step| step.end.is_some_and(|(_, status)| status == 0);
    assert_eq!(
        (installs.len(), installs.iter().filter(is_good).count()),
        (16, good),
        "{installs:?}"
    );
    for install in installs {
        let (ended, _) = install.end.expect("every install has ended");
        assert!(ended < restarts[0].begin, "{install:?} ended after the first {:?}", restarts[0]);
    }
}

#[test]
fn half_of_the_front_ends_restart_once_the_packages_are_on_and_none_before() {
    let (farm, site) = the_116();
    let restart = format!("{}; {UNLESS_BROKEN}", Gate::pass(GATE));
    let restart = job("restart", &step("restart", &restart), "fe[1-100]", ", parallel: 50%");
    site.write("jobs/deploy.yaml", &deployment("deploy", &restart));
    site.write_witnessed("look", "true", "targets: [\"fe[91-95]\"]\nschedule: \"@never\"");
    let gate = Gate::shut(&farm, GATE);
    let mut daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();

    // Seven of ten are not 80 %.
    let broken = ["db2", "db5", "db9"];
    broken.iter().for_each(|db| witness::break_down(&farm, db));
    let run = daemon.run("deploy");
    assert_eq!(end_of(&ledger, "deploy", run), "failed");
    assert_eq!(steps_of(&farm, "restart"), []);
    assert_eq!(steps_of(&farm, "pkg2").len(), 6, "what is beside a failure runs to its end");
    assert_eq!(ledger.runs("deploy/restart"), []);
    witness::forget(&farm);

    // Eight are.
    witness::mend(&farm, "db5");
    let run = daemon.run("deploy");
    until("fifty restarts", LONG, || (steps_of(&farm, "restart").len() >= 50).then_some(()));
    // Others get workers and connections; the next restart waits for one of the fifty to end.
    let looked = daemon.run_to_end("look", LONG);
    assert_eq!(count(&looked, "succeeded"), 5, "{looked:?}");
    let under_way = steps_of(&farm, "restart");
    assert_eq!(under_way.len(), 50);
    assert!(under_way.iter().all(|restart| restart.end.is_none()), "{under_way:?}");
    let open = gate.open();
    assert_eq!(end_of(&ledger, "deploy", run), "succeeded");
    drop(open);

    half_at_a_time_and_after_both_installs(&farm, 14);
    daemon.stop();
    Books::of(&site).with(&farm).needing("deploy/pkg1", 8).balance();
}

#[test]
fn a_canary_that_dies_is_the_only_one() {
    // Whoever is not the first of them is caught all the same, if it were touched.
    let farm = Farm::named(["fe1".to_owned(), "others".to_owned()]);
    let site = Site::empty();
    let node = |name: String| {
        farm.node_yaml(&name, farm.node(if name == "fe1" { "fe1" } else { "others" }))
    };
    site.write("nodes.yaml", &names("fe", 100).map(node).collect::<String>());
    site.settings(SETTINGS);
    let more = ", parallel: [1, 10%, 50%, 100%]";
    let restart = job("restart", &step("restart", UNLESS_BROKEN), "fe[1-100]", more);
    let after = job("after", &step("after", "true"), "fe[1-100]", "");
    let flow = format!("flows:\n  deploy:\n    slots:\n      - [{restart}]\n      - [{after}]\n");
    site.write("jobs/deploy.yaml", &flow);
    witness::break_down(&farm, "fe1");
    let mut daemon = Daemon::start_with_control(&site);
    let run = daemon.run("deploy");
    assert_eq!(end_of(&daemon.ledger(), "deploy", run), "failed");
    let seen: Vec<String> = witness::steps(&farm).into_iter().map(|step| step.node).collect();
    assert_eq!(seen, ["fe1"]);
    let units = daemon.ledger().units("deploy/restart");
    assert_eq!((count(&units, "failed"), count(&units, "skipped")), (1, 99));
    let for_it = "select count(*) from units where reason = 'constraint'";
    assert_eq!(daemon.ledger().query(for_it, &[], |row| row.get::<_, i64>(0)), [99]);
    assert_eq!(daemon.ledger().runs("deploy/after"), []);
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

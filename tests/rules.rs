//! The rules a job sets for its runs, kept with real workers on real nodes.
//!
//! Runs are begun over the control channel, so that nothing waits for a full minute.

use std::time::Duration;

use loom::protocol::control::{Answer, Command};
use loom::unit::RunId;

use crate::harness::ledger::Unit;
use crate::harness::{Books, Daemon, Farm, Ledger, SOON, Site, until};

const NEVER: &str = "schedule: '@yearly'";

fn outcomes(units: &[Unit], outcome: &str) -> usize {
    units.iter().filter(|unit| unit.outcome.as_deref() == Some(outcome)).count()
}

/// Waits for a run's end; its state, and the last attempt on each node.
fn end_of(ledger: &Ledger, job: &str, run: i64) -> (String, Vec<Unit>) {
    let state = until("the end of the run", SOON, || {
        let run = ledger.runs(job).into_iter().find(|each| each.id == run)?;
        (!["queued", "running"].contains(&run.state.as_str())).then_some(run.state)
    });
    let units = ledger.units(job).into_iter().filter(|unit| unit.run == run).collect();
    (state, units)
}

/// A line in `spans` at the begin and one at the end, with nanoseconds: for counting overlaps.
fn span(seconds: &str) -> String {
    format!(
        "echo \"$(date +%s%N) 1\" >>$LOOM_EVIDENCE/spans; sleep {seconds}; \
         echo \"$(date +%s%N) -1\" >>$LOOM_EVIDENCE/spans"
    )
}

/// The most spans at once, over these nodes.
fn most_at_once(farm: &Farm, nodes: &[String]) -> i64 {
    let mut edges: Vec<(u64, i64)> = Vec::new();
    for node in nodes {
        for line in farm.evidence(node, "spans").lines() {
            let (at, step) = line.split_once(' ').unwrap();
            edges.push((at.parse().unwrap(), step.parse().unwrap()));
        }
    }
    edges.sort();
    let running = edges.iter().scan(0, |now, (_, step)| {
        *now += step;
        Some(*now)
    });
    running.max().unwrap_or(0)
}

#[test]
fn two_at_once_and_none_after_success_is_out_of_reach() {
    let farm = Farm::start(10);
    let site = Site::new(&farm);
    let command = format!("{}; case $LOOM_NODE in n1|n2|n3) exit 1;; esac", span("0.3"));
    let rules = format!("targets: [\"n[1-10]\"]\nparallel: 2\nsuccess: 80%\n{NEVER}");
    site.write_witnessed("deploy", &command, &rules);
    let mut daemon = Daemon::start_with_control(&site);
    let run = daemon.run("deploy");
    let (state, units) = end_of(&daemon.ledger(), "deploy", run);
    assert_eq!(state, "failed");
    assert_eq!(outcomes(&units, "failed"), 3, "{units:?}");
    assert!(outcomes(&units, "skipped") >= 5, "{units:?}");
    assert_eq!(units.len(), 10);
    assert!(most_at_once(&farm, &farm.names()) <= 2);
    daemon.stop();
    Books::of(&site).with(&farm).needing("deploy", 8).balance();
}

#[test]
fn a_run_that_meets_its_constraint_succeeds() {
    let farm = Farm::start(5);
    let site = Site::new(&farm);
    let rules = format!("targets: [\"n[1-5]\"]\nsuccess: 80%\n{NEVER}");
    site.write_witnessed("deploy", "[ $LOOM_NODE != n1 ]", &rules);
    let mut daemon = Daemon::start_with_control(&site);
    let run = daemon.run("deploy");
    let (state, units) = end_of(&daemon.ledger(), "deploy", run);
    assert_eq!((state.as_str(), outcomes(&units, "succeeded")), ("succeeded", 4));
    daemon.stop();
    Books::of(&site).with(&farm).needing("deploy", 4).balance();
}

/// Nodes that have seen something of a command.
fn touched(farm: &Farm) -> Vec<String> {
    farm.names().into_iter().filter(|node| !farm.evidence(node, "touched").is_empty()).collect()
}

#[test]
fn a_canary_that_fails_leaves_all_other_nodes_alone() {
    let farm = Farm::start(12);
    let site = Site::new(&farm);
    let command = "echo x >>$LOOM_EVIDENCE/touched; [ $LOOM_NODE != n1 ]";
    let rules = format!("targets: [\"n[1-12]\"]\nparallel: [1, 10%, 50%, 100%]\n{NEVER}");
    site.write_witnessed("plain", command, &rules);
    // One of twelve may fail, but not the first of them all.
    site.write_witnessed("lenient", command, &format!("success: 90%\n{rules}"));
    let mut daemon = Daemon::start_with_control(&site);
    for (job, runs) in [("plain", 1), ("lenient", 2)] {
        let run = daemon.run(job);
        let (state, units) = end_of(&daemon.ledger(), job, run);
        assert_eq!(state, "failed");
        assert_eq!((outcomes(&units, "failed"), outcomes(&units, "skipped")), (1, 11), "{units:?}");
        assert!(
            units
                .iter()
                .all(|unit| (unit.outcome.as_deref() == Some("failed")) == (unit.node == "n1"))
        );
        assert_eq!(touched(&farm), ["n1"], "no other node has seen anything of {job}");
        assert_eq!(farm.evidence("n1", "touched").lines().count(), runs);
    }
    daemon.stop();
    Books::of(&site).with(&farm).needing("lenient", 11).balance();
}

/// Each unit waits until as many have begun as may by the end of its step, and looks around once
/// more at its end: so all of a step are there at once, and nobody of the next.
#[test]
fn a_canary_that_succeeds_widens_to_all_step_by_step() {
    let farm = Farm::start(20);
    let site = Site::new(&farm);
    let all = farm.root().join("begun");
    std::fs::create_dir(&all).unwrap();
    let all = all.display();
    let command = format!(
        "touch {all}/$LOOM_NODE\n\
         begun() {{ ls {all} | wc -l; }}\n\
         case $(begun) in 1) step=1;; [23]) step=3;; [4-9]|1[0-3]) step=13;; *) step=20;; esac\n\
         tries=0\n\
         while [ $(begun) -lt $step ] && [ $tries -lt 600 ]; do\n\
         sleep 0.1; tries=$((tries + 1))\n\
         done\n\
         sleep 0.3\n\
         echo \"$step $(begun)\" >$LOOM_EVIDENCE/touched"
    );
    let rules = format!("targets: [\"n[1-20]\"]\nparallel: [1, 10%, 50%, 100%]\n{NEVER}");
    site.write_witnessed("deploy", &command, &rules);
    let mut daemon = Daemon::start_with_control(&site);
    let run = daemon.run("deploy");
    let (state, units) = end_of(&daemon.ledger(), "deploy", run);
    assert_eq!((state.as_str(), outcomes(&units, "succeeded")), ("succeeded", 20), "{units:?}");
    let seen: Vec<String> =
        farm.names().iter().map(|node| farm.evidence(node, "touched").trim().to_owned()).collect();
    let of_step = |seen_by: &str| seen.iter().filter(|seen| *seen == seen_by).count();
    assert_eq!(["1 1", "3 3", "13 13", "20 20"].map(of_step), [1, 2, 10, 7], "{seen:?}");
    assert_eq!(farm.evidence("n1", "touched").trim(), "1 1", "in the order of the targets");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_step_waits_for_the_retries_of_its_units() {
    let farm = Farm::start(4);
    let site = Site::new(&farm);
    let tries = farm.root().join("tries");
    let tries = tries.display();
    // The first of all fails once; the others note how often it had been tried by then.
    let command = format!(
        "case $LOOM_NODE in n1) echo x >>{tries}; [ $(wc -l <{tries}) -ge 2 ];; \
         *) wc -l <{tries} >$LOOM_EVIDENCE/touched;; esac"
    );
    let retries = "retries: {attempts: 2, delay: 1s, backoff: 1, on: [failed]}";
    let rules = format!("targets: [\"n[1-4]\"]\nparallel: [1, 100%]\n{retries}\n{NEVER}");
    site.write_witnessed("deploy", &command, &rules);
    let mut daemon = Daemon::start_with_control(&site);
    let run = daemon.run("deploy");
    let (state, units) = end_of(&daemon.ledger(), "deploy", run);
    assert_eq!((state.as_str(), outcomes(&units, "succeeded")), ("succeeded", 4), "{units:?}");
    assert_eq!((units.len(), outcomes(&units, "failed")), (5, 1), "{units:?}");
    for node in ["n2", "n3", "n4"] {
        assert_eq!(farm.evidence(node, "touched").trim(), "2", "{node} began too early");
    }
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn what_fails_is_tried_again_as_often_as_the_job_says() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    let third = "echo x >>$LOOM_EVIDENCE/tries; [ $(wc -l <$LOOM_EVIDENCE/tries) -ge 3 ]";
    let retries = "retries: {attempts: 4, delay: 1s, backoff: 1, on: [failed]}";
    site.write_witnessed("flaky", third, &format!("targets: [n1]\n{retries}\n{NEVER}"));
    site.write_witnessed("broken", "exit 3", &format!("targets: [n2]\n{retries}\n{NEVER}"));
    let mut daemon = Daemon::start_with_control(&site);
    let (flaky, broken) = (daemon.run("flaky"), daemon.run("broken"));
    let (state, units) = end_of(&daemon.ledger(), "flaky", flaky);
    assert_eq!((state.as_str(), units.len()), ("succeeded", 3), "{units:?}");
    let attempts: Vec<i64> = units.iter().map(|unit| unit.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
    let (state, units) = end_of(&daemon.ledger(), "broken", broken);
    assert_eq!((state.as_str(), outcomes(&units, "failed")), ("failed", 4), "{units:?}");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn one_waits_behind_a_run_and_a_further_one_is_left_out() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let rules = format!("targets: [n1]\noverlap: queue\n{NEVER}");
    site.write_witnessed("slow", &span("1"), &rules);
    let mut daemon = Daemon::start_with_control(&site);
    let (first, second) = (daemon.run("slow"), daemon.run("slow"));
    let third = daemon.control().request(Command::run("slow".to_owned()));
    assert_eq!(third, Ok(Answer::Run(None)));
    for run in [first, second] {
        assert_eq!(end_of(&daemon.ledger(), "slow", run).0, "succeeded");
    }
    assert_eq!(most_at_once(&farm, &farm.names()), 1);
    let gaps = "select reason from gaps where job = 'slow' and node = 'n1'";
    let reasons = daemon.ledger().query(gaps, &[], |row| row.get::<_, String>(0));
    assert_eq!(reasons, ["overlap"]);
    daemon.stop();
}

#[test]
fn jobs_that_share_a_lock_never_meet_on_a_node() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    let rules = format!("targets: [n1, n2]\nlocks: [disk]\n{NEVER}");
    site.write_witnessed("a", &span("0.5"), &rules);
    site.write_witnessed("b", &span("0.5"), &rules);
    site.write_witnessed("c", &span("0.5"), &rules);
    let mut daemon = Daemon::start_with_control(&site);
    let runs = ["a", "b", "c"].map(|job| (job, daemon.run(job)));
    for (job, run) in runs {
        assert_eq!(end_of(&daemon.ledger(), job, run).0, "succeeded");
    }
    for node in farm.names() {
        assert_eq!(most_at_once(&farm, std::slice::from_ref(&node)), 1, "on {node}");
    }
    assert_eq!(most_at_once(&farm, &farm.names()), 2, "each node has a lock of its own");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_cancelled_run_ends_on_its_nodes_and_nothing_more_of_it_starts() {
    let farm = Farm::start(3);
    let site = Site::new(&farm);
    let rules = format!("targets: [n1, n2, n3]\nparallel: 2\n{NEVER}");
    site.write_witnessed("long", "echo $$ >$LOOM_EVIDENCE/pid; sleep 600", &rules);
    let mut daemon = Daemon::start_with_control(&site);
    let run = daemon.run("long");
    until("two commands", SOON, || {
        (farm.names().iter().filter(|n| !farm.evidence(n, "pid").is_empty()).count() == 2)
            .then_some(())
    });
    let cancel = Command::Cancel { run: RunId(run as u64) };
    assert_eq!(daemon.control().request(cancel.clone()), Ok(Answer::Done));
    let (state, units) = end_of(&daemon.ledger(), "long", run);
    assert_eq!((state.as_str(), outcomes(&units, "cancelled")), ("cancelled", 3), "{units:?}");
    assert!(units.iter().all(|unit| unit.kill.as_deref() == Some("confirmed")), "{units:?}");
    assert!(daemon.control().request(cancel).is_err(), "it is over");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn while_paused_nothing_is_due_and_a_gap_grows() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_witnessed("tick", "true", "targets: [n1]");
    let mut daemon = Daemon::start_with_control(&site);
    assert_eq!(daemon.control().request(Command::Pause), Ok(Answer::Done));
    assert!(daemon.control().status().paused);
    let gaps = "select count from gaps where job = 'tick' and reason = 'paused'";
    let count = |daemon: &Daemon<'_>| daemon.ledger().query(gaps, &[], |row| row.get::<_, i64>(0));
    until("a gap", Duration::from_secs(100), || (count(&daemon) == [1]).then_some(()));
    daemon.stop();
    // It stays paused, and what a person asks for runs all the same.
    let mut daemon = Daemon::start_with_control(&site);
    assert!(daemon.control().status().paused);
    let run = daemon.run("tick");
    assert_eq!(end_of(&daemon.ledger(), "tick", run).0, "succeeded");
    assert_eq!(daemon.control().request(Command::Resume), Ok(Answer::Done));
    assert!(!daemon.control().status().paused);
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_drain_finishes_what_runs_and_starts_nothing() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    site.settings("stop_timeout: 1\n");
    let rules = format!("targets: [n1, n2]\nparallel: 1\n{NEVER}");
    site.write_witnessed("slow", "touch $LOOM_EVIDENCE/begun; sleep 4", &rules);
    let mut daemon = Daemon::start_with_control(&site);
    let run = daemon.run("slow");
    let begun = |node: &str| farm.node(node).evidence().join("begun").exists();
    until("the first command", SOON, || begun("n1").then_some(()));
    assert_eq!(daemon.control().request(Command::Stop { drain: true }), Ok(Answer::Done));
    daemon.wait(SOON);
    let units = site.ledger().units("slow");
    assert!(units.iter().all(|unit| unit.run == run));
    assert_eq!((outcomes(&units, "succeeded"), outcomes(&units, "cancelled")), (1, 1), "{units:?}");
    assert!(!begun("n2"));
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_drain_that_takes_too_long_is_cut_short_by_a_stop() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.settings("stop_timeout: 1\n");
    let rules = format!("targets: [n1]\n{NEVER}");
    site.write_witnessed("slow", "touch $LOOM_EVIDENCE/begun; sleep 600", &rules);
    let mut daemon = Daemon::start_with_control(&site);
    daemon.run("slow");
    until("the command", SOON, || farm.node("n1").evidence().join("begun").exists().then_some(()));
    let stop = |drain| daemon.control().request(Command::Stop { drain });
    assert_eq!(stop(true), Ok(Answer::Done));
    assert!(stop(true).is_err());
    assert_eq!(stop(false), Ok(Answer::Done));
    daemon.wait(SOON);
    assert_eq!(outcomes(&site.ledger().units("slow"), "cancelled"), 1);
    Books::of(&site).with(&farm).balance();
}

#[test]
fn what_fell_due_without_a_daemon_is_made_up_once() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_witnessed("makes_up", "true", "targets: [n1]\nmissed: once\ndeadline: 1h");
    site.write_witnessed("skips", "true", "targets: [n1]");
    Daemon::start(&site).stop();
    let ledger = site.ledger();
    let minute = |ms: i64| ms / 60_000;
    let through = "select accounted_through from jobs where name = 'makes_up'";
    let first: i64 = ledger.query(through, &[], |row| row.get(0))[0];
    until("two full minutes without a daemon", Duration::from_secs(200), || {
        (minute(jiff::Timestamp::now().as_millisecond()) >= minute(first) + 2).then_some(())
    });
    let mut daemon = Daemon::start(&site);
    let run = until("the run made up for", SOON, || ledger.runs("makes_up").into_iter().next());
    let gaps = |job: &str| {
        let sql = "select sum(count) from gaps where job = ?1 and reason = 'daemon down'";
        ledger.query(sql, &[&job], |row| row.get::<_, Option<i64>>(0))[0].unwrap_or(0)
    };
    assert_eq!(gaps("makes_up") + 1, gaps("skips"));
    assert_eq!(end_of(&ledger, "makes_up", run.id).0, "succeeded");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

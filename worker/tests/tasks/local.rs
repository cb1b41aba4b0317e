//! `fabric.api.local`: on this machine, and gone with the unit.

use std::time::Duration;

use loom::arg::Arg;
use loom::protocol::message::{FromWorker, ToWorker, UnitOrder};
use loom::unit::{Canceller, Kill, Outcome};

use super::{order, run, text};
use crate::rig::{Worker, eventually, is_running, rig, stderr, stdout};

const LOCAL: &str = "fabric.api.local";

#[test]
fn a_command_runs_here_and_knows_its_node() {
    let rig = rig();
    let there = rig.path("a dir");
    std::fs::create_dir(&there).unwrap();
    let line = "echo $LOOM_NODE $LOOM_HOST $LOOM_USER; pwd; read -r x; echo err >&2; exit 4";
    let report = run(&rig, LOCAL, &[line], &[("lcd", text(&there))]);
    assert_eq!(report.outcome, Outcome::Failed { exit: Some(4) });
    let node = rig.order(LOCAL, &[]).node;
    let expected = format!("{} {} {}\n{there}\n", node.name, node.host, node.user);
    assert_eq!((stdout(&report), stderr(&report)), (expected, "err\n".into()));

    let report = run(&rig, LOCAL, &["shopt -q extglob; echo $0"], &[("shell", text("/bin/bash"))]);
    assert_eq!(stdout(&report), "/bin/bash\n");
    let report = run(&rig, LOCAL, &["true"], &[("shell", text("/no/shell"))]);
    assert!(report.detail.unwrap().starts_with("/no/shell could not be started"));
    let report = run(&rig, LOCAL, &["exit 2"], &[("warn_only", Arg::Bool(true))]);
    assert_eq!(report.outcome, Outcome::Succeeded);
}

#[test]
fn a_timeout_ends_all_of_it() {
    let rig = rig();
    let line = "setsid sleep 6105.5 & sleep 6105.5 & trap '' TERM; while :; do sleep 1; done";
    let order = order(&rig, LOCAL, &[line], &[]);
    let order = UnitOrder { timeout: Some(Duration::from_millis(300)), ..order };
    let report = Worker::start().run(order);
    assert_eq!(report.outcome, Outcome::TimedOut { kill: Kill::Confirmed }, "{report:?}");
    assert!(!is_running("6105.5"));
}

#[test]
fn a_cancel_ends_it() {
    let rig = rig();
    let mut worker = Worker::start();
    let order = order(&rig, LOCAL, &["sleep 6106.5"], &[]);
    let unit = order.unit;
    worker.order(order);
    eventually("the command runs", || is_running("6106.5"));
    worker.tell(&ToWorker::Cancel { unit, by: Canceller::Shutdown });
    let report = worker.done();
    let outcome = Outcome::Cancelled { by: Canceller::Shutdown, kill: Kill::Confirmed };
    assert_eq!(report.outcome, outcome, "{report:?}");
    assert!(!is_running("6106.5"));
}

#[test]
fn that_it_has_begun_is_told_once_without_a_process_group() {
    let rig = rig();
    let mut worker = Worker::start();
    for (task, command) in [(LOCAL, "true"), (LOCAL, "seq 100000; exit 3")] {
        let order = order(&rig, task, &[command], &[]);
        let unit = order.unit;
        worker.order(order);
        let (said, _) = worker.said();
        assert_eq!(said, [FromWorker::Started { unit, remote_pgid: None }], "{command}");
    }
    let path = rig.path("script");
    std::fs::write(&path, "true").unwrap();
    for (task, argument) in [("fabric.api.put", &path), ("loom.script", &path)] {
        worker.order(order(&rig, task, &[argument], &[]));
        let (said, report) = worker.said();
        assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
        let [FromWorker::Started { remote_pgid: Some(_), .. }] = said[..] else {
            panic!("{task}: {said:?}");
        };
    }
    for (task, argument) in [(LOCAL, None), ("loom.script", Some("/nonexistent"))] {
        let arguments: Vec<&str> = argument.into_iter().collect();
        worker.order(order(&rig, task, &arguments, &[]));
        assert_eq!(worker.said().0, [], "{task} never begins");
    }
}

#[test]
fn who_starts_anew_is_ended_for_good() {
    let rig = rig();
    let line = "trap '' TERM; setsid sh -c 'i=0; while [ $i -lt 40 ]; do \
                i=$((i+1)); setsid sleep 6108.5 & sleep 0.1; done' & sleep 6108.5; true";
    let mut worker = Worker::start();
    let order = order(&rig, LOCAL, &[line], &[]);
    let (unit, grace) = (order.unit, order.kill_grace);
    worker.order(order);
    eventually("the command runs", || is_running("6108.5"));
    worker.tell(&ToWorker::Cancel { unit, by: Canceller::Shutdown });
    let cancelled = std::time::Instant::now();
    let outcome = Outcome::Cancelled { by: Canceller::Shutdown, kill: Kill::Confirmed };
    assert_eq!(worker.done().outcome, outcome);
    assert!(cancelled.elapsed() < grace + Duration::from_secs(5));
    assert!(!is_running("6108.5"));
}

#[test]
fn it_ends_with_its_worker() {
    let rig = rig();
    let mut worker = Worker::start();
    worker.order(order(&rig, LOCAL, &["sleep 6107.5"], &[]));
    eventually("the command runs", || is_running("6107.5"));
    worker.child.kill().unwrap();
    eventually("the command is gone", || !is_running("6107.5"));
}

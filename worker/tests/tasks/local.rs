//! `fabric.api.local`: on this machine, and gone with the unit.

use std::time::Duration;

use loom::arg::Arg;
use loom::protocol::message::{ToWorker, UnitOrder};
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
fn it_ends_with_its_worker() {
    let rig = rig();
    let mut worker = Worker::start();
    worker.order(order(&rig, LOCAL, &["sleep 6107.5"], &[]));
    eventually("the command runs", || is_running("6107.5"));
    worker.child.kill().unwrap();
    eventually("the command is gone", || !is_running("6107.5"));
}

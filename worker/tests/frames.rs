//! The conversation with the parent.

use std::io::{BufRead, BufReader};

use loom::protocol::VERSION;
use loom::protocol::message::{FromWorker, ToWorker};
use loom::unit::{Canceller, Outcome, UnitId};

use crate::rig::{Worker, rig, stdout};

#[test]
fn units_are_run_one_after_the_other_until_shutdown() {
    let rig = rig();
    let mut worker = Worker::start();
    for i in 0..3 {
        let report = worker.run(rig.order("loom.run", &[&format!("echo {i}")]));
        assert_eq!(stdout(&report), format!("{i}\n"));
    }
    worker.tell(&ToWorker::Cancel { unit: UnitId(999), by: Canceller::Shutdown });
    worker.tell(&ToWorker::Shutdown);
    assert!(worker.child.wait().unwrap().success());
}

#[test]
fn shutdown_waits_for_the_unit_at_hand() {
    let rig = rig();
    let mut worker = Worker::start();
    let go = rig.path("go");
    worker.order(rig.order("loom.run", &[&format!("until [ -e {go} ]; do sleep 0.05; done")]));
    assert!(worker.started() > 1);
    worker.tell(&ToWorker::Shutdown);
    std::fs::write(&go, "").unwrap();
    assert_eq!(worker.done().outcome, Outcome::Succeeded);
    assert!(worker.child.wait().unwrap().success());
}

#[test]
fn the_end_of_the_frames_is_the_end_of_the_worker() {
    let mut worker = Worker::start();
    worker.hang_up();
    assert!(worker.child.wait().unwrap().success());
}

#[test]
fn another_version_is_refused_in_words() {
    let mut worker = Worker::silent();
    assert!(matches!(worker.next(), Some(FromWorker::Hello { .. })));
    worker.tell(&ToWorker::Hello { version: VERSION + 1 });
    assert!(!worker.child.wait().unwrap().success());
    let said = BufReader::new(worker.child.stderr.take().unwrap()).lines().next();
    let line = said.unwrap().unwrap();
    assert!(line.contains(&format!("version {} of the protocol", VERSION + 1)), "{line}");
}

#[test]
fn an_unknown_task_or_a_wrong_argument_fails_with_a_reason() {
    let rig = rig();
    let mut worker = Worker::start();
    for (task, args, reason) in
        [("no.such.task", vec![], "no such task"), ("loom.run", vec![], "needs `command`")]
    {
        let report = worker.run(rig.order(task, &args));
        assert_eq!(report.outcome, Outcome::Failed { exit: None });
        assert!(report.detail.as_ref().unwrap().contains(reason), "{report:?}");
    }
}

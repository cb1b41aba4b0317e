//! Units that do not end by themselves: killed means killed, and what is not known is said.

use std::time::Duration;

use loom::protocol::message::{ToWorker, UnitOrder};
use loom::unit::{Canceller, Kill, Outcome};

use crate::kills::directories;
use crate::rig::{Rig, Worker, eventually, is_running, rig, stdout};

/// A line whose process can be found: it sleeps for a number that nobody else sleeps for.
fn sleeper(order: &UnitOrder) -> String {
    format!("600.{}{}", std::process::id(), order.unit)
}

fn sleeping(rig: &Rig, line: &str) -> (UnitOrder, String) {
    let mut order = rig.order("loom.run", &[]);
    let seconds = sleeper(&order);
    order.args = vec![loom::arg::Arg::Str(line.replace("SLEEP", &format!("sleep {seconds}")))];
    (order, seconds)
}

fn started(worker: &mut Worker, order: UnitOrder, seconds: &str) {
    worker.order(order);
    worker.started();
    eventually("the command sleeps", || is_running(seconds));
}

#[test]
fn a_timeout_ends_it_on_the_node() {
    let rig = rig();
    for line in ["SLEEP", "echo before; trap 'echo bye' TERM; SLEEP & wait; wait", "SLEEP; true"] {
        let (mut order, seconds) = sleeping(&rig, line);
        order.timeout = Some(Duration::from_millis(700));
        let report = Worker::start().run(order);
        assert_eq!(report.outcome, Outcome::TimedOut { kill: Kill::Confirmed }, "{line}");
        assert!(!is_running(&seconds), "{line}");
        if line.contains("bye") {
            assert_eq!(stdout(&report), "before\nbye\n");
        }
    }
}

#[test]
fn who_ignores_term_is_killed_after_the_grace_period() {
    let rig = rig();
    for line in ["trap '' TERM; SLEEP", "(trap '' TERM; SLEEP) & sleep 600"] {
        let (order, seconds) = sleeping(&rig, line);
        let unit = order.unit;
        let mut worker = Worker::start();
        started(&mut worker, order, &seconds);
        worker.tell(&ToWorker::Cancel { unit, by: Canceller::Shutdown });
        let by = Canceller::Shutdown;
        assert_eq!(worker.done().outcome, Outcome::Cancelled { by, kill: Kill::Confirmed });
        assert!(!is_running(&seconds), "{line}");
    }
}

#[test]
fn who_has_left_the_session_is_found_by_the_cookie() {
    let rig = rig();
    let (order, seconds) = sleeping(&rig, "setsid SLEEP </dev/null >/dev/null 2>&1 & sleep 600");
    let unit = order.unit;
    let mut worker = Worker::start();
    started(&mut worker, order, &seconds);
    let by = Canceller::User("ann".into());
    worker.tell(&ToWorker::Cancel { unit, by: by.clone() });
    assert_eq!(worker.done().outcome, Outcome::Cancelled { by, kill: Kill::Confirmed });
    assert!(!is_running(&seconds));
}

#[test]
fn a_killed_worker_takes_its_command_along() {
    let rig = rig();
    for line in ["SLEEP", "trap '' TERM; SLEEP", "(trap '' TERM; SLEEP) & sleep 600"] {
        let (order, seconds) = sleeping(&rig, line);
        let mut worker = Worker::start();
        started(&mut worker, order, &seconds);
        worker.child.kill().unwrap();
        eventually("the lease has ended the command", || !is_running(&seconds));
    }
}

#[test]
fn a_worker_without_a_parent_takes_its_command_along() {
    let rig = rig();
    let (order, seconds) = sleeping(&rig, "SLEEP");
    let mut worker = Worker::start();
    started(&mut worker, order, &seconds);
    worker.hang_up();
    assert!(worker.child.wait().unwrap().success());
    eventually("the lease has ended the command", || !is_running(&seconds));
}

#[test]
fn a_master_that_dies_under_a_unit_loses_it() {
    let mut rig = rig();
    let (order, seconds) = sleeping(&rig, "SLEEP");
    let mut worker = Worker::start();
    started(&mut worker, order, &seconds);
    rig.end_master();
    let report = worker.done();
    assert_eq!(report.outcome, Outcome::Lost);
    assert!(report.detail.unwrap().contains("connection was lost"));
    eventually("the lease has ended the command", || !is_running(&seconds));
}

#[test]
fn a_master_that_dies_between_a_tasks_commands_loses_it_too() {
    let mut rig = rig();
    let path = rig.path("script");
    let order = rig.order("loom.script", &[&path]);
    let (seconds, cookie) = (sleeper(&order), order.cookie.clone());
    std::fs::write(path, format!("sleep {seconds}\n")).unwrap();
    let mut worker = Worker::start();
    started(&mut worker, order, &seconds);
    rig.end_master();
    assert_eq!(worker.done().outcome, Outcome::Lost);
    eventually("the lease has ended the command", || !is_running(&seconds));
    // Nobody sweeps for it here.
    directories(&cookie).iter().for_each(|left| std::fs::remove_dir_all(left).unwrap());
}

#[test]
fn without_a_master_nothing_was_started() {
    let mut rig = rig();
    rig.end_master();
    let report = rig.run("true");
    assert_eq!(report.outcome, Outcome::Unreachable, "{report:?}");
}

#[test]
fn a_kill_that_nobody_answers_for_is_unconfirmed() {
    let mut rig = rig();
    let (order, seconds) = sleeping(&rig, "SLEEP");
    let unit = order.unit;
    let mut worker = Worker::start();
    started(&mut worker, order, &seconds);
    // Stopped, it neither ends the lease nor opens a session for the sweep.
    let master = nix::unistd::Pid::from_raw(rig.master.as_ref().unwrap().id() as i32);
    nix::sys::signal::kill(master, nix::sys::signal::SIGSTOP).unwrap();
    worker.tell(&ToWorker::Cancel { unit, by: Canceller::Shutdown });
    let by = Canceller::Shutdown;
    assert_eq!(worker.done().outcome, Outcome::Cancelled { by, kill: Kill::Unconfirmed });
    rig.end_master();
    eventually("the lease has ended the command", || !is_running(&seconds));
}

#[test]
fn a_shell_of_ours_that_is_killed_is_lost_and_nothing_is_left() {
    let rig = rig();
    for victims in ["$PPID", "$(ps -o ppid= $PPID)", "$(ps -o ppid= $PPID) $PPID"] {
        let (order, seconds) = sleeping(&rig, &format!("SLEEP & kill -KILL {victims}; wait"));
        let report = Worker::start().run(order);
        assert_eq!(report.outcome, Outcome::Lost, "{victims}: {report:?}");
        assert!(report.detail.unwrap().contains("shell on the node was killed"));
        eventually("the lease has ended the command", || !is_running(&seconds));
    }
}

#[test]
fn what_a_lost_unit_left_is_swept_before_the_next() {
    let rig = rig();
    let (order, seconds) = sleeping(&rig, "setsid SLEEP </dev/null >/dev/null 2>&1 & sleep 600");
    let cookie = order.cookie.clone();
    let mut worker = Worker::start();
    started(&mut worker, order, &seconds);
    worker.child.kill().unwrap();
    let mut next = rig.order("loom.run", &["true"]);
    next.sweep = vec!["never-there".into(), cookie];
    assert_eq!(Worker::start().run(next).outcome, Outcome::Succeeded);
    assert!(!is_running(&seconds));
}

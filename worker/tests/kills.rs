//! Killed means killed: whoever a unit has started, wherever it went; and `Confirmed` means that
//! the node has said so.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use loom::arg::Arg;
use loom::protocol::message::{FromWorker, ToWorker, UnitOrder};
use loom::unit::{Canceller, Kill, Outcome};

use crate::rig::{Rig, Worker, current_user, eventually, is_running, rig};

/// A number of seconds that nobody else sleeps for, by which the sleepers are found.
fn seconds(order: &UnitOrder) -> String {
    format!("610.{}{}", std::process::id(), order.unit)
}

/// `loom.run` of this line, in which SLEEP is to be replaced.
fn sleeping(rig: &Rig, line: &str) -> (UnitOrder, String) {
    let mut order = rig.order("loom.run", &[]);
    let seconds = seconds(&order);
    order.args = vec![Arg::Str(line.replace("SLEEP", &format!("sleep {seconds}")))];
    (order, seconds)
}

fn begun(order: UnitOrder, seconds: &str) -> Worker {
    let mut worker = Worker::start();
    worker.order(order);
    worker.started();
    eventually("it sleeps", || is_running(seconds));
    worker
}

/// Cancels a unit once its command sleeps; what became of it.
fn cancelled(rig: &Rig, line: &str) -> (Kill, bool) {
    let (order, seconds) = sleeping(rig, line);
    let unit = order.unit;
    let mut worker = begun(order, &seconds);
    worker.tell(&ToWorker::Cancel { unit, by: Canceller::Shutdown });
    match worker.done().outcome {
        Outcome::Cancelled { by: Canceller::Shutdown, kill } => (kill, is_running(&seconds)),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn no_way_out_is_far_enough() {
    let rig = rig();
    for line in [
        "nohup SLEEP >/dev/null 2>&1 & wait",
        "setsid nohup SLEEP >/dev/null 2>&1 & sleep 600",
        "(setsid sh -c '(SLEEP; true) &' &) & sleep 600",
        "timeout 600 SLEEP",
        "(trap '' TERM HUP; setsid SLEEP) & sleep 600",
        // Without the cookie, but in the session.
        "env -i SLEEP",
        "exec bash -c 'set -m; env -i SLEEP & sleep 600'",
        "trap '' TERM; env -i SLEEP; true",
    ] {
        assert_eq!(cancelled(&rig, line), (Kill::Confirmed, false), "{line}");
    }
}

#[test]
fn who_cleared_the_environment_has_its_grace_period_too() {
    let rig = rig();
    let said = rig.path("said");
    let line = format!(
        "env -i PATH=/usr/bin:/bin sh -c 'trap \"sleep 0.5; echo bye >{said}; exit\" TERM; SLEEP & wait'"
    );
    assert_eq!(cancelled(&rig, &line), (Kill::Confirmed, false));
    assert_eq!(fs::read_to_string(said).unwrap(), "bye\n");
}

#[test]
fn who_starts_anew_whenever_it_is_ended_is_ended_for_good() {
    let rig = rig();
    let script = rig.path("again.sh");
    // A new one in a session of its own for each TERM, and some more from time to time.
    let again = "trap 'setsid sh \"$0\" $(($1 - 1)) $2 & exit' TERM\n\
                 [ $1 -gt 0 ] || exit\nsleep $2 & wait $!\n";
    fs::write(&script, again).unwrap();
    let steady = "trap '' TERM; i=0; while [ $i -lt 200 ]; do i=$((i+1)); setsid SLEEP & \
                  sleep 0.05; done; wait";
    let (_, seconds) = sleeping(&rig, "");
    for line in [format!("setsid sh {script} 50 {seconds} & SLEEP"), steady.to_owned()] {
        assert_eq!(cancelled(&rig, &line), (Kill::Confirmed, false), "{line}");
    }
    assert!(!is_running(&script));
    assert!(!is_running(&seconds));
}

#[test]
fn a_cancel_at_any_moment_of_the_beginning_is_true_to_its_word() {
    let rig = rig();
    let mut confirmed = 0;
    for wait in 0..24 {
        let (order, seconds) = sleeping(&rig, "SLEEP");
        let unit = order.unit;
        let mut worker = Worker::start();
        worker.order(order);
        thread::sleep(Duration::from_millis(wait));
        worker.tell(&ToWorker::Cancel { unit, by: Canceller::Shutdown });
        match worker.done().outcome {
            Outcome::Cancelled { kill: Kill::Confirmed, .. } => confirmed += 1,
            // A machine so busy that the session was not there in time.
            Outcome::Cancelled { kill: Kill::Unconfirmed, .. } => {
                eventually("the lease has ended it", || !is_running(&seconds));
            }
            other => panic!("after {wait} ms: {other:?}"),
        }
        assert!(!is_running(&seconds), "after {wait} ms");
    }
    assert!(confirmed > 12, "{confirmed} of 24");
}

#[test]
fn what_still_waits_for_its_session_is_cancelled_at_once() {
    let rig = Rig::new(&current_user(), "MaxSessions 1");
    let (order, seconds) = sleeping(&rig, "SLEEP");
    let _holder = begun(order, &seconds);
    let ran = rig.path("ran");
    let order = rig.order("loom.run", &[&format!("touch {ran}")]);
    let unit = order.unit;
    let mut second = Worker::start();
    second.order(order);
    // Long enough to be refused; were it not, this would only show less.
    thread::sleep(Duration::from_millis(300));
    second.tell(&ToWorker::Cancel { unit, by: Canceller::Shutdown });
    let cancelled = Instant::now();
    let (said, report) = second.said();
    let (by, kill) = (Canceller::Shutdown, Kill::Confirmed);
    assert_eq!(report.outcome, Outcome::Cancelled { by, kill });
    assert!(cancelled.elapsed() < Duration::from_secs(1), "{:?}", cancelled.elapsed());
    assert_eq!(said, [], "it has not begun");
    assert!(!Path::new(&ran).exists());
}

#[test]
fn a_node_that_hangs_confirms_nothing() {
    let rig = rig();
    let (mut order, seconds) = sleeping(&rig, "SLEEP");
    order.timeout = Some(Duration::from_secs(2));
    let grace = order.kill_grace;
    let ordered = Instant::now();
    let mut worker = begun(order, &seconds);
    let frozen = rig.freeze();
    let outcome = worker.done().outcome;
    let took = ordered.elapsed();
    assert_eq!(outcome, Outcome::TimedOut { kill: Kill::Unconfirmed });
    assert!(took < Duration::from_secs(2 + 5) + grace, "{took:?}");
    assert!(is_running(&seconds));
    drop(frozen);
    eventually("the lease has ended the command", || !is_running(&seconds));
}

#[test]
fn a_sweep_that_has_an_answer_is_told_of_before_the_unit_begins() {
    let rig = rig();
    let (order, seconds) = sleeping(&rig, "setsid SLEEP >/dev/null 2>&1 & sleep 600");
    let cookie = order.cookie.clone();
    begun(order, &seconds).child.kill().unwrap();
    let mut next = rig.order("loom.run", &["true"]);
    next.sweep = vec![cookie];
    let unit = next.unit;
    let mut worker = Worker::start();
    worker.order(next);
    let (said, report) = worker.said();
    assert_eq!(report.outcome, Outcome::Succeeded);
    let [swept, started] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(*swept, FromWorker::Swept { unit });
    assert!(matches!(started, FromWorker::Started { remote_pgid: Some(_), .. }), "{said:?}");
    assert!(!is_running(&seconds));
}

#[test]
fn a_cancel_during_the_sweep_ends_the_unit_that_never_began() {
    let rig = rig();
    let swept = rig.path("swept");
    let stubborn = format!(
        "setsid sh -c 'trap \"touch {swept}\" TERM; while :; do SLEEP; done' >/dev/null 2>&1 & \
                            sleep 600"
    );
    let (order, seconds) = sleeping(&rig, &stubborn);
    let cookie = order.cookie.clone();
    begun(order, &seconds).child.kill().unwrap();

    let ran = rig.path("ran");
    let mut order = rig.order("loom.run", &[&format!("touch {ran}")]);
    order.sweep = vec![cookie.clone()];
    order.kill_grace = Duration::from_secs(20);
    let unit = order.unit;
    let mut worker = Worker::start();
    worker.order(order);
    eventually("the sweep has sent its TERM", || Path::new(&swept).exists());
    worker.tell(&ToWorker::Cancel { unit, by: Canceller::Shutdown });
    let cancelled = Instant::now();
    let (said, report) = worker.said();
    let (by, kill) = (Canceller::Shutdown, Kill::Confirmed);
    assert_eq!(report.outcome, Outcome::Cancelled { by, kill });
    assert!(cancelled.elapsed() < Duration::from_secs(5), "{:?}", cancelled.elapsed());
    assert_eq!(said, [], "neither swept nor begun");
    assert!(!Path::new(&ran).exists());

    let mut order = rig.order("loom.run", &["true"]);
    order.sweep = vec![cookie];
    worker.order(order);
    assert!(matches!(worker.said().0[0], FromWorker::Swept { .. }));
    assert!(!is_running(&seconds));
}

/// What a unit of this cookie has in /tmp.
pub fn directories(cookie: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir("/tmp").unwrap().flatten().map(|entry| entry.path());
    let prefix = format!("/tmp/loom-{cookie}.");
    entries.filter(|path| path.display().to_string().starts_with(&prefix)).collect()
}

#[test]
fn a_script_whose_worker_died_leaves_nothing_after_the_sweep() {
    let rig = rig();
    let path = rig.path("script");
    let order = rig.order("loom.script", &[&path]);
    let (cookie, seconds) = (order.cookie.clone(), seconds(&order));
    fs::write(path, format!("sleep {seconds}\n")).unwrap();
    begun(order, &seconds).child.kill().unwrap();
    assert_eq!(directories(&cookie).len(), 1);

    // What only looks like it, or is another unit's, stays.
    let precious = rig.path("precious");
    fs::create_dir(&precious).unwrap();
    let link = format!("/tmp/loom-{cookie}.link");
    symlink(&precious, &link).unwrap();
    let other = format!("/tmp/loom-{cookie}0.other");
    fs::create_dir(&other).unwrap();
    let mut next = rig.order("loom.run", &["true"]);
    next.sweep = vec![cookie.clone()];
    let (_, report) = {
        let mut worker = Worker::start();
        worker.order(next);
        worker.said()
    };
    let left = directories(&cookie);
    let others = Path::new(&other).exists() && Path::new(&precious).exists();
    fs::remove_file(&link).unwrap();
    fs::remove_dir(&other).unwrap();
    assert_eq!(report.outcome, Outcome::Succeeded);
    assert_eq!((left, others), (vec![PathBuf::from(link)], true));
}

#[test]
fn a_script_that_is_cancelled_leaves_nothing() {
    let rig = rig();
    let path = rig.path("script");
    let order = rig.order("loom.script", &[&path]);
    let (cookie, seconds, unit) = (order.cookie.clone(), seconds(&order), order.unit);
    fs::write(path, format!("trap '' TERM; sleep {seconds}\n")).unwrap();
    let mut worker = begun(order, &seconds);
    worker.tell(&ToWorker::Cancel { unit, by: Canceller::Shutdown });
    let (by, kill) = (Canceller::Shutdown, Kill::Confirmed);
    assert_eq!(worker.done().outcome, Outcome::Cancelled { by, kill });
    assert_eq!((directories(&cookie), is_running(&seconds)), (vec![], false));
}

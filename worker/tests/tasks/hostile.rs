//! Python tasks that do what they should not: what they leave running, and what they send.

use std::fs;
use std::time::Duration;

use loom::password::Password;
use loom::protocol::message::{Report, UnitOrder};
use loom::python::Python;
use loom::unit::{Kill, Outcome};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::order;
use crate::rig::{Rig, Worker, is_running, rig, stderr};
use crate::skip::skip;

fn python(rig: &Rig, source: &str) -> UnitOrder {
    let dir = rig.dir.path().join("modules");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("tasks.py"), source).unwrap();
    UnitOrder { python: Some(Python::new(vec![dir])), ..order(rig, "tasks.f", &[], &[]) }
}

fn returned(mut worker: Worker, order: UnitOrder) -> String {
    let report: Report = worker.run(order);
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}\n{}", stderr(&report));
    report.result.unwrap()
}

#[test]
fn what_has_thrown_its_mark_away_ends_with_the_unit() {
    let rig = rig();
    let seconds = format!("{}.25", 10_000_000 + std::process::id());
    let start =
        format!("['env', '-i', 'setsid', 'sh', '-c', 'sleep {seconds} >/dev/null 2>&1 & echo up']");
    let source = format!("import subprocess\ndef f(): return subprocess.check_output({start})");
    let mut worker = Worker::start();
    let report = worker.run(python(&rig, &source));
    assert_eq!(report.outcome, Outcome::Succeeded, "{}", stderr(&report));
    assert!(!is_running(&seconds), "it was left");

    // The interpreter itself, and one that a timeout ends.
    let source = "import os\ndef f():\n    os.setpgid(0, 0)\n    \
                  os.execve('/bin/sleep', ['sleep', 'SECONDS'], {})";
    let order = python(&rig, &source.replace("SECONDS", &seconds));
    let report = worker.run(UnitOrder { timeout: Some(Duration::from_secs(2)), ..order });
    assert_eq!(report.outcome, Outcome::TimedOut { kill: Kill::Confirmed });
    assert!(!is_running(&seconds), "it outlived the timeout");
}

#[test]
fn a_request_of_millions_of_values_is_refused_before_it_takes_room() {
    let rig = rig();
    let source = "import loom_bridge\n\
                  def f(): loom_bridge.unit['channel'].ask({'op': [None] * (15 << 20)})";
    let report = Worker::start().run(python(&rig, source));
    assert_eq!(report.outcome, Outcome::Failed { exit: None }, "{report:?}");
    assert!(report.detail.unwrap().contains("no value at byte"));
}

#[test]
fn an_interpreter_that_knows_answers_leaves_no_core_file() {
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE).unwrap();
    if hard == 0 {
        let test = "an_interpreter_that_knows_answers_leaves_no_core_file";
        return skip(test, "nothing may leave a core file here");
    }
    setrlimit(Resource::RLIMIT_CORE, hard, hard).unwrap();
    let rig = rig();
    let source =
        "import resource\ndef f(): return resource.getrlimit(resource.RLIMIT_CORE)[0] == 0";
    let mut order = python(&rig, source);
    assert_eq!(returned(Worker::start(), order.clone()), "False");
    let answers = vec![("Go on?".to_owned(), Password::Literal("secret".into()))];
    order.python.as_mut().unwrap().answers = answers;
    assert_eq!(returned(Worker::start(), order), "True");
}

#[test]
fn who_types_without_end_is_ended_by_the_timeout() {
    let rig = rig();
    let source = r#"
import loom_bridge
def f():
    line = loom_bridge.unit["channel"]
    def heard(stream, data):
        for _ in range(400):
            line.type("x" * 1000 + "\n")
    line.ask({"op": "run", "line": "yes | head -c 2000000; sleep 600", "pty": True}, heard)
"#;
    let order = UnitOrder { timeout: Some(Duration::from_secs(3)), ..python(&rig, source) };
    let report = Worker::start().run(order);
    assert_eq!(report.outcome, Outcome::TimedOut { kill: Kill::Confirmed });
}

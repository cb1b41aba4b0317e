//! Python tasks: a real interpreter, its conversation with the worker, and the node.
//!
//! The modules speak with the worker as our Fabric does, and import none of it.

use std::fs;
use std::time::Duration;

use loom::arg::Arg;
use loom::protocol::cookie::Rights;
use loom::protocol::message::{FromWorker, MAX_RESULT, Report, ToWorker, UnitOrder};
use loom::python::Python;
use loom::unit::{Canceller, Kill, Outcome, UnitId};

use super::{Asking, PASSWORD, login_rig, order, text, with_password};
use crate::rig::{Rig, Worker, eventually, is_running, rig, stderr, stdout};

/// What the modules of these tests begin with.
const ASK: &str = r#"
import os, sys, loom_bridge

def ask(**request):
    heard = []
    def hear(stream, data):
        heard.append((stream, data.decode("utf-8")))
    reply = loom_bridge.unit["channel"].ask(request, hear)
    return reply, "".join(t for s, t in heard if s == "stdout"), "".join(t for s, t in heard if s == "stderr")
"#;

fn python(rig: &Rig, source: &str, task: &str, kwargs: &[(&str, Arg)]) -> UnitOrder {
    let dir = rig.dir.path().join("modules");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("tasks.py"), format!("{ASK}\n{source}")).unwrap();
    let order = order(rig, &format!("tasks.{task}"), &[], kwargs);
    UnitOrder { python: Some(Python::new(vec![dir])), ..order }
}

fn call(rig: &Rig, source: &str, task: &str, kwargs: &[(&str, Arg)]) -> Report {
    Worker::start().run(python(rig, source, task, kwargs))
}

/// What the task `f` returned.
fn returned(rig: &Rig, source: &str) -> String {
    let report = call(rig, source, "f", &[]);
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}\n{}", stderr(&report));
    report.result.unwrap()
}

#[test]
fn arguments_arrive_and_what_is_returned_comes_back() {
    let rig = rig();
    let deep = Arg::Map(vec![
        (text("list"), Arg::List(vec![Arg::Int(-7), Arg::Float(2.5), Arg::Null])),
        (Arg::Int(1), Arg::Bool(true)),
        (text("text"), text("z: ä€\u{1f600}\n'\"\\")),
    ]);
    let source = "def f(**given): return repr(given['deep'])";
    let report = call(&rig, source, "f", &[("deep", deep)]);
    let expected = r#"{'list': [-7, 2.5, None], 1: True, 'text': 'z: ä€😀\n\'"\\'}"#;
    assert_eq!(report.result.as_deref(), Some(expected));

    assert_eq!(returned(&rig, "def f(): pass"), "No output returned.");
    assert_eq!(returned(&rig, "def f(): return 0"), "0");
    let long = returned(&rig, "def f(): return u'\\u20ac' * 5000");
    assert!(long.len() <= MAX_RESULT && long.ends_with("€…"), "{}", long.len());
}

#[test]
fn what_it_prints_is_the_units_output() {
    let rig = rig();
    let source = "def f():\n    print('out')\n    sys.stderr.write('err\\n')\n    \
                  os.system('echo child')\n    sys.stdout.write(u'no newline \\xe4')";
    let report = call(&rig, source, "f", &[]);
    assert_eq!(stdout(&report), "out\nchild\nno newline ä");
    assert_eq!(stderr(&report), "err\n");
}

#[test]
fn how_it_ends_is_the_units_outcome() {
    let rig = rig();
    let source = "class Odd(Exception):\n    def __str__(self): return 1 / 0\n\
                  def leave(code): raise SystemExit(code)\n\
                  def fail(): raise ValueError('not\\nthis')\n\
                  def odd(): raise Odd()\n\
                  here = 1\n";
    let end = |task: &str, kwargs: &[(&str, Arg)]| {
        let report = call(&rig, source, task, kwargs);
        (report.outcome.to_string(), report.detail.unwrap_or_default())
    };
    let leave = |code: Arg| end("leave", &[("code", code)]);
    assert_eq!(leave(Arg::Null), ("succeeded".into(), String::new()));
    assert_eq!(leave(Arg::Int(0)), ("succeeded".into(), String::new()));
    assert_eq!(leave(Arg::Int(3)), ("failed, exit 3".into(), String::new()));
    assert_eq!(leave(text("I go")), ("failed, exit 1".into(), "I go".into()));
    assert_eq!(end("odd", &[]).0, "failed");
    assert_eq!(end("nowhere", &[]).1, {
        let file = rig.dir.path().join("modules/tasks.py");
        format!("tasks ({}) has no nowhere", file.display())
    });
    assert!(end("here", &[]).1.contains("cannot be called"));
    let failed = call(&rig, source, "fail", &[]);
    assert_eq!(failed.outcome, Outcome::Failed { exit: None });
    assert!(stderr(&failed).starts_with("Traceback"), "{}", stderr(&failed));
    assert!(!stderr(&failed).contains("loom_bridge"), "{}", stderr(&failed));
    assert!(failed.detail.unwrap().starts_with("ValueError: not this"));
}

#[test]
fn commands_run_on_the_node_one_after_the_other() {
    let rig = login_rig();
    let source = "def f():\n    said = [ask(op='run', line='echo %d; echo e >&2; exit %d' % (n, n)) for n in range(3)]\n    return said";
    let expected = "[({'exit': 0}, '0\\n', 'e\\n'), ({'exit': 1}, '1\\n', 'e\\n'), \
                    ({'exit': 2}, '2\\n', 'e\\n')]";
    assert_eq!(returned(&rig, source), expected);
    let source = "def f(): return ask(op='run', line='kill -9 $$')[0], \
                  ask(op='run', line='echo a; echo b >&2', combine=True)[1:], \
                  ask(op='run', line='tty | grep -c pts; stty size', pty=True)[1]";
    assert_eq!(returned(&rig, source), "({'signal': 9}, ('a\\nb\\n', ''), '1\\r\\n24 80\\r\\n')");
}

#[test]
fn a_command_beyond_its_time_is_ended_and_the_next_one_runs() {
    let rig = rig();
    let source = "def f(): return ask(op='run', line='sleep 6107.5', timeout=0.3)[0], \
                  ask(op='run', line='echo on')[1]";
    let expected = "({'timed_out': True, 'kill': 'confirmed'}, 'on\\n')";
    assert_eq!(returned(&rig, source), expected);
    // The shell around it has no mark, and ends by itself.
    eventually("it is gone", || !is_running("6107.5"));
}

#[test]
fn a_terminal_can_be_typed_at() {
    let rig = rig();
    let source = "def f():\n    said = []\n    def hear(stream, data):\n        \
                  said.append(data.decode('utf-8'))\n        \
                  if data.endswith(b'name? '): loom_bridge.unit['channel'].type('loom\\n')\n    \
                  line = \"printf 'name? '; read -r name; echo \\\"[$name]\\\"\"\n    \
                  loom_bridge.unit['channel'].ask({'op': 'run', 'line': line, 'pty': True}, hear)\n    \
                  return ''.join(said)";
    assert_eq!(returned(&rig, source), "name? [loom]\r\n");
}

#[test]
fn sudos_password_is_answered_by_the_worker_and_never_seen_by_the_task() {
    let asking = Asking::new();
    let source = "def f():\n    said = ask(op='run', line='echo $((6 * 7))', sudo={'user': '0'})\n    \
                  print(said)\n    print(sorted(loom_bridge.unit.items()))\n    print(dict(os.environ))";
    let report =
        Worker::start().run(with_password(PASSWORD, python(&asking.rig, source, "f", &[])));
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert!(stdout(&report).contains("({'exit': 0}, '42\\n', '')"), "{}", stdout(&report));
    assert!(!stdout(&report).contains(PASSWORD));
    assert!(asking.options().contains("-u #0"), "{}", asking.options());

    let source = "def f():\n    try: ask(op='run', line='true', sudo={})\n    \
                  except Exception as error: return '%s: %s' % (error.kind, error)";
    let report = Worker::start().run(with_password("wrong", python(&asking.rig, source, "f", &[])));
    assert_eq!(report.result.unwrap(), "sudo: sudo did not run the command; its output says why");
}

/// Until the worker asks for its unit's rights to be kept; so often was sudo called before.
fn asks_for_rights(worker: &mut Worker, asking: &Asking) -> (Rights, usize) {
    loop {
        match worker.next().expect("a living worker") {
            FromWorker::Rights { rights, .. } => {
                // Nothing tells of what does not happen.
                std::thread::sleep(Duration::from_millis(300));
                return (rights, asking.options().lines().count());
            }
            FromWorker::Started { .. } | FromWorker::Heartbeat => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn rights_are_kept_by_the_parent_before_sudo_is_started() {
    let asking = Asking::new();
    let source = "def f():\n    \
                  for sudo in {}, {'user': '7'}, {'user': 'root'}, {'user': '7'}, {'user': 'www'}, \
                  {'user': 'www', 'group': '7'}:\n        ask(op='run', line='true', sudo=sudo)";
    let mut worker = Worker::start();
    let order = with_password(PASSWORD, python(&asking.rig, source, "f", &[]));
    let unit = order.unit;
    worker.order(order);
    let user = |name: &str| Rights::User(name.into());
    for expected in [(Rights::Root, 0), (user("#7"), 1), (user("www"), 4)] {
        assert_eq!(asks_for_rights(&mut worker, &asking), expected);
        // Of another unit, which it is not.
        worker.tell(&ToWorker::RightsKept { unit: UnitId(0) });
        worker.tell(&ToWorker::RightsKept { unit });
    }
    let (said, report) = worker.said();
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert!(said.is_empty(), "what it has asked is not asked again: {said:?}");
    assert_eq!(asking.options().lines().count(), 6);
}

#[test]
fn a_unit_that_is_stopped_does_not_wait_for_its_rights() {
    let asking = Asking::new();
    let source = "def f(): ask(op='run', line='true', sudo={})";
    let mut worker = Worker::start();
    let order = with_password(PASSWORD, python(&asking.rig, source, "f", &[]));
    let unit = order.unit;
    worker.order(order);
    assert_eq!(asks_for_rights(&mut worker, &asking), (Rights::Root, 0));
    worker.tell(&ToWorker::Cancel { unit, by: Canceller::Shutdown });
    let cancelled = Outcome::Cancelled { by: Canceller::Shutdown, kill: Kill::Confirmed };
    assert_eq!(worker.said().1.outcome, cancelled);
    assert_eq!(asking.options(), "");
    // What the parent says too late is no word to the next.
    worker.tell(&ToWorker::RightsKept { unit });
    assert_eq!(worker.run(asking.rig.order("loom.run", &["true"])).outcome, Outcome::Succeeded);
}

#[test]
fn files_go_and_come() {
    let rig = rig();
    fs::write(rig.path("here"), "content").unwrap();
    let source = format!(
        "def f():\n    put = ask(op='put', local='{0}/here', remote='{0}/there', mode=0o640, use_glob=True)[0]\n    \
         get = ask(op='get', remote='{0}/there', local='{0}/got-%(host)s', host='n')[0]\n    \
         try: ask(op='put', local='{0}/nowhere', remote='x', use_glob=False)\n    \
         except Exception as error: return put, get, error.kind, str(error)",
        rig.dir.path().display()
    );
    let dir = rig.dir.path().display().to_string();
    let expected = format!(
        "({{'paths': ['{dir}/there']}}, {{'paths': ['{dir}/got-n']}}, 'file', \
         '{dir}/nowhere: No such file or directory (os error 2)')"
    );
    assert_eq!(returned(&rig, &source), expected);
    assert_eq!(fs::read_to_string(rig.path("got-n")).unwrap(), "content");
}

#[test]
fn a_module_that_only_site_knows_is_found() {
    let rig = rig();
    let source = "def f():\n    before = 'site' in sys.modules\n    try: import no_such_module_anywhere\n    \
                  except ImportError: pass\n    return before, 'site' in sys.modules";
    assert_eq!(returned(&rig, source), "(False, True)");
}

#[test]
fn without_an_interpreter_the_unit_says_what_to_do() {
    let rig = rig();
    let mut order = python(&rig, "def f(): pass", "f", &[]);
    order.python.as_mut().unwrap().interpreter = "python-of-tomorrow".into();
    let report = Worker::start().run(order);
    assert_eq!(report.outcome, Outcome::Failed { exit: None });
    let detail = report.detail.unwrap();
    assert!(detail.starts_with("there is no python-of-tomorrow"), "{detail}");
}

#[test]
fn the_nodes_password_is_typed_where_the_task_is_asked_for_one() {
    let rig = login_rig();
    let source = "def f():\n    heard = []\n    def hear(stream, data):\n        heard.append(data)\n        \
                  if data.endswith(b'word: '): loom_bridge.unit['channel'].type_password()\n    \
                  line = \"stty -echo; printf 'pass''word: '; read -r given; echo ${#given}\"\n    \
                  loom_bridge.unit['channel'].ask({'op': 'run', 'line': line, 'pty': True}, hear)\n    \
                  return b''.join(heard).decode()";
    let report = Worker::start().run(with_password(PASSWORD, python(&rig, source, "f", &[])));
    let expected = format!("password: {}\r\n", PASSWORD.len());
    assert_eq!(report.result.as_deref(), Some(expected.as_str()), "{report:?}");

    let report = Worker::start().run(python(&rig, source, "f", &[]));
    assert_eq!(report.outcome, Outcome::Failed { exit: None }, "{report:?}");
    let detail = report.detail.unwrap();
    assert!(detail.contains("a password is asked for, and none is configured"), "{detail}");
}

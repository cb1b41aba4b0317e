//! Python tasks in a configuration: found without being run, and refused with the place.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::harness::skip::skip;
use crate::harness::{SOON, until};

struct Home(tempfile::TempDir);

impl Home {
    fn new(files: &[(&str, &str)]) -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        let sound = [
            ("loom.yaml", "nodesfile: nodes.yaml\njobspath: jobs\n"),
            ("nodes.yaml", "a: {user: x}\n"),
        ];
        for (name, text) in sound.iter().chain(files) {
            let path = home.path(name);
            let above = path.parent().unwrap();
            fs::create_dir_all(above).unwrap();
            fs::set_permissions(above, Permissions::from_mode(0o700)).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        }
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn loom(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_loom"))
            .args(["-c", "loom.yaml"])
            .args(arguments)
            .current_dir(self.path(""))
            .output()
            .unwrap()
    }

    /// Status, stdout and stderr, with paths as seen from here.
    fn told(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = self.loom(arguments);
        let here = self.path("").display().to_string();
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(&here, "");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }
}

const TASKS: &str = "\
from fabric.api import run
open('it-was-run', 'w').close()

def deploy(version, restart=False):
    '''Brings a version to a node.'''
";

const JOBS: &str = "\
jobs:
  native: {task: loom.run, args: [ls], targets: a}
  release: {task: mytasks.deploy, args: [v1], kwargs: {restart: yes}, targets: a}
";

#[test]
fn a_sound_task_is_found_and_not_run() {
    let home = Home::new(&[("mytasks.py", TASKS), ("jobs/j.yaml", JOBS)]);
    let ok = "ok: 2 jobs on 1 node from 3 files\n";
    assert_eq!(home.told(&["check"]), (Some(0), ok.into(), String::new()));
    let table = "\
JOB      TASK            DEFINED IN
native   loom.run        native
release  mytasks.deploy  mytasks.py:4
";
    assert_eq!(home.told(&["check", "--tasks"]), (Some(0), format!("{table}{ok}"), String::new()));
    let dump: serde_json::Value =
        serde_json::from_slice(&home.loom(&["check", "--dump"]).stdout).unwrap();
    let source = format!("{}:4", home.path("mytasks.py").display());
    assert_eq!(dump["jobs"]["release"]["task_source"], source);
    assert!(dump["jobs"]["native"].get("task_source").is_none());
    // Where a task is, is no difference.
    fs::write(home.path("old.json"), dump.to_string()).unwrap();
    assert_eq!(home.told(&["check", "--diff=old.json"]).1, "no difference\n");
    assert!(home.loom(&["next"]).status.success());
    assert!(!home.path("it-was-run").exists());
}

#[test]
fn what_is_wrong_is_told_where_it_is_written() {
    let jobs = "\
jobs:
  word: {task: mytasks.deploy, args: [v1], kwargs: {restrat: yes}, targets: a}
  many: {task: mytasks.deploy, args: [v1, no, 3], targets: a}
  few:  {task: mytasks.deploy, targets: a}
  name: {task: mytasks.deplyo, targets: a, enabled: no}
  module: {task: mytask.deploy, targets: a}
  near: {task: fabric.api.rum, targets: a}
  two: {task: old.f, targets: a}
  bad: {task: broken.f, targets: a}
  none: {task: mytasks.deploy, args: [1], python: no-such-python, targets: a}
";
    let home = Home::new(&[
        ("mytasks.py", TASKS),
        ("jobs/j.yaml", jobs),
        ("old.py", "def f():\n    print 'x'\n"),
        ("broken.py", "def f(:\n"),
    ]);
    let expected = r#"jobs/j.yaml:2:53: error: mytasks.deploy() has no parameter `restrat`; did you mean `restart`?
    2 |   word: {task: mytasks.deploy, args: [v1], kwargs: {restrat: yes}, targets: a}
      |                                                     ^^^^^^^
      = the task is in mytasks.py:4
jobs/j.yaml:3:47: error: mytasks.deploy() takes at most 2 arguments by place, and args has 3
    3 |   many: {task: mytasks.deploy, args: [v1, no, 3], targets: a}
      |                                               ^
      = the task is in mytasks.py:4
jobs/j.yaml:4:16: error: mytasks.deploy() needs `version`
    4 |   few:  {task: mytasks.deploy, targets: a}
      |                ^^^^^^^^^^^^^^
      = the task is in mytasks.py:4
jobs/j.yaml:5:16: error: unknown task "mytasks.deplyo": mytasks.py has no "deplyo"; did you mean "mytasks.deploy"?
    5 |   name: {task: mytasks.deplyo, targets: a, enabled: no}
      |                ^^^^^^^^^^^^^^
jobs/j.yaml:6:18: error: unknown task "mytask.deploy": there is no module "mytask" in DIR; did you mean "mytasks.deploy"?
    6 |   module: {task: mytask.deploy, targets: a}
      |                  ^^^^^^^^^^^^^
jobs/j.yaml:7:16: error: unknown task "fabric.api.rum": fabric.api has no "rum"; did you mean "fabric.api.run"?
    7 |   near: {task: fabric.api.rum, targets: a}
      |                ^^^^^^^^^^^^^^
jobs/j.yaml:8:15: error: old.py:2 is written for Python 2 (a print statement); write `python: python2.7` in the job, or have 2to3 rewrite it
    8 |   two: {task: old.f, targets: a}
      |               ^^^^^
jobs/j.yaml:9:15: error: broken.py:1 syntax error: invalid syntax
    9 |   bad: {task: broken.f, targets: a}
      |               ^^^^^^^^
jobs/j.yaml:10:51: error: there is no no-such-python on the scheduler's machine; install it, or name another with `python` in the job or in loom.yaml
   10 |   none: {task: mytasks.deploy, args: [1], python: no-such-python, targets: a}
      |                                                   ^^^^^^^^^^^^^^
failed: 9 errors; nothing was loaded
"#;
    let (status, stdout, stderr) = home.told(&["check"]);
    let dir = home.path("").display().to_string();
    let stderr = stderr.replace(dir.trim_end_matches('/'), "DIR");
    assert_eq!(stderr, expected);
    assert_eq!((status, stdout.as_str()), (Some(1), ""));
    for other in [&["check", "--frame"][..], &["next"], &["once", "word"]] {
        let (status, _, stderr) = home.told(other);
        assert!(status != Some(0) && stderr.contains("has no parameter `restrat`"), "{stderr}");
    }
    assert!(!home.path("it-was-run").exists());
}

#[test]
fn a_python_that_does_not_answer_is_given_up() {
    let jobs = "jobs:\n  j: {task: mytasks.deploy, args: [v1], python: ./slow, targets: a}\n";
    let slow = "#!/bin/sh\nsleep 600 &\necho $$ $! > pids\nwait\n";
    let home = Home::new(&[("mytasks.py", TASKS), ("jobs/j.yaml", jobs), ("slow", slow)]);
    fs::set_permissions(home.path("slow"), Permissions::from_mode(0o700)).unwrap();
    let (status, stdout, stderr) = home.told(&["check"]);
    assert!(stderr.starts_with("jobs/j.yaml:2:13: warning: task \"mytasks.deploy\" could not be"));
    assert!(stderr.contains("slow could not read the modules in"), "{stderr}");
    assert!(stderr.contains("within 20s"), "{stderr}");
    assert_eq!(
        (status, stdout.as_str()),
        (Some(0), "ok: 1 job on 1 node from 3 files, 1 warning\n")
    );
    let pids = fs::read_to_string(home.path("pids")).unwrap();
    let pids: Vec<&str> = pids.split_whitespace().collect();
    assert_eq!(pids.len(), 2, "the interpreter and what it started");
    for pid in pids {
        until(&format!("the end of {pid}"), SOON, || {
            let state = fs::read_to_string(format!("/proc/{pid}/stat"));
            state.map_or(true, |state| state.contains(") Z")).then_some(())
        });
    }
}

const AS_ROOT: &str = "root's rules are tested as root";

#[test]
fn root_runs_no_module_that_others_can_write() {
    if !nix::unistd::geteuid().is_root() {
        return skip("root_runs_no_module_that_others_can_write", AS_ROOT);
    }
    let home = Home::new(&[
        ("ops/mytasks.py", "from helper import x\ndef deploy(): pass\n"),
        ("helper.py", "x = 1\n"),
        ("jobs/j.yaml", "jobs:\n  j: {task: ops.mytasks.deploy, targets: a, pythonpath: .}\n"),
        ("other.py", ""),
    ]);
    let chmod = |name: &str, mode| {
        fs::set_permissions(home.path(name), Permissions::from_mode(mode)).unwrap();
    };
    chmod("other.py", 0o666);
    assert_eq!(home.told(&["check"]).2, "", "no task imports it");
    for (name, mode) in [("ops/mytasks.py", 0o600), ("helper.py", 0o600), ("ops", 0o700)] {
        chmod(name, 0o777);
        let (status, _, stderr) = home.told(&["check"]);
        let expected = format!("{name}: error: can be written by everybody; root does not obey it");
        assert!(status == Some(1) && stderr.starts_with(&expected), "{stderr}");
        chmod(name, mode);
    }
    chmod("", 0o777);
    assert!(home.told(&["check"]).2.contains("can be written by everybody"));
}

#[test]
fn root_asks_no_interpreter_that_others_can_have_named() {
    if !nix::unistd::geteuid().is_root() {
        return skip("root_asks_no_interpreter_that_others_can_have_named", AS_ROOT);
    }
    let job = "jobs:\n  j: {task: ops.deploy, targets: a, pythonpath: ., python: bin/evil}\n";
    let home = Home::new(&[
        ("bin/evil", "#!/bin/sh\necho >>\"${0%/*}/../ran\"\n"),
        ("jobs/j.yaml", job),
        ("ops.py", "def deploy(): pass\n"),
    ]);
    let chmod = |name: &str, mode| {
        fs::set_permissions(home.path(name), Permissions::from_mode(mode)).unwrap();
    };
    chmod("bin/evil", 0o755);
    for (name, mode) in [("jobs/j.yaml", 0o600), ("bin/evil", 0o755), ("bin", 0o755)] {
        chmod(name, 0o777);
        let stderr = home.told(&["check"]).2;
        assert!(stderr.contains("root does not obey it"), "{stderr}");
        assert!(!home.path("ran").exists(), "it was run for {name}");
        chmod(name, mode);
    }
    home.told(&["check"]);
    assert!(home.path("ran").exists());
}

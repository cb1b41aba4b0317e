//! `loom check` as scripts see it: exit status, streams, summary, JSON and frame.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use loom::config::Config;
use loom::protocol::frame;

const JOB: &str = "jobs:\n  j: {task: loom.run, args: [\"true\"], targets: a}\n";

fn home(job: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("jobs")).unwrap();
    for (name, text) in [
        ("loom.yaml", "nodesfile: nodes.yaml\njobspath: jobs\n"),
        ("nodes.yaml", "a: {user: x, password: {file: /dev/null}}\n"),
        ("jobs/j.yaml", job),
    ] {
        fs::write(home.path().join(name), text).unwrap();
    }
    home
}

fn check(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loom"))
        .args(["check", "-c", "loom.yaml"])
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_sound_configuration_exits_0_with_a_summary() {
    let home = home(JOB);
    let output = check(home.path(), &[]);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(text(&output.stdout), "ok: 1 job on 1 node from 3 files\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_mistake_exits_1_and_hands_nothing_over() {
    let home = home(&JOB.replace("targets", "tagrets"));
    for mode in [&[][..], &["--dump"], &["--frame"]] {
        let output = check(home.path(), mode);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(text(&output.stdout), "");
        assert_eq!(
            text(&output.stderr),
            r#"jobs/j.yaml:2:3: error: job "j" has no "targets"
    2 |   j: {task: loom.run, args: ["true"], tagrets: a}
      |   ^
jobs/j.yaml:2:39: error: unknown key "tagrets"; did you mean "targets"?
    2 |   j: {task: loom.run, args: ["true"], tagrets: a}
      |                                       ^^^^^^^
failed: 2 errors; nothing was loaded
"#
        );
    }
}

#[test]
fn a_dump_is_json_alone_on_stdout() {
    let home = home(JOB);
    let output = check(home.path(), &["--dump"]);
    let dump: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(dump["jobs"]["j"]["targets"], serde_json::json!(["a"]));
    assert_eq!(dump["jobs"]["j"]["line"], 2);
    assert_eq!(dump["nodes"]["a"]["password"], serde_json::json!({"file": "/dev/null"}));
    assert_eq!(dump["settings"]["max_workers"], 10);
    assert_eq!(output.status.code(), Some(0));
}

/// One flow of a job that stands elsewhere, and of one that it holds, which is Python's.
const FLOW: &str = "\
jobs:
  j: {task: loom.run, args: [\"true\"], targets: a, schedule: '@never'}
flows:
  deploy:
    slots:
      - [j]
      - - {name: own, task: t.f, targets: a, on_failure: {rescue: {name: back, task: t.g, targets: a}}}
";

#[test]
fn flows_are_counted_and_told_with_their_jobs() {
    let home = home(FLOW);
    fs::write(home.path().join("t.py"), "def f(): pass\n\ndef g(): pass\n").unwrap();
    let output = check(home.path(), &["--tasks"]);
    assert_eq!(text(&output.stderr), "");
    let told = text(&output.stdout);
    assert!(told.ends_with("ok: 1 job and 1 flow on 1 node from 3 files\n"), "{told}");
    let module = home.path().canonicalize().unwrap().join("t.py");
    let rows: Vec<Vec<&str>> = told
        .lines()
        .skip(1)
        .take(3)
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    let (f, g) = (format!("{}:1", module.display()), format!("{}:3", module.display()));
    assert_eq!(
        rows,
        [
            vec!["deploy/own", "t.f", &f],
            vec!["deploy/back", "t.g", &g],
            vec!["j", "loom.run", "native"],
        ],
        "{told}"
    );
    let dump = check(home.path(), &["--dump"]).stdout;
    let dump: serde_json::Value = serde_json::from_slice(&dump).unwrap();
    let names: Vec<&String> = dump["jobs"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["deploy", "j"]);
    let own = &dump["jobs"]["deploy"]["slots"][1][0];
    assert_eq!((&own["name"], &own["task_source"]), (&"own".into(), &f.as_str().into()));
    assert_eq!(own["on_failure"]["rescue"]["task_source"], g.as_str());
    // It is no difference where they are defined.
    fs::write(home.path().join("old.json"), dump.to_string()).unwrap();
    let output = check(home.path(), &["--diff=old.json"]);
    assert_eq!(text(&output.stdout), "no difference\n");
}

#[test]
fn a_frame_holds_the_configuration() {
    let home = home(JOB);
    let output = check(home.path(), &["--frame"]);
    let mut stdout = output.stdout.as_slice();
    let config: Config = frame::read(&mut stdout, frame::CONFIG_CAP).unwrap().unwrap();
    assert!(stdout.is_empty());
    assert_eq!(config.jobs["j"].targets, ["a"]);
}

#[test]
fn a_difference_exits_2_and_none_0() {
    let home = home(JOB);
    let dump = check(home.path(), &["--dump"]).stdout;
    fs::write(home.path().join("old.json"), dump).unwrap();
    let output = check(home.path(), &["--diff=old.json"]);
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("no difference\n", ""));
    assert_eq!(output.status.code(), Some(0));

    let job = JOB.replace("targets", "schedule: '@yearly', targets");
    fs::write(home.path().join("jobs/j.yaml"), job).unwrap();
    let output = check(home.path(), &["--diff=old.json"]);
    let told = text(&output.stdout);
    assert!(told.starts_with("~ job j\n    schedule: \"* * * * *\" -> \"@yearly\"\n"), "{told}");
    assert_eq!(output.status.code(), Some(2));
    let output = check(home.path(), &["--diff=old.json", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["jobs"]["changed"][0]["changes"][0]["new"], "@yearly");
    assert_eq!(json["fires"]["jobs"][0]["before"], 1440);
    assert_eq!(output.status.code(), Some(2));

    for (argument, expected) in [
        ("--diff=none.json", "loom: none.json: No such file"),
        ("--diff=nodes.yaml", "loom: nodes.yaml: expected"),
    ] {
        let output = check(home.path(), &[argument]);
        assert!(text(&output.stderr).starts_with(expected), "{}", text(&output.stderr));
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    }
}

#[test]
fn our_own_examples_are_sound_and_their_python_tasks_are_found() {
    let examples = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config-examples"));
    let output = check(examples, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    // A checkout that belongs to somebody else is what root is told about.
    let mut found = text(&output.stderr).lines().filter(|line| line.contains(" warning: "));
    assert!(found.all(|line| line.contains("uid")), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).starts_with("ok: 9 jobs and 1 flow on 9 nodes"),
        "{}",
        text(&output.stdout)
    );
}

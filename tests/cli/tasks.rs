//! `loom tasks`: native tasks and those of Python modules, listed and told about.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::{Did, LIMIT, loom};
use crate::harness::process::run;
use crate::harness::site::loom_executable;
use crate::harness::{SOON, Site, until};

const DEPLOY: &str = r#"import os
from fabric.api import run, task

open(os.path.join(os.path.dirname(__file__), "imported"), "w").close()


@task
def release(version, restart=True):
    """Puts a version there.

    And starts it, unless told otherwise.
    """
    run("true")


@task
def undo():
    run("true")
"#;

/// With a module of two tasks, and jobs that use one of them and a native one.
fn site() -> Site {
    let site = Site::empty();
    site.write("nodes.yaml", "n1: {user: a}\n");
    site.write("deploy.py", DEPLOY);
    site.write_job("nightly", "task: deploy.release\nargs: ['1.0']\ntargets: n1");
    site.write_job("disks", "task: fabric.operations.run\nargs: [df]\ntargets: n1");
    site
}

/// Somewhere else, on a configuration that may not be there.
fn loom_on(config: &str, site: &Site, args: &[&str]) -> Did {
    let mut loom = Command::new(loom_executable());
    loom.args(["-c", config]).args(args).current_dir(site.root()).env("HOME", site.root());
    Did::of(run(loom.env("NO_COLOR", "1"), LIMIT))
}

fn named<'a>(tasks: &'a Value, task: &str) -> &'a Value {
    let mut tasks = tasks.as_array().unwrap().iter();
    tasks.find(|entry| entry["task"] == task).unwrap_or_else(|| panic!("no {task}"))
}

#[test]
fn without_a_configuration_the_native_tasks_are_known() {
    let site = Site::empty();
    let told = loom_on("none.yaml", &site, &["tasks"]).exits(0);
    assert_eq!(told.stderr, "loom: native tasks only: none.yaml: there is no such file\n");
    let mut lines = told.stdout.lines();
    assert_eq!(lines.next(), Some("native"));
    let first = lines.next().unwrap();
    assert!(first.starts_with("  loom.run ") && first.ends_with("as `ssh node 'command'` would."));
    assert_eq!(lines.count() + 1, loom::task::TASKS.len());

    site.write("jobs/broken.yaml", "jobs:\n  j: {task: loom.run}\n");
    let told = loom_on("loom.yaml", &site, &["tasks", "loom.script"]).exits(0);
    assert!(told.stderr.starts_with("loom: native tasks only: jobs/broken.yaml:2: "), "{told:?}");
    assert!(told.stdout.starts_with("loom.script(path, args=null, *, "), "{told:?}");
    assert!(!told.stdout.contains("\nJobs\n"), "{told:?}");
}

#[test]
fn a_name_is_a_path_or_what_stands_last_in_it() {
    let site = Site::empty();
    for name in ["fabric.api.sudo", "fabric.operations.sudo", "sudo"] {
        let told = loom(&site, &["tasks", name]).exits(0);
        assert!(told.stdout.starts_with("fabric.api.sudo(command, "), "{told:?}");
    }
    let told = loom(&site, &["tasks", "run"]).exits(2);
    let expected = "loom: \"run\" can be loom.run, fabric.api.run; write it whole\n";
    assert_eq!((told.stdout.as_str(), told.stderr.as_str()), ("", expected));
    for (name, near) in [
        ("loom.rum", "; did you mean \"loom.run\"?"),
        ("nothing.like.this", ""),
        ("no\u{1b}[2J", ""),
    ] {
        let told = loom(&site, &["tasks", name]).exits(5);
        let shown = name.replace('\u{1b}', "\\u{1b}");
        let expected = format!("loom: there is no task \"{shown}\"{near}\n");
        assert_eq!((told.stdout.as_str(), told.stderr), ("", expected));
    }
}

#[test]
fn python_tasks_are_read_and_not_run() {
    let site = site();
    let told = loom(&site, &["tasks"]).exits(0);
    assert_eq!(told.stderr, "");
    let file = site.path("deploy.py");
    let group = format!("\ndeploy ({})\n", file.display());
    let (_, group) = told.stdout.split_once(&group).unwrap_or_else(|| panic!("{told:?}"));
    let lines: Vec<Vec<&str>> =
        group.lines().map(|line| line.trim().splitn(2, ' ').map(str::trim).collect()).collect();
    assert_eq!(lines, [&["deploy.release", "Puts a version there."][..], &["deploy.undo"]]);

    let json = loom(&site, &["tasks", "--json"]).json();
    let release = named(&json, "deploy.release");
    assert_eq!(release["file"], json!(file));
    assert_eq!(release["signature"], "deploy.release(version, restart=True)");
    assert_eq!(release["jobs"][0]["job"], "nightly");
    assert_eq!(release["native"], false);
    assert_eq!(named(&json, "deploy.undo")["jobs"], json!([]));
    assert_eq!(named(&json, "fabric.api.run")["jobs"][0]["job"], "disks");
    assert!(!site.path("imported").exists(), "the module was run");
}

#[test]
fn a_python_task_is_told_whole() {
    let site = site();
    for name in ["deploy.release", "release"] {
        let told = loom(&site, &["tasks", name]).exits(0).stdout;
        let (place, rest) = told
            .strip_prefix("deploy.release(version, restart=True)\n")
            .and_then(|rest| rest.split_once('\n'))
            .unwrap_or_else(|| panic!("{told}"));
        let lines = [7, 8].map(|line| format!("{}:{line}", site.path("deploy.py").display()));
        assert!(lines.iter().any(|line| line == place), "{place}");
        let job = site.path("jobs/nightly.yaml");
        let expected = format!(
            "\nPuts a version there.\n\nAnd starts it, unless told otherwise.\n\n\
             Parameters\n  version  required\n  restart  default True\n\n\
             Example\n  task: deploy.release\n  args: [<version>]\n\n\
             Jobs\n  nightly  {}:2\n",
            job.display()
        );
        assert_eq!(rest, expected);
    }
    let told = loom(&site, &["tasks", "deploy.relaese"]).exits(5).stderr;
    assert!(told.ends_with("; did you mean \"deploy.release\"?\n"), "{told}");
}

#[test]
fn a_job_that_names_no_task_hides_none_from_whoever_looks_for_it() {
    let site = site();
    site.write_job("odd", "task: deploy.relaese\ntargets: n1");
    loom(&site, &["check"]).exits(1);
    let told = loom(&site, &["tasks"]).exits(0);
    assert!(told.stderr.is_empty() && told.stdout.contains("  deploy.release "), "{told:?}");
}

#[test]
fn a_module_that_cannot_be_read_is_said_and_the_others_are_listed() {
    let site = site();
    site.write("ops.py", "from fabric.api import run\ndef restart(:\n");
    let told = loom(&site, &["tasks"]).exits(0);
    let place = format!("loom: {}:2: ", site.path("ops.py").display());
    assert!(told.stderr.starts_with(&place), "{told:?}");
    assert!(told.stdout.contains("  deploy.undo\n"), "{told:?}");
}

#[test]
fn without_an_interpreter_the_native_tasks_are_listed() {
    let site = Site::empty();
    site.settings("python: /nonexistent/python\n");
    let told = loom(&site, &["tasks"]).exits(0);
    assert!(told.stderr.contains("/nonexistent/python"), "{told:?}");
    assert!(told.stdout.starts_with("native\n"), "{told:?}");
}

#[test]
fn names_are_completed() {
    let site = site();
    let complete = |word: &str| {
        let mut loom = Command::new(loom_executable());
        let words = ["completions", "fish", "--", "loom", "-c", "loom.yaml", "tasks", word];
        let did = Did::of(run(loom.args(words).current_dir(site.root()), SOON)).exits(0);
        let value = |line: &str| line.split('\t').next().unwrap().to_owned();
        did.stdout.lines().map(value).collect::<Vec<_>>()
    };
    assert_eq!(
        complete("loom.s"),
        [
            "loom.script",
            "loom.system.gethostip",
            "loom.system.run_daemon_cmd",
            "loom.system.mount",
            "loom.system.unmount",
            "loom.system.add_sshfs_mount",
        ]
    );
    // As soon as the machine is quick enough for that.
    until("deploy.release", SOON, || (complete("deploy.r") == ["deploy.release"]).then_some(()));
}

#[test]
fn the_page_of_the_documentation_is_written() {
    let site = Site::empty();
    let told = loom_on("none.yaml", &site, &["tasks", "--markdown"]).exits(0);
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tasks.md")).unwrap();
    assert!(told.stdout == page, "`make tasks-page` writes docs/tasks.md anew");
}

//! Following from the command line: `run --wait`, `exec`, `logs`, `top`; against an API that does
//! as it is told, and against a real daemon.

mod api;
mod logs;
mod real;
pub mod terminal;
mod top;

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use loom::sys::poll::is_writable;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::process::{self, Process};
use crate::harness::{SOON, Site, until};
use api::{Api, Asked, Gate, Reply, Step, detail, line, problem, run, running, said, unit};
use terminal::Terminal;

fn loom(site: &Site, api: &Api, args: &[&str]) -> Command {
    let mut loom = site.loom(args);
    loom.env_remove("LOOM_HOST").env_remove("LOOM_TOKEN");
    // Before `--`, which ends options.
    let host = api.host();
    let all: Vec<String> = loom.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let mut again = Command::new(loom.get_program());
    for (name, value) in loom.get_envs() {
        match value {
            Some(value) => again.env(name, value),
            None => again.env_remove(name),
        };
    }
    let (head, tail) = all.split_at(3);
    again.args(head).arg("--host").arg(host).args(tail);
    again
}

fn ended(site: &Site, api: &Api, args: &[&str]) -> Output {
    process::run(&mut loom(site, api, args), SOON)
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn events(events: Vec<Value>) -> Vec<Step> {
    (1..).zip(events).map(|(id, event)| Step::Event(id, event)).collect()
}

/// Run 7 of `hello` starts, says this and ends so.
fn plays(state: &'static str, units: Vec<Value>, steps: Vec<Step>) -> impl Fn(&Asked) -> Reply {
    move |asked| match asked.line.as_str() {
        "POST /jobs/hello/run" | "POST /exec" => Reply::Json(201, json!({"run": 7})),
        "GET /runs/7" => Reply::Json(200, detail(state, &units)),
        "GET /runs/7/output?follow=true" => Reply::Events(steps.clone()),
        "GET /jobs/hello" => Reply::Json(200, json!({})),
        "POST /runs/7/cancel" => Reply::Json(202, Value::Null),
        _ => problem(404, "there is nothing of that name"),
    }
}

fn one_unit(outcome: &str, exit: i32) -> Vec<Value> {
    vec![unit(1, "web1", outcome, Some(exit))]
}

#[test]
fn a_lost_connection_is_resumed_where_it_was() {
    let site = Site::empty();
    let served = AtomicUsize::new(0);
    let units = vec![unit(1, "web1", "succeeded", None), unit(2, "web10", "succeeded", None)];
    let ends = units.clone();
    let others = plays("succeeded", units, Vec::new());
    let api = Api::start(site.root(), move |asked| {
        if asked.line != "GET /runs/7/output?follow=true" {
            return others(asked);
        }
        Reply::Events(match served.fetch_add(1, Ordering::SeqCst) {
            0 => vec![
                Step::Event(1, line(1, "web1", "one")),
                Step::Event(2, said(1, "web1", "stdout", "half, ", true)),
                Step::Hangup,
            ],
            // Nothing at all, and then lost again.
            1 => vec![Step::Hangup],
            _ => {
                assert_eq!(asked.header("last-event-id"), Some("2"));
                vec![
                    Step::Event(3, said(2, "web10", "stderr", "oh", false)),
                    Step::Event(4, said(1, "web1", "stdout", "whole", false)),
                    Step::Event(5, ends[0].clone()),
                    Step::Event(6, ends[1].clone()),
                    Step::Event(7, run("succeeded", 2)),
                ]
            }
        })
    });
    let output = ended(&site, &api, &["run", "hello", "--wait"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), " web1 | one\n web1 | half, whole\n");
    let told = stderr(&output);
    assert!(told.starts_with("web10 | oh\n"), "{told}");
    assert!(told.contains("2 of 2 units succeeded"), "{told}");
    assert!(!told.contains('\x1b') && !told.contains('\r'), "{told:?}");
}

#[test]
fn a_lost_answer_is_asked_for_again_with_the_same_key() {
    let site = Site::empty();
    let served = AtomicUsize::new(0);
    let others = plays("running", vec![running(1, "web1")], Vec::new());
    let api = Api::start(site.root(), move |asked| match asked.line.as_str() {
        "POST /jobs/hello/run" if served.fetch_add(1, Ordering::SeqCst) == 0 => Reply::Hangup,
        _ => others(asked),
    });
    let args = ["run", "hello", "--on", "@web", "--arg", "mode=0755", "--arg", "note='yes'"];
    let output = ended(&site, &api, &args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "run 7 of hello on 1 node\n");
    assert!(stderr(&output).contains("loom logs -f 7"), "{}", stderr(&output));
    let asked = api.asked("POST /jobs/hello/run");
    assert_eq!(asked.len(), 2);
    let keys: Vec<_> = asked.iter().map(|asked| asked.header("idempotency-key")).collect();
    assert!(keys[0].is_some_and(|key| key.len() >= 16) && keys[0] == keys[1], "{keys:?}");
    let expected = json!({"on": "@web", "args": {"mode": 493, "note": "yes"}, "wait": 0});
    assert_eq!(asked[0].body, expected);
    ended(&site, &api, &["run", "hello", "--key", "mine"]);
    assert_eq!(api.asked("POST /jobs/hello/run")[2].header("idempotency-key"), Some("mine"));
}

#[test]
fn the_exit_status_tells_what_became_of_it() {
    for (state, outcome, exit, args, expected) in [
        ("succeeded", "succeeded", 0, &["run", "hello", "--wait"][..], 0),
        ("failed", "failed", 3, &["run", "hello", "--wait"], 1),
        ("cancelled", "cancelled", 0, &["run", "hello", "--wait"], 1),
        ("failed", "failed", 3, &["exec", "--on", "web1", "--", "false"], 3),
        ("failed", "unreachable", 0, &["exec", "--on", "web1", "--", "false"], 255),
        ("failed", "failed", 3, &["run", "other", "--wait"], 5),
        ("failed", "failed", 3, &["run"], 2),
        ("failed", "failed", 3, &["run", "hello", "--arg", "x=1", "--arg", "x=2"], 2),
    ] {
        let site = Site::empty();
        let units = one_unit(outcome, exit);
        let steps = events(vec![units[0].clone(), run(state, 1)]);
        let api = Api::start(site.root(), plays(state, units, steps));
        let output = ended(&site, &api, args);
        assert_eq!(output.status.code(), Some(expected), "{args:?} {}", stderr(&output));
        if expected == 1 {
            let told = stderr(&output);
            assert!(told.contains(outcome) && told.contains("hello on web1"), "{told}");
            assert!(told.contains("0 of 1 units succeeded"), "{told}");
        }
    }
}

#[test]
fn a_run_that_is_not_started_is_no_success() {
    let site = Site::empty();
    let api = Api::start(site.root(), |_| Reply::Json(200, json!({"run": null})));
    for args in [&["run", "hello"][..], &["run", "hello", "--wait"]] {
        let output = ended(&site, &api, args);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("still runs on all"), "{}", stderr(&output));
    }
}

#[test]
fn nobody_there_is_told_from_a_failure() {
    let site = Site::empty();
    let mut loom = site.loom(&["run", "hello", "--wait", "--host", "unix:/nonexistent/api"]);
    let output = process::run(&mut loom, SOON);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
}

#[test]
fn folded_output_is_shown_once_with_its_nodes() {
    let site = Site::empty();
    let units: Vec<Value> =
        (1..=4).map(|n| unit(n, &format!("web{n}"), "succeeded", Some(0))).collect();
    let mut said = Vec::new();
    for n in 1..=4 {
        let text = if n == 3 { "other" } else { "same" };
        said.push(line(n, &format!("web{n}"), text));
        said.push(units[n as usize - 1].clone());
    }
    said.push(run("succeeded", 4));
    let api = Api::start(site.root(), plays("succeeded", units, events(said)));
    let output = ended(&site, &api, &["exec", "--on", "web[1-4]", "--fold", "--", "uname", "-r"]);
    let rule = "---------------\n";
    let expected = format!("{rule}web[1-2,4] (3)\n{rule}same\n{rule}web3\n{rule}other\n");
    assert_eq!(stdout(&output), expected, "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(0));
    let body = &api.asked("POST /exec")[0].body;
    assert_eq!(body["command"], json!("uname -r"));

    let output = ended(&site, &api, &["exec", "--json", "--on", "w", "--fold", "--", "uname -r"]);
    let told: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(told["groups"][0]["set"], json!("web[1-2,4]"));
    assert_eq!(told["groups"][1]["output"], json!("other\n"));
    assert_eq!(told["run"]["state"], json!("succeeded"));
}

#[test]
fn as_json_every_event_is_a_line() {
    let site = Site::empty();
    let units = one_unit("succeeded", 0);
    let all = vec![line(1, "web1", "a\u{1b}b"), units[0].clone(), run("succeeded", 1)];
    let api = Api::start(site.root(), plays("succeeded", units, events(all)));
    let output = ended(&site, &api, &["run", "hello", "--wait", "--json"]);
    let told = stdout(&output);
    let lines: Vec<Value> = told.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["line", "unit", "run"]);
    assert_eq!(lines[0]["text"], json!("a\u{1b}b"));
}

/// Run 7 says something, and then nothing before the gate is opened.
fn waits(gate: &Gate) -> impl Fn(&Asked) -> Reply + use<> {
    let units = one_unit("succeeded", 0);
    let steps = vec![
        Step::Event(1, line(1, "web1", "hello")),
        Step::Wait(gate.clone()),
        Step::Event(2, units[0].clone()),
        Step::Event(3, run("succeeded", 1)),
    ];
    plays("succeeded", units, steps)
}

#[test]
fn where_nobody_can_be_asked_a_signal_detaches() {
    for (signal, expected) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let (site, gate) = (Site::empty(), Gate::default());
        let api = Api::start(site.root(), waits(&gate));
        let mut loom = loom(&site, &api, &["run", "hello", "--wait"]);
        loom.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = loom.spawn().unwrap();
        let mut said = [0; 13];
        child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
        assert_eq!(&said, b"web1 | hello\n");
        Process::of(child.id() as i32).unwrap().signal(signal);
        let status = process::wait(&mut child, SOON).expect("it detaches");
        assert_eq!(status.code(), Some(expected));
        let mut told = String::new();
        child.stderr.unwrap().read_to_string(&mut told).unwrap();
        assert!(told.contains("run 7 goes on: `loom logs -f 7`"), "{told}");
        assert!(api.asked("POST /runs/7/cancel").is_empty());
        gate.open();
    }
}

#[test]
fn a_reader_that_has_stopped_keeps_nobody() {
    let site = Site::empty();
    let long = "x".repeat(10_000);
    let many = (1..500).map(|id| Step::Event(id, line(1, "web1", &long))).collect();
    let api = Api::start(site.root(), plays("running", vec![running(1, "web1")], many));
    let (reader, to) = std::io::pipe().unwrap();
    let ours = OwnedFd::from(to.try_clone().unwrap());
    let mut loom = loom(&site, &api, &["run", "hello", "--wait"]);
    let mut child = loom.stdin(Stdio::null()).stdout(to).stderr(Stdio::piped()).spawn().unwrap();
    // It holds our end of the pipe as well.
    drop(loom);
    until("a full pipe", SOON, || (!is_writable(ours.as_fd(), Duration::ZERO)).then_some(()));
    Process::of(child.id() as i32).unwrap().signal(Signal::SIGINT);
    let status = process::wait(&mut child, SOON).expect("it waits for its reader");
    assert_eq!(status.code(), Some(130));
    let mut told = String::new();
    child.stderr.unwrap().read_to_string(&mut told).unwrap();
    assert!(told.contains("run 7 goes on"), "{told}");
    drop(reader);
}

#[test]
fn a_reader_that_has_gone_changes_nothing_about_the_end() {
    let (site, gate) = (Site::empty(), Gate::default());
    let units = one_unit("failed", 3);
    let steps = vec![
        Step::Wait(gate.clone()),
        Step::Event(1, line(1, "web1", "hello")),
        Step::Event(2, units[0].clone()),
        Step::Event(3, run("failed", 1)),
    ];
    let api = Api::start(site.root(), plays("failed", units, steps));
    let mut loom = loom(&site, &api, &["run", "hello", "--wait"]);
    loom.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = loom.spawn().unwrap();
    drop(child.stdout.take());
    gate.open();
    assert_eq!(process::wait(&mut child, SOON).unwrap().code(), Some(1));
}

const CTRL_C: &str = "\x03";
const QUESTION: &str = "cancel the run, detach, or go on? [c/d/g]";

#[test]
fn ctrl_c_asks_and_cancels() {
    let (site, gate) = (Site::empty(), Gate::default());
    let api = Api::start(site.root(), waits(&gate));
    let mut terminal = Terminal::run(&loom(&site, &api, &["run", "hello", "--wait"]));
    terminal.wait_for("web1 | hello");
    assert!(api.asked("POST /runs/7/cancel").is_empty());
    terminal.press(CTRL_C);
    terminal.wait_for(QUESTION);
    terminal.press("xC");
    api.wait_for("POST /runs/7/cancel");
    terminal.wait_for("cancelling");
    gate.open();
    assert_eq!(terminal.end().code(), Some(0));
    assert!(terminal.is_restored());
}

#[test]
fn ctrl_c_asks_and_detaches_or_goes_on() {
    for (keys, expected) in [("d", 130), (CTRL_C, 130), ("g", 0)] {
        let (site, gate) = (Site::empty(), Gate::default());
        let api = Api::start(site.root(), waits(&gate));
        let mut terminal = Terminal::run(&loom(&site, &api, &["run", "hello", "--wait"]));
        terminal.wait_for("web1 | hello");
        terminal.press(CTRL_C);
        terminal.wait_for(QUESTION);
        terminal.press(keys);
        if expected == 0 {
            until("keys to be shown again", SOON, || terminal.is_restored().then_some(()));
            gate.open();
        }
        assert_eq!(terminal.end().code(), Some(expected), "{keys:?}");
        assert!(terminal.is_restored());
        assert!(api.asked("POST /runs/7/cancel").is_empty());
        let last = if expected == 130 { "run 7 goes on" } else { "1 of 1 units succeeded" };
        terminal.wait_for(last);
        gate.open();
    }
}

#[test]
fn a_terminal_gets_a_bar_and_colours_unless_they_are_not_wanted() {
    for wanted in [true, false] {
        let (site, gate) = (Site::empty(), Gate::default());
        let api = Api::start(site.root(), waits(&gate));
        let mut loom = loom(&site, &api, &["run", "hello", "--wait"]);
        if wanted {
            loom.env_remove("NO_COLOR");
        }
        let mut terminal = Terminal::run(&loom);
        terminal.wait_for("| ");
        if wanted {
            terminal.wait_for("0/1 done");
        }
        gate.open();
        assert_eq!(terminal.end().code(), Some(0));
        terminal.wait_for("1 of 1 units succeeded");
        let seen = terminal.seen();
        assert_eq!(seen.contains("done"), wanted, "{seen:?}");
        assert_eq!(seen.contains("\x1b[3"), wanted, "{seen:?}");
    }
}

#[test]
fn a_terminal_is_not_steered_by_what_a_node_says() {
    let site = Site::empty();
    let units = one_unit("succeeded", 0);
    let all = vec![line(1, "web1", "\x1b[2Jgone\ta"), units[0].clone(), run("succeeded", 1)];
    let api = Api::start(site.root(), plays("succeeded", units, events(all.clone())));
    let mut terminal = Terminal::run(&loom(&site, &api, &["run", "hello", "--wait"]));
    terminal.wait_for("web1 | \\u{1b}[2Jgone\ta");
    terminal.end();
    let output = ended(&site, &api, &["run", "hello", "--wait"]);
    assert_eq!(stdout(&output), "web1 | \x1b[2Jgone\ta\n");
}

//! Following from the command line: `run --wait`, `exec`, `logs`, `top`; against an API that does
//! as it is told, and against a real daemon.

mod api;
mod real;
mod terminal;

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

const KEPT: &[u8] = b"2024-02-29T23:59:59.1Z stdout F one\n\
2024-02-29T23:59:59.2Z stderr F \xff\x1b[m\n\
2024-02-29T23:59:59.3Z stdout P two, \n\
2024-02-29T23:59:59.4Z stdout P three\n";

#[test]
fn kept_output_is_shown_byte_for_byte() {
    let site = Site::empty();
    let others = plays("failed", one_unit("failed", 1), Vec::new());
    let api = Api::start(site.root(), move |asked| match asked.line.as_str() {
        "GET /units/1/output" | "GET /units/1/output?tail=4" => Reply::Bytes(KEPT.to_vec()),
        "GET /runs?job=hello&limit=1" => {
            Reply::Json(200, json!({"items": [run("failed", 1)], "next": "7"}))
        }
        _ => others(asked),
    });
    for (args, expected) in [
        (&["logs", "hello"][..], &b"one\n\xff\x1b[m\ntwo, three"[..]),
        (&["logs", "7"], b"one\n\xff\x1b[m\ntwo, three"),
        (&["logs", "7", "-f"], b"one\n\xff\x1b[m\ntwo, three"),
        (&["logs", "7", "--tail", "4"], b"one\n\xff\x1b[m\ntwo, three"),
        (&["logs", "7", "--stderr"], b"\xff\x1b[m\n"),
        (&["logs", "7", "--cri"], KEPT),
        (
            &["logs", "7", "--node", "web1", "--stdout", "--timestamps"],
            b"2024-02-29T23:59:59.100Z one\n2024-02-29T23:59:59.300Z two, three",
        ),
    ] {
        let output = ended(&site, &api, args);
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(output.stdout == expected, "{args:?}: {shown:?} {}", stderr(&output));
        assert_eq!(output.status.code(), Some(0));
    }
    let output = ended(&site, &api, &["logs", "7", "--node", "web2"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("run 7 is not on web2"), "{}", stderr(&output));
    let output = ended(&site, &api, &["logs", "hallo"]);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
}

#[test]
fn following_shows_the_last_lines_and_then_what_is_new() {
    let site = Site::empty();
    let units = vec![running(1, "web1")];
    let at = |second: u32, text: &str| {
        let mut line = line(1, "web1", text);
        line["at"] = json!(format!("2024-02-29T23:59:59.{second}Z"));
        line
    };
    let stream = vec![at(1, "one"), at(2, "two"), at(3, "three"), run("succeeded", 1)];
    let others = plays("running", units, events(stream));
    let api = Api::start(site.root(), move |asked| match asked.line.as_str() {
        "GET /units/1/output?tail=1" => {
            Reply::Bytes(b"2024-02-29T23:59:59.2Z stdout F two\n".to_vec())
        }
        _ => others(asked),
    });
    let output = ended(&site, &api, &["logs", "7", "-f", "--tail", "1"]);
    assert_eq!(stdout(&output), "two\nthree\n", "{}", stderr(&output));
}

#[test]
fn of_a_job_the_next_runs_are_followed_too() {
    let (site, gate) = (Site::empty(), Gate::default());
    let (begun, hold) = (gate.clone(), Gate::default());
    let open = std::sync::Arc::new(AtomicUsize::new(0));
    let runs = open.clone();
    let of = |id: u64, mut value: Value| {
        value["id"] = json!(id);
        value
    };
    let held = hold.clone();
    let api = Api::start(site.root(), move |asked| match asked.line.as_str() {
        "GET /jobs/hello" => Reply::Json(200, json!({})),
        "GET /events?job=hello&types=run_queued" => {
            let queued = json!({"type": "run_queued", "run": 8, "job": "hello", "at": "2024-02-29T23:59:59Z",
                                "trigger": "schedule", "units": 1});
            let later = json!({"type": "of a later version", "job": "hello"});
            let glob = json!({"type": "run_queued", "run": 5, "job": "h*", "units": 1,
                              "at": "2024-02-29T23:59:59Z", "trigger": "schedule"});
            Reply::Events(vec![
                Step::Event(1, later),
                Step::Event(2, glob),
                Step::Wait(begun.clone()),
                Step::Event(3, queued),
                Step::Wait(held.clone()),
            ])
        }
        line if line.starts_with("GET /runs?job=hello") => {
            let mut items = vec![run("running", 1)];
            if runs.load(Ordering::SeqCst) > 0 {
                items.insert(0, of(8, run("running", 1)));
            }
            Reply::Json(200, json!({"items": items}))
        }
        "GET /runs/7" => Reply::Json(200, detail("running", &[running(1, "web1")])),
        "GET /runs/8" => Reply::Json(200, of(8, detail("running", &[running(2, "web1")]))),
        "GET /runs/7/output?follow=true" => {
            Reply::Events(events(vec![line(1, "web1", "seven"), run("succeeded", 1)]))
        }
        "GET /runs/8/output?follow=true" => {
            Reply::Events(events(vec![line(2, "web1", "eight"), of(8, run("succeeded", 1))]))
        }
        _ => problem(404, "there is nothing of that name"),
    });
    let mut loom = loom(&site, &api, &["logs", "hello", "-f"]);
    loom.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = loom.spawn().unwrap();
    let mut said = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"seven\n");
    open.store(1, Ordering::SeqCst);
    gate.open();
    child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"eight\n");
    process::end(&mut child);
    hold.open();
}

fn daemon() -> Value {
    json!({"version": "1.2.3", "pid": 42, "hostname": "control", "paused": true, "stopping": false,
           "started_at": "2024-02-29T23:59:59Z", "loaded_at": "2024-02-29T23:59:59Z",
           "generation": 1, "jobs": 1, "nodes": 2, "connections": 1, "runs": 1,
           "units": {"recording": 0, "held": 0, "waiting": 0, "running": 1},
           "workers": {"live": 2, "busy": 1, "min": 0, "max": 4}, "ledger": {"backlog": 0}})
}

fn watched(asked: &Asked) -> Reply {
    match asked.line.as_str() {
        "GET /daemon" => Reply::Json(200, daemon()),
        line if line.starts_with("GET /units?state=open") => {
            let mut unit = running(1, "web1");
            unit["job"] = json!("hello");
            Reply::Json(200, json!({"items": [unit]}))
        }
        line if line.starts_with("GET /runs?state=") => {
            Reply::Json(200, json!({"items": [run("failed", 1)]}))
        }
        _ => problem(404, "there is nothing of that name"),
    }
}

#[test]
fn top_is_shown_once_in_a_pipe_and_again_and_again_as_json() {
    let site = Site::empty();
    let api = Api::start(site.root(), watched);
    let output = ended(&site, &api, &["top"]);
    let shown = stdout(&output);
    assert!(shown.contains("1 busy of 2, at most 4") && shown.contains("web1  hello"), "{shown}");
    assert!(!shown.contains('\x1b'), "{shown:?}");
    let mut loom = loom(&site, &api, &["top", "--json", "--interval", "0.1"]);
    let mut child = loom.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    for line in lines.take(3) {
        let told: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!(told["daemon"]["pid"], json!(42));
        assert_eq!(told["units"][0]["job"], json!("hello"));
    }
    // Nobody reads it any more.
    assert_eq!(process::wait(&mut child, SOON).unwrap().code(), Some(0));
}

#[test]
fn top_puts_the_terminal_back_on_every_way_out() {
    for way in ["q", CTRL_C, "term"] {
        let site = Site::empty();
        let api = Api::start(site.root(), watched);
        let mut terminal = Terminal::run(&loom(&site, &api, &["top", "--interval", "0.1"]));
        terminal.wait_for("\x1b[?1049h");
        terminal.wait_for("All schedules are paused");
        until("a second look", SOON, || (api.asked("GET /daemon").len() > 2).then_some(()));
        assert!(!terminal.is_restored());
        match way {
            "term" => Process::of(terminal.pid()).unwrap().signal(Signal::SIGTERM),
            keys => terminal.press(keys),
        }
        let expected = if way == "term" { 143 } else { 0 };
        assert_eq!(terminal.end().code(), Some(expected), "{way:?}");
        terminal.wait_for("\x1b[?1049l");
        assert!(terminal.is_restored(), "{way:?}");
    }
}

#[test]
fn top_says_when_what_it_shows_is_old() {
    let site = Site::empty();
    let looks = AtomicUsize::new(0);
    let api = Api::start(site.root(), move |asked| match asked.line.as_str() {
        "GET /daemon" if (1..20).contains(&looks.fetch_add(1, Ordering::SeqCst)) => Reply::Hangup,
        _ => watched(asked),
    });
    let mut terminal = Terminal::run(&loom(&site, &api, &["top", "--interval", "0.1"]));
    terminal.wait_for("What is shown is old");
    terminal.press("q");
    assert_eq!(terminal.end().code(), Some(0));
}

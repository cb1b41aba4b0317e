//! `logs`: kept output, and what comes to it.

use super::*;

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
    let stream = vec![at(2, "two"), at(3, "three"), run("succeeded", 1)];
    let others = plays("running", units, Vec::new());
    let api = Api::start(site.root(), move |asked| match asked.line.as_str() {
        "GET /runs/7/output?follow=true&tail=1" => Reply::Events(events(stream.clone())),
        _ => others(asked),
    });
    let output = ended(&site, &api, &["logs", "7", "-f", "--tail", "1"]);
    assert_eq!(stdout(&output), "two\nthree\n", "{}", stderr(&output));
    assert!(api.asked("GET /units/").is_empty(), "nothing is transferred twice");
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

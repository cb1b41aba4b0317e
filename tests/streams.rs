//! Output followed through the socket while it is written, on a real farm.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::{Daemon, Farm, Site, api};

const LINES: u64 = 5;

/// An event stream of the daemon's.
struct Stream {
    lines: BufReader<UnixStream>,
    /// Behind the last event.
    id: String,
}

impl Stream {
    fn open(site: &Site, path: &str, after: Option<&str>) -> Stream {
        let mut stream = api::connect(site).unwrap();
        let after = after.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        // Without chunks, to be read line by line.
        write!(stream, "GET /api/v1/{path} HTTP/1.0\r\nHost: localhost\r\n{after}\r\n").unwrap();
        let mut lines = BufReader::new(stream);
        let mut status = String::new();
        lines.read_line(&mut status).unwrap();
        assert!(status.contains(" 200 "), "{status}");
        Stream { lines, id: String::new() }
    }

    /// `None` at its end, orderly or not.
    fn next(&mut self) -> Option<Value> {
        loop {
            let mut line = String::new();
            if !self.lines.read_line(&mut line).is_ok_and(|read| read > 0) {
                return None;
            }
            if let Some(id) = line.strip_prefix("id: ") {
                id.trim_end().clone_into(&mut self.id);
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return Some(serde_json::from_str(data).unwrap());
            }
        }
    }
}

fn word<'a>(event: &'a Value, key: &str) -> &'a str {
    event[key].as_str().unwrap_or_else(|| panic!("{key} of {event}"))
}

fn said(event: &Value) -> Option<String> {
    (event["type"] == "line").then(|| format!("{} {}", word(event, "node"), word(event, "text")))
}

#[test]
fn a_job_is_followed_line_by_line_across_a_gateway_that_dies() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    let command = format!("for i in $(seq {LINES}); do echo line $i; sleep 1; done");
    site.write_command("slow", &command, &["n1", "n2"]);
    let mut daemon = Daemon::start_with_control(&site);
    let mut happens = Stream::open(&site, "events?types=unit_started,run_ended", None);
    let run = daemon.run("slow");
    let started = happens.next().expect("a unit starts");
    assert_eq!(
        (started["type"].as_str(), started["run"].as_i64()),
        (Some("unit_started"), Some(run))
    );
    let unit = started["unit"].as_u64().unwrap();
    let on = word(&started, "node").to_owned();

    let path = format!("runs/{run}/output");
    let mut all = Stream::open(&site, &path, None);
    let mut one = Stream::open(&site, &format!("units/{unit}/output?follow=true"), None);
    let first = one.next().expect("an event");
    assert_eq!(said(&first), Some(format!("{on} line 1")));
    let mut told = vec![all.next().expect("an event")];
    assert_eq!(daemon.ledger().runs("slow")[0].state, "running", "they are seen before it ends");

    // Those who follow are cut off, come back, and miss nothing.
    let children = daemon.process().children();
    let gateway = children.into_iter().find(|child| child.runs("loom-gateway")).unwrap();
    gateway.signal(Signal::SIGKILL);
    told.extend(std::iter::from_fn(|| all.next()));
    one = Stream::open(&site, &format!("units/{unit}/output?follow=true"), Some(&one.id));
    all = Stream::open(&site, &path, Some(&all.id));
    told.extend(std::iter::from_fn(|| all.next()));

    let wanted = |node: &str| (1..=LINES).map(|i| format!("{node} line {i}")).collect::<Vec<_>>();
    for node in ["n1", "n2"] {
        let of_node = |said: &String| said.starts_with(node);
        let lines: Vec<String> = told.iter().filter_map(said).filter(of_node).collect();
        assert_eq!(lines, wanted(node));
        let last = told.iter().rposition(|event| event["node"] == node).unwrap();
        assert_eq!(
            (&told[last]["type"], &told[last]["outcome"]),
            (&"unit".into(), &"succeeded".into())
        );
    }
    let run = told.last().unwrap();
    assert_eq!((&run["type"], &run["state"]), (&"run".into(), &"succeeded".into()));
    let rest: Vec<Value> = std::iter::from_fn(|| one.next()).collect();
    let lines: Vec<String> = rest.iter().filter_map(said).collect();
    assert_eq!(lines, wanted(&on)[1..]);

    // And afterwards it is all there, as it was written.
    let text = api::get(&site, &format!("units/{unit}/output?text=true")).unwrap();
    assert_eq!(text.body.lines().count() as u64, LINES);
    assert!(text.body.ends_with(&format!("line {LINES}\n")), "{}", text.body);
    daemon.stop();
}

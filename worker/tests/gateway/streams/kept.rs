//! A unit's output as it is kept, and as text.

use loom::access::Role;
use loom::protocol::message::Output;

use super::stage::{JOB, Stage, entry, inline, line, most_memory, numbers};
use crate::gateway::http::{Answer, Client};
use crate::gateway::rig::{Rig, unit_id};

fn rig() -> (Rig, Stage) {
    let rig = Rig::local(&[], &[]);
    let stage = Stage::of(&rig);
    (rig, stage)
}

fn get(rig: &Rig, unit: impl std::fmt::Display, query: &str) -> Answer {
    rig.client.get(&format!("/api/v1/units/{unit}/output{query}"))
}

fn range(client: &Client, unit: impl std::fmt::Display, range: &str) -> Answer {
    client.clone().with("Range", range).get(&format!("/api/v1/units/{unit}/output"))
}

#[test]
fn ranges_one_after_the_other_are_the_whole() {
    let (rig, stage) = rig();
    let log = numbers("line", 0..5_000);
    let unit = stage.ended(1, &log);
    let whole = get(&rig, unit, "");
    assert_eq!(whole.status(), 200);
    assert_eq!(whole.head.header("accept-ranges"), Some("bytes"));
    assert_eq!(whole.head.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(whole.body == log);

    let (mut joined, mut size) = (Vec::new(), 1);
    while joined.len() < log.len() {
        let (from, to) = (joined.len(), (joined.len() + size).min(log.len()));
        let part = range(&rig.client, unit, &format!("bytes={from}-{}", from + size - 1));
        assert_eq!(part.status(), 206);
        let which = format!("bytes {from}-{}/{}", to - 1, log.len());
        assert_eq!(part.head.header("content-range"), Some(which.as_str()));
        joined.extend(part.body);
        size = size * 3 + 1;
    }
    assert!(joined == log);
    assert!(range(&rig.client, unit, "bytes=-100").body == log[log.len() - 100..]);
    // Several ranges, or ones of something else, are passed over.
    assert_eq!(range(&rig.client, unit, "bytes=0-1,5-6").status(), 200);

    let beyond = range(&rig.client, unit, &format!("bytes={}-", log.len()));
    let all = format!("bytes */{}", log.len());
    assert_eq!(beyond.head.header("content-range"), Some(all.as_str()));
    assert!(beyond.problem(416).contains(&log.len().to_string()));
}

#[test]
fn a_range_of_what_has_changed_is_the_whole() {
    let (rig, stage) = rig();
    let log = numbers("line", 0..100);
    let unit = stage.ended(1, &log);
    let etag = get(&rig, unit, "").head.header("etag").expect("an etag").to_owned();
    let with = |etag: &str| range(&rig.client.clone().with("If-Range", etag), unit, "bytes=0-9");
    assert_eq!((with(&etag).status(), with(&etag).body.len()), (206, 10));
    assert_eq!((with("\"other\"").status(), with("\"other\"").body.len()), (200, log.len()));

    // Of one that runs, more may come.
    stage.open_run(2, &["n1"]);
    stage.start(2, 0, "n1");
    let unit = unit_id(2, 0);
    stage.append(unit, &log);
    assert_eq!(get(&rig, unit, "").head.header("etag"), None);
    assert_eq!(range(&rig.client, unit, "bytes=0-9").body, log[..10]);
    let guessed = rig.client.clone().with("If-Range", &etag);
    assert_eq!(range(&guessed, unit, "bytes=0-9").status(), 200);
}

#[test]
fn text_is_what_the_task_wrote_and_ends_are_short() {
    let (rig, stage) = rig();
    stage.open_run(1, &["n1"]);
    let mut log = Vec::new();
    for i in 0..20 {
        let stream = if i % 5 == 0 { "stderr" } else { "stdout" };
        log.extend(entry(stream, "F", format!("{i}")));
    }
    log.extend([entry("stdout", "P", "a pro"), entry("stdout", "F", "mpt")].concat());
    stage.end(1, 0, "n1", inline(&log));
    let unit = unit_id(1, 0);
    let text = |query: &str| get(&rig, unit, query).text();
    assert_eq!(text("?text=true").lines().count(), 21);
    assert_eq!(text("?text=true&stream=stderr"), "0\n5\n10\n15\n");
    assert_eq!(text("?text=true&tail=2"), "19\na prompt\n");
    assert_eq!(text("?text=true&stream=stderr&tail=2"), "10\n15\n");
    assert_eq!(text("?tail=1").lines().count(), 2, "the log has its parts");
    assert_eq!(text("?tail=0"), "");
    assert_eq!(text("?text=true&tail=1000"), text("?text=true"));
    assert_eq!(text(""), String::from_utf8(log).unwrap());
    assert!(get(&rig, unit, "?stream=stderr").problem(400).contains("text=true"));
    assert!(get(&rig, unit, "?tail=-1").problem(400).contains("tail"));
    assert!(get(&rig, unit, "?stream=both").problem(400).contains("stream"));
}

#[test]
fn much_is_passed_on_in_blocks() {
    let (rig, stage) = rig();
    let little = stage.ended(1, &numbers("line", 0..10));
    get(&rig, little, "?text=true");
    let log = numbers("this is a line of a unit that says much more than it should", 0..100_000);
    assert!(log.len() > 10 << 20, "{}", log.len());
    let unit = stage.ended(2, &log);
    let before = most_memory(rig.pid());
    assert!(get(&rig, unit, "").body == log);
    let text = get(&rig, unit, "?text=true").text();
    assert_eq!(text.lines().count(), 100_000);
    assert!(text.ends_with("should 99999\n"));
    assert_eq!(get(&rig, unit, "?text=true&tail=1000").text().lines().count(), 1000);
    let grown = most_memory(rig.pid()) - before;
    assert!(grown < 3 << 20, "{grown} bytes more");
}

#[test]
fn any_bytes_come_as_they_are() {
    let (rig, stage) = rig();
    let bytes: Vec<u8> = (0..=255).filter(|b| *b != b'\n').collect();
    let log = [line(&bytes), line("after")].concat();
    let unit = stage.ended(1, &log);
    assert!(get(&rig, unit, "").body == log);
    assert!(get(&rig, unit, "?text=true").body == [&bytes, &b"\nafter\n"[..]].concat());
}

#[test]
fn nothing_is_nothing_and_what_is_gone_is_said_to_be() {
    let (rig, stage) = rig();
    stage.open_run(1, &["n1", "n2", "n3"]);
    let empty = |nth: u64| {
        let answer = get(&rig, unit_id(1, nth), "");
        assert_eq!((answer.status(), answer.body.len()), (200, 0));
        assert_eq!(answer.head.header("content-length"), Some("0"));
        assert_eq!(get(&rig, unit_id(1, nth), "?text=true").text(), "");
        assert_eq!(get(&rig, unit_id(1, nth), "?tail=3").text(), "");
    };
    empty(0);
    stage.start(1, 0, "n1");
    empty(0);
    stage.end(1, 0, "n1", Output::default());
    empty(0);
    // It had a file, which is past its time.
    let output = Output { bytes: 5_000, ..Output::default() };
    stage.end(1, 1, "n2", output.clone());
    assert!(get(&rig, unit_id(1, 1), "").problem(410).contains("not kept any more"));
    stage.end(1, 2, "n3", Output { file: Some(stage.file(unit_id(1, 2))), ..output });
    assert!(get(&rig, unit_id(1, 2), "?text=true").problem(410).contains("not kept any more"));
}

#[test]
fn what_one_may_not_see_is_not_there() {
    let rig = Rig::remote(&[], &[]);
    let stage = Stage::of(&rig);
    let unit = stage.ended(1, &numbers("line", 0..10));
    let client = |jobs: &[&str]| {
        let name = format!("t{}", jobs.len());
        rig.client.clone().bearer(&rig.token(&name, Role::Viewer, jobs))
    };
    let (mine, other) = (client(&[JOB, "b"]), client(&["b"]));
    for path in [format!("units/{unit}/output"), "runs/1/output?follow=false".to_owned()] {
        assert_eq!(mine.get(&format!("/api/v1/{path}")).status(), 200);
        other.get(&format!("/api/v1/{path}")).problem(404);
    }
    for path in ["units/77/output", "units/77/output?follow=true", "runs/77/output"] {
        assert!(mine.get(&format!("/api/v1/{path}")).problem(404).contains("77"));
    }
    assert!(mine.get("/api/v1/units/x/output").problem(400).contains("x"));
    mine.get(&format!("/api/v1/units/{}/output", u64::MAX)).problem(404);
}

//! One unit, followed.

use loom::api::unit::OutputEvent;
use loom::protocol::message::Output;

use super::reader::{Event, Reader};
use super::stage::{Stage, entry, inline, line, most_memory, numbers, soon};
use crate::gateway::rig::{Rig, unit_id};

fn rig() -> (Rig, Stage) {
    let rig = Rig::local(&[], &[]);
    let stage = Stage::of(&rig);
    (rig, stage)
}

fn path(unit: impl std::fmt::Display, query: &str) -> String {
    format!("/api/v1/units/{unit}/output?follow=true{query}")
}

fn texts(events: &[Event]) -> Vec<String> {
    events.iter().filter_map(|event| Some(event.line()?.1)).collect()
}

#[test]
fn one_that_has_not_begun_is_followed_to_its_end() {
    let (rig, stage) = rig();
    stage.open_run(1, &["n1"]);
    let unit = unit_id(1, 0);
    let mut reader = Reader::open(&rig.client, &path(unit, ""));
    std::thread::sleep(soon());
    stage.start(1, 0, "n1");
    std::thread::sleep(soon());
    stage.append(unit, &line("one"));
    assert_eq!(texts(&reader.until(|event| event.line().is_some())), ["one"]);
    let log = [line("one"), entry("stderr", "P", "two"), entry("stderr", "F", "")].concat();
    stage.append(unit, &log[line("one").len()..]);
    let seen = reader.until(|event| event.line().is_some_and(|(_, text)| text.is_empty()));
    let OutputEvent::Line { unit: of, node, at, stream, text, partial } = seen[0].output() else {
        panic!("{seen:?}")
    };
    assert_eq!((of, node.as_str(), stream.as_str()), (unit.0, "n1", "stderr"));
    assert_eq!((text.as_str(), partial), ("two", true));
    assert_eq!(at.to_string(), "2026-01-01T00:00:01.000000001Z");
    // The last line is in the row alone.
    stage.end(1, 0, "n1", inline(&[log, line("three")].concat()));
    let seen = reader.rest();
    assert_eq!(texts(&seen), ["three"]);
    let end = seen.last().unwrap();
    assert_eq!(end.name, "unit");
    assert_eq!(end.unit().unwrap().outcome.as_deref(), Some("succeeded"));
    // Who has seen the end is told it again, and nothing else.
    let mut again = Reader::resume(&rig.client, &path(unit, ""), end.id.as_deref());
    let seen = again.rest();
    assert_eq!(seen.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), ["unit"]);
}

#[test]
fn who_comes_back_goes_on_where_it_was() {
    let (rig, stage) = rig();
    let unit = stage.ended(1, &numbers("line", 0..3_000));
    let all = Reader::open(&rig.client, &path(unit, "")).rest();
    assert_eq!(texts(&all).len(), 3_000);
    for n in [0, 1, 1_499, 2_998, 2_999] {
        let id = all[n].id.as_deref();
        let mut reader = Reader::resume(&rig.client, &path(unit, ""), id);
        let rest = texts(&reader.rest());
        assert!(rest == texts(&all)[n + 1..], "after {n}");
        let mut reader = Reader::open(&rig.client, &path(unit, &format!("&after={}", id.unwrap())));
        assert!(rest == texts(&reader.rest()));
    }
    let refused =
        |after: &str| rig.client.get(&path(unit, &format!("&after={after}"))).problem(400);
    assert!(refused("77:5").contains("another unit"));
    assert!(refused("x").contains("no place"));
}

#[test]
fn the_end_can_be_followed_alone() {
    let (rig, stage) = rig();
    stage.open_run(1, &["n1"]);
    stage.start(1, 0, "n1");
    let unit = unit_id(1, 0);
    stage.append(unit, &numbers("line", 0..100));
    stage.append(unit, &entry("stderr", "F", "oh"));
    let mut reader = Reader::open(&rig.client, &path(unit, "&tail=2"));
    let seen = reader.until(|event| event.line().is_some_and(|(_, text)| text == "oh"));
    let OutputEvent::Skipped { bytes, .. } = seen[0].output() else { panic!("{seen:?}") };
    assert_eq!(bytes, numbers("line", 0..99).len() as u64);
    assert_eq!(texts(&seen), ["line 99", "oh"]);
    let mut errors = Reader::open(&rig.client, &path(unit, "&stream=stderr"));
    stage.append(unit, &[line("more"), entry("stderr", "F", "dear")].concat());
    stage.end(1, 0, "n1", stage.in_file(unit));
    assert_eq!(texts(&errors.rest()), ["oh", "dear"]);
    assert_eq!(texts(&reader.rest()), ["more", "dear"]);
}

#[test]
fn much_is_told_a_piece_at_a_time() {
    let (rig, stage) = rig();
    let log = numbers("this is a line of a unit that says much more than it should", 0..100_000);
    assert!(log.len() > 10 << 20, "{}", log.len());
    let little = stage.ended(1, &numbers("line", 0..10));
    Reader::open(&rig.client, &path(little, "")).rest();
    let unit = stage.ended(2, &log);
    let before = most_memory(rig.pid());
    let mut reader = Reader::open(&rig.client, &path(unit, ""));
    let mut count = 0;
    while let Some(event) = reader.next() {
        if let Some((_, text)) = event.line() {
            assert!(text.ends_with(&format!("should {count}")));
            count += 1;
        }
    }
    assert_eq!(count, 100_000);
    let grown = most_memory(rig.pid()) - before;
    assert!(grown < 8 << 20, "{grown} bytes more");
}

#[test]
fn what_is_no_utf8_is_replaced_and_ends_no_stream() {
    let (rig, stage) = rig();
    let unit = stage.ended(1, &[line(b"a\xffb\0\r"), line("after")].concat());
    let seen = Reader::open(&rig.client, &path(unit, "")).rest();
    assert_eq!(texts(&seen), ["a\u{fffd}b\0\r", "after"]);
}

#[test]
fn what_is_missing_is_told_to_be() {
    let (rig, stage) = rig();
    stage.open_run(1, &["n1", "n2", "n3"]);
    let told = |nth: u64| {
        let seen = Reader::open(&rig.client, &path(unit_id(1, nth), "")).rest();
        let told = seen.iter().map(|event| match event.output() {
            OutputEvent::Skipped { bytes, .. } => format!("skipped {bytes}"),
            OutputEvent::Line { text, .. } => text,
            OutputEvent::Unit(_) => "unit".to_owned(),
            OutputEvent::Run(_) => "run".to_owned(),
        });
        told.collect::<Vec<_>>()
    };
    stage.end(1, 0, "n1", Output { bytes: 5_000, ..Output::default() });
    assert_eq!(told(0), ["skipped 5000", "unit"]);
    stage.append(unit_id(1, 1), b"rubbish\n");
    stage.append(unit_id(1, 1), &line("and a line"));
    stage.end(1, 1, "n2", stage.in_file(unit_id(1, 1)));
    assert_eq!(told(1), ["skipped 0", "and a line", "unit"]);
    // A directory in place of the file.
    std::fs::create_dir_all(stage.file(unit_id(1, 2))).unwrap();
    stage.end(1, 2, "n3", Output { bytes: 7, ..Output::default() });
    assert_eq!(told(2), ["skipped 0", "unit"]);
}

#[test]
fn an_end_whose_news_are_lost_is_noticed() {
    let (rig, stage) = rig();
    stage.open_run(1, &["n1"]);
    stage.start(1, 0, "n1");
    let mut reader = Reader::open(&rig.client, &path(unit_id(1, 0), ""));
    reader.until_moved();
    // Nothing has ended by the ledger, and it goes on.
    stage.resync();
    stage.append(unit_id(1, 0), &line("one"));
    assert_eq!(texts(&reader.until(|_| true)), ["one"]);
    stage.end_silently(1, 0, inline(&line("one")));
    stage.resync();
    assert_eq!(reader.rest().last().unwrap().name, "unit");
}

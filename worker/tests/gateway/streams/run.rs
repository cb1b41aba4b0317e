//! All units of a run, followed.

use std::collections::BTreeMap;

use loom::api::run::Run;
use loom::api::unit::OutputEvent;
use loom::protocol::message::Output;

use super::reader::{Event, Reader};
use super::stage::{Stage, inline, line, most_memory, numbers, soon};
use crate::gateway::rig::{Rig, unit_id};

fn rig() -> (Rig, Stage) {
    let rig = Rig::local(&[], &[]);
    let stage = Stage::of(&rig);
    (rig, stage)
}

fn path(run: u64, query: &str) -> String {
    format!("/api/v1/runs/{run}/output{query}")
}

/// What was told of each unit, in order; its end as `.`.
fn by_unit(events: &[Event]) -> BTreeMap<u64, Vec<String>> {
    let mut units: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for event in events {
        match event.output() {
            OutputEvent::Line { unit, text, .. } => units.entry(unit).or_default().push(text),
            OutputEvent::Unit(unit) => units.entry(unit.id).or_default().push(".".to_owned()),
            OutputEvent::Skipped { unit, bytes, .. } => {
                units.entry(unit).or_default().push(format!("skipped {bytes}"));
            }
            OutputEvent::Run(_) => {}
        }
    }
    units
}

fn run_of(events: &[Event]) -> Run {
    match events.last().unwrap().output() {
        OutputEvent::Run(run) => *run,
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_what_was_there_the_end_can_be_told_alone() {
    let (rig, stage) = rig();
    let (ended, runs, later) = (unit_id(1, 0), unit_id(1, 1), unit_id(1, 2));
    stage.open_run(1, &["n1", "n2", "n3"]);
    stage.start(1, 0, "n1");
    stage.end(1, 0, "n1", inline(&numbers("line", 0..10)));
    stage.start(1, 1, "n2");
    stage.append(runs, &numbers("line", 0..50_000));
    rig.heard();
    let mut reader = Reader::open(&rig.client, &path(1, "?tail=2"));
    let last = |event: &Event| event.line() == Some((runs.0, "line 49999".to_owned()));
    let mut seen = reader.until(last);
    // Whoever comes back is not given another tail.
    let place = reader.last_id().unwrap().to_owned();
    drop(reader);
    stage.append(runs, &numbers("more", 0..3));
    let mut reader = Reader::resume(&rig.client, &path(1, "?tail=2"), Some(&place));
    stage.start(1, 2, "n3");
    stage.append(later, &numbers("late", 0..3));
    stage.end(1, 1, "n2", stage.in_file(runs));
    stage.end(1, 2, "n3", stage.in_file(later));
    stage.end_run(1);
    seen.extend(reader.rest());
    let told = by_unit(&seen);
    assert_eq!(told[&ended.0], ["line 8", "line 9", "."]);
    assert_eq!(told[&runs.0], ["line 49998", "line 49999", "more 0", "more 1", "more 2", "."]);
    assert_eq!(told[&later.0], ["late 0", "late 1", "late 2", "."]);
    assert_eq!(run_of(&seen).units.succeeded, 3);
    // Of one that is over, and is not followed.
    let all = Reader::open(&rig.client, &path(1, "?tail=1&follow=false")).rest();
    assert_eq!(by_unit(&all)[&runs.0], ["more 2", "."]);
    rig.client.get(&path(1, "?tail=x")).problem(400);
}

#[test]
fn the_ends_of_many_units_have_short_ids() {
    let (rig, stage) = rig();
    let names: Vec<String> = (0..200).map(|n| format!("n{n}")).collect();
    stage.open_run(1, &names.iter().map(String::as_str).collect::<Vec<_>>());
    for (n, name) in (0..).zip(&names) {
        stage.start(1, n, name);
        stage.end(1, n, name, inline(&numbers("line", 0..10)));
    }
    stage.end_run(1);
    rig.heard();
    let told = Reader::open(&rig.client, &path(1, "?tail=2")).rest();
    let units = by_unit(&told);
    assert_eq!(units.len(), 200);
    assert!(units.values().all(|said| said == &["line 8", "line 9", "."]), "{units:?}");
    let longest = told.iter().filter_map(|event| event.id.as_ref()).max_by_key(|id| id.len());
    assert!(longest.unwrap().len() < 30, "{longest:?}");
}

#[test]
fn a_run_is_told_from_its_beginning_to_its_end() {
    let (rig, stage) = rig();
    let (one, two, again) = (unit_id(1, 0), unit_id(1, 1), unit_id(1, 7));
    stage.open_run(1, &["n1", "n2"]);
    let mut reader = Reader::open(&rig.client, &path(1, ""));
    stage.start(1, 0, "n1");
    stage.append(one, &line("a"));
    assert_eq!(reader.next().unwrap().line(), Some((one.0, "a".to_owned())));
    stage.start(1, 1, "n2");
    stage.append(two, &line("b"));
    assert_eq!(reader.next().unwrap().line(), Some((two.0, "b".to_owned())));
    stage.end(1, 0, "n1", inline(&[line("a"), line("c")].concat()));
    let seen = reader.until(|event| event.name == "unit");
    assert_eq!(by_unit(&seen)[&one.0], ["c", "."]);
    // Another attempt, which nobody knew of.
    stage.retry(1, 7, "n1");
    stage.start(1, 7, "n1");
    stage.append(again, &line("d"));
    assert_eq!(reader.next().unwrap().line(), Some((again.0, "d".to_owned())));
    stage.end(1, 7, "n1", stage.in_file(again));
    // One that never wrote anything, and whose end is told by the run's alone.
    stage.end_silently(1, 1, stage.in_file(two));
    stage.end_run(1);
    let seen = reader.rest();
    assert_eq!(
        by_unit(&seen),
        BTreeMap::from([(two.0, vec![".".to_owned()]), (again.0, vec![".".to_owned()]),])
    );
    let run = run_of(&seen);
    assert_eq!((run.id, run.state.as_str(), run.units.total), (1, "succeeded", 2));
}

#[test]
fn without_following_it_is_what_there_is_now() {
    let (rig, stage) = rig();
    stage.open_run(1, &["n1", "n2", "n3"]);
    stage.start(1, 0, "n1");
    stage.start(1, 1, "n2");
    stage.append(unit_id(1, 0), &numbers("line", 0..5_000));
    stage.end(1, 1, "n2", inline(&line("over")));
    let mut reader = Reader::open(&rig.client, &path(1, "?follow=false"));
    let seen = reader.rest();
    let units = by_unit(&seen);
    assert_eq!(units.len(), 2);
    assert_eq!((units[&1000].len(), units[&1000][4_999].as_str()), (5_000, "line 4999"));
    assert_eq!(units[&1001], ["over", "."]);
    assert_eq!(run_of(&seen).state, "running");
    // And later, what has come since.
    stage.append(unit_id(1, 0), &line("new"));
    let id = seen.last().unwrap().id.as_deref();
    let seen = Reader::resume(&rig.client, &path(1, "?follow=false"), id).rest();
    assert_eq!(by_unit(&seen), BTreeMap::from([(1000, vec!["new".to_owned()])]));
}

#[test]
fn what_has_been_told_is_not_told_to_who_comes_back_at_the_end() {
    let (rig, stage) = rig();
    stage.ended(1, &numbers("line", 0..10));
    let seen = Reader::open(&rig.client, &path(1, "")).rest();
    let id = seen.last().unwrap().id.as_deref();
    let again = Reader::resume(&rig.client, &path(1, ""), id).rest();
    assert_eq!(again.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), ["run"]);
    let refused = |after: &str| rig.client.get(&path(1, &format!("?after={after}"))).problem(400);
    assert!(refused("2.0..").contains("another run"));
    assert!(refused("nonsense").contains("no place"));
}

#[test]
fn a_run_on_a_thousand_nodes_is_told_with_short_ids_and_little_memory() {
    const NODES: u64 = 1000;
    let (rig, stage) = rig();
    let names: Vec<String> = (0..NODES).map(|i| format!("node{i}")).collect();
    let nodes: Vec<&str> = names.iter().map(String::as_str).collect();
    stage.open_run(1, &nodes);
    // The first one takes its time, and every other one comes late.
    stage.start(1, 0, nodes[0]);
    stage.append(unit_id(1, 0), &line("begun"));
    for nth in (1..NODES).step_by(2) {
        stage.end(1, nth, nodes[nth as usize], inline(&numbers("line", 0..20)));
    }
    rig.heard();
    let before = most_memory(rig.pid());
    let mut reader = Reader::open(&rig.client, &path(1, ""));
    let mut seen = reader.until(|event| event.unit().is_some_and(|unit| unit.id == 1999));
    let longest = seen.iter().filter_map(|event| event.id.as_ref()).map(String::len).max();
    assert!(longest.unwrap() < 250, "{longest:?}");
    let id = reader.last_id().unwrap().to_owned();
    drop(reader);
    let mut reader = Reader::resume(&rig.client, &path(1, ""), Some(&id));
    for nth in (2..NODES).step_by(2) {
        stage.end(1, nth, nodes[nth as usize], Output::default());
    }
    stage.append(unit_id(1, 0), &line("done"));
    stage.end(1, 0, nodes[0], stage.in_file(unit_id(1, 0)));
    stage.end_run(1);
    seen.extend(reader.rest());
    let units = by_unit(&seen);
    assert_eq!(units.len() as u64, NODES);
    assert_eq!(units[&1000], ["begun", "done", "."]);
    assert!((1..NODES).all(|nth| units[&(1000 + nth)].len() == if nth % 2 == 1 { 21 } else { 1 }));
    let grown = most_memory(rig.pid()) - before;
    assert!(grown < 8 << 20, "{grown} bytes more");
}

#[test]
fn what_speaks_without_end_keeps_nobody_waiting() {
    let (rig, stage) = rig();
    stage.open_run(1, &["n1", "n2", "n3"]);
    stage.start(1, 0, "n1");
    stage.append(unit_id(1, 0), &numbers("a line of somebody who has much to say", 0..50_000));
    stage.start(1, 1, "n2");
    stage.append(unit_id(1, 1), &line("hello"));
    stage.end(1, 2, "n3", inline(&line("over")));
    let mut reader = Reader::open(&rig.client, &path(1, ""));
    let of =
        |nth: u64| move |event: &Event| event.line().is_some_and(|(unit, _)| unit == 1000 + nth);
    let seen = reader.until(of(2));
    assert!(seen.len() < 20_000, "{}", seen.len());
    let seen = reader.until(of(1));
    assert!(seen.len() < 20_000, "{}", seen.len());
}

#[test]
fn when_news_are_lost_the_ledger_is_asked() {
    let (rig, stage) = rig();
    stage.open_run(1, &["n1", "n2"]);
    let mut reader = Reader::open(&rig.client, &path(1, ""));
    reader.until_moved();
    std::thread::sleep(soon());
    stage.end_silently(1, 0, inline(&line("one")));
    stage.end_silently(1, 1, inline(&line("two")));
    stage.resync();
    let seen = reader.until(|event| event.unit().is_some_and(|unit| unit.id == 1001));
    assert_eq!(
        by_unit(&seen),
        BTreeMap::from([
            (1000, vec!["one".to_owned(), ".".to_owned()]),
            (1001, vec!["two".to_owned(), ".".to_owned()]),
        ])
    );
    stage.end_run(1);
    assert_eq!(run_of(&reader.rest()).state, "succeeded");
}

/// Threads and files of the gateway, after somebody followed.
#[test]
fn nothing_is_left_of_who_went_away() {
    let (rig, stage) = rig();
    stage.open_run(1, &["n1"]);
    stage.start(1, 0, "n1");
    stage.append(unit_id(1, 0), &line("one"));
    let files = || std::fs::read_dir(format!("/proc/{}/fd", rig.pid())).unwrap().count();
    let switches = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/status", rig.pid())).unwrap();
        let line = stat.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    rig.heard();
    let before = files();
    let readers: Vec<Reader> = (0..20)
        .map(|_| {
            let mut reader = Reader::open(&rig.client, &path(1, ""));
            reader.until(|event| event.line().is_some());
            reader
        })
        .collect();
    assert!(files() >= before + 20);
    drop(readers);
    // The readers of the ledger stay, some of them.
    crate::rig::eventually("their connections are closed", || files() <= before + 12);
    std::thread::sleep(soon());
    let begun = switches();
    std::thread::sleep(6 * soon());
    assert!(switches() - begun < 10, "something is still looked at");
}

//! A run's output, read over connections that are cut at any point: no line is lost, and none comes
//! twice.

use std::cell::Cell;
use std::collections::BTreeMap;

use loom::api::unit::OutputEvent;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::reader::Reader;
use super::stage::{Stage, inline, line};
use crate::gateway::rig::{Rig, unit_id};

/// What a unit does, in order; units take turns.
#[derive(Debug, Clone)]
enum Act {
    Start(u64),
    /// So many lines into its file.
    Say(u64, u64),
    /// With so many lines that were not in the file before; in its row, if it can be.
    End(u64, u64, bool),
    /// Another attempt of a node whose last one is over.
    Retry(u64),
    /// Some news were lost.
    Resync,
}

const NODES: u64 = 5;

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        2 => (0..2 * NODES).prop_map(Act::Start),
        8 => (0..2 * NODES, 1..300_u64).prop_map(|(unit, lines)| Act::Say(unit, lines)),
        2 => (0..2 * NODES, 0..20_u64, any::<bool>())
            .prop_map(|(unit, lines, row)| Act::End(unit, lines, row)),
        1 => (0..NODES).prop_map(Act::Retry),
        1 => Just(Act::Resync),
    ];
    proptest::collection::vec(act, 10..80)
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum State {
    #[default]
    Unmade,
    Queued,
    Running,
    Over,
}

/// Plays a run, leaving out what makes no sense, and brings it to its end. How many lines each unit
/// has written.
fn play(stage: &Stage, run: u64, acts: &[Act], meanwhile: &mut dyn FnMut()) -> BTreeMap<u64, u64> {
    let names: Vec<String> = (0..NODES).map(|i| format!("n{i}")).collect();
    let nodes: Vec<&str> = names.iter().map(String::as_str).collect();
    stage.open_run(run, &nodes);
    // By unit; ids go up with every attempt, as the daemon's do.
    let mut node: Vec<&str> = nodes.clone();
    let mut units: BTreeMap<u64, (State, Vec<u8>, u64)> = BTreeMap::new();
    (0..NODES).for_each(|nth| units.entry(nth).or_default().0 = State::Queued);
    let mut all = acts.to_vec();
    // The rest of it.
    all.extend((0..2 * NODES).flat_map(|nth| [Act::Start(nth), Act::End(nth, 3, nth % 2 == 0)]));
    for act in all {
        meanwhile();
        let say = |unit: &mut (State, Vec<u8>, u64), nth: u64, lines: u64| {
            let new: Vec<u8> =
                (unit.2..unit.2 + lines).flat_map(|i| line(format!("{nth} {i}"))).collect();
            unit.2 += lines;
            unit.1.extend_from_slice(&new);
            new
        };
        match act {
            Act::Start(nth) => {
                let unit = units.entry(nth).or_default();
                if unit.0 == State::Queued {
                    unit.0 = State::Running;
                    stage.start(run, nth, node[nth as usize]);
                }
            }
            Act::Say(nth, lines) => {
                let unit = units.entry(nth).or_default();
                if unit.0 == State::Running {
                    let new = say(unit, nth, lines);
                    stage.append(unit_id(run, nth), &new);
                }
            }
            Act::End(nth, lines, row) => {
                let unit = units.entry(nth).or_default();
                if unit.0 == State::Running {
                    let new = say(unit, nth, lines);
                    let output = if row && unit.1.len() < 4096 {
                        inline(&unit.1)
                    } else {
                        stage.append(unit_id(run, nth), &new);
                        stage.in_file(unit_id(run, nth))
                    };
                    unit.0 = State::Over;
                    stage.end(run, nth, node[nth as usize], output);
                }
            }
            Act::Retry(nth) => {
                let again = node.len() as u64;
                let is_last = !node[NODES as usize..].contains(&nodes[nth as usize]);
                if units[&nth].0 == State::Over && is_last {
                    node.push(nodes[nth as usize]);
                    units.entry(again).or_default().0 = State::Queued;
                    stage.retry(run, again, nodes[nth as usize]);
                }
            }
            Act::Resync => stage.resync(),
        }
    }
    stage.end_run(run);
    let made = units.into_iter().filter(|(_, unit)| unit.0 != State::Unmade);
    made.map(|(nth, unit)| (unit_id(run, nth).0, unit.2)).collect()
}

/// Reads a run to its end, cut off after so many events each time, over and over.
#[derive(Default)]
struct Client {
    last: Option<String>,
    lines: BTreeMap<u64, u64>,
    ends: BTreeMap<u64, u64>,
    is_over: bool,
    trouble: Option<String>,
}

impl Client {
    fn read(&mut self, reader: &mut Reader, events: usize) {
        for _ in 0..events {
            let event = reader.next().expect("the stream ends with the run");
            self.last = event.id.clone();
            match event.output() {
                OutputEvent::Line { unit, text, .. } => {
                    let number = self.lines.entry(unit).or_default();
                    let wanted = format!("{} {number}", unit % 1000);
                    if text != wanted || self.ends.contains_key(&unit) {
                        let last = &self.last;
                        self.trouble = Some(format!("{text}, not {wanted}, up to {last:?}"));
                    }
                    *number += 1;
                }
                OutputEvent::Unit(unit) => *self.ends.entry(unit.id).or_default() += 1,
                OutputEvent::Skipped { bytes, .. } => {
                    self.trouble = Some(format!("{bytes} bytes skipped"));
                }
                OutputEvent::Run(_) => {
                    self.is_over = true;
                    return;
                }
            }
        }
    }
}

#[test]
fn wherever_a_connection_is_cut_no_line_is_lost_and_none_comes_twice() {
    let rig = Rig::local(&[], &[]);
    let stage = Stage::of(&rig);
    let runs = Cell::new(0);
    let mut runner =
        TestRunner::new(Config { cases: 25, max_shrink_iters: 100, ..Config::default() });
    let cuts = proptest::collection::vec(1..400_usize, 1..10);
    let checked = runner.run(&(acts(), cuts, any::<bool>()), |(acts, cuts, early)| {
        let run = runs.get() + 1;
        runs.set(run);
        let path = format!("/api/v1/runs/{run}/output");
        let (stage, http) = (stage.clone(), rig.client.clone());
        let (begin, begun) = std::sync::mpsc::channel();
        let playing = std::thread::spawn(move || {
            let mut first = Some(begin);
            let wanted = play(&stage, run, &acts, &mut || {
                if early {
                    first.take();
                }
            });
            drop(first);
            wanted
        });
        // Until it is opened, or over.
        let _: Result<(), _> = begun.recv();
        let mut client = Client::default();
        for events in cuts.iter().cycle() {
            let mut reader = Reader::resume(&http, &path, client.last.as_deref());
            client.read(&mut reader, *events);
            if client.is_over || client.trouble.is_some() {
                break;
            }
        }
        let wanted = playing.join().unwrap();
        prop_assert_eq!(client.trouble, None);
        let lines: BTreeMap<u64, u64> =
            wanted.iter().filter(|(_, lines)| **lines > 0).map(|(u, n)| (*u, *n)).collect();
        prop_assert_eq!(client.lines, lines);
        prop_assert_eq!(client.ends, wanted.keys().map(|unit| (*unit, 1)).collect());
        Ok(())
    });
    checked.unwrap();
}

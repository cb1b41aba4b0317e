//! What is drawn and told of flows, beside what it should be.

mod state;

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::branch::State;
use super::state::News;
use super::*;
use crate::api::event::Event;
use crate::api::run::RunDetail;
use crate::cli::screen::Paint;

const FLOW: u64 = 12;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn planned(job: &str, nodes: std::ops::RangeInclusive<usize>, more: Value) -> Value {
    let targets: Vec<String> = nodes.map(|n| format!("n{n}")).collect();
    let mut planned = json!({"job": job, "success": "100%", "needed": targets.len(),
        "at_once": [targets.len()], "attempts": 1, "on_failure": "stop", "targets": targets});
    planned.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    planned
}

/// Two jobs, then one with a rescue, then one.
fn flow() -> Value {
    let back = planned("deploy/back", 1..=3, json!({}));
    let rescued = json!({"needed": 95, "success": "95%", "on_failure": "rescue", "rescue": back});
    json!({"id": FLOW, "job": "deploy", "trigger": "manual", "queued_at": at(0).to_string(),
    "started_at": at(0).to_string(), "state": "running", "units": tally(0, 0),
    "nodes": [], "gaps": [], "slots": [
        [planned("pkg1", 1..=10, json!({})), planned("pkg2", 1..=6, json!({}))],
        [planned("deploy/restart", 1..=100, rescued)],
        [planned("verify", 1..=1, json!({}))],
    ]})
}

fn tally(total: usize, succeeded: usize) -> Value {
    json!({"total": total, "succeeded": succeeded, "failed": 0, "cancelled": 0, "lost": 0,
           "skipped": 0, "open": total - succeeded})
}

fn tree() -> Tree {
    Tree::new(serde_json::from_value(flow()).unwrap(), HashMap::new())
}

fn apply(tree: &mut Tree, event: Value) {
    tree.apply(&serde_json::from_value::<Event>(event).unwrap());
}

fn begin(tree: &mut Tree, run: u64, (slot, part, rescue): (u32, u32, u32), units: u32, s: i64) {
    let place = json!({"run": FLOW, "slot": slot, "part": part, "rescue": rescue});
    apply(
        tree,
        json!({"type": "run_queued", "run": run, "job": "x", "trigger": "flow",
        "at": at(s).to_string(), "units": units, "flow": place}),
    );
    apply(tree, json!({"type": "run_started", "run": run, "job": "x", "at": at(s).to_string()}));
}

fn start(tree: &mut Tree, run: u64, nodes: std::ops::RangeInclusive<u64>) {
    for n in nodes {
        apply(
            tree,
            json!({"type": "unit_started", "unit": run * 1000 + n, "run": run, "job": "x",
            "node": format!("n{n}"), "at": at(1).to_string()}),
        );
    }
}

fn end(tree: &mut Tree, run: u64, nodes: std::ops::RangeInclusive<u64>, outcome: &str) {
    for n in nodes {
        let summary = if outcome == "failed" { "failed, exit 1" } else { outcome };
        apply(
            tree,
            json!({"type": "unit_ended", "unit": run * 1000 + n, "run": run, "job": "x",
            "node": format!("n{n}"), "attempt": 1, "at": at(2).to_string(), "outcome": outcome,
            "summary": summary}),
        );
    }
}

fn close(tree: &mut Tree, run: u64, state: &str, succeeded: u32, s: i64) {
    apply(
        tree,
        json!({"type": "run_ended", "run": run, "job": "x", "at": at(s).to_string(),
        "state": state, "units": 1, "succeeded": succeeded}),
    );
}

/// The first slot done, the second under way.
fn half() -> Tree {
    let mut tree = tree();
    begin(&mut tree, 13, (1, 1, 0), 10, 0);
    begin(&mut tree, 14, (1, 2, 0), 6, 0);
    end(&mut tree, 13, 1..=10, "succeeded");
    end(&mut tree, 14, 1..=6, "succeeded");
    close(&mut tree, 13, "succeeded", 10, 31);
    close(&mut tree, 14, "succeeded", 6, 20);
    begin(&mut tree, 15, (2, 1, 0), 100, 31);
    start(&mut tree, 15, 1..=80);
    end(&mut tree, 15, 1..=20, "succeeded");
    end(&mut tree, 15, 21..=29, "failed");
    end(&mut tree, 15, 30..=30, "unreachable");
    tree
}

fn failed() -> Tree {
    let mut tree = half();
    end(&mut tree, 15, 31..=80, "succeeded");
    end(&mut tree, 15, 81..=100, "skipped");
    close(&mut tree, 15, "failed", 70, 60);
    begin(&mut tree, 16, (2, 1, 1), 3, 60);
    start(&mut tree, 16, 1..=3);
    end(&mut tree, 16, 1..=2, "succeeded");
    tree
}

fn shown(lines: &[Line]) -> String {
    lines.iter().map(|line| line.show(Paint::never()) + "\n").collect()
}

#[test]
fn the_slot_under_way_is_opened_and_the_others_are_a_line_each() {
    assert_eq!(
        shown(&live(&half(), at(43), 80, 24)),
        "\
deploy, run 12: running for 43s
slot 1  done in 31s  pkg1 10/10, pkg2 6/6
slot 2  for 12s
  restart  [####!!----------    ]  30/100  10 failed, 50 running, needs 95
    n21  failed, exit 1
    n22  failed, exit 1
    n23  failed, exit 1
    n24  failed, exit 1
    and 6 more
    running on n[31-80]
slot 3  to come  verify
"
    );
}

#[test]
fn a_rescue_stands_below_what_it_rescues() {
    assert_eq!(
        shown(&live(&failed(), at(63), 100, 24)),
        "\
deploy, run 12: running for 1m 03s
slot 1  done in 31s  pkg1 10/10, pkg2 6/6
slot 2  for 32s
  restart  [##############!!....]  100/100  failed in 29s, 10 failed, 20 skipped, needs 95
"
        .to_owned()
            + "    n21  failed, exit 1\n    n22  failed, exit 1\n    n23  failed, exit 1\n    n24  \
               failed, exit 1\n    and 6 more\n"
            + "    rescue back  [#############-------]      2/3  1 running\n      running on n3\n"
            + "slot 3  to come  verify\n"
    );
}

#[test]
fn there_is_a_tree_for_a_phone() {
    let lines = live(&half(), at(43), 40, 8);
    assert_eq!(
        shown(&lines),
        "\
deploy, run 12: running for 43s
slot 1  done in 31s  pkg1 10/10, pkg2 6…
slot 2  for 12s
  restart  [#!----  ]  30/100  10 faile…
    n21  failed, exit 1
    and 9 more
slot 3  to come  verify
"
    );
    for width in [1, 10, 20, 35, 36, 59, 60, 200] {
        for rows in [1, 2, 3, 5, 8, 40] {
            let lines = live(&failed(), at(43), width, rows);
            assert!(lines.len() <= rows, "{width} {rows}: {lines:?}");
            assert!(lines.iter().all(|line| line.width() <= width), "{width} {rows}: {lines:?}");
            assert!(!lines.is_empty());
        }
    }
    let lines = shown(&live(&half(), at(43), 80, 3));
    assert!(lines.ends_with("and 3 lines more\n"), "{lines}");
}

#[test]
fn many_slots_are_folded_where_there_is_little_room() {
    let mut flow = flow();
    let slots: Vec<Value> =
        (0..30).map(|i| json!([planned(&format!("j{i}"), 1..=1, json!({}))])).collect();
    flow["slots"] = json!(slots);
    let mut tree = Tree::new(serde_json::from_value(flow).unwrap(), HashMap::new());
    for slot in 1..=9 {
        let run = 20 + u64::from(slot);
        begin(&mut tree, run, (slot, 1, 0), 1, 0);
        if slot < 9 {
            end(&mut tree, run, 1..=1, "succeeded");
            close(&mut tree, run, "succeeded", 1, 1);
        }
    }
    let expected = "\
deploy, run 12: running for 5.0s
slots 1-8  done
slot 9  for 5.0s
  j8  [                    ]  0/1  waiting
slots 10-30  to come
";
    assert_eq!(shown(&live(&tree, at(5), 80, 24)), expected);
    assert_eq!(live(&tree, at(5), 80, 40).len(), 32);
}

#[test]
fn at_the_end_all_of_it_is_shown_with_the_runs_numbers() {
    let mut tree = failed();
    end(&mut tree, 16, 3..=3, "failed");
    close(&mut tree, 16, "failed", 2, 65);
    close(&mut tree, FLOW, "failed", 88, 65);
    let expected = "\
deploy, run 12: failed in 1m 05s
slot 1  done in 31s
  pkg1  [####################]  10/10  succeeded in 31s  run 13
  pkg2  [####################]    6/6  succeeded in 20s  run 14
slot 2  failed in 34s
  restart  [##############!!....]  100/100  failed in 29s, 10 failed, 20 skipped, needs 95  run 15
    n21  failed, exit 1
    n22  failed, exit 1
    n23  failed, exit 1
    n24  failed, exit 1
    and 6 more
    rescue back  [#############!!!!!!!]      3/3  failed in 5.0s, 1 failed  run 16
      n3  failed, exit 1
slot 3  not begun  verify on 1 node
";
    assert_eq!(shown(&whole(&tree, at(99), None)), expected);
    assert_eq!(never_begun(&tree), ["slot 3: verify was not begun"]);
    let painted: String =
        whole(&tree, at(99), None).iter().map(|line| line.show(Paint::always())).collect();
    for part in ["\x1b[31m!!\x1b[0m", "\x1b[31mfailed\x1b[0m in", "\x1b[2mslot 3  \x1b[0m"] {
        assert!(painted.contains(part), "{part:?} is not in {painted:?}");
    }
}

#[test]
fn what_a_node_says_steers_no_terminal() {
    let mut tree = tree();
    begin(&mut tree, 13, (1, 1, 0), 10, 0);
    apply(
        &mut tree,
        json!({"type": "unit_ended", "unit": 1, "run": 13, "job": "x", "node": "n1",
        "attempt": 1, "at": at(2).to_string(), "outcome": "failed", "summary": "failed\u{1b}[2J",
        "detail": "a\nb"}),
    );
    let drawn = shown(&live(&tree, at(3), 80, 24));
    assert!(drawn.contains("    n1  failed\\u{1b}[2J: a\\nb\n"), "{drawn}");
    assert!(lines_told(&mut tree).join("").contains("on n1: failed\\u{1b}[2J: a\\nb"));
}

fn lines_told(tree: &mut Tree) -> Vec<String> {
    let news = tree.take_news();
    news.iter().filter_map(|news| told(tree, news)).collect()
}

#[test]
fn each_thing_that_happens_is_a_line() {
    let mut tree = tree();
    begin(&mut tree, 13, (1, 1, 0), 10, 0);
    assert_eq!(lines_told(&mut tree), ["slot 1: pkg1 begins on 10 nodes, run 13"]);
    apply(
        &mut tree,
        json!({"type": "unit_ended", "unit": 1, "run": 13, "job": "x", "node": "n1",
        "attempt": 1, "at": at(2).to_string(), "outcome": "timed out", "summary": "timed out",
        "detail": "it was killed", "again": 90.0}),
    );
    end(&mut tree, 13, 2..=9, "succeeded");
    end(&mut tree, 13, 10..=10, "failed");
    // The same once more, by a stream that was resumed.
    end(&mut tree, 13, 10..=10, "failed");
    close(&mut tree, 13, "failed", 8, 31);
    close(&mut tree, 13, "failed", 8, 32);
    assert_eq!(
        lines_told(&mut tree),
        [
            "slot 1: pkg1 on n1: timed out: it was killed; again in 1m30s",
            "slot 1: pkg1 on n10: failed, exit 1",
            "slot 1: pkg1 failed in 31s: 8 of 10 nodes succeeded, 1 failed",
        ]
    );
    begin(&mut tree, 15, (2, 1, 0), 100, 31);
    close(&mut tree, 15, "succeeded", 96, 35);
    begin(&mut tree, 16, (2, 1, 1), 3, 36);
    assert_eq!(
        lines_told(&mut tree),
        [
            "slot 2: restart begins on 100 nodes, run 15",
            "slot 2: restart succeeded in 4.0s: 96 of 100 nodes succeeded, needs 95",
            "slot 2: rescue back begins on 3 nodes, run 16",
        ]
    );
}

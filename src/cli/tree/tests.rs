//! What is drawn and told of flows, beside what it should be.

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

/// As the API would have it: runs of the first slot, units of one of them.
fn asked() -> Tree {
    let mut flow = flow();
    let run = |id: u64, total: usize, succeeded: usize, over: bool| {
        json!({"id": id, "job": "x", "trigger": "flow", "queued_at": at(0).to_string(),
            "started_at": at(0).to_string(), "finished_at": over.then(|| at(9).to_string()),
            "state": if over { "succeeded" } else { "running" }, "units": tally(total, succeeded)})
    };
    flow["slots"][0][0]["run"] = run(13, 10, 10, true);
    flow["slots"][0][1]["run"] = run(14, 6, 1, false);
    let flow: RunDetail = serde_json::from_value(flow).unwrap();
    assert_eq!(super::state::begun(&flow), [14]);
    let mut part = run(14, 6, 1, false);
    let unit = |id: u64, node: &str, attempt: u64, state: &str, outcome: Option<&str>| {
        json!({"id": id, "run": 14, "node": node, "attempt": attempt, "state": state,
            "outcome": outcome, "output_bytes": 0, "output_truncated": false})
    };
    part["gaps"] = json!([]);
    part["nodes"] = json!([
        unit(14001, "n1", 1, "done", Some("succeeded")),
        unit(14002, "n2", 1, "done", Some("unreachable")),
        unit(14007, "n2", 2, "running", None),
        unit(14003, "n3", 1, "done", Some("failed")),
        unit(14004, "n4", 1, "queued", None),
    ]);
    Tree::new(flow, HashMap::from([(14, serde_json::from_value(part).unwrap())]))
}

#[test]
fn what_was_asked_for_and_what_is_told_agree_in_any_order() {
    let mut tree = tree();
    tree.renew(asked());
    assert_eq!(
        lines_told(&mut tree),
        [
            "slot 1: pkg1 begins on 10 nodes, run 13",
            "slot 1: pkg1 succeeded in 9.0s: 10 of 10 nodes succeeded",
            "slot 1: pkg2 begins on 6 nodes, run 14",
            "slot 1: pkg2 on n3: failed",
        ]
    );
    let before = shown(&live(&tree, at(10), 80, 24));
    assert!(
        before.contains("pkg2  [###!!!----          ]    2/6  1 failed, 1 running\n"),
        "{before}"
    );
    // Events from before it was asked for.
    begin(&mut tree, 14, (1, 2, 0), 6, 0);
    start(&mut tree, 14, 1..=3);
    end(&mut tree, 14, 1..=1, "succeeded");
    end(&mut tree, 14, 2..=2, "unreachable");
    end(&mut tree, 14, 3..=3, "failed");
    assert_eq!(shown(&live(&tree, at(10), 80, 24)), before);
    assert_eq!(tree.take_news(), [] as [News; 0]);
    // And from after.
    start(&mut tree, 14, 4..=4);
    end(&mut tree, 14, 4..=4, "lost");
    assert_eq!(tree.take_news().len(), 1);
    // The same again, from the API: nothing new.
    let known = tree.clone();
    tree.renew(known);
    assert_eq!(tree.take_news(), [] as [News; 0]);
}

#[test]
fn what_events_do_not_tell_is_to_be_asked_for() {
    let mut tree = tree();
    begin(&mut tree, 13, (1, 1, 0), 10, 0);
    assert!(!tree.take_stale());
    // It could not be begun on four of them.
    begin(&mut tree, 14, (1, 2, 0), 2, 0);
    assert!(tree.take_stale() && !tree.take_stale());
    end(&mut tree, 13, 1..=9, "succeeded");
    close(&mut tree, 13, "failed", 9, 3);
    assert!(tree.take_stale(), "one has ended without a word");
    apply(&mut tree, json!({"type": "resync"}));
    assert!(tree.take_stale());
    apply(&mut tree, json!({"type": "paused", "paused": true}));
    // Of another flow.
    let elsewhere = json!({"run": 99, "slot": 2, "part": 1, "rescue": 0});
    apply(
        &mut tree,
        json!({"type": "run_queued", "run": 98, "job": "x", "trigger": "flow",
        "at": at(0).to_string(), "units": 1, "flow": elsewhere}),
    );
    end(&mut tree, 98, 1..=1, "failed");
    assert!(!tree.take_stale());
    assert_eq!(tree.slot_state(1), State::ToCome);
}

#[test]
fn a_slot_is_judged_as_the_daemon_does() {
    for (on_failure, first, rescue, over, expected) in [
        ("stop", "succeeded", None, false, State::Good),
        ("stop", "failed", None, true, State::Bad),
        ("continue", "failed", None, false, State::Good),
        ("continue", "cancelled", None, true, State::Bad),
        ("rescue", "failed", None, false, State::UnderWay),
        ("rescue", "failed", None, true, State::Bad),
        ("rescue", "cancelled", None, true, State::Bad),
        ("rescue", "failed", Some("running"), false, State::UnderWay),
        ("rescue", "lost", Some("succeeded"), false, State::Good),
        ("rescue", "failed", Some("failed"), true, State::Bad),
        ("rescue_and_stop", "failed", Some("succeeded"), true, State::Bad),
        ("rescue_and_stop", "succeeded", None, false, State::Good),
        ("stop", "running", None, false, State::UnderWay),
    ] {
        let mut flow = flow();
        flow["slots"][1][0]["on_failure"] = json!(on_failure);
        let mut tree = Tree::new(serde_json::from_value(flow).unwrap(), HashMap::new());
        begin(&mut tree, 15, (2, 1, 0), 100, 0);
        if first != "running" {
            close(&mut tree, 15, first, 0, 1);
        }
        if let Some(rescue) = rescue {
            begin(&mut tree, 16, (2, 1, 1), 3, 1);
            if rescue != "running" {
                close(&mut tree, 16, rescue, 0, 2);
            }
        }
        if over {
            close(&mut tree, FLOW, "failed", 0, 3);
        }
        assert_eq!(tree.slot_state(1), expected, "{on_failure} {first} {rescue:?} {over}");
        assert_eq!(tree.slot_state(0), State::Before);
        assert_eq!(tree.slot_state(2), State::ToCome);
    }
}

#[test]
fn a_flow_that_is_taken_up_again_says_what_was_done_before() {
    let mut flow = flow();
    flow["retry_of"] = json!(9);
    let mut tree = Tree::new(serde_json::from_value(flow).unwrap(), HashMap::new());
    begin(&mut tree, 15, (2, 1, 0), 30, 31);
    start(&mut tree, 15, 71..=100);
    let expected = "\
deploy, run 12, which resumes run 9: running for 33s
slot 1  done in run 9  pkg1, pkg2
slot 2  for 2.0s
  restart  [--------------------]  0/30  30 running, 70 before, needs 95
    running on n[71-100]
slot 3  to come  verify
";
    assert_eq!(shown(&live(&tree, at(33), 80, 24)), expected);
}

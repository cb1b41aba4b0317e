//! What is known of a flow, whatever order it is told in.

use super::*;

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
    assert_eq!(crate::cli::tree::state::begun(&flow), [14]);
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

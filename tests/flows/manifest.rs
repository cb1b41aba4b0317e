//! Flows of manifests: begun by their schedule or by hand, one after the other, switched off, and
//! edited while they run.

use std::process::Output;
use std::time::Duration;

use loom::protocol::control::{Answer, Command};

use crate::harness::{Daemon, Farm, Ledger, SOON, Site, process, until};

/// A full minute comes within it, and what is due then has begun.
const A_MINUTE: Duration = Duration::from_secs(100);

fn loom(site: &Site, args: &[&str]) -> Output {
    process::run(site.loom(args).env("TZ", "UTC"), A_MINUTE)
}

#[track_caller]
fn shown(site: &Site, args: &[&str]) -> String {
    let output = loom(site, args);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{args:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn refused(site: &Site, args: &[&str]) -> String {
    let output = loom(site, args);
    assert!(!output.status.success(), "{args:?} is done");
    String::from_utf8(output.stderr).unwrap()
}

/// Cells of a table's line.
fn cells(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

/// A job of the flow's own whose command leaves `name` in the nodes' `order`, and goes on when
/// `gate` is there, unless that is empty.
fn own(name: &str, targets: &str, gate: &str) -> String {
    let wait = match gate {
        "" => String::new(),
        gate => format!("; while ! test -e $LOOM_EVIDENCE/{gate}; do sleep 0.1; done"),
    };
    let command = format!("echo {name} >>$LOOM_EVIDENCE/order{wait}");
    format!("{{name: {name}, task: loom.run, args: [\"{command}\"], targets: {targets}}}")
}

fn open_gate(farm: &Farm, node: &str, gate: &str) {
    std::fs::write(farm.node(node).evidence().join(gate), "").unwrap();
}

fn wait_for_order(farm: &Farm, node: &str, order: &str) {
    until(&format!("{order:?} on {node}"), SOON, || {
        (farm.evidence(node, "order") == order).then_some(())
    });
}

/// The state of a flow's run once it has ended, and its reason.
fn end_of(ledger: &Ledger, flow: &str, run: i64) -> (String, Option<String>) {
    let (run, units) = ledger.wait_for_run(flow, run, SOON);
    assert!(units.is_empty(), "a flow has no units of its own: {units:?}");
    (run.state, run.reason)
}

#[test]
fn a_flow_is_listed_shown_and_run_like_a_job() {
    let farm = Farm::start(3);
    let site = Site::new(&farm);
    // Whether its schedule counts does not matter to a flow.
    let first = "task: loom.run\nargs: ['echo first >>$LOOM_EVIDENCE/order']\nenabled: false";
    site.write_job("first", &format!("{first}\ntargets: [n1, n2]"));
    let flow = format!(
        "flows:\n  web:\n    tags: [site]\n    slots:\n      - [{{job: first, success: 50%, parallel: 1}}]\n      \
         - [{}]\n",
        own("second", "'n[1-3]', parallel: [1, 50%], on_failure: {rescue: first}", "")
    );
    site.write("jobs/web.yaml", &flow);
    let mut daemon = Daemon::start(&site);

    let told = shown(&site, &["jobs"]);
    let rows: Vec<Vec<&str>> = told.lines().skip(1).map(cells).collect();
    assert_eq!((rows[0][0], rows[0][6]), ("first", "-"), "{told}");
    assert_eq!((rows[1][0], rows[1][1], rows[1][6]), ("web", "@never", "first; second"), "{told}");
    let told = shown(&site, &["jobs", "--flows", "--tag", "site", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told.as_array().unwrap().len(), 1);
    assert_eq!(told[0]["slots"], serde_json::json!([["first"], ["web/second"]]));

    let told = shown(&site, &["show", "web"]);
    assert!(!told.contains("@flow") && told.contains("flow         2 jobs in 2 slots"), "{told}");
    let plan = "\
slot 1
  first
    on n[1-2]: 1 at a time; 1 of 2 must succeed
slot 2
  second
    on n[1-3]: first 1, then 1 at a time; all 3 must succeed
    if it fails, this mends it:
      first
        on n[1-2]: 1 at a time; 1 of 2 must succeed
";
    assert!(told.contains(plan), "{told}");
    let json = shown(&site, &["show", "web", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["plan"]["slots"][1][0]["rescue"]["job"], "first");
    assert_eq!(json["manifest"]["slots"][0][0]["success"], "50%");
    assert_eq!(shown(&site, &["next"]), "", "neither ever comes due");

    for (args, part) in [
        (&["run", "web", "--on", "n1"][..], "flow"),
        (&["run", "web", "--arg", "command=true"], "flow"),
        (&["run", "web/second"], "there is no job \"web/second\""),
    ] {
        let told = refused(&site, args);
        assert!(told.contains(part), "{args:?}: {told}");
    }
    shown(&site, &["run", "web", "--wait"]);
    assert_eq!(farm.evidence("n1", "order"), "first\nsecond\n");
    assert_eq!(farm.evidence("n3", "order"), "second\n");
    let ledger = daemon.ledger();
    assert_eq!(ledger.runs("web").len(), 1);
    let parts = ledger.query(
        "select job, trigger, state from runs where flow is not null order by id",
        &[],
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)),
    );
    let of = |job: &str| (job.to_owned(), "flow".to_owned(), "succeeded".to_owned());
    assert_eq!(parts, [of("first"), of("web/second")]);
    daemon.stop();
}

#[test]
fn a_flow_that_comes_due_runs_and_one_that_still_runs_is_left_out() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let slots = format!("[[{}], [{}]]", own("a", "n1", "gate"), own("b", "n1", ""));
    let flow = |name: &str, more: &str| format!("  {name}:\n    {more}\n    slots: {slots}\n");
    let flows = format!("flows:\n{}", flow("tick", "schedule: '* * * * *'"));
    site.write("jobs/tick.yaml", &flows);
    let mut daemon = Daemon::start(&site);
    let ledger = daemon.ledger();
    let run = until("a run by its schedule", A_MINUTE, || ledger.runs("tick").into_iter().next());
    assert_eq!(run.scheduled_at.unwrap() % 60_000, 0, "not a full minute: {run:?}");
    wait_for_order(&farm, "n1", "a\n");
    let sql =
        "select count(*) from gaps where job = 'tick' and node is null and reason = 'overlap'";
    until("the gap of the next minute", A_MINUTE, || {
        ledger.query(sql, &[], |row| row.get::<_, i64>(0)).contains(&1).then_some(())
    });
    // Switched off, it comes due no more, and what runs goes on.
    shown(&site, &["disable", "tick"]);
    let told = shown(&site, &["jobs", "tick", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told[0]["enabled"], &told[0]["next_at"]), (&false.into(), &().into()));
    open_gate(&farm, "n1", "gate");
    assert_eq!(end_of(&ledger, "tick", run.id).0, "succeeded");
    assert_eq!(farm.evidence("n1", "order"), "a\nb\n");
    // By hand it runs all the same.
    shown(&site, &["run", "tick", "--wait"]);
    shown(&site, &["enable", "tick"]);
    let told = shown(&site, &["jobs", "tick", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(told[0]["next_at"].is_string(), "{told}");
    daemon.stop();
}

#[test]
fn one_run_of_a_flow_waits_for_another_and_a_further_one_is_left_out() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let slots = format!("[[{}], [{}]]", own("a", "n1", "gate"), own("b", "n1", ""));
    site.write("jobs/f.yaml", &format!("flows: {{f: {{overlap: queue, slots: {slots}}}}}\n"));
    let mut daemon = Daemon::start_with_control(&site);
    let (first, second) = (daemon.run("f"), daemon.run("f"));
    assert_eq!(daemon.control().request(Command::run("f")), Ok(Answer::Run(None)));
    wait_for_order(&farm, "n1", "a\n");
    let ledger = daemon.ledger();
    let state = |run: i64| ledger.runs("f").into_iter().find(|each| each.id == run).unwrap().state;
    assert_eq!((state(first).as_str(), state(second).as_str()), ("running", "queued"));
    open_gate(&farm, "n1", "gate");
    for run in [first, second] {
        assert_eq!(end_of(&ledger, "f", run).0, "succeeded");
    }
    assert_eq!(farm.evidence("n1", "order"), "a\nb\na\nb\n", "one after the other");
    daemon.stop();
}

#[test]
fn who_runs_a_flow_that_is_under_way_is_told_so() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let slots = format!("[[{}]]", own("a", "n1", "gate"));
    site.write("jobs/f.yaml", &format!("flows: {{f: {{overlap: skip, slots: {slots}}}}}\n"));
    let mut daemon = Daemon::start(&site);
    shown(&site, &["run", "f"]);
    assert_eq!(
        refused(&site, &["run", "f", "--wait"]),
        "loom: f is not run: another run of it is under way, and its `overlap` allows no more; \
         `loom runs --job f` lists them\n"
    );
    open_gate(&farm, "n1", "gate");
    daemon.stop();
}

#[test]
fn a_flow_that_is_taken_away_ends_and_begins_nothing_more() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let slots = format!("[[{}], [{}]]", own("a", "n1", "gate"), own("b", "n1", ""));
    site.write("jobs/f.yaml", &format!("flows: {{f: {{slots: {slots}}}}}\n"));
    let mut daemon = Daemon::start_with_control(&site);
    let run = daemon.run("f");
    wait_for_order(&farm, "n1", "a\n");
    let mark = daemon.log().mark();
    std::fs::remove_file(site.path("jobs/f.yaml")).unwrap();
    daemon.log().wait_after(mark, "removed: f", SOON);
    open_gate(&farm, "n1", "gate");
    let end = end_of(&daemon.ledger(), "f", run);
    assert_eq!(end, ("skipped".to_owned(), Some("removed".to_owned())));
    // What ran came to its own end.
    let part = daemon.ledger().wait_for("f/a", "succeeded", SOON);
    assert_eq!(part.attempt, 1);
    assert!(daemon.ledger().runs("f/b").is_empty());
    assert_eq!(farm.evidence("n1", "order"), "a\n");
    daemon.stop();
}

#[test]
fn an_edit_leaves_a_flow_as_it_was_begun() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    let flow = |second: &str, targets: &str| {
        let slots = format!("[[{}], [{}]]", own("a", "n1", "gate"), own(second, targets, ""));
        format!("flows: {{f: {{slots: {slots}}}}}\n")
    };
    site.write("jobs/f.yaml", &flow("b", "n1"));
    let mut daemon = Daemon::start_with_control(&site);
    let run = daemon.run("f");
    wait_for_order(&farm, "n1", "a\n");
    let mark = daemon.log().mark();
    site.write("jobs/f.yaml", &flow("c", "n2"));
    daemon.log().wait_after(mark, "changed: f", SOON);
    // A line more above it is no change.
    let mark = daemon.log().mark();
    site.write("jobs/f.yaml", &format!("\n{}", flow("c", "n2")));
    daemon.log().wait_after(mark, "nothing changed", SOON);
    open_gate(&farm, "n1", "gate");
    assert_eq!(end_of(&daemon.ledger(), "f", run).0, "succeeded");
    assert_eq!(farm.evidence("n1", "order"), "a\nb\n");
    // The next one is as it stands there now.
    let run = daemon.run("f");
    assert_eq!(end_of(&daemon.ledger(), "f", run).0, "succeeded");
    assert_eq!(farm.evidence("n2", "order"), "c\n");
    daemon.stop();
}

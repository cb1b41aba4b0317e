//! Flows and their parts: found, shown, followed, and by whom.

use loom::access::Role;
use loom::api::Page;
use loom::api::run::{Run, RunDetail};
use loom::api::unit::OutputEvent;
use loom::event::Within;
use loom::job::flow::Place;
use loom::protocol::control::News;
use loom::protocol::message::Output;
use loom::store::Record;
use loom::unit::{Outcome, RunEnd, RunId, Trigger};
use serde_json::json;

use super::http::Client;
use super::rig::{How, Rig, at, job, node, open_run, unit_id};
use super::streams::reader::{Event, Reader};

const FLOW: u64 = 1;

fn t() -> jiff::Timestamp {
    at("2026-02-01T00:00:00Z")
}

/// A flow of two slots, with two parts and then one.
fn rig(remote: bool) -> Rig {
    let jobs = ["deploy", "pkg1", "other"].map(|name| job(name, "@yearly"));
    let nodes = ["n1", "n2", "n3"].map(node);
    let rig = if remote { Rig::remote(&jobs, &nodes) } else { Rig::local(&jobs, &nodes) };
    let planned = |job: &str, nodes: &[&str]| {
        json!({"job": job, "targets": nodes, "success": "100%", "needed": nodes.len(),
               "at_once": [nodes.len()], "attempts": 1, "on_failure": "stop"})
    };
    let plan = json!({"slots": [
        [planned("pkg1", &["n1", "n2"]), planned("deploy/pkg2", &["n3"])],
        [planned("deploy/restart", &["n1"])],
    ]});
    let mut flow = open_run(FLOW, "deploy", &How::manual(t()), &[]);
    let Record::OpenRun { plan: text, .. } = &mut flow else { unreachable!() };
    *text = Some(plan.to_string());
    rig.record(&[flow]);
    rig.tell(queued(FLOW, "deploy", None));
    rig
}

fn queued(run: u64, job: &str, within: Option<(RunId, Place)>) -> News {
    let trigger = if within.is_some() { Trigger::Flow } else { Trigger::Manual };
    let (run, job) = (RunId(run), job.to_owned());
    News::RunQueued { run, job, trigger, scheduled_at: None, at: t(), units: 1, within }
}

fn open_part(rig: &Rig, run: u64, job: &str, (slot, part): (u32, u32), nodes: &[&str]) {
    let place = Place { slot, part, rescue: 0 };
    let mut opening = open_run(run, job, &How::manual(t()), nodes);
    let Record::OpenRun { trigger, within, .. } = &mut opening else { unreachable!() };
    *trigger = Trigger::Flow;
    *within = Some(Within { flow: RunId(FLOW), place, missing: 0, succeeded: 0 });
    rig.record(&[opening]);
    rig.tell(queued(run, job, Some((RunId(FLOW), place))));
}

fn end_unit(rig: &Rig, run: u64, nth: u64, text: &str, tells: bool) {
    let (unit, outcome) = (unit_id(run, nth), Outcome::Succeeded);
    let log = format!("2026-02-01T00:00:01.000000001Z stdout F {text}\n").into_bytes();
    let bytes = log.len() as u64;
    let output = Output { inline: log, file: None, bytes, truncated: false };
    let start = Record::StartUnit { unit, worker_pid: Some(1), at: t() };
    let (detail, result) = (None, None);
    rig.record(&[start, Record::CloseUnit { unit, outcome, detail, result, output, at: t() }]);
    if tells {
        rig.tell(News::UnitEnded {
            unit,
            run: RunId(run),
            job: "x".to_owned(),
            node: "n".to_owned(),
            attempt: 1,
            at: t(),
            outcome: Outcome::Succeeded,
            detail: None,
            result: None,
            again: None,
        });
    }
}

fn ids(client: &Client, query: &str) -> Vec<u64> {
    let page: Page<Run> = client.get(&format!("/api/v1/runs{query}")).of();
    page.items.iter().map(|run| run.id).collect()
}

#[test]
fn parts_are_listed_by_their_flow_or_left_out() {
    let rig = rig(false);
    open_part(&rig, 2, "pkg1", (1, 1), &["n1", "n2"]);
    open_part(&rig, 3, "deploy/pkg2", (1, 2), &["n3"]);
    rig.record(&[open_run(4, "pkg1", &How::manual(t()), &["n1"])]);
    let client = &rig.client;
    assert_eq!(ids(client, ""), [4, 3, 2, 1]);
    assert_eq!(ids(client, "?parts=false"), [4, 1]);
    assert_eq!(ids(client, "?parts=true&flow=1"), [3, 2]);
    assert_eq!(ids(client, "?flow=1&limit=1&cursor=3"), [2]);
    assert_eq!(ids(client, "?flow=1&job=pkg1"), [2]);
    assert_eq!(ids(client, "?flow=1&node=n3"), [3]);
    assert_eq!(ids(client, "?job=pkg1&parts=false"), [4]);
    assert_eq!(ids(client, "?flow=4"), [0; 0]);
    assert_eq!(ids(client, "?trigger=flow"), [3, 2]);
    client.get("/api/v1/runs?flow=x").problem(400);
    client.get("/api/v1/runs?parts=some").problem(400);
    let shown: RunDetail = client.get("/api/v1/runs/1").of();
    assert_eq!((shown.run.units.total, shown.run.units.open), (4, 4));
    let runs: Vec<Vec<Option<u64>>> =
        shown.slots.unwrap().iter().map(|parts| runs_of(parts)).collect();
    assert_eq!(runs, [vec![Some(2), Some(3)], vec![None]]);
    let part: RunDetail = client.get("/api/v1/runs/3").of();
    let place = part.run.flow.unwrap();
    assert_eq!((place.run, place.slot, place.part, place.rescue), (1, 1, 2, 0));
    assert_eq!(part.slots, None);
}

#[test]
fn a_flow_under_way_counts_the_units_that_are_to_come() {
    let rig = rig(false);
    let units =
        |run: u64| rig.client.get(&format!("/api/v1/runs/{run}")).of::<RunDetail>().run.units;
    assert_eq!((units(FLOW).total, units(FLOW).open), (4, 4));
    open_part(&rig, 2, "pkg1", (1, 1), &["n1", "n2"]);
    end_unit(&rig, 2, 0, "one", true);
    let tally = units(FLOW);
    assert_eq!((tally.total, tally.succeeded, tally.open), (4, 1, 3));
    // Listed, it has the same numbers; a part has its own.
    let page: Page<Run> = rig.client.get("/api/v1/runs").of();
    assert_eq!(page.items.iter().map(|run| run.units.total).collect::<Vec<_>>(), [2, 4]);
    // Over, it has no more than it did.
    rig.parent.close_run(2, "pkg1", RunEnd::Failed, t());
    rig.parent.close_run(FLOW, "deploy", RunEnd::Failed, t());
    assert_eq!(units(FLOW).total, 2);
}

#[test]
fn a_flow_that_was_taken_up_counts_what_is_left_of_it() {
    let rig = rig(false);
    let planned = |job: &str, nodes: &[&str]| {
        json!({"job": job, "targets": nodes, "success": "100%", "needed": nodes.len(),
               "at_once": [nodes.len()], "attempts": 1, "on_failure": "stop"})
    };
    let slots = [["n1", "n2", "n3"], ["n1", "n2", "n3"], ["n1", "n2", "n3"]];
    let slots = slots.map(|nodes| vec![planned("pkg1", &nodes)]);
    let plan = json!({"slots": slots, "resumed": {"slot": 2, "done": [["n1"]]}});
    let mut flow = open_run(5, "deploy", &How::manual(t()), &[]);
    let Record::OpenRun { plan: text, .. } = &mut flow else { unreachable!() };
    *text = Some(plan.to_string());
    rig.record(&[flow]);
    let shown: RunDetail = rig.client.get("/api/v1/runs/5").of();
    assert_eq!(shown.run.units.total, 2 + 3);
}

fn runs_of(parts: &[loom::api::flow::Part]) -> Vec<Option<u64>> {
    parts.iter().map(|part| part.run.as_ref().map(|run| run.id)).collect()
}

#[test]
fn who_follows_a_flow_is_told_of_its_parts() {
    let rig = rig(false);
    // Of this one only the ledger knows, as far as this reader goes.
    open_part(&rig, 2, "pkg1", (1, 1), &["n1"]);
    rig.heard();
    let mut reader = Reader::open(&rig.client, "/api/v1/events?run=1");
    let mut of_part = Reader::open(&rig.client, "/api/v1/events?run=2");
    open_part(&rig, 3, "deploy/pkg2", (1, 2), &["n3"]);
    let within = Some((RunId(9), Place { slot: 1, part: 1, rescue: 0 }));
    rig.tell(queued(4, "pkg1", within));
    for run in [2, 3, 4] {
        let (job, run) = ("x".to_owned(), RunId(run));
        rig.tell(News::RunStarted { run, job, at: t() });
    }
    rig.parent.close_run(FLOW, "deploy", RunEnd::Succeeded, t());
    let told = reader.until(|event| event.name == "run_ended");
    let told: Vec<(String, u64)> = told.iter().map(name_and_run).collect();
    let expected = [("run_queued", 3), ("run_started", 2), ("run_started", 3), ("run_ended", 1)];
    assert_eq!(told, expected.map(|(name, run)| (name.to_owned(), run)));
    let told = of_part.until(|event| event.name == "run_started");
    assert_eq!(told.len(), 1, "a part is followed by itself");
}

fn name_and_run(event: &Event) -> (String, u64) {
    (event.name.clone(), event.json()["run"].as_u64().unwrap())
}

#[test]
fn a_queued_part_says_where_it_stands() {
    let rig = rig(false);
    let mut reader = Reader::open(&rig.client, "/api/v1/events?run=1&types=run_queued");
    open_part(&rig, 2, "pkg1", (2, 1), &["n1"]);
    let told = reader.next().unwrap().json();
    assert_eq!(told["flow"], json!({"run": 1, "slot": 2, "part": 1, "rescue": 0}));
}

#[test]
fn parts_that_began_while_news_were_lost_are_followed_too() {
    let rig = rig(false);
    let mut reader = Reader::open(&rig.client, "/api/v1/events?run=1");
    // Its beginning is told to nobody.
    let mut opening = open_run(2, "pkg1", &How::manual(t()), &["n1"]);
    let Record::OpenRun { within, .. } = &mut opening else { unreachable!() };
    let place = Place { slot: 1, part: 1, rescue: 0 };
    *within = Some(Within { flow: RunId(FLOW), place, missing: 0, succeeded: 0 });
    rig.record(&[opening]);
    rig.tell(News::Resync);
    reader.until(|event| event.name == "resync");
    let (run, job) = (RunId(2), "pkg1".to_owned());
    rig.tell(News::RunStarted { run, job, at: t() });
    assert_eq!(name_and_run(&reader.next().unwrap()), ("run_started".to_owned(), 2));
}

/// `UNIT TEXT` of lines, `UNIT .` of ends.
fn told(events: &[Event]) -> Vec<String> {
    let told = events.iter().filter_map(|event| match event.output() {
        OutputEvent::Line { unit, text, .. } => Some(format!("{unit} {text}")),
        OutputEvent::Unit(unit) => Some(format!("{} .", unit.id)),
        OutputEvent::Skipped { .. } | OutputEvent::Run(_) => None,
    });
    told.collect()
}

#[test]
fn a_flows_output_is_that_of_its_parts() {
    let rig = rig(false);
    open_part(&rig, 2, "pkg1", (1, 1), &["n1", "n2"]);
    end_unit(&rig, 2, 0, "one", true);
    let mut reader = Reader::open(&rig.client, "/api/v1/runs/1/output");
    let seen = reader.until(|event| event.name == "unit");
    assert_eq!(told(&seen), ["2000 one", "2000 ."]);
    // One that begins meanwhile, another that ends without a word, and the next slot.
    open_part(&rig, 3, "deploy/pkg2", (1, 2), &["n3"]);
    end_unit(&rig, 3, 0, "three", true);
    assert_eq!(told(&reader.until(|event| event.name == "unit")), ["3000 three", "3000 ."]);
    end_unit(&rig, 2, 1, "two", false);
    rig.parent.close_run(2, "pkg1", RunEnd::Succeeded, t());
    assert_eq!(told(&reader.until(|event| event.name == "unit")), ["2001 two", "2001 ."]);
    let last = reader.last_id().unwrap().to_owned();
    drop(reader);
    open_part(&rig, 4, "deploy/restart", (2, 1), &["n1"]);
    end_unit(&rig, 4, 0, "four", true);
    rig.parent.close_run(3, "deploy/pkg2", RunEnd::Succeeded, t());
    rig.parent.close_run(4, "deploy/restart", RunEnd::Succeeded, t());
    rig.parent.close_run(FLOW, "deploy", RunEnd::Succeeded, t());
    let mut again = Reader::resume(&rig.client, "/api/v1/runs/1/output", Some(&last));
    let rest = again.rest();
    assert_eq!(told(&rest), ["4000 four", "4000 ."]);
    let OutputEvent::Run(run) = rest.last().unwrap().output() else { panic!("{rest:?}") };
    assert_eq!((run.id, run.units.succeeded), (1, 4));
    // Who comes after all is over has them in the order of the slots.
    let all = Reader::open(&rig.client, "/api/v1/runs/1/output").rest();
    let units: Vec<String> = told(&all).into_iter().filter(|told| told.ends_with('.')).collect();
    assert_eq!(units, ["2000 .", "2001 .", "3000 .", "4000 ."]);
}

#[test]
fn who_sees_a_flow_sees_its_parts_as_parts() {
    let rig = rig(true);
    open_part(&rig, 2, "pkg1", (1, 1), &["n1"]);
    rig.record(&[open_run(4, "pkg1", &How::manual(t()), &["n1"])]);
    let client = |globs: &[&str]| {
        let name = format!("t-{}", globs.concat().replace('*', "all"));
        rig.client.clone().bearer(&rig.token(&name, Role::Viewer, globs))
    };
    let (flow, other) = (client(&["deploy"]), client(&["other"]));
    assert_eq!(ids(&flow, ""), [1]);
    assert_eq!(ids(&flow, "?flow=1"), [2]);
    assert_eq!(ids(&other, "?flow=1"), [0; 0]);
    let unit = unit_id(2, 0);
    for path in ["runs/2".to_owned(), format!("units/{unit}"), format!("units/{unit}/output")] {
        assert_eq!(flow.get(&format!("/api/v1/{path}")).status(), 200, "{path}");
        other.get(&format!("/api/v1/{path}")).problem(404);
    }
    // The same job, but not of the flow.
    flow.get("/api/v1/runs/4").problem(404);
    let mut follows = Reader::open(&flow, "/api/v1/events?run=1");
    let mut sees_all = Reader::open(&flow, "/api/v1/events");
    let mut others = Reader::open(&other, "/api/v1/events?run=1");
    for run in [2, 4] {
        rig.tell(News::RunStarted { run: RunId(run), job: "pkg1".to_owned(), at: t() });
    }
    rig.tell(News::Resync);
    let runs = |reader: &mut Reader| -> Vec<u64> {
        let told = reader.until(|event| event.name == "resync");
        told.iter().filter_map(|event| event.json()["run"].as_u64()).collect()
    };
    assert_eq!(runs(&mut follows), [2]);
    assert_eq!(runs(&mut sees_all), [0; 0]);
    assert_eq!(runs(&mut others), [0; 0]);
}

#[test]
fn a_flow_that_stands_in_no_manifest_is_nobodys_whose_jobs_are_limited() {
    let rig = rig(true);
    rig.record(&[open_run(5, "@flow", &How::manual(t()), &[])]);
    rig.record(&[open_run(6, "@flow/restart", &How::manual(t()), &["n1"])]);
    let client = rig.client.clone().bearer(&rig.token("all", Role::Viewer, &["*"]));
    assert_eq!(ids(&client, ""), [1]);
    client.get("/api/v1/runs/5").problem(404);
    client.get("/api/v1/runs/6").problem(404);
}

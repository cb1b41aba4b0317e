//! What is told of flows and of their parts.

use super::*;
use crate::event::{PartEnd, Within};
use crate::job::flow::{FLOW, Flow, OnFailure, Part, Place, Then};

fn place(slot: u32, part: u32, rescue: u32) -> Place {
    Place { slot, part, rescue }
}

fn part(name: &str, nodes: usize) -> Part {
    let targets = (0..nodes).map(|n| format!("n{n}")).collect();
    Part { job: Job { targets, ..job(name) }, on_failure: OnFailure::Stop }
}

/// `pkg1` and `pkg2`; `restart`, with a rescue; `check`.
fn flow(mut job: Job) -> Job {
    let by = Box::new(part("deploy/back", 1));
    let on_failure = OnFailure::Rescue { part: by, then: Then::Stop };
    let restart = Part { on_failure, ..part("deploy/restart", 3) };
    let slots = vec![
        vec![part("pkg1", 1), part("pkg2", 2)],
        vec![restart],
        vec![part("check", 1), part("last", 1)],
    ];
    job.flow = Some(Flow { any_host: false, slots });
    job.task = FLOW.to_owned();
    job
}

fn end(place: Place, run: u64, end: RunEnd, units: Vec<UnitInfo>) -> PartEnd {
    let succeeded = units.iter().filter(|unit| unit.outcome.is_success()).count();
    PartEnd { place, run: Some(RunId(run)), end, nodes: units.len(), succeeded, units }
}

/// Two of three restarts fail; a rescue follows, and the third slot never begins.
fn parts() -> Vec<PartEnd> {
    let ok = |node: &str| unit(node, Outcome::Succeeded);
    let failed = unit("n1", Outcome::Failed { exit: Some(1) });
    let away = UnitInfo { took: None, ..unit("n2", Outcome::Unreachable) };
    let by = unit("n0", Outcome::Crashed);
    vec![
        end(place(1, 1, 0), 13, RunEnd::Succeeded, vec![ok("n0")]),
        end(place(1, 2, 0), 14, RunEnd::Succeeded, vec![ok("n0"), failed.clone()]),
        end(place(2, 1, 0), 15, RunEnd::Failed, vec![ok("n0"), failed, away]),
        end(place(2, 1, 1), 16, RunEnd::Failed, vec![by]),
    ]
}

fn flow_ended(job: &Job, end: RunEnd, parts: Vec<PartEnd>) -> Event {
    let succeeded = parts.iter().map(|part| part.succeeded).sum();
    let (run, units) = (run(job, 9), Vec::new());
    Event::RunEnded { run, started_at: Some(at(2)), at: at(5), end, units, succeeded, parts }
}

#[test]
fn a_flow_is_told_of_once_with_all_its_parts() {
    let job = flow(job("deploy"));
    let firings = hooks().on(Instant::now(), &flow_ended(&job, RunEnd::Failed, parts()));
    assert_eq!(told(&firings), [Occasion::Failure, Occasion::Unreachable]);
    let all = json_of(&firings[0]);
    let of = |job: &str, run: u64, state: &str, succeeded: u64, total: u64| {
        json!({"job": job, "run": run, "state": state, "reason": null, "succeeded": succeeded,
               "total": total, "rescue": null})
    };
    let none = |job: &str| {
        json!({"job": job, "run": null, "state": null, "reason": null, "succeeded": 0, "total": 1,
               "rescue": null})
    };
    let mut restart = of("deploy/restart", 15, "failed", 1, 3);
    restart["rescue"] = of("deploy/back", 16, "failed", 0, 1);
    let slots = json!([
        [of("pkg1", 13, "succeeded", 1, 1), of("pkg2", 14, "succeeded", 1, 2)],
        [restart],
        [none("check"), none("last")],
    ]);
    assert_eq!(all["flow"], json!({"slots": slots}));
    assert_eq!(
        all["counts"],
        json!({"total": 9, "succeeded": 3, "failed": 2, "signaled": 0, "unreachable": 1,
               "timed_out": 0, "cancelled": 0, "crashed": 1, "lost": 0, "skipped": 0})
    );
    let units = all["units"].as_array().unwrap().iter();
    let units: Vec<_> = units.map(|unit| (unit["job"].as_str(), unit["node"].as_str())).collect();
    // What stopped it first.
    let units: Vec<_> =
        units.into_iter().map(|(job, node)| (job.unwrap(), node.unwrap())).collect();
    assert_eq!(
        units,
        [
            ("deploy/back", "n0"),
            ("deploy/restart", "n1"),
            ("deploy/restart", "n2"),
            ("pkg2", "n1"),
            ("deploy/restart", "n0"),
            ("pkg2", "n0"),
            ("pkg1", "n0"),
        ]
    );
    assert_eq!(json_of(&firings[1])["units"].as_array().unwrap().len(), 1);
}

#[test]
fn what_an_earlier_run_has_done_is_told_apart_from_what_never_began() {
    let job = flow(job("deploy"));
    let gone = PartEnd { run: None, ..parts()[2].clone() };
    let nothing = RunEnd::Skipped { reason: Reason::NoTargets };
    let parts = vec![PartEnd { end: nothing, nodes: 1, succeeded: 0, units: vec![], ..gone }];
    let event = flow_ended(&job, RunEnd::Failed, parts);
    let slots = json_of(&hooks().on(Instant::now(), &event)[0])["flow"]["slots"].clone();
    assert_eq!((&slots[0][1]["state"], &slots[0][1]["succeeded"]), (&json!("done"), &json!(2)));
    let skipped = (&slots[1][0]["state"], &slots[1][0]["reason"], &slots[1][0]["run"]);
    assert_eq!(skipped, (&json!("skipped"), &json!("no targets"), &Value::Null));
    assert_eq!(slots[2][0]["state"], Value::Null);
}

#[test]
fn a_part_names_its_flow_as_long_as_that_is_open() {
    let (flow, part) = (flow(job("deploy")), job("pkg1"));
    let mut hooks = hooks();
    let now = Instant::now();
    let within = Within { flow: RunId(12), place: place(1, 1, 0), missing: 0, succeeded: 0 };
    let of_part = Arc::new(RunInfo {
        run: RunId(13),
        trigger: Trigger::Flow,
        scheduled_at: None,
        within: Some(within),
        ..(*run(&part, 1)).clone()
    });
    assert_eq!(told(&hooks.on(now, &Event::RunQueued(run(&flow, 9)))), []);
    let begun = hooks.on(now, &Event::RunStarted { run: of_part.clone(), at: at(2) });
    let expected = json!({"job": "deploy", "run": 12, "slot": 1, "part": 1, "rescue": 0});
    assert_eq!(json_of(&begun[0])["run"]["flow"], expected);
    let ended = Event::RunEnded {
        run: of_part,
        started_at: None,
        at: at(5),
        end: RunEnd::Succeeded,
        units: vec![unit("n0", Outcome::Succeeded)],
        succeeded: 1,
        parts: Vec::new(),
    };
    let ended = hooks.on(now, &ended);
    assert_eq!(json_of(&ended[0])["run"]["flow"], expected);
    assert_eq!(json_of(&ended[0])["flow"], Value::Null);
    let over = hooks.on(now, &flow_ended(&flow, RunEnd::Succeeded, parts()));
    assert_eq!(json_of(&over[0])["run"]["flow"], Value::Null);
    assert!(hooks.flows.is_empty());
}

#[test]
fn a_flow_recovers_as_a_job_does() {
    let flow = flow(job("deploy"));
    let mut hooks = hooks();
    let now = Instant::now();
    let mut on = |end| {
        let parts = vec![parts()[0].clone()];
        told(&hooks.on(now, &flow_ended(&flow, end, parts)))
    };
    assert_eq!(on(RunEnd::Failed), [Occasion::Failure]);
    assert_eq!(on(RunEnd::Cancelled), []);
    assert_eq!(on(RunEnd::Succeeded), [Occasion::Success, Occasion::Recovery]);
    assert_eq!(on(RunEnd::Succeeded), [Occasion::Success]);
}

#[test]
fn a_mail_of_a_flow_goes_through_its_slots() {
    let job = flow(mailing("deploy", "ops@example.com"));
    let (headers, text) = mail(&job, flow_ended(&job, RunEnd::Failed, parts()));
    assert_eq!(headers["Subject"], "Loom: deploy failed in slot 2 on n0, n1, n2 (run 12)");
    assert_eq!(
        text,
        "deploy failed in slot 2 on n0, n1, n2 (run 12).\n\
         \n\
         3 succeeded, 2 failed, 1 unreachable, 1 crashed, 2 not begun, 9 units in all.\n\
         \n\
         Slot 1     pkg1: succeeded, 1 of 1 (run 13)\n\
         \x20          pkg2: succeeded, 1 of 2 (run 14)\n\
         Slot 2     deploy/restart: failed, 1 of 3 (run 15)\n\
         \x20 rescue   deploy/back: failed, 0 of 1 (run 16)\n\
         Slot 3     check: not begun\n\
         \x20          last: not begun\n\
         \n\
         \x20 n0, deploy/back: crashed, after 2.1 s\n\
         \x20 n1, deploy/restart: failed, exit 1, after 2.1 s\n\
         \x20 n2, deploy/restart: unreachable\n\
         \x20 n1, pkg2: failed, exit 1, after 2.1 s\n\
         \n\
         Due        2027-01-15 08:00:00 UTC\n\
         Queued     2027-01-15 08:00:01 UTC\n\
         Began      2027-01-15 08:00:02 UTC\n\
         Ended      2027-01-15 08:00:05 UTC\n\
         Trigger    schedule\n\
         Schedule   30 2 * * *\n\
         \n\
         -- \n\
         Loom on control: on_failure\n"
    );
}

#[test]
fn a_mail_of_a_part_says_where_it_belongs() {
    let job = mailing("pkg1", "ops");
    let within = Within { flow: RunId(7), place: place(2, 1, 1), missing: 0, succeeded: 0 };
    let late = RunInfo { within: Some(within), ..(*run(&job, 1)).clone() };
    let (_, text) = mail(&job, Event::RunStarted { run: Arc::new(late), at: at(2) });
    assert!(text.contains("\nFlow       run 7, slot 2, job 1, its rescue\n"), "{text}");
}

#[test]
fn a_mail_of_a_thousand_jobs_is_cut() {
    let mut job = mailing("deploy", "ops");
    let slots = vec![(0..1000).map(|n| part(&format!("p{n}"), 1)).collect()];
    job.flow = Some(Flow { any_host: false, slots });
    let ends = (1..=1000).map(|n| end(place(1, n, 0), 100, RunEnd::Succeeded, vec![]));
    let (_, text) = mail(&job, flow_ended(&job, RunEnd::Succeeded, ends.collect()));
    let at = text.find("p49: succeeded, 0 of 0 (run 100)\nand 950 more jobs\n");
    assert!(at.is_some(), "{text}");
}

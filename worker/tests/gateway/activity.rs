//! What happened: runs by span and state, and what did not run.

use loom::access::Role;
use loom::api::activity::{Activity, RunCounts};
use loom::store::{Gap, Record};
use loom::unit::{Outcome, Reason, RunEnd};

use super::rig::{How, Rig, at, job, node, open_run, whole_run};

const DAY: &str = "/api/v1/activity?until=2026-01-03T00:00:00Z";

fn fill(rig: &Rig) {
    let ran = |run: u64, job: &str, time: &str, end: RunEnd| {
        let outcome = match end {
            RunEnd::Succeeded => Outcome::Succeeded,
            _ => Outcome::Failed { exit: Some(1) },
        };
        whole_run(run, job, &How::scheduled(at(time)), &[("n1", outcome)], end)
    };
    let mut records = [
        ran(1, "web-a", "2026-01-01T23:59:59Z", RunEnd::Failed),
        ran(2, "web-a", "2026-01-02T02:00:00Z", RunEnd::Succeeded),
        ran(3, "db", "2026-01-02T02:14:59Z", RunEnd::Failed),
        ran(4, "db", "2026-01-02T02:15:00Z", RunEnd::Succeeded),
    ]
    .concat();
    let exec = How::exec(at("2026-01-02T12:00:00Z"), "uptime");
    let ends = [("n1", Outcome::Succeeded)];
    records.extend(whole_run(5, "@exec", &exec, &ends, RunEnd::Succeeded));
    let how = How::scheduled(at("2026-01-02T23:59:00Z"));
    records.push(open_run(6, "db", &how, &["n1"]));
    let how = How::scheduled(at("2026-01-03T00:00:00Z"));
    records.push(open_run(7, "db", &how, &["n1"]));
    let gap = |job: &str, reason, first: &str, last: &str| {
        let (first_at, last_at) = (at(first), at(last));
        let (job, node, run) = (job.to_owned(), None, None);
        Record::Gap(Gap { job, node, first_at, last_at, count: 3, epoch: 0, reason, run })
    };
    let (first, last) = ("2026-01-01T10:00:00Z", "2026-01-02T04:00:00Z");
    records.push(gap("db", Reason::DaemonDown, first, last));
    records.push(gap("web-a", Reason::DaemonDown, last, last));
    records.push(gap("web-a", Reason::Overlap, first, first));
    rig.record(&records);
}

#[test]
fn a_day_is_told_by_what_became_of_its_runs() {
    let rig = Rig::local(&[job("web-a", "@hourly"), job("db", "@hourly")], &[node("n1")]);
    fill(&rig);
    let day: Activity = rig.client.get(DAY).of();
    assert_eq!((day.from, day.step), (at("2026-01-02T00:00:00Z"), 900));
    let all = RunCounts { queued: 1, succeeded: 3, failed: 1, ..RunCounts::default() };
    assert_eq!(day.runs, all);
    let begun: Vec<String> = day.spans.iter().map(|span| span.at.to_string()).collect();
    assert_eq!(
        begun.iter().map(|at| &at[11..16]).collect::<Vec<_>>(),
        ["02:00", "02:15", "12:00", "23:45"]
    );
    let first = RunCounts { succeeded: 1, failed: 1, ..RunCounts::default() };
    assert_eq!(day.spans[0].runs, first);
    let [down] = day.missed.try_into().unwrap();
    assert_eq!((down.reason.as_str(), down.jobs, down.count), ("daemon down", 2, 6));
    assert_eq!(down.names, ["db", "web-a"]);
    // The list has the same runs.
    let span = "since=2026-01-02T00:00:00Z&until=2026-01-03T00:00:00Z&parts=false";
    let listed = rig.client.get(&format!("/api/v1/runs?{span}")).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 5);

    let hours: Activity = rig.client.get(&format!("{DAY}&hours=22&step=3600")).of();
    let counts = hours.spans.iter().map(|span| span.runs.succeeded + span.runs.failed);
    assert_eq!(counts.collect::<Vec<_>>(), [3, 1, 0]);
    // Of now, there is nothing yet but what is so.
    let now: Activity = rig.client.get("/api/v1/activity").of();
    assert_eq!((now.runs, now.spans.len()), (RunCounts::default(), 0));
}

#[test]
fn what_is_no_span_is_refused() {
    let rig = Rig::local(&[], &[]);
    for (query, says) in [
        ("hours=0", "hours is from 1 to 168"),
        ("hours=169", "hours is from 1 to 168"),
        ("step=59", "step is from 87 to 86400"),
        ("step=86401", "step is from 87 to 86400"),
        ("until=yesterday", "until is a time like"),
        ("from=2026-01-02T00:00:00Z", "from"),
    ] {
        let said = rig.client.get(&format!("/api/v1/activity?{query}")).problem(400);
        assert!(said.contains(says), "{query}: {said}");
    }
}

#[test]
fn who_may_see_some_jobs_is_told_of_these() {
    let rig = Rig::remote(&[job("web-a", "@hourly"), job("db", "@hourly")], &[node("n1")]);
    fill(&rig);
    let told = |jobs: &[&str]| -> Activity {
        let token = rig.token("some", Role::Viewer, jobs);
        rig.client.clone().bearer(&token).get(DAY).of()
    };
    let day = told(&["web-*"]);
    assert_eq!(day.runs, RunCounts { succeeded: 1, ..RunCounts::default() });
    assert_eq!((day.missed.len(), &day.missed[0].names[..]), (1, &["web-a".to_owned()][..]));
    assert_eq!(day.missed[0].count, 3);
    // What is of no job is for those who may see all.
    assert_eq!(rig.client.clone().get(DAY).status(), 401);
    let token = rig.token("every", Role::Viewer, &["*"]);
    let day: Activity = rig.client.clone().bearer(&token).get(DAY).of();
    assert_eq!(day.runs, RunCounts { queued: 1, succeeded: 2, failed: 1, ..RunCounts::default() });
}

//! How fast the gateway answers from a large ledger.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use loom::protocol::control::{JobEntry, NodeEntry};
use loom::store::Record;
use loom::unit::{Outcome, RunEnd};

use super::rig::{How, Rig, at, job, node, open_run, whole_run};

const JOBS: u64 = 5000;
const RUNS: u64 = 100_000;
const NODES: u64 = 1000;
const REQUESTS: usize = 200;

/// Of lists and single things, where the executables are optimized.
const LIMIT: Duration = Duration::from_millis(20);

fn job_name(n: u64) -> String {
    format!("job-{:04}", n % JOBS)
}

fn node_name(n: u64) -> String {
    format!("node-{:03}", n % NODES)
}

fn jobs() -> Vec<JobEntry> {
    let schedules = ["*/5 * * * *", "0 2 * * *", "@hourly", "30 4 1 * *", "0 9 * * 1-5"];
    let entry = |n: u64| JobEntry {
        timezone: Some("Europe/Berlin".to_owned()),
        targets: (0..4).map(|k| node_name(n + k)).collect(),
        ..job(&job_name(n), schedules[n as usize % schedules.len()])
    };
    (0..JOBS).map(entry).collect()
}

/// Runs of two nodes each, a few of which failed, and some that are open.
fn fill(rig: &Rig) {
    let begun = at("2026-01-02T00:00:00Z");
    let mut records: Vec<Record> = Vec::new();
    for run in 1..=RUNS {
        let how = How::scheduled(begun + Duration::from_secs(60 * run));
        let (first, second) = (node_name(run), node_name(run + 1));
        if run > RUNS - 50 {
            records.push(open_run(run, &job_name(run), &how, &[&first, &second]));
            continue;
        }
        let failed = run % 97 == 0;
        let outcome = if failed { Outcome::Failed { exit: Some(1) } } else { Outcome::Succeeded };
        let end = if failed { RunEnd::Failed } else { RunEnd::Succeeded };
        let ends = [(first.as_str(), Outcome::Succeeded), (second.as_str(), outcome)];
        records.extend(whole_run(run, &job_name(run), &how, &ends, end));
        if records.len() > 20_000 {
            rig.record(&std::mem::take(&mut records));
        }
    }
    rig.record(&records);
}

#[test]
#[ignore = "takes minutes: part of `make test-full`, as `make scale`"]
fn lists_and_single_things_are_answered_at_once() {
    let nodes: Vec<NodeEntry> = (0..NODES).map(|n| node(&node_name(n))).collect();
    let rig = Rig::local(&jobs(), &nodes);
    fill(&rig);
    let mut slow = Vec::new();
    for path in [
        "daemon",
        "jobs",
        "jobs?limit=1000",
        "jobs?name=99",
        "jobs?state=failed",
        "jobs?state=lost",
        "jobs/job-0042",
        "jobs/job-0042/fires",
        "jobs/job-0042/fires?count=1000",
        "jobs/job-0042/why",
        "jobs/job-0042/why?at=2026-01-05T02:00",
        "nodes",
        "nodes?limit=1000",
        "nodes/node-042",
        "runs",
        "runs?limit=1000",
        "runs?state=failed",
        "runs?state=lost",
        "runs?job=job-0042",
        "runs?job=job-0042&state=lost",
        "runs?node=node-042",
        "runs?node=node-042&state=lost",
        "runs?trigger=manual",
        "runs?since=2026-01-05T00:00:00Z&until=2026-01-05T01:00:00Z",
        "runs?since=2026-01-02T00:00:00Z&state=lost",
        "runs?cursor=50000",
        "activity?until=2026-01-03T00:00:00Z",
        "activity?hours=168&step=3600&until=2026-01-08T00:00:00Z",
        "runs/50000",
        "units/50000001",
        "units?state=open",
    ] {
        let mut connection = rig.client.connect();
        let mut times: Vec<Duration> = (0..REQUESTS)
            .map(|_| {
                let begun = Instant::now();
                let answer = connection.request("GET", &format!("/api/v1/{path}"), None);
                assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
                begun.elapsed()
            })
            .collect();
        times.sort();
        let (p50, p99) = (times[REQUESTS / 2], times[REQUESTS * 99 / 100]);
        println!("{p50:>10.1?} {p99:>10.1?} {path}");
        // Half of them: what else the machine does is not ours. And a thousand items are more than a
        // screen, and may take a little longer.
        if p50 > LIMIT && !path.contains("1000") {
            slow.push(path);
        }
    }
    println!("measured at {}", Timestamp::now());
    if !cfg!(debug_assertions) {
        assert!(slow.is_empty(), "slower than {LIMIT:?}: {slow:?}");
    }
}

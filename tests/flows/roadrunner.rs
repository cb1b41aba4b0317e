//! Roadrunner's deployment from a file as Roadrunner takes it, by `loom flow run`.

use std::process::Stdio;

use serde_json::{Value, json};

use super::deployment::{GATE, LONG, half_at_a_time_and_after_both_installs, the_116};
use super::witness::{self, Gate, UNLESS_BROKEN, step, steps_of};
use crate::harness::{Books, Daemon, process, until};

/// What a test adds to a job's command to see that it stands beside another.
const MEETING: &str = "meeting";

/// With numbers as numbers and as strings, with defaults and without, as the original's samples.
fn file() -> Value {
    let meet = |edge: &str| format!(": {edge}$LOOM_EVIDENCE/../../{MEETING}");
    let pkg1 = format!("{UNLESS_BROKEN} || exit 1; [ $LOOM_NODE != db1 ] || {}", meet("<"));
    let pkg2 = format!("[ $LOOM_NODE != api1 ] || {}", meet(">"));
    json!({
        "default_job_timeout": "120",
        "default_retries": 1,
        "job_flow": [
            {"slot_id": 1, "jobs": [
                {"job_id": "pkg1", "cmd": step("pkg1", &pkg1), "hosts": ["db[1-10]"],
                 "success_constraint": "80%", "retries": "1"},
                {"job_id": "pkg2", "cmd": step("pkg2", &pkg2), "hosts": ["api[1-3]", "api[4-6]"]},
            ]},
            {"slot_id": "2", "jobs": [
                {"job_id": "restart", "cmd": step("restart", &Gate::pass(GATE)),
                 "hosts": ["fe[1-100]"], "parallelism": "50%", "timeout": 120},
            ]},
        ],
    })
}

#[test]
fn a_file_of_roadrunners_deploys_on_116_nodes() {
    let (farm, site) = the_116();
    let path = site.path("deploy.json");
    let run = || site.loom(&["flow", "run", path.to_str().unwrap(), "--wait"]);
    site.write("deploy.json", &file().to_string());
    let gate = Gate::shut(&farm, GATE);
    // Who opens one end of it waits for the other: one job's command for one of the other's.
    let meeting = Gate::shut(&farm, MEETING);
    let mut daemon = Daemon::start(&site);

    let mut deploying = run().stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    until("fifty restarts", LONG, || (steps_of(&farm, "restart").len() >= 50).then_some(()));
    let open = gate.open();
    let status = process::wait(&mut deploying, LONG).expect("the deployment does not end");
    assert_eq!(status.code(), Some(0));
    half_at_a_time_and_after_both_installs(&farm, 16);

    // Seven of ten are not 80 %. Nobody is to wait for one who never comes.
    let open = [open, meeting.open()];
    witness::forget(&farm);
    ["db2", "db5", "db9"].iter().for_each(|db| witness::break_down(&farm, db));
    let output = process::run(&mut run(), LONG);
    assert_eq!(output.status.code(), Some(1), "{}", process::said(&output));
    assert_eq!(steps_of(&farm, "restart"), []);
    drop(open);

    daemon.stop();
    Books::of(&site).with(&farm).needing("@flow/pkg1", 8).balance();
}

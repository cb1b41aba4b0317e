//! Flows as they are meant: slots, parts and rescues, and what a flow has of its own.

use std::time::Duration;

use serde_json::json;

use super::{Home, MAIN, config, messages};
use crate::config::dump;
use crate::cron::Schedule;
use crate::job::Job;
use crate::job::flow::{FLOW, Flow, OnFailure, Then};
use crate::job::policy::{Overlap, Retries, Share};

const JOBS: &str = "\
jobs:
  pkg1:
    task: loom.run
    args: [a]
    targets: [db1, web1]
    schedule: '@daily'
    overlap: allow
    retries: {attempts: 2, on: failed}
    splay: 1m
    deadline: 1m
    missed: once
    enabled: no
    timeout: 9
  pkg2: {task: loom.run, args: [b], targets: web2, schedule: '@never', success: 1}
";

fn flows(flows: &str) -> impl Fn(&str) -> Job {
    let config = config(&[("jobs/a.yaml", JOBS), ("jobs/f.yaml", flows)]);
    move |name| config.jobs[name].clone()
}

fn flow_of(job: &Job) -> &Flow {
    job.flow.as_ref().unwrap()
}

fn names(flow: &Flow) -> Vec<Vec<&str>> {
    flow.slots.iter().map(|parts| parts.iter().map(|part| &*part.job.name).collect()).collect()
}

#[test]
fn a_flow_is_a_job_whose_work_is_slots() {
    let of = flows("flows:\n  deploy: {slots: [[pkg1, pkg2], [pkg2]]}\n");
    let deploy = of("deploy");
    assert_eq!(names(flow_of(&deploy)), [vec!["pkg1", "pkg2"], vec!["pkg2"]]);
    assert_eq!(deploy.task, FLOW);
    assert_eq!(deploy.schedule, Schedule::never());
    assert_eq!(deploy.targets, ["db1", "web1", "web2"]);
    assert_eq!(deploy.description, "pkg1, pkg2; pkg2");
    assert_eq!(deploy.overlap, Overlap::Skip);
    assert_eq!((deploy.source.line, deploy.enabled), (2, true));
    assert!(deploy.source.file.ends_with("jobs/f.yaml"));
}

#[test]
fn it_has_the_keys_of_schedules_and_its_parts_have_not() {
    let of = flows(
        "flows:\n  deploy:\n    slots: [[pkg1]]\n    schedule: '@hourly'\n    timezone: UTC\n    \
         overlap: queue\n    missed: once\n    deadline: 1h\n    enabled: no\n    tags: web\n    \
         description: ' Our site '\n    notify_interval: 5m\n    hooks: {on_failure: logger}\n",
    );
    let deploy = of("deploy");
    assert_eq!(deploy.schedule.expr(), "@hourly");
    assert_eq!(deploy.timezone.as_deref(), Some("UTC"));
    assert_eq!(deploy.overlap, Overlap::Queue);
    assert_eq!(deploy.deadline, Duration::from_secs(3600));
    assert_eq!((deploy.enabled, &*deploy.description), (false, "Our site"));
    assert_eq!((deploy.tags.len(), deploy.hooks.len()), (1, 1));
    let part = &flow_of(&deploy).slots[0][0].job;
    assert_eq!(part.schedule, Schedule::never());
    assert!(part.enabled && part.splay.is_zero());
    // What is the job's in any case.
    assert_eq!((part.overlap, part.timeout), (Overlap::Allow, Some(Duration::from_secs(9))));
    assert_eq!(part.retries.attempts, 2);
}

#[test]
fn what_a_slot_says_is_laid_over_what_the_job_says() {
    let of = flows(
        "flows:\n  f:\n    slots:\n      - - {job: pkg1, success: 50%, parallel: [1, 50%], timeout: ~, \
         retries: 3, on_failure: continue}\n      - [pkg1]\n      - [{job: pkg2, success: ~}]\n",
    );
    let f = of("f");
    let [over, plain, taken_back] = [0, 1, 2].map(|slot| &flow_of(&f).slots[slot][0]);
    assert_eq!(over.job.success, Some(Share::Percent(50)));
    assert_eq!(over.job.parallel.as_ref().unwrap().to_string(), "[1, 50%]");
    assert_eq!(over.job.timeout, None);
    // Only the number is another.
    let retries = &plain.job.retries;
    assert_eq!(over.job.retries, Retries { attempts: 3, ..retries.clone() });
    assert_eq!(over.on_failure, OnFailure::Continue);
    assert_eq!(plain.job.success, Some(Share::Percent(100)), "never left open");
    assert_eq!(plain.on_failure, OnFailure::Stop);
    assert_eq!(taken_back.job.success, Some(Share::Percent(100)));
}

#[test]
fn a_job_of_its_own_is_named_after_it_and_can_run_again() {
    let of = flows(
        "flows:\n  f:\n    slots:\n      - [again, {job: again, timeout: 5, on_failure: stop}]\n      \
         - - name: again\n          task: loom.run\n          args: [a]\n          targets: web1\n          \
         on_failure: {rescue: pkg2, then: stop}\n      - [{job: again, success: 1}]\n",
    );
    let f = of("f");
    let slots = &flow_of(&f).slots;
    assert_eq!(names(flow_of(&f)), [vec!["f/again", "f/again"], vec!["f/again"], vec!["f/again"]]);
    assert_eq!(slots[0][0], slots[1][0]);
    assert_eq!(slots[0][1].on_failure, OnFailure::Stop);
    assert_eq!(slots[0][1].job.timeout, Some(Duration::from_secs(5)));
    assert_eq!(slots[2][0].on_failure, slots[1][0].on_failure, "unless it says otherwise");
    let part = &slots[1][0].job;
    assert_eq!((part.source.line, part.overlap), (5, Overlap::Queue));
    assert_eq!(part.schedule, Schedule::never());
    assert_eq!(f.description, "again, again; again; again");
}

#[test]
fn a_rescue_is_a_job_of_the_flow_or_of_elsewhere() {
    let of = flows(
        "flows:\n  f:\n    slots:\n      - - job: pkg1\n          on_failure:\n            rescue:\n              \
         name: back\n              task: loom.run\n              args: [a]\n              targets: web1\n              \
         on_failure: {rescue: {job: pkg2, timeout: 5}}\n            then: stop\n      - - {job: pkg2, \
         on_failure: {rescue: back}}\n  g:\n    slots: [[{job: pkg1, on_failure: {rescue: pkg2}}, \
         {job: pkg2, on_failure: continue}]]\n",
    );
    let f = of("f");
    let part = &flow_of(&f).slots[0][0];
    let OnFailure::Rescue { part: back, then: Then::Stop } = &part.on_failure else {
        panic!("{part:?}")
    };
    assert_eq!(back.job.name, "f/back");
    let OnFailure::Rescue { part: last, then: Then::Continue } = &back.on_failure else {
        panic!("{back:?}")
    };
    assert_eq!((&*last.job.name, last.job.timeout), ("pkg2", Some(Duration::from_secs(5))));
    assert_eq!(flow_of(&f).slots[1][0].rescue(), Some(&**back), "by its name");
    assert_eq!(f.targets, ["db1", "web1", "web2"], "those of rescues as well");
    // One that stands in the flow brings its own word along.
    let g = of("g");
    let rescue = flow_of(&g).slots[0][0].rescue().unwrap();
    assert_eq!(rescue.on_failure, OnFailure::Continue);
}

#[test]
fn defaults_are_for_a_flow_as_far_as_they_are_its() {
    let main = format!(
        "{MAIN}defaults: {{schedule: '@daily', overlap: queue, timeout: 9, success: 50%, parallel: 1, \
         locks: a, log: x, splay: 1m, retries: 3, tags: all, hooks: {{on_failure: logger}}}}\n"
    );
    let flows = "flows:\n  f: {slots: [[{name: own, task: loom.run, args: [a], targets: web1}]]}\n";
    let f = config(&[("loom.yaml", &main), ("jobs/f.yaml", flows)]).jobs["f"].clone();
    assert_eq!((f.schedule.expr(), f.overlap), ("@never", Overlap::Queue));
    assert_eq!((f.timeout, f.success, &f.parallel, &f.log), (None, None, &None, &None));
    assert_eq!((f.retries.attempts, f.locks.len(), f.splay), (1, 0, Duration::ZERO));
    assert_eq!((f.tags.len(), f.hooks.len()), (1, 1));
    let own = &flow_of(&f).slots[0][0].job;
    assert_eq!((own.success, own.retries.attempts), (Some(Share::Percent(50)), 3));
    assert_eq!((own.overlap, own.schedule.expr()), (Overlap::Queue, "@never"));
    // Of a job's own failure it is told too, unless it is to be quiet.
    assert_eq!(own.hooks.len(), 1);
    let flows = flows.replace("web1}", "web1, hooks: }");
    let f = config(&[("loom.yaml", &main), ("jobs/f.yaml", &flows)]).jobs["f"].clone();
    assert_eq!((f.hooks.len(), flow_of(&f).slots[0][0].job.hooks.len()), (1, 0));
}

#[test]
fn slots_may_be_put_together_from_anchors() {
    let data = "slot: &slot [pkg1, pkg2]\nsafe: &safe {success: 1, on_failure: continue}\n";
    let flows = "\
flows:
  a: &a {slots: [*slot, [{job: pkg1, <<: *safe}]]}
  b: {<<: *a, description: the same}
";
    let files = [("data.yaml", data), ("jobs/a.yaml", JOBS), ("jobs/f.yaml", flows)];
    assert_eq!(messages(&files), "");
    let config = config(&files);
    let [a, b] = ["a", "b"].map(|name| config.jobs[name].flow.clone().unwrap());
    assert_eq!(a, b);
    assert_eq!(a.slots[1][0].on_failure, OnFailure::Continue);
}

#[test]
fn a_manifest_may_have_flows_alone_and_name_jobs_of_any_file() {
    let home =
        Home::with(&[("jobs/a.yaml", "flows:\n  a: {slots: [[pkg1]]}\n"), ("jobs/z/z.yaml", JOBS)]);
    let loaded = home.load().unwrap();
    assert_eq!(home.text(&loaded.warnings), "");
    // loom.yaml, the nodes, the datafile and the two.
    assert_eq!((loaded.files, loaded.config.jobs.len()), (5, 3));
}

#[test]
fn a_dump_has_slots_as_they_would_be_written_without_what_is_secret() {
    let flows = "\
flows:
  f:
    slots:
      - [{job: pkg1, success: 80%, parallel: [1, 50%]}]
      - - name: own
          task: loom.run
          args: [a]
          kwargs: {env: {DB_PASSWORD: hunter2}}
          answers: {Really: hunter2}
          targets: web1
          on_failure: {rescue: {name: back, task: loom.run, args: [b], targets: web1}, then: stop}
";
    let config = config(&[("jobs/a.yaml", JOBS), ("jobs/f.yaml", flows)]);
    let dumped = dump(&config);
    let flow = &dumped["jobs"]["f"];
    assert!(flow.get("task").is_none() && flow.get("parallel").is_none(), "{flow:#}");
    assert_eq!((&flow["schedule"], &flow["line"]), (&json!("@never"), &json!(2)));
    assert_eq!(
        flow["slots"][0],
        json!([{
            "job": "pkg1", "success": "80%", "parallel": [1, "50%"], "timeout": "9s",
            "retries": {"attempts": 2, "delay": "10s", "backoff": 2.0, "jitter": "10%",
                        "on": ["failed"]},
            "on_failure": "stop",
        }])
    );
    let own = &flow["slots"][1][0];
    assert_eq!((&own["name"], &own["task"]), (&json!("own"), &json!("loom.run")));
    assert_eq!(own["kwargs"]["env"]["DB_PASSWORD"], "***");
    assert!(own.get("schedule").is_none() && own.get("enabled").is_none(), "{own:#}");
    let OnFailure::Rescue { then: Then::Stop, .. } =
        config.jobs["f"].flow.as_ref().unwrap().slots[1][0].on_failure
    else {
        panic!("{own:#}")
    };
    assert_eq!(own["on_failure"]["then"], "stop");
    assert_eq!(own["on_failure"]["rescue"]["name"], "back");
    assert!(!dumped.to_string().contains("hunter2"), "{dumped:#}");
    // Other jobs have no slots.
    assert!(dumped["jobs"]["pkg1"].get("slots").is_none());
}

#[test]
fn what_is_wrong_with_a_flow_tells_no_secret_of_it() {
    let flows = "\
flows:
  f:
    slots:
      - - {name: own, task: loom.run, agrs: [a], kwargs: {env: {DB_PASSWORD: hunter2}}}
        - {name: ~, task: loom.run, args: [a], targets: a, answers: {Pw: {fil: hunter2}}}
";
    let told = messages(&[("jobs/f.yaml", flows)]);
    assert!(told.contains("***") && !told.contains("hunter2"), "{told}");
}

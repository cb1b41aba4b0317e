//! Of flows.

use super::{JOB, assert_told, messages};

const JOBS: &str = "\
jobs:
  pkg1: {task: loom.run, args: [a], targets: [db1, web1], schedule: '@never'}
  pkg2: {task: loom.run, args: [a], targets: web1, schedule: '@never'}
";

#[track_caller]
fn assert_flows_told(flows: &str, expected: &str) {
    assert_told(&[("jobs/a.yaml", JOBS), ("jobs/f.yaml", flows)], expected);
}

/// What is told of these flows, without the lines they stand in.
fn told(flows: &str) -> Vec<String> {
    let told = messages(&[("jobs/a.yaml", JOBS), ("jobs/f.yaml", flows)]);
    told.lines().filter(|line| line.starts_with("jobs/")).map(str::to_owned).collect()
}

/// Of one flow with these slots.
fn told_of(slots: &str) -> Vec<String> {
    told(&format!("flows:\n  f:\n    slots: {slots}\n"))
}

#[test]
fn slots() {
    let flows = "\
flows:
  one:
  two: {slots: pkg1, shedule: '@daily'}
  three: {slots: []}
  four:
    slots:
      - pkg1
      - []
      - ~
      - {job: pkg1}
      - [pgk1, ~, [pkg2], two]
  five: {schedule: '@daily', description: [a]}
  six: [pkg1]
  seven: {slots: {1: pkg1}}
  ' eight': {}
  '@flow': {}
  '@flow/x': {}
";
    assert_flows_told(
        flows,
        r#"
jobs/f.yaml:2:3: error: flow "one" is empty; it needs "slots"
    2 |   one:
      |   ^^^
jobs/f.yaml:3:16: error: slots is a list of lists of jobs, not a single value; write [[pkg1]]
    3 |   two: {slots: pkg1, shedule: '@daily'}
      |                ^^^^
      = in flow "two"
jobs/f.yaml:3:22: error: unknown key "shedule"; did you mean "schedule"?
    3 |   two: {slots: pkg1, shedule: '@daily'}
      |                      ^^^^^^^
      = in flow "two"
jobs/f.yaml:4:18: error: a flow has at least one slot
    4 |   three: {slots: []}
      |                  ^^
      = in flow "three"
jobs/f.yaml:7:9: error: slot 1 is a list of jobs, not a single value; write [pkg1]
    7 |       - pkg1
      |         ^^^^
      = in flow "four"
jobs/f.yaml:8:9: error: slot 2 is empty; it needs a job at least
    8 |       - []
      |         ^^
      = in flow "four"
jobs/f.yaml:9:9: error: slot 3 is a list of jobs, not nothing
    9 |       - ~
      |         ^
      = in flow "four"
jobs/f.yaml:10:9: error: slot 4 is a list of jobs, not a mapping; put it in [ ]
   10 |       - {job: pkg1}
      |         ^^^^^^^^^^^
      = in flow "four"
jobs/f.yaml:11:10: error: there is no job "pgk1"; did you mean "pkg1"?
   11 |       - [pgk1, ~, [pkg2], two]
      |          ^^^^
      = in flow "four"
jobs/f.yaml:11:16: error: a job of a flow is a name or a mapping, not nothing
   11 |       - [pgk1, ~, [pkg2], two]
      |                ^
      = in flow "four"
jobs/f.yaml:11:19: error: a job of a flow is a name or a mapping, not a list
   11 |       - [pgk1, ~, [pkg2], two]
      |                   ^^^^^^
      = in flow "four"
jobs/f.yaml:11:27: error: "two" is a flow; a slot holds jobs
   11 |       - [pgk1, ~, [pkg2], two]
      |                           ^^^
      = in flow "four"
jobs/f.yaml:12:3: error: flow "five" has no "slots"
   12 |   five: {schedule: '@daily', description: [a]}
      |   ^^^^
jobs/f.yaml:12:43: error: description is a single value, not a list
   12 |   five: {schedule: '@daily', description: [a]}
      |                                           ^^^
      = in flow "five"
jobs/f.yaml:13:8: error: flow "six" is a mapping of settings, not a list
   13 |   six: [pkg1]
      |        ^^^^^^
jobs/f.yaml:14:18: error: slots is a list of lists of jobs, not a mapping
   14 |   seven: {slots: {1: pkg1}}
      |                  ^^^^^^^^^
      = in flow "seven"
jobs/f.yaml:15:3: error: the name of a flow begins or ends with a blank: " eight"
   15 |   ' eight': {}
      |   ^^^^^^^^
jobs/f.yaml:16:3: error: the name of a flow is what runs of no job are called: "@flow"
   16 |   '@flow': {}
      |   ^^^^^^^
jobs/f.yaml:17:3: error: the name of a flow is what runs of no job are called: "@flow/x"
   17 |   '@flow/x': {}
      |   ^^^^^^^^^
"#,
    );
}

#[test]
fn jobs_of_slots() {
    let flows = "\
flows:
  deploy:
    slots:
      - - {task: loom.run, args: [a], targets: web1}
        - {job: pkg1, name: x}
        - {job: pkg1, sucess: 80%, targets: web1, on_failure: stopp}
        - {job: pkgs, success: 101%, parallel: [0%, 50%], retries: 0, timeout: 0}
        - {job: [pkg1]}
        - {job: ~}
      - - {name: a/b, task: loom.run, args: [a], targets: wob1}
        - {name: ~, task: loom.run, args: [a], targets: web1, parallel: 101%}
        - name: own
          task: loom.run
          args: [a]
          targets: web1
          schedule: '@daily'
          overlap: skip
          splay: 1m
          sucess: 80%
          parallel: 0
          on_failure: {rescue: pkg3, than: stop, then: no}
        - {name: own, task: loom.run, args: [a], targets: web1}
        - {name: bare}
      - [own, bare, pkg1]
";
    assert_flows_told(
        flows,
        r#"
jobs/f.yaml:4:11: error: a job of a flow has neither "job" nor "name"
    4 |       - - {task: loom.run, args: [a], targets: web1}
      |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      = write {job: NAME} for a job that stands elsewhere, or {name: NAME, task: …, targets: …} for one of the flow's own
      = in flow "deploy"
jobs/f.yaml:5:11: error: a job of a flow has either "job" or "name", not both
    5 |         - {job: pkg1, name: x}
      |           ^^^^^^^^^^^^^^^^^^^^
      = write {job: NAME} for a job that stands elsewhere, or {name: NAME, task: …, targets: …} for one of the flow's own
      = in flow "deploy"
jobs/f.yaml:6:23: error: unknown key "sucess"; did you mean "success"?
    6 |         - {job: pkg1, sucess: 80%, targets: web1, on_failure: stopp}
      |                       ^^^^^^
      = in job "pkg1" of flow "deploy"
jobs/f.yaml:6:36: error: "targets" is said where the job stands; here can be said success, parallel, timeout, retries, on_failure
    6 |         - {job: pkg1, sucess: 80%, targets: web1, on_failure: stopp}
      |                                    ^^^^^^^
      = in job "pkg1" of flow "deploy"
jobs/f.yaml:6:63: error: on_failure is stop, continue or {rescue: JOB}, not "stopp"; did you mean "stop"?
    6 | …      - {job: pkg1, sucess: 80%, targets: web1, on_failure: stopp}
      |                                                              ^^^^^
      = in job "pkg1" of flow "deploy"
jobs/f.yaml:7:17: error: there is no job "pkgs"; did you mean "pkg1"?
    7 |         - {job: pkgs, success: 101%, parallel: [0%, 50%], retries: 0, timeou…
      |                 ^^^^
      = in flow "deploy"
jobs/f.yaml:7:32: error: success is a percentage from 1% to 100%, not "101%"
    7 |         - {job: pkgs, success: 101%, parallel: [0%, 50%], retries: 0, timeout: 0}
      |                                ^^^^
      = in flow "deploy"
jobs/f.yaml:7:49: error: a step of parallel is a percentage from 1% to 100%, not "0%"
    7 |         - {job: pkgs, success: 101%, parallel: [0%, 50%], retries: 0, timeout: 0}
      |                                                 ^^
      = in flow "deploy"
jobs/f.yaml:7:68: error: retries counts the first attempt too: 1 means no retry, 0 would be never
    7 | … - {job: pkgs, success: 101%, parallel: [0%, 50%], retries: 0, timeout: 0}
      |                                                              ^
      = in flow "deploy"
jobs/f.yaml:7:80: error: timeout is 1s to 365d, not 0s
    7 | …s, success: 101%, parallel: [0%, 50%], retries: 0, timeout: 0}
      |                                                              ^
      = in flow "deploy"
jobs/f.yaml:8:17: error: job is a single value, not a list
    8 |         - {job: [pkg1]}
      |                 ^^^^^^
      = in flow "deploy"
jobs/f.yaml:9:12: error: "job" has no value
    9 |         - {job: ~}
      |            ^^^
      = in flow "deploy"
jobs/f.yaml:10:18: error: the name of a flow's own job contains a slash: "a/b"
   10 |       - - {name: a/b, task: loom.run, args: [a], targets: wob1}
      |                  ^^^
      = in job "a/b" of flow "deploy"
jobs/f.yaml:10:59: error: unknown node "wob1"; did you mean "web1"?
   10 |       - - {name: a/b, task: loom.run, args: [a], targets: wob1}
      |                                                           ^^^^
      = in job "a/b" of flow "deploy"
jobs/f.yaml:11:12: error: "name" has no value
   11 |         - {name: ~, task: loom.run, args: [a], targets: web1, parallel:…
      |            ^^^^
      = in flow "deploy"
jobs/f.yaml:11:73: error: parallel is a percentage from 1% to 100%, not "101%"
   11 | …ame: ~, task: loom.run, args: [a], targets: web1, parallel: 101%}
      |                                                              ^^^^
      = in flow "deploy"
jobs/f.yaml:16:11: error: "schedule" has no meaning for a job of a flow; the flow has it
   16 |           schedule: '@daily'
      |           ^^^^^^^^
      = in job "own" of flow "deploy"
jobs/f.yaml:17:11: error: "overlap" has no meaning for a job of a flow; the flow has it
   17 |           overlap: skip
      |           ^^^^^^^
      = in job "own" of flow "deploy"
jobs/f.yaml:18:11: error: "splay" has no meaning for a job of a flow
   18 |           splay: 1m
      |           ^^^^^
      = in job "own" of flow "deploy"
jobs/f.yaml:19:11: error: unknown key "sucess"; did you mean "success"?
   19 |           sucess: 80%
      |           ^^^^^^
      = in job "own" of flow "deploy"
jobs/f.yaml:20:21: error: parallel is a count of 1 or more, not "0"
   20 |           parallel: 0
      |                     ^
      = in job "own" of flow "deploy"
jobs/f.yaml:21:32: error: there is no job "pkg3"; did you mean "pkg1"?
   21 |           on_failure: {rescue: pkg3, than: stop, then: no}
      |                                ^^^^
      = in flow "deploy"
jobs/f.yaml:21:38: error: unknown key "than"; did you mean "then"?
   21 |           on_failure: {rescue: pkg3, than: stop, then: no}
      |                                      ^^^^
      = in job "own" of flow "deploy"
jobs/f.yaml:21:56: error: then is continue or stop, not "no"
   21 |           on_failure: {rescue: pkg3, than: stop, then: no}
      |                                                        ^^
      = in job "own" of flow "deploy"
jobs/f.yaml:22:18: error: job "own" is defined twice in flow "deploy"
   22 |         - {name: own, task: loom.run, args: [a], targets: web1}
      |                  ^^^
      = first at jobs/f.yaml:12; its name alone runs it again
      = in job "own" of flow "deploy"
jobs/f.yaml:23:11: error: job "deploy/bare" has no "task"
   23 |         - {name: bare}
      |           ^^^^^^^^^^^^
      = in job "bare" of flow "deploy"
jobs/f.yaml:23:11: error: job "deploy/bare" has no "targets"
   23 |         - {name: bare}
      |           ^^^^^^^^^^^^
      = in job "bare" of flow "deploy"
"#,
    );
}

#[test]
fn keys_that_are_of_jobs() {
    let flows = "\
flows:
  deploy:
    slots: [[pkg1]]
    task: loom.run
    targets: web1
    parallel: 2
    splay: 1m
    on_failure: stop
    jobs: [pkg1]
    frobnicate: 1
";
    assert_flows_told(
        flows,
        r#"
jobs/f.yaml:4:5: error: a flow has no "task"; each job of a flow has its own
    4 |     task: loom.run
      |     ^^^^
      = in flow "deploy"
jobs/f.yaml:5:5: error: a flow has no "targets"; each job of a flow has its own
    5 |     targets: web1
      |     ^^^^^^^
      = in flow "deploy"
jobs/f.yaml:6:5: error: a flow has no "parallel"; each job of a flow has its own
    6 |     parallel: 2
      |     ^^^^^^^^
      = in flow "deploy"
jobs/f.yaml:7:5: error: a flow has no "splay"; its jobs begin slot by slot
    7 |     splay: 1m
      |     ^^^^^
      = in flow "deploy"
jobs/f.yaml:8:5: error: a flow has no "on_failure"; each job of a flow has its own
    8 |     on_failure: stop
      |     ^^^^^^^^^^
      = in flow "deploy"
jobs/f.yaml:9:5: error: a flow has no "jobs"; its "slots" are lists of jobs
    9 |     jobs: [pkg1]
      |     ^^^^
      = in flow "deploy"
jobs/f.yaml:10:5: error: unknown key "frobnicate"
   10 |     frobnicate: 1
      |     ^^^^^^^^^^
      = the keys of flow "deploy" are slots, schedule, description, timezone, overlap, missed, deadline, hooks, notify_interval, enabled, tags
      = in flow "deploy"
"#,
    );
}

#[test]
fn rescues() {
    let flows = "\
flows:
  round:
    slots:
      - [{job: pkg1, on_failure: {rescue: pkg2}}, {job: pkg2, on_failure: {rescue: pkg1}}]
      - - {name: c, task: loom.run, args: [a], targets: web1, on_failure: {rescue: pkg2}}
  self: {slots: [[{job: pkg1, on_failure: {rescue: pkg1}}]]}
  none:
    slots:
      - - {job: pkg1, on_failure: {rescue: pgk2}}
        - {job: pkg2, on_failure: {then: stop}}
        - {job: pkg2, on_failure: {rescue: ~}}
        - {job: pkg2, on_failure: {rescue: round}}
        - {job: pkg2, on_failure: {rescue: [pkg1]}}
        - {job: pkg2, on_failure: [pkg1]}
        - {job: pkg2, on_failure: pkg1}
";
    assert_flows_told(
        flows,
        r#"
jobs/f.yaml:4:43: error: rescue goes round: pkg1 → pkg2 → pkg1
    4 |       - [{job: pkg1, on_failure: {rescue: pkg2}}, {job: pkg2, on_failure: {rescue: pkg1}}]
      |                                           ^^^^
      = in flow "round"
jobs/f.yaml:6:52: error: rescue goes round: pkg1 → pkg1
    6 |   self: {slots: [[{job: pkg1, on_failure: {rescue: pkg1}}]]}
      |                                                    ^^^^
      = in flow "self"
jobs/f.yaml:9:44: error: there is no job "pgk2"; did you mean "pkg2"?
    9 |       - - {job: pkg1, on_failure: {rescue: pgk2}}
      |                                            ^^^^
      = in flow "none"
jobs/f.yaml:10:35: error: on_failure has no "rescue"
   10 |         - {job: pkg2, on_failure: {then: stop}}
      |                                   ^^^^^^^^^^^^
      = in job "pkg2" of flow "none"
jobs/f.yaml:11:36: error: "rescue" has no value
   11 |         - {job: pkg2, on_failure: {rescue: ~}}
      |                                    ^^^^^^
      = in job "pkg2" of flow "none"
jobs/f.yaml:12:44: error: "round" is a flow; a slot holds jobs
   12 |         - {job: pkg2, on_failure: {rescue: round}}
      |                                            ^^^^^
      = in flow "none"
jobs/f.yaml:13:44: error: a job of a flow is a name or a mapping, not a list
   13 |         - {job: pkg2, on_failure: {rescue: [pkg1]}}
      |                                            ^^^^^^
      = in job "pkg2" of flow "none"
jobs/f.yaml:14:35: error: on_failure is stop, continue or {rescue: JOB}, not a list
   14 |         - {job: pkg2, on_failure: [pkg1]}
      |                                   ^^^^^^
      = in job "pkg2" of flow "none"
jobs/f.yaml:15:35: error: on_failure is stop, continue or {rescue: JOB}, not "pkg1"
   15 |         - {job: pkg2, on_failure: pkg1}
      |                                   ^^^^
      = in job "pkg2" of flow "none"
"#,
    );
}

#[test]
fn a_rescue_has_few_above_it() {
    let own = |number: usize, more: &str| {
        format!("{{name: r{number}, task: loom.run, args: [a], targets: web1{more}}}")
    };
    let chain = |rescues: usize| {
        (0..=rescues).rev().fold(String::new(), |below, number| {
            let more = match below.is_empty() {
                true => String::new(),
                false => format!(", on_failure: {{rescue: {below}}}"),
            };
            own(number, &more)
        })
    };
    assert_eq!(told_of(&format!("[[{}]]", chain(8))), Vec::<String>::new());
    let told = told_of(&format!("[[{}]]", chain(10)));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].ends_with("error: more than 8 rescues in a row"), "{told:?}");
}

#[test]
fn names_are_common_to_jobs_and_flows() {
    let a = "jobs:\n  deploy: {task: loom.run, args: [a], targets: web1, schedule: '@never'}\n\
             flows:\n  deploy: {slots: [[deploy]]}\n";
    let b = "flows:\n  deploy: {slots: [[pkg1]]}\n  web: {slots: [[pkg1]]}\n";
    let c = "flows:\n  web: {slots: [[pkg1, one/own]]}\n  \
             one: {slots: [[{name: own, task: loom.run, args: [a], targets: web1}]]}\n";
    let d = "jobs:\n  one/own: {task: loom.run, args: [a], targets: web1, schedule: '@never'}\n  \
             web/x: {task: loom.run, args: [a], targets: web1, schedule: '@never'}\n";
    let e = "flows:\n  last: {slots: [[two/own, web]]}\n  \
             two: {slots: [[{name: own, task: loom.run, args: [a], targets: web1}]]}\n";
    assert_told(
        &[
            ("jobs/a.yaml", a),
            ("jobs/b.yaml", b),
            ("jobs/c.yaml", c),
            ("jobs/d.yaml", d),
            ("jobs/e.yaml", e),
            ("jobs/pkg.yaml", JOBS),
        ],
        r#"
jobs/a.yaml:4:3: error: flow "deploy" is called as a job is; they have their names in common
    4 |   deploy: {slots: [[deploy]]}
      |   ^^^^^^
      = first at jobs/a.yaml:2
jobs/b.yaml:2:3: error: flow "deploy" is called as a job is; they have their names in common
    2 |   deploy: {slots: [[pkg1]]}
      |   ^^^^^^
      = first at jobs/a.yaml:2
jobs/b.yaml:3:3: error: job "web/x" is called as one that flow "web" holds; rename one of them
    3 |   web: {slots: [[pkg1]]}
      |   ^^^
      = the job is at jobs/d.yaml:3
jobs/c.yaml:2:3: error: flow "web" is defined twice
    2 |   web: {slots: [[pkg1, one/own]]}
      |   ^^^
      = first at jobs/b.yaml:3
jobs/c.yaml:3:3: error: job "one/own" is called as one that flow "one" holds; rename one of them
    3 |   one: {slots: [[{name: own, task: loom.run, args: [a], target…
      |   ^^^
      = the job is at jobs/d.yaml:2
jobs/c.yaml:3:25: error: job of a flow "one/own" is called as a job is; they have their names in common
    3 |   one: {slots: [[{name: own, task: loom.run, args: [a], targets: web1}]]}
      |                         ^^^
      = first at jobs/d.yaml:2
      = in job "own" of flow "one"
jobs/e.yaml:2:19: error: "two/own": what flow two holds, only that can name
    2 |   last: {slots: [[two/own, web]]}
      |                   ^^^^^^^
      = in flow "last"
jobs/e.yaml:2:28: error: "web" is a flow; a slot holds jobs
    2 |   last: {slots: [[two/own, web]]}
      |                            ^^^
      = in flow "last"
"#,
    );
}

#[test]
fn what_is_probably_not_meant() {
    let jobs = "\
jobs:
  idle: {task: loom.run, args: [a], targets: [], schedule: '@never'}
  often: {task: loom.run, args: [a], targets: web1}
  off: {task: loom.run, args: [a], targets: web1, enabled: no}
";
    let flows = "\
flows:
  a:
    slots:
      - [idle, often, off]
      - [{job: off, success: 3}, off]
      - - {name: own, task: loom.run, args: [a], targets: []}
        - {job: off, retries: {delay: 1m}}
  b: {slots: [[often]]}
";
    assert_told(
        &[("jobs/a.yaml", jobs), ("jobs/f.yaml", flows)],
        r#"
jobs/a.yaml:2:46: warning: the job has no targets; it will run nowhere
    2 |   idle: {task: loom.run, args: [a], targets: [], schedule: '@never'}
      |                                              ^^
jobs/f.yaml:4:10: warning: job "idle" has no targets: the flow fails there
    4 |       - [idle, often, off]
      |          ^^^^
      = in flow "a"
jobs/f.yaml:4:16: warning: job "often" has no schedule, so it runs every minute by itself as well; for flows alone, give it schedule: "@never"
    4 |       - [idle, often, off]
      |                ^^^^^
      = the job is at jobs/a.yaml:3
      = in flow "a"
jobs/f.yaml:5:30: warning: success is 3, but there are only 1 targets: all of them
    5 |       - [{job: off, success: 3}, off]
      |                              ^
      = in flow "a"
jobs/f.yaml:5:34: warning: job "off" is in slot 2 twice; the jobs of a slot run beside each other
    5 |       - [{job: off, success: 3}, off]
      |                                  ^^^
      = in flow "a"
jobs/f.yaml:6:18: warning: job "own" has no targets: the flow fails there
    6 |       - - {name: own, task: loom.run, args: [a], targets: []}
      |                  ^^^
      = in flow "a"
jobs/f.yaml:6:59: warning: the job has no targets; it will run nowhere
    6 |       - - {name: own, task: loom.run, args: [a], targets: []}
      |                                                           ^^
      = in job "own" of flow "a"
jobs/f.yaml:7:31: warning: without attempts nothing is tried again; write attempts: 3, say
    7 |         - {job: off, retries: {delay: 1m}}
      |                               ^^^^^^^^^^^
      = in flow "a"
"#,
    );
    // Somebody has said when.
    let main = format!("{}defaults: {{schedule: '@daily'}}\n", super::MAIN);
    let files = [
        ("loom.yaml", &*main),
        ("jobs/a.yaml", JOB),
        ("jobs/f.yaml", "flows: {a: {slots: [[j]]}}"),
    ];
    assert_told(&files, "");
}

#[test]
fn a_mistake_in_a_job_is_told_there_and_nowhere_else() {
    let jobs = "\
jobs:
  bad: {task: loom.run, targets: wob1, schedule: '@never'}
  worse:
  nowhere: {task: loom.run, args: [a], targets: wob1, schedule: '@never'}
";
    let flows = "\
flows:
  a: {slots: [[bad, {job: worse, success: 80%}, nowhere, {job: nowhere, success: 9}]]}
  b: {slots: [[{name: own, task: loom.run, args: [a], targets: wob2}], [own], [{job: own}]]}
  c: {slots: [[{name: own, targets: web1}, {job: bad, on_failure: {rescue: own}}], [own]]}
";
    assert_told(
        &[("jobs/a.yaml", jobs), ("jobs/f.yaml", flows)],
        r#"
jobs/a.yaml:2:15: error: loom.run() needs `command`: the command line, for the user's login shell
    2 |   bad: {task: loom.run, targets: wob1, schedule: '@never'}
      |               ^^^^^^^^
jobs/a.yaml:2:34: error: unknown node "wob1"; did you mean "web1"?
    2 |   bad: {task: loom.run, targets: wob1, schedule: '@never'}
      |                                  ^^^^
jobs/a.yaml:3:3: error: job "worse" is empty; it needs "task" and "targets"
    3 |   worse:
      |   ^^^^^
jobs/a.yaml:4:49: error: unknown node "wob1"; did you mean "web1"?
    4 |   nowhere: {task: loom.run, args: [a], targets: wob1, schedule: '@never'}
      |                                                 ^^^^
jobs/f.yaml:3:64: error: unknown node "wob2"; did you mean "web2"?
    3 | …: {slots: [[{name: own, task: loom.run, args: [a], targets: wob2}], [own], [{job: own}]]}
      |                                                              ^^^^
      = in job "own" of flow "b"
jobs/f.yaml:4:16: error: job "c/own" has no "task"
    4 |   c: {slots: [[{name: own, targets: web1}, {job: bad, on_failure: {rescue: …
      |                ^^^^^^^^^^^^^^^^^^^^^^^^^^
      = in job "own" of flow "c"
"#,
    );
    // Without nodes nobody knows of targets.
    let files = [("nodes.yaml", "a: ["), ("jobs/a.yaml", JOBS), ("jobs/f.yaml", flows)];
    let told = messages(&files);
    assert!(!told.contains("no targets"), "{told}");
}

#[test]
fn what_is_no_mapping_and_what_the_datafile_has() {
    let files = [("data.yaml", "flows: {a: {}}\njobs: {}\n"), ("jobs/a.yaml", "flows: [a]\n")];
    assert_told(
        &files,
        r#"
data.yaml:1:1: warning: flows in the datafile are not read; a manifest is the place for them
    1 | flows: {a: {}}
      | ^^^^^
data.yaml:2:1: warning: jobs in the datafile are not read; a manifest is the place for them
    2 | jobs: {}
      | ^^^^
jobs/a.yaml:1:1: warning: "flows" is a key of the datafile too (data.yaml:1); the manifest's is used
    1 | flows: [a]
      | ^^^^^
jobs/a.yaml:1:8: error: flows is a mapping of names to flows, not a list
    1 | flows: [a]
      |        ^^^
"#,
    );
}

#[test]
fn an_alias_shows_where_it_is_used() {
    let data = "own: &own {name: restart, task: loom.run, args: [a], targets: web1, tmeout: 1}\n\
                slots: &slots [[pkg1], [pgk2]]\n";
    let flows = "\
flows:
  a: {slots: *slots}
  b: {slots: [[*own], [*own]]}
  c: {slots: [[{<<: *own, name: other}], *slots]}
";
    let files = [("data.yaml", data), ("jobs/a.yaml", JOBS), ("jobs/f.yaml", flows)];
    assert_told(
        &files,
        r#"
data.yaml:1:18: error: job "restart" is defined twice in flow "b"
    1 | own: &own {name: restart, task: loom.run, args: [a], targets: web1, tmeout: 1…
      |                  ^^^^^^^
      = first at data.yaml:1; its name alone runs it again
      = used at jobs/f.yaml:3
      = in job "restart" of flow "b"
data.yaml:1:69: error: unknown key "tmeout"; did you mean "timeout"?
    1 | …n {name: restart, task: loom.run, args: [a], targets: web1, tmeout: 1}
      |                                                              ^^^^^^
      = used at jobs/f.yaml:3 and elsewhere
      = in job "restart" of flow "b"
data.yaml:2:16: error: a job of a flow is a name or a mapping, not a list
    2 | slots: &slots [[pkg1], [pgk2]]
      |                ^^^^^^
      = used at jobs/f.yaml:4
      = in flow "c"
data.yaml:2:24: error: a job of a flow is a name or a mapping, not a list
    2 | slots: &slots [[pkg1], [pgk2]]
      |                        ^^^^^^
      = used at jobs/f.yaml:4
      = in flow "c"
data.yaml:2:25: error: there is no job "pgk2"; did you mean "pkg2"?
    2 | slots: &slots [[pkg1], [pgk2]]
      |                         ^^^^
      = used at jobs/f.yaml:2
      = in flow "a"
"#,
    );
}

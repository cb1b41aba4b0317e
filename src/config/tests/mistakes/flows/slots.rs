//! Of slots, and of the jobs in them.

use super::*;

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

//! Of flows.

mod slots;

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

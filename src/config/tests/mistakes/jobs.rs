//! Of the manifests, but for the rules of jobs.

use super::{JOB, assert_told, messages};

#[test]
fn the_name_of_what_is_no_job_is_taken() {
    let manifest = "jobs:\n  '@exec': {task: loom.run, args: [a], targets: web1}\n";
    let told = messages(&[("jobs/a.yaml", manifest)]);
    assert!(told.contains("is what runs of no job are called"), "{told}");
}

#[test]
fn jobs() {
    let manifest = "\
jobs:
  one:
    task: loom.run
    args: [a]
    shedule: '* * * * *'
    targets: [wob1, 'db[3-1]', '@wep', 'db1,dbx']
  two:
    targets: web1
    timeout: 3x
    enabled: maybe
    timezone: Mars
    kwargs: [a]
    args: {a: b}
  three:
  four: {task: loom.run, args: [a], targets: []}
  five: {task: loom.run, args: [a], targets: web1, enabled: yes, enabled: no}
  five: 1
  ' six': {}
  seven: {task: [a], targets: [{}, ~], tags: a@b, description: {a: b}, timeout: 0}
";
    assert_told(
        &[("jobs/a.yaml", manifest)],
        r#"
jobs/a.yaml:5:5: error: unknown key "shedule"; did you mean "schedule"?
    5 |     shedule: '* * * * *'
      |     ^^^^^^^
jobs/a.yaml:6:15: error: unknown node "wob1"; did you mean "web1"?
    6 |     targets: [wob1, 'db[3-1]', '@wep', 'db1,dbx']
      |               ^^^^
jobs/a.yaml:6:25: error: host set "db[3-1]": the range runs backwards; write [1-3]
    6 |     targets: [wob1, 'db[3-1]', '@wep', 'db1,dbx']
      |                         ^^^
jobs/a.yaml:6:32: error: no node has the tag "wep"; did you mean "@web"?
    6 |     targets: [wob1, 'db[3-1]', '@wep', 'db1,dbx']
      |                                ^^^^^^
jobs/a.yaml:6:40: error: unknown node "dbx" (of "db1,dbx"); did you mean "db1"?
    6 |     targets: [wob1, 'db[3-1]', '@wep', 'db1,dbx']
      |                                        ^^^^^^^^^
jobs/a.yaml:7:3: error: job "two" has no "task"
    7 |   two:
      |   ^^^
jobs/a.yaml:9:14: error: timeout is a duration like 90, 90s, 5m, 1h30m or 2d, not "3x"
    9 |     timeout: 3x
      |              ^^
jobs/a.yaml:10:14: error: enabled is true or false, not "maybe"
   10 |     enabled: maybe
      |              ^^^^^
jobs/a.yaml:11:15: error: unknown time zone "Mars"; did you mean "Europe/Paris"?
   11 |     timezone: Mars
      |               ^^^^
jobs/a.yaml:12:13: error: kwargs is a mapping of names to values, not a list
   12 |     kwargs: [a]
      |             ^^^
jobs/a.yaml:13:11: error: args is a list of values, not a mapping
   13 |     args: {a: b}
      |           ^^^^^^
jobs/a.yaml:14:3: error: job "three" is empty; it needs "task" and "targets"
   14 |   three:
      |   ^^^^^
jobs/a.yaml:15:46: warning: the job has no targets; it will run nowhere
   15 |   four: {task: loom.run, args: [a], targets: []}
      |                                              ^^
jobs/a.yaml:16:66: error: duplicate key "enabled"
   16 | …e: {task: loom.run, args: [a], targets: web1, enabled: yes, enabled: no}
      |                                                              ^^^^^^^
      = first at jobs/a.yaml:16
jobs/a.yaml:17:3: error: duplicate key "five"
   17 |   five: 1
      |   ^^^^
      = first at jobs/a.yaml:16
jobs/a.yaml:18:3: error: the name of a job begins or ends with a blank: " six"
   18 |   ' six': {}
      |   ^^^^^^
jobs/a.yaml:19:17: error: task is a single value, not a list
   19 |   seven: {task: [a], targets: [{}, ~], tags: a@b, description: {a: b}, timeo…
      |                 ^^^
jobs/a.yaml:19:32: error: targets holds single values, not a mapping
   19 |   seven: {task: [a], targets: [{}, ~], tags: a@b, description: {a: b}, timeout: 0}
      |                                ^^
jobs/a.yaml:19:36: error: targets holds single values, not nothing
   19 |   seven: {task: [a], targets: [{}, ~], tags: a@b, description: {a: b}, timeout: 0}
      |                                    ^
jobs/a.yaml:19:46: error: tag "a@b" is not a single word
   19 |   seven: {task: [a], targets: [{}, ~], tags: a@b, description: {a: b}, timeout: 0}
      |                                              ^^^
jobs/a.yaml:19:64: error: description is a single value, not a mapping
   19 | …even: {task: [a], targets: [{}, ~], tags: a@b, description: {a: b}, timeout: 0}
      |                                                              ^^^^^^
jobs/a.yaml:19:81: error: timeout is 1s to 365d, not 0s
   19 | … targets: [{}, ~], tags: a@b, description: {a: b}, timeout: 0}
      |                                                              ^
"#,
    );
}

#[test]
fn a_job_that_is_defined_twice_names_both_places() {
    let other = "jobs:\n\n  j: {task: loom.run, args: [\"true\"], targets: web1}\n";
    assert_told(
        &[("jobs/a.yaml", JOB), ("jobs/b/c.yaml", other)],
        r#"
jobs/b/c.yaml:3:3: error: job "j" is defined twice
    3 |   j: {task: loom.run, args: ["true"], targets: web1}
      |   ^
      = first at jobs/a.yaml:2
"#,
    );
}

#[test]
fn a_mistake_in_the_datafile_is_told_once_and_there() {
    let data =
        "hosts:\n  - &dbs [db1, db9]\n  - &job {task: loom.run, args: [a], tmeout: 3}\nshared: 1";
    let a = "shared: 2\njobs:\n  a: {task: loom.run, args: [a], targets: *dbs}\n  b: {task: loom.run, args: [a], targets: [*dbs]}\n";
    let b = "jobs:\n  c: {<<: *job, targets: *dbs}\n  d:\n    <<: *job\n    targets: *dbz\n";
    assert_told(
        &[("data.yaml", data), ("jobs/a.yaml", a), ("jobs/b.yaml", b)],
        r#"
data.yaml:2:16: error: unknown node "db9"; did you mean "db1"?
    2 |   - &dbs [db1, db9]
      |                ^^^
      = used at jobs/a.yaml:3 and elsewhere
data.yaml:3:38: error: unknown key "tmeout"; did you mean "timeout"?
    3 |   - &job {task: loom.run, args: [a], tmeout: 3}
      |                                      ^^^^^^
      = used at jobs/b.yaml:2 and elsewhere
jobs/a.yaml:1:1: warning: "shared" is a key of the datafile too (data.yaml:4); the manifest's is used
    1 | shared: 2
      | ^^^^^^
jobs/b.yaml:5:14: error: unknown anchor "dbz"; did you mean "dbs"?
    5 |     targets: *dbz
      |              ^^^^
"#,
    );
    assert_told(
        &[("data.yaml", "hosts: [a, b"), ("jobs/a.yaml", a)],
        r#"
data.yaml:1:8: error: "[" is opened here and never closed
    1 | hosts: [a, b
      |        ^
"#,
    );
}

#[test]
fn every_argument_that_does_not_fit_is_told() {
    let job = "\
jobs:
  j:
    task: fabric.api.run
    args: [1]
    kwargs: {pty: maybe, tiemout: 3, cd: 7}
    targets: web1
";
    assert_told(
        &[("jobs/a.yaml", job)],
        r#"
jobs/a.yaml:4:12: error: `command` of fabric.api.run() takes a string, not an integer
    4 |     args: [1]
      |            ^
jobs/a.yaml:5:14: error: `pty` of fabric.api.run() takes true or false, not a string
    5 |     kwargs: {pty: maybe, tiemout: 3, cd: 7}
      |              ^^^
jobs/a.yaml:5:26: error: fabric.api.run() has no parameter `tiemout`; did you mean `timeout`?
    5 |     kwargs: {pty: maybe, tiemout: 3, cd: 7}
      |                          ^^^^^^^
jobs/a.yaml:5:38: error: `cd` of fabric.api.run() takes a string or a list of strings, not an integer
    5 |     kwargs: {pty: maybe, tiemout: 3, cd: 7}
      |                                      ^^
"#,
    );
}

#[test]
fn a_time_zone_is_looked_for_by_its_city_too() {
    let told = |zone: &str| {
        let job =
            format!("jobs:\n  j: {{task: loom.run, args: [a], targets: web1, timezone: {zone}}}\n");
        let told = messages(&[("jobs/a.yaml", &job)]);
        told.lines()
            .next()
            .and_then(|line| line.split_once("unknown time zone "))
            .unwrap()
            .1
            .to_string()
            + told.lines().nth(3).unwrap_or_default()
    };
    assert_eq!(told("Berlin"), r#""Berlin"; did you mean "Europe/Berlin"?"#);
    assert_eq!(told("new york"), r#""new york"; did you mean "America/New_York"?"#);
    assert_eq!(told("Europe/Lodnon"), r#""Europe/Lodnon"; did you mean "Europe/London"?"#);
    assert_eq!(
        told("somewhere"),
        r#""somewhere"      = zones have the names of the tz database, like Europe/Berlin, America/New_York or UTC"#
    );
}

//! What is refused, word for word: the place, the reason, and what was probably meant.

use super::{Home, JOB, MAIN, messages, symlink};

#[track_caller]
fn assert_told(files: &[(&str, &str)], expected: &str) {
    let told = messages(files);
    assert!(told == expected.trim_start_matches('\n'), "{told}");
}

#[test]
fn settings() {
    let main = "\
nodesfile: nodes.yaml
jobpath: jobs
min_workers: 12
idle_timeout: fast
timezone: Europe/Berln
keep: {days: 0, size: 3}
max_output: 3
ssh_options:
  controlpath: /x
  ProxyJmp: a
  Frobnicate: yes
";
    assert_told(
        &[("loom.yaml", main)],
        r#"
loom.yaml:1:1: error: loom.yaml has no "jobspath"
    1 | nodesfile: nodes.yaml
      | ^
loom.yaml:2:1: error: unknown key "jobpath"; did you mean "jobspath"?
    2 | jobpath: jobs
      | ^^^^^^^
loom.yaml:3:14: error: min_workers (12) is greater than max_workers (10)
    3 | min_workers: 12
      |              ^^
loom.yaml:4:15: error: idle_timeout is a duration like 90, 90s, 5m, 1h30m or 2d, not "fast"
    4 | idle_timeout: fast
      |               ^^^^
loom.yaml:5:11: error: unknown time zone "Europe/Berln"; did you mean "Europe/Berlin"?
    5 | timezone: Europe/Berln
      |           ^^^^^^^^^^^^
loom.yaml:6:14: error: days is 1 to 36500, not 0
    6 | keep: {days: 0, size: 3}
      |              ^
loom.yaml:6:17: error: unknown key "size"
    6 | keep: {days: 0, size: 3}
      |                 ^^^^
      = the keys of keep are days, runs, bytes
loom.yaml:7:13: error: max_output is 1kB to 1TB, not 3 bytes
    7 | max_output: 3
      |             ^
loom.yaml:9:3: error: ssh option "controlpath" cannot be set here: Loom sets it
    9 |   controlpath: /x
      |   ^^^^^^^^^^^
loom.yaml:10:3: error: unknown ssh option "ProxyJmp"; did you mean "ProxyJump"?
   10 |   ProxyJmp: a
      |   ^^^^^^^^
loom.yaml:11:3: warning: ssh option "Frobnicate" is not known to Loom
   11 |   Frobnicate: yes
      |   ^^^^^^^^^^
"#,
    );
}

#[test]
fn the_main_file_is_a_mapping_with_paths_that_exist() {
    assert_told(
        &[("loom.yaml", "# nothing\n")],
        "loom.yaml: error: is empty; it needs \"nodesfile\" and \"jobspath\"\n",
    );
    assert_told(
        &[("loom.yaml", "nodes.yaml")],
        r#"
loom.yaml:1:1: error: loom.yaml is a mapping of settings, not a single value
    1 | nodes.yaml
      | ^^^^^^^^^^
"#,
    );
    let main = "nodesfile: nods.yaml\njobspath: jobs.yaml\ndatafile: jobs\n";
    let home = Home::with(&[("loom.yaml", main), ("jobs.yaml", "")]);
    let told = home.messages();
    assert!(
        told == r#"loom.yaml:1:12: error: "nods.yaml" cannot be read: no such file or directory
    1 | nodesfile: nods.yaml
      |            ^^^^^^^^^
loom.yaml:2:11: error: jobspath "jobs.yaml" cannot be read: not a directory
    2 | jobspath: jobs.yaml
      |           ^^^^^^^^^
loom.yaml:3:11: error: "jobs" cannot be read: not a regular file
    3 | datafile: jobs
      |           ^^^^
"#,
        "{told}"
    );
}

#[test]
fn nodes() {
    let nodes = "\
db[1-2]: {user: mysql, ip: 1.2.3.4}
db2:
  user: -oProxyCommand=x
  prot: 22
port: {user: a, port: 99999, tags: [a b], max_sessions: 0}
empty:
list: [user]
web: {user: root, identity: nowhere, password: {file: a, command: b}}
w@x: {user: 'y%h', ssh_options: [a]}
'a b': {user: x}
'db[3-1]': {user: x}
-x: {user: x, shell: zsh}
";
    assert_told(
        &[("nodes.yaml", nodes)],
        r#"
nodes.yaml:1:28: error: one ip for 2 nodes; write a host set of as many, like 10.0.0.[1-2]
    1 | db[1-2]: {user: mysql, ip: 1.2.3.4}
      |                            ^^^^^^^
nodes.yaml:2:1: error: node "db2" is defined twice
    2 | db2:
      | ^^^
      = first at nodes.yaml:1
nodes.yaml:3:9: error: user "-oProxyCommand=x" begins with "-", which ssh would take for an option
    3 |   user: -oProxyCommand=x
      |         ^^^^^^^^^^^^^^^^
nodes.yaml:4:3: error: unknown key "prot"; did you mean "port"?
    4 |   prot: ***
      |   ^^^^
nodes.yaml:5:23: error: port is 1 to 65535, not 99999
    5 | port: {user: a, port: 99999, tags: [a b], max_sessions: 0}
      |                       ^^^^^
nodes.yaml:5:37: error: tag "***" is not a single word
    5 | port: {user: a, port: 99999, tags: [a b], max_sessions: 0}
      |                                     ^^^
nodes.yaml:5:57: error: max_sessions is 1 to 1000, not 0
    5 | port: {user: a, port: 99999, tags: [a b], max_sessions: 0}
      |                                                         ^
nodes.yaml:6:1: error: node "empty" has no "user"
    6 | empty:
      | ^^^^^
nodes.yaml:7:7: error: node "list" is a mapping of settings, not a list
    7 | list: ***
      |       ^^^
nodes.yaml:8:29: error: identity "nowhere" cannot be used: no such file or directory
    8 | web: {user: root, identity: nowhere, password: ***}
      |                             ^^^^^^^
nodes.yaml:8:48: error: password is the text itself, or one of {file: PATH}, {command: [WORD, …]}, {credential: NAME}
    8 | web: {user: root, identity: nowhere, password: ***}
      |                                                ^^^
nodes.yaml:9:1: error: node name "w@x" contains "@"; the user belongs under the key "user"
    9 | w@x: {user: 'y%h', ssh_options: [a]}
      | ^^^
nodes.yaml:9:13: error: user "y%h" contains "%", which ssh would expand
    9 | w@x: {user: 'y%h', ssh_options: [a]}
      |             ^^^^^
nodes.yaml:9:33: error: ssh_options is a mapping of ssh_config's keywords, not a list
    9 | w@x: {user: 'y%h', ssh_options: [a]}
      |                                 ^^^
nodes.yaml:10:1: error: node name "***" contains a blank
   10 | ***: {user: x}
      | ^^^
nodes.yaml:11:5: error: host set "db[3-1]": the range runs backwards; write [1-3]
   11 | 'db[3-1]': {user: x}
      |     ^^^
nodes.yaml:12:1: error: node name "-x" begins with "-", which ssh would take for an option
   12 | -x: {user: x, ***: ***}
      | ^^
nodes.yaml:12:15: error: unknown key "***"
   12 | -x: {user: x, ***: ***}
      |               ^^^
      = the keys of node "-x" are user, ip, port, identity, password, tags, ssh_options, max_sessions
"#,
    );
}

#[test]
fn identities_are_private_keys_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let nodes = "a: {user: x, identity: open}\nb: {user: x, identity: id.pub}\nc: {user: x, identity: jobs}\nd: {user: x, identity: id}\n";
    let home = Home::with(&[("nodes.yaml", nodes), ("open", ""), ("id.pub", ""), ("id", "")]);
    std::fs::set_permissions(home.path("open"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let told = home.messages();
    assert!(
        told == r#"nodes.yaml:1:24: error: identity "open" can be read by others (mode 0644); ssh refuses it: chmod 600
    1 | a: {user: x, identity: open}
      |                        ^^^^
nodes.yaml:2:24: error: identity is the private key, not the .pub beside it
    2 | b: {user: x, identity: id.pub}
      |                        ^^^^^^
nodes.yaml:3:24: error: identity "jobs" is not a file
    3 | c: {user: x, identity: jobs}
      |                        ^^^^
"#,
        "{told}"
    );
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
jobs/a.yaml:11:15: error: unknown time zone "Mars"
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
fn broken_yaml() {
    let seven = |rest: &str| format!("jobs:\n  seven:\n    task: x\n{rest}");
    let files = [
        ("jobs/a.yaml", seven("    schedule: * * * * *\n")),
        ("jobs/b.yaml", seven("    schedule: */5 * * * *\n")),
        ("jobs/c.yaml", seven("\ttargets: web1\n")),
        ("jobs/d.yaml", seven("    schedule: @daily\n")),
        ("jobs/e.yaml", seven("    schedule: \"0 4 * * *\n")),
        ("jobs/f.yaml", seven("    targets: [a, db[1-3]]\n")),
        ("jobs/g.yaml", seven("    targets: [a, b\n")),
        ("jobs/h.yaml", "jobs: !!python/object:os.system {}\n".to_string()),
        ("jobs/i.yaml", "jobs: {}\n---\njobs: {}\n".to_string()),
        ("jobs/j.yaml", "jobs: [1, 2]\n".to_string()),
        ("jobs/k.yaml", "jobs: &a [*a]\n".to_string()),
        (
            "jobs/l.yaml",
            "jobs:\n  j: {<<: 3, task: loom.run, args: [a], targets: web1}\n".to_string(),
        ),
        ("jobs/m.yaml", "jobs:\n  a: \u{1}\n".to_string()),
        ("jobs/n.yaml", "jobs: {}\npassword: \"x\nfoo: 1\n".to_string()),
    ];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    assert_told(
        &files,
        r#"
jobs/a.yaml:4:15: error: a value that begins with "*" must be quoted, or it is an alias
    4 |     schedule: * * * * *
      |               ^
jobs/b.yaml:4:15: error: a value that begins with "*" must be quoted, or it is an alias
    4 |     schedule: */5 * * * *
      |               ^
jobs/c.yaml:4:1: error: a tab; YAML is indented by blanks only
    4 | \ttargets: web1
      | ^^
jobs/d.yaml:4:15: error: a value that begins with "@" must be quoted
    4 |     schedule: @daily
      |               ^
jobs/e.yaml:5:1: error: a quoted value goes on here without being indented; is it closed above?
    5 |
      | ^
jobs/f.yaml:4:20: error: expected "," or "]"; inside a list a host set is quoted: "db[1-3]"
    4 |     targets: [a, db[1-3]]
      |                    ^
jobs/g.yaml:4:14: error: "[" is opened here and never closed
    4 |     targets: [a, b
      |              ^
jobs/h.yaml:1:7: error: unsupported tag "!!python/object:os.system"
    1 | jobs: !!python/object:os.system {}
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^
jobs/i.yaml:2:1: error: a second document; a file holds one
    2 | ---
      | ^^^
jobs/j.yaml:1:7: error: jobs is a mapping of names to jobs, not a list
    1 | jobs: [1, 2]
      |       ^^^^^^
jobs/k.yaml:1:11: error: an alias to a value that it is a part of
    1 | jobs: &a [*a]
      |           ^^
jobs/l.yaml:2:11: error: "<<" takes a mapping, or a list of mappings
    2 |   j: {<<: 3, task: loom.run, args: [a], targets: web1}
      |           ^
jobs/m.yaml:2:6: error: control character U+0001 is not allowed in YAML
    2 |   a: \u{1}
      |      ^^^^^
jobs/n.yaml:3:1: error: a quoted value goes on here without being indented; is it closed above?
      = the line is not shown: it may hold a password
"#,
    );
}

#[test]
fn bytes_that_are_no_text() {
    let home = Home::new();
    home.write("jobs/a.yaml", b"jobs:\n  \xc3\xa9\xff: {}\n");
    home.write("jobs/b.yaml", b"\xff\xfej\0o\0b\0s\0");
    let told = home.messages();
    assert!(
        told == r#"jobs/a.yaml:2:4: error: not UTF-8: byte 0xff
    2 |   é�: {}
      |    ^
jobs/b.yaml:1:1: error: not UTF-8; this looks like UTF-16
    1 | ��j\u{0}o\u{0}b\u{0}s\u{0}
      | ^
"#,
        "{told}"
    );
}

#[test]
fn what_would_steer_a_terminal_is_escaped() {
    let job = "jobs:\n  j: {task: loom.run, args: [a], targets: \"web1\u{202e}\u{9b}31m\"}\n";
    let quoted = "jobs:\n  j: {task: loom.run, args: [a], targets: \"web1\u{202e}\\e[31m\"}\n";
    assert_told(
        &[("jobs/a.yaml", quoted)],
        r#"
jobs/a.yaml:2:43: error: host set "web1\u{202e}\u{1b}[31m": a bracket is opened and never closed
    2 |   j: {task: loom.run, args: [a], targets: "web1\u{202e}\e[31m"}
      |                                           ^^^^^^^^^^^^^^^^^^^^
"#,
    );
    assert_told(
        &[("jobs/a.yaml", job)],
        r#"
jobs/a.yaml:2:49: error: control character U+009B is not allowed in YAML
    2 |   j: {task: loom.run, args: [a], targets: "web1\u{202e}\u{9b}31m"}
      |                                                        ^^^^^^
"#,
    );
}

#[test]
fn long_lines_are_cropped_around_the_mistake() {
    let job = format!(
        "jobs: {{j: {{description: {}, tsk: loom.run, tags: [{}]}}}}\n",
        "é".repeat(300),
        "y, ".repeat(100)
    );
    assert_told(
        &[("jobs/a.yaml", &job)],
        r#"
jobs/a.yaml:1:8: error: job "j" has no "task"
    1 | jobs: {j: {description: ééééééééééééééééééééééééééééééééééééééééééé…
      |        ^
jobs/a.yaml:1:8: error: job "j" has no "targets"
    1 | jobs: {j: {description: ééééééééééééééééééééééééééééééééééééééééééé…
      |        ^
jobs/a.yaml:1:327: error: unknown key "tsk"; did you mean "task"?
    1 | …éééééééééééééééééééééééééééééééééééééééééééééééééééééééééé, tsk: loom.run, tags: [y, y, y, y, y, y, y, y, y, y, y, y, y,…
      |                                                              ^^^
"#,
    );
}

#[test]
fn directories_that_cannot_be_read() {
    let home = Home::with(&[("loom.yaml", &MAIN.replace(": jobs", ": jobz"))]);
    let told = home.messages();
    assert!(
        told.contains(
            "loom.yaml:2:11: error: jobspath \"jobz\" cannot be read: no such file or directory\n"
        ),
        "{told}"
    );
    symlink("nowhere", home.path("jobs/dangling.yaml"));
    home.write("loom.yaml", MAIN);
    assert_eq!(
        home.messages(),
        "jobs/dangling.yaml: error: cannot be read: no such file or directory\n"
    );
}

#[test]
fn root_does_not_obey_what_everybody_can_write() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::with(&[("jobs/a.yaml", JOB)]);
    let set = |name: &str, mode| {
        std::fs::set_permissions(home.path(name), std::fs::Permissions::from_mode(mode)).unwrap()
    };
    set("jobs/a.yaml", 0o666);
    set("jobs", 0o777);
    let expected = match nix::unistd::geteuid().is_root() {
        true => {
            "\
jobs: error: can be written by everybody; root does not obey it: chmod o-w
jobs/a.yaml: error: can be written by everybody; root does not obey it: chmod o-w
"
        }
        false => "",
    };
    assert_eq!(home.messages(), expected);
}

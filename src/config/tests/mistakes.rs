//! What is refused, word for word: the place, the reason, and what was probably meant.

mod files;
mod flows;
mod hooks;
mod jobs;
mod nodes;
mod roadrunner;
mod rules;
mod yaml;

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
log_format: Json
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
loom.yaml:12:13: error: log_format is text or json, not "Json"; did you mean "json"?
   12 | log_format: Json
      |             ^^^^
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

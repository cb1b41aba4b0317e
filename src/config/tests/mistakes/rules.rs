//! Of the rules of jobs, in a job and in `defaults`.

use super::{Home, JOB, MAIN, assert_told, messages};

/// What is told about one key of a job with one target, without excerpts.
#[track_caller]
fn told(rule: &str) -> String {
    let schedule = if rule.contains("schedule") { "" } else { "schedule: '0 3 * * *', " };
    let job =
        format!("jobs:\n  j: {{task: loom.run, args: [a], targets: web1, {schedule}{rule}}}\n");
    let told = messages(&[("jobs/a.yaml", &job)]);
    let heads = told
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(at, _)| at.starts_with("jobs/a.yaml:2:"));
    heads.map(|(_, message)| message).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_share_is_a_count_or_a_percentage() {
    let whole = "is a whole number like 2 or a whole percentage like 50%, not";
    for (written, problem) in [
        ("0", "is a count of 1 or more, not \"0\"".to_string()),
        ("0%", "is a percentage from 1% to 100%, not \"0%\"".to_string()),
        ("101%", "is a percentage from 1% to 100%, not \"101%\"".to_string()),
        ("4294967296", "is a count of targets, not \"4294967296\"".to_string()),
        ("1.5", format!("{whole} \"1.5\"")),
        ("33.3%", format!("{whole} \"33.3%\"")),
        ("-1", format!("{whole} \"-1\"")),
        ("-5%", format!("{whole} \"-5%\"")),
        ("half", format!("{whole} \"half\"")),
        ("'%'", format!("{whole} \"%\"")),
    ] {
        for key in ["parallel", "success"] {
            assert_eq!(told(&format!("{key}: {written}")), format!("error: {key} {problem}"));
        }
    }
    assert_eq!(told("parallel: [1, 10%, 100%]"), "", "step by step");
    assert_eq!(told("parallel: []"), "error: parallel has 1 to 20 steps, not 0");
    assert_eq!(told("parallel: [0, 101%, x]").lines().count(), 3, "each step for itself");
    assert_eq!(told("success: [1]"), "error: success is a single value, not a list");
    assert_eq!(told("parallel: 5"), "", "as many as there are");
    assert_eq!(
        told("success: 2"),
        "warning: success is 2, but there are only 1 targets: all of them"
    );
}

#[test]
fn steps_that_narrow_are_told_by_their_numbers() {
    let told = |nodes: &str, parallel: &str| {
        let job = format!(
            "jobs:\n  j: {{task: loom.run, args: [a], targets: \"{nodes}\", parallel: {parallel}}}\n"
        );
        let all: String = (1..=40).map(|n| format!("n{n}: {{user: u}}\n")).collect();
        messages(&[("nodes.yaml", &all), ("jobs/a.yaml", &job)])
    };
    for fine in ["[1, 10%, 50%, 100%]", "[1, 1%, 2%]", "[50, 100%]", "[1, 1, 1]", "[3]"] {
        assert_eq!(told("n[1-40]", fine), "", "{fine}");
    }
    let narrows = |nodes, parallel| {
        let told = told(nodes, parallel);
        let message = told.split_once("warning: ").map(|(_, message)| message.to_owned());
        message.unwrap_or(told).lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(
        narrows("n[1-40]", "[10, 1]"),
        "parallel narrows, from 10 to 1 at once; steps are there to widen"
    );
    assert_eq!(
        narrows("n[1-40]", "[1, 10, 20%, 100%]"),
        "parallel narrows, from 10 to 20% (8) at once; steps are there to widen"
    );
    assert_eq!(narrows("n[1-3]", "[10, 5]"), "", "both are all of them");
}

#[test]
fn words_that_were_nearly_right() {
    assert_eq!(
        told("overlap: quue"),
        "error: overlap is skip, queue or allow, not \"quue\"; did you mean \"queue\"?"
    );
    assert_eq!(told("overlap: true"), "error: overlap is skip, queue or allow, not \"true\"");
    assert_eq!(
        told("missed: one"),
        "error: missed is skip or once, not \"one\"; did you mean \"once\"?"
    );
    assert_eq!(told("locks: [a b]"), "error: lock \"a b\" is not a single word");
    let many: Vec<String> = (0..21).map(|i| format!("l{i}")).collect();
    assert_eq!(told(&format!("locks: [{}]", many.join(", "))), "error: more than 20 locks");
}

#[test]
fn retries() {
    let never = "counts the first attempt too: 1 means no retry, 0 would be never";
    assert_eq!(told("retries: 0"), format!("error: retries {never}"));
    assert_eq!(told("retries: {attempts: 0}"), format!("error: attempts {never}"));
    assert_eq!(told("retries: 101"), "error: retries is 1 to 100, not 101");
    assert_eq!(told("retries: -1"), "error: retries is a whole number, not \"-1\"");
    assert_eq!(told("retries: [3]"), "error: retries is a mapping of settings, not a list");
    assert_eq!(told("retries: {attempts: 2, delay: 0}"), "error: delay is 1s to 1h, not 0s");
    assert_eq!(told("retries: {attempts: 2, delay: 61m}"), "error: delay is 1s to 1h, not 1h1m");
    for bad in ["0.9", "10.1", "-2", "1e1", "nan", "x"] {
        let expected = format!("error: backoff is a number from 1 to 10, not \"{bad}\"");
        assert_eq!(told(&format!("retries: {{attempts: 2, backoff: {bad}}}")), expected);
    }
    for bad in ["101", "101%", "-1", "1.5%"] {
        let expected = format!("error: jitter is a percentage from 0% to 100%, not \"{bad}\"");
        assert_eq!(told(&format!("retries: {{attempts: 2, jitter: {bad}}}")), expected);
    }
    assert_eq!(
        told("retries: {atempts: 2, attempts: 2}"),
        "error: unknown key \"atempts\"; did you mean \"attempts\"?"
    );
    assert_eq!(
        told("retries: {delay: 5s}"),
        "warning: without attempts nothing is tried again; write attempts: 3, say"
    );
}

#[test]
fn what_is_never_retried_says_why() {
    assert_eq!(
        told("retries: {attempts: 2, on: [failed, lost, cancelled, skipped, succeeded, timedout, no]}"),
        "\
error: \"lost\" is never retried: what was lost may still be running
error: \"cancelled\" is never retried: whoever cancelled a unit wants it ended
error: \"skipped\" is never retried: there was a reason not to run the unit
error: \"succeeded\" is never retried: the unit has done its work
error: on takes unreachable, failed, signaled, timed out, crashed, not \"timedout\"; did you mean \"timed out\"?
error: on takes unreachable, failed, signaled, timed out, crashed, not \"no\""
    );
    assert_eq!(
        told("retries: {attempts: 2, on: []}"),
        "error: on names no outcome; leave retries out to try nothing again"
    );
}

#[test]
fn times_have_bounds() {
    assert_eq!(told("deadline: 0"), "error: deadline is 1s to 30d, not 0s");
    assert_eq!(told("deadline: 31d"), "error: deadline is 1s to 30d, not 31d");
    assert_eq!(told("splay: 25h"), "error: splay is 0s to 1d, not 1d1h");
    assert_eq!(told("notify_interval: 31d"), "error: notify_interval is 0s to 30d, not 31d");
    let too_long = "warning: splay (2h) is longer than from one instant to the next (1h)";
    assert_eq!(told("splay: 2h, schedule: '@hourly'"), too_long);
    assert_eq!(told("splay: 1h, schedule: '@hourly'"), "");
    assert_eq!(told("splay: 2h, schedule: '0 0,1 * * *'"), too_long, "the shortest of them");
    assert_eq!(told("splay: 2h, schedule: '0 0 29 2 *'"), "");
}

#[test]
fn a_log_is_a_path_with_known_placeholders() {
    let assert_log = |log: &str, expected: &str| {
        assert_told(
            &[(
                "jobs/a.yaml",
                &format!(
                    "{}    log: {log}\n",
                    JOB.replace("{task", "\n    task").replace(", ", "\n    ").replace('}', "")
                ),
            )],
            expected,
        );
    };
    assert_log(
        "\"logs/{node}/{jbo}.log\"",
        r#"
jobs/a.yaml:6:23: error: unknown placeholder "{jbo}"; did you mean {job}?
    6 |     log: "logs/{node}/{jbo}.log"
      |                       ^^^^^
"#,
    );
    assert_log(
        "logs/{hour}.log",
        r#"
jobs/a.yaml:6:15: error: unknown placeholder "{hour}"; log takes {job}, {node}, {date}
    6 |     log: logs/{hour}.log
      |               ^^^^^^
"#,
    );
    assert_log(
        "logs/{job.log",
        r#"
jobs/a.yaml:6:15: error: a brace without its other half; log takes {job}, {node}, {date}
    6 |     log: logs/{job.log
      |               ^
"#,
    );
    assert_log(
        "{node}",
        r#"
jobs/a.yaml:6:10: error: log is a path; one that begins with "{" must be quoted
    6 |     log: {node}
      |          ^^^^^^
"#,
    );
    assert_eq!(
        told("log: 'logs/{{job}}'"),
        "error: a brace without its other half; log takes {job}, {node}, {date}"
    );
    assert_eq!(
        told("log: 'logs/job}'"),
        "error: a brace without its other half; log takes {job}, {node}, {date}"
    );
    for directory in ["logs/", "logs/..", "''"] {
        assert!(told(&format!("log: {directory}")).ends_with("names no file"), "{directory}");
    }
    assert!(told("log: \"a\\nb\"").ends_with("contains a control character"));
    assert!(told("log: ~nobody-of-this-name/x").contains("is not known"));
}

#[test]
fn a_directory_with_braces_in_its_name_holds_no_logs() {
    let home = Home::with(&[("{x}/jobs/a.yaml", &JOB.replace("web1}", "web1, log: l}"))]);
    home.write("{x}/loom.yaml", "nodesfile: ../nodes.yaml\njobspath: jobs\n");
    let found = super::super::load(home.path("{x}/loom.yaml").to_str().unwrap()).unwrap_err();
    let told = home.text(&found);
    assert!(told.contains("error: log is relative to \""), "{told}");
    assert!(told.contains("{x}\", a name that cannot be used here"), "{told}");
}

#[test]
fn a_mistake_in_the_defaults_is_told_once_and_there() {
    let main = format!(
        "{MAIN}\
defaults:
  task: loom.run
  overlp: skip
  timeout: 0
  hooks: {{on_failure: {{mail: x}}}}
  retries: {{attempts: 0}}
"
    );
    let expected = r#"
loom.yaml:5:3: error: "task" cannot be a default; it is each job's own
    5 |   task: loom.run
      |   ^^^^
loom.yaml:6:3: error: unknown key "overlp"; did you mean "overlap"?
    6 |   overlp: skip
      |   ^^^^^^
loom.yaml:7:12: error: timeout is 1s to 365d, not 0s
    7 |   timeout: 0
      |            ^
loom.yaml:8:30: error: mail "x" is not an address like ops@example.org
    8 |   hooks: {on_failure: {mail: x}}
      |                              ^
loom.yaml:9:23: error: attempts counts the first attempt too: 1 means no retry, 0 would be never
    9 |   retries: {attempts: 0}
      |                       ^
"#;
    assert_told(&[("loom.yaml", &main)], expected);
    let two = JOB.replace("  j:", "  k:").replace("jobs:\n", JOB);
    assert_told(&[("loom.yaml", &main), ("jobs/a.yaml", &two)], expected);
    assert_told(
        &[("loom.yaml", &format!("{MAIN}defaults: [1]\n"))],
        r#"
loom.yaml:4:11: error: defaults is a mapping of settings, not a list
    4 | defaults: [1]
      |           ^^^
"#,
    );
}

#[test]
fn a_default_is_no_reason_to_warn_of_a_job() {
    let main = format!("{MAIN}defaults: {{success: 5, retries: {{delay: 5s}}}}\n");
    assert_told(&[("loom.yaml", &main), ("jobs/a.yaml", JOB)], "");
}

//! Of Roadrunner's job flow.

use super::super::roadrunner::{read, told};

#[track_caller]
fn assert_told(text: &str, expected: &str) {
    let told = told(text);
    assert!(told == expected.trim_start_matches('\n'), "{told}");
}

/// The messages about one job with these keys instead of sound ones.
#[track_caller]
fn of_job(keys: &str) -> String {
    let sound = [("job_id", "a"), ("cmd", "x"), ("hosts", "db1")];
    let rest = sound.into_iter().filter(|(key, _)| !keys.contains(key));
    let rest: String = rest.map(|(key, value)| format!(", {key}: {value}")).collect();
    let told = told(&format!("job_flow: [{{jobs: [\n{{{keys}{rest}}}]}}]"));
    let heads = told.lines().filter_map(|line| line.strip_prefix("flow.json:2:"));
    heads
        .filter_map(|line| line.split_once(": "))
        .map(|(_, said)| said)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn all_at_once() {
    let text = r#"{
  "default_job_timeout": "soon",
  "default_retries": 0,
  "default_parallelism": "50%",
  "job_flow": [
    {"slot_id": 1, "jobs": []},
    {"slot_id": 1, "jobs": [
      {"job_id": "a", "cmd": "x", "host": ["db1"]},
      {"job_id": "a", "cmd": "", "hosts": ["db[10-12]", "@dbs", "web1", "db[3-1]"]},
      {"cmd": ["x"], "hosts": [], "success_constraint": "101%", "parallelism": "0", "timeout": -1,
       "retries": "0"}
    ]},
    {"slots": []},
    []
  ]
}
"#;
    assert_told(
        text,
        r#"
flow.json:2:26: error: default_job_timeout is a number of seconds like 90, or a time like 5m, not "soon"
    2 |   "default_job_timeout": "soon",
      |                          ^^^^^^
flow.json:3:22: error: default_retries counts the first attempt too: 1 means no retry, 0 would be never
    3 |   "default_retries": 0,
      |                      ^
flow.json:4:3: error: unknown key "default_parallelism"
    4 |   "default_parallelism": "50%",
      |   ^^^^^^^^^^^^^^^^^^^^^
      = the keys of a job flow are default_job_timeout, default_retries, job_flow
flow.json:6:28: error: jobs is empty; it needs one job at least
    6 |     {"slot_id": 1, "jobs": []},
      |                            ^^
flow.json:7:17: error: slot_id "1" is used twice
    7 |     {"slot_id": 1, "jobs": [
      |                 ^
      = first at flow.json:6
flow.json:8:7: error: job "a" has no "hosts"
    8 |       {"job_id": "a", "cmd": "x", "host": ["db1"]},
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
flow.json:8:35: error: unknown key "host"; did you mean "hosts"?
    8 |       {"job_id": "a", "cmd": "x", "host": ["db1"]},
      |                                   ^^^^^^
      = in job "a"
flow.json:9:18: error: job_id "a" is used twice
    9 |       {"job_id": "a", "cmd": "", "hosts": ["db[10-12]", "@dbs", "web1", "db[3…
      |                  ^^^
      = first at flow.json:8
      = in job "a"
flow.json:9:30: error: cmd is empty
    9 |       {"job_id": "a", "cmd": "", "hosts": ["db[10-12]", "@dbs", "web1", "db[3-1]"]},
      |                              ^^
      = in job "a"
flow.json:9:44: error: unknown node "db11" (of "db[10-12]"), nor 1 more; did you mean "db1"?
    9 |       {"job_id": "a", "cmd": "", "hosts": ["db[10-12]", "@dbs", "web1", "db[3-1]"]},
      |                                            ^^^^^^^^^^^
      = with --any-host, hosts that are no nodes are taken with the defaults
      = in job "a"
flow.json:9:57: error: no node has the tag "dbs"; did you mean "@db"?
    9 |       {"job_id": "a", "cmd": "", "hosts": ["db[10-12]", "@dbs", "web1", "db[3-1]"]},
      |                                                         ^^^^^^
      = in job "a"
flow.json:9:65: error: unknown node "web1"
    9 | …  {"job_id": "a", "cmd": "", "hosts": ["db[10-12]", "@dbs", "web1", "db[3-1]"]},
      |                                                              ^^^^^^
      = with --any-host, hosts that are no nodes are taken with the defaults
      = in job "a"
flow.json:9:77: error: host set "db[3-1]": the range runs backwards; write [1-3]
    9 | … "a", "cmd": "", "hosts": ["db[10-12]", "@dbs", "web1", "db[3-1]"]},
      |                                                              ^^^
      = in job "a"
flow.json:10:7: error: the job has no "job_id"
   10 |       {"cmd": ["x"], "hosts": [], "success_constraint": "101%", "p…
      |       ^
flow.json:10:15: error: cmd is a command line, not a list
   10 |       {"cmd": ["x"], "hosts": [], "success_constraint": "101%", "paralleli…
      |               ^^^^^
flow.json:10:31: error: hosts is empty; a job runs on one host at least
   10 |       {"cmd": ["x"], "hosts": [], "success_constraint": "101%", "parallelism": "0", "timeo…
      |                               ^^
flow.json:10:57: error: success_constraint is a percentage from 1% to 100%, not "101%"
   10 |       {"cmd": ["x"], "hosts": [], "success_constraint": "101%", "parallelism": "0", "timeout": -1,
      |                                                         ^^^^^^
flow.json:10:80: error: parallelism is a count of 1 or more, not "0"
   10 | …, "hosts": [], "success_constraint": "101%", "parallelism": "0", "timeout": -1,
      |                                                              ^^^
flow.json:10:96: error: timeout is a number of seconds like 90, or a time like 5m, not "-1"
   10 | …success_constraint": "101%", "parallelism": "0", "timeout": -1,
      |                                                              ^^
flow.json:11:19: error: retries counts the first attempt too: 1 means no retry, 0 would be never
   11 |        "retries": "0"}
      |                   ^^^
flow.json:13:5: error: the slot has no "jobs"
   13 |     {"slots": []},
      |     ^^^^^^^^^^^^^
flow.json:13:6: error: unknown key "slots"
   13 |     {"slots": []},
      |      ^^^^^^^
      = the keys of a slot are slot_id, jobs
flow.json:14:5: error: a slot is a mapping of settings, not a list
   14 |     []
      |     ^^
"#,
    );
}

#[test]
fn a_job_needs_a_name_a_command_and_hosts() {
    assert_told(
        r#"{"job_flow": [{"jobs": [{}, {"job_id": "b", "cmd": null, "hosts": "db1"}, "x"]}]}"#,
        r#"
flow.json:1:25: error: the job has no "job_id"
    1 | {"job_flow": [{"jobs": [{}, {"job_id": "b", "cmd": null, "hosts": "db1"}, "x"]}]}
      |                         ^^
flow.json:1:25: error: the job has no "cmd"
    1 | {"job_flow": [{"jobs": [{}, {"job_id": "b", "cmd": null, "hosts": "db1"}, "x"]}]}
      |                         ^^
flow.json:1:25: error: the job has no "hosts"
    1 | {"job_flow": [{"jobs": [{}, {"job_id": "b", "cmd": null, "hosts": "db1"}, "x"]}]}
      |                         ^^
flow.json:1:45: error: "cmd" has no value
    1 | {"job_flow": [{"jobs": [{}, {"job_id": "b", "cmd": null, "hosts": "db1"}, "x"]}]}
      |                                             ^^^^^
      = in job "b"
flow.json:1:75: error: a job is a mapping of settings, not a single value
    1 | …{"jobs": [{}, {"job_id": "b", "cmd": null, "hosts": "db1"}, "x"]}]}
      |                                                              ^^^
"#,
    );
}

#[test]
fn shares_are_strict() {
    for key in ["success_constraint", "parallelism"] {
        for (written, expected) in [
            ("0", "a count of 1 or more"),
            ("'0%'", "a percentage from 1% to 100%"),
            ("101%", "a percentage from 1% to 100%"),
            ("'150 %'", "a percentage from 1% to 100%"),
            ("1.5", "a whole number like 2 or a whole percentage like 50%"),
            ("-1", "a whole number like 2 or a whole percentage like 50%"),
            ("half", "a whole number like 2 or a whole percentage like 50%"),
            ("true", "a whole number like 2 or a whole percentage like 50%"),
        ] {
            let shown = written.trim_matches('\'');
            let said = format!("error: {key} is {expected}, not \"{shown}\"");
            assert_eq!(of_job(&format!("{key}: {written}")), said);
        }
    }
    assert_eq!(
        of_job("success_constraint: [1]"),
        "error: success_constraint is a single value, not a list"
    );
    assert_eq!(of_job("parallelism: []"), "error: parallelism has 1 to 20 steps, not 0");
    assert_eq!(
        of_job("parallelism: [1, 200%]"),
        "error: a step of parallelism is a percentage from 1% to 100%, not \"200%\""
    );
    assert_eq!(
        of_job("success_constraint: 2"),
        "warning: success_constraint is 2, but the job has only 1 host: all of them"
    );
}

#[test]
fn times_and_attempts() {
    for (written, said) in [
        ("0", "is more than 0 seconds, not \"0\"; leave it out to wait for ever"),
        ("0.0001", "is more than 0 seconds, not \"0.0001\"; leave it out to wait for ever"),
        ("-5", "is a number of seconds like 90, or a time like 5m, not \"-5\""),
        ("1e3", "is a number of seconds like 90, or a time like 5m, not \"1e3\""),
        ("nan", "is a number of seconds like 90, or a time like 5m, not \"nan\""),
        ("400d", "is 365d at most, not \"400d\""),
        ("99999999999999999999999", "is 365d at most, not \"99999999999999999999999\""),
        ("''", "is a number of seconds like 90, or a time like 5m, not \"\""),
        ("{}", "is a single value, not a mapping"),
    ] {
        assert_eq!(of_job(&format!("timeout: {written}")), format!("error: timeout {said}"));
    }
    assert_eq!(
        of_job("retries: 0"),
        "error: retries counts the first attempt too: 1 means no retry, 0 would be never"
    );
    assert_eq!(of_job("retries: 101"), "error: retries is 1 to 100, not 101");
    assert_eq!(of_job("retries: -1"), "error: retries is a whole number, not \"-1\"");
    assert_eq!(of_job("retries: two"), "error: retries is a whole number, not \"two\"");
    // One mistake does not hide another.
    assert_eq!(of_job("timeout: x, retries: 0, success_constraint: 0").lines().count(), 3);
}

#[test]
fn hosts() {
    let any = "with --any-host, hosts that are no nodes are taken with the defaults";
    let text = r#"{"job_flow": [{"jobs": [{"job_id": "a", "cmd": "x", "hosts":
["bd1", "db[9-12]", "fe[101-300/2],db1", "@ap", "@x", "db[5-1]", "db[1-3", "", null, {}]
}]}]}"#;
    let told = told(text);
    let heads = told.lines().filter_map(|line| line.strip_prefix("flow.json:2:"));
    let heads: Vec<&str> = heads.collect();
    assert_eq!(
        heads,
        [
            "2: error: unknown node \"bd1\"; did you mean \"db1\"?",
            "9: error: unknown node \"db11\" (of \"db[9-12]\"), nor 1 more; did you mean \"db1\"?",
            "21: error: unknown node \"fe101\" (of \"fe[101-300/2],db1\"), nor 99 more; did you \
             mean \"fe10\"?",
            "42: error: no node has the tag \"ap\"; did you mean \"@api\"?",
            "49: error: no node has the tag \"x\"",
            "59: error: host set \"db[5-1]\": the range runs backwards; write [1-5]",
            "69: error: host set \"db[1-3\": a bracket is opened and never closed",
            "77: error: host set \"\": a name is missing here",
            "80: error: hosts holds single values, not nothing",
            "86: error: hosts holds single values, not a mapping",
        ]
    );
    assert_eq!(told.matches(any).count(), 3);
    assert_eq!(of_job("hosts: []"), "error: hosts is empty; a job runs on one host at least");
    assert_eq!(of_job("hosts: {}"), "error: hosts holds single values, not a mapping");
}

/// With `--any-host` too.
#[test]
fn what_no_host_is_called() {
    for (name, problem) in [
        ("-oProxyCommand=x", "begins with \"-\", which ssh would take for an option"),
        ("a b", "contains a blank"),
        ("a%h", "contains \"%\", which ssh would expand"),
        ("root@a", "contains \"@\"; which user logs in is for ssh_config or the nodes file to say"),
        ("ssh://a", "contains a character that no host name has"),
        ("a;reboot", "contains a character that no host name has"),
        ("a\u{202e}b", "contains a control character"),
    ] {
        let text = format!("job_flow: [{{jobs: [{{job_id: a, cmd: x, hosts: \"{name}\"}}]}}]");
        let found = read(&text, true).unwrap_err();
        assert_eq!(found.len(), 1);
        let message = &found[0].message;
        assert!(message.starts_with("host \"") && message.ends_with(problem), "{message}");
    }
}

#[test]
fn commands() {
    assert_eq!(of_job("cmd: ' '"), "error: cmd is empty");
    assert_eq!(of_job("cmd: {}"), "error: cmd is a command line, not a mapping");
    assert_eq!(
        of_job("cmd: \"a\\0b\""),
        "error: cmd contains a NUL character, which no command line can"
    );
    assert_eq!(of_job(&format!("cmd: {}", "x".repeat(64 << 10))), "");
    assert_eq!(
        of_job(&format!("cmd: {}", "x".repeat((64 << 10) + 1))),
        "error: cmd is longer than 64 KiB"
    );
}

#[test]
fn names() {
    assert_eq!(of_job("job_id: ''"), "error: the name of a job is empty: \"\"");
    assert_eq!(
        of_job("job_id: ' a'"),
        "error: the name of a job begins or ends with a blank: \" a\""
    );
    assert_eq!(of_job("job_id: [a]"), "error: the name of a job is a single value, not a list");
}

#[test]
fn the_file_as_a_whole() {
    for (text, said) in [
        ("", "flow.json: error: is empty; a job flow has at least \"job_flow\""),
        ("# only words\n", "flow.json: error: is empty; a job flow has at least \"job_flow\""),
        (
            "[]",
            "flow.json:1:1: error: a job flow is a mapping; its slots stand under the key \
             \"job_flow\"",
        ),
        (
            "job_flow",
            "flow.json:1:1: error: a job flow is a mapping of settings, not a single value",
        ),
        ("{}", "flow.json:1:1: error: a job flow has no \"job_flow\""),
        ("{\"job_flow\": {}}", "flow.json:1:14: error: job_flow is a list of slots, not a mapping"),
        (
            "{\"job_flow\": []}",
            "flow.json:1:14: error: job_flow is empty; it needs one slot at least",
        ),
        ("{\"job_flow\": null}", "flow.json:1:2: error: \"job_flow\" has no value"),
        (
            "{\"job_flow\": [{\"jobs\": {}}]}",
            "flow.json:1:24: error: jobs is a list of jobs, not a mapping",
        ),
        (
            "{\"job_flow\": [\n  {\"jobs\": [{\"job_id\": \"a\"}]\n",
            "flow.json:2:3: error: \"{\" is opened here and never closed",
        ),
        ("{\"job_flow\": []}}", "flow.json:1:17: error: neither JSON nor YAML: misplaced bracket"),
        ("\0", "flow.json:1:1: error: control character U+0000 is not allowed in YAML"),
    ] {
        assert_eq!(told(text).lines().next(), Some(said));
    }
}

#[test]
fn too_much() {
    let job = |id| format!("{{job_id: {id}, cmd: x, hosts: db1}}");
    let jobs = |count| (0..count).map(job).collect::<Vec<_>>().join(", ");
    assert!(read(&format!("job_flow: [{{jobs: [{}]}}]", jobs(1000)), false).is_ok());
    let found = read(&format!("job_flow: [{{jobs: [{}]}}]", jobs(1002)), false).unwrap_err();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].message, "more than 1000 jobs in one flow");
    let hosts = |id| format!("{{job_id: {id}, cmd: x, hosts: 'n[1-10000]'}}");
    let flow = |count| {
        format!("job_flow: [{{jobs: [{}]}}]", (0..count).map(hosts).collect::<Vec<_>>().join(", "))
    };
    assert!(read(&flow(10), true).is_ok());
    let found = read(&flow(11), true).unwrap_err();
    assert_eq!(found[0].message, "the jobs of a flow have at most 100000 hosts");
}

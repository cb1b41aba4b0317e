//! Files of flows: read or explained, soon, and without much memory. What is read from JSON is
//! what any other reader of JSON finds there, and what is accepted can be carried out.

use std::collections::BTreeMap;

use loom::config::roadrunner::{Given, Hosts, Written, read_flow};
use loom::flow::plan;
use loom::job::flow::{MAX_COMMAND, MAX_JOBS, MAX_UNITS};
use loom::job::policy::Share;
use proptest::prelude::*;
use serde_json::Value;

use crate::meter::{KB, MB, bounded};
use crate::mutate;
use crate::runner::fuzz;

const JSON: &str = r#"{
	"default_job_timeout": "600", "default_retries": 2,
	"job_flow": [
		{"slot_id": "1", "jobs": [
			{"job_id": "pkg1", "cmd": "install pkg1 || \"no\" \u00e9", "hosts": ["db[1-10]"],
			 "success_constraint": "80%", "retries": "3"},
			{"job_id": 2, "cmd": "install pkg2", "hosts": ["api[1-4]", "@api"],
			 "success_constraint": 5, "parallelism": ["1", "10%"], "timeout": 30}]},
		{"slot_id": 2, "jobs": [
			{"job_id": "restart", "cmd": "apachectl restart", "hosts": "db1", "parallelism": "50%"}]}
	]
}
"#;

const YAML: &str = "\
default_retries: 2
job_flow:
  - slot_id: 1
    jobs:
      - &job
        job_id: pkg1
        cmd: >-
          install
          pkg1
        hosts: ['db[1-10]', '@api']
        success_constraint: 80%
      - {<<: *job, job_id: pkg2, timeout: 5m, parallelism: [1, 10%]}
  - jobs: [{job_id: restart, cmd: \"a\\tb\", hosts: db1, retries: 100}]
";

const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "'",
    "\\",
    "\\u0000",
    "\\ud800",
    "\n",
    "\t",
    "\r",
    "\0",
    "# ",
    "- ",
    "&a ",
    "*a",
    "*job",
    "<<: ",
    "!!int ",
    "---\n",
    "null",
    "true",
    "0",
    "-1",
    "1e9",
    "101%",
    "0%",
    "100%",
    "4294967296",
    "99999999999999999999",
    "\"job_flow\": ",
    "\"jobs\": ",
    "\"job_id\": ",
    "\"cmd\": ",
    "\"hosts\": ",
    "\"hosts\": \"db2\",",
    "\"timeout\": ",
    "\"retries\": ",
    "\"parallelism\": ",
    "\"success_constraint\": ",
    "db[1-10000]",
    "[1-10000]",
    "@api",
    "@",
    "-x",
    "\u{feff}",
    "\u{202e}",
    "\x1b[2J",
    "\u{85}",
    "\u{2028}",
];

fn nodes() -> BTreeMap<String, Vec<String>> {
    let names = |name: &'static str, count| (1..=count).map(move |n| format!("{name}{n}"));
    let db = names("db", 10).map(|name| (name, Vec::new()));
    db.chain(names("api", 6).map(|name| (name, vec!["api".to_owned()]))).collect()
}

/// Of 1000 jobs with hosts of 10,000 names each, 100,000 are taken in.
const MEMORY: usize = 96 * MB;

fn read(bytes: &[u8], any: bool) -> Option<Given> {
    let nodes = nodes();
    let hosts = Hosts { nodes: Some(&nodes), any };
    let shown = String::from_utf8_lossy(bytes);
    let read = bounded(&shown, MEMORY + 60 * bytes.len(), || {
        read_flow(Written::Bytes { shown: "f", bytes: bytes.to_vec() }, hosts)
    });
    let steers = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    let (given, found) = match read {
        Ok(given) => {
            let warnings = given.warnings.clone();
            (Some(given), warnings)
        }
        Err(found) => {
            assert!(found.iter().any(|diagnostic| diagnostic.is_error()), "refused without a word");
            (None, found)
        }
    };
    for diagnostic in &found {
        let shown = diagnostic.to_string();
        assert!(!shown.contains(steers), "{shown:?}");
    }
    given.iter().for_each(|given| can_be_carried_out(given, &nodes, any));
    given
}

/// Neither the gateway nor the parent has anything to say against it.
fn can_be_carried_out(given: &Given, nodes: &BTreeMap<String, Vec<String>>, any: bool) {
    let request = &given.request;
    let jobs: Vec<_> = request.slots.iter().flatten().collect();
    assert!(!request.slots.is_empty() && request.slots.iter().all(|slot| !slot.is_empty()));
    assert!(jobs.len() <= MAX_JOBS);
    for job in &jobs {
        assert!(!job.job.is_empty() && job.job.len() <= 200);
        assert_eq!(jobs.iter().filter(|other| other.job == job.job).count(), 1);
        assert!(!job.command.trim().is_empty() && job.command.len() <= MAX_COMMAND);
        assert!(!job.command.contains('\0') && !job.targets.is_empty());
        let shares = job.success.iter().chain(&job.parallel);
        shares.for_each(|share| assert!(share.parse::<Share>().is_ok(), "{share}"));
        assert!(job.attempts.is_some_and(|attempts| (1..=100).contains(&attempts)));
        assert!(job.timeout.is_none_or(|seconds| (0.001..=366.0 * 86_400.0).contains(&seconds)));
    }
    let plan = plan::plan(given.job.flow.as_ref().expect("a flow"), true);
    let planned: Vec<_> = plan.slots.iter().flatten().collect();
    assert_eq!(planned.len(), jobs.len());
    assert!(planned.iter().map(|part| part.targets.len()).sum::<usize>() <= MAX_UNITS);
    for part in planned {
        let total = part.targets.len() as u32;
        assert!(total > 0 && (1..=total).contains(&part.needed), "{part:?}");
        assert!(part.at_once.iter().all(|step| (1..=total).contains(step)), "{part:?}");
        assert!(any || part.targets.iter().all(|name| nodes.contains_key(name)), "{part:?}");
    }
}

/// What another reader of JSON finds, where it finds JSON: commands and hosts, in their order.
fn assert_as_json_has_it(bytes: &[u8], given: &Given) {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let Ok(json) = serde_json::from_slice::<Value>(bytes) else { return };
    let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
    let slots = json["job_flow"].as_array().expect("it was accepted");
    assert_eq!(slots.len(), given.request.slots.len());
    for (slot, jobs) in slots.iter().zip(&given.request.slots) {
        let written = slot["jobs"].as_array().expect("it was accepted");
        assert_eq!(written.len(), jobs.len());
        for (written, job) in written.iter().zip(jobs) {
            assert_eq!(text(&written["cmd"]), job.command);
            assert_eq!(text(&written["job_id"]), job.job);
            match &written["hosts"] {
                Value::Array(hosts) if hosts.iter().all(Value::is_string) => {
                    assert_eq!(hosts.iter().map(text).collect::<Vec<_>>(), job.targets);
                }
                Value::String(host) => assert_eq!(std::slice::from_ref(host), job.targets),
                // Lists within lists are flattened.
                _ => {}
            }
        }
    }
}

#[test]
fn what_is_taken_for_sound_is() {
    let given = read(JSON.as_bytes(), false).expect("sound");
    assert_as_json_has_it(JSON.as_bytes(), &given);
    assert!(read(YAML.as_bytes(), false).is_some());
}

#[test]
fn mutated_files_are_read_or_explained() {
    fuzz((any::<bool>(), any::<bool>(), mutate::ops(WORDS)), |(json, any, ops)| {
        let mut bytes = if json { JSON } else { YAML }.as_bytes().to_vec();
        mutate::apply(&mut bytes, &ops);
        read(&bytes, any).iter().for_each(|given| assert_as_json_has_it(&bytes, given));
    });
}

#[test]
fn files_of_all_pieces_are_read_or_explained() {
    let words = prop::collection::vec(prop::sample::select(WORDS), 0..60);
    fuzz((words, any::<bool>()), |(words, any)| drop(read(words.concat().as_bytes(), any)));
}

#[test]
fn arbitrary_bytes_are_read_or_explained() {
    let bytes = prop::collection::vec(any::<u8>(), 0..400);
    fuzz((bytes, any::<bool>()), |(bytes, any)| drop(read(&bytes, any)));
}

#[test]
fn files_made_to_hurt() {
    let job =
        |n: usize| format!("{{\"job_id\": {n}, \"cmd\": \"x\", \"hosts\": [\"h[1-10000]\"]}}");
    let jobs = |count: usize| (0..count).map(job).collect::<Vec<_>>().join(",");
    let flow = |jobs: &str| format!("{{\"job_flow\": [{{\"jobs\": [{jobs}]}}]}}");
    assert!(read(flow(&jobs(10)).as_bytes(), true).is_some());
    let hosts = vec!["\"h[1-10000]\""; 100].join(",");
    let laughs =
        "a: &a [db1, db1]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: &d [*c, *c]\ne: &e [*d, *d]\n";
    for text in [
        flow(&jobs(1000)),
        flow(&jobs(5000)),
        flow(&format!("{{\"job_id\": 1, \"cmd\": \"x\", \"hosts\": [{hosts}]}}")),
        flow(&format!("{{\"job_id\": 1, \"cmd\": \"{}\", \"hosts\": [\"db1\"]}}", "x".repeat(MB))),
        "[".repeat(100 * KB),
        "{\"job_flow\": ".repeat(10 * KB),
        "{\"a\":1,".repeat(10 * KB),
        "\"".repeat(100 * KB),
        format!("{laughs}job_flow: [{{jobs: [{{job_id: x, cmd: x, hosts: [*e, *e]}}]}}]"),
        "job_flow: &a [*a]\n".to_owned(),
        "\u{feff}\u{feff}{}".to_owned(),
    ] {
        read(text.as_bytes(), true);
        read(text.as_bytes(), false);
    }
}

//! Roadrunner's job flow as it is accepted; what is refused of it is with the mistakes.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use crate::api::flow::Plan;
use crate::cli::screen::{self, Screen};
use crate::config::diagnostic::Diagnostic;
use crate::config::roadrunner::{Given, Hosts, Written, read_flow};
use crate::flow::plan;
use crate::job::flow::FLOW;

/// The nodes of Roadrunner's document.
pub fn nodes() -> BTreeMap<String, Vec<String>> {
    let mut nodes = BTreeMap::new();
    for (name, count) in [("db", 10), ("api", 6), ("fe", 100)] {
        for number in 1..=count {
            nodes.insert(format!("{name}{number}"), vec![name.to_owned()]);
        }
    }
    nodes
}

pub fn read(text: &str, any: bool) -> Result<Given, Vec<Diagnostic>> {
    let nodes = nodes();
    let hosts = Hosts { nodes: Some(&nodes), any };
    read_flow(Written::Bytes { shown: "flow.json", bytes: text.into() }, hosts)
}

/// Every message, warnings included.
pub fn told(text: &str) -> String {
    let all = match read(text, false) {
        Ok(given) => given.warnings,
        Err(found) => found,
    };
    all.iter().map(Diagnostic::to_string).collect()
}

#[track_caller]
fn given(text: &str) -> Given {
    match read(text, false) {
        Ok(given) => given,
        Err(found) => panic!("{}", found.iter().map(Diagnostic::to_string).collect::<String>()),
    }
}

fn planned(given: &Given) -> Plan {
    plan::plan(given.job.flow.as_ref().unwrap(), true)
}

/// Every key, numbers as numbers and as strings, tabs, and a byte order mark.
const JSON: &str = "\u{feff}{
\t\"default_job_timeout\": \"600\",
\t\"default_retries\": 2,
\t\"job_flow\": [
\t\t{\"slot_id\": \"1\", \"jobs\": [
\t\t\t{\"job_id\": \"1\", \"cmd\": \"apt-get -y install pkg1 || \\\"no\\\"\", \"hosts\": [\"db[1-10]\"],
\t\t\t \"success_constraint\": \"80%\", \"retries\": \"3\"},
\t\t\t{\"job_id\": 2, \"cmd\": \"install pkg2\", \"hosts\": [\"api[1-4]\", \"api5\", \"api[5-6]\"],
\t\t\t \"success_constraint\": 5, \"parallelism\": \"2\", \"timeout\": 30}
\t\t]},
\t\t{\"slot_id\": 2, \"jobs\": [
\t\t\t{\"job_id\": \"restart\", \"cmd\": \"apachectl restart\", \"hosts\": [\"fe[1-100]\"],
\t\t\t \"parallelism\": \"50%\", \"timeout\": \"1.5\", \"retries\": 1}
\t\t]}
\t]
}
";

const YAML: &str = r#"
# The same.
default_job_timeout: 600
default_retries: 2
job_flow:
  - slot_id: 1
    jobs:
      - job_id: 1
        cmd: apt-get -y install pkg1 || "no"
        hosts: ["db[1-10]"]
        success_constraint: 80%
        retries: 3
      - {job_id: 2, cmd: install pkg2, hosts: ["api[1-4]", api5, "api[5-6]"],
         success_constraint: 5, parallelism: 2, timeout: 30}
  - jobs:
      - job_id: restart
        cmd: >-
          apachectl
          restart
        hosts: "fe[1-100]"
        parallelism: 50%
        timeout: 1.5
        retries: 1
"#;

#[test]
fn json_and_yaml_say_the_same() {
    let given = given(JSON);
    assert!(given.warnings.is_empty(), "{:?}", given.warnings);
    assert!(given.strangers.is_empty());
    assert_eq!(given.request, self::given(YAML).request);
    assert_eq!(given.job, self::given(YAML).job);

    let request = &given.request;
    assert_eq!((request.from.as_str(), request.any_host), ("flow.json", false));
    let [one, two] = &request.slots[0][..] else { panic!("{request:?}") };
    assert_eq!(one.job, "1");
    assert_eq!(one.command, "apt-get -y install pkg1 || \"no\"");
    assert_eq!(one.targets, ["db[1-10]"]);
    assert_eq!((one.timeout, one.attempts), (Some(600.0), Some(3)));
    assert_eq!(one.success.as_deref(), Some("80%"));
    assert_eq!(two.targets, ["api[1-4]", "api5", "api[5-6]"], "as they are written");
    assert_eq!((two.timeout, two.attempts), (Some(30.0), Some(2)));
    assert_eq!((two.success.as_deref(), &two.parallel[..]), (Some("5"), &["2".to_owned()][..]));
    assert_eq!(request.slots[1][0].timeout, Some(1.5));
}

#[test]
fn the_plan_has_the_rounded_numbers() {
    let Plan { any_host: false, slots, resumed: None } = planned(&given(JSON)) else { panic!() };
    let [[one, two], [restart]] = [&slots[0][..], &slots[1][..]] else { panic!("{slots:?}") };
    assert_eq!((one.job.as_str(), one.targets.len(), one.needed), ("@flow/1", 10, 8));
    assert_eq!((&one.at_once[..], one.attempts), (&[10][..], 3));
    assert_eq!((two.targets.len(), two.needed, &two.at_once[..]), (6, 5, &[2][..]));
    assert_eq!((restart.needed, &restart.at_once[..]), (100, &[50][..]));
    assert_eq!(restart.command.as_deref(), Some("apachectl restart"));
}

#[test]
fn what_is_not_said_is_all_of_it_and_once() {
    let text = r#"{"job_flow": [{"jobs": [{"job_id": "a", "cmd": "true", "hosts": ["@db"],
        "timeout": null, "parallelism": null}]}]}"#;
    let given = given(text);
    let job = &given.request.slots[0][0];
    assert_eq!(job.success.as_deref(), Some("100%"));
    assert_eq!((&job.parallel[..], job.timeout, job.attempts), (&[][..], None, Some(1)));
    let slots = planned(&given).slots;
    assert_eq!((slots[0][0].needed, &slots[0][0].at_once[..]), (10, &[10][..]));
    assert_eq!(slots[0][0].targets[..2], ["db1", "db10"], "as the daemon resolves a tag");
}

#[test]
fn a_whole_number_of_json_may_have_a_fraction_of_nothing() {
    let with = |numbers: &str| {
        format!(
            r#"{{"job_flow": [{{"jobs": [{{"job_id": "1.0", "cmd": "x 2.0", "hosts": ["@fe"],
                 {numbers}}}]}}]}}"#
        )
    };
    let numbers = r#""retries": 2.0, "success_constraint": 90.00, "parallelism": [1.0, "10%"]"#;
    let given = given(&with(numbers));
    let job = &given.request.slots[0][0];
    assert_eq!((job.job.as_str(), job.command.as_str(), job.attempts), ("1.0", "x 2.0", Some(2)));
    assert_eq!(job.success.as_deref(), Some("90"));
    assert_eq!(job.parallel, ["1", "10%"]);
    for odd in ["2.5", "\"2.0\"", "2.", "-2.0", "0.0", "2.0.0"] {
        assert!(read(&with(&format!("\"retries\": {odd}")), false).is_err(), "{odd}");
    }
    // In YAML somebody has written it by hand.
    let yaml = "job_flow: [{jobs: [{job_id: a, cmd: x, hosts: '@fe', retries: 2.0}]}]";
    assert!(read(yaml, false).is_err());
}

#[test]
fn parallelism_may_have_steps_and_a_timeout_a_unit() {
    let text = "job_flow: [{jobs: [{job_id: a, cmd: x, hosts: '@fe', parallelism: [1, 10%, 50],
                timeout: 5m}]}]";
    let given = given(text);
    let job = &given.request.slots[0][0];
    assert_eq!(
        (&job.parallel[..], job.timeout),
        (&["1", "10%", "50"].map(String::from)[..], Some(300.0))
    );
    assert_eq!(planned(&given).slots[0][0].at_once, [1, 10, 50]);
}

#[test]
fn any_host_takes_what_is_no_node_and_says_which() {
    let text =
        "job_flow: [{jobs: [{job_id: a, cmd: x, hosts: ['db[9-11]', other.example.com, '@api']}]}]";
    let given = read(text, true).unwrap();
    assert!(given.request.any_host);
    let strangers: Vec<&str> = given.strangers.iter().map(String::as_str).collect();
    assert_eq!(strangers, ["db11", "other.example.com"]);
    let flow = given.job.flow.unwrap();
    assert!(flow.any_host);
    assert_eq!(flow.slots[0][0].job.targets[..4], ["db9", "db10", "db11", "other.example.com"]);
    assert_eq!(flow.slots[0][0].job.targets.len(), 10);
}

#[test]
fn a_key_twice_counts_as_it_did_for_roadrunner() {
    let text = "{\"job_flow\": [{\"jobs\": [{\"job_id\": \"a\", \"cmd\": \"first\",\n \"cmd\": \"last\",\n \
                \"hosts\": [\"db1\"]}]}]}\n";
    let given = given(text);
    assert_eq!(given.request.slots[0][0].command, "last");
    assert_eq!(given.warnings.len(), 1, "{:?}", given.warnings);
    let warning = given.warnings[0].to_string();
    assert!(warning.starts_with("flow.json:1:41: warning: duplicate key \"cmd\"\n"), "{warning}");
    assert!(warning.contains("the last one counts, as for Roadrunner: flow.json:2"), "{warning}");
    // In YAML it is a mistake, as in every file.
    let twice = "job_flow: [{jobs: [{job_id: a, cmd: x, cmd: y, hosts: db1}]}]\n";
    assert!(told(twice).contains("1:40: error: duplicate key \"cmd\""), "{}", told(twice));
}

#[test]
fn slots_run_as_they_are_written() {
    let flow = |ids: [&str; 3]| {
        let slot = |id| format!("{{slot_id: {id}, jobs: [{{job_id: j{id}, cmd: x, hosts: db1}}]}}");
        format!("job_flow:\n{}", ids.map(|id| format!("  - {}\n", slot(id))).concat())
    };
    assert_eq!(told(&flow(["1", "'2'", "10"])), "");
    assert_eq!(told(&flow(["b", "a", "1"])), "", "names have no order");
    let jumbled = flow(["1", "3", "2"]);
    assert_eq!(
        told(&jumbled),
        "flow.json:4:15: warning: slots run in the order they are written, by slot_id: 1, 3, 2\n    \
         4 |   - {slot_id: 2, jobs: [{job_id: j2, cmd: x, hosts: db1}]}\n      |               ^\n"
    );
    let names = given(&jumbled).request.slots;
    assert_eq!(
        names.iter().map(|slot| slot[0].job.as_str()).collect::<Vec<_>>(),
        ["j1", "j3", "j2"]
    );
}

#[test]
fn without_nodes_no_name_is_wrong_and_the_rest_is() {
    let text = "job_flow: [{jobs: [{job_id: a, cmd: x, hosts: [what, '@ever']}]}]";
    let read = |text: &str| {
        let bytes = Written::Bytes { shown: "-", bytes: text.into() };
        read_flow(bytes, Hosts::default())
    };
    assert!(read(text).is_ok());
    assert_eq!(read(&text.replace("cmd", "cdm")).unwrap_err().len(), 2);
}

#[test]
fn a_file_is_read_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("flow.json");
    std::fs::write(&file, JSON).unwrap();
    let nodes = nodes();
    let hosts = Hosts { nodes: Some(&nodes), any: false };
    assert_eq!(read_flow(Written::File(&file), hosts).unwrap().request.slots.len(), 2);
    for (path, said) in [
        (
            Path::new("/nowhere/flow.json"),
            "/nowhere/flow.json: error: cannot be read: no such file",
        ),
        (dir.path(), "error: cannot be read: not a regular file"),
    ] {
        let found = read_flow(Written::File(path), hosts).unwrap_err();
        assert!(found[0].to_string().contains(said), "{}", found[0]);
    }
}

#[test]
fn the_documents_example_is_sound_and_its_plan_is_what_it_says() {
    let document = include_str!("../../../docs/commands.md");
    let block = |language: &str, with: &str| {
        let fence = format!("```{language}\n");
        let mut blocks = document.split(fence.as_str()).skip(1);
        let found = blocks.find_map(|rest| rest.split("```").next().filter(|b| b.contains(with)));
        found.expect("it is in the document").to_owned()
    };
    let given = given(&block("json", "\"job_flow\""));
    assert!(given.warnings.is_empty(), "{:?}", given.warnings);
    let plan = planned(&given);
    let screen = Screen::pipe(Timestamp::UNIX_EPOCH);
    let shown = screen::plan::plan(FLOW, &plan, &screen);
    let size = screen::plan::size(&plan);
    let told =
        format!("$ loom flow run deploy.json --dry-run\n{shown}{size}; nothing was started\n");
    assert_eq!(told, block("console", "--dry-run"));
}

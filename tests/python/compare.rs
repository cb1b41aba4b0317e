//! Our Fabric against fab-classic: the cases of `cases/` run as a job under the one and the other,
//! on the same node, and what came of each must be the same.
//!
//! Where it is meant to be otherwise, [`DIFFERENCES`] says why.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value};

use super::examples;
use crate::harness::skip::skip;
use crate::harness::{Farm, Site, fabric, process};

/// What came of each case, by its name; each a mapping of what is told.
type Answers = BTreeMap<String, Map<String, Value>>;

/// Some hundred cases, on a busy machine.
const LIMIT: Duration = Duration::from_secs(900);

const ECHO: &str = "the terminal shows nothing of what is typed, which may be a password";
const SUDO: &str = "a file is copied by the worker, not put aside and moved by another command";
const WHAT: &str = "says what is wrong, where SFTP says no more than `Failure`";

/// Case, what of it differs, and the reason. None may stand here that does not differ.
const DIFFERENCES: &[(&str, &[&str], &str)] = &[
    ("commands.prompts", &["out", "value"], ECHO),
    ("rights.answered_by_password", &["out", "value"], ECHO),
    ("rights.answered_by_sudo_password", &["out", "value"], ECHO),
    (
        "contexts.settings_with_managers_that_fail",
        &["value"],
        "what was entered is left when one of several managers cannot be",
    ),
    ("getting.missing_with_rights", &["err", "exit"], SUDO),
    ("putting.with_rights_below_nothing", &["err", "exit"], SUDO),
    ("getting.missing_with_warning", &["value"], "no empty file is left here"),
    ("putting.from_memory_into_a_directory", &["err", "exit"], WHAT),
    ("putting.from_an_open_file_into_a_directory", &["err", "exit"], WHAT),
    (
        "locally.not_text",
        &["raised", "value"],
        "output that is not UTF-8 is replaced, as that of the node",
    ),
    ("names.disconnecting", &["out"], "the connection is the worker's"),
];

/// Those of which fab-classic itself says now this, now that.
const PERHAPS: &[(&str, &str)] = &[
    ("rights.answered_without_echo", "the echo ends before or after the answer is typed"),
    ("commands.to_one_file", "each of the two streams is read to its end by a thread"),
];

#[test]
fn a_fabfile_cannot_tell_it_from_fab_classic() {
    let test = "a_fabfile_cannot_tell_it_from_fab_classic";
    let Some(python) = fabric::python() else { return skip(test, fabric::MISSING) };
    let sudo = Command::new("sudo").args(["-n", "true"]).output();
    if !sudo.is_ok_and(|output| output.status.success()) {
        return skip(test, "sudo asks for a password, or is missing");
    }
    let farm = Farm::start(1);
    let (ours, theirs) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| answers(&farm, &python, "fab-classic"));
        (answers(&farm, &python, "loom"), theirs.join().unwrap())
    });
    let wrong = compared(&ours, &theirs);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), ours.len(), wrong.join("\n"));
    let (otherwise, perhaps) = (DIFFERENCES.len(), PERHAPS.len());
    let told = format!(
        "{} cases, of which {otherwise} differ on purpose and {perhaps} cannot be compared",
        ours.len()
    );
    println!("{told}");
    examples::chapter_says(&told);
}

/// What came of the cases under this bridge. The interpreter is the same for each, and so are the
/// modules that it has.
fn answers(farm: &Farm, python: &Path, bridge: &str) -> Answers {
    let site = Site::empty();
    // A name that nothing else contains.
    site.write("nodes.yaml", &farm.node_yaml("the-node", farm.node("n1")));
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python");
    let report = site.path("report.json");
    site.write_job(
        "cases",
        &format!(
            "task: cases.compare\nargs: [{report}]\nkwargs: {{key: {key}}}\n\
             pythonpath: [{cases}]\nanswers: {{'Name?': Ada, 'Nothing?': '', 'Number?': '42'}}\n\
             targets: [the-node]\nbridge: {bridge}\npython: {python}",
            report = report.display(),
            key = farm.identity().display(),
            python = python.display(),
        ),
    );
    let output = process::run(&mut site.loom(&["once", "cases"]), LIMIT);
    assert!(output.status.success(), "{bridge}: {}", process::said(&output));
    let answers: Answers = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
    assert!(answers.len() > 300, "{} cases only", answers.len());
    answers
}

/// A line or two for each case that is not as it should be.
fn compared(ours: &Answers, theirs: &Answers) -> Vec<String> {
    let mut wrong = Vec::new();
    let nothing = Map::new();
    let names = ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name)));
    for name in names.filter(|name| !PERHAPS.iter().any(|(perhaps, _)| perhaps == name)) {
        let of = |answers: &Answers| answers.get(name).cloned().unwrap_or(nothing.clone());
        let (ours, theirs) = (of(ours), of(theirs));
        let known = DIFFERENCES.iter().find(|(case, _, _)| case == name);
        let known = known.map_or(&[][..], |(_, fields, _)| fields);
        for field in ["value", "raised", "exit", "out", "err"] {
            let (ours, theirs) = (ours.get(field), theirs.get(field));
            match (ours == theirs, known.contains(&field)) {
                (true, false) | (false, true) => {}
                (true, true) => wrong.push(format!("{name}: {field} does not differ any more")),
                (false, false) => wrong.push(format!(
                    "{name}: {field}\n  fab-classic {}\n  ours        {}",
                    shown(theirs),
                    shown(ours)
                )),
            }
        }
    }
    let differences = DIFFERENCES.iter().map(|(case, _, _)| case);
    for case in differences.chain(PERHAPS.iter().map(|(case, _)| case)) {
        if !ours.contains_key(*case) {
            wrong.push(format!("{case}: there is no such case"));
        }
    }
    wrong
}

fn shown(value: Option<&Value>) -> String {
    value.map_or("nothing".into(), Value::to_string)
}

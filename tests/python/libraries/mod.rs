//! fabtools and cuisine, function by function: what each call does and returns under our Fabric,
//! and what under fab-classic, on two nodes that were alike before the first call.
//!
//! The calls stand in `*.calls`, `libraries.py` makes them, and docs/fabric-comparison.md shows
//! what came of them: `LOOM_WRITE_TABLE=1` writes it anew.

mod node;
mod outcome;
mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use loom::python::Bridge;

use crate::harness::skip::skip;
use crate::harness::{Site, fabric, process};
use node::Node;
use outcome::{Calls, Comparison, Outcomes};

/// Some hundred calls, a few commands each.
const LIMIT: Duration = Duration::from_secs(500);
const LIBRARIES: [(&str, &str); 2] = [("fabtools", "0.20.0"), ("cuisine", "0.7.15")];
/// The directories that hold their modules, in the same order.
const MODULES: [&str; 2] = ["libraries/fabtools-0.20.0", "libraries/cuisine-0.7.15/src"];

#[test]
#[ignore = "takes minutes: part of `make test-full`"]
fn libraries_cannot_tell_the_bridge_from_fabric() {
    if fabric::python().is_none() {
        return skip("libraries", fabric::MISSING);
    }
    if let Some(reason) = node::refused() {
        return skip("libraries", &format!("no throwaway node: {reason}"));
    }
    let before = machine();
    let comparisons = LIBRARIES.map(|(library, version)| {
        let calls = Calls::read(&here().join(format!("{library}.calls")));
        let [loom, classic] = std::thread::scope(|scope| {
            let runs = Bridge::ALL.map(|bridge| scope.spawn(move || run(library, bridge)));
            runs.map(|run| run.join().unwrap())
        });
        Comparison::new(library, version, calls, loom, classic)
    });
    for comparison in &comparisons {
        print!("{}", comparison.told());
    }
    assert!(machine() == before, "a call has reached past its node, to this machine");
    table::hold(&comparisons);
    let wrong: String = comparisons.iter().flat_map(Comparison::wrong).collect();
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// All calls of the library, on a node of their own.
fn run(library: &str, bridge: Bridge) -> Outcomes {
    let node = Node::start(if bridge == Bridge::Loom { 211 } else { 212 });
    let site = Site::empty();
    site.write("nodes.yaml", &node.yaml());
    let report = site.path("report");
    let list = |paths: &[PathBuf]| {
        let quoted: Vec<String> = paths.iter().map(|path| format!("{path:?}")).collect();
        quoted.join(", ")
    };
    let [fabtools, cuisine] = MODULES.map(fabric::below);
    site.write_job(
        "calls",
        &format!(
            "task: libraries.calls\nargs: [{library}]\n\
             kwargs: {{report: {report:?}, log: {log:?}, key: {key:?}}}\n\
             targets: [node]\ntimeout: {limit}\nbridge: {bridge}\npython: {python:?}\n\
             pythonpath: [{path}]",
            log = node.witnessed(),
            key = node.identity(),
            limit = LIMIT.as_secs(),
            bridge = bridge.as_str(),
            python = fabric::python().unwrap(),
            path = list(&[here(), fabtools, cuisine]),
        ),
    );
    let output = process::run(&mut site.loom(&["once", "calls"]), LIMIT);
    let said = || {
        let text = process::said(&output);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    };
    assert!(output.status.success(), "{library} under {}:\n{}", bridge.as_str(), said());
    Outcomes::read(&report, node.changes())
}

/// What the calls change on a node: who there is, and what is in place.
fn machine() -> Vec<Vec<u8>> {
    let files = ["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/hosts"];
    let held = files.map(|file| std::fs::read(file).unwrap_or_default());
    let listed = ["/etc", "/etc/sudoers.d", "/etc/apt", "/etc/cron.d", "/srv", "/usr/local/sbin"];
    let names = listed.map(|dir| {
        let entries = std::fs::read_dir(dir).into_iter().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        format!("{names:?}").into_bytes()
    });
    held.into_iter().chain(names).collect()
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/libraries")
}

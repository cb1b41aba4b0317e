//! That nothing is missing: every name of `every_name.py` is imported and used in one unit.

use crate::harness::process::said;
use crate::harness::{Farm, Site};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python");

#[test]
fn every_name_is_there_and_does_something() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_job(
        "names",
        &format!(
            "task: every_name.check\npythonpath: [{CASES}]\ntargets: [n1]\nanswers:\n  \
             'What is it?': an answer\n  'Key:': v\n  'Sure?': 'yes'\n  'Really? [Y/n]': 'no'"
        ),
    );
    let output = site.once(&["names"]);
    let said = said(&output);
    let missing: Vec<&str> = said.lines().filter(|line| line.contains("missing: ")).collect();
    assert!(output.status.success(), "{missing:#?}\n{said}");
}

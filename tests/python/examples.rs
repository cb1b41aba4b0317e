//! What those who move from Fabric are shown: the example module, on a real node, and the chapter.

use std::fs;
use std::path::Path;

use crate::harness::process::said;
use crate::harness::{Farm, Site};

/// What each version is to leave behind, and what is said.
#[test]
fn the_example_of_fabric_tasks_does_what_it_says() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let root = farm.node("n1").evidence().join("loom-example");
    let module = include_str!("../../config-examples/deploy.py");
    let elsewhere =
        module.replace("\"loom-example\"", &format!("{:?}", root.display().to_string()));
    assert_ne!(module, elsewhere);
    site.write("deploy.py", &elsewhere);
    site.write_job("report", "task: deploy.report\ntargets: n1");
    for version in ["1.0", "1.1", "1.2"] {
        let call = format!("task: deploy.release\nargs: ['{version}']\nkwargs: {{keep: 2}}");
        site.write_job(version, &format!("{call}\ntargets: n1"));
    }
    let once = |job: &str| {
        let output = site.once(&[job]);
        let all = said(&output);
        assert!(output.status.success(), "{job}: {all}");
        all
    };

    assert!(once("report").contains("none"));
    for version in ["1.0", "1.1", "1.2", "1.2"] {
        assert!(once(version).contains(&format!(" has {version}")));
    }
    assert!(once("report").contains("1.2"));
    assert_eq!(fs::read_link(root.join("current")).unwrap(), Path::new("1.2"));
    assert_eq!(fs::read_to_string(root.join("1.2/deploy.py")).unwrap(), elsewhere);
    assert_eq!(fs::read_to_string(root.join("releases.log")).unwrap(), "1.0\n1.1\n1.2\n");
    let mut left: Vec<_> =
        fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["1.1", "1.2", "current", "releases.log"]);
}

/// A figure of its own has to stand in the chapter, however its lines are broken.
pub fn chapter_says(figure: &str) {
    let chapter = include_str!("../../docs/fabric.md");
    let words: Vec<&str> = chapter.split_whitespace().collect();
    assert!(words.join(" ").contains(figure), "docs/fabric.md does not say: {figure}");
}

/// A message that is worded anew is to be found there in its new words.
#[test]
fn the_chapter_explains_messages_as_they_are_said() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(sources.join(name)).unwrap();
    let chapter = read("docs/fabric.md");
    let (_, chapter) = chapter.split_once("\n## When something goes wrong\n").unwrap();
    let bridge = "worker/python/common/loom_bridge";
    let fabric = "worker/python/fabric1/fabric";
    for (file, message) in [
        (format!("{bridge}/inspect/calls.py"), "Fabric is not installed for this Python"),
        (format!("{bridge}/inspect/source.py"), "is written for Python 2"),
        (format!("{bridge}/inspect/source.py"), "syntax error: "),
        (format!("{bridge}/modules.py"), "there is no module "),
        (format!("{fabric}/_node.py"), "this unit works on "),
        (format!("{fabric}/_node.py"), "env asks for "),
        (format!("{fabric}/_answers.py"), "nobody is there to answer "),
        (format!("{fabric}/_answers.py"), "; put the answer into the job: answers: {"),
        (format!("{fabric}/_node.py"), " cannot be had under "),
        ("worker/src/python/mod.rs".into(), " on the scheduler's machine"),
        ("worker/src/python/mod.rs".into(), "the interpreter ended in the middle of the task"),
        ("worker/src/ssh/feed.rs".into(), "sudo asks for a password, and none is configured"),
    ] {
        assert!(read(&file).contains(message), "{file} does not say {message:?} any more");
        assert!(chapter.contains(message), "docs/fabric.md does not explain {message:?}");
    }
}

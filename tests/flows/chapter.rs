//! docs/flows.md: what it shows can be used, and comes to the numbers it names.

use std::fs;
use std::path::Path;

use loom::api::flow::Plan;
use loom::config::Config;
use loom::flow::plan;
use loom::protocol::frame;

use crate::harness::{SOON, Site, process};

const NODES: &str = "db[1-10]: {user: me}\napi[1-6]: {user: me}\nfe[1-100]: {user: me}\n";

/// What stands between fences of this language in a file of the repository.
fn blocks(file: &str, language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(path).unwrap();
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1).filter_map(|rest| rest.split_once("```"));
    blocks.map(|(block, _)| block.to_owned()).collect()
}

/// What the flow of this name in a manifest comes to; panics with what `loom check` says of it.
fn plan_of(manifest: &str, flow: &str) -> Plan {
    let site = Site::empty();
    site.write("nodes.yaml", NODES);
    site.write("jobs/flows.yaml", manifest);
    let check = |args: &[&str]| {
        let output = process::run(&mut site.loom(args), SOON);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{said}\n{manifest}");
        output.stdout
    };
    check(&["check"]);
    let frame = check(&["check", "--frame"]);
    let config: Config = frame::read(&mut frame.as_slice(), frame::CONFIG_CAP).unwrap().unwrap();
    plan::plan(config.jobs[flow].flow.as_ref().expect("a flow"), false)
}

/// Of each job: how many must succeed, of how many, and how many at once.
fn numbers(plan: &Plan) -> Vec<Vec<(u32, usize, &[u32])>> {
    let slots = plan.slots.iter().map(|slot| {
        slot.iter().map(|job| (job.needed, job.targets.len(), &job.at_once[..])).collect()
    });
    slots.collect()
}

#[test]
fn the_manifests_of_the_chapter_are_sound_and_mean_what_it_says() {
    let manifests = blocks("docs/flows.md", "yaml");
    let [deploy, named, canary, rescued] = &manifests[..] else { panic!("{manifests:?}") };
    let deploy = plan_of(deploy, "deploy");
    let expected: [&[(u32, usize, &[u32])]; 2] =
        [&[(8, 10, &[10]), (6, 6, &[6])], &[(100, 100, &[50])]];
    assert_eq!(numbers(&deploy), expected);
    assert_eq!(numbers(&plan_of(named, "deploy")), expected);
    let canary = plan_of(canary, "restart");
    assert_eq!(numbers(&canary), [[(95, 100, &[1, 10, 50, 100][..])]]);
    let rescued = plan_of(rescued, "deploy");
    let rescues: Vec<_> = rescued.slots.iter().flatten().map(|job| job.rescue.is_some()).collect();
    assert_eq!(rescues, [false, true, false]);
}

#[test]
fn the_deployment_of_the_readme_is_sound() {
    let manifests = blocks("README.md", "yaml");
    let deploy = manifests.iter().find(|text| text.contains("flows:")).expect("a flow");
    let expected: [&[(u32, usize, &[u32])]; 2] =
        [&[(8, 10, &[10]), (6, 6, &[6])], &[(100, 100, &[1, 10, 50])]];
    assert_eq!(numbers(&plan_of(deploy, "deploy")), expected);
}

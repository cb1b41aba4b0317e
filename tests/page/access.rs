//! What axe-core finds: nothing serious, in any view, by day or by night.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::SOON;
use crate::harness::skip::skip;
use crate::shape::addresses;
use crate::{Browser, Scene};

#[test]
fn axe_finds_nothing_serious() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe/axe.min.js");
    let Ok(axe) = std::fs::read_to_string(&path) else {
        skip("axe_finds_nothing_serious", "there is no axe-core; `make axe` gets it");
        return;
    };
    let Some(browser) = Browser::start("axe_finds_nothing_serious") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    for job in ["breaks", "rollout"] {
        let run = daemon.run(job);
        daemon.ledger().wait_for_run(job, run, SOON);
    }
    browser.open(&scene.url(""));
    browser.until("document.querySelector('#token') !== null");
    let mut found = look(&browser, &axe, "sign-in");
    scene.sign_in(&browser, &scene.token("admin", &[]));
    for (name, address, whole) in addresses(&scene) {
        for dark in [false, true] {
            browser.dark(dark);
            browser.open(&address);
            browser.run("location.reload()", &[]);
            browser.until(whole);
            let name = format!("{name}{}", if dark { ", dark" } else { "" });
            found.extend(look(&browser, &axe, &name));
        }
    }
    browser.open(&scene.url("#/jobs/breaks"));
    browser.press("Run with…");
    browser.until("document.querySelector('dialog[open]') !== null");
    found.extend(look(&browser, &axe, "a dialog"));
    assert!(found.is_empty(), "{}", found.join("\n"));
    daemon.stop();
}

fn look(browser: &Browser, axe: &str, view: &str) -> Vec<String> {
    browser.run(axe, &[]);
    let only = json!({ "resultTypes": ["violations"] });
    let results = browser.run("return axe.run(document, arguments[0])", &[only]);
    let violations = results["violations"].as_array().expect("axe has looked");
    let serious =
        |found: &&Value| ["serious", "critical"].iter().any(|bad| found["impact"] == *bad);
    let told = |found: &Value| {
        let first = &found["nodes"][0];
        format!("{view}: {}: {} {}", found["id"], first["html"], first["failureSummary"])
    };
    violations.iter().filter(serious).map(told).collect()
}

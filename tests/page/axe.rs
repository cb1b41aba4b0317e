//! axe-core: what it holds against a view, for who uses it otherwise than by eye and mouse.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::Browser;
use crate::harness::skip::skip;

pub struct Axe {
    source: String,
}

impl Axe {
    /// `None` if there is none on this machine, which is reported.
    pub fn get(test: &str) -> Option<Axe> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe/axe.min.js");
        let source = fs::read_to_string(path).ok();
        if source.is_none() {
            skip(&format!("{test}: axe"), "there is no axe-core; `make axe` gets it");
        }
        source.map(|source| Axe { source })
    }

    /// What is serious in the view that is open, a line for each.
    pub fn look(&self, browser: &Browser, view: &str) -> Vec<String> {
        // It is half a megabyte; until the page is loaded anew, it is there.
        if browser.value("window.axe === undefined") == true {
            browser.run(&self.source, &[]);
        }
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
}

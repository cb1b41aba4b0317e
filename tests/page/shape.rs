//! On a phone, in the dark, and by keyboard alone.

use serde_json::json;

use crate::browser::{PHONE, WIDE};
use crate::harness::SOON;
use crate::{Browser, Scene};

/// Each view, and what is there once it is whole.
pub const VIEWS: [(&str, &str, &str); 9] = [
    ("overview", "#/", "document.querySelector('.timeline li') !== null"),
    ("jobs", "#/jobs", "document.querySelector('tbody th') !== null"),
    (
        "job",
        "#/jobs/breaks",
        "document.querySelector('.heat') !== null && document.querySelector('.due') !== null",
    ),
    ("runs", "#/runs", "document.querySelector('tbody th') !== null"),
    ("run", "#/runs/RUN", "document.querySelector('.line') !== null"),
    ("flow", "#/runs/FLOW", "document.querySelectorAll('.slot').length === 3"),
    ("nodes", "#/nodes", "document.querySelector('tbody th') !== null"),
    ("node", "#/nodes/n2", "document.querySelector('.heat') !== null"),
    ("audit", "#/audit", "document.querySelector('tbody th') !== null"),
];

pub fn addresses(scene: &Scene) -> Vec<(&'static str, String, &'static str)> {
    let last =
        |job: &str| scene.get(&format!("runs?job={job}&limit=1"))["items"][0]["id"].to_string();
    let (run, flow) = (last("breaks"), last("rollout"));
    let address = |hash: &str| scene.url(&hash.replace("RUN", &run).replace("FLOW", &flow));
    VIEWS.map(|(name, hash, whole)| (name, address(hash), whole)).into()
}

#[test]
fn it_fits_a_phone_and_the_dark() {
    let Some(browser) = Browser::start("it_fits_a_phone_and_the_dark") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    for job in ["breaks", "rollout"] {
        let run = daemon.run(job);
        daemon.ledger().wait_for_run(job, run, SOON);
    }
    scene.sign_in(&browser, &scene.token("admin", &[]));
    let back = "getComputedStyle(document.documentElement).backgroundColor";
    let light = browser.value(back);
    for (name, address, whole) in addresses(&scene) {
        browser.open(&address);
        browser.until(whole);
        browser.size(PHONE);
        let wide = "document.documentElement.scrollWidth > innerWidth";
        assert_eq!(browser.value(wide), json!(false), "{name} is wider than a phone");
        browser.screenshot(&format!("{name}-phone"));
        browser.size(WIDE);
        browser.dark(true);
        assert_ne!(browser.value(back), light, "{name} is not dark");
        browser.screenshot(&format!("{name}-dark"));
        browser.dark(false);
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn a_keyboard_is_enough() {
    const TAB: &str = "\u{e004}";
    const DOWN: &str = "\u{e015}";
    const UP: &str = "\u{e013}";
    const ENTER: &str = "\u{e007}";
    let Some(browser) = Browser::start("a_keyboard_is_enough") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    scene.sign_in(&browser, &scene.token("viewer", &[]));
    browser.open(&scene.url("#/jobs"));
    browser.run("location.reload()", &[]);
    browser.until_text("6 jobs");
    let here = "document.activeElement.textContent";
    browser.keys(TAB);
    assert_eq!(browser.value(here), "Skip to content");
    // It is to be seen where one is.
    browser.until("getComputedStyle(document.activeElement).outlineStyle !== 'none'");
    browser.keys(ENTER);
    browser.until("document.activeElement.id === 'main'");
    assert_eq!(browser.value("location.hash"), "#/jobs");
    browser.keys("/");
    browser.until("document.activeElement.id === 'f-name'");
    for (key, name) in [(DOWN, "breaks"), (DOWN, "greet"), (DOWN, "off"), (UP, "greet")] {
        browser.keys(key);
        browser.until(&format!("{here} === '{name}'"));
    }
    browser.keys(ENTER);
    browser.until_text("Says hello.");
    assert_eq!(browser.value("location.hash"), "#/jobs/greet");
    daemon.stop();
}

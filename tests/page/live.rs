//! What happens is seen as it happens, and what one does is done.

use crate::harness::SOON;
use crate::{Browser, Scene};

#[test]
fn a_job_is_run_followed_and_cancelled() {
    let Some(browser) = Browser::start("a_job_is_run_followed_and_cancelled") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    scene.sign_in(&browser, &scene.token("operator", &[]));
    browser.press("Jobs");
    browser.press("ticks");
    browser.press("Run now");
    browser.until("document.querySelector('dialog[open]') !== null");
    browser.press("Run it");
    // It leads to the run, whose lines come by themselves.
    browser.until("/^#\\/runs\\/[0-9]+$/.test(location.hash)");
    browser.until_text("tick 3");
    browser.until_text("tick 12");
    browser.until_text("running");
    browser.screenshot("live");
    // One node's alone.
    browser.press("n1");
    browser.until_text("tick 20");

    browser.press("Cancel the run");
    browser.until("document.querySelector('dialog[open]') !== null");
    browser.press("Do nothing");
    browser.until("document.querySelector('dialog') === null");
    assert_eq!(scene.get("runs?job=ticks")["items"][0]["state"], "running");
    browser.press("Cancel the run");
    browser.run("document.querySelector('dialog button[type=submit]').click()", &[]);
    browser.until("document.querySelector('.facts').innerText.includes('cancelled')");
    // Who cannot see it is told.
    browser.until("document.querySelector('#news').textContent.includes('cancelled')");
    let run = scene.get("runs?job=ticks")["items"][0].clone();
    assert_eq!(run["state"], "cancelled");
    assert!(run["by"].as_str().unwrap().starts_with("token:operator"), "{run}");
    // Nothing more can be cancelled, but it can be tried again.
    browser.until_text("Retry what did not succeed");
    assert!(!browser.text().contains("Cancel the run"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn what_runs_and_what_failed_is_told_without_loading_anew() {
    let Some(browser) = Browser::start("what_runs_and_what_failed") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    scene.sign_in(&browser, &scene.token("viewer", &[]));
    browser.until_text("Nothing runs.");
    browser.until("document.querySelector('.live').textContent === 'live'");
    let ticks = daemon.run("ticks");
    browser.until(&format!("document.querySelector('a[href=\"#/runs/{ticks}\"]') !== null"));
    browser.until_text("1 busy of");
    let breaks = daemon.run("breaks");
    daemon.ledger().wait_for_run("breaks", breaks, SOON);
    browser.until("[...document.querySelectorAll('table')].some(t => t.caption.textContent === 'What failed' && t.innerText.includes('breaks'))");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn a_switch_is_thrown_and_a_failed_run_is_tried_again() {
    let Some(browser) = Browser::start("a_switch_is_thrown") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    let run = daemon.run("breaks");
    daemon.ledger().wait_for_run("breaks", run, SOON);
    scene.sign_in(&browser, &scene.token("operator", &[]));
    browser.open(&scene.url("#/jobs/breaks"));
    browser.press("Disable");
    browser.run("document.querySelector('dialog button[type=submit]').click()", &[]);
    browser.until_text("switched off by token:operator");
    assert_eq!(scene.get("jobs/breaks")["enabled"], false);
    browser.press("Enable");
    browser.run("document.querySelector('dialog button[type=submit]').click()", &[]);
    browser.until("!document.body.innerText.includes('switched off by')");
    assert_eq!(scene.get("jobs/breaks")["enabled"], true);

    browser.open(&scene.url(&format!("#/runs/{run}")));
    browser.press("Retry what did not succeed");
    browser.run("document.querySelector('dialog button[type=submit]').click()", &[]);
    browser.until(&format!("location.hash !== '#/runs/{run}'"));
    browser.until_text(&format!("run {run}"));
    browser.until("document.querySelector('.facts').innerText.includes('failed')");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

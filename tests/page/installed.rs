//! The page of a daemon that somebody has installed: tests/package says which, and has given it the
//! jobs `hello` and `long`.

use std::env;

use crate::Browser;
use crate::browser::{PHONE, WIDE};

#[test]
#[ignore = "make package-test runs it, beside a daemon that the package has installed"]
fn the_installed_page_runs_a_job_and_cancels_another() {
    let Some(browser) = Browser::start("the_installed_page") else { return };
    let url = env::var("LOOM_PAGE").expect("LOOM_PAGE is the page's address");
    let token = env::var("LOOM_PAGE_TOKEN").expect("LOOM_PAGE_TOKEN is an operator's token");
    browser.open(&url);
    browser.until("document.querySelector('#token') !== null");
    look(&browser, "sign-in");
    browser.write("#token", &token);
    browser.press("Sign in");
    browser.until("document.querySelector('nav') !== null");
    browser.until("document.querySelector('.live').textContent === 'live'");

    begin(&browser, "hello");
    browser.until_text("hello from deploy");
    browser.until("document.querySelector('.facts').innerText.includes('succeeded')");
    look(&browser, "run");

    begin(&browser, "long");
    browser.until_text("begun");
    browser.press("Cancel the run");
    browser.run("document.querySelector('dialog button[type=submit]').click()", &[]);
    browser.until("document.querySelector('.facts').innerText.includes('cancelled')");

    for (view, link, whole) in [
        ("overview", "Overview", "Nothing runs."),
        ("jobs", "Jobs", "break-out"),
        ("runs", "Runs", "cancelled"),
        ("nodes", "Nodes", "here"),
    ] {
        browser.press(link);
        browser.until_text(whole);
        look(&browser, view);
    }
    browser.press("here");
    browser.until_text("What ran there last");
    look(&browser, "node");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// Runs a job as one does; leads to its run.
fn begin(browser: &Browser, job: &str) {
    browser.press("Jobs");
    browser.press(job);
    browser.until_text("Run now");
    look(browser, "job");
    browser.press("Run now");
    browser.until("document.querySelector('dialog[open]') !== null");
    browser.press("Run it");
    browser.until("/^#\\/runs\\/[0-9]+$/.test(location.hash)");
}

/// Leaves what the view looks like in `target/screenshots`.
fn look(browser: &Browser, view: &str) {
    for (size, of) in [("phone", PHONE), ("wide", WIDE)] {
        browser.size(of);
        for scheme in ["dark", "light"] {
            browser.dark(scheme == "dark");
            browser.settle();
            browser.screenshot(&format!("installed-{view}-{size}-{scheme}"));
        }
    }
}

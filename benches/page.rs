//! The page with 5,000 jobs and 100,000 runs: until the largest part of a view is painted, what the
//! first view fetches, and how long its longest task is while 200 units a second stream by.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::harness::{Daemon, Farm, SOON, until};
use crate::scene::{address, made};
use crate::table::{Table, Target, median};
use crate::{api, sites};

const NODES: usize = 10;
const JOBS: usize = 5000;
const ROUNDS: usize = 5;

const VIEWS: [(&str, &str); 6] = [
    ("overview", "#/"),
    ("jobs", "#/jobs"),
    ("job", "#/jobs/j2500"),
    ("runs", "#/runs"),
    ("run", "#/runs/33333"),
    ("nodes", "#/nodes"),
];

/// Before anything of the page.
const WATCH: &str = "
    window.painted = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.painted = entry.startTime;
    }).observe({ type: 'largest-contentful-paint', buffered: true });";
const FETCHED: &str = "['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind))\
    .reduce((sum, one) => sum + one.transferSize, 0)";

pub fn measure(table: &mut Table) {
    let Some(browser) = Browser::start("bench of the page") else { return };
    let farm = Farm::start(NODES);
    let (site, jobs) = sites::units(&farm, JOBS, "task: loom.run, args: ['true']");
    let address = address();
    site.settings(&format!("max_workers: 10\nlisten: {address}\n"));
    api::fill(&site.statedir(), &jobs, |_| ());
    let daemon = Daemon::start_with_control(&site);
    until("the gateway listens", SOON, || std::net::TcpStream::connect(address).ok());
    let url = |view: &str| format!("http://{address}/{view}");
    let token = made(&site, "bench", "admin", &[]);
    browser.open(&url(""));
    browser.run("sessionStorage.setItem('loom-token', arguments[0])", &[json!(token)]);
    browser.before_pages(WATCH);
    // Nothing but the empty page was looked at: its files, and the view's answers.
    browser.forget();
    browser.run("location.reload()", &[]);
    quiet(&browser);
    let fetched = number(&browser.value(FETCHED)) / 1000.0;
    for (name, view) in VIEWS {
        let mut took = Vec::new();
        for _ in 0..ROUNDS {
            browser.open(&url(view));
            browser.run("location.reload()", &[]);
            quiet(&browser);
            took.push(number(&browser.value("window.painted")));
        }
        table.add(
            &format!("page: {name}, largest paint"),
            median(took),
            " ms",
            Target::AtMost(300.0),
        );
    }
    table.add("page: fetched for the first view", fetched, " kB", Target::AtMost(100.0));
    browser.before_pages(include_str!("../tests/page/busy.js"));
    for (name, view) in [("overview", "#/"), ("run", "#/runs/1")] {
        browser.open(&url(view));
        browser.run("location.reload()", &[]);
        browser.until("document.querySelector('.progress')?.dataset.done > 200");
        browser.run("window.long.length = 0", &[]);
        browser.until("Number(document.querySelector('.progress').dataset.done) > 1500");
        // Shorter ones than of 50 ms are not told.
        let longest = browser.value("Math.max(0, ...window.long.map(([, took]) => took))");
        let measure = format!("page: {name}, longest task at 200 units/s");
        table.add(&measure, number(&longest), " ms", Target::AtMost(50.0));
    }
    drop(daemon);
}

/// Until nothing has been painted for a while.
fn quiet(browser: &Browser) {
    browser.until("window.painted > 0 && performance.now() - window.painted > 1500");
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

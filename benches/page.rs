//! The page with 5,000 jobs and 100,000 runs: until the largest part of each view is painted, what
//! the first view fetches, and how long its longest task is while 200 units a second stream by.
//!
//! Each view is loaded cold: by its address, with nothing kept of what the browser was shown before
//! but its connection. The daemon is warm: it has answered the same before.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp, Zoned};
use loom::api::flow::{OnFailure, Plan, Planned};
use loom::job::flow::Place;
use loom::unit::{Outcome, RunEnd, Trigger};
use serde_json::{Value, json};

use crate::api;
use crate::browser::{Browser, PHONE, WIDE};
use crate::harness::history::{History, Past, PastUnit};
use crate::harness::{Daemon, Farm, SOON, Site, until};
use crate::scene::{address, made};
use crate::table::{Table, Target, median};

const NODES: usize = 10;
const JOBS: usize = 5000;
const ROUNDS: usize = 5;
/// As a phone is.
const SLOWER: u32 = 4;
const WANTED: f64 = 300.0;
/// Units of the large run, and lines of each.
const UNITS: usize = 1000;
const LINES: usize = 30;
/// Told while one looks for long tasks.
const BUSY: u64 = 1300;

/// Each view, and what can be read there once it is whole.
const VIEWS: [(&str, &str, &str); 10] = [
    ("overview", "#/", "Nothing runs"),
    ("jobs", "#/jobs", "5000 jobs"),
    ("job", "#/jobs/j2500", "Median"),
    ("runs", "#/runs", "rollout"),
    ("run", "#/runs/33333", "this is what run 33333 had to say"),
    ("run of 1,000 units", "#/runs/LARGE", "the last line of n1000"),
    ("flow", "#/runs/FLOW", "Slot 4"),
    ("nodes", "#/nodes", "10 nodes"),
    ("node", "#/nodes/n1", "4800 more"),
    ("audit", "#/audit", "added a token"),
];

/// Those that are looked at while much happens.
const STREAMED: [(&str, &str, &str); 4] = [
    ("overview", "#/", "of 3000"),
    ("jobs", "#/jobs", "5000 jobs"),
    ("runs", "#/runs", "rollout"),
    ("run", "#/runs/1", "of 3000"),
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
    let (site, jobs) = site(&farm);
    let address = address();
    site.settings(&format!("max_workers: 10\nlisten: {address}\n"));
    let mut further = [0, 0];
    api::fill(&site.statedir(), &jobs, |history| further = [large(history), flow(history)]);
    let daemon = Daemon::start_with_control(&site);
    until("the gateway listens", SOON, || std::net::TcpStream::connect(address).ok());
    let url = |view: &str| {
        let [large, flow] = further.map(|run| run.to_string());
        format!("http://{address}/{}", view.replace("LARGE", &large).replace("FLOW", &flow))
    };
    let token = made(&site, "bench", "admin", &[]);
    browser.before_pages(WATCH);
    rounds(table, &browser, ROUNDS, "sign-in", &url(""), "Sign in", Some(WANTED));
    browser.run("sessionStorage.setItem('loom-token', arguments[0])", &[json!(token)]);
    let mut fetched = f64::NAN;
    for (name, view, whole) in VIEWS {
        rounds(table, &browser, ROUNDS, name, &url(view), whole, Some(WANTED));
        if name == "overview" {
            fetched = number(&browser.value(FETCHED)) / 1000.0;
        }
    }
    table.add("page: fetched for the first view", fetched, " kB", Target::AtMost(100.0));
    browser.size(PHONE);
    browser.slow_down(SLOWER);
    for (name, view, whole) in VIEWS {
        let name = format!("{name}, phone, {SLOWER} times slower");
        rounds(table, &browser, 3, &name, &url(view), whole, None);
    }
    browser.slow_down(1);
    browser.size(WIDE);
    browser.before_pages(include_str!("../tests/page/busy.js"));
    for (name, view, whole) in STREAMED {
        cold(&browser, &url(view));
        browser.until_text(whole);
        browser.until("window.units > 400");
        browser.run("window.long.length = 0", &[]);
        let told = browser.value("window.units").as_u64().expect("it is counted");
        browser.until(&format!("window.units > {}", told + BUSY));
        // Shorter ones than of 50 ms are not told.
        eprintln!("  {name}: {}", browser.value("window.long"));
        let longest = browser.value("Math.max(0, ...window.long.map(([, took]) => took))");
        let measure = format!("page: {name}, longest task at 200 units/s");
        table.add(&measure, number(&longest), " ms", Target::AtMost(50.0));
    }
    drop(daemon);
}

/// Median and worst of the largest paint.
fn rounds(
    table: &mut Table,
    browser: &Browser,
    rounds: usize,
    name: &str,
    url: &str,
    whole: &str,
    wanted: Option<f64>,
) {
    let once = |_| {
        cold(browser, url);
        browser.until_text(whole);
        // Until nothing has been painted for a while.
        browser.until("window.painted > 0 && performance.now() - window.painted > 1500");
        number(&browser.value("window.painted"))
    };
    // The daemon's own caches are not what is asked here.
    once(0);
    let took: Vec<f64> = (0..rounds).map(once).collect();
    let worst = took.iter().copied().fold(0.0, f64::max);
    eprintln!("  {name}: {took:.0?}");
    let target = wanted.map_or(Target::None, Target::AtMost);
    table.add(&format!("page: {name}, largest paint"), median(took), " ms", target);
    table.add("  the worst of them", worst, " ms", Target::None);
}

fn cold(browser: &Browser, url: &str) {
    browser.open("about:blank");
    browser.forget();
    browser.open(url);
}

/// Jobs that come due all over the day, though not while this measures.
fn site(farm: &Farm) -> (Site, Vec<String>) {
    let site = Site::new(farm);
    let names: Vec<String> = (1..=JOBS).map(|n| format!("j{n}")).collect();
    let targets = farm.names().join(", ");
    let soon = Zoned::now().hour() as usize + 2;
    let mut text = String::from("jobs:\n");
    for (n, name) in names.iter().enumerate() {
        let (minute, hour) = (n % 60, (soon + n / 60 % 22) % 24);
        writeln!(
            text,
            "  {name}: {{task: loom.run, args: ['true'], schedule: '{minute} {hour} * * *', \
             targets: [{targets}], tags: [t{}]}}",
            n % 50
        )
        .unwrap();
    }
    site.write("jobs/all.yaml", &text);
    (site, names)
}

/// Many units that have written much.
fn large(history: &mut History) -> u64 {
    let unit = |n: usize| {
        let mut said = String::new();
        (1..LINES).for_each(|line| writeln!(said, "line {line} of what n{n} has to tell").unwrap());
        writeln!(said, "the last line of n{n}").unwrap();
        let outcome = match n % 100 {
            0 => Outcome::Failed { exit: Some(1) },
            _ => Outcome::Succeeded,
        };
        PastUnit { node: format!("n{n}"), outcome, took: SignedDuration::from_secs(3), said }
    };
    history.run(past("j1", Trigger::Manual, (1..=UNITS).map(unit).collect(), RunEnd::Failed)).0
}

fn flow(history: &mut History) -> u64 {
    let targets: Vec<String> = (1..=100).map(|n| format!("n{n}")).collect();
    let planned = |job: &str| Planned {
        job: format!("rollout/{job}"),
        command: None,
        targets: targets.clone(),
        success: "80%".to_owned(),
        needed: 80,
        parallel: Some("[1, 50%]".to_owned()),
        at_once: vec![1, 50],
        timeout: None,
        attempts: 1,
        on_failure: OnFailure::Stop,
        rescue: None,
    };
    let slots: Vec<Vec<Planned>> = (1..=4)
        .map(|slot| (1..=3).map(|part| planned(&format!("s{slot}p{part}"))).collect())
        .collect();
    let mut parts = Vec::new();
    for (slot, planned) in (1..).zip(&slots) {
        for (part, job) in (1..).zip(planned) {
            let unit = |node: &String| PastUnit {
                node: node.clone(),
                outcome: Outcome::Succeeded,
                took: SignedDuration::from_secs(1),
                said: String::new(),
            };
            let units = job.targets.iter().map(unit).collect();
            let place = Place { slot, part, rescue: 0 };
            parts.push((place, past(&job.job, Trigger::Flow, units, RunEnd::Succeeded)));
        }
    }
    let plan = serde_json::to_string(&Plan { any_host: false, slots, resumed: None }).unwrap();
    let flow = past("rollout", Trigger::Manual, Vec::new(), RunEnd::Succeeded);
    history.flow(flow, plan, parts).0
}

/// Half an hour ago.
fn past(job: &str, trigger: Trigger, units: Vec<PastUnit>, end: RunEnd) -> Past {
    let at = Timestamp::now() - SignedDuration::from_mins(30);
    Past { job: job.to_owned(), trigger, scheduled_at: None, at, by: None, units, end }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

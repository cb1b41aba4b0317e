//! How the last day went, in a sentence and in a picture, and what may be done about all of it.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use loom::store::{Gap, JobEntry, Ledger, OpenUnit, Record};
use loom::unit::{Outcome, Reason, RunEnd, RunId, Trigger, UnitId};
use serde_json::json;

use crate::browser::{PHONE, WIDE};
use crate::harness::{SOON, until};
use crate::{Browser, Scene};

const MINUTES: i64 = 24 * 60;
/// Runs of the last day, before any that a test sets off.
const RUNS: u64 = 12 * 24 + 1000;
const LEFT: &str = "\u{e012}";
const HOME: &str = "\u{e011}";
const END: &str = "\u{e010}";
const ENTER: &str = "\u{e007}";

fn ran(id: u64, job: &str, at: Timestamp, end: RunEnd) -> [Record; 4] {
    let (run, unit) = (RunId(id), UnitId(id));
    let (node, cookie) = ("n1".to_owned(), format!("c-{id}"));
    let outcome = match end {
        RunEnd::Succeeded => Outcome::Succeeded,
        RunEnd::Failed | RunEnd::Cancelled | RunEnd::Lost | RunEnd::Skipped { .. } => {
            Outcome::Failed { exit: Some(1) }
        }
    };
    let opening = Record::OpenRun {
        run,
        job: job.to_owned(),
        trigger: Trigger::Manual,
        scheduled_at: None,
        epoch: 0,
        at,
        by: None,
        retry_of: None,
        command: None,
        within: None,
        plan: None,
        units: vec![OpenUnit { unit, node, attempt: 1, cookie }],
    };
    let closing = Record::CloseUnit {
        unit,
        outcome,
        detail: None,
        result: None,
        output: Default::default(),
        at,
    };
    [opening, Record::StartRun { run, at }, closing, Record::CloseRun { run, end, at }]
}

/// A day of a run every five minutes, a thousand at once, of which one failed, and a gap.
fn past(statedir: &Path) {
    let now = Timestamp::now();
    let ago = |minutes: i64| now - SignedDuration::from_mins(minutes);
    let (mut ledger, _) = Ledger::open(statedir, ago(2 * MINUTES)).unwrap();
    let names = ["greet", "same", "breaks", "ticks", "off", "rollout"];
    let entry = |name: &str| JobEntry {
        name: name.to_owned(),
        schedule: "@yearly".to_owned(),
        timezone: None,
    };
    let jobs = names.map(entry).to_vec();
    let mut records = vec![Record::Jobs { jobs, at: ago(2 * MINUTES) }];
    let mut id = 0;
    let mut add = |job: &str, minutes: i64, end: RunEnd| {
        id += 1;
        records.extend(ran(id, job, ago(minutes), end));
    };
    for nth in 0..12 * 24 {
        let end = match nth {
            30 | 31 => RunEnd::Cancelled,
            60 => RunEnd::Lost,
            nth if nth % 40 == 7 => RunEnd::Failed,
            _ => RunEnd::Succeeded,
        };
        add("same", MINUTES - 2 - 5 * nth, end);
        if nth == 100 {
            (0..999).for_each(|_| add("greet", MINUTES - 500, RunEnd::Succeeded));
            add("greet", MINUTES - 500, RunEnd::Failed);
        }
    }
    let gap = |job: &str, reason, first, last, count| {
        let (first_at, last_at) = (ago(first), ago(last));
        Record::Gap(Gap {
            job: job.to_owned(),
            node: None,
            first_at,
            last_at,
            count,
            epoch: 0,
            reason,
            run: None,
        })
    };
    records.push(gap("breaks", Reason::Overlap, 300, 240, 7));
    records.push(gap("greet", Reason::Disabled, 200, 200, 1));
    for records in records.chunks(2000) {
        ledger.apply(records).unwrap();
    }
    ledger.close().unwrap();
}

#[test]
fn a_day_is_seen_at_a_glance() {
    let Some(browser) = Browser::start("a_day_is_seen_at_a_glance") else { return };
    let scene = Scene::set();
    past(&scene.site.statedir());
    let mut daemon = scene.start();
    scene.sign_in(&browser, &scene.token("admin", &[]));
    browser
        .until_text("Last 24 hours: 1,288 runs, 1,276 succeeded, 9 failed, 1 lost, 2 cancelled.");
    assert_eq!(scene.get("activity")["runs"]["failed"], json!(9));
    assert_eq!(RUNS, 1288);
    // What did not run is told, but not what was switched off.
    browser.until_text("not run breaks 7 times from");
    browser.until_text("the run before still went on");
    assert!(!browser.text().contains("switched off"));
    browser.until("document.querySelectorAll('.stack .b-due').length > 20");

    // One failed run of a thousand is to be seen, at the base line.
    let thousand = "[...document.querySelectorAll('.plane a')].find(a => /: 1,0\\d\\d runs, 1 failed, /.test(a.ariaLabel))";
    browser.until(&format!("{thousand} !== undefined"));
    let failed = browser.value(&format!(
        "(bar => {{ const [at, all] = [bar.querySelector('.b-failed'), bar].map(e => e.getBoundingClientRect()); return at.height >= 5 && at.width >= 5 && Math.abs(at.bottom - all.bottom) < 1 }})({thousand})"
    ));
    assert_eq!(failed, json!(true));
    // What was is left of now, and what comes right of it.
    let sides = "(now => { const x = list => [...document.querySelectorAll(`.plane ol:nth-of-type(${list}) a`)].map(a => a.getBoundingClientRect());
        return x(1).every(r => r.right < now + 3) && x(2).every(r => r.left > now - 3) })(document.querySelector('.now').getBoundingClientRect().left)";
    assert_eq!(browser.value(sides), json!(true));
    // An axis that can be read: its top is not below the highest bar.
    let levels = browser.value("[...document.querySelectorAll('.level')].map(l => l.textContent)");
    assert_eq!(levels, json!(["0", "600", "1,200"]));
    assert!(browser.value("document.querySelectorAll('.marks .day b').length").as_u64() >= Some(1));
    browser.screenshot("day");

    // By keyboard: one stop for Tab, arrows from bar to bar, and words for each.
    let here = "document.activeElement.ariaLabel";
    assert_eq!(browser.value("document.querySelectorAll('.plane a[tabindex=\"0\"]').length"), 1);
    browser.run("document.querySelector('.plane a[tabindex=\"0\"]').focus()", &[]);
    let last = browser.value(here);
    browser.keys(LEFT);
    browser.until(&format!("{here} !== {last} && {here}.includes('succeeded')"));
    browser.until(&format!("document.querySelector('.reading').textContent === {here}"));
    browser.keys(END);
    browser.until(&format!("/ due, of /.test({here})"));
    browser.keys(HOME);
    browser.until(&format!("/succeeded/.test({here})"));
    // It is drawn anew, and stays where one is.
    let run = daemon.run("greet");
    daemon.ledger().wait_for_run("greet", run, SOON);
    let at = browser.value(here);
    browser.until_text("Last 24 hours: 1,289 runs");
    assert_eq!(browser.value(here), at);

    // A bar leads to its runs.
    browser.run(&format!("{thousand}.focus()"), &[]);
    browser.keys(ENTER);
    browser.until("location.hash.startsWith('#/runs?since=')");
    browser.until_text("At any time");
    browser.until("document.querySelectorAll('tbody tr[data-key]').length > 20");
    let listed = "Number(document.querySelector('tbody th a').textContent)";
    assert!(browser.value(listed).as_u64() < Some(1200), "it is not of that time");
    browser.press("At any time");
    browser.until(&format!("{listed} === {run}"));
    assert!(!browser.value("location.hash").as_str().unwrap().contains("since"));

    browser.open(&scene.url("#/"));
    browser.size(PHONE);
    browser.run("location.reload()", &[]);
    browser.until("document.querySelectorAll('.stack .b-due').length > 20");
    // Fewer and wider bars.
    browser.until("document.querySelector('.plane a').getBoundingClientRect().width >= 4 || document.querySelectorAll('.plane a')[5].getBoundingClientRect().width >= 5");
    // To the pixel: a phone shows what is wider smaller, and says that it fits.
    assert_eq!(browser.value("document.documentElement.scrollWidth"), json!(PHONE.0));
    assert_eq!(browser.value("document.querySelector('main').scrollWidth"), json!(PHONE.0));
    browser.screenshot("day-phone");
    browser.size(WIDE);
    browser.dark(true);
    browser.run("location.reload()", &[]);
    browser.until("document.querySelectorAll('.stack .b-due').length > 20");
    browser.screenshot("day-dark");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn who_may_pauses_all_and_reloads() {
    let Some(browser) = Browser::start("who_may_pauses_all_and_reloads") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    let agree = || {
        browser.until("document.querySelector('dialog[open]') !== null");
        browser.run("document.querySelector('dialog button[type=submit]').click()", &[]);
        browser.until("document.querySelector('dialog') === null");
    };
    let paused = |is: bool| {
        until("the pause", SOON, || (scene.get("daemon")["paused"] == is).then_some(()));
    };
    scene.sign_in(&browser, &scene.token("admin", &[]));
    browser.press("Pause all schedules");
    browser.until("document.querySelector('dialog[open]') !== null");
    browser.press("Do nothing");
    // That all is paused may be known after what comes due.
    let late = "const asked = fetch;
        window.fetch = async (url, ...rest) => {
            if (String(url).endsWith('/daemon')) await new Promise((done) => setTimeout(done, 300));
            return asked(url, ...rest);
        };";
    browser.run(late, &[]);
    browser.press("Pause all schedules");
    agree();
    paused(true);
    browser
        .until("document.querySelector('#news').textContent.includes('All schedules are paused.')");
    browser.until("[...document.querySelectorAll('.notice')].some(n => n.innerText === 'All schedules are paused.')");
    assert!(browser.text().contains("Nothing: all schedules are paused."));
    browser.until("document.querySelectorAll('.stack .b-due').length === 0");
    browser.press("Resume all schedules");
    agree();
    paused(false);
    browser.until("document.querySelectorAll('.stack .b-due').length > 20");

    browser.press("Reload");
    agree();
    browser.until_text("The configuration was reloaded: nothing changed");
    browser.screenshot("reloaded");
    browser.press("×");
    browser.until("document.querySelector('.notice') === null");
    let more =
        "jobs:\n  more: {task: loom.run, args: ['true'], schedule: '@daily', targets: [n1]}\n";
    scene.site.write("jobs/more.yaml", more);
    browser.press("Reload");
    agree();
    // The daemon may just have seen for itself that there is another file.
    browser.until_text("The configuration was reloaded: ");
    assert_eq!(scene.get("jobs/more")["name"], "more");
    scene.site.write("jobs/more.yaml", "jobs:\n  more: {task: loom.rnu}\n");
    browser.press("Reload");
    agree();
    browser.until("[...document.querySelectorAll('[role=alert]')].some(said => said.textContent.includes('more.yaml'))");
    browser.until_text("The last reload was refused");

    // It takes an admin of all jobs.
    for (role, jobs) in [("operator", &[][..]), ("viewer", &[]), ("admin", &["gr*"])] {
        browser.press("Sign out");
        scene.sign_in(&browser, &scene.token(role, jobs));
        browser.until_text("Last 24 hours:");
        browser.until_text("Daemon");
        let text = browser.text();
        assert!(!text.contains("Pause all") && !text.contains("Reload"), "{role}: {text}");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

//! What happens is seen as it happens, and what one does is done.

use nix::sys::signal::Signal;

use crate::harness::{SOON, api, until};
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

    let noted = "const asked = fetch;
        window.posted = [];
        window.fetch = (url, with_) => {
            if (with_?.method === 'POST') posted.push(String(url));
            return asked(url, with_);
        };";
    browser.run(noted, &[]);
    browser.press("Cancel the run");
    browser.until("document.querySelector('dialog[open]') !== null");
    browser.press("Do nothing");
    browser.until("document.querySelector('dialog') === null");
    assert_eq!(browser.value("posted.length"), 0);
    browser.press("Cancel the run");
    browser.run("document.querySelector('dialog button[type=submit]').click()", &[]);
    browser.until("document.querySelector('.facts').innerText.includes('cancelled')");
    // Who cannot see it is told.
    browser.until("document.querySelector('#news').textContent.includes('cancelled')");
    let run = scene.get("runs?job=ticks")["items"][0].clone();
    assert_eq!(run["state"], "cancelled");
    assert!(run["by"].as_str().unwrap().starts_with("token:operator"), "{run}");
    // Nothing more can be cancelled, but it can be tried again.
    browser.until_text("Retry nodes that did not succeed (1)");
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
    until("the switch", SOON, || (scene.get("jobs/breaks")["enabled"] == false).then_some(()));
    browser.press("Enable");
    browser.run("document.querySelector('dialog button[type=submit]').click()", &[]);
    browser.until("!document.body.innerText.includes('switched off by')");
    until("the switch", SOON, || (scene.get("jobs/breaks")["enabled"] == true).then_some(()));

    browser.open(&scene.url(&format!("#/runs/{run}")));
    // Why it is as it is, in words.
    browser.until_text(&format!("run {run} failed"));
    browser.press("Retry failed nodes (1)");
    browser.run("document.querySelector('dialog button[type=submit]').click()", &[]);
    browser.until(&format!("location.hash !== '#/runs/{run}'"));
    browser.until_text(&format!("run {run}"));
    browser.until("document.querySelector('.facts').innerText.includes('failed')");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn a_gateway_that_is_killed_costs_no_line_and_no_news() {
    let Some(browser) = Browser::start("a_gateway_that_is_killed") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    scene.sign_in(&browser, &scene.token("viewer", &[]));
    let ticks = daemon.run("ticks");
    browser.open(&scene.url(&format!("#/runs/{ticks}")));
    browser.until_text("tick 10");
    let before = daemon.gateways();
    for gateway in &before {
        gateway.signal(Signal::SIGKILL);
    }
    browser.until("document.querySelector('.live').textContent === 'reconnecting'");
    browser.until("document.querySelector('.live').textContent === 'live'");
    let lines = "[...document.querySelectorAll('.line')].map(line => Number(line.textContent.split(' ')[1]))";
    let until = browser.until(&format!("Math.max(...{lines}) + 20")).as_u64().unwrap();
    browser.until(&format!("Math.max(...{lines}) >= {until}"));
    // Each once, and in order.
    browser.until(&format!("{lines}.every((tick, at) => tick === at + 1)"));
    api::ask(&scene.site, "POST", &format!("runs/{ticks}/cancel"), None).unwrap();
    browser.until("document.querySelector('.facts').innerText.includes('cancelled')");
    daemon.stop();
}

#[test]
fn of_much_output_the_end_is_there_first() {
    let Some(browser) = Browser::start("of_much_output_the_end") else { return };
    let jobs = "jobs:\n  much:\n    task: loom.run\n    args: ['seq -f \"line %.0f of many\" 1 5000']\n    \
                schedule: '@yearly'\n    targets: [n1]\n";
    let scene = Scene::with(jobs);
    let mut daemon = scene.start();
    let run = daemon.run("much");
    daemon.ledger().wait_for_run("much", run, SOON);
    scene.sign_in(&browser, &scene.token("viewer", &[]));
    browser.open(&scene.url(&format!("#/runs/{run}?node=n1")));
    browser.until_text("line 5000 of many");
    // At its end, and without what is far from it.
    browser.until("(box => box.scrollTop + box.clientHeight >= box.scrollHeight - 30)(document.querySelector('.output'))");
    let first = "document.querySelector('.line').textContent";
    browser.until(&format!("{first} > 'line 2'"));
    let earlier =
        "[...document.querySelectorAll('button')].find(b => b.textContent.startsWith('Earlier'))";
    for _ in 0..20 {
        if browser.value(&format!("{earlier} === undefined")) == true {
            break;
        }
        let begun = browser.value(first);
        browser.run(&format!("{earlier}.click()"), &[]);
        browser.until(&format!("{first} !== {begun}"));
    }
    assert_eq!(browser.value(first), "line 1 of many");
    let whole = "[...document.querySelectorAll('.line')].every((line, at) => line.textContent === `line ${at + 1} of many`)";
    assert_eq!(browser.value(whole), true);
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

/// A browser has six connections to a host, and a tab on a run that goes on holds two.
#[test]
fn tabs_that_nobody_looks_at_hold_up_none() {
    let Some(browser) = Browser::start("tabs_that_nobody_looks_at") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    let run = daemon.run("ticks");
    let token = scene.token("viewer", &[]);
    for tab in 0..6 {
        // Further ones are told the token by the first.
        if tab > 0 {
            browser.another_tab();
        } else {
            scene.sign_in(&browser, &token);
        }
        browser.open(&scene.url(&format!("#/runs/{run}")));
        browser.until_text("tick 5");
        browser.until("document.querySelector('.live').textContent === 'live'");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn a_flow_is_followed_slot_by_slot_and_taken_up() {
    let Some(browser) = Browser::start("a_flow_is_followed") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    scene.sign_in(&browser, &scene.token("operator", &[]));
    browser.open(&scene.url("#/jobs/rollout"));
    browser.press("Run now");
    browser.run("document.querySelector('dialog button[type=submit]').click()", &[]);
    // It comes to its end before one's eyes.
    browser.until("document.querySelectorAll('.p-succeeded').length === 2");
    browser.until("document.querySelectorAll('.p-failed').length === 1");
    browser.until_text("That ended it in slot 2 of 3.");
    browser.press("Retry from slot 2");
    browser.run("document.querySelector('dialog button[type=submit]').click()", &[]);
    browser.until_text("slot 2 of 3");
    browser.until_text("done before");
    browser.until("document.querySelectorAll('.p-failed').length === 1");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

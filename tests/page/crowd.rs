//! Runs on many nodes, and what is to be done about those where it went wrong.

use std::fmt::Write;

use serde_json::json;

use crate::browser::{PHONE, WIDE};
use crate::harness::{SOON, until};
use crate::parts::part;
use crate::{Axe, Browser, Scene};

const JOBS: &str = r#"
jobs:
  patch:
    description: Brings the packages of the fleet up to date.
    task: fabric.api.local
    args: ["case $LOOM_NODE in w*3) echo no space left >&2; exit 3;; w07) sleep 600;; *) echo up to date;; esac"]
    schedule: '0 3 * * *'
    targets: ["w[01-40]"]
  back:
    task: loom.run
    args: ["echo put back"]
    schedule: '@never'
    targets: [n1]
flows:
  rollout:
    schedule: '@never'
    slots:
      - [{job: back}]
      - - name: web
          task: fabric.api.local
          args: ["case $LOOM_NODE in w*3) exit 3;; *) echo fine;; esac"]
          targets: ["w[01-20]"]
          success: 95%
          parallel: [1, 10%, 50%]
          on_failure: {rescue: back, then: stop}
        - {job: back, on_failure: continue}
      - [{job: back}]
"#;

/// A scene whose n1 is reached under forty names more.
fn scene() -> Scene {
    let scene = Scene::with(JOBS);
    let mut nodes = std::fs::read_to_string(scene.site.path("nodes.yaml")).unwrap();
    let n1 = nodes.split("n2:").next().unwrap().strip_prefix("n1:").unwrap().to_owned();
    for number in 1..=40 {
        let _ = write!(nodes, "w{number:02}:{n1}");
    }
    scene.site.write("nodes.yaml", &nodes);
    scene
}

/// The names in a list of units, from above.
const NAMES: &str = "[...document.querySelectorAll('tbody th button')].map(b => b.textContent)";

#[test]
fn units_are_found_by_state_and_name_and_tried_again_by_kind() {
    let Some(browser) = Browser::start("units_are_found_by_state_and_name") else { return };
    let scene = scene();
    let mut daemon = scene.start();
    let run = daemon.run("patch");
    until("all but one has ended", SOON, || {
        (scene.get(&format!("runs/{run}"))["units"]["open"] == 1).then_some(())
    });
    scene.sign_in(&browser, &scene.token("operator", &[]));
    browser.open(&scene.url(&format!("#/runs/{run}")));
    // What went wrong comes first, then what runs.
    browser.until(&format!("{NAMES}.slice(0, 6).join() === 'w03,w13,w23,w33,w07,w01'"));
    let chips = "[...document.querySelectorAll('.chip')].map(c => c.innerText.replace(/\\s+/g, ' ').trim()).join()";
    browser.until(&format!("{chips} === 'all 40,✗ failed 4,◐ running 1,✓ succeeded 35'"));
    browser.until_text("35 of 40 · 4 failed");
    let bar = "document.querySelector('.progress svg').getAttribute('aria-label')";
    assert_eq!(browser.value(bar), "35 of 40 succeeded, 4 failed, 1 running");
    let colours = "[...document.querySelectorAll('.facts .progress rect')].map(r => r.getAttribute('class')).join()";
    assert_eq!(browser.value(colours), "seg-good,seg-bad,seg-run");
    browser.screenshot("crowd");
    for dark in [true, false] {
        browser.dark(dark);
        let found = Axe::get("crowd").map(|axe| axe.look(&browser, "a run on many nodes"));
        assert_eq!(found.unwrap_or_default(), Vec::<String>::new());
    }
    browser.run("document.querySelectorAll('.chip')[1].click()", &[]);
    browser.until(&format!("{NAMES}.join() === 'w03,w13,w23,w33'"));
    browser.write("#f-unit", "w?3");
    browser.until(&format!("{NAMES}.length === 4"));
    browser.write("#f-unit", "w1");
    browser.until(&format!("{NAMES}.join() === 'w13'"));
    let hash = browser.value("location.hash");
    assert!(hash.as_str().unwrap().ends_with("?state=failed&name=w1"), "{hash}");
    // Who is given the address sees the same.
    browser.run("location.reload()", &[]);
    browser.until(&format!("{NAMES}.join() === 'w13'"));
    browser.write("#f-unit", "");
    browser.run("document.querySelectorAll('.chip')[0].click()", &[]);
    browser.until(&format!("{NAMES}[0] === 'w03'"));

    browser.press("Equal output");
    browser.until_text("2 different outputs.");
    browser.until_text("1 unit has not ended yet.");
    // Failures before the many that did well.
    browser.until("document.querySelector('.group').innerText.includes('on 4 nodes')");
    browser.screenshot("crowd-equal");
    browser.size(PHONE);
    assert_eq!(browser.value("document.documentElement.scrollWidth > innerWidth"), json!(false));
    browser.screenshot("crowd-phone");
    browser.size(WIDE);

    // The node that still runs is the only one of its kind in the list of nodes.
    browser.open(&scene.url("#/nodes?state=busy"));
    browser.until_text("1 of 42 nodes");
    browser.until("document.querySelector('tbody tr[data-key]').innerText.includes('patch')");
    browser.screenshot("nodes-busy");
    browser.open(&scene.url("#/nodes"));
    browser.until_text("42 nodes");
    browser.until_text("1 in a row: failed, exit 3");
    browser.screenshot("nodes");

    browser.open(&scene.url(&format!("#/runs/{run}")));
    browser.press("Cancel the run");
    browser.run("document.querySelector('dialog button[type=submit]').click()", &[]);
    browser.until_text("Retry nodes that did not succeed (5)");
    browser.press("Retry nodes that did not succeed (5)");
    browser.run("document.querySelector('dialog button[type=submit]').click()", &[]);
    browser.until(&format!("location.hash !== '#/runs/{run}'"));
    browser.until("document.querySelector('.facts').innerText.includes('run ')");
    browser.until_text(&format!("Changed since run {run}"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn a_flow_is_shown_with_what_it_needs_its_rescue_and_what_was_done_before() {
    let Some(browser) = Browser::start("a_flow_is_shown_with_what_it_needs") else { return };
    let scene = scene();
    let mut daemon = scene.start();
    scene.sign_in(&browser, &scene.token("operator", &[]));
    browser.open(&scene.url("#/jobs/rollout"));
    browser.until_text("20 nodes · needs 95\u{a0}% · steps 1, 10\u{a0}%, 50\u{a0}%");
    browser.until(
        "document.querySelector('.rescue').innerText.includes('If it fails, and then it stops:')",
    );
    browser.screenshot("plan");
    let run = daemon.run("rollout");
    daemon.ledger().wait_for_run("rollout", run, SOON);
    browser.open(&scene.url(&format!("#/runs/{run}")));
    browser.until("document.querySelectorAll('.part .part.p-succeeded').length === 1");
    // The command to type is shown as one.
    browser
        .until(&format!("document.querySelector('code')?.textContent === 'loom flow retry {run}'"));
    browser.screenshot("flow-rescued");
    // All of a card leads to its run.
    browser.run("document.elementFromPoint(...(box => [box.right - 8, box.bottom - 8])(document.querySelector('.card').getBoundingClientRect())).click()", &[]);
    browser.until_text("of back");
    browser.open(&scene.url(&format!("#/runs/{run}")));
    browser.press("Retry from slot 2");
    browser.run("document.querySelector('dialog button[type=submit]').click()", &[]);
    browser.until("document.querySelector('.slot')?.innerText.includes('done before')");
    browser.until(&format!("document.querySelector('.slot a')?.textContent === 'run {run}'"));
    browser.until("document.querySelector('.facts .state').innerText.includes('failed')");
    browser.screenshot("flow-resumed");
    browser.size(PHONE);
    assert_eq!(browser.value("document.documentElement.scrollWidth > innerWidth"), json!(false));
    browser.screenshot("flow-resumed-phone");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

/// What it would take a farm of as many machines to show.
#[test]
fn ten_thousand_units_are_a_list_like_another() {
    let Some(browser) = Browser::alone("ten_thousand_units") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    scene.sign_in(&browser, &scene.token("viewer", &[]));
    let tried = "
        const main = document.querySelector('main');
        const units = Array.from({ length: 10000 }, (_, n) => ({ id: n, node: `node-${String(n).padStart(5, '0')}`, attempt: 1,
            state: n % 10 ? 'done' : 'running', outcome: n % 10 ? (n % 100 === 7 ? 'failed' : 'succeeded') : undefined, output_bytes: 0 }));
        const list = unitList({ choose() {}, kept: {}, keep() {} }, new AbortController().signal);
        main.replaceChildren(list.element);
        const begun = performance.now();
        list.set(units);
        const first = performance.now() - begun;
        // News by the second do not each sort it anew.
        const again = performance.now();
        for (let n = 0; n < 100; n++) list.set(units);
        const news = performance.now() - again;
        const tally = counted(new Map(units.map((unit) => [unit.id, unit])));
        return new Promise((done) => setTimeout(() => done({ first, news, tally,
            rows: document.querySelectorAll('tbody tr[data-key]').length,
            top: document.querySelector('tbody th').textContent }), 600));";
    let found = part(&browser, "units.js", "unitList, counted", tried);
    assert_eq!(found["top"], "node-00007");
    assert_eq!(found["tally"]["running"], 1000);
    assert_eq!(found["tally"]["failed"], 100);
    let rows = found["rows"].as_u64().unwrap();
    assert!((5..80).contains(&rows), "{rows} rows");
    assert!(found["news"].as_f64().unwrap() < 100.0, "{found}");
    daemon.stop();
}

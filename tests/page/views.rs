//! Each view shows what is so.

use serde_json::json;

use crate::harness::SOON;
use crate::{Browser, Scene};

#[test]
fn every_view_shows_what_there_is() {
    let Some(browser) = Browser::start("every_view_shows_what_there_is") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    for job in ["greet", "same", "breaks", "breaks", "rollout"] {
        let run = daemon.run(job);
        daemon.ledger().wait_for_run(job, run, SOON);
    }
    scene.sign_in(&browser, &scene.token("admin", &[]));

    browser.until_text("Nothing runs.");
    // Of "breaks" another may have come due.
    let told = r"/Last 24 hours: (5 runs, 2 succeeded, 3|6 runs, 2 succeeded, 4) failed\. Nothing runs now\./.test(document.body.innerText)";
    browser.until(told);
    browser.until("document.querySelectorAll('.stack .b-due').length > 20");
    browser
        .until("[...document.querySelectorAll('table a')].some(a => a.textContent === 'breaks')");
    browser.press("I have seen these");
    browser.until_text("Nothing has failed since");

    browser.press("Jobs");
    browser.until_text("6 jobs");
    let names = "[...document.querySelectorAll('tbody th a')].map(a => a.textContent).join()";
    browser.until(&format!("{names} === 'breaks,greet,off,rollout,same,ticks'"));
    // The slash leads to the filter.
    browser.run("document.activeElement.blur()", &[]);
    browser.keys("/gre");
    browser.until(&format!("{names} === 'greet'"));
    browser.write("#f-name", "");
    browser.run("const at = document.querySelector('#f-state'); at.value = 'failed'; at.dispatchEvent(new Event('change'))", &[]);
    browser.until(&format!("{names} === 'breaks,rollout'"));
    assert!(browser.value("location.hash").as_str().unwrap().contains("state=failed"));

    browser.open(&scene.url("#/jobs/greet"));
    browser.until_text("Says hello.");
    browser.until_text("Asia/Tokyo");
    // Two in the morning in Tokyo, whatever it is here.
    browser.until_text("02:00 Tokyo");
    browser.until("document.querySelectorAll('.heat a').length === 2");
    browser.until_text("Median of 2 runs");
    browser.until("document.querySelectorAll('.dot').length === 2");
    browser.write("#at", "02:07");
    browser.press("Ask");
    browser.until_text("It is not due at");

    let run = scene.get("runs?job=breaks&trigger=manual&limit=1")["items"][0]["id"].clone();
    browser.open(&scene.url(&format!("#/runs/{run}")));
    browser.until_text("failed, exit 3");
    browser.until_text("no space left");
    // What there is but one of is not compared with others of its run.
    assert!(!browser.text().contains("Equal output"));
    browser.until("[...document.querySelectorAll('button.tab')].some(b => b.textContent.startsWith('Changed since run '))");
    browser.run("[...document.querySelectorAll('button.tab')].at(-1).click()", &[]);
    browser.until_text("n2 wrote the same as in");

    let run = scene.get("runs?job=rollout")["items"][0]["id"].clone();
    browser.open(&scene.url(&format!("#/runs/{run}")));
    browser.until("document.querySelectorAll('.slot').length === 3");
    browser.until("document.querySelectorAll('.p-succeeded').length === 2");
    browser.until("document.querySelectorAll('.p-failed').length === 1");
    browser.until_text("not begun");
    browser.until_text("Retry from slot 2");

    browser.open(&scene.url("#/jobs/rollout"));
    browser.until("document.querySelectorAll('.slot').length === 3");
    browser.until_text("A job that misses what it needs stops the flow");

    browser.press("Nodes");
    browser.until_text("2 nodes");
    browser.press("n2");
    browser.until_text("What ran there last");
    browser.until_text("failed, exit 3");

    browser.press("Audit");
    browser.until_text("added a token");
    // What became of a run that somebody began.
    browser.until("[...document.querySelectorAll('tbody tr')].some(row => row.innerText.includes('ran a job') && row.innerText.includes('✗ failed'))");

    browser.open(&scene.url("#/nothing/at/all"));
    browser.until_text("There is no such page");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn outputs_that_are_equal_stand_together_and_what_changed_is_told() {
    let Some(browser) = Browser::start("outputs_that_are_equal_stand_together") else { return };
    let scene = Scene::with(
        "jobs:\n  counts:\n    task: loom.run\n    \
         args: ['echo \"$(ls $LOOM_EVIDENCE | wc -l) files\"; echo same; touch $LOOM_EVIDENCE/$$']\n    \
         schedule: '@yearly'\n    targets: [n1, n2]\n",
    );
    let mut daemon = scene.start();
    for _ in 0..2 {
        let run = daemon.run("counts");
        daemon.ledger().wait_for_run("counts", run, SOON);
    }
    scene.sign_in(&browser, &scene.token("viewer", &[]));
    let runs = scene.get("runs?job=counts");
    browser.open(&scene.url(&format!("#/runs/{}?show=alike", runs["items"][0]["id"])));
    browser.until_text("succeeded on 2 nodes");
    assert_eq!(browser.value("document.querySelectorAll('.group').length"), json!(1));
    browser.press(&format!("Changed since run {}", runs["items"][1]["id"]));
    browser.until("document.querySelector('.plus')?.textContent.includes('1 files')");
    browser.until("document.querySelector('.minus')?.textContent.includes('0 files')");
    browser.until(
        "[...document.querySelectorAll('.same')].some(line => line.textContent.includes('same'))",
    );
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

//! From one view to the next: nothing of the one that was left stays behind.

use serde_json::json;

use crate::harness::SOON;
use crate::{Browser, Scene};

#[test]
fn a_view_that_was_left_leaves_nothing_behind() {
    let Some(browser) = Browser::start("a_view_that_was_left_leaves_nothing_behind") else {
        return;
    };
    let scene = Scene::set();
    let mut daemon = scene.start();
    scene.sign_in(&browser, &scene.token("operator", &[]));
    browser.until_text("Nothing runs.");
    // Gone to twice, before its file has come.
    browser.run("location.hash = '#/jobs'; location.hash = '#/nodes'", &[]);
    browser.until_text("2 nodes");
    assert_eq!(browser.value("document.querySelectorAll('form.filters').length"), json!(1));
    assert_eq!(browser.value("document.querySelectorAll('table').length"), json!(1));

    // What somebody was writing is not for the next view.
    browser.press("Jobs");
    browser.until_text("6 jobs");
    let written = "
        const name = document.querySelector('#f-name');
        name.value = 'gre';
        name.dispatchEvent(new Event('input'));
        location.hash = '#/runs';
        const wait = (time) => new Promise((done) => setTimeout(done, time));
        return wait(600).then(() => location.hash);";
    assert_eq!(browser.run(written, &[]), "#/runs");

    // Neither is what it asked.
    browser.open(&scene.url("#/jobs/greet"));
    for ask in ["Run now", "Run with…"] {
        browser.press(ask);
        browser.until("document.querySelector('dialog[open]') !== null");
        browser.run("location.hash = '#/jobs'", &[]);
        browser.until_text("6 jobs");
        assert_eq!(browser.value("document.querySelector('dialog')"), json!(null), "{ask}");
        browser.run("location.hash = '#/jobs/greet'", &[]);
        browser.until_text("Run now");
    }

    // Nor does it matter that an address asks for what there is not.
    let run = daemon.run("greet");
    daemon.ledger().wait_for_run("greet", run, SOON);
    browser.open(&scene.url(&format!("#/runs/{run}?state=constructor&name=*")));
    browser.until_text("No unit is like that.");
    browser.until(
        "[...document.querySelectorAll('.chip')].some(c => c.innerText.includes('constructor 0'))",
    );
    assert_eq!(browser.value("document.querySelector('.notice')"), json!(null));
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn what_runs_is_known_though_a_run_is_gone() {
    let Some(browser) = Browser::start("what_runs_is_known_though_a_run_is_gone") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    scene.sign_in(&browser, &scene.token("viewer", &[]));
    let ticks = daemon.run("ticks");
    browser.open(&scene.url("#/nodes"));
    browser.until(
        "[...document.querySelectorAll('tbody a.run')].some(a => a.innerText.includes('ticks'))",
    );
    // Between the list and itself, a run is pruned.
    let gone = format!(
        "const asked = fetch;
         window.fetch = (url, ...rest) => String(url).endsWith('/runs/{ticks}')
             ? Promise.resolve(new Response('{{\"detail\": \"there is no run {ticks}\"}}', {{ status: 404 }}))
             : asked(url, ...rest);"
    );
    browser.before_pages(&gone);
    browser.run("location.reload()", &[]);
    browser.until_text("2 nodes");
    browser.until("document.querySelector('.live').textContent === 'live'");
    assert_eq!(browser.value("document.querySelector('.notice')"), json!(null));
    // What begins from then on is known.
    daemon.run("greet");
    browser.until("document.querySelectorAll('tbody tr[data-key]').length === 2");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

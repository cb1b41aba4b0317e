//! Who may not do something is not offered it.

use serde_json::json;

use crate::harness::api;
use crate::{Browser, Scene};

#[test]
fn a_viewer_is_offered_nothing_and_a_limited_token_sees_its_jobs() {
    let Some(browser) = Browser::start("a_viewer_is_offered_nothing") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    let run = daemon.run("ticks");
    let pressed = |names: &[&str]| {
        let text = browser
            .value("[...document.querySelectorAll('main button')].map(b => b.textContent).join()");
        let text = text.as_str().unwrap().to_owned();
        names.iter().filter(|name| text.contains(**name)).count()
    };
    scene.sign_in(&browser, &scene.token("viewer", &["ti*", "greet"]));
    browser.until_text("viewer · ti*, greet");
    assert!(
        !browser
            .value("document.querySelector('nav').innerText")
            .as_str()
            .unwrap()
            .contains("Audit")
    );
    browser.press("Jobs");
    browser.until_text("2 jobs");
    assert!(!browser.text().contains("breaks"));
    browser.press("ticks");
    browser.until_text("Comes due");
    assert_eq!(pressed(&["Run now", "Disable", "Enable"]), 0);
    browser.open(&scene.url(&format!("#/runs/{run}")));
    browser.until_text("tick 2");
    assert_eq!(pressed(&["Cancel", "Retry"]), 0);
    browser.open(&scene.url("#/jobs/breaks"));
    browser.until_text("there is no job \"breaks\"");
    assert!(!browser.text().contains("never ran"), "{}", browser.text());
    browser.press("Sign out");
    browser.until("document.querySelector('#token') !== null");
    assert_eq!(browser.value("sessionStorage.length"), json!(0));

    scene.sign_in(&browser, &scene.token("operator", &[]));
    browser.open(&scene.url(&format!("#/runs/{run}")));
    browser.until_text("Cancel the run");
    assert!(
        !browser
            .value("document.querySelector('nav').innerText")
            .as_str()
            .unwrap()
            .contains("Audit")
    );
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn a_wrong_token_is_refused_and_a_revoked_one_signs_out() {
    let Some(browser) = Browser::start("a_wrong_token_is_refused") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    browser.open(&scene.url("#/jobs"));
    browser.until("document.querySelector('#token') !== null");
    browser.write("#token", "loom_wrong");
    browser.press("Sign in");
    browser.until_text("this token is not known, or was revoked");
    assert_eq!(browser.value("sessionStorage.length"), json!(0));
    let token = scene.token("viewer", &[]);
    browser.write("#token", &token);
    browser.press("Sign in");
    // Where one wanted to go at first.
    browser.until_text("6 jobs");
    // A reload does not ask again.
    browser.run("location.reload()", &[]);
    browser.until_text("6 jobs");
    let name = scene.get("tokens")["items"][0]["name"].as_str().unwrap().to_owned();
    api::ask(&scene.site, "DELETE", &format!("tokens/{name}"), None).unwrap();
    // The streams that it opened end, and the page asks for another.
    browser.until("document.querySelector('#token') !== null");
    browser.until_text("was revoked");
    daemon.stop();
}

#[test]
fn a_new_tab_is_signed_in_by_those_that_are_and_signs_out_with_them() {
    let Some(browser) = Browser::start("a_new_tab_is_signed_in") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    scene.sign_in(&browser, &scene.token("viewer", &["ti*"]));
    browser.until_text("viewer · ti*");
    let first = browser.tab();
    let second = browser.another_tab();
    browser.open(&scene.url("#/jobs"));
    browser.until_text("1 job");
    // Nothing outlives the tabs.
    let kept =
        "Object.values(localStorage).concat(document.cookie).some(text => text.includes('loom_'))";
    assert_eq!(browser.value(kept), json!(false));
    // The first need not be there any more.
    browser.to_tab(&first);
    browser.close_tab();
    browser.to_tab(&second);
    let third = browser.another_tab();
    browser.open(&scene.url("#/nodes"));
    browser.until_text("viewer · ti*");
    browser.press("Sign out");
    browser.until("document.querySelector('#token') !== null");
    browser.to_tab(&second);
    browser.until_text("You have signed out in another tab.");
    assert_eq!(browser.value("sessionStorage.length"), json!(0));
    // Nobody knows a token any more.
    browser.another_tab();
    browser.open(&scene.url("#/jobs"));
    browser.until("document.querySelector('#token') !== null");
    assert_ne!(second, third);
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

//! By keyboard alone.

use crate::{Browser, Scene};

#[test]
fn a_keyboard_is_enough() {
    const TAB: &str = "\u{e004}";
    const DOWN: &str = "\u{e015}";
    const UP: &str = "\u{e013}";
    const ENTER: &str = "\u{e007}";
    let Some(browser) = Browser::start("a_keyboard_is_enough") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    scene.sign_in(&browser, &scene.token("viewer", &[]));
    browser.open(&scene.url("#/jobs"));
    browser.run("location.reload()", &[]);
    browser.until_text("6 jobs");
    let here = "document.activeElement.textContent";
    browser.keys(TAB);
    assert_eq!(browser.value(here), "Skip to content");
    // It is to be seen where one is.
    browser.until("getComputedStyle(document.activeElement).outlineStyle !== 'none'");
    browser.keys(ENTER);
    browser.until("document.activeElement.id === 'main'");
    assert_eq!(browser.value("location.hash"), "#/jobs");
    browser.keys("/");
    browser.until("document.activeElement.id === 'f-name'");
    for (key, name) in [(DOWN, "breaks"), (DOWN, "greet"), (DOWN, "off"), (UP, "greet")] {
        browser.keys(key);
        browser.until(&format!("{here} === '{name}'"));
    }
    browser.keys(ENTER);
    browser.until_text("Says hello.");
    assert_eq!(browser.value("location.hash"), "#/jobs/greet");
    daemon.stop();
}

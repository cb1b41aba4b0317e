//! The page while much happens. The daemon is left out of it: what it would say is made up in the
//! browser, so that it is the page alone that is measured.

use crate::{Browser, Scene};

const MANY: &str = include_str!("busy.js");

#[test]
fn two_hundred_units_a_second_hold_nobody_up() {
    let Some(browser) = Browser::alone("two_hundred_units_a_second") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    scene.sign_in(&browser, &scene.token("operator", &[]));
    browser.before_pages(MANY);
    for view in ["#/", "#/runs/1"] {
        browser.open(&scene.url(view));
        browser.run("location.reload()", &[]);
        browser.until_text("of 3000");
        browser.until("window.units > 100");
        // What it takes to draw it all for the first time is not what is asked here.
        browser.run("window.long.length = 0", &[]);
        let told = browser.value("window.units").as_f64().unwrap();
        browser.until(&format!("window.units > {}", told + 800.0));
        let long = browser.value("window.long");
        println!("{view}: tasks over 50 ms: {long}");
        // The machine may be doing something else now and then.
        let long = long.as_array().unwrap();
        assert!(long.len() <= 2, "{view}: {long:?}");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

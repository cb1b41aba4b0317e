//! What somebody meets who is new, or comes at a bad time: nothing to show yet, nobody who answers,
//! nodes that nobody reaches.

use std::net::TcpListener;

use serde_json::json;

use crate::harness::{Farm, SOON};
use crate::{Browser, Scene};

const SETTINGS: &str = "connect_timeout: 10\nstop_timeout: 1\nmax_workers: 4\n";

#[test]
fn where_there_is_nothing_yet_it_says_how_to_begin() {
    let Some(browser) = Browser::start("where_there_is_nothing_yet") else { return };
    let scene = Scene::on(Farm::start(1), SETTINGS);
    let mut daemon = scene.start();
    scene.sign_in(&browser, &scene.token("admin", &[]));
    browser.until_text("There are no jobs yet.");
    for (view, says) in [
        ("#/jobs", "There are no jobs. They are written in"),
        ("#/runs", "Nothing has run yet."),
        ("#/runs?state=failed", "There is no such run."),
        ("#/jobs?name=web", "No job is like that."),
        ("#/nodes?name=web", "No node is like that."),
    ] {
        browser.open(&scene.url(view));
        browser.until_text(says);
    }
    browser.open(&scene.url("#/"));
    browser.until_text("There are no jobs yet.");
    let job = "jobs: {first: {task: loom.run, args: ['true'], schedule: '@never', targets: [n1]}}";
    scene.site.write("jobs/first.yaml", job);
    browser.until("!document.body.innerText.includes('There are no jobs yet.')");
    browser.open(&scene.url("#/jobs/first"));
    browser.until_text("At no time of the clock: its schedule is @never.");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn a_view_that_nobody_answered_comes_with_the_daemon() {
    let Some(browser) = Browser::start("a_view_that_nobody_answered") else { return };
    let scene = Scene::set();
    let mut daemon = scene.start();
    let run = daemon.run("greet");
    daemon.ledger().wait_for_run("greet", run, SOON);
    scene.sign_in(&browser, &scene.token("viewer", &[]));
    browser.until_text("Nothing runs.");
    // The first time not even the file of the view is there.
    for _ in 0..2 {
        daemon.stop();
        drop(daemon);
        browser.run("location.hash = '#/runs'", &[]);
        browser.until_text("The daemon cannot be reached.");
        daemon = scene.start();
        browser.until("document.querySelectorAll('.list tbody th a').length === 1");
        assert!(!browser.text().contains("cannot be reached"), "{}", browser.text());
        browser.run("location.hash = '#/'", &[]);
        browser.until_text("Nothing runs.");
    }
    daemon.stop();
}

#[test]
fn a_run_that_failed_begins_with_a_node_where_it_did() {
    let Some(browser) = Browser::start("a_run_that_failed_begins_with") else { return };
    let scene = Scene::with(
        "jobs: {all: {task: loom.run, args: ['test $LOOM_NODE = n1 || { echo no space left; exit 3; }; echo fine'], schedule: '@never', targets: [n1, n2]}}",
    );
    let mut daemon = scene.start();
    let run = daemon.run("all");
    daemon.ledger().wait_for_run("all", run, SOON);
    scene.sign_in(&browser, &scene.token("viewer", &[]));
    browser.open(&scene.url(&format!("#/runs/{run}")));
    browser.until_text("no space left");
    assert_eq!(browser.value("document.querySelector('.pane h3').innerText.split(' ')[0]"), "n2");
    browser.press("All nodes");
    browser.until_text("fine");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn of_nodes_that_cannot_be_reached_it_is_told_why() {
    let Some(browser) = Browser::start("of_nodes_that_cannot_be_reached") else { return };
    let scene = Scene::with(
        "jobs: {all: {task: loom.run, args: ['true'], schedule: '@never', targets: [a, b]}}",
    );
    // Bound, but nobody listens.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nodes = format!("a: &dead {{user: nobody, ip: 127.0.0.1, port: {closed}}}\nb: *dead\n");
    scene.site.write("nodes.yaml", &nodes);
    let mut daemon = scene.start();
    let run = daemon.run("all");
    daemon.ledger().wait_for_run("all", run, SOON);
    scene.sign_in(&browser, &scene.token("viewer", &[]));
    browser.open(&scene.url(&format!("#/runs/{run}?show=alike")));
    browser.until_text("unreachable on 2 nodes");
    browser.until_text("Connection refused");
    assert_eq!(browser.value("document.querySelectorAll('.group').length"), json!(1));
    assert_eq!(browser.complaints(), Vec::<String>::new());
    daemon.stop();
}

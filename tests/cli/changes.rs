//! What is done: cancel, retry, switch, pause, reload, stop, tokens, and the audit of it.

use super::{loom, rows};
use crate::harness::{Daemon, Farm, SOON, Site, until};

#[test]
fn a_run_is_cancelled_and_tried_again() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    site.write_command(
        "job",
        "[ $LOOM_NODE = n1 ] || { [ -e $LOOM_EVIDENCE/mended ] || exit 3; }",
        &["n1", "n2"],
    );
    site.write_command("nap", "sleep 600", &["n1"]);
    let mut daemon = Daemon::start_with_control(&site);

    let nap = daemon.run("nap").to_string();
    until("the unit", SOON, || {
        site.ledger().units("nap").iter().any(|unit| unit.state == "running").then_some(())
    });
    let told = loom(&site, &["cancel", &nap]).exits(0);
    assert_eq!(told.stdout, format!("run {nap} is being cancelled\n"));
    site.ledger().wait_for("nap", "cancelled", SOON);
    daemon.ledger().wait_for_run("nap", nap.parse().unwrap(), SOON);
    let told = loom(&site, &["cancel", &nap]).exits(1).stderr;
    assert!(told.contains("is over"), "{told}");

    let run = daemon.run("job");
    daemon.ledger().wait_for_run("job", run, SOON);
    let run = run.to_string();
    // It fails there again.
    let told = loom(&site, &["retry", &run, "--wait"]).exits(1);
    assert!(told.stderr.contains("0 of 1 units succeeded"), "{told:?}");
    let told = loom(&site, &["retry", &run, "--only", "unstarted"]).exits(1);
    assert!(told.stderr.contains("started on every node"), "{told:?}");
    std::fs::write(farm.node("n2").evidence().join("mended"), "").unwrap();
    let json = loom(&site, &["retry", &run, "--only", "failed", "--wait", "--json"]).json();
    assert_eq!((&json["state"], &json["trigger"]), (&"succeeded".into(), &"retry".into()));
    assert_eq!(json["retry_of"], run.parse::<i64>().unwrap());
    assert_eq!(json["nodes"][0]["node"], "n2");
    let told = loom(&site, &["retry", &run]).exits(0).stdout;
    assert!(told.ends_with(&format!(" retries run {run}\n")), "{told}");
    daemon.stop();
}

#[test]
fn schedules_are_switched_and_paused() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_command("a", "true", &["n1"]);
    site.write_command("b", "true", &["n1"]);
    let mut daemon = Daemon::start(&site);

    let told = loom(&site, &["disable", "a", "b"]).exits(0);
    assert_eq!(told.stdout, "a is disabled\nb is disabled\n");
    let told = loom(&site, &["jobs", "--disabled"]).exits(0).stdout;
    assert!(rows(&told)[0][2].starts_with("switched off by "), "{told}");
    // One that cannot be done does not keep others from it.
    let told = loom(&site, &["enable", "none", "a"]).exits(5);
    assert_eq!(told.stdout, "a is enabled\n");
    assert!(told.stderr.contains("none"), "{told:?}");
    let told = loom(&site, &["enable", "a"]).exits(1).stderr;
    assert!(told.contains("enabled already"), "{told}");
    let told = loom(&site, &["enable", "b", "--json"]).exits(0);
    assert_eq!((told.stdout.as_str(), told.stderr.as_str()), ("", ""));

    loom(&site, &["pause"]).exits(0);
    assert_eq!(loom(&site, &["status", "--json"]).json()["paused"], true);
    let told = loom(&site, &["status"]).exits(0).stdout;
    assert!(told.starts_with("daemon         runs; all schedules are paused"), "{told}");
    loom(&site, &["resume"]).exits(0);
    assert_eq!(loom(&site, &["status", "--json"]).json()["paused"], false);
    daemon.stop();
}

#[test]
fn a_reload_says_what_changed_or_what_is_wrong() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let mut daemon = Daemon::start(&site);
    let told = loom(&site, &["reload"]).exits(0).stdout;
    assert!(told.starts_with("reloaded: "), "{told}");
    site.write_command("new", "true", &["n1"]);
    let told = loom(&site, &["reload"]).exits(0).stdout;
    assert!(told.contains("added: new"), "{told}");
    site.write("jobs/wrong.yaml", "jobs:\n  x: {task: loom.run, tagrets: n1}\n");
    let told = loom(&site, &["reload"]).exits(1);
    assert!(told.stdout.is_empty(), "{told:?}");
    assert!(told.stderr.contains("wrong.yaml:2:"), "{told:?}");
    assert!(told.stderr.contains("did you mean \"targets\"?"), "{told:?}");
    assert!(told.stderr.ends_with("loom: the running configuration stays as it is\n"), "{told:?}");
    assert_eq!(loom(&site, &["jobs", "--json"]).json()[0]["name"], "new");
    daemon.stop();
}

#[test]
fn a_daemon_drains_and_stops() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_command("short", "sleep 2", &["n1"]);
    let mut daemon = Daemon::start_with_control(&site);
    daemon.run("short");
    until("the unit", SOON, || {
        site.ledger().units("short").iter().any(|unit| unit.state == "running").then_some(())
    });
    let process = daemon.process();
    let told = loom(&site, &["stop", "--drain", "--wait"]).exits(0);
    assert_eq!(told.stdout, "stopped\n");
    assert!(!process.is_alive());
    assert_eq!(site.ledger().units("short")[0].outcome.as_deref(), Some("succeeded"));
    daemon.wait(SOON);
    let mut daemon = Daemon::start(&site);
    assert_eq!(loom(&site, &["stop"]).exits(0).stdout, "it is being stopped\n");
    daemon.wait(SOON);
}

#[test]
fn tokens_are_made_listed_and_revoked_and_all_of_it_is_in_the_audit() {
    let site = Site::empty();
    let mut daemon = Daemon::start(&site);
    assert!(loom(&site, &["token", "list"]).exits(0).stderr.contains("no tokens"));
    let made = loom(&site, &["token", "add", "ann", "--role", "operator", "--jobs", "web-*,db"]);
    let made = made.exits(0);
    let token = made.stdout.strip_suffix('\n').unwrap();
    assert!(token.starts_with("loom_") && !token.contains(char::is_whitespace), "{made:?}");
    assert!(made.stderr.contains("only time") && !made.stderr.contains(token), "{made:?}");
    let told = loom(&site, &["token", "add", "ann", "--role", "viewer"]).exits(1).stderr;
    assert!(told.contains("revoke it first"), "{told}");
    loom(&site, &["token", "add", "a b", "--role", "viewer"]).exits(2);

    let told = loom(&site, &["token", "list"]).exits(0).stdout;
    assert_eq!(rows(&told)[0][..3], ["ann", "operator", "web-* db"]);
    assert!(!told.contains("loom_"), "{told}");
    assert_eq!(loom(&site, &["token", "revoke", "ann"]).exits(0).stdout, "ann is revoked\n");
    loom(&site, &["token", "revoke", "ann"]).exits(5);
    let json = loom(&site, &["token", "list", "--json"]).json();
    assert!(json[0]["revoked_at"].is_string(), "{json}");

    let json = loom(&site, &["audit", "--json"]).json();
    let did: Vec<&str> =
        json.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(did, ["token revoke", "token add"]);
    let told = loom(&site, &["audit", "--action", "token add", "--since", "1h"]).exits(0).stdout;
    assert_eq!(rows(&told).len(), 1, "{told}");
    assert!(!told.contains(token), "{told}");
    daemon.stop();
}

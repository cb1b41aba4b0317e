//! What is done to the daemon as a whole, and its numbers.

use serde_json::json;

use super::Place;
use crate::harness::{Daemon, SOON, Site};

#[test]
fn schedules_are_paused_and_go_on() {
    let site = Site::empty();
    let mut daemon = Daemon::start(&site);
    let local = Place::local(&site);
    for (path, paused) in [("pause", true), ("pause", true), ("resume", false)] {
        assert_eq!(local.post(path, &json!({})).status, 204);
        assert_eq!(local.get("daemon").expect(200)["paused"], paused);
        let line = format!("loom_paused {}", u8::from(paused));
        let metrics = local.get("/metrics").body;
        assert!(metrics.lines().any(|known| known == line), "{metrics}");
    }
    daemon.stop();
}

#[test]
fn a_reload_is_answered_by_what_came_of_it() {
    let site = Site::empty();
    let mut daemon = Daemon::start(&site);
    let local = Place::local(&site);
    site.write("nodes.yaml", "web: {user: nobody, ip: 127.0.0.2}\n");
    let job = "task: loom.run\nargs: ['true']\nschedule: '@yearly'\ntargets: [web]";
    // By the time we ask it may have been seen already.
    site.write_job("first", job);
    let reloaded = local.post("reload", &json!({})).expect(200);
    assert!(reloaded["changes"].is_string() && reloaded["warnings"].is_string(), "{reloaded}");
    assert!(local.get("config").expect(200)["jobs"]["first"].is_object());
    site.write_job("first", &job.replace("schedule", "shedule"));
    let detail = local.post("reload", &json!({})).problem(400);
    assert!(detail.contains("first.yaml:5:"), "{detail}");
    let trouble = local.get("daemon").expect(200)["reload_trouble"].to_string();
    assert!(trouble.contains("first.yaml:5:"), "{trouble}");
    daemon.stop();
}

#[test]
fn it_is_stopped_and_says_so_before() {
    let site = Site::empty();
    let mut daemon = Daemon::start(&site);
    let local = Place::local(&site);
    assert!(local.post("stop", &json!({ "drian": true })).problem(400).contains("drian"));
    assert_eq!(local.ask("POST", "stop", &[], None).status, 202);
    daemon.wait(SOON);
    daemon.assert_nothing_left();
    let audit: Vec<String> = site.ledger().query("SELECT action FROM audit", &[], |row| row.get(0));
    assert_eq!(audit, ["stop"]);
}

#[test]
fn numbers_are_what_prometheus_reads() {
    let site = Site::empty();
    let mut daemon = Daemon::start(&site);
    let local = Place::local(&site);
    local.get("nothing").problem(404);
    let metrics = local.get("/metrics");
    let kind = metrics.header("content-type").unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert!(metrics.body.ends_with("# EOF\n"), "{metrics:?}");
    for line in metrics.body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("loom_"), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    let line = "loom_http_requests_total{method=\"GET\",route=\"other\",status=\"404\"} 1";
    assert!(metrics.body.lines().any(|known| known == line), "{}", metrics.body);
    daemon.stop();
}

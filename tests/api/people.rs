//! Tokens: who is let in, and as what; and the books about it.

use std::time::Instant;

use serde_json::json;

use super::{Place, address, listening, token};
use crate::harness::{Daemon, SOON, Site};

#[test]
fn who_shows_no_token_or_a_wrong_one_is_nobody() {
    let address = address();
    let site = listening(address);
    let mut daemon = Daemon::start(&site);
    let good = token(&site, "ci", "viewer", &[]);
    let nobody = Place::stranger(address);
    let refused = nobody.get("daemon");
    assert!(refused.problem(401).contains("loom token add"), "{refused:?}");
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    for path in ["openapi.json", "/metrics", "nothing"] {
        nobody.get(path).problem(401);
    }
    for shown in [&good[1..], &good.to_uppercase(), "", "loom_"] {
        Place::remote(address, shown).get("daemon").problem(401);
    }
    let basic = [("authorization", "Basic bG9vbTpsb29t")];
    nobody.ask("GET", "daemon", &basic, None).problem(401);
    let whoami = Place::remote(address, &good).get("whoami").expect(200);
    assert_eq!(whoami, json!({ "name": "ci", "role": "viewer", "jobs": [] }));
    daemon.wait_for_log("a wrong token from 127.", SOON);
    assert!(!daemon.log().text().contains(&good), "a token is in the log");
    daemon.stop();
}

#[test]
fn wrong_tokens_are_answered_ever_more_slowly_and_good_ones_at_once() {
    let address = address();
    let site = listening(address);
    let mut daemon = Daemon::start(&site);
    let good = Place::remote(address, &token(&site, "ci", "viewer", &[]));
    let wrong = Place::remote(address, "loom_wrong");
    let time = |place: &Place, status: u16| {
        let begun = Instant::now();
        assert_eq!(place.get("whoami").status, status);
        begun.elapsed()
    };
    for _ in 0..8 {
        time(&wrong, 401);
    }
    // It would be the ninth: held back for four times the shortest delay, at least.
    assert!(time(&wrong, 401).as_millis() >= 400);
    // While one is held back, nobody else is.
    let slow = std::thread::spawn(move || wrong.get("whoami").status);
    assert!(time(&good, 200).as_millis() < 400);
    assert_eq!(slow.join().unwrap(), 401);
    daemon.stop();
}

#[test]
fn a_viewer_sees_and_changes_nothing() {
    let address = address();
    let site = listening(address);
    let mut daemon = Daemon::start(&site);
    let viewer = Place::remote(address, &token(&site, "eve", "viewer", &[]));
    for path in ["daemon", "config", "whoami", "openapi.json", "/metrics"] {
        assert_eq!(viewer.get(path).status, 200, "{path}");
    }
    let operator = Place::remote(address, &token(&site, "bob", "operator", &[]));
    for place in [&viewer, &operator] {
        for path in ["tokens", "audit"] {
            assert!(place.get(path).problem(403).contains("this takes admin"));
        }
        for path in ["pause", "resume", "reload", "stop"] {
            let detail = place.post(path, &json!({})).problem(403);
            assert!(detail.contains("this takes admin"), "{path}: {detail}");
        }
        place.post("tokens", &json!({ "name": "mine", "role": "admin" })).problem(403);
        place.delete("tokens/bob").problem(403);
    }
    assert_eq!(viewer.get("daemon").expect(200)["paused"], false);
    daemon.stop();
}

#[test]
fn a_revoked_token_is_of_no_use_and_its_name_is_free() {
    let address = address();
    let site = listening(address);
    let mut daemon = Daemon::start(&site);
    let first = Place::remote(address, &token(&site, "ci", "admin", &[]));
    let local = Place::local(&site);
    let request = json!({ "name": "ci", "role": "viewer" });
    assert!(local.post("tokens", &request).problem(409).contains("revoke it first"));
    first.get("whoami").expect(200);
    first.delete("tokens/ci").expect(204);
    first.get("whoami").problem(401);
    local.delete("tokens/ci").problem(404);
    let tokens = local.get("tokens").expect(200);
    assert_eq!(tokens["items"][0]["name"], "ci");
    assert!(tokens["items"][0]["revoked_at"].is_string(), "{tokens}");
    assert!(!tokens.to_string().contains("loom_"), "{tokens}");
    let second = Place::remote(address, &token(&site, "ci", "viewer", &[]));
    assert_eq!(second.get("whoami").expect(200)["role"], "viewer");
    first.get("whoami").problem(401);
    daemon.stop();
}

#[test]
fn what_cannot_be_a_token_is_refused_with_what_can() {
    let site = Site::empty();
    let mut daemon = Daemon::start(&site);
    let local = Place::local(&site);
    let refused = |request| local.post("tokens", &request).problem(400);
    let detail = refused(json!({ "name": "ci", "role": "viewr" }));
    assert!(detail.contains("did you mean viewer?"), "{detail}");
    assert!(refused(json!({ "name": "a b", "role": "viewer" })).contains("no name for a token"));
    let globs = json!({ "name": "ci", "role": "viewer", "jobs": ["a[b"] });
    assert!(refused(globs).contains("no glob for jobs"));
    assert_eq!(local.get("tokens").expect(200)["items"], json!([]));
    daemon.stop();
}

const JOB: &str = "task: loom.run\nargs: ['true']\nschedule: '@yearly'\ntargets: [";

#[test]
fn who_is_limited_to_jobs_sees_those_and_their_nodes() {
    let address = address();
    let site = listening(address);
    let nodes = "n1: {user: u, ip: 127.0.0.2, password: sesame}\nn2: {user: u, ip: 127.0.0.3}\n";
    site.write("nodes.yaml", nodes);
    site.write_job("web", &format!("{JOB}n1]"));
    site.write_job("db", &format!("{JOB}n2]"));
    let mut daemon = Daemon::start(&site);
    let limited = Place::remote(address, &token(&site, "w", "admin", &["w*"]));
    let config = limited.get("config").expect(200);
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(
        (keys(&config["jobs"]), keys(&config["nodes"])),
        (vec!["web".into()], vec!["n1".into()])
    );
    for path in ["/metrics", "tokens", "audit"] {
        assert!(limited.get(path).problem(403).contains("limited to jobs w*"), "{path}");
    }
    limited.post("pause", &json!({})).problem(403);
    // What is shown to those who see everything is what `loom check --dump` prints.
    let all = Place::local(&site).get("config").expect(200);
    let dump = crate::harness::process::must(&mut site.loom(&["check", "--dump"]), SOON);
    assert_eq!(all, serde_json::from_str::<serde_json::Value>(&dump).unwrap());
    assert!(!all.to_string().contains("sesame"));
    daemon.stop();
}

#[test]
fn the_audit_has_who_did_what_page_by_page() {
    let address = address();
    let site = listening(address);
    let mut daemon = Daemon::start(&site);
    let admin = Place::remote(address, &token(&site, "root2", "admin", &[]));
    for _ in 0..2 {
        admin.post("pause", &json!({})).expect(204);
        admin.post("resume", &json!({})).expect(204);
    }
    let first = admin.get("audit?limit=3").expect(200);
    let actions = |page: &serde_json::Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["action"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(actions(&first), ["resume", "pause", "resume"]);
    assert_eq!(first["items"][0]["who"], "token:root2");
    assert_eq!(first["items"][0]["via"], "tcp");
    let cursor = first["next"].as_str().unwrap();
    let second = admin.get(&format!("audit?limit=3&cursor={cursor}")).expect(200);
    assert_eq!(actions(&second), ["pause", "token add"]);
    assert_eq!(second["items"][1]["via"], "socket");
    assert!(second.get("next").is_none(), "{second}");
    let only = |query: &str| actions(&admin.get(&format!("audit?{query}")).expect(200));
    assert_eq!(only("action=pause"), ["pause", "pause"]);
    assert_eq!(only("who=token:root2&limit=1000").len(), 4);
    assert_eq!(only("who=nobody"), [""; 0]);
    let since = first["items"][1]["at"].as_str().unwrap();
    assert_eq!(only(&format!("since={since}")), ["resume", "pause"]);
    daemon.stop();
}

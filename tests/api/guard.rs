//! What does not get as far as a route, and that the gateway outlives it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Place, address, connect, listening, token};
use crate::harness::{Daemon, SOON, Site};

const A_NAME: &str = "loom.example.com";

#[test]
fn only_a_name_that_is_ours_is_answered() {
    let address = address();
    let site = Site::empty();
    site.settings(&format!("listen: {{address: \"{address}\", hosts: [{A_NAME}]}}\n"));
    let mut daemon = Daemon::start(&site);
    let place = Place::remote(address, &token(&site, "t", "viewer", &[]));
    let asked = |host: &str| place.ask("GET", "whoami", &[("host", host)], None);
    for host in [A_NAME, "localhost:1", "[::1]:7411", "192.0.2.1"] {
        asked(host).expect(200);
    }
    let detail = asked("rebound.example").problem(421);
    assert!(detail.contains("\"rebound.example\""), "{detail}");
    assert!(detail.contains("`hosts` of `listen` in loom.yaml"), "{detail}");
    // Not even that it is there is told to whoever has no token, nor by another name.
    Place::stranger(address).ask("GET", "/nowhere", &[("host", "x.example")], None).problem(421);
    Place::stranger(address).get("/nowhere").problem(401);
    place.get("/nowhere").problem(404);
    daemon.stop();
}

#[test]
fn pages_of_others_are_refused() {
    let address = address();
    let site = listening(address);
    let mut daemon = Daemon::start(&site);
    let place = Place::remote(address, &token(&site, "t", "admin", &[]));
    let own = format!("http://{address}");
    place.ask("POST", "pause", &[("origin", &own)], None).expect(204);
    for origin in ["http://evil.example", "null", "https://127.0.0.1"] {
        let detail = place.ask("POST", "resume", &[("origin", origin)], None).problem(403);
        assert!(detail.contains(origin), "{detail}");
    }
    let cross = [("sec-fetch-site", "cross-site")];
    place.ask("GET", "daemon", &cross, None).problem(403);
    assert_eq!(place.get("daemon").expect(200)["paused"], true);
    // A form of another page cannot say that it is JSON.
    let form = [("content-type", "text/plain")];
    let body = "{\"name\": \"x\", \"role\": \"admin\"}";
    let detail = place.ask("POST", "tokens", &form, Some(body)).problem(415);
    assert!(detail.contains("application/json"), "{detail}");
    place.ask("POST", "tokens", &[], Some(body)).problem(415);
    daemon.stop();
}

#[test]
fn every_answer_bears_what_keeps_browsers_in_check() {
    let site = Site::empty();
    let mut daemon = Daemon::start(&site);
    for answer in [Place::local(&site).get("daemon"), Place::local(&site).get("nothing")] {
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("strict-transport-security"), None);
    }
    daemon.stop();
}

#[test]
fn what_is_wrong_with_a_request_is_told_as_a_problem() {
    let site = Site::empty();
    let mut daemon = Daemon::start(&site);
    let place = Place::local(&site);
    let detail = place.get("audit?lmit=3").problem(400);
    assert!(detail.contains("who, action, since, limit, cursor"), "{detail}");
    assert!(detail.contains("did you mean \"limit\"?"), "{detail}");
    let detail = place.get("daemon?verbose=1").problem(400);
    assert!(detail.contains("it takes none"), "{detail}");
    let detail = place.get("audit?limit=many").problem(400);
    assert!(detail.contains("limit"), "{detail}");
    place.get("audit?limit=1001").problem(400);
    place.get("audit?limit=1&limit=2").problem(400);
    place.get("audit?since=yesterday").problem(400);
    let deleted = place.delete("daemon");
    assert!(deleted.problem(405).contains("it takes GET"), "{deleted:?}");
    assert_eq!(deleted.header("allow"), Some("GET,HEAD"));
    let json = [("content-type", "application/json")];
    let post = |path: &str, body: &str| place.ask("POST", path, &json, Some(body));
    post("tokens", "{").problem(400);
    post("tokens", "[\"x\", \"admin\"]").problem(400);
    let detail = post("tokens", "{\"nmae\": \"x\", \"role\": \"viewer\"}").problem(422);
    assert!(detail.contains("nmae") && detail.contains("name"), "{detail}");
    let detail = post("pause", "{\"job\": \"web\"}").problem(400);
    assert!(detail.contains("takes no body"), "{detail}");
    assert_eq!(place.get("daemon").expect(200)["paused"], false);
    post("pause", "{}").expect(204);
    daemon.stop();
}

#[test]
fn what_is_too_large_is_refused_without_a_look() {
    let address = address();
    let site = listening(address);
    let mut daemon = Daemon::start(&site);
    let place = Place::remote(address, &token(&site, "t", "admin", &[]));
    let json = [("content-type", "application/json")];
    let body = format!("{{\"name\": \"{}\", \"role\": \"viewer\"}}", "x".repeat(1 << 20));
    place.ask("POST", "tokens", &json, Some(&body)).problem(413);
    let body = "{\"name\": \"a b\", \"role\": \"viewer\"}".to_owned();
    let just = body + &" ".repeat((1 << 20) - 100);
    let detail = place.ask("POST", "tokens", &json, Some(&just)).problem(400);
    assert!(detail.contains("no name for a token"), "{detail}");
    // Nothing is read for whoever shows no token.
    let head = format!(
        "POST /api/v1/tokens HTTP/1.1\r\nhost: {address}\r\ncontent-length: 1000000\r\n\r\n"
    );
    assert_eq!(place.exchange(head.as_bytes()).unwrap().status, 401);
    let long = "x".repeat(40 << 10);
    assert_eq!(place.ask("GET", "daemon", &[("x-long", &long)], None).status, 431);
    let many: Vec<_> = (0..100).map(|n| format!("x-{n}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "1")).collect();
    assert_eq!(place.ask("GET", "daemon", &many, None).status, 431);
    place.get("daemon").expect(200);
    daemon.stop();
}

/// So many say nothing, and take nobody's place.
#[test]
fn a_crowd_that_says_nothing_is_no_hindrance() {
    let address = address();
    let site = listening(address);
    let mut daemon = Daemon::start(&site);
    let place = Place::remote(address, &token(&site, "t", "viewer", &[]));
    place.get("daemon").expect(200);
    let mut idle = Vec::new();
    for n in 0..540 {
        match TcpStream::connect_timeout(&address, SOON) {
            Ok(stream) => idle.push(stream),
            Err(e) => panic!("connection {n}: {e}"),
        }
    }
    let begun = Instant::now();
    place.get("daemon").expect(200);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // The first of them had to go.
    idle[0].set_read_timeout(Some(SOON)).unwrap();
    assert!(matches!(idle[0].read(&mut [0]), Ok(0) | Err(_)));
    idle[0].set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    assert_eq!(daemon.gateways().len(), 2);
    daemon.stop();
}

#[test]
fn a_connection_is_used_again() {
    let address = address();
    let site = listening(address);
    let mut daemon = Daemon::start(&site);
    let token = token(&site, "t", "viewer", &[]);
    let mut stream = connect(address).unwrap();
    let request = format!(
        "GET /api/v1/whoami HTTP/1.1\r\nhost: x:1\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    let request = request.replace("x:1", &address.to_string());
    for _ in 0..3 {
        stream.write_all(request.as_bytes()).unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"}") {
            let mut chunk = [0; 4096];
            let count = stream.read(&mut chunk).unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&heard));
            heard.extend(&chunk[..count]);
        }
        assert!(heard.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&heard));
    }
    daemon.stop();
}

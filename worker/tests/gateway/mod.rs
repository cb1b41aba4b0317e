//! The gateway, asked over HTTP, with a real ledger and a parent that the test plays.

// Not every theme uses all of it.
#![allow(dead_code)]

mod activity;
mod document;
mod http;
mod jobs;
mod nodes;
mod parts;
mod rig;
mod runs;
mod scale;
mod starting;
mod streams;
mod web;
mod why;

use std::time::{Duration, Instant};

use rig::Rig;

#[test]
fn a_gateway_serves_what_its_parent_says() {
    let rig = Rig::local(&[rig::job("a", "@hourly")], &[rig::node("n1")]);
    let daemon: loom::api::daemon::Daemon = rig.client.get("/api/v1/daemon").of();
    assert_eq!((daemon.hostname.as_str(), daemon.jobs, daemon.nodes), ("rig", 1, 1));
    assert!(rig.client.get("/api/v1/nothing").problem(404).contains("nothing"));
}

#[test]
fn a_gateway_of_the_network_wants_a_token() {
    let rig = Rig::remote(&[], &[]);
    assert!(rig.client.get("/api/v1/daemon").problem(401).contains("loom token add"));
    rig.heard();
}

/// For what announces itself nowhere.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

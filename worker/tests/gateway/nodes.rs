//! Nodes: lists, and one of them.

use std::time::Duration;

use loom::access::Role;
use loom::api::Page;
use loom::api::daemon::Daemon;
use loom::api::node::{Node, NodeDetail};
use loom::protocol::control::{JobEntry, NodeEntry};
use loom::unit::{Outcome, RunEnd};
use serde_json::json;

use super::rig::{How, Rig, at, job, node, whole_run};

fn farm(start: impl Fn(&[JobEntry], &[NodeEntry]) -> Rig) -> Rig {
    let both = JobEntry { targets: vec!["db1".into(), "web1".into()], ..job("both", "@yearly") };
    let web = JobEntry { targets: vec!["web1".into()], ..job("web", "@yearly") };
    let db = NodeEntry { tags: vec!["db".to_owned()], port: Some(2222), ..node("db1") };
    let rig = start(&[both, web], &[db, node("web1"), node("web2")]);
    let t = at("2026-02-01T00:00:00Z");
    let later = t + Duration::from_secs(60);
    let failed = Outcome::Failed { exit: Some(1) };
    let ends = [("db1", Outcome::Succeeded), ("web1", Outcome::Unreachable)];
    rig.record(&whole_run(1, "both", &How::manual(t), &ends, RunEnd::Failed));
    rig.record(&whole_run(2, "web", &How::manual(later), &[("web1", failed)], RunEnd::Failed));
    rig.parent.status.lock().unwrap().connected = vec!["db1".to_owned()];
    rig
}

#[test]
fn nodes_are_listed_with_how_they_fare() {
    let rig = farm(Rig::local);
    let list =
        |query: &str| -> Page<Node> { rig.client.get(&format!("/api/v1/nodes{query}")).of() };
    let page = list("?limit=2");
    assert_eq!(page.next.as_deref(), Some("web1"));
    let [db, web] = &page.items[..] else { panic!("{page:?}") };
    assert_eq!((db.name.as_str(), db.port, db.connected), ("db1", Some(2222), true));
    assert_eq!(db.last_contact, Some(at("2026-02-01T00:00:01Z")));
    assert_eq!((db.last_failure.as_ref(), db.failures_in_a_row), (None, 0));
    assert!(!web.connected);
    assert_eq!((web.last_contact, web.failures_in_a_row), (Some(at("2026-02-01T00:01:01Z")), 2));
    let failure = web.last_failure.as_ref().unwrap();
    assert_eq!((failure.run, failure.job.as_deref(), failure.exit), (2, Some("web"), Some(1)));
    let rest = list("?limit=2&cursor=web1");
    assert_eq!((rest.items.len(), rest.items[0].last_contact, &rest.next), (1, None, &None));
    let names = |query: &str| -> Vec<String> {
        list(query).items.into_iter().map(|node| node.name).collect()
    };
    assert_eq!(names("?name=web*"), ["web1", "web2"]);
    assert_eq!(names("?name=1"), ["db1", "web1"]);
    assert_eq!(names("?tag=db"), ["db1"]);
}

#[test]
fn a_node_is_shown_with_its_jobs_and_latest_units() {
    let rig = farm(Rig::local);
    let shown: NodeDetail = rig.client.get("/api/v1/nodes/web1").of();
    assert_eq!(shown.jobs, ["both", "web"]);
    assert_eq!(shown.manifest, json!({"ip": "127.0.0.1"}));
    let units: Vec<_> = shown.units.iter().map(|u| (u.run, u.job.as_deref().unwrap())).collect();
    assert_eq!(units, [(2, "web"), (1, "both")]);
    let said = rig.client.get("/api/v1/nodes/web3").problem(404);
    assert!(said.contains("did you mean \"web1\"?"), "{said}");
}

#[test]
fn who_is_limited_to_jobs_sees_nothing_of_others_on_a_node() {
    let rig = farm(Rig::remote);
    let client = rig.client.clone().bearer(&rig.token("t", Role::Viewer, &["both"]));
    let shown: NodeDetail = client.get("/api/v1/nodes/web1").of();
    assert_eq!(shown.jobs, ["both"]);
    assert_eq!(shown.units.len(), 1);
    assert_eq!(shown.node.last_failure, None);
}

#[test]
fn why_a_configuration_was_refused_is_not_for_who_is_limited_to_jobs() {
    let rig = farm(Rig::remote);
    let why = "jobs/secret.yaml:3: a mistake".to_owned();
    rig.parent.status.lock().unwrap().reload_trouble = Some(why.clone());
    let told = |jobs: &[&str]| -> Daemon {
        let token = rig.token(&format!("of-{}", jobs.len()), Role::Admin, jobs);
        rig.client.clone().bearer(&token).get("/api/v1/daemon").of()
    };
    assert_eq!(told(&[]).reload_trouble, Some(why));
    let limited = told(&["web"]).reload_trouble.unwrap();
    assert!(!limited.contains("secret"), "{limited}");
}

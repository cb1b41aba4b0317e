//! Jobs: lists, one of them, its fires, its switch.

use jiff::Timestamp;
use loom::access::Role;
use loom::api::Page;
use loom::api::job::{Fires, Job, JobDetail};
use loom::protocol::control::{Answer, Command, JobEntry, News, Switched, Why};
use loom::unit::{Outcome, RunEnd};
use serde_json::json;

use super::rig::{How, Rig, at, job, node, refusal, whole_run};

const ODD: &str = "a/b c?é";
/// As a path's segment.
const ODD_SEGMENT: &str = "a%2Fb%20c%3F%C3%A9";

fn names(page: &Page<Job>) -> Vec<&str> {
    page.items.iter().map(|job| job.name.as_str()).collect()
}

fn listed(rig: &Rig, query: &str) -> Page<Job> {
    rig.client.get(&format!("/api/v1/jobs{query}")).of()
}

fn some() -> Vec<JobEntry> {
    vec![
        JobEntry { tags: vec!["db".to_owned()], ..job("backup-a", "0 2 * * *") },
        JobEntry { enabled: false, ..job("backup-b", "0 2 * * *") },
        job("clean", "*/5 * * * *"),
        job(ODD, "@hourly"),
    ]
}

#[test]
fn jobs_are_listed_by_name_page_by_page() {
    let rig = Rig::local(&some(), &[node("n1")]);
    assert_eq!(names(&listed(&rig, "")), [ODD, "backup-a", "backup-b", "clean"]);
    let first = listed(&rig, "?limit=3");
    assert_eq!(names(&first), [ODD, "backup-a", "backup-b"]);
    assert_eq!(first.next.as_deref(), Some("backup-b"));
    let second = listed(&rig, "?limit=3&cursor=backup-b");
    assert_eq!((names(&second), &second.next), (vec!["clean"], &None));
    for limit in ["0", "1001", "-1", "many"] {
        rig.client.get(&format!("/api/v1/jobs?limit={limit}")).problem(400);
    }
}

#[test]
fn a_list_can_do_without_the_names_of_nodes() {
    let names: Vec<String> = (0..1000).map(|n| format!("node-{n}")).collect();
    let rig = Rig::local(&[JobEntry { targets: names, ..job("wide", "@daily") }], &[]);
    let told = |query: &str| {
        let job = listed(&rig, query).items.remove(0);
        (job.targets.len(), job.target_count)
    };
    assert_eq!(told(""), (1000, 1000));
    assert_eq!(told("?targets=false"), (0, 1000));
    let detail: JobDetail = rig.client.get("/api/v1/jobs/wide").of();
    assert_eq!((detail.job.targets.len(), detail.job.target_count), (1000, 1000));
    rig.client.get("/api/v1/jobs?targets=none").problem(400);
}

#[test]
fn a_flow_is_told_with_its_slots_and_its_plan() {
    let planned = |job: &str| {
        json!({"job": job, "targets": ["n1"], "success": "100%", "needed": 1, "at_once": [1],
               "attempts": 1, "on_failure": "stop"})
    };
    let plan = json!({"slots": [[planned("clean"), planned("web/own")], [planned("clean")]]});
    let flow =
        JobEntry { task: "@flow".to_owned(), plan: Some(plan.to_string()), ..job("web", "@never") };
    let rig = Rig::local(&[flow, job("clean", "@hourly")], &[node("n1")]);
    let all = listed(&rig, "");
    assert_eq!(names(&all), ["clean", "web"]);
    assert_eq!(all.items[0].slots, None);
    let slots = [vec!["clean".to_owned(), "web/own".to_owned()], vec!["clean".to_owned()]];
    assert_eq!(all.items[1].slots.as_deref(), Some(&slots[..]));
    assert_eq!(all.items[1].next_at, None);
    assert_eq!(names(&listed(&rig, "?flow=true")), ["web"]);
    assert_eq!(names(&listed(&rig, "?flow=false")), ["clean"]);
    let shown: JobDetail = rig.client.get("/api/v1/jobs/web").of();
    assert_eq!(json!(shown.plan), plan);
    assert!(shown.next.is_empty());
    let shown: JobDetail = rig.client.get("/api/v1/jobs/clean").of();
    assert_eq!((shown.plan, shown.job.slots), (None, None));
}

#[test]
fn jobs_are_found_by_name_tag_switch_and_last_run() {
    let rig = Rig::local(&some(), &[node("n1")]);
    let t = at("2026-02-01T00:00:00Z");
    let failed = [("n1", Outcome::Failed { exit: Some(3) })];
    let fine = [("n1", Outcome::Succeeded)];
    let run = |id, job: &str, ends: &[_], end| whole_run(id, job, &How::manual(t), ends, end);
    rig.record(&run(1, "clean", &failed, RunEnd::Failed));
    rig.record(&run(2, "backup-a", &failed, RunEnd::Failed));
    rig.record(&run(3, "clean", &fine, RunEnd::Succeeded));
    assert_eq!(names(&listed(&rig, "?name=ack")), ["backup-a", "backup-b"]);
    assert_eq!(names(&listed(&rig, "?name=*-b")), ["backup-b"]);
    assert_eq!(names(&listed(&rig, "?tag=db")), ["backup-a"]);
    assert_eq!(names(&listed(&rig, "?enabled=false")), ["backup-b"]);
    assert_eq!(names(&listed(&rig, "?state=failed")), ["backup-a"]);
    assert_eq!(names(&listed(&rig, "?state=failed,succeeded")), ["backup-a", "clean"]);
    let page = listed(&rig, "?state=failed,succeeded&limit=1");
    assert_eq!((names(&page), page.next.as_deref()), (vec!["backup-a"], Some("backup-a")));
    assert_eq!(names(&listed(&rig, "?state=failed,succeeded&cursor=backup-a")), ["clean"]);
    let said = rig.client.get("/api/v1/jobs?state=faild").problem(400);
    assert!(said.contains("did you mean \"failed\"?"), "{said}");
    rig.client.get("/api/v1/jobs?name=a%5B").problem(400);

    let clean = &listed(&rig, "?name=clean").items[0];
    let last = clean.last_run.as_ref().unwrap();
    assert_eq!((last.id, last.state.as_str(), last.units.succeeded), (3, "succeeded", 1));
    let next = clean.next_at.unwrap();
    assert!(next > Timestamp::now() && next.as_second() % 300 == 0, "{next}");
    assert_eq!(listed(&rig, "?name=backup-b").items[0].next_at, None);
}

#[test]
fn a_job_of_any_name_is_shown_whole() {
    let rig = Rig::local(&some(), &[node("n1")]);
    let t = at("2026-02-01T00:00:00Z");
    let fine = [("n1", Outcome::Succeeded)];
    for id in 1..=12 {
        rig.record(&whole_run(id, ODD, &How::manual(t), &fine, RunEnd::Succeeded));
    }
    let shown: JobDetail = rig.client.get(&format!("/api/v1/jobs/{ODD_SEGMENT}")).of();
    assert_eq!(shown.job.name, ODD);
    assert_eq!((shown.file.as_str(), shown.line), ("jobs/all.yaml", 1));
    assert_eq!(shown.manifest, json!({"task": "loom.run"}));
    let ids: Vec<u64> = shown.runs.iter().map(|run| run.id).collect();
    assert_eq!(ids, [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    assert_eq!(shown.job.last_run.as_ref(), shown.runs.first());
    assert_eq!(shown.next.len(), 10);
    assert_eq!(shown.job.next_at.as_ref(), shown.next.first());
    assert!(shown.next.windows(2).all(|two| (two[1] - two[0]).get_seconds() == 3600));

    let said = rig.client.get("/api/v1/jobs/clea").problem(404);
    assert_eq!(said, r#"there is no job "clea"; did you mean "clean"?"#);
    rig.client.get("/api/v1/jobs/%FF").problem(400);
}

#[test]
fn fires_are_those_of_the_schedule_in_its_zone() {
    let berlin = JobEntry { timezone: Some("Europe/Berlin".into()), ..job("b", "30 2 * * *") };
    let off = JobEntry { enabled: false, ..job("off", "@hourly") };
    let rig = Rig::local(&[berlin, off], &[]);
    let fires = |query: &str| -> Fires { rig.client.get(&format!("/api/v1/jobs/{query}")).of() };
    let found = fires("b/fires?from=2026-03-28T02:30&count=3");
    assert_eq!(found.timezone, "Europe/Berlin");
    // The second falls into the hour that spring leaves out.
    let expected = ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"];
    assert_eq!(found.times, expected.map(at));
    let later = fires("b/fires?from=2026-03-28T01:30:00.5Z&count=1");
    assert_eq!(later.times, [at("2026-03-29T01:00:00Z")]);
    assert_eq!(fires("off/fires?count=1000").times.len(), 1000);
    assert_eq!(fires("off/fires").times.len(), 10);
    assert_eq!(fires("b/fires?from=9999-12-30T12:00:00Z").times, []);
    for query in ["count=0", "count=1001", "from=soon", "from=2026-03-28T02:30:00+01:00"] {
        rig.client.get(&format!("/api/v1/jobs/b/fires?{query}")).problem(400);
    }
}

#[test]
fn a_job_is_switched_by_the_parent_and_shown_as_it_says() {
    let rig = Rig::local(&some(), &[node("n1")]);
    rig.react(|request, parent| {
        let off = match &request.command {
            Command::Disable { job } if job == ODD => {
                Some(Switched { by: "bob".into(), at: at("2026-02-01T00:00:00Z") })
            }
            Command::Enable { job } if job == ODD => None,
            other => return refusal(Why::Conflict, &format!("{other:?}")),
        };
        parent.news(News::Switched { job: ODD.to_owned(), off });
        Ok(Answer::Done)
    });
    let path = |what: &str| format!("/api/v1/jobs/{ODD_SEGMENT}{what}");
    assert_eq!(rig.client.post(&path("/disable"), None).status(), 204);
    let shown: JobDetail = rig.client.get(&path("")).of();
    assert!(!shown.job.enabled && shown.job.next_at.is_none() && shown.next.is_empty());
    assert_eq!(shown.job.switched_off.unwrap().by, "bob");
    assert_eq!(names(&listed(&rig, "?enabled=false")), [ODD, "backup-b"]);
    assert_eq!(rig.client.post(&path("/enable"), None).status(), 204);
    let shown: JobDetail = rig.client.get(&path("")).of();
    assert!(shown.job.enabled && shown.job.next_at.is_some());
    rig.client.post("/api/v1/jobs/clean/disable", None).problem(409);
    assert_eq!(rig.client.get(&path("/disable")).status(), 405);
}

#[test]
fn nothing_comes_while_all_is_paused() {
    let rig = Rig::local(&some(), &[]);
    rig.tell(News::Paused(true));
    rig.heard();
    let all = listed(&rig, "");
    assert!(all.items.iter().all(|job| job.next_at.is_none()));
    assert!(all.items[0].enabled);
}

#[test]
fn who_is_limited_to_jobs_sees_no_others() {
    let rig = Rig::remote(&some(), &[node("n1")]);
    let client = rig.client.clone().bearer(&rig.token("ops", Role::Viewer, &["backup-*"]));
    let page: Page<Job> = client.get("/api/v1/jobs").of();
    assert_eq!(names(&page), ["backup-a", "backup-b"]);
    let of = |path: &str| client.get(&format!("/api/v1/jobs/{path}"));
    assert_eq!(of("backup-a").status(), 200);
    for path in ["clean", "clean/fires", "clean/why"] {
        let said = of(path).problem(404);
        assert_eq!(said, r#"there is no job "clean""#);
    }
}

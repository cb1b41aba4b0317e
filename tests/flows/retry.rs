//! Taking a flow up where it ended: with what did not succeed, and nothing else.

use std::fs;
use std::process::Output;
use std::time::Duration;

use loom::api::run::RunDetail;
use loom::job::policy::Share;
use loom::protocol::control::{Answer, Command, FlowOf, FlowOrder, GivenPart};
use serde_json::{Value, json};

use crate::harness::flows::{own, with};
use crate::harness::{Books, Daemon, Farm, SOON, Site, api, books, process, until};

const LIMIT: Duration = Duration::from_secs(120);

/// Leaves its name on the node, and succeeds there once the node is `well` for it.
fn fussy(name: &str, nodes: &[&str]) -> Value {
    own(name, &format!("echo {name} >>$LOOM_EVIDENCE/ran; test -e $LOOM_EVIDENCE/{name}"), nodes)
}

/// Leaves its name on the node.
fn plain(name: &str, nodes: &[&str]) -> Value {
    own(name, &format!("echo {name} >>$LOOM_EVIDENCE/ran"), nodes)
}

fn well(farm: &Farm, job: &str, nodes: &[&str]) {
    for node in nodes {
        fs::write(farm.node(node).evidence().join(job), "").unwrap();
    }
}

/// What has run on the node, in order.
fn ran(farm: &Farm, node: &str) -> String {
    farm.evidence(node, "ran").replace('\n', " ").trim_end().to_owned()
}

fn loom(site: &Site, args: &[&str]) -> (Option<i32>, String, String) {
    let mut loom = site.loom(args);
    for name in ["LOOM_HOST", "LOOM_TOKEN", "LOOM_CACERT"] {
        loom.env_remove(name);
    }
    let Output { status, stdout, stderr } = process::run(&mut loom, LIMIT);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// Takes the run up; the run that does, and how it ended.
fn take_up(site: &Site, flow: &str, run: i64) -> (i64, String) {
    let (code, out, err) = loom(site, &["flow", "retry", &run.to_string(), "--json"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    let later = answer["run"].as_i64().unwrap();
    (later, site.ledger().wait_for_flow(flow, later, SOON))
}

/// What is said by who refuses.
fn refused(site: &Site, args: &[&str]) -> String {
    let (code, out, err) = loom(site, args);
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    err
}

fn conflict(site: &Site, run: i64, body: Value) -> (u16, String) {
    let answer = api::ask(site, "POST", &format!("runs/{run}/retry"), Some(body)).unwrap();
    let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
    (answer.status, detail)
}

#[test]
fn a_flow_is_taken_up_again_and_again_with_what_has_not_succeeded_yet() {
    let farm = Farm::start(3);
    let site = Site::new(&farm);
    let slots = json!([
        [plain("first", &["n1", "n2", "n3"])],
        [fussy("picky", &["n1", "n2", "n3"]), plain("beside", &["n2"])],
        [plain("last", &["n1"])],
    ]);
    site.write_flow("deploy", json!({"slots": slots}));
    well(&farm, "picky", &["n1"]);
    let mut daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();
    let run = daemon.run("deploy");
    assert_eq!(ledger.wait_for_flow("deploy", run, SOON), "failed");

    let lines = [
        format!("deploy: queued, slots: 3, units: 8 (run {run})"),
        format!("deploy/picky: queued, units: 3; slot 2, job 1 of run {run}"),
        "deploy: failed, 5 of 8 units succeeded, up to slot 2 of 3".to_owned(),
    ];
    for line in lines {
        daemon.wait_for_log(&line, SOON);
    }
    // The constraint is of all three, as ever: two of them are left.
    well(&farm, "picky", &["n2"]);
    let (second, end) = take_up(&site, "deploy", run);
    assert_eq!(end, "failed");
    let places: Vec<_> = ledger.parts(second).into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, [(2, 1, 0)], "its other job was done");
    let (status, said) = conflict(&site, run, json!({}));
    assert_eq!(status, 409);
    assert!(said.contains(&format!("taken up by run {second} already")), "{said}");

    well(&farm, "picky", &["n3"]);
    let (third, end) = take_up(&site, "deploy", second);
    assert_eq!(end, "succeeded");
    assert_eq!(ran(&farm, "n1"), "first picky last");
    let beside = ran(&farm, "n2");
    assert!(
        ["first picky beside picky", "first beside picky picky"].contains(&&*beside),
        "{beside}"
    );
    assert_eq!(ran(&farm, "n3"), "first picky picky picky");

    let told: RunDetail =
        serde_json::from_str(&api::get(&site, &format!("runs/{third}")).unwrap().body).unwrap();
    assert_eq!((told.run.trigger.as_str(), told.run.retry_of), ("retry", Some(second as u64)));
    let resumed = told.resumed.unwrap();
    assert_eq!(
        (resumed.slot, resumed.done),
        (2, vec![vec!["n1".into(), "n2".into()], vec!["n2".into()]])
    );
    let said = refused(&site, &["flow", "retry", &third.to_string()]);
    assert!(said.contains("the flow deploy has succeeded"), "{said}");
    let (code, out, err) = loom(&site, &["why", "deploy", "--run", &run.to_string()]);
    assert_eq!(code, Some(0), "{err}");
    let why = [
        "In slot 2 deploy/picky succeeded on 1 of 3 nodes, and needed 3".to_owned(),
        format!("Run {second} took it up, and failed."),
    ];
    why.iter().for_each(|why| assert!(out.contains(why), "{out}"));
    let (_, out, _) = loom(&site, &["why", "deploy"]);
    assert!(out.contains(&format!("It takes up run {second} from slot 2")), "{out}");
    let audit = "select action, detail from audit where action = 'flow retry' order by id";
    let audit =
        ledger.query(audit, &[], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    assert_eq!(audit.len(), 2);
    assert!(audit.iter().all(|(_, detail)| detail.starts_with("from slot 2")), "{audit:?}");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_failure_within_the_constraint_is_tried_again_with_the_slot() {
    let farm = Farm::start(3);
    let site = Site::new(&farm);
    let most = with(fussy("most", &["n1", "n2", "n3"]), json!({"success": 2}));
    let slots = json!([[most, fussy("all", &["n1"])], [plain("last", &["n3"])]]);
    site.write_flow("deploy", json!({"slots": slots}));
    well(&farm, "most", &["n1", "n2"]);
    let mut daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();
    let run = daemon.run("deploy");
    assert_eq!(ledger.wait_for_flow("deploy", run, SOON), "failed");
    let states = |run| ledger.parts(run).into_iter().map(|(_, run)| run.state).collect::<Vec<_>>();
    assert_eq!(states(run), ["succeeded", "failed"]);
    // It had enough of them, and one more is no harm; that one may fail again.
    well(&farm, "all", &["n1"]);
    let (code, _, err) = loom(&site, &["retry", &run.to_string(), "--wait"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains(&format!("takes up run {run}, from slot 1 of 2")), "{err}");
    assert_eq!(ran(&farm, "n3"), "most most last");
    assert_eq!(ran(&farm, "n2"), "most");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn what_cannot_be_taken_up_says_why_and_runs_nothing() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    site.write_command("alone", "test -e $LOOM_EVIDENCE/alone", &["n1"]);
    let wait = own("wait", "until test -e $LOOM_EVIDENCE/go; do sleep 0.05; done; false", &["n1"]);
    site.write_flow("deploy", json!({"slots": [["alone", wait], [plain("last", &["n2"])]]}));
    let mut daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();
    let run = daemon.run("deploy");
    until("its units", SOON, || (books::starts(&farm) == 1).then_some(()));
    let said = refused(&site, &["flow", "retry", &run.to_string()]);
    assert!(said.contains(&format!("run {run} is running still")), "{said}");
    fs::write(farm.node("n1").evidence().join("go"), "").unwrap();
    assert_eq!(ledger.wait_for_flow("deploy", run, SOON), "failed");

    let (status, said) = conflict(&site, run, json!({"only": "unstarted"}));
    assert_eq!(status, 400);
    assert!(said.contains("`only` is for runs of jobs"), "{said}");
    let parts = ledger.parts(run);
    let [alone, wait] = [0, 1].map(|part: usize| parts[part].1.id);
    let said = refused(&site, &["flow", "retry", &alone.to_string()]);
    assert!(said.contains(&format!("a part of run {run}")), "{said}");
    // One that stands in the flow alone cannot be run without it.
    let said = refused(&site, &["retry", &wait.to_string()]);
    assert!(said.contains(&format!("`loom flow retry {run}`")), "{said}");
    // One that does not is a job like any other.
    well(&farm, "alone", &["n1"]);
    let (code, out, err) = loom(&site, &["retry", &alone.to_string()]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains(&format!("retries run {alone}")), "{out}");
    let job = ledger.runs("alone").last().unwrap().id;
    assert_eq!(ledger.wait_for_run("alone", job, SOON).0.state, "succeeded");
    let said = refused(&site, &["flow", "retry", &job.to_string()]);
    assert!(said.contains(&format!("`loom retry {job}`")), "{said}");

    let mark = daemon.log().mark();
    site.write_flow("deploy", json!({"slots": [["alone"], [plain("last", &["n2"])]]}));
    daemon.hup();
    daemon.log().wait_after(mark, "reloaded", SOON);
    let (status, said) = conflict(&site, run, json!({}));
    assert_eq!((status, said.contains("has other jobs now")), (409, true), "{said}");
    let mark = daemon.log().mark();
    fs::remove_file(site.path("jobs/deploy.yaml")).unwrap();
    daemon.hup();
    daemon.log().wait_after(mark, "reloaded", SOON);
    let (status, said) = conflict(&site, run, json!({}));
    assert_eq!((status, said.contains("there is no flow deploy")), (409, true), "{said}");
    assert_eq!((ran(&farm, "n2"), ledger.runs("deploy").len()), (String::new(), 1));
    daemon.stop();
}

#[test]
fn one_of_no_manifest_is_taken_up_as_it_was_given() {
    let farm = Farm::start(3);
    let site = Site::new(&farm);
    let mut daemon = Daemon::start_with_control(&site);
    let part = |name: &str, command: &str, targets: &str| GivenPart {
        name: name.to_owned(),
        command: books::witnessed(&format!("echo {name} >>$LOOM_EVIDENCE/ran; {command}")),
        targets: vec![targets.to_owned()],
        success: Share::Percent(100),
        parallel: vec![Share::Percent(50)],
        timeout: None,
        attempts: 1,
    };
    let slots =
        vec![vec![part("a", "test -e $LOOM_EVIDENCE/a", "n[1-3]")], vec![part("b", "true", "n2")]];
    let flow = FlowOf::Given { from: "a.json".to_owned(), slots, any_host: false };
    let order = Command::Flow(Box::new(FlowOrder { flow, resume: None }));
    let Ok(Answer::Run(Some(run))) = daemon.control().request(order) else { panic!("not run") };
    let (run, ledger) = (run.0 as i64, daemon.ledger());
    well(&farm, "a", &["n1", "n3"]);
    assert_eq!(ledger.wait_for_flow("@flow", run, SOON), "failed");
    let done: Vec<String> = ledger
        .units("@flow/a")
        .into_iter()
        .filter(|unit| unit.outcome.as_deref() == Some("succeeded"))
        .map(|unit| unit.node)
        .collect();
    well(&farm, "a", &["n2"]);
    let (second, end) = take_up(&site, "@flow", run);
    assert_eq!(end, "succeeded");
    for node in ["n1", "n2", "n3"] {
        let times = ran(&farm, node).matches('a').count();
        assert!(
            times == 1 || !done.iter().any(|done| done == node),
            "{node}: {}",
            ran(&farm, node)
        );
    }
    assert_eq!(ran(&farm, "n2").matches('b').count(), 1);
    let from = "select command from runs where id = ?1";
    assert_eq!(ledger.query(from, &[&second], |row| row.get::<_, String>(0)), ["a.json"]);
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

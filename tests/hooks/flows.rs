//! Hooks of a flow and of the jobs in it, fired by a daemon.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Daemon, Farm, SOON, Site, until};

/// What the hooks have written, by `JOB OCCASION`; as many lines as are expected.
fn told(site: &Site, lines: usize) -> BTreeMap<String, Value> {
    let path = site.path("told");
    let text = until("the hooks", SOON, || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        (text.lines().count() >= lines).then_some(text)
    });
    std::fs::remove_file(path).unwrap();
    let mut told = BTreeMap::new();
    for line in text.lines() {
        let json: Value = serde_json::from_str(line).unwrap();
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let key = format!("{} {}", word(&json["job"]["name"]), word(&json["occasion"]));
        assert!(told.insert(key.clone(), json).is_none(), "{key} twice: {text}");
    }
    told
}

#[test]
fn a_flow_is_told_of_once_and_recovers_across_a_restart() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    let (told_to, mended) = (site.path("told"), site.path("mended"));
    let hook = |occasion: &str| format!("{occasion}: cat >>{}", told_to.display());
    let hooks = |occasions: &[&str]| {
        let hooks: Vec<String> = occasions.iter().map(|occasion| hook(occasion)).collect();
        format!("{{{}}}", hooks.join(", "))
    };
    let of_flow = ["on_start", "on_success", "on_failure", "on_recovery"];
    let manifest = format!(
        "jobs:
  pkg: {{task: loom.run, args: ['true'], schedule: '@never', targets: [n1], hooks: {pkg}}}
flows:
  deploy:
    hooks: {flow}
    slots:
      - [pkg]
      - - name: restart
          task: loom.run
          args: ['test -e {mended} || exit 3']
          targets: [n1, n2]
          hooks: {restart}
          on_failure: {{rescue: {{name: back, task: loom.run, args: ['true'], targets: [n2]}}, then: stop}}
      - - {{name: check, task: loom.run, args: ['true'], targets: [n1]}}
",
        pkg = hooks(&["on_success", "on_failure"]),
        flow = hooks(&of_flow),
        restart = hooks(&["on_failure", "on_recovery"]),
        mended = mended.display(),
    );
    site.write("jobs/deploy.yaml", &manifest);
    let mut daemon = Daemon::start_with_control(&site);
    let run = daemon.run("deploy");
    let first = told(&site, 4);
    let keys: Vec<&str> = first.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["deploy on_failure", "deploy on_start", "deploy/restart on_failure", "pkg on_success"]
    );
    let failed = &first["deploy on_failure"];
    assert_eq!(failed["run"]["state"], "failed");
    assert_eq!(failed["flow"]["slots"][0][0]["state"], "succeeded");
    let restart = &failed["flow"]["slots"][1][0];
    assert_eq!((&restart["state"], &restart["total"]), (&json!("failed"), &json!(2)));
    assert_eq!(restart["rescue"]["job"], "deploy/back");
    assert_eq!(restart["rescue"]["state"], "succeeded");
    assert_eq!(failed["flow"]["slots"][2][0]["state"], Value::Null);
    let counts = &failed["counts"];
    let counts = [&counts["total"], &counts["succeeded"], &counts["failed"]];
    // The third slot's in the total alone; early stop may have left one restart out.
    let failures = counts[2].as_u64().unwrap();
    assert_eq!((counts[0], counts[1]), (&json!(5), &json!(2)));
    assert!((1..=2).contains(&failures), "{failures}");
    assert_eq!(
        (&failed["units"][0]["job"], &failed["units"][0]["exit"]),
        (&json!("deploy/restart"), &json!(3))
    );
    let of_part = &first["deploy/restart on_failure"]["run"]["flow"];
    assert_eq!(*of_part, json!({"job": "deploy", "run": run, "slot": 2, "part": 1, "rescue": 0}));
    daemon.stop();

    site.write("mended", "");
    let mut daemon = Daemon::start_with_control(&site);
    daemon.run("deploy");
    let second = told(&site, 5);
    let keys: Vec<&str> = second.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "deploy on_recovery",
            "deploy on_start",
            "deploy on_success",
            "deploy/restart on_recovery",
            "pkg on_success"
        ]
    );
    assert_eq!(second["deploy on_success"]["counts"]["succeeded"], 4);
    let ledger = daemon.ledger();
    let rows = until("the rows", SOON, || {
        let sql = "select job || ' ' || occasion from hooks where failure is null";
        let rows: Vec<String> = ledger.query(sql, &[], |row| row.get(0));
        (rows.len() >= 9).then_some(rows)
    });
    assert_eq!(rows.len(), 9, "{rows:?}");
    daemon.stop();
}

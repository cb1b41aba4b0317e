//! The whole way: a manifest's hooks, fired by a daemon, and their rows in the ledger.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Daemon, Farm, Site, until};

/// A full minute comes within it, and what is due then has run.
const A_MINUTE: Duration = Duration::from_secs(100);

#[test]
fn a_run_that_fails_is_told_and_a_hook_that_fails_is_recorded() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let told = site.path("told.json");
    site.write_job(
        "tick",
        &format!(
            "task: loom.run\nargs: ['exit 3']\nschedule: '* * * * *'\ntargets: [n1]\n\
             notify_interval: 1h\n\
             hooks:\n  on_failure:\n    - cat >{0}.part && mv {0}.part {0}\n    - exit 4\n",
            told.display()
        ),
    );
    let mut daemon = Daemon::start(&site);
    let json: Value =
        until("the hook", A_MINUTE, || serde_json::from_slice(&std::fs::read(&told).ok()?).ok());
    assert_eq!((&json["version"], &json["occasion"]), (&1.into(), &"on_failure".into()));
    assert_eq!(json["job"]["name"], "tick");
    assert_eq!(json["run"]["state"], "failed");
    assert_eq!(json["units"][0]["node"], "n1");
    assert_eq!(json["units"][0]["exit"], 3);
    assert_eq!(json["counts"]["failed"], 1);
    let run = json["run"]["id"].as_i64().unwrap();
    let ledger = daemon.ledger();
    let mut rows: Vec<(i64, String, String, Option<String>)> = Vec::new();
    until("both rows", A_MINUTE, || {
        let sql = "select run, occasion, action, failure from hooks order by failure";
        let row =
            |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        rows = ledger.query(sql, &[], row);
        (rows.len() == 2).then_some(())
    });
    let (occasion, action) = ("on_failure".to_owned(), "command".to_owned());
    let why = "it exited with 4".to_owned();
    assert_eq!(rows[0], (run, occasion.clone(), action.clone(), None));
    assert_eq!(rows[1], (run, occasion, action, Some(why)));
    assert_eq!(ledger.runs("tick")[0].state, "failed");
    daemon.stop();
}

//! What is shown: jobs, nodes, runs, one of each, and why.

use super::{loom, rows};
use crate::harness::{Daemon, Farm, SOON, Site};

/// A daemon with a run that succeeded, and one that failed on one of two nodes.
fn with_history<'a>(site: &'a Site) -> (Daemon<'a>, [i64; 2]) {
    site.write_job(
        "good",
        "task: loom.run\nargs: ['true']\nschedule: '@yearly'\ntags: [db]\ntargets: [n1]",
    );
    site.write_command("bad", "[ $LOOM_NODE = n1 ] || { echo no; exit 3; }", &["n1", "n2"]);
    site.write_job(
        "never",
        "task: loom.run\nargs: ['true']\nschedule: '@yearly'\nenabled: false\ntargets: [n2]",
    );
    let daemon = Daemon::start_with_control(site);
    let run = |job| {
        let run = daemon.run(job);
        daemon.ledger().wait_for_run(job, run, SOON);
        run
    };
    let runs = [run("good"), run("bad")];
    (daemon, runs)
}

#[test]
fn jobs_nodes_and_runs_are_listed_and_chosen() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    let (mut daemon, [good, bad]) = with_history(&site);

    let told = loom(&site, &["jobs"]).exits(0).stdout;
    assert!(told.starts_with("JOB "), "{told}");
    let names: Vec<&str> = rows(&told).iter().map(|row| row[0]).collect();
    assert_eq!(names, ["bad", "good", "never"]);
    for (args, expected) in [
        (&["jobs", "good", "bad"][..], &["good", "bad"][..]),
        (&["jobs", "--tag", "db"], &["good"]),
        (&["jobs", "--state", "failed"], &["bad"]),
        (&["jobs", "--disabled"], &["never"]),
        (&["jobs", "bad", "--tag", "db"], &[]),
    ] {
        let json = loom(&site, &[args, &["--json"]].concat()).json();
        let names: Vec<&str> =
            json.as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{args:?}");
    }
    let told = loom(&site, &["jobs", "--tag", "none"]).exits(0);
    assert_eq!((told.stdout.as_str(), told.stderr.as_str()), ("", "loom: no jobs\n"));

    let told = loom(&site, &["nodes"]).exits(0).stdout;
    let nodes = rows(&told);
    assert_eq!((nodes[0][0], nodes[1][0]), ("n1", "n2"));
    let json = loom(&site, &["nodes", "--failing", "--json"]).json();
    assert_eq!(json.as_array().unwrap().len(), 1);
    assert_eq!(json[0]["last_failure"]["exit"], 3);

    let told = loom(&site, &["runs"]).exits(0).stdout;
    let runs = rows(&told);
    assert_eq!(runs[0][..4], [&bad.to_string(), "bad", "failed", "1/2, 1 failed"]);
    assert_eq!(runs[1][..4], [&good.to_string(), "good", "succeeded", "1/1"]);
    for (args, expected) in [
        (&["--job", "good"][..], &[good][..]),
        (&["--state", "failed,lost"], &[bad]),
        (&["--node", "n2"], &[bad]),
        (&["--trigger", "schedule"], &[]),
        (&["--since", "1h"], &[bad, good]),
        (&["--until", "1h"], &[]),
        (&["--limit", "1"], &[bad]),
    ] {
        let json = loom(&site, &[&["runs", "--json"], args].concat()).json();
        let ids: Vec<i64> =
            json.as_array().unwrap().iter().map(|run| run["id"].as_i64().unwrap()).collect();
        assert_eq!(ids, expected, "{args:?}");
    }
    daemon.stop();
}

#[test]
fn one_of_each_is_shown_and_a_wrong_name_told_with_a_near_one() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    let (mut daemon, [_, bad]) = with_history(&site);
    let run = bad.to_string();

    let told = loom(&site, &["show", &run]).exits(0).stdout;
    assert!(told.contains("\nstate        failed: 1 of 2 units succeeded, 1 failed\n"), "{told}");
    assert!(told.contains("  n2          1  failed, exit 3  "), "{told}");
    let json = loom(&site, &["show", &run, "--json"]).json();
    assert_eq!(json["nodes"][1]["exit"], 3);

    let told = loom(&site, &["show", "good"]).exits(0).stdout;
    assert!(told.starts_with("job          good\n") && told.contains("\nRUN  JOB"), "{told}");
    let told = loom(&site, &["show", "n2"]).exits(0).stdout;
    assert!(told.starts_with("node         n2\n") && told.contains("1 in a row"), "{told}");

    for (args, part) in [
        (&["show", "goood"][..], "did you mean \"good\"?"),
        (&["jobs", "bda"], "did you mean \"bad\"?"),
        (&["why", "goood"], "did you mean \"good\"?"),
        (&["show", "neither"], "no job or node \"neither\""),
        (&["show", "999999"], "999999"),
        (&["show", "99999999999999999999"], "no run 99999999999999999999"),
        (&["nodes", "n9"], "n9"),
        (&["cancel", "999999"], "999999"),
    ] {
        let told = loom(&site, args).exits(5);
        assert!(told.stdout.is_empty() && told.stderr.contains(part), "{told:?}");
    }
    daemon.stop();
}

#[test]
fn a_name_of_two_things_has_to_be_told_apart() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_command("n1", "true", &["n1"]);
    let mut daemon = Daemon::start(&site);
    let told = loom(&site, &["show", "n1"]).exits(2).stderr;
    assert!(told.contains("--job or --node"), "{told}");
    assert!(loom(&site, &["show", "--job", "n1"]).exits(0).stdout.starts_with("job "));
    assert!(loom(&site, &["show", "--node", "n1"]).exits(0).stdout.starts_with("node "));
    daemon.stop();
}

#[test]
fn why_tells_what_became_of_an_instant() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_job(
        "daily",
        "task: loom.run\nargs: ['true']\nschedule: '0 3 * * *'\ntimezone: UTC\ntargets: [n1]",
    );
    let mut daemon = Daemon::start(&site);
    let json = loom(&site, &["why", "daily", "--at", "2040-01-01T03:00", "--json"]).json();
    assert_eq!(json["verdict"], "future");
    let told = loom(&site, &["why", "daily", "--at", "2040-01-01T03:00"]).exits(0).stdout;
    assert!(told.contains("due after   2040-01-02T03:00:00+00:00"), "{told}");
    let json = loom(&site, &["why", "daily", "--at", "2040-01-01T03:01", "--json"]).json();
    assert_eq!(json["verdict"], "not_due");
    loom(&site, &["why", "daily"]).exits(0);
    loom(&site, &["why", "daily", "--at", "soon"]).exits(2);
    daemon.stop();
}

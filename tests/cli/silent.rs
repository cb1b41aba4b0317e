//! No daemon, and daemons whose API does not answer: `status`, `reload` and `stop` all the same.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;

use super::{Did, loom, loom_with, rows};
use crate::harness::process::{Process, run};
use crate::harness::site::loom_executable;
use crate::harness::{Daemon, Farm, SOON, Site, until};

fn gateway(daemon: &Daemon) -> Process {
    let children = daemon.process().children();
    let gateways = children.into_iter().filter(|child| child.is_alive());
    gateways.into_iter().find(|child| child.runs("loom-gateway")).expect("there is no gateway")
}

#[test]
fn without_a_daemon_it_is_said_where_was_looked() {
    let site = Site::empty();
    for command in ["status", "reload", "stop", "jobs"] {
        let told = loom(&site, &[command]).exits(4);
        let link = site.statedir().join("api.sock");
        let expected = format!(
            "loom: no daemon runs here (looked at {}: there is no such socket)\n",
            link.display()
        );
        assert_eq!((told.stdout.as_str(), told.stderr), ("", expected), "{command}");
    }
    // Where nothing says what is meant, that is said.
    let elsewhere = site.path("none.yaml");
    let output = run(
        Command::new(loom_executable())
            .arg("-c")
            .arg(&elsewhere)
            .arg("status")
            .env("HOME", site.root()),
        SOON,
    );
    let told = Did::of(output).exits(4);
    assert!(told.stderr.contains("\nthere is no configuration"), "{}", told.stderr);
}

#[test]
fn status_shows_how_a_daemon_is_also_with_broken_manifests() {
    let site = Site::empty();
    let mut daemon = Daemon::start(&site);
    let mark = daemon.log().mark();
    site.write("jobs/broken.yaml", "jobs: [");
    daemon.log().wait_after(mark, "stays as it is", SOON);
    let told = loom(&site, &["status"]).exits(0).stdout;
    assert!(told.starts_with("daemon         runs\n"), "{told}");
    assert!(told.contains(&format!(", PID {}, on ", daemon.pid())), "{told}");
    assert!(told.contains("the last reload was refused: "), "{told}");
    let json = loom(&site, &["status", "--json"]).json();
    assert_eq!(json["pid"], daemon.pid());
    assert_eq!(json["workers"]["max"], 10);
    daemon.stop();
    loom(&site, &["status"]).exits(4);
}

#[test]
fn a_killed_gateway_costs_nobody_an_answer() {
    let site = Site::empty();
    let mut daemon = Daemon::start(&site);
    loom(&site, &["status"]).exits(0);
    for _ in 0..3 {
        gateway(&daemon).signal(Signal::SIGKILL);
        let json = loom(&site, &["status", "--json"]).json();
        assert_eq!(json["pid"], daemon.pid());
    }
    daemon.stop();
}

#[test]
fn a_daemon_whose_gateway_hangs_is_seen_by_its_ledger_and_told_by_signals() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_command("nap", "sleep 600", &["n1"]);
    let mut daemon = Daemon::start_with_control(&site);
    let run = daemon.run("nap");
    daemon.ledger();
    until("the unit", SOON, || {
        site.ledger().units("nap").iter().any(|unit| unit.state == "running").then_some(())
    });
    loom(&site, &["status"]).exits(0);
    gateway(&daemon).signal(Signal::SIGSTOP);

    let told = loom(&site, &["status"]).exits(0).stdout;
    let (first, rest) = told.split_once('\n').unwrap();
    let expected = format!("running, PID {}; its API does not answer: ", daemon.pid());
    assert!(first.starts_with(&expected), "{told}");
    let table = rest.strip_prefix("1 open run in the ledger\n").expect(&told);
    assert_eq!(rows(table)[0][..4], [&run.to_string(), "nap", "manual", "running"]);
    let json = loom(&site, &["status", "--json"]).json();
    assert_eq!(json["open_runs"][0]["id"], run);

    let mark = daemon.log().mark();
    let told = loom(&site, &["reload"]).exits(0);
    assert!(told.stdout.contains("was sent SIGHUP"), "{told:?}");
    daemon.log().wait_after(mark, "reloaded", SOON);

    let told = loom(&site, &["stop", "--drain"]).exits(1);
    assert!(told.stderr.contains("it was left alone"), "{told:?}");
    let process = daemon.process();
    let told = loom(&site, &["stop", "--wait"]).exits(0);
    assert_eq!(told.stdout, "stopped\n");
    assert!(!process.is_alive());
    daemon.wait(SOON);
    daemon.assert_nothing_left();
    loom(&site, &["status"]).exits(4);
}

#[test]
fn a_daemon_without_a_gateway_is_found_by_its_pidfile() {
    let site = Site::empty();
    // The executables that it looks for beside itself, but one.
    let bin = site.path("bin");
    fs::create_dir(&bin).unwrap();
    for name in ["loom", "loom-worker"] {
        fs::copy(loom_executable().with_file_name(name), bin.join(name)).unwrap();
    }
    let mut daemon = Daemon::start_as(&site, site.adapt(Command::new(bin.join("loom")), &["-n"]));
    let told = loom(&site, &["status"]).exits(0).stdout;
    let expected = format!("running, PID {}; its API does not answer: ", daemon.pid());
    assert!(told.starts_with(&expected) && told.contains("api.sock: there is no"), "{told}");
    // What only the API can do is not done.
    let told = loom(&site, &["jobs"]).exits(4).stderr;
    assert!(told.contains("no daemon runs here"), "{told}");
    loom(&site, &["stop"]).exits(0);
    daemon.wait(SOON);
}

#[test]
fn what_cannot_be_reached_or_used_is_said_before_anything_is_sent() {
    let site = Site::empty();
    let token = site.path("token");
    fs::write(&token, "loom_x\n").unwrap();
    let token = token.to_str().unwrap();
    let far = "https://loom.example.com:7411";
    let closed = "http://127.0.0.1:1";
    for (code, variables, args, part) in [
        (3, &[("LOOM_HOST", far)][..], &["status"][..], "wants a token"),
        (3, &[], &["jobs", "--host", far], "LOOM_TOKEN"),
        (2, &[], &["jobs", "--host", "loom.example.com"], "is no host"),
        (2, &[], &["jobs", "--host", "https://loom_secret@x"], "no token"),
        (4, &[("LOOM_TOKEN", "t")], &["jobs", "--host", closed], "nobody listens there"),
        (4, &[("LOOM_TOKEN", "t")], &["status", "--host", closed], "cannot be reached"),
        (4, &[], &["jobs", "--host", "unix:/nonexistent/api"], "/nonexistent/api: there is no"),
        // LOOM_HOST is overruled.
        (4, &[("LOOM_HOST", far)], &["jobs", "--host", "local"], "no daemon runs here"),
        (
            2,
            &[("LOOM_TOKEN", "t"), ("LOOM_CACERT", "/nonexistent")],
            &["jobs", "--host", far],
            "/nonexistent: No such",
        ),
    ] {
        let told = loom_with(&site, variables, args).exits(code);
        assert!(told.stderr.starts_with("loom: ") && told.stderr.contains(part), "{told:?}");
        assert!(!told.stderr.contains("secret"), "{told:?}");
    }
    let open = |mode| fs::set_permissions(Path::new(token), fs::Permissions::from_mode(mode));
    open(0o644).unwrap();
    let args = ["jobs", "--host", closed, "--token-file", token];
    let told = loom(&site, &args).exits(3).stderr;
    assert!(told.contains("mode 0644"), "{told}");
    open(0o600).unwrap();
    loom(&site, &args).exits(4);
}

#[test]
fn wrong_usage_is_clap_s() {
    let site = Site::empty();
    for args in [
        &["runs", "--state", "fine"][..],
        &["runs", "--since", "yesterday"],
        &["show"],
        &["cancel", "backup"],
        &["retry", "1", "--only", "some"],
        &["token", "add", "ann", "--role", "boss"],
        &["token", "add", "ann"],
    ] {
        let told = loom(&site, args).exits(2);
        assert!(told.stderr.starts_with("error: "), "{told:?}");
    }
}

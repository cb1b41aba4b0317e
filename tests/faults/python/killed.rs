//! Whoever runs a task, or is worked on by it, ends in the middle of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;

use super::{HEAD, carrying, goes_on, left, lengthy, worded};
use crate::harness::farm::Options;
use crate::harness::ledger::Unit;
use crate::harness::process::{self, Process};
use crate::harness::{Books, Daemon, Farm, Fault, SOON, Site, until};

/// The run, once what it is to do on n1 runs there or here, and n2 is done.
fn under_way(daemon: &Daemon, site: &Site, job: &str) -> (i64, Unit) {
    let run = daemon.run(job);
    let (mark, what) = match job {
        "long" => ("LOOM_UNIT", "sleep 600"),
        _ => ("LOOM_HERE", "python3"),
    };
    let units = until("both units", SOON, || {
        let units = site.ledger().units(job);
        let done = units.len() == 2 && units[1].state == "done" && units[0].state == "running";
        let runs = |process: Process| process.command_line().contains(what);
        (done && carrying(site, mark, &units[0]).into_iter().any(runs)).then_some(units)
    });
    assert_eq!(worded(&units[1]), "succeeded", "{units:?}");
    (run, units[0].clone())
}

fn nothing_is_left(site: &Site, unit: &Unit) {
    until("the end of all that it started", SOON, || left(site, unit).is_empty().then_some(()));
}

#[test]
fn a_killed_worker_takes_interpreter_and_command_with_it() {
    let _fault = Fault::new("Python: kill -9 of the worker");
    let farm = Farm::start(2);
    let site = lengthy(&farm);
    let mut daemon = Daemon::start_with_control(&site);
    for name in ["long", "naps"] {
        let (run, unit) = under_way(&daemon, &site, name);
        daemon.workers().into_iter().for_each(|worker| worker.signal(Signal::SIGKILL));
        let (_, units) = daemon.ledger().wait_for_run(name, run, SOON);
        assert_eq!(worded(&units[0]), "crashed", "{units:?}");
        nothing_is_left(&site, &unit);
    }
    goes_on(&mut daemon, &site);
}

#[test]
fn a_killed_daemon_takes_interpreter_and_command_with_it() {
    let _fault = Fault::new("Python: kill -9 of the parent");
    let farm = Farm::start(2);
    let site = lengthy(&farm);
    for name in ["long", "naps"] {
        let mut daemon = Daemon::start_with_control(&site);
        let (_, unit) = under_way(&daemon, &site, name);
        daemon.kill9();
        nothing_is_left(&site, &unit);
    }
    goes_on(&mut Daemon::start_with_control(&site), &site);
}

#[test]
fn a_cancelled_task_ends_here_and_on_its_node() {
    let _fault = Fault::new("Python: cancelled");
    let farm = Farm::start(2);
    let site = lengthy(&farm);
    let mut daemon = Daemon::start_with_control(&site);
    for name in ["long", "naps"] {
        let (run, unit) = under_way(&daemon, &site, name);
        let here = carrying(&site, "LOOM_HERE", &unit);
        assert!(!here.is_empty(), "no interpreter");
        for interpreter in here {
            let score = fs::read_to_string(format!("/proc/{}/oom_score_adj", interpreter.pid));
            assert_eq!(score.unwrap().trim(), "500", "memory ends it before Loom");
        }
        let output = process::run(&mut site.loom(&["cancel", &run.to_string()]), SOON);
        assert!(output.status.success(), "{output:?}");
        let (_, units) = daemon.ledger().wait_for_run(name, run, SOON);
        assert_eq!(worded(&units[0]), "cancelled, confirmed", "{units:?}");
        assert_eq!(left(&site, &unit), [""; 0]);
    }
    goes_on(&mut daemon, &site);
}

#[test]
fn a_node_that_goes_away_under_a_command_loses_the_unit_alone() {
    let _fault = Fault::new("Python: the node's sshd session killed");
    let farm = Farm::start(2);
    let site = lengthy(&farm);
    let mut daemon = Daemon::start_with_control(&site);
    // A connection that breaks before anything was done on it counts as none, for all who wait.
    daemon.run_to_end("next", SOON);
    let (run, unit) = under_way(&daemon, &site, "long");
    farm.kill_sessions("n1");
    let (_, units) = daemon.ledger().wait_for_run("long", run, SOON);
    assert_eq!(worded(&units[0]), "lost", "{units:?}");
    nothing_is_left(&site, &unit);
    goes_on(&mut daemon, &site);
}

/// Lets everybody do everything, and writes down as whom what was done.
const SUDO: &str = "#!/bin/sh
options=
while [ \"$1\" != -- ]; do options=\"$options $1\"; shift; done
shift
for word; do
    case $word in LOOM_UNIT=*) echo \"$word$options\" >>\"$LOOM_EVIDENCE/sudo\" ;; esac
done
exec \"$@\"
";

#[test]
fn what_sudo_started_under_a_killed_daemon_is_swept_with_its_rights() {
    let _fault = Fault::new("Python: kill -9 of the parent under sudo");
    let farm = Farm::with(1, Options { bin: true, ..Options::default() });
    let bin = farm.node("n1").dir.join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("sudo"), SUDO).unwrap();
    fs::set_permissions(bin.join("sudo"), fs::Permissions::from_mode(0o755)).unwrap();
    let site = Site::new(&farm);
    site.settings("connect_timeout: 5\nstop_timeout: 1\n");
    let long = "def long():\n    run('true')\n    \
                sudo('setsid sleep 611 >/dev/null 2>&1 </dev/null &', pty=False)\n    \
                sudo('true', user='nobody')\n    run('exec sleep 600')\n";
    site.write("bad.py", &format!("{HEAD}from fabric.api import sudo\n\n{long}"));
    let more = "schedule: '@yearly'\ntargets: [n1]\n";
    site.write_job("long", &format!("task: bad.long\n{more}"));
    site.write_job("next", &format!("task: loom.run\nargs: ['true']\n{more}"));
    let cookie = |unit: &Unit| {
        let sql = "select cookie from units where id = ?1";
        let found = site.ledger().query(sql, &[&unit.id], |row| row.get::<_, Option<String>>(0));
        found[0].clone()
    };
    let runs = |unit: &Unit, what: &str| {
        let of_unit = carrying(&site, "LOOM_UNIT", unit);
        of_unit.into_iter().any(|process| process.command_line() == what)
    };

    let mut daemon = Daemon::start_with_control(&site);
    daemon.run("long");
    let unit = until("the last command", SOON, || {
        let units = site.ledger().units("long");
        units.first().filter(|unit| runs(unit, "sleep 600")).cloned()
    });
    daemon.kill9();
    until("the end of what has a lease", SOON, || (!runs(&unit, "sleep 600")).then_some(()));
    assert!(runs(&unit, "sleep 611"), "it has left everything that ends by itself");
    let kept = cookie(&unit).expect("it is not swept for");
    let own = kept.split('+').next().unwrap().to_owned();
    assert_eq!(kept, format!("{own}+s+s6e6f626f6479"));
    let swept = |line: &&str| line.starts_with("LOOM_UNIT=loom ");
    assert_eq!(farm.evidence("n1", "sudo").lines().filter(swept).count(), 0);

    let mut daemon = Daemon::start_with_control(&site);
    assert_eq!(worded(&daemon.run_to_end("next", SOON)[0]), "succeeded");
    assert!(!runs(&unit, "sleep 611"), "the sweep did not end it");
    let log = farm.evidence("n1", "sudo");
    let sweeps: Vec<&str> = log.lines().filter(swept).collect();
    assert!(sweeps.len() == 1 && !sweeps[0].contains(" -u"), "root's are enough: {log}");
    until("that it is written", SOON, || cookie(&unit).is_none().then_some(()));
    daemon.stop();
    Books::of(&site).balance();
}

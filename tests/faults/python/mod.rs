//! Python tasks that crash, hang, flood, fork or lie, on n1; on n2 the same run's unit is well, and
//! stays so. Nothing is left running, on the node or here, and the next run works.
//!
//! [`tasks`] do it themselves, under [`killed`] it is done to those who run them, and [`found`] is
//! what an interpreter finds, or does not find, when it starts.

mod found;
mod killed;
mod tasks;

use crate::harness::ledger::Unit;
use crate::harness::process::{self, Process};
use crate::harness::{Books, Daemon, Farm, SOON, Site};

/// What every module of these tests begins with.
const HEAD: &str = "\
import os, signal, subprocess, sys, threading, time
from fabric.api import env, run

class Mute(Exception):
    def __str__(self):
        raise RuntimeError('no')

def sockets():
    fds = [int(fd) for fd in os.listdir('/proc/self/fd')]
    where = lambda fd: os.path.exists('/proc/self/fd/%d' % fd) and os.readlink('/proc/self/fd/%d' % fd)
    return [fd for fd in fds if (where(fd) or '').startswith('socket:')]

def surroundings():
    mask = os.umask(0)
    os.umask(mask)
    return '%s %s %o %s' % (os.getcwd(), os.environ.get('MOVED'), mask, run('echo works').strip())

";

/// A site with the job `long`, which runs a command on both nodes, `naps`, which does without
/// them, and `next`; and a daemon on it.
fn lengthy(farm: &Farm) -> Site {
    let site = Site::new(farm);
    site.settings("connect_timeout: 5\nstop_timeout: 1\n");
    let tasks = "def long():\n    run('echo up; exec sleep 600' if os.environ['LOOM_NODE'] == 'n1' else 'true')\n\n\
                 def naps():\n    os.environ['LOOM_NODE'] == 'n1' and time.sleep(600)\n";
    site.write("bad.py", &format!("{HEAD}{tasks}"));
    job(&site, "long", "bad.long", "");
    job(&site, "naps", "bad.naps", "");
    job(&site, "next", "bad.surroundings", "");
    site
}

fn goes_on(daemon: &mut Daemon, site: &Site) {
    for unit in daemon.run_to_end("next", SOON) {
        assert_eq!(worded(&unit), "succeeded", "{unit:?}");
    }
    daemon.stop();
    Books::of(site).balance();
}

fn job(site: &Site, name: &str, task: &str, more: &str) {
    let body = format!("task: {task}\nschedule: '@yearly'\ntargets: [n1, n2]\n{more}");
    site.write_job(name, &body);
}

fn results(units: &[Unit]) -> Vec<Option<String>> {
    units.iter().map(|unit| unit.result.clone()).collect()
}

fn worded(unit: &Unit) -> String {
    let outcome = unit.outcome.clone().unwrap_or_default();
    match (unit.exit, unit.signal, &unit.kill) {
        (Some(exit), _, _) => format!("{outcome}, exit {exit}"),
        (_, Some(signal), _) => format!("{outcome}, signal {signal}"),
        (_, _, Some(kill)) => format!("{outcome}, {kill}"),
        (None, None, None) => outcome,
    }
}

/// What carries the unit's mark: on the node, or here.
fn left(site: &Site, unit: &Unit) -> Vec<String> {
    let left = ["LOOM_UNIT", "LOOM_HERE"].into_iter().flat_map(|mark| carrying(site, mark, unit));
    left.map(|process| format!("{} {}", process.pid, process.command_line())).collect()
}

fn carrying(site: &Site, mark: &str, unit: &Unit) -> Vec<Process> {
    let copy = "select value from meta where key = 'copy'";
    let copy = site.ledger().query(copy, &[], |row| row.get::<_, String>(0)).remove(0);
    // The daemon's number is what comes between.
    let marks = (1..4).map(|daemon| format!("{mark}={copy}-{daemon}-{}", unit.id));
    marks.flat_map(|mark| process::carrying(&mark)).collect()
}

//! Memory nobody shares: of workers at work, and of a parent with 2,000 jobs.

use std::fs;

use crate::harness::process::Process;
use crate::harness::{Daemon, Farm, SOON, until};
use crate::sites;
use crate::table::{Table, Target};

const NODES: usize = 10;

pub fn measure(table: &mut Table) {
    table.add("memory: the largest worker at work", worker(), " MB", Target::AtMost(6.0));
    let site = sites::one_manifest();
    let daemon = Daemon::start(&site);
    let parent = private(daemon.process());
    table.add("memory: the parent with 2,000 jobs", parent, " MB", Target::AtMost(20.0));
}

/// While each of them waits for a command on its node.
fn worker() -> f64 {
    let farm = Farm::start(NODES);
    let site = sites::nap(&farm, 3);
    let mut once = site.loom(&["once", "nap"]).stdout(std::process::Stdio::null()).spawn().unwrap();
    let parent = Process::of(once.id() as i32).unwrap();
    let busy = || {
        let sleeps = farm.names().iter().filter(|name| is_busy(&farm, name)).count();
        (sleeps == NODES).then_some(())
    };
    until("a command on every node", SOON, busy);
    let workers = parent.children().into_iter().filter(|child| child.runs("loom-worker"));
    let largest = workers.map(private).fold(0.0, f64::max);
    assert!(once.wait().unwrap().success());
    largest
}

fn is_busy(farm: &Farm, name: &str) -> bool {
    farm.node(name).listener().descendants().iter().any(|process| process.comm() == "sleep")
}

/// In MB: the private lines of smaps_rollup.
fn private(process: Process) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid)).unwrap();
    let kilobytes = |line: &str| line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap();
    rollup.lines().filter(|line| line.starts_with("Private_")).map(kilobytes).sum::<f64>() / 1024.0
}

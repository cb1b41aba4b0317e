//! Python tasks: units a second of one `run`, against fab-classic in a fresh process with its own
//! connection, and where the time of one unit goes.
//!
//! The parts of a unit are told by the module itself, which notes the time at its first line,
//! behind its import and after its commands, and by the ledger, which has a unit's start and end.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::farm::{Options, user};
use crate::harness::skip::skip;
use crate::harness::{Daemon, Farm, Site, fabric, until};
use crate::masters::{self, Masters, NODE, wrapped};
use crate::share::Loom;
use crate::table::{Table, Target, median};

const NODES: usize = 10;
const AT_ONCE: usize = 10;
const ROUNDS: usize = 3;
/// Units of fab-classic in one round.
const FAB: usize = 30;
/// For the parts: one after the other, on one node.
const ALONE: usize = 60;
/// In one task, to tell what a further one costs.
const COMMANDS: usize = 10;
const LONG: Duration = Duration::from_secs(120);

/// What both sides are given.
const MODULE: &str = "
from fabric.api import run

def one():
    run('true')
";

/// What the `fab` command does for a unit, but for its options and its list of tasks.
const FAB_CLASSIC: &str = "
import sys
from fabric.api import env, execute
from fabric.network import disconnect_all
import tasks

env.hosts = [sys.argv[1]]
env.key_filename = sys.argv[2]
env.disable_known_hosts = env.no_agent = env.abort_on_prompts = True
try:
    execute(tasks.one)
finally:
    disconnect_all()
";

const NOTING: &str = "
import time
FIRST = time.time()
from fabric.api import run
IMPORTED = time.time()

def noted(path, commands):
    times = [FIRST, IMPORTED, time.time()]
    run('true')
    times.append(time.time())
    for _ in range(commands - 1):
        run('true')
    times.append(time.time())
    with open(path, 'a') as notes:
        notes.write(' '.join('%.6f' % t for t in times) + '\\n')
";

pub fn measure(table: &mut Table) {
    let Some(python) = fabric::python() else { return skip("bench bridge", fabric::MISSING) };
    // A closed session of the last unit is still there when the next begins.
    let farm = Farm::with(NODES, Options { max_sessions: 100, ..Options::default() });
    against_fab_classic(table, &farm, &python);
    parts(table, &farm, &python);
}

fn against_fab_classic(table: &mut Table, farm: &Farm, python: &Path) {
    let bridge = Loom::new(farm, (3, 23), "task: tasks.one");
    use_python(&bridge.site, python, AT_ONCE);
    bridge.site.write("tasks.py", MODULE);
    bridge.site.write("fab_classic.py", FAB_CLASSIC);
    // On a terminal, as the bridge's.
    let native = "task: fabric.api.run, args: ['true'], kwargs: {pty: true}";
    let native = Loom::new(farm, (10, 50), native);

    let (mut ours, mut theirs, mut natives) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(FAB as f64 / fab_classic(farm, &bridge.site, python));
        ours.push(1.0 / bridge.unit().wall);
        natives.push(1.0 / native.unit().wall);
    }
    let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
    table.add("bridge: units against fab-classic", median(ratios), "", Target::AtLeast(5.0));
    table.add("  loom, a task of one run", median(ours), " /s", Target::None);
    table.add("  fab-classic, a process each", median(theirs), " /s", Target::None);
    table.add("  loom, fabric.api.run true, pty", median(natives), " /s", Target::None);
}

fn fab_classic(farm: &Farm, site: &Site, python: &Path) -> f64 {
    let address = |name: &String| {
        let node = farm.node(name);
        format!("{}@{}:{}\n", user(), node.ip, node.port)
    };
    let list: String = farm.names().iter().cycle().take(FAB).map(address).collect();
    let command = [python, &site.path("fab_classic.py"), Path::new(NODE), &farm.identity()];
    let command = command.map(|part| part.to_str().unwrap().to_owned());
    masters::xargs(site.root(), &list, AT_ONCE, &command)
}

/// When it had come how far, in seconds.
struct Unit {
    started: f64,
    first_line: f64,
    imported: f64,
    called: f64,
    command: f64,
    commands: f64,
    finished: f64,
}

impl Unit {
    /// The ledger's whole milliseconds are half a millisecond early in the mean.
    fn of((&(started, finished), notes): (&(i64, i64), &[f64])) -> Unit {
        let seconds = |milliseconds: i64| (milliseconds as f64 + 0.5) / 1000.0;
        let &[first_line, imported, called, command, commands] = notes else { unreachable!() };
        let (started, finished) = (seconds(started), seconds(finished));
        Unit { started, first_line, imported, called, command, commands, finished }
    }
}

/// In milliseconds, of one unit with nothing beside it.
fn parts(table: &mut Table, farm: &Farm, python: &Path) {
    let some = farm.names().swap_remove(0);
    let site = Site::new(farm);
    use_python(&site, python, 1);
    site.write("tasks.py", NOTING);
    let notes = site.path("notes");
    let jobs: Vec<String> = (0..ALONE).map(|n| format!("j{n:04}")).collect();
    for job in &jobs {
        let args = format!("[{}, {COMMANDS}]", notes.display());
        site.write_job(
            job,
            &format!("task: tasks.noted\nargs: {args}\nschedule: '@yearly'\ntargets: [{some}]"),
        );
    }
    let daemon = Daemon::start_with_control(&site);
    for job in &jobs {
        daemon.run(job);
    }
    until("the end of all runs", LONG, || (daemon.control().status().runs == 0).then_some(()));
    drop(daemon);

    let units = site.ledger().query(
        "select started_at, finished_at from units order by started_at",
        &[],
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
    );
    let notes = fs::read_to_string(&notes).unwrap();
    let notes: Vec<f64> = notes.split_whitespace().map(|time| time.parse().unwrap()).collect();
    assert_eq!((notes.len(), units.len()), (5 * ALONE, ALONE), "a unit notes five times");
    // The first had to compile the modules.
    let units: Vec<Unit> = units.iter().zip(notes.chunks(5)).skip(1).map(Unit::of).collect();
    let part = |of: fn(&Unit) -> f64| middle(units.iter().map(of).collect()) * 1000.0;
    let interpreter = (0..ALONE).map(|_| start(python)).collect();
    let interpreter = middle(interpreter) * 1000.0;
    let further = part(|u| (u.commands - u.command) / (COMMANDS - 1) as f64);
    let rows = [
        ("interpreter", interpreter),
        ("our package, the channel", part(|u| u.first_line - u.started) - interpreter),
        ("import of fabric.api", part(|u| u.imported - u.first_line)),
        ("the first command", part(|u| u.command - u.called)),
        ("the end", part(|u| u.finished - u.commands)),
    ];
    let all = rows.iter().map(|(_, took)| took).sum();
    table.add("bridge: one unit alone", all, " ms", Target::None);
    for (name, took) in rows {
        table.add(&format!("  {name}"), took, " ms", Target::None);
    }
    table.add("bridge: a further run in the task", further, " ms", Target::None);
    let masters = Masters::start(farm);
    let line = wrapped("/bin/bash -l -c \"true\"");
    let bare = (0..3).map(|_| masters.mux_loop(&line, 200, 1) / 200.0 * 1000.0).collect();
    table.add("  the same line over a mux loop", median(bare), " ms", Target::None);
}

fn use_python(site: &Site, python: &Path, workers: usize) {
    let python = python.display();
    site.settings(&format!("max_workers: {workers}\nmin_workers: {workers}\npython: {python}\n"));
}

/// The mean of the middle half.
fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let part = &values[values.len() / 4..values.len() * 3 / 4];
    part.iter().sum::<f64>() / part.len() as f64
}

fn start(python: &Path) -> f64 {
    let begun = Instant::now();
    let status = Command::new(python).args(["-S", "-c", "pass"]).status().unwrap();
    assert!(status.success());
    begun.elapsed().as_secs_f64()
}

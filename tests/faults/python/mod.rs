//! Python tasks that crash, hang, flood, fork or lie. On n1; on n2 the same run's unit is well, and
//! stays so. Nothing is left running, on the node or here, and the next run works.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::signal::Signal;
use rusqlite::types::Value;

use crate::harness::farm::Options;
use crate::harness::ledger::Unit;
use crate::harness::process::{self, Process};
use crate::harness::{Books, Daemon, Farm, Fault, SOON, Site, until};

/// What a task does on n1, and what becomes of it.
struct Case {
    fault: &'static str,
    /// The lines of a function; `import` lines are above it.
    body: &'static str,
    /// As the ledger words it: `failed, exit 3`.
    outcome: &'static str,
    /// In the unit's detail or result.
    says: &'static str,
}

const fn case(
    fault: &'static str,
    body: &'static str,
    outcome: &'static str,
    says: &'static str,
) -> Case {
    Case { fault, body, outcome, says }
}

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

/// Everything at once under one daemon; then the next run.
fn contained(cases: &[Case], more: &str) {
    let faults: Vec<Fault> = cases.iter().map(|case| Fault::new(case.fault)).collect();
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    site.settings("connect_timeout: 5\nstop_timeout: 1\nmax_workers: 14\nmax_output: 1MB\n");
    let mut module = HEAD.to_owned();
    for (number, case) in cases.iter().enumerate() {
        let body: String = case.body.lines().map(|line| format!("    {line}\n")).collect();
        let well = "    if os.environ['LOOM_NODE'] != 'n1':\n        return 'well'\n";
        module += &format!("def case{number}():\n{well}{body}\n");
        job(&site, &format!("case{number}"), &format!("bad.case{number}"), more);
    }
    site.write("bad.py", &module);
    job(&site, "next", "bad.surroundings", "");
    let mut daemon = Daemon::start_with_control(&site);
    let before = results(&site, &daemon.run_to_end("next", SOON));
    let runs: Vec<i64> = (0..cases.len()).map(|n| daemon.run(&format!("case{n}"))).collect();
    let mut wrong = Vec::new();
    for (number, (case, run)) in cases.iter().zip(runs).enumerate() {
        let job = format!("case{number}");
        let (_, units) = daemon.ledger().wait_for_run(&job, run, 4 * SOON);
        let said = results(&site, &units);
        let told = format!("{:?} {:?}", units[0].detail, said[0]);
        if worded(&units[0]) != case.outcome || !told.contains(case.says) {
            wrong.push(format!("{}: {} {told}", case.fault, worded(&units[0])));
        }
        if worded(&units[1]) != "succeeded" || said[1].as_deref() != Some("well") {
            wrong.push(format!("{}: the other unit: {:?}", case.fault, units[1]));
        }
        let left = left(&site, &units[0]);
        if !left.is_empty() {
            wrong.push(format!("{}: left: {left:?}", case.fault));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let units = daemon.run_to_end("next", SOON);
    units.iter().for_each(|unit| assert_eq!(worded(unit), "succeeded", "{unit:?}"));
    assert_eq!(results(&site, &units), before);
    daemon.workers().into_iter().for_each(|worker| {
        let zombies = worker.children().into_iter().filter(|child| !child.is_alive()).count();
        assert_eq!(zombies, 0, "a worker keeps the dead");
    });
    daemon.stop();
    Books::of(&site).balance();
    drop(faults);
}

fn job(site: &Site, name: &str, task: &str, more: &str) {
    let body = format!("task: {task}\nschedule: '@yearly'\ntargets: [n1, n2]\n{more}");
    site.write_job(name, &body);
}

fn results(site: &Site, units: &[Unit]) -> Vec<Option<String>> {
    let result = |unit: &Unit| {
        let sql = "select result from units where id = ?1";
        let found = site.ledger().query(sql, &[&unit.id], |row| row.get::<_, Value>(0));
        match &found[0] {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    };
    units.iter().map(result).collect()
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

#[test]
fn an_interpreter_that_crashes() {
    contained(
        &[
            case(
                "Python: SIGSEGV",
                "import ctypes\nctypes.string_at(0)",
                "signaled, signal 11",
                "",
            ),
            case("Python: os.abort", "os.abort()", "signaled, signal 6", ""),
            case("Python: os._exit", "os._exit(3)", "failed, exit 3", ""),
            case("Python: os._exit", "os._exit(0)", "failed", "in the middle of the task"),
            case(
                "Python: kill -9 of the interpreter",
                "os.kill(os.getpid(), signal.SIGKILL)",
                "signaled, signal 9",
                "",
            ),
            case(
                "Python: SIGSEGV under a command",
                "threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGSEGV)).start()\n\
                 run('sleep 600')",
                "signaled, signal 11",
                "",
            ),
            case(
                "Python: memory beyond a limit",
                "import resource\nresource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))\n\
                 x = [bytearray(50 << 20) for _ in range(100)]",
                "failed",
                "MemoryError",
            ),
            case(
                "Python: recursion without end",
                "def deeper(): return deeper()\ndeeper()",
                "failed",
                "RecursionError",
            ),
        ],
        "",
    );
}

#[test]
fn a_task_that_ends_in_odd_ways() {
    contained(
        &[
            case("Python: sys.exit", "sys.exit(0)", "succeeded", ""),
            case("Python: sys.exit", "sys.exit(3)", "failed, exit 3", ""),
            case("Python: sys.exit", "sys.exit('gone fishing')", "failed, exit 1", "gone fishing"),
            case("Python: sys.exit", "sys.exit(None)", "succeeded", ""),
            case("Python: KeyboardInterrupt", "raise KeyboardInterrupt", "failed", "interrupted"),
            case(
                "Python: SystemExit in a thread",
                "thread = threading.Thread(target=sys.exit, args=(3,))\nthread.start()\n\
                 thread.join()\nreturn 'whole'",
                "succeeded",
                "whole",
            ),
            case("Python: a result of 100 MB", "return 'x' * 100000000", "succeeded", "xxx…"),
            case(
                "Python: what cannot be shown",
                "return Mute()",
                "succeeded",
                "a Mute, which cannot be shown: RuntimeError",
            ),
            case("Python: what cannot be shown", "raise Mute()", "failed", "Mute"),
            case(
                "Python: surroundings changed",
                "os.chdir('/'); os.umask(0); os.environ['MOVED'] = 'yes'\nreturn surroundings()",
                "succeeded",
                "/ yes 0 works",
            ),
        ],
        "",
    );
}

#[test]
fn what_a_task_leaves_running_ends_with_it() {
    contained(
        &[
            case(
                "Python: a fork without exec",
                "if os.fork() == 0:\n    time.sleep(600)\nreturn 'parent'",
                "succeeded",
                "parent",
            ),
            case(
                "Python: a daemon of its own",
                "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        \
                 signal.signal(signal.SIGTERM, signal.SIG_IGN)\n        os.closerange(0, 256)\n        \
                 time.sleep(600)\n    os._exit(0)\nreturn 'parent'",
                "succeeded",
                "parent",
            ),
            case(
                "Python: stdout held open",
                "subprocess.Popen(['sleep', '600'])\nreturn 'parent'",
                "succeeded",
                "parent",
            ),
            case(
                "Python: both sides of a fork return",
                "return 'child' if os.fork() == 0 else 'parent'",
                "succeeded",
                "parent",
            ),
            case(
                "Python: a thread left behind",
                "thread = threading.Thread(target=run, args=('sleep 600',))\nthread.daemon = True\n\
                 thread.start()\ntime.sleep(2)\nreturn 'parent'",
                "succeeded",
                "parent",
            ),
            case(
                "Python: a child with the channel",
                "look = lambda **how: subprocess.check_output(['ls', '-l', '/proc/self/fd'], **how)\n\
                 seen = look(close_fds=False) + look()\n\
                 return 'inherited' if b'socket:' in seen or not sockets() else 'apart'",
                "succeeded",
                "apart",
            ),
        ],
        "",
    );
}

#[test]
fn a_task_that_abuses_its_channel() {
    contained(
        &[
            case(
                "Python: the channel closed",
                "os.closerange(3, 256)\nrun('true')",
                "failed, exit 1",
                "",
            ),
            case("Python: the channel closed", "os.closerange(3, 256)", "failed, exit 1", ""),
            case(
                "Python: garbage in the channel",
                "[os.write(fd, b'?' * 100) for fd in sockets()]\ntime.sleep(600)",
                "failed",
                "the interpreter sent",
            ),
            case(
                "Python: garbage in the channel",
                "[os.write(fd, b'Q\\xff\\xff\\xff\\xff') for fd in sockets()]\nrun('true')",
                "failed",
                "the interpreter sent a packet of 4294967295 bytes",
            ),
            case(
                "Python: garbage in the channel",
                "def lie():\n    time.sleep(1)\n    [os.write(fd, b'?' * 100) for fd in sockets()]\n\
                 threading.Thread(target=lie).start()\nrun('sleep 600')",
                "failed",
                "the interpreter sent",
            ),
        ],
        "",
    );
}

const TIMED_OUT: &str = "timed out, confirmed";

#[test]
fn a_task_that_does_not_end() {
    contained(
        &[
            case("Python: an endless loop", "while True: pass", TIMED_OUT, ""),
            case(
                "Python: SIGTERM ignored",
                "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(1)",
                TIMED_OUT,
                "",
            ),
            case(
                "Python: SIGSTOP of the interpreter",
                "os.kill(os.getpid(), signal.SIGSTOP)",
                TIMED_OUT,
                "",
            ),
            case(
                "Python: a thread that does not end",
                "threading.Thread(target=time.sleep, args=(600,)).start()",
                TIMED_OUT,
                "",
            ),
            case(
                "Python: an import that does not end",
                "open(os.path.join(os.path.dirname(__file__), 'slow.py'), 'w').write('import time\\ntime.sleep(600)')\n\
                 import slow",
                TIMED_OUT,
                "",
            ),
            case("Python: a flood of output", "while True: print('x' * 1000)", TIMED_OUT, ""),
            case("Python: a command that does not end", "run('sleep 600')", TIMED_OUT, ""),
        ],
        // Longer than an interpreter takes to start beside those that never rest.
        "timeout: 10",
    );
}

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

fn goes_on(daemon: &mut Daemon, site: &Site) {
    for unit in daemon.run_to_end("next", SOON) {
        assert_eq!(worded(&unit), "succeeded", "{unit:?}");
    }
    daemon.stop();
    Books::of(site).balance();
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

#[test]
fn a_cancelled_task_ends_here_and_on_its_node() {
    let _fault = Fault::new("Python: cancelled");
    let farm = Farm::start(2);
    let site = lengthy(&farm);
    let mut daemon = Daemon::start_with_control(&site);
    for name in ["long", "naps"] {
        let (run, unit) = under_way(&daemon, &site, name);
        for interpreter in carrying(&site, "LOOM_HERE", &unit) {
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
    let (run, unit) = under_way(&daemon, &site, "long");
    farm.kill_sessions("n1");
    let (_, units) = daemon.ledger().wait_for_run("long", run, SOON);
    assert_eq!(worded(&units[0]), "lost", "{units:?}");
    nothing_is_left(&site, &unit);
    goes_on(&mut daemon, &site);
}

/// A job with these lines, whose interpreter or modules vanish once the daemon knows it.
fn without(farm: &Farm, more: &str, vanish: impl Fn(&Site), outcome: &str, says: &str) {
    let site = lengthy(farm);
    site.write("python", "#!/bin/sh\nexec python3 \"$@\"\n");
    fs::set_permissions(site.path("python"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(site.path("more")).unwrap();
    site.write("more/other.py", "def other():\n    pass\n");
    job(&site, "odd", "other.other", &format!("pythonpath: [more]\n{more}"));
    let mut daemon = Daemon::start_with_control(&site);
    vanish(&site);
    for unit in daemon.run_to_end("odd", SOON) {
        let told = format!("{:?} {}", unit.detail, unit.output);
        assert!(worded(&unit) == outcome && told.contains(says), "{unit:?}");
    }
    goes_on(&mut daemon, &site);
}

#[test]
fn an_interpreter_that_is_none() {
    let _fault = Fault::new("Python: no interpreter");
    let farm = Farm::start(2);
    let gone = |site: &Site| fs::remove_file(site.path("python")).unwrap();
    without(&farm, "python: ./python", gone, "failed", "there is no ");
    let lies = |site: &Site| site.write("python", "#!/bin/sh\nhead -c 2000 /dev/urandom\n");
    without(&farm, "python: ./python", lies, "failed", "ended in the middle of the task");
    let locked = |site: &Site| {
        fs::set_permissions(site.path("python"), fs::Permissions::from_mode(0o644)).unwrap();
    };
    without(&farm, "python: ./python", locked, "failed", "could not be started: Permission denied");
}

#[test]
fn modules_that_cannot_be_read() {
    let _fault = Fault::new("Python: modules that cannot be read");
    let farm = Farm::start(2);
    let gone = |site: &Site| fs::remove_dir_all(site.path("more")).unwrap();
    without(&farm, "", gone, "failed", "there is no module other");
    let broken = |site: &Site| site.write("more/other.py", "def other(:\n");
    without(&farm, "", broken, "failed", "SyntaxError");
    let noisy = |site: &Site| site.write("more/other.py", "print('loud')\ndef other(): pass\n");
    without(&farm, "", noisy, "succeeded", "loud");
}

#[test]
fn caches_that_cannot_be_used() {
    let _fault = Fault::new("Python: caches that cannot be used");
    let laid_out = |cache: &Path| -> Vec<_> {
        fs::read_dir(cache).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    };
    let farm = Farm::start(2);
    let site = lengthy(&farm);
    let run = |cache: &Path, runs: usize| {
        let mut loom = site.loom(&["-n"]);
        // Whoever cannot use the one must not fall back on what this machine's user has.
        loom.env("CACHE_DIRECTORY", cache);
        let daemon = Daemon::start_with_control_as(&site, loom);
        for _ in 0..runs {
            for unit in daemon.run_to_end("next", SOON) {
                assert_eq!(worded(&unit), "succeeded", "{unit:?}");
            }
        }
    };
    // Two workers at once lay it out once.
    let cache = site.path("cache");
    run(&cache, 1);
    assert_eq!(laid_out(&cache).len(), 1, "{:?}", laid_out(&cache));
    // What somebody has cleared away is laid out again.
    fs::remove_file(laid_out(&cache)[0].join("common/loom_bridge/start.py")).unwrap();
    run(&cache, 1);
    assert!(laid_out(&cache)[0].join("common/loom_bridge/start.py").exists());
    // Where others can write, nothing is put and nothing is run.
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    let poison = "raise SystemExit('poisoned')";
    fs::write(laid_out(&cache)[0].join("common/loom_bridge/start.py"), poison).unwrap();
    run(&cache, 1);
    // A file in its place; nowhere at all.
    run(&site.path("loom.yaml"), 1);
    run(Path::new("/proc/nowhere"), 1);
    Books::of(&site).balance();
}

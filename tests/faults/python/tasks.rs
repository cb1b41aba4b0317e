//! What a task can do by itself: each case in a job of its own, all of them at once under one
//! daemon.

use super::{HEAD, job, left, results, worded};
use crate::harness::{Books, Daemon, Farm, Fault, SOON, Site};

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
    let before = results(&daemon.run_to_end("next", SOON));
    let runs: Vec<i64> = (0..cases.len()).map(|n| daemon.run(&format!("case{n}"))).collect();
    let mut wrong = Vec::new();
    for (number, (case, run)) in cases.iter().zip(runs).enumerate() {
        let job = format!("case{number}");
        let (_, units) = daemon.ledger().wait_for_run(&job, run, 4 * SOON);
        let said = results(&units);
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
    assert_eq!(results(&units), before);
    daemon.workers().into_iter().for_each(|worker| {
        let zombies = worker.children().into_iter().filter(|child| !child.is_alive()).count();
        assert_eq!(zombies, 0, "a worker keeps the dead");
    });
    daemon.stop();
    Books::of(&site).balance();
    drop(faults);
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

//! What a call is held against: the parameters of functions, classes and instances.

use super::{Modules, is_2, pythons};
use loom::python::Bridge;

const TASKS: &str = "\
def plain(a, b=1, *rest, **more):
    pass

def deploy(version, host='x', force=False):
    '''Brings a version to a node.

       And more.
    '''

def nothing():
    pass

class Restart(object):
    def __init__(self, service):
        pass
    def __call__(self, hard=False):
        pass
    def stop(self, how):
        pass
    @staticmethod
    def status(a):
        pass
    @classmethod
    def all(cls, a):
        pass

class Plain(object):
    pass

restart = Restart('nginx')
plain_one = Plain()
again = deploy
short = lambda q, r=2: q
VERSION = '1.0'
SIZES = {'a': 1}
made = [deploy][0]
if VERSION:
    def chosen(a): pass
else:
    def chosen(a, b): pass
";

/// The last line of what is told of each.
#[track_caller]
fn assert_told(modules: &Modules, calls: &[(&str, usize, &[&str], &str)]) {
    let asked: Vec<_> =
        calls.iter().map(|(task, args, kwargs, _)| (*task, *args, *kwargs)).collect();
    for python in pythons() {
        for (told, (.., expected)) in modules.told_all(python, &asked).iter().zip(calls) {
            assert_eq!(told.lines().last().unwrap(), *expected, "{python}");
        }
    }
}

#[test]
fn a_call_that_fits_has_no_problem() {
    let modules = Modules::new(&[("t.py", TASKS)]);
    let calls: &[(&str, usize, &[&str], &str)] = &[
        ("t.plain", 1, &[], "t.py:1 (a, b=1, *rest, **more)"),
        ("t.plain", 9, &["z"], "t.py:1 (a, b=1, *rest, **more)"),
        ("t.deploy", 1, &["force"], "t.py:4 (version, host='x', force=False)"),
        ("t.nothing", 0, &[], "t.py:10 ()"),
        ("t.restart", 0, &["hard"], "t.py:30 (hard=False)"),
        ("t.Restart", 1, &[], "t.py:13 (service)"),
        ("t.restart.stop", 1, &[], "t.py:18 (how)"),
        ("t.Restart.stop", 2, &[], "t.py:18 (self, how)"),
        ("t.Restart.status", 1, &[], "t.py:21 (a)"),
        ("t.Restart.all", 1, &[], "t.py:24 (a)"),
        ("t.again", 1, &[], "t.py:4 (version, host='x', force=False)"),
        ("t.short", 1, &[], "t.py:33 (q, r=2)"),
        ("t.made", 3, &[], "t.py:36 (?)"),
        // Either may be the one.
        ("t.chosen", 1, &[], "t.py:38 (a)"),
        ("t.chosen", 2, &[], "t.py:40 (a, b)"),
    ];
    assert_told(&modules, calls);
}

#[test]
fn a_call_that_does_not_fit_is_told_by_its_argument() {
    let modules = Modules::new(&[("t.py", TASKS)]);
    let calls: &[(&str, usize, &[&str], &str)] = &[
        (
            "t.deploy",
            4,
            &[],
            "error args[3]: t.deploy() takes at most 3 arguments by place, and args has 4",
        ),
        (
            "t.nothing",
            2,
            &[],
            "error args[0]: t.nothing() takes no argument by place, and args has 2",
        ),
        (
            "t.deploy",
            1,
            &["hots"],
            "error hots: t.deploy() has no parameter `hots`; did you mean `host`?",
        ),
        (
            "t.deploy",
            1,
            &["xyz"],
            "error xyz: t.deploy() has no parameter `xyz`; it takes version, host, force",
        ),
        (
            "t.nothing",
            0,
            &["x"],
            "error x: t.nothing() has no parameter `x`; it takes none by name",
        ),
        (
            "t.deploy",
            1,
            &["version"],
            "error version: t.deploy() is given `version` twice: by its place in args and by name",
        ),
        ("t.deploy", 0, &["host"], "error: t.deploy() needs `version`"),
        ("t.chosen", 0, &[], "error: t.chosen() needs `a`"),
        (
            "t.deploy",
            0,
            &["verison"],
            "error verison: t.deploy() has no parameter `verison`; did you mean `version`?",
        ),
        (
            "t.VERSION",
            0,
            &[],
            "error: task \"t.VERSION\" is a string (t.py:34), which cannot be called",
        ),
        ("t.SIZES", 0, &[], "error: task \"t.SIZES\" is a dict (t.py:35), which cannot be called"),
        (
            "t.plain_one",
            0,
            &[],
            "error: task \"t.plain_one\" is an instance of Plain without __call__ (t.py:31), which cannot be called",
        ),
        (
            "t.deplyo",
            0,
            &[],
            "error: unknown task \"t.deplyo\": t.py has no \"deplyo\" -> t.deploy",
        ),
        (
            "t.Restart.stpo",
            0,
            &[],
            "error: unknown task \"t.Restart.stpo\": class Restart has no \"stpo\"",
        ),
    ];
    assert_told(&modules, calls);
}

#[test]
fn python_3_has_more_kinds_of_parameters() {
    let text = "def f(a, *, b, c: int = 3, **d) -> None: pass\nasync def g(*a, x=\"é\"): pass\n";
    let modules = Modules::new(&[("t.py", text), ("p.py", "def f(a, /, b): pass\n")]);
    for python in pythons().into_iter().filter(|python| !is_2(python)) {
        assert_eq!(modules.told(python, "t.f", 1, &["b"]), "t.py:1 (a, *, b, c=3, **d)");
        let told = modules.told(python, "t.f", 1, &[]);
        assert!(told.ends_with("error: t.f() needs `b`"), "{told}");
        let told = modules.told(python, "t.g", 1, &["x"]);
        assert!(told.starts_with("t.py:2 (*a, x="), "{python}: {told}");
        if !["python3.6", "python3.7"].contains(&python) {
            let told = modules.told(python, "p.f", 1, &["a", "b"]);
            assert!(told.ends_with("error a: p.f() has no parameter `a`; it takes b"), "{told}");
        }
    }
}

#[test]
fn fabrics_decorators_leave_the_parameters_alone_and_others_hide_them() {
    let fabric = "def _same(f): return f\ntask = hosts = roles = parallel = runs_once = _same\n\
                  serial = with_settings = run = _same\n";
    let tasks = "\
from fabric.tasks import Task
from fabric.api import *
from fabric.api import task as job, run
import fabric.api as fab
import functools

@task
def one(a): pass

@hosts('web1')
@roles('db')
@job(alias='zwei', default=True)
def two(a): pass

@fab.parallel(pool_size=5)
@fab.runs_once
def three(a): pass

def cached(f):
    @functools.wraps(f)
    def inner(*args): return f(*args)
    return inner

@cached
def four(a): pass

def _five(a): pass
five = task(_five)

class Deploy(Task):
    name = 'deploy'
    def run(self, version): pass

deploy = Deploy()
";
    let modules = Modules::new(&[
        ("t.py", tasks),
        ("fabric/__init__.py", ""),
        ("fabric/api.py", fabric),
        ("fabric/tasks.py", "class Task(object):\n    def __call__(self, *a): pass\n"),
    ]);
    for python in pythons() {
        let told = |task| modules.told_by(Bridge::FabClassic, python, task, 1, &[]);
        assert_eq!(told("t.one"), "t.py:8 (a)", "{python}");
        assert_eq!(told("t.two"), "t.py:13 (a)", "{python}");
        assert_eq!(told("t.three"), "t.py:17 (a)", "{python}");
        assert_eq!(told("t.four"), "t.py:25 (?)", "{python}");
        assert_eq!(told("t.five"), "t.py:27 (a)", "{python}");
        assert_eq!(told("t.deploy"), "t.py:34 (version)", "{python}");
        let told = told("t.Deploy");
        assert!(told.contains("warning: task \"t.Deploy\" is a class"), "{told}");
        assert!(told.ends_with("write `deploy = Deploy()` below it"), "{told}");
    }
}

//! How modules are found and names followed, without any of them being run.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{Modules, ask, assert_not_run, is_2, pythons, traps, worker};
use loom::inspect::{Answer, Ask, Call, Question};
use loom::python::Bridge;

#[test]
fn no_module_is_run_however_it_is_reached() {
    let modules = Modules::new(&[]);
    let (trap, it_was_run) = traps(&modules);
    let tasks = format!("{trap}from pkg.inner import f\nfrom helpers import *\nimport pkg.inner\n");
    modules.write("t.py", tasks);
    modules.write("pkg/__init__.py", &trap);
    modules.write("pkg/inner.py", format!("{trap}def f(a): pass\n"));
    modules.write("helpers.py", format!("{trap}def helped(): pass\n"));
    // Those that an interpreter runs at its start, and those that we import ourselves.
    for name in ["sitecustomize", "usercustomize", "json", "ast", "re", "difflib", "fabric", "site"]
    {
        modules.write(&format!("{name}.py"), &trap);
    }
    modules.write("evil.pth", format!("import os; {trap}"));
    for python in pythons() {
        assert_eq!(modules.told(python, "t.f", 1, &[]), "pkg/inner.py:2 (a)", "{python}");
        assert_eq!(modules.told(python, "t.helped", 0, &[]), "helpers.py:2 ()", "{python}");
        assert_eq!(modules.told(python, "pkg.inner.f", 1, &[]), "pkg/inner.py:2 (a)", "{python}");
        assert_eq!(modules.told(python, "t.pkg.inner.f", 1, &[]), "pkg/inner.py:2 (a)");
        modules.told(python, "json.dumps", 1, &[]);
        ask(&modules.question(python, Ask::Tasks));
        assert_not_run(&it_was_run);
        let compiled =
            fs::read_dir(modules.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(!compiled.into_iter().any(|name| name == "__pycache__"), "nothing is written");
    }
}

#[test]
fn names_are_followed_through_all_kinds_of_imports() {
    let modules = Modules::new(&[
        ("ops/__init__.py", "from .db import dump as backup\nfrom . import web\n"),
        ("ops/db.py", "from .common.base import *\ndef dump(name): pass\n"),
        ("ops/web.py", "from .db import dump\nclass Site(object):\n    def go(self, a): pass\n"),
        ("ops/common/__init__.py", ""),
        ("ops/common/base.py", "__all__ = ['shared']\ndef shared(x): pass\ndef own(): pass\n"),
        ("t.py", "import ops.db as database\nfrom ops import web as w\nsite = w.Site()\n"),
        ("try_.py", "try:\n    from quick import f\nexcept ImportError:\n    from slow import f\n"),
        ("slow.py", "def f(a): pass\n"),
        ("a.py", "from b import x\n"),
        ("b.py", "from a import x\n"),
        ("c.py", "c = c.c.c\nd = d\n"),
    ]);
    for python in pythons() {
        let calls: &[(&str, &str)] = &[
            ("ops.backup", "ops/db.py:2 (name)"),
            ("ops.db.dump", "ops/db.py:2 (name)"),
            ("ops.db.shared", "ops/common/base.py:2 (x)"),
            ("ops.db.own", "error: unknown task \"ops.db.own\": ops/db.py has no \"own\""),
            ("t.database.dump", "ops/db.py:2 (name)"),
            ("t.w.dump", "ops/db.py:2 (name)"),
            ("t.site.go", "ops/web.py:3 (a)"),
            ("try_.f", "slow.py:1 (a)"),
            (
                "ops.wbe.dump",
                "error: unknown task \"ops.wbe.dump\": ops/__init__.py has no \"wbe\" -> ops.web.dump",
            ),
            (
                "osp.db.dmp",
                "error: unknown task \"osp.db.dmp\": there is no module \"osp\" in DIR -> ops.db.dump",
            ),
            ("ops.db", "error: task \"ops.db\" is a module (ops/db.py), which cannot be called"),
            // The standard library's.
            ("os.path.join", "posixpath.py"),
            // Circles come to an end.
            ("a.x", ""),
            ("c.c", ""),
            ("c.d", ""),
            ("c.c.x", ""),
        ];
        let asked: Vec<_> = calls.iter().map(|(task, _)| (*task, 1, &[][..])).collect();
        let dir = modules.path().display().to_string();
        for (told, (task, expected)) in modules.told_all(python, &asked).iter().zip(calls) {
            assert!(told.replace(&dir, "DIR").contains(expected), "{python}: {task}: {told}");
        }
    }
}

#[test]
fn what_only_a_run_would_show_is_a_warning() {
    let modules = Modules::new(&[
        ("getattr_.py", "def __getattr__(name): return None\n"),
        ("globals_.py", "for n in 'ab': globals()[n] = len\n"),
        ("compiled.so", ""),
        ("stars.py", "from compiled import *\n"),
    ]);
    for python in pythons() {
        let calls = [
            ("getattr_.x", "it has a __getattr__"),
            ("globals_.x", "it calls globals()"),
            ("compiled.x", "compiled is compiled"),
            ("stars.x", "it imports all of compiled, which cannot be read"),
            ("sys.exit", "sys is built into Python"),
        ];
        let asked = calls.map(|(task, _)| (task, 0, &[][..]));
        for (told, (task, reason)) in modules.told_all(python, &asked).iter().zip(calls) {
            let expected = format!("warning: task \"{task}\" cannot be checked: ");
            assert!(told.starts_with(&expected) && told.ends_with(reason), "{python}: {told}");
        }
    }
}

#[test]
fn a_module_that_cannot_be_imported_is_told_with_the_line() {
    let modules = Modules::new(&[
        ("third.py", "import os\nimport no_such_thing\ndef f(): pass\n"),
        (
            "caught.py",
            "try:\n    import no_such_thing\nexcept ImportError:\n    pass\ndef f(): pass\n",
        ),
        ("paths.py", "import sys\nsys.path.append('/x')\nimport no_such_thing\ndef f(): pass\n"),
        ("own.py", "from helper import mised\ndef f(): pass\n"),
        ("helper.py", "def missed(): pass\n"),
        ("deep.py", "import broken\ndef f(): pass\n"),
        ("broken.py", "import os\n\ndef f(:\n"),
        ("fab.py", "from fabric.api import runn\ndef f(): pass\n"),
        ("fab2.py", "from fabric import task\ndef f(): pass\n"),
        ("fab3.py", "from fabric.conection import x\ndef f(): pass\n"),
        ("old.py", "import urllib2\ndef f(): pass\n"),
    ]);
    for python in pythons() {
        let told = |task| modules.told(python, task, 0, &[]);
        assert_eq!(
            told("third.f"),
            "third.py:3 ()\nwarning: third.py:2 imports no_such_thing, which is not found; without it \
             the unit fails"
        );
        assert_eq!(told("caught.f"), "caught.py:5 ()");
        assert_eq!(told("paths.f"), "paths.py:4 ()");
        assert!(told("own.f").ends_with(
            "error: own.py:1 imports mised from helper, which has none; did you mean missed?"
        ));
        assert!(told("deep.f").starts_with("error: broken.py:3 syntax error: invalid syntax"));
        let fab = told("fab.f");
        assert!(fab.contains("error: fab.py:1 imports runn from fabric.api"), "{fab}");
        assert!(told("fab2.f").contains("has none; it is written for Fabric 2, and Loom runs"));
        assert!(told("fab3.f").contains("imports fabric.conection, which Fabric 1 does not have"));
        let old = told("old.f");
        assert_eq!(
            old.contains("only Python 2 has; write `python: python2.7`"),
            !is_2(python),
            "{old}"
        );
    }
    // Whether it is depends on the machine.
    let installed = Command::new("python3").args(["-c", "import fabric.api"]).output().unwrap();
    let without = modules.told_by(Bridge::FabClassic, "python3", "fabric.api.run", 1, &[]);
    let missed = without.contains("Fabric is not installed for this Python");
    assert_eq!(missed, !installed.status.success(), "{without}");
}

#[test]
fn the_other_python_is_recognised() {
    let modules = Modules::new(&[]);
    let two = [
        ("prints", "print \"x\"", "a print statement"),
        ("printed", "if 1:\n        print 'a', 1", "a print statement"),
        ("to", "import sys\n    print >>sys.stderr, 'x'", "a print statement"),
        ("except_", "try: pass\n    except Exception, e: pass", "`except X, e`"),
        ("raise_", "raise ValueError, 'x'", "`raise X"),
        ("exec_", "exec 'x = 1'", "an exec statement"),
        ("octal", "x = 0777", "an octal number"),
        ("long", "x = 10L", "ends in L"),
        ("backticks", "x = `1`", "backticks"),
        ("differs", "x = 1 <> 2", "`<>`"),
        ("tuples", "def g(a, (b, c)): pass", "a tuple among the parameters"),
    ];
    let three = [
        ("fstring", "x = f'{1}'", "an f-string"),
        ("async_", "async def g(): pass", "`async`"),
        ("hints", "def g(a: int): pass", "annotations"),
        ("printer", "print('x', file=None)", "the print function"),
    ];
    for (name, line, _) in two.iter().chain(&three) {
        modules.write(&format!("{name}.py"), format!("def f():\n    {line}\n"));
    }
    for python in pythons() {
        let (bad, good, hint) = match is_2(python) {
            false => (&two[..], &three[..], "`python: python2.7` in the job, or have 2to3"),
            true => (&three[..], &two[..], "`python: python3` in the job"),
        };
        let of = |cases: &[(&str, &str, &str)]| -> Vec<String> {
            let tasks: Vec<_> = cases.iter().map(|(name, ..)| format!("{name}.f")).collect();
            let asked: Vec<_> = tasks.iter().map(|task| (task.as_str(), 0, &[][..])).collect();
            modules.told_all(python, &asked)
        };
        for (told, (_, _, expected)) in of(bad).iter().zip(bad) {
            assert!(told.contains(expected) && told.contains(hint), "{python}: {told}");
        }
        for (told, (name, ..)) in of(good).iter().zip(good) {
            assert_eq!(*told, format!("{name}.py:1 ()"), "{python}");
        }
    }
}

#[test]
fn a_virtual_environment_has_its_own_packages() {
    let modules = Modules::new(&[("t.py", "import extra\nfrom linked import *\ndef f(): pass\n")]);
    let venv = modules.path().join(".venv");
    let output = std::process::Command::new("python3")
        .args(["-m", "venv", "--without-pip"])
        .arg(&venv)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let lib = fs::read_dir(venv.join("lib")).unwrap().next().unwrap().unwrap().path();
    let site = lib.join("site-packages");
    fs::write(site.join("extra.py"), "def g(a): pass\n").unwrap();
    modules.write("elsewhere/linked.py", "def h(a): pass\n");
    let (trap, it_was_run) = traps(&modules);
    let elsewhere = modules.path().join("elsewhere");
    let pth = format!("# here\n{}\nimport os; {trap}", elsewhere.display());
    fs::write(site.join("a.pth"), pth).unwrap();
    let python = venv.join("bin/python").to_str().unwrap().to_owned();
    assert_eq!(modules.told(&python, "t.f", 0, &[]), "t.py:3 ()");
    assert_eq!(modules.told(&python, "t.h", 1, &[]), "elsewhere/linked.py:1 (a)");
    assert!(modules.told(&python, "extra.g", 1, &[]).ends_with("site-packages/extra.py:1 (a)"));
    assert_not_run(&it_was_run);
    assert!(modules.told("python3", "t.f", 0, &[]).contains("imports extra, which is not found"));
}

#[test]
fn an_interpreter_that_is_none_says_so() {
    let modules = Modules::new(&[("t.py", "")]);
    let call = Call { task: "t.f".into(), args: 0, kwargs: Vec::new() };
    let of = |python: &str| match ask(&modules.question(python, Ask::Calls(vec![call.clone()]))) {
        Answer::NoInterpreter(message) => message,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        of("no-such-python"),
        "there is no no-such-python on the scheduler's machine; install it, or name another with \
         `python` in the job or in loom.yaml"
    );
    assert!(of("/etc/passwd").starts_with("/etc/passwd could not be started: Permission denied"));
    assert!(of("true").starts_with("true is no Python that Loom can use: it exited with 0"));
    let script = |name: &str, text: &str| -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        modules.write(name, format!("#!/bin/sh\n{text}\n"));
        let path = modules.path().join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let dies = script("dies", "echo reading /srv/t.py >&2; kill -SEGV $$");
    assert!(of(dies.to_str().unwrap()).ends_with("dies died of signal 11 while it read /srv/t.py"));
    let complains = script("complains", "echo not here >&2; exit 7");
    let told = of(complains.to_str().unwrap());
    assert!(told.ends_with("it exited with 7 and said \"not here\""), "{told}");
    let floods = script("floods", "yes");
    assert!(of(floods.to_str().unwrap()).ends_with("it writes without end"));
}

#[test]
fn what_is_no_question_gets_no_answer() {
    for text in ["", "{", "[]", "{\"ask\": \"tasks\"}"] {
        let output = worker(text);
        assert!(!output.status.success() && output.stdout.is_empty(), "{text}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("loom-worker: "), "{text}");
    }
}

#[test]
fn two_thousand_calls_are_one_question() {
    let text: String = (0..500).map(|n| format!("def f{n}(a): pass\n")).collect();
    let modules = Modules::new(&[("t.py", &text)]);
    let calls = (0..2000).map(|n| Call { task: format!("t.f{n}"), args: 1, kwargs: vec![] });
    let question: Question = modules.question("python3", Ask::Calls(calls.collect()));
    let Answer::Calls(verdicts) = ask(&question) else { panic!() };
    let found = verdicts.iter().filter(|verdict| verdict.found.is_some()).count();
    assert_eq!((verdicts.len(), found), (2000, 500));
}

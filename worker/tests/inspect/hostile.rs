//! Source that is made to do harm, or just is what nobody expected.

use std::os::unix::fs::symlink;

use super::{Modules, ask, pythons};
use loom::inspect::{Answer, Ask, Call};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

#[test]
fn whatever_a_file_is_there_is_an_answer() {
    let modules = Modules::new(&[]);
    modules.write("fine.py", "def f(): pass\n");
    modules.write("nul.py", b"x = 1\ny = '\0'\n");
    modules.write("latin.py", b"x = '\xff\xfe'\n");
    modules.write("cookie.py", b"# coding: no-such-coding\nx = 1\n");
    modules.write("brackets.py", format!("x = {}\n", "(".repeat(100_000)));
    modules.write("minus.py", format!("x = {}1\n", "-".repeat(200_000)));
    modules.write("plus.py", format!("x = {}1\n", "1 +".repeat(200_000)));
    modules.write("dots.py", format!("x = a{}\n", ".b".repeat(200_000)));
    modules.write("elifs.py", format!("if 0: pass\n{}", "elif 1: pass\n".repeat(20_000)));
    modules.write(
        "indents.py",
        (0..200).map(|n| format!("{}if 1:\n", " ".repeat(n))).collect::<String>(),
    );
    modules.write("large.py", vec![b'#'; 6 << 20]);
    modules.write("empty.py", "");
    modules.write("directory.py/x", "");
    mkfifo(&modules.path().join("fifo.py"), Mode::S_IRWXU).unwrap();
    symlink("loop.py", modules.path().join("loop.py")).unwrap();
    symlink("nowhere", modules.path().join("dangling.py")).unwrap();
    symlink(".", modules.path().join("again")).unwrap();
    symlink("/dev/zero", modules.path().join("zero.py")).unwrap();
    for python in pythons() {
        let files = [
            ("nul", "error: nul.py:2 has a NUL byte in it"),
            ("latin", "error: "),
            ("cookie", "error: cookie.py"),
            ("brackets", "error: brackets.py"),
            ("minus", "error: "),
            ("plus", "error: "),
            ("dots", "error: "),
            ("elifs", "error: "),
            ("indents", "error: indents.py"),
            ("large", "error: large.py is larger than 5 MB; it is not read"),
            ("empty", "error: unknown task \"empty.f\": empty.py has no \"f\""),
            ("directory", "error: directory.py is not a regular file"),
            ("fifo", "error: fifo.py is not a regular file"),
            ("loop", "error: loop.py is not a regular file"),
            ("dangling", "error: dangling.py is not a regular file"),
            ("zero", "error: zero.py is not a regular file"),
        ];
        let tasks = files.map(|(name, _)| format!("{name}.f"));
        let asked: Vec<_> = tasks.iter().map(|task| (task.as_str(), 0, &[][..])).collect();
        for (told, (_, expected)) in modules.told_all(python, &asked).iter().zip(files) {
            assert!(told.starts_with(expected), "{python}: {told}");
        }
        assert_eq!(modules.told(python, "fine.f", 0, &[]), "fine.py:1 ()");
        if !python.starts_with("python2") {
            let deep = format!("{}fine.f", "again.".repeat(30));
            assert!(modules.told(python, &deep, 0, &[]).ends_with("fine.py:1 ()"));
        }
        let Answer::Tasks { .. } = ask(&modules.question(python, Ask::Tasks)) else { panic!() };
    }
}

/// Found by chance: each is the other's base, and one of them has more.
#[test]
fn classes_derived_from_each_other_have_an_end() {
    let source = "class C(D, t.E): pass\nclass D(C): x = f\n";
    let modules = Modules::new(&[("t.py", source)]);
    for python in pythons() {
        let told = modules.told(python, "t.C", 1, &["k"]);
        assert!(told.starts_with("t.py:1 ") && !told.contains("Error"), "{python}: {told}");
    }
}

#[test]
fn paths_that_are_none_are_refused() {
    let modules = Modules::new(&[("t.py", "def f(): pass\n")]);
    for python in pythons() {
        let tasks = [
            "t..f", ".t.f", "t.f.", "t.f g", "t.1f", "t.class", "t.\u{0}", "..", "../t.f", "t.f\n",
        ];
        for told in modules.told_all(python, &tasks.map(|task| (task, 0, &[][..]))) {
            assert!(told.contains("is no name in Python"), "{python}: {told}");
        }
        let told = modules.told(python, &format!("t.{}", "x".repeat(5000)), 0, &["y"]);
        assert!(told.starts_with("error: unknown task"), "{told}");
    }
}

/// Lines of which modules are made, by chance.
const LINES: &[&str] = &[
    "import t",
    "from t import *",
    "from . import x",
    "from .t import f",
    "import a.b.c as d",
    "def f(a, *b, **c): pass",
    "def g(): yield",
    "class C(D, t.E): pass",
    "class D(C): x = f",
    "x = f",
    "f = x",
    "x = C()",
    "x = C().f",
    "x.y.z = 1",
    "a, (b, *c) = d",
    "del f",
    "global f",
    "if x:",
    "  f = g",
    "try:",
    "except E as f:",
    "finally:",
    "else:",
    "with x as (f, g):",
    "@t.f",
    "@task(x)(y)",
    "__all__ = f",
    "__all__ = ['f', 1]",
    "__path__ = []",
    "def __getattr__(n): f",
    "f = lambda: f",
    "f = f if f else f",
    "f = f or g",
    "f: int",
    "f: int = g",
    "x = f'{f}'",
    "\t",
    "print 'x'",
    "match f:",
    "  case f: pass",
    "async def f(): pass",
    "\\",
    "'''",
    "(",
    ")",
    "é = 1",
    "from fabric.api import task, run",
    "f = task(f)",
    "from fabric.tasks import Task",
];

#[test]
fn modules_made_by_chance_are_read_without_a_word_of_us() {
    let module = prop::collection::vec(prop::sample::select(LINES), 0..12);
    let modules = prop::collection::vec(module, 3);
    let mut runner =
        TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let names = ["f", "g", "x", "x.y", "C", "C.f", "D.x", "t.f", "f.x", "__doc__"];
    let many = pythons();
    let turn = std::cell::Cell::new(0);
    let played = runner.run(&modules, |texts| {
        let files = Modules::new(&[]);
        for (name, lines) in ["t.py", "a/__init__.py", "a/b.py"].iter().zip(&texts) {
            files.write(name, lines.join("\n") + "\n");
        }
        let calls = ["t", "a", "a.b"].iter().flat_map(|module| {
            names.map(|name| Call {
                task: format!("{module}.{name}"),
                args: 1,
                kwargs: vec!["k".into()],
            })
        });
        turn.set(turn.get() + 1);
        let python = many[turn.get() % many.len()];
        match ask(&files.question(python, Ask::Calls(calls.collect()))) {
            Answer::Calls(verdicts) => {
                for problem in verdicts.iter().flat_map(|verdict| &verdict.problems) {
                    // What our own mistakes are told as.
                    prop_assert!(!problem.message.contains("Error: "), "{}", problem.message);
                }
            }
            other => prop_assert!(false, "{other:?}"),
        }
        match ask(&files.question(python, Ask::Tasks)) {
            Answer::Tasks { unread, .. } => {
                for unread in unread {
                    prop_assert!(!unread.message.contains("Error: "), "{}", unread.message);
                }
            }
            other => prop_assert!(false, "{other:?}"),
        }
        Ok(())
    });
    played.unwrap();
}

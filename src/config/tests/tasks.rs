//! What is asked about Python tasks, and how the answers are told.

use std::io;
use std::path::PathBuf;

use super::{Home, MAIN};
use crate::config::load_asking;
use crate::inspect::{About, Answer, Ask, Call, Found, Problem, Question, Verdict};

/// What is told when every question is answered like this, and the questions.
fn told(home: &Home, mut answer: impl FnMut(&Question) -> io::Result<Answer>) -> String {
    let main = home.path("loom.yaml");
    let loaded = load_asking(main.to_str().unwrap(), &mut |question, _| answer(question));
    home.text(&loaded.map_or_else(|found| found, |loaded| loaded.warnings))
}

fn calls(question: &Question) -> &[Call] {
    match &question.ask {
        Ask::Calls(calls) => calls,
        Ask::Tasks => panic!("not what a load asks"),
    }
}

fn all_well(question: &Question) -> Answer {
    Answer::Calls(calls(question).iter().map(|_| Verdict::default()).collect())
}

fn problem(about: About, message: &str) -> Problem {
    Problem { about, message: message.to_owned(), uncertain: false, near: Vec::new() }
}

fn manifest(jobs: &[&str]) -> Home {
    let jobs: String = jobs.iter().map(|job| format!("  {job}\n")).collect();
    Home::with(&[("jobs/a.yaml", &format!("jobs:\n{jobs}"))])
}

#[test]
fn nobody_is_asked_where_there_are_only_native_tasks() {
    let home = manifest(&["a: {task: fabric.api.run, args: [ls], targets: web1}"]);
    assert_eq!(told(&home, |question| panic!("{question:?}")), "");
}

#[test]
fn a_question_has_all_calls_of_an_interpreter_and_a_path_each_once() {
    let mut jobs: Vec<String> = (0..2000)
        .map(|n| format!("j{n}: {{task: t.f{}, args: [{n}], targets: web1}}", n % 10))
        .collect();
    jobs.push("x: {task: t.f, kwargs: {b: 1, a: 2}, targets: web1, enabled: no}".into());
    jobs.push("y: {task: t.f, targets: web1, python: python2.7}".into());
    jobs.push("z: {task: t.f, targets: web1, pythonpath: [jobs, .]}".into());
    jobs.push("w: {task: t.f, targets: web1, bridge: fab-classic}".into());
    let home = manifest(&jobs.iter().map(String::as_str).collect::<Vec<_>>());
    let mut asked = Vec::new();
    let told = told(&home, |question| {
        asked.push(question.clone());
        Ok(all_well(question))
    });
    assert_eq!(told, "");
    assert_eq!(asked.len(), 4);
    assert_eq!((asked[0].interpreter.as_str(), asked[0].bridge.as_str()), ("python3", "loom"));
    let base: PathBuf = home.path("").components().collect();
    assert_eq!(asked[0].path, std::slice::from_ref(&base));
    assert_eq!(calls(&asked[0]).len(), 11);
    let last = Call { task: "t.f".into(), args: 0, kwargs: vec!["b".into(), "a".into()] };
    assert_eq!(calls(&asked[0])[10], last);
    assert_eq!(asked[1].interpreter, "python2.7");
    assert_eq!(asked[2].path, [base.join("jobs"), base]);
    assert_eq!(asked[3].bridge, "fab-classic");
}

#[test]
fn a_problem_is_told_where_it_was_written() {
    let home = manifest(&[
        "a: {task: t.f, args: [1, two], kwargs: {x: 1, y: 2}, targets: web1}",
        "b: {task: t.f, args: [1, 2], kwargs: {x: 1, y: 2}, targets: web1}",
        "c: {task: fabric.api.rum, targets: web1}",
    ]);
    let told = told(&home, |question| {
        assert_eq!(calls(question).len(), 2);
        let found = Found {
            task: "t.f".into(),
            file: "/srv/t.py".into(),
            line: 7,
            params: None,
            doc: None,
        };
        let problems = vec![
            problem(About::Arg(1), "one too many"),
            problem(About::Kwarg("y".into()), "no such thing"),
            Problem { uncertain: true, ..problem(About::Task, "perhaps") },
        ];
        let near = vec!["t.run".into(), "fabric.api.run".into()];
        let unknown = Problem { near, ..problem(About::Task, "unknown task") };
        Ok(Answer::Calls(vec![
            Verdict { found: Some(found), problems, files: Vec::new() },
            Verdict { problems: vec![unknown], ..Verdict::default() },
        ]))
    });
    assert_eq!(
        told,
        r#"jobs/a.yaml:2:13: warning: perhaps
    2 |   a: {task: t.f, args: [1, two], kwargs: {x: 1, y: 2}, targets: web1}
      |             ^^^
      = the task is in /srv/t.py:7
jobs/a.yaml:2:28: error: one too many
    2 |   a: {task: t.f, args: [1, two], kwargs: {x: 1, y: 2}, targets: web1}
      |                            ^^^
      = the task is in /srv/t.py:7
jobs/a.yaml:2:49: error: no such thing
    2 |   a: {task: t.f, args: [1, two], kwargs: {x: 1, y: 2}, targets: web1}
      |                                                 ^
      = the task is in /srv/t.py:7
jobs/a.yaml:3:13: warning: perhaps
    3 |   b: {task: t.f, args: [1, 2], kwargs: {x: 1, y: 2}, targets: web1}
      |             ^^^
      = the task is in /srv/t.py:7
jobs/a.yaml:3:28: error: one too many
    3 |   b: {task: t.f, args: [1, 2], kwargs: {x: 1, y: 2}, targets: web1}
      |                            ^
      = the task is in /srv/t.py:7
jobs/a.yaml:3:47: error: no such thing
    3 |   b: {task: t.f, args: [1, 2], kwargs: {x: 1, y: 2}, targets: web1}
      |                                               ^
      = the task is in /srv/t.py:7
jobs/a.yaml:4:13: error: unknown task; did you mean "t.run" or "fabric.api.run"?
    4 |   c: {task: fabric.api.rum, targets: web1}
      |             ^^^^^^^^^^^^^^
"#
    );
}

#[test]
fn what_a_flow_holds_is_asked_about_too_and_told_in_its_lines() {
    let home = Home::with(&[(
        "jobs/f.yaml",
        "flows:\n  f:\n    slots:\n      - - name: own\n          task: t.f\n          args: [1]\n          \
         targets: web1\n          on_failure: {rescue: {name: back, task: t.g, targets: web1}}\n",
    )]);
    let told = told(&home, |question| {
        assert_eq!(calls(question).len(), 2);
        let verdict = |about, message| Verdict {
            problems: vec![problem(about, message)],
            ..Verdict::default()
        };
        // The rescue is read before what it rescues.
        Ok(Answer::Calls(vec![
            verdict(About::Task, "unknown task"),
            verdict(About::Arg(0), "one too many"),
        ]))
    });
    assert_eq!(
        told,
        r#"jobs/f.yaml:6:18: error: one too many
    6 |           args: [1]
      |                  ^
jobs/f.yaml:8:51: error: unknown task
    8 |           on_failure: {rescue: {name: back, task: t.g, targets: web1}}
      |                                                   ^^^
"#
    );
}

#[test]
fn a_module_that_is_broken_is_told_once() {
    let home = manifest(&[
        "a: {task: t.f, targets: web1}",
        "b: {task: t.g, targets: web1}",
        "c: {task: t.g, targets: web1}",
        "d: {task: u.f, targets: web1}",
    ]);
    let told = told(&home, |question| {
        let broken = |call: &Call| match call.task.starts_with("t.") {
            true => vec![problem(About::Module, "/srv/t.py:7 syntax error")],
            false => vec![problem(About::Module, "/srv/u.py:1 syntax error"); 2],
        };
        let verdict = |call| Verdict { problems: broken(call), ..Verdict::default() };
        Ok(Answer::Calls(calls(question).iter().map(verdict).collect()))
    });
    assert_eq!(
        told,
        "jobs/a.yaml:2:13: error: /srv/t.py:7 syntax error
    2 |   a: {task: t.f, targets: web1}
      |             ^^^
      = it concerns 2 more jobs
jobs/a.yaml:5:13: error: /srv/u.py:1 syntax error
    5 |   d: {task: u.f, targets: web1}
      |             ^^^
"
    );
}

#[test]
fn a_task_without_its_module_is_told_how_one_is_named() {
    let home = manifest(&["a: {task: deploy, targets: web1}"]);
    let told = told(&home, |question| panic!("{question:?}"));
    let expected = "unknown task \"deploy\"; a Python task is named with its module, as in \"fabfile.deploy\"\n";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn an_interpreter_that_is_missing_is_told_where_it_is_named() {
    let missing = |question: &Question| {
        Ok(Answer::NoInterpreter(format!("there is no {}", question.interpreter)))
    };
    let home = manifest(&[
        "a: {task: t.f, targets: web1}",
        "b: {task: t.g, targets: web1}",
        "c: {task: t.g, targets: web1, python: python9}",
    ]);
    let own = "jobs/a.yaml:4:41: error: there is no python9
    4 |   c: {task: t.g, targets: web1, python: python9}
      |                                         ^^^^^^^
";
    let expected = "jobs/a.yaml:2:13: error: there is no python3
    2 |   a: {task: t.f, targets: web1}
      |             ^^^
      = it concerns one more job
";
    assert_eq!(told(&home, missing), format!("{expected}{own}"));
    home.write("loom.yaml", format!("{MAIN}python: python8\n"));
    let expected = "loom.yaml:4:9: error: there is no python8
    4 | python: python8
      |         ^^^^^^^
      = it concerns one more job
";
    assert_eq!(told(&home, missing), format!("{expected}{own}"));
}

#[test]
fn without_an_answer_nothing_is_refused() {
    let home = manifest(&["a: {task: t.f, targets: web1}", "b: {task: t.g, targets: web1}"]);
    let expected =
        "jobs/a.yaml:2:13: warning: task \"t.f\" could not be looked for: it took too long
    2 |   a: {task: t.f, targets: web1}
      |             ^^^
      = it concerns one more job
";
    assert_eq!(told(&home, |_| Err(io::Error::other("it took too long"))), expected);
    // Fewer answers than questions.
    assert_eq!(told(&home, |_| Ok(Answer::Calls(Vec::new()))), "");
}

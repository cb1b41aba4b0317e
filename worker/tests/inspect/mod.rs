//! `loom-worker --inspect`: what is found out about tasks from their source, by every Python there
//! is on this machine.

mod calls;
mod hostile;
mod listing;
mod modules;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use loom::inspect::{About, Answer, Ask, Call, Found, Question, Verdict};
use loom::python::Bridge;

/// Modules of a user, in a directory of their own.
struct Modules(tempfile::TempDir);

impl Modules {
    fn new(files: &[(&str, &str)]) -> Modules {
        let modules = Modules(tempfile::tempdir().unwrap());
        files.iter().for_each(|(name, text)| modules.write(name, text));
        modules
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    fn question(&self, python: &str, ask: Ask) -> Question {
        let bridge = Bridge::Loom.as_str().to_owned();
        Question { interpreter: python.to_owned(), path: vec![self.path()], bridge, ask }
    }

    /// What comes of many calls, each as [`told`](Self::told).
    #[track_caller]
    fn told_all(&self, python: &str, calls: &[(&str, usize, &[&str])]) -> Vec<String> {
        let calls = calls.iter().map(|(task, args, kwargs)| Call {
            task: task.to_string(),
            args: *args,
            kwargs: kwargs.iter().map(|name| name.to_string()).collect(),
        });
        match ask(&self.question(python, Ask::Calls(calls.collect()))) {
            Answer::Calls(verdicts) => verdicts.iter().map(|verdict| self.show(verdict)).collect(),
            other => panic!("{python}: {other:?}"),
        }
    }

    /// What comes of one call: where the task is and what it takes, and a line for each problem.
    #[track_caller]
    fn told(&self, python: &str, task: &str, args: usize, kwargs: &[&str]) -> String {
        self.told_by(Bridge::Loom, python, task, args, kwargs)
    }

    #[track_caller]
    fn told_by(
        &self,
        bridge: Bridge,
        python: &str,
        task: &str,
        args: usize,
        kwargs: &[&str],
    ) -> String {
        let kwargs = kwargs.iter().map(|name| name.to_string()).collect();
        let call = Call { task: task.to_owned(), args, kwargs };
        let question = self.question(python, Ask::Calls(vec![call]));
        let question = Question { bridge: bridge.as_str().to_owned(), ..question };
        match ask(&question) {
            Answer::Calls(verdicts) if verdicts.len() == 1 => self.show(&verdicts[0]),
            other => panic!("{python}: {task}: {other:?}"),
        }
    }

    fn show(&self, verdict: &Verdict) -> String {
        let mut lines: Vec<String> = verdict.found.iter().map(shown).collect();
        for problem in &verdict.problems {
            let about = match &problem.about {
                About::Task | About::Module => String::new(),
                About::Arg(index) => format!(" args[{index}]"),
                About::Kwarg(name) => format!(" {name}"),
            };
            let kind = if problem.uncertain { "warning" } else { "error" };
            let near = match problem.near.is_empty() {
                true => String::new(),
                false => format!(" -> {}", problem.near.join(", ")),
            };
            lines.push(format!("{kind}{about}: {}{near}", problem.message));
        }
        lines.join("\n").replace(&format!("{}/", self.path().display()), "")
    }
}

/// `FILE:LINE NAME(a, b=1)`
fn shown(found: &Found) -> String {
    let params = found.params.as_ref().map(|params| {
        let params = params.iter().map(|param| match &param.default {
            Some(default) => format!("{}={default}", param.name),
            None => param.name.clone(),
        });
        format!("({})", params.collect::<Vec<_>>().join(", "))
    });
    format!("{}:{} {}", found.file.display(), found.line, params.unwrap_or("(?)".into()))
}

fn worker(question: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_loom-worker"))
        .arg("--inspect")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(question.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[track_caller]
fn ask(question: &Question) -> Answer {
    let output = worker(&serde_json::to_string(question).unwrap());
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Those that can be started by these names; `python3` always can.
fn pythons() -> Vec<&'static str> {
    static FOUND: OnceLock<Vec<&str>> = OnceLock::new();
    let works = |name: &&str| {
        let mut command = Command::new(name);
        command.args(["-c", ""]).stdout(Stdio::null()).stderr(Stdio::null());
        *name == "python3" || command.status().is_ok_and(|status| status.success())
    };
    FOUND.get_or_init(|| ALL.into_iter().filter(works).collect()).clone()
}

const ALL: [&str; 11] = [
    "python3",
    "python2.7",
    "python3.6",
    "python3.7",
    "python3.8",
    "python3.9",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
];

fn is_2(python: &str) -> bool {
    python.starts_with("python2")
}

/// A file that a module writes when it is run.
fn traps(modules: &Modules) -> (String, PathBuf) {
    let trap = modules.path().join("it-was-run");
    (format!("open({:?}, 'w').close()\n", trap.to_str().unwrap()), trap)
}

#[track_caller]
fn assert_not_run(trap: &Path) {
    assert!(!trap.exists(), "a module was run");
}

//! Python tasks: one fresh interpreter for each unit, a process here that works on the node.
//!
//! The interpreter imports the user's module and calls what the order names. What that does on
//! the node it asks of us over its [`channel`]: each command and file goes over the unit's ssh
//! master like a native task's, under the same lease, and sudo's password never leaves the worker.
//! The other half is the Python package in `worker/python`, which [`package`] lays out.
//!
//! When the interpreter ends, however it does, what it has left running here ends with it.

mod channel;
pub mod inspect;
mod package;
mod requests;
mod value;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use loom::arg::Arg;
use loom::protocol::message::{MAX_RESULT, UnitOrder};
use loom::python::{Bridge, Python};
use loom::unit::Kill;
use secrecy::ExposeSecret;
use tokio::process::Command;

use crate::local::Local;
use crate::ssh::{Ended, RemoteError};
use crate::task::{Context, TaskError, TaskResult, resolve};
use channel::Channel;
use package::Package;
use requests::Requests;
use value::{Fields, map, text};

/// Variables that lead an interpreter elsewhere, and what systemd has for the daemon alone.
const NOT_FOR_TASKS: [&[u8]; 4] = [b"PYTHON", b"CREDENTIALS_DIRECTORY", b"LISTEN_", b"WATCHDOG_"];

/// What the interpreter's leftovers are given to end by themselves.
const LEFTOVERS: Duration = Duration::from_secs(2);

/// Of at most 1,000, which is the first to be killed.
const OOM_SCORE: &str = "500";

pub async fn run(context: &mut Context, order: &UnitOrder, python: &Python) -> TaskResult {
    let near = order.node.control.parent().unwrap_or(Path::new("/"));
    let package = Package::laid_out(near)
        .map_err(|e| failed(format!("Loom's Python package cannot be laid out: {e}")))?;
    let (channel, far) = Channel::pair()?;
    channel.unit(&unit(order, python, &package).await?);
    let mut local = Local::start_alone(interpreter(python, order, &package, far), &order.cookie)
        .map_err(|e| not_started(python, &e))?;
    context.runs_here.set(true);
    context.begins_here();
    dies_first(&local);

    let mut requests = Requests::new(&channel, context);
    let ended = {
        let mut serving = std::pin::pin!(requests.serve());
        let mut ending = std::pin::pin!(local.ended(&mut context.output));
        let mut served = None;
        loop {
            tokio::select! {
                ended = &mut ending => break ended.map(|ended| (ended, served)).map_err(Into::into),
                done = &mut serving, if served.is_none() => match done {
                    Ok(done) => served = Some(done),
                    // Who sends what cannot be understood may wait for an answer for ever.
                    Err(error) => break Err(TaskError::from(error)),
                },
                () = context.stop.requested() => break Err(RemoteError::Stopped.into()),
            }
        }
    };
    let grace = if context.stop.is_requested() { order.kill_grace } else { LEFTOVERS };
    let killed = local.kill(grace).await;
    // What fab-classic started on the node has no lease and no cookie: nobody knows.
    let unseen = python.bridge == Bridge::FabClassic;
    context.runs_here.set(killed == Kill::Unconfirmed || unseen);
    let (ended, served) = ended?;
    let done = match served {
        Some(done) => done,
        None => requests.last_word()?,
    };
    let broken = requests.broken;
    let Some(done) = done else { return Err(broken.map_or(unsaid(ended), TaskError::from)) };
    let verdict = verdict(&done, &mut context.result);
    match (verdict, broken) {
        (Err(_), Some(broken)) => Err(broken.into()),
        (Err(error), None) => Err(error),
        (Ok(()), _) => nothing_runs(context).await,
    }
}

/// A thread of the task's may have been at it when the task returned.
async fn nothing_runs(context: &Context) -> TaskResult {
    match context.remote.is_running() && context.remote.kill().await == Kill::Unconfirmed {
        true => Err(failed("it returned while a command of its ran, which may still run".into())),
        false => Ok(()),
    }
}

/// Where memory ends, before those who keep the books. Who may not say so goes without.
fn dies_first(local: &Local) {
    if let Some(pid) = local.pid() {
        let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), OOM_SCORE);
    }
}

/// What the interpreter is told of its unit.
async fn unit(order: &UnitOrder, python: &Python, package: &Package) -> Result<Arg, TaskError> {
    let node = &order.node;
    let mut answers = Vec::new();
    for (prompt, source) in &python.answers {
        let answer =
            resolve(source).await.map_err(|e| failed(format!("answer {prompt:?}: {e}")))?;
        answers.push((text(prompt), text(answer.expose_secret())));
    }
    // It logs in by itself.
    let password = match (python.bridge, &order.password) {
        (Bridge::FabClassic, Some(source)) => text(resolve(source).await?.expose_secret()),
        (Bridge::FabClassic, None) | (Bridge::Loom, _) => Arg::Null,
    };
    let path = |path: &Path| text(path.to_string_lossy());
    let kwargs = order.kwargs.iter().map(|(name, value)| (text(name), value.clone()));
    Ok(map([
        ("task", text(&order.task)),
        ("args", Arg::List(order.args.clone())),
        ("kwargs", Arg::Map(kwargs.collect())),
        ("job", text(&order.job)),
        ("run", Arg::Int(order.run.0 as i64)),
        ("attempt", Arg::Int(order.attempt.into())),
        ("bridge", text(python.bridge.as_str())),
        ("root", path(package.root())),
        ("path", Arg::List(python.path.iter().map(|dir| path(dir)).collect())),
        ("answers", Arg::Map(answers)),
        ("node", text(&node.name)),
        ("host", text(&node.host)),
        ("user", text(&node.user)),
        ("port", node.port.map_or(Arg::Null, |port| Arg::Int(port.into()))),
        ("control", path(&node.control)),
        ("identity", node.identity.as_deref().map_or(Arg::Null, path)),
        ("password", password),
    ]))
}

/// Its surroundings are those of the daemon but for what would lead it elsewhere.
fn interpreter(python: &Python, order: &UnitOrder, package: &Package, stdin: OwnedFd) -> Command {
    let mut command = Command::new(&python.interpreter);
    // Without site: it costs more than all the rest, and start.py makes up for it when a module
    // is asked for that only site could find.
    command.arg("-S").arg(package.start());
    clean(|name| {
        command.env_remove(name);
    });
    command.env("PYTHONIOENCODING", "utf-8:surrogateescape");
    command.env("PYTHONPYCACHEPREFIX", package.compiled());
    let node = &order.node;
    command.env("LOOM_NODE", &node.name).env("LOOM_HOST", &node.host).env("LOOM_USER", &node.user);
    command.stdin(Stdio::from(stdin));
    command
}

/// What would lead the interpreter elsewhere.
fn clean(mut remove: impl FnMut(&OsStr)) {
    for (name, _) in std::env::vars_os() {
        let bytes = name.as_encoded_bytes();
        if NOT_FOR_TASKS.iter().any(|prefix| bytes.starts_with(prefix)) {
            remove(&name);
        }
    }
}

fn not_started(python: &Python, error: &io::Error) -> TaskError {
    failed(not_there(&python.interpreter, error))
}

fn not_there(name: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!(
            "there is no {name} on the scheduler's machine; install it, or name another with \
             `python` in the job or in loom.yaml"
        ),
        _ => format!("{name} could not be started: {error}"),
    }
}

/// The interpreter ended without having said how the task went.
fn unsaid(ended: Ended) -> TaskError {
    match ended {
        Ended::Exit(0) => failed("the interpreter ended in the middle of the task".into()),
        Ended::Exit(status) => TaskError::Exit(status),
        Ended::Signal(signal) => TaskError::Signal(signal),
    }
}

fn verdict(done: &Arg, result: &mut Option<String>) -> TaskResult {
    let done = Fields(done);
    let said = done.text("result").map(|text| shortened(text, MAX_RESULT));
    match (done.text("end"), done.int("exit")) {
        (Some("returned"), _) => {
            *result = said;
            Ok(())
        }
        (Some("exited"), Some(0)) => Ok(()),
        (Some("exited"), Some(status)) => Err(TaskError::Said {
            exit: Some(status as i32),
            sentence: done.text("detail").map(|text| shortened(text, MAX_RESULT)),
        }),
        _ => Err(failed(match done.text("detail") {
            Some(detail) => shortened(detail, MAX_RESULT),
            None => "the task failed without a word".into(),
        })),
    }
}

/// At most so many bytes of it, whole characters.
fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most - 3).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..end])
}

fn failed(sentence: String) -> TaskError {
    TaskError::Failed(sentence)
}

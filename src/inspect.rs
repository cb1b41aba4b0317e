//! What is known of Python tasks without running them: whether they are there, in which file,
//! what they take.
//!
//! The answers come from `loom-worker --inspect`, which has the interpreter that would run the
//! tasks read their source: modules are found and parsed, never imported. This module owns the
//! questions and answers, and the asking.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::executable::Executable;
use crate::sys::converse::converse;

/// All that is asked about one interpreter and path; JSON on the worker's stdin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    pub interpreter: String,
    pub path: Vec<PathBuf>,
    pub bridge: String,
    pub ask: Ask,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Whether each of these could be run; an answer for each.
    Calls(Vec<Call>),
    /// Every task on the path.
    Tasks,
}

/// How a job calls a task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Call {
    pub task: String,
    /// How many arguments by place.
    pub args: usize,
    /// The names of the others.
    pub kwargs: Vec<String>,
}

/// JSON on the worker's stdout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// One for each call, in their order.
    Calls(Vec<Verdict>),
    /// The tasks there are, by path, and the modules that could not be read.
    Tasks { tasks: Vec<Found>, unread: Vec<Unread> },
    /// The interpreter could not be asked; a sentence that says what to do.
    NoInterpreter(String),
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// `None`: it is not there, or that cannot be known without running something.
    pub found: Option<Found>,
    /// Why it could not be run. Empty: nothing speaks against it.
    pub problems: Vec<Problem>,
    /// The user's modules that are imported for it, as far as that is known.
    pub files: Vec<PathBuf>,
}

/// A task that is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The dotted path.
    pub task: String,
    pub file: PathBuf,
    /// Of its definition; counted from 1.
    pub line: u32,
    /// `None` where a decorator or a class hides what it takes.
    pub params: Option<Vec<Param>>,
    /// Its docstring, without indentation.
    pub doc: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// With its stars, if it has any: `*mounts`, `**settings`; `*` alone stands before those that
    /// are given by name only.
    pub name: String,
    /// As it is written in the source; `None`: it must be given.
    pub default: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    pub about: About,
    /// A sentence without a full stop, with file and line of the module where there are some.
    pub message: String,
    /// It cannot be told without running the module: no error, a warning.
    pub uncertain: bool,
    /// Tasks that may have been meant, by their paths.
    pub near: Vec<String>,
}

/// Which part of the call a problem is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    Task,
    /// Or none of it: a module, whichever task of it is called.
    Module,
    /// Counted from 0.
    Arg(usize),
    Kwarg(String),
}

/// A module that has tasks, perhaps, but cannot be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unread {
    pub file: PathBuf,
    pub line: u32,
    pub message: String,
}

/// An answer that takes longer is not waited for.
pub const TIME_LIMIT: Duration = Duration::from_secs(30);
/// What the worker gives the interpreter, so that it can still say what was wrong.
pub const READING: Duration = Duration::from_secs(20);
/// The longest answer, in bytes.
pub const MAX_ANSWER: usize = 64 << 20;

/// The worker's argument for this.
pub const ARGUMENT: &str = "--inspect";

/// Asks, and waits for the answer. To be called from the main thread.
///
/// # Errors
/// There is no answer: the worker is not there, or took too long. That says nothing of the tasks.
pub fn ask(question: &Question) -> io::Result<Answer> {
    ask_within(question, TIME_LIMIT)
}

/// As [`ask`], with another limit.
pub fn ask_within(question: &Question, limit: Duration) -> io::Result<Answer> {
    // It is run through the descriptor that this holds.
    let worker = Executable::find("loom-worker")?;
    let mut command = worker.command();
    command.arg(ARGUMENT);
    let question = serde_json::to_vec(question)?;
    let said = converse(command, &question, limit, MAX_ANSWER).map_err(|e| match e.kind() {
        io::ErrorKind::TimedOut => io::Error::other(format!("it took longer than {limit:?}")),
        _ => e,
    })?;
    if !said.status.success() {
        let complaint = String::from_utf8_lossy(&said.stderr);
        let complaint = complaint.trim().lines().last().unwrap_or_default();
        let complaint = complaint.strip_prefix("loom-worker: ").unwrap_or(complaint);
        return Err(io::Error::other(match complaint {
            "" => format!("loom-worker ended with {}", said.status),
            complaint => complaint.to_owned(),
        }));
    }
    Ok(serde_json::from_slice(&said.stdout)?)
}

//! What is known of Python tasks without running them: whether they are there, in which file,
//! what they take.
//!
//! The answers come from `loom-worker --inspect`, which has the interpreter that would run the
//! tasks read their source: modules are found and parsed, never imported. This module owns the
//! questions and answers, and the asking.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::python::Bridge;

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// `None`: it is not there, or that cannot be known without running something.
    pub found: Option<Found>,
    /// Why it could not be run. Empty: nothing speaks against it.
    pub problems: Vec<Problem>,
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
}

/// Which part of the call a problem is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    Task,
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

/// Asks, and waits for the answer.
pub fn ask(question: &Question) -> io::Result<Answer> {
    let _ = (question, Bridge::ALL);
    Err(io::ErrorKind::Unsupported.into())
}

//! From a dotted path to the task that it names.
//!
//! A task does its work on the context's node and says how it went. Timeouts and cancels are
//! decided above it: its future is dropped a while after [`Context::stop`] was requested.

pub mod fabric;
mod run;
mod script;
mod system;

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use loom::password::Password;
use loom::protocol::message::UnitOrder;
use loom::task::{self, Problem};
use loom::unit::Outcome;
use secrecy::SecretString;
use tokio::sync::mpsc::UnboundedSender;

use crate::milestone::Milestone;
use crate::output::Output;
use crate::python;
use crate::rejoin::Rejoin;
use crate::ssh::{Ended, Remote, RemoteError, Sudo};
use crate::stop::Stop;

/// What a task works with.
pub struct Context {
    pub remote: Remote,
    pub output: Output,
    pub stop: Stop,
    /// The order's; for [`Context::sudo`].
    pub password: Option<Password>,
    pub told: UnboundedSender<Milestone>,
    pub rejoin: Rejoin,
    /// Something of the task runs on this machine, or may.
    pub runs_here: Rc<Cell<bool>>,
    /// What the task returned.
    pub result: Option<String>,
}

pub type TaskResult = Result<(), TaskError>;

/// How a task failed.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// A command ended with this status, and that is the task's verdict.
    #[error("exit {0}")]
    Exit(i32),
    /// A command died by this signal.
    #[error("signal {0}")]
    Signal(i32),
    /// The task ended by itself with this status, and said why.
    #[error("{}", sentence.as_deref().unwrap_or("the task ended itself"))]
    Said { exit: Option<i32>, sentence: Option<String> },
    /// In one sentence, for the person who must act.
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs the order's task. What is wrong with its arguments was said at load; here it ends the
/// unit.
pub async fn call(context: &mut Context, order: &UnitOrder) -> TaskResult {
    if let Some(python) = &order.python {
        return python::run(context, order, python).await;
    }
    let call = task::bind(&order.task, &order.args, &order.kwargs).map_err(problem)?;
    match call.task.path {
        "loom.run" => run::run(context, &call).await,
        "loom.script" => script::script(context, &call).await,
        path if path.starts_with("fabric.") => fabric::call(context, order, &call).await,
        path if path.starts_with("loom.system.") => system::call(context, &call).await,
        other => Err(TaskError::Failed(format!("this worker does not know the task {other}"))),
    }
}

fn problem(problem: Problem) -> TaskError {
    TaskError::Failed(match problem {
        Problem::Unknown { .. } => "there is no such task".into(),
        Problem::Kwarg { message, .. }
        | Problem::Arg { message, .. }
        | Problem::Call { message } => message,
    })
}

impl Ended {
    /// The verdict of a task that is this one command.
    pub fn verdict(self) -> TaskResult {
        match self {
            Ended::Exit(0) => Ok(()),
            Ended::Exit(status) => Err(TaskError::Exit(status)),
            Ended::Signal(signal) => Err(TaskError::Signal(signal)),
        }
    }
}

impl TaskError {
    /// The ledger's word for it, and the sentence that goes with it.
    pub fn outcome(self) -> (Outcome, Option<String>) {
        let outcome = match &self {
            TaskError::Said { exit, sentence } => {
                return (Outcome::Failed { exit: *exit }, sentence.clone());
            }
            TaskError::Exit(status) => return (Outcome::Failed { exit: Some(*status) }, None),
            TaskError::Signal(signal) => return (Outcome::Signaled { signal: *signal }, None),
            TaskError::Remote(RemoteError::Unreachable(_) | RemoteError::Refused(_)) => {
                Outcome::Unreachable
            }
            TaskError::Remote(RemoteError::Lost(_) | RemoteError::Stopped) => Outcome::Lost,
            TaskError::Remote(RemoteError::Shell(status)) => {
                Outcome::Failed { exit: Some(*status) }
            }
            TaskError::Remote(
                RemoteError::Sudo(_)
                | RemoteError::Transfer(_)
                | RemoteError::Invalid(_)
                | RemoteError::Io(_),
            )
            | TaskError::Failed(_)
            | TaskError::Io(_) => Outcome::Failed { exit: None },
        };
        (outcome, Some(self.to_string()))
    }
}

impl Context {
    /// The task has begun without its node.
    pub fn begins_here(&self) {
        let _ = self.told.send(Milestone::Started { pgid: None });
    }

    /// The rights of `user`, root if there is none, with the node's password should it be asked
    /// for.
    pub async fn sudo(&self, user: Option<String>) -> Result<Sudo, TaskError> {
        let password = match &self.password {
            Some(source) => Some(resolve(source).await?),
            None => None,
        };
        Ok(Sudo { user, group: None, password })
    }
}

/// A command that prints the password may take its time; the worker goes on meanwhile.
pub async fn resolve(source: &Password) -> Result<SecretString, TaskError> {
    let source = source.clone();
    let resolved = tokio::task::spawn_blocking(move || source.resolve()).await;
    match resolved.map_err(io::Error::from) {
        Ok(Ok(password)) => Ok(password),
        Ok(Err(e)) | Err(e) => Err(TaskError::Failed(format!("the node's password: {e}"))),
    }
}

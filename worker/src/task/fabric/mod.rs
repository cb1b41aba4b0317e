//! The native tasks of `fabric.api`: Fabric 1's command lines and results, on Loom's own ssh.
//!
//! What Fabric's context managers do is asked for by parameters; see docs/tasks.md.

pub mod command;
pub mod get;
pub mod put;
mod reboot;

use std::process::Stdio;

use loom::protocol::message::UnitOrder;
use loom::task::Call;
use loom::unit::Kill;

use super::{Context, TaskError, TaskResult};
use crate::local::Local;
use crate::ssh::{Command, Ended, Input, Pty, RemoteError, Stream, Sudo};

pub async fn call(context: &mut Context, order: &UnitOrder, call: &Call) -> TaskResult {
    match call.task.path {
        "fabric.api.run" => run(context, call, None).await,
        "fabric.api.sudo" => {
            let mut sudo = context.sudo(call.maybe_text("user").map(command::identity)).await?;
            sudo.group = call.maybe_text("group").map(command::identity);
            run(context, call, Some(sudo)).await
        }
        "fabric.api.local" => local(context, order, call).await,
        "fabric.api.put" => put::put(context, call).await,
        "fabric.api.reboot" => reboot::reboot(context, call).await,
        _get => get::get(context, call).await,
    }
}

async fn run(context: &mut Context, call: &Call, sudo: Option<Sudo>) -> TaskResult {
    let command = Command {
        line: command::sent(call),
        // The target user's own shell may be one that lets nobody in.
        shell: sudo.as_ref().map(|_| "/bin/sh".into()),
        input: if call.flag("pty") { Input::Terminal(terminal()) } else { Input::Nothing },
        sudo,
        ..Command::default()
    };
    let ended = context.remote.run(&command, &mut context.output).await?;
    verdict(context, call, ended)
}

async fn local(context: &mut Context, order: &UnitOrder, call: &Call) -> TaskResult {
    let shell = call.maybe_text("shell").unwrap_or("/bin/sh");
    let line = command::in_context(call, "lcd");
    let node = &order.node;
    let env = [("LOOM_NODE", &*node.name), ("LOOM_HOST", &*node.host), ("LOOM_USER", &*node.user)];
    let mut command = tokio::process::Command::new(shell);
    command.args(["-c", &line]).envs(env).stdin(Stdio::null());
    let mut local = Local::start(command, &order.cookie)
        .map_err(|error| TaskError::Failed(format!("{shell} could not be started: {error}")))?;
    context.runs_here.set(true);
    context.begins_here();
    tokio::select! {
        ended = local.finish(&mut context.output) => {
            context.runs_here.set(false);
            verdict(context, call, ended?)
        }
        () = context.stop.requested() => {
            let kill = local.kill(order.kill_grace).await;
            context.runs_here.set(kill == Kill::Unconfirmed);
            Err(RemoteError::Stopped.into())
        }
    }
}

/// A death by signal has no exit code that anything could accept.
fn verdict(context: &mut Context, call: &Call, ended: Ended) -> TaskResult {
    let Ended::Exit(code) = ended else { return ended.verdict() };
    if call.codes("ok_ret_codes").unwrap_or(&[0]).contains(&code) {
        return Ok(());
    }
    if call.flag("warn_only") || call.flag("quiet") {
        context.output.line(Stream::Stderr, &format!("exit {code}, accepted by warn_only"));
        return Ok(());
    }
    Err(TaskError::Exit(code))
}

/// Fabric's own.
pub fn terminal() -> Pty {
    Pty { term: "vt100".into(), cols: 80, rows: 24 }
}

//! `reboot`: the node goes down, and the unit waits for it to come back.

use std::time::Duration;

use loom::task::Call;

use super::command;
use crate::rejoin::{self, Back, Watch};
use crate::ssh::{Command, Ended, RemoteError, Stream};
use crate::task::{Context, TaskError, TaskResult};

/// Only this word is known to take the node down.
const PLAIN: &str = "reboot";

pub async fn reboot(context: &mut Context, call: &Call) -> TaskResult {
    let line = call.text("command");
    let within = call.seconds("wait").unwrap_or(Duration::ZERO);
    let sudo = if call.flag("use_sudo") { Some(context.sudo(None).await?) } else { None };
    let before = rejoin::boot_id(&context.remote).await?;
    let mut watch = Watch::new(before, line.trim() == PLAIN);
    context.rejoin.leaving();
    let shell = sudo.as_ref().map(|_| "/bin/sh".into());
    let command = Command { shell, ..Command::new(command::in_login_bash(line)).sudo(sudo) };
    watch.gone = match context.remote.run(&command, &mut context.output).await {
        Ok(Ended::Exit(0)) => false,
        Ok(Ended::Exit(code)) => return Err(TaskError::Exit(code)),
        // It is no failure of the command that the node takes it down with everything else.
        Ok(Ended::Signal(_)) => false,
        Err(RemoteError::Lost(_)) => {
            context.remote.forget_running();
            true
        }
        Err(error) => return Err(error.into()),
    };
    let back = rejoin::back(&context.remote, &context.rejoin, watch, within).await?;
    let back = back.map_err(|why| TaskError::Failed(format!("`{line}` was run, but {why}")))?;
    context.output.line(Stream::Stdout, sentence(back));
    Ok(())
}

fn sentence(back: Back) -> &'static str {
    match back {
        Back::Rebooted => "the node has rebooted and takes sessions again",
        Back::SameBoot => {
            "the node takes sessions again, with the boot id it had before: whether it rebooted is \
             not known"
        }
        Back::Unknown => "the node takes sessions again; it has no boot id to tell by",
        Back::Stayed => "the node takes sessions, and its connection did not break",
    }
}

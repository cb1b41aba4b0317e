//! `loom.run`: a command line, as `ssh node 'line'` would run it.

use loom::task::Call;

use super::{Context, TaskError, TaskResult};
use crate::ssh::{Command, Input};

pub async fn run(context: &mut Context, call: &Call) -> TaskResult {
    let command = surrounded(Command::new(call.text("command")), context, call).await?;
    context.remote.run(&command, &mut context.output).await?.verdict()
}

/// With what `loom.run` and `loom.script` say in common.
pub async fn surrounded(
    command: Command,
    context: &Context,
    call: &Call,
) -> Result<Command, TaskError> {
    let become_user = call.maybe_text("become_user").map(str::to_owned);
    let sudo = if call.flag("become") { Some(context.sudo(become_user).await?) } else { None };
    let input = match call.maybe_text("stdin") {
        Some(text) => Input::Bytes(text.as_bytes().to_vec()),
        None => Input::Nothing,
    };
    let env = call.env("env").to_vec();
    let chdir = call.maybe_text("chdir").map(str::to_owned);
    Ok(Command { input, sudo, env, chdir, ..command })
}

//! `loom.run`: a command line, as `ssh node 'line'` would run it.

use super::{Arguments, Context, TaskResult};
use crate::ssh::{Command, Input};

/// `loom.run(command, env={}, chdir=None, become=False, become_user=None, stdin=None)`
pub async fn run(context: &mut Context, mut arguments: Arguments<'_>) -> TaskResult {
    let mut command = Command::new(arguments.text("command")?);
    command.env = arguments.keyword_map("env")?;
    command.chdir = arguments.keyword_text("chdir")?;
    let become_user = arguments.keyword_text("become_user")?;
    if arguments.keyword_flag("become", become_user.is_some())? {
        command.sudo = Some(context.sudo(become_user).await?);
    }
    if let Some(stdin) = arguments.keyword_text("stdin")? {
        command.input = Input::Bytes(stdin.into_bytes());
    }
    arguments.finish()?;
    context.remote.run(&command, &mut context.output).await?.verdict()
}

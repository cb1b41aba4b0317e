//! `loom.script`: a local script, sent to the node and run there.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use loom::task::Call;

use super::run::surrounded;
use super::{Context, TaskError, TaskResult};
use crate::ssh::transfer::Placement;
use crate::ssh::wrapper::quote;
use crate::ssh::{Command, Ended, Input, RemoteError, Stream};

/// Linux takes no longer first line.
const LONGEST_SHEBANG: u64 = 256;

pub async fn script(context: &mut Context, call: &Call) -> TaskResult {
    let local = Path::new(call.text("path"));
    let interpreter = interpreter(local).map_err(|e| {
        TaskError::Failed(format!("the script {} cannot be read: {e}", local.display()))
    })?;
    let command = surrounded(Command::default(), context, call).await?;
    // The file must be readable for whoever runs it.
    let sudo = command.sudo.clone();
    let directory = context.remote.temporary_directory(sudo.clone()).await?;
    let name = local.file_name().map_or("script".into(), |name| name.to_string_lossy());
    let remote = format!("{directory}/{name}");

    let words = interpreter.iter().map(String::as_str).chain([remote.as_str()]);
    let words = words.chain(call.texts("args").iter().map(String::as_str));
    let line = words.map(quote).collect::<Vec<_>>().join(" ");
    let command = Command { line: format!("exec {line}"), ..command };

    let ended = send_and_run(context, local, &remote, &command).await;
    let removal = Command::script("rm -rf -- \"$1\"", &[&directory]).sudo(sudo);
    if let Err(error) = context.remote.regardless().capture(&removal).await {
        context.output.line(Stream::Stderr, &format!("loom: {directory} may be left: {error}"));
    }
    ended?.verdict()
}

async fn send_and_run(
    context: &mut Context,
    local: &Path,
    remote: &str,
    command: &Command,
) -> Result<Ended, RemoteError> {
    let placement = Placement { mode: Some(0o700), sudo: command.sudo.clone() };
    context.remote.upload(Input::File(local.to_owned()), remote, &placement).await?;
    context.remote.run(command, &mut context.output).await
}

/// What the script's first line names, as the kernel would read it: named here, it works where
/// the node's /tmp is mounted noexec, too. A script that names none is sh's; a binary is its own.
fn interpreter(script: &Path) -> io::Result<Vec<String>> {
    let mut start = Vec::new();
    File::open(script)?.take(LONGEST_SHEBANG).read_to_end(&mut start)?;
    if start.starts_with(b"\x7fELF") {
        return Ok(Vec::new());
    }
    let Some(rest) = start.strip_prefix(b"#!") else { return Ok(vec!["/bin/sh".into()]) };
    let line = rest.split(|&b| b == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let line = line.trim();
    let words = match line.split_once([' ', '\t']) {
        Some((program, argument)) => vec![program, argument.trim_start()],
        None => vec![line],
    };
    Ok(words.into_iter().map(str::to_owned).collect())
}

//! Loom's own tasks: `loom.run`, `loom.script`.

use super::{BECOME, keyword, positional};
use crate::task::Default::{Absent, Required};
use crate::task::{Call, Kind, Param, Problem, Task};

pub(super) const RUN: Task = Task {
    path: "loom.run",
    aliases: &[],
    params: &[
        positional("command", Kind::Text, Required, "the command line, for the user's login shell"),
        ENV,
        CHDIR,
        BECOME,
        BECOME_USER,
        STDIN,
    ],
    doc: "Runs a command line on the node, as `ssh node 'command'` would.",
    long: "\
Runs a command line on the node, as `ssh node 'command'` would: in the user's login shell, without
a terminal. It is the fastest way to run something; nothing is wrapped around the command but what
is needed to end it reliably.",
    example: "task: loom.run\nargs: [\"df -h /\"]\nkwargs: {env: {LC_ALL: C}}",
    rule: become_user_needs_become,
};

pub(super) const SCRIPT: Task = Task {
    path: "loom.script",
    aliases: &[],
    params: &[
        positional("path", Kind::Text, Required, "the script, on the scheduler's machine"),
        positional("args", Kind::Words, Absent, "its arguments, given byte for byte"),
        ENV,
        CHDIR,
        BECOME,
        BECOME_USER,
        STDIN,
    ],
    doc: "Sends a local script to the node and runs it there.",
    long: "\
Sends a local script to the node and runs it there, by the interpreter its first line names. The
script is read when the unit runs, not when the configuration is loaded. It lies in a directory of
its own in the node's /tmp, which goes when the script ends; if Loom could not see to that, with the
sweep before the node's next unit.",
    example: "task: loom.script\nargs: [/srv/scripts/rotate.sh, [--keep, 7]]",
    rule: become_user_needs_become,
};

const ENV: Param = keyword("env", Kind::Env, Absent, "variables for the command");
const CHDIR: Param = keyword(
    "chdir",
    Kind::Text,
    Absent,
    "the directory to run it in; the unit fails if there is none",
);
const BECOME_USER: Param = keyword(
    "become_user",
    Kind::Text,
    Absent,
    "whom to become; root if not given. Needs `become: true`",
);
const STDIN: Param =
    keyword("stdin", Kind::Text, Absent, "what the command reads; nothing if not given");

/// Alone it would be ignored, and the command run as somebody unexpected.
fn become_user_needs_become(call: &Call) -> Result<(), Problem> {
    if call.maybe_text("become_user").is_none() || call.flag("become") {
        return Ok(());
    }
    Err(Problem::Kwarg {
        name: "become_user".into(),
        message: format!("`become_user` of {}() needs `become: true` beside it", call.task.path),
    })
}

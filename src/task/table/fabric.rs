//! The tasks that Fabric 1's operations became: `fabric.api.*`.

use super::{keyword, no_rule, positional};
use crate::task::Default::{Absent, Flag, Required, Seconds, Text};
use crate::task::{Form, Kind, Param, Task};

pub(super) const RUN: Task = Task {
    path: "fabric.api.run",
    aliases: &["fabric.operations.run"],
    params: &[
        COMMAND,
        SHELL,
        PTY,
        COMBINE,
        QUIET,
        WARN_ONLY,
        TIMEOUT,
        SHELL_ESCAPE,
        CD,
        PREFIX,
        SHELL_ENV,
        PATH,
        PATH_BEHAVIOR,
        OK_RET_CODES,
    ],
    doc: "Runs a command on the node in a login bash, as Fabric 1 does.",
    long: "\
Runs a command on the node in a login bash, with the very command line Fabric 1 would send:
`/bin/bash -l -c \"…\"`, in which `\"`, `$` and backticks are escaped. What a fabfile says with context
managers (`with cd(…)`, `with prefix(…)`) is said by parameters here.

Two things differ from Fabric. `pty` is false by default, as nobody watches a cron job: stdout and
stderr stay apart and the bytes exact. And the output is recorded as it is; nothing is stripped.",
    example: "task: fabric.api.run\nargs: [\"touch /tmp/loom_was_here\"]\nkwargs: {cd: /srv/app, warn_only: true}",
    rule: no_rule,
};

pub(super) const SUDO: Task = Task {
    path: "fabric.api.sudo",
    aliases: &["fabric.operations.sudo"],
    params: &[
        COMMAND,
        SHELL,
        PTY,
        COMBINE,
        positional(
            "user",
            Kind::Word,
            Absent,
            "whom to become, by name or number; root if not given",
        ),
        QUIET,
        WARN_ONLY,
        keyword("group", Kind::Word, Absent, "the group to run as, by name or number"),
        TIMEOUT,
        SHELL_ESCAPE,
        CD,
        PREFIX,
        SHELL_ENV,
        PATH,
        PATH_BEHAVIOR,
        OK_RET_CODES,
    ],
    doc: "Runs a command on the node through sudo, answering its password prompt if there is one.",
    long: "\
Runs a command on the node through sudo. The password goes to sudo when it asks, which it does not
where sudoers says NOPASSWD or lately had one; a sudo that asks where the node has no `password`
fails the unit with that reason. With `shell: false` the whole command line has the rights, not only
its first command.",
    example: "task: fabric.api.sudo\nargs: [\"vacuumdb --all\"]\nkwargs: {user: postgres}",
    rule: no_rule,
};

pub(super) const LOCAL: Task = Task {
    path: "fabric.api.local",
    aliases: &["fabric.operations.local"],
    params: &[
        COMMAND,
        positional(
            "capture",
            Kind::Flag,
            Flag(false),
            "accepted as in Fabric; the output is recorded either way",
        ),
        positional("shell", Kind::Text, Absent, "the shell's path; `/bin/sh` if not given"),
        keyword(
            "lcd",
            Kind::Texts,
            Absent,
            "directories to change to first, each relative to the one before; the first to the daemon's own",
        ),
        PREFIX,
        SHELL_ENV,
        PATH,
        PATH_BEHAVIOR,
        QUIET_LOCAL,
        WARN_ONLY_LOCAL,
        OK_RET_CODES,
    ],
    doc: "Runs a command on the scheduler's own machine, once for each target.",
    long: "\
Runs a command on the scheduler's own machine, as the daemon's user, once for each target. It can
tell the targets apart by `LOOM_NODE` (the node's name), `LOOM_HOST` (its address or name) and
`LOOM_USER` in its environment. It ends with the worker that runs it, whatever ends that.",
    example: "task: fabric.api.local\nargs: [\"./build.sh\"]\nkwargs: {lcd: /srv/app}",
    rule: no_rule,
};

pub(super) const PUT: Task = Task {
    path: "fabric.api.put",
    aliases: &["fabric.operations.put"],
    params: &[
        positional(
            "local_path",
            Kind::Text,
            Required,
            "a file, a directory or a pattern on the scheduler's machine; `~` is the daemon's home",
        ),
        positional(
            "remote_path",
            Kind::Text,
            Absent,
            "a file or an existing directory on the node, relative to the home directory; that directory itself if not given",
        ),
        positional(
            "use_sudo",
            Kind::Flag,
            Flag(false),
            "writes the node's files through sudo; a new file belongs to root (in Fabric to the login user, from whom a second command would have to take it)",
        ),
        positional(
            "mirror_local_mode",
            Kind::Flag,
            Flag(false),
            "gives each file the permission bits it has here; outranks `mode`",
        ),
        positional(
            "mode",
            Kind::Mode,
            Absent,
            "permission bits for each file: `0644` or `\"0644\"`; `644` is another number, and refused",
        ),
        positional(
            "use_glob",
            Kind::Flag,
            Flag(true),
            "false takes `*`, `?` and `[` in `local_path` literally",
        ),
        positional(
            "temp_dir",
            Kind::Text,
            Absent,
            "accepted as in Fabric; a file is always written beside its target first",
        ),
    ],
    doc: "Copies files and directories to the node.",
    long:
        "\
Copies files and directories to the node. Each file is written beside its target, compared by size
and checksum, and then moved over it: a reader there sees the old file or the new one.

- A pattern that matches nothing fails the unit; one that matches several needs a directory.
- Onto an existing directory, a file keeps its name. A directory always keeps its name and is copied
  with all that is in it. Directories above the target are never made.
- Symbolic links to files are copied as the files; directories behind symbolic links are made and
  left empty, as in Fabric. A symbolic link on the node is written through.
- A file that exists keeps its owner and, unless told otherwise, its permission bits.
- The first failure ends the unit; what was copied before stays.
- With `use_sudo` a file that exists keeps its mode, too; Fabric's `mv` gives it that of a new one.",
    example: "task: fabric.api.put\nargs: [/srv/config/app.conf, /etc/app/]\nkwargs: {use_sudo: true, mode: 0644}",
    rule: no_rule,
};

pub(super) const GET: Task = Task {
    path: "fabric.api.get",
    aliases: &["fabric.operations.get"],
    params: &[
        positional(
            "remote_path",
            Kind::Text,
            Required,
            "a file or a directory on the node, relative to the home directory; in its last part `*`, `?` and `[…]` match; names that begin with a dot by a dot only",
        ),
        positional(
            "local_path",
            Kind::Text,
            Text("%(host)s/%(path)s"),
            "where to, on the scheduler's machine; relative to the daemon's directory, `~` is its home",
        ),
        positional("use_sudo", Kind::Flag, Flag(false), "reads the node's files through sudo"),
        positional(
            "temp_dir",
            Kind::Text,
            Absent,
            "accepted as in Fabric; nothing is put aside on the node",
        ),
    ],
    doc: "Copies files and directories from the node.",
    long: "\
Copies files and directories from the node. Directories above the local file are made as needed;
each file is written beside its place and, once all of it has come, moved there. A new one can be
read by the daemon's user only; one that was there keeps its mode. A symbolic link is written
through, and what is there and no regular file is refused. A worker that is killed meanwhile leaves
a `.loom-get.…` beside the old file, which the next `get` into that directory removes.

In `local_path`, `%(host)s` stands for the node's name, `%(path)s` for the file's path below the
directory that was asked for (its name, for a single file), `%(dirname)s` and `%(basename)s` for
that path's two parts. A `local_path` that is an existing directory takes files by their names.
Without `%(path)s` or `%(dirname)s` in it, a directory is copied as a directory below it.

Three things differ from Fabric. What is not there fails the unit without leaving an empty file
here. A pattern that begins with a dot finds hidden names. And `%(host)s` is the node's name, where
Fabric has the host string as the task was called with it.",
    example: "task: fabric.api.get\nargs: [/var/log/app, \"/srv/collected/%(host)s/%(path)s\"]",
    rule: no_rule,
};

pub(super) const REBOOT: Task = Task {
    path: "fabric.api.reboot",
    aliases: &["fabric.operations.reboot"],
    params: &[
        positional(
            "wait",
            Kind::Seconds,
            Seconds(120),
            "seconds within which the node must take a session again",
        ),
        positional(
            "command",
            Kind::Text,
            Text("reboot"),
            "the command that reboots, run in a login bash",
        ),
        positional("use_sudo", Kind::Flag, Flag(true), "runs it through sudo"),
    ],
    doc: "Reboots the node and waits until it is back.",
    long: "\
Reboots the node and waits until it is back. That the command dies with the connection is no
failure; that it ends with another status than 0 is one. The unit keeps its worker, asks for a new
connection about once a second, and fails if the node has not taken a session within `wait` seconds
from the end of the command. The job's `timeout` holds besides.

- Where the node has a boot id (Linux), another one than before means that it is back. Where it has
  none, or the same, as in a container, the node has to answer for five seconds after the
  connection broke; the unit's output says which it was.
- A plain `reboot` that was accepted has to break the connection. Any other command may turn out not
  to: if the node goes on answering for five seconds, that is a success, and the output says so.
- Other units that wait for the node go on waiting until this one has ended. What runs there
  meanwhile is lost with it.",
    example: "task: fabric.api.reboot\nkwargs: {wait: 300}",
    rule: no_rule,
};

const COMMAND: Param = positional("command", Kind::Text, Required, "the command line");
const SHELL: Param = positional(
    "shell",
    Kind::Flag,
    Flag(true),
    "wraps the command in `/bin/bash -l -c`; false leaves it to the user's login shell",
);
const PTY: Param = positional(
    "pty",
    Kind::Flag,
    Flag(false),
    "runs it on a terminal (vt100, 80 by 24), with stderr merged into stdout and lines ending in `\\r\\n`; Fabric's own default is true",
);
const COMBINE: Param = positional(
    "combine_stderr",
    Kind::Flag,
    Absent,
    "records stderr as stdout; if not given, only on a terminal",
);
const QUIET: Param = positional(
    "quiet",
    Kind::Flag,
    Flag(false),
    "the same as `warn_only`: the ledger keeps the output either way",
);
const WARN_ONLY: Param = positional(
    "warn_only",
    Kind::Flag,
    Flag(false),
    "any exit code counts as success; a death by signal, a timeout or a lost connection does not",
);
const QUIET_LOCAL: Param = Param { form: Form::Keyword, ..QUIET };
const WARN_ONLY_LOCAL: Param = Param { form: Form::Keyword, ..WARN_ONLY };
const TIMEOUT: Param = keyword(
    "timeout",
    Kind::Seconds,
    Absent,
    "seconds after which the command is killed; the job's own `timeout` holds besides",
);
const SHELL_ESCAPE: Param = keyword(
    "shell_escape",
    Kind::Flag,
    Flag(true),
    "escapes `\"`, `$` and backticks for the wrapping; false lets the outer shell read them in the command",
);
const CD: Param = keyword(
    "cd",
    Kind::Texts,
    Absent,
    "directories to change to first, each relative to the one before unless it begins with `/` or `~`",
);
const PREFIX: Param =
    keyword("prefix", Kind::Texts, Absent, "commands that must succeed before the command runs");
const SHELL_ENV: Param =
    keyword("shell_env", Kind::Env, Absent, "variables to export before the command");
const PATH: Param = keyword("path", Kind::Text, Absent, "directories for PATH, joined by colons");
const PATH_BEHAVIOR: Param = keyword(
    "path_behavior",
    Kind::Choice(&["append", "prepend", "replace"]),
    Text("append"),
    "what becomes of the PATH there is: `append` to it, `prepend` to it or `replace` it",
);
const OK_RET_CODES: Param = keyword(
    "ok_ret_codes",
    Kind::Codes,
    Absent,
    "the exit codes that count as success, in place of 0",
);

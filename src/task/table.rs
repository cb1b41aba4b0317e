//! The table of native tasks.

use super::Default::{Absent, Flag, Required, Seconds, Text};
use super::{Call, Default, Form, Kind, Param, Problem, Task};

pub static TASKS: &[Task] = &[
    Task {
        path: "loom.run",
        aliases: &[],
        params: &[
            positional(
                "command",
                Kind::Text,
                Required,
                "the command line, for the user's login shell",
            ),
            ENV,
            CHDIR,
            BECOME,
            BECOME_USER,
            STDIN,
        ],
        doc: "Runs a command line on the node, as `ssh node 'command'` would.",
        example: "task: loom.run\nargs: [\"df -h /\"]\nkwargs: {env: {LC_ALL: C}}",
        rule: become_user_needs_become,
    },
    Task {
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
        example: "task: loom.script\nargs: [/srv/scripts/rotate.sh, [--keep, 7]]",
        rule: become_user_needs_become,
    },
    Task {
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
        example: "task: fabric.api.run\nargs: [\"touch /tmp/loom_was_here\"]\nkwargs: {cd: /srv/app, warn_only: true}",
        rule: no_rule,
    },
    Task {
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
        example: "task: fabric.api.sudo\nargs: [\"vacuumdb --all\"]\nkwargs: {user: postgres}",
        rule: no_rule,
    },
    Task {
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
            positional("shell", Kind::Text, Absent, "the shell's path; /bin/sh if not given"),
            keyword(
                "lcd",
                Kind::Texts,
                Absent,
                "directories to change to first, each relative to the one before",
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
        example: "task: fabric.api.local\nargs: [\"./build.sh\"]\nkwargs: {lcd: /srv/app}",
        rule: no_rule,
    },
    Task {
        path: "fabric.api.put",
        aliases: &["fabric.operations.put"],
        params: &[
            positional(
                "local_path",
                Kind::Text,
                Required,
                "a file, a directory or a pattern on the scheduler's machine",
            ),
            positional(
                "remote_path",
                Kind::Text,
                Absent,
                "a file or an existing directory on the node; the home directory if not given",
            ),
            USE_SUDO,
            positional(
                "mirror_local_mode",
                Kind::Flag,
                Flag(false),
                "gives each file the permission bits it has here; outranks mode",
            ),
            positional("mode", Kind::Mode, Absent, "permission bits for each file"),
            positional(
                "use_glob",
                Kind::Flag,
                Flag(true),
                "false takes `*`, `?` and `[` in local_path literally",
            ),
            positional(
                "temp_dir",
                Kind::Text,
                Absent,
                "where use_sudo puts a file first; the home directory if not given",
            ),
        ],
        doc: "Copies files and directories to the node.",
        example: "task: fabric.api.put\nargs: [/srv/config/app.conf, /etc/app/]\nkwargs: {use_sudo: true, mode: 0644}",
        rule: no_rule,
    },
    Task {
        path: "fabric.api.get",
        aliases: &["fabric.operations.get"],
        params: &[
            positional(
                "remote_path",
                Kind::Text,
                Required,
                "a file, a directory or, in its last part, a pattern on the node",
            ),
            positional(
                "local_path",
                Kind::Text,
                Text("%(host)s/%(path)s"),
                "where to, on the scheduler's machine",
            ),
            USE_SUDO,
            positional(
                "temp_dir",
                Kind::Text,
                Absent,
                "accepted as in Fabric; nothing is put aside on the node",
            ),
        ],
        doc: "Copies files and directories from the node.",
        example: "task: fabric.api.get\nargs: [/var/log/app, \"/srv/collected/%(host)s/%(path)s\"]",
        rule: no_rule,
    },
    Task {
        path: "fabric.api.reboot",
        aliases: &["fabric.operations.reboot"],
        params: &[
            positional(
                "wait",
                Kind::Seconds,
                Seconds(120),
                "seconds within which the node must take a session again",
            ),
            positional("command", Kind::Text, Text("reboot"), "the command that reboots"),
            positional("use_sudo", Kind::Flag, Flag(true), "runs it through sudo"),
        ],
        doc: "Reboots the node and waits until it is back.",
        example: "task: fabric.api.reboot\nkwargs: {wait: 300}",
        rule: no_rule,
    },
    Task {
        path: "loom.system.gethostip",
        aliases: &[],
        params: &[positional("hostname", Kind::Text, Required, "the name to look up")],
        doc: "Prints the address the node resolves a host name to.",
        example: "task: loom.system.gethostip\nargs: [db1.example.org]",
        rule: no_rule,
    },
    Task {
        path: "loom.system.run_daemon_cmd",
        aliases: &[],
        params: &[
            positional("name", Kind::Text, Required, "the script's name in /etc/init.d"),
            positional("command", Kind::Text, Required, "its argument, such as restart"),
            BECOME,
        ],
        doc: "Runs an init script of the node.",
        example: "task: loom.system.run_daemon_cmd\nargs: [nginx, reload]\nkwargs: {become: true}",
        rule: no_rule,
    },
    Task {
        path: "loom.system.mount",
        aliases: &[],
        params: &[MOUNTPOINT, BECOME],
        doc: "Mounts what the node's fstab has for a mountpoint.",
        example: "task: loom.system.mount\nargs: [/mnt/storage]",
        rule: no_rule,
    },
    Task {
        path: "loom.system.unmount",
        aliases: &[],
        params: &[MOUNTPOINT, BECOME],
        doc: "Unmounts a mountpoint of the node.",
        example: "task: loom.system.unmount\nargs: [/mnt/storage]",
        rule: no_rule,
    },
    Task {
        path: "loom.system.add_sshfs_mount",
        aliases: &[],
        params: &[
            Param {
                name: "mounts",
                kind: Kind::Mount,
                default: Required,
                doc: "the file systems to mount, one mapping each",
                form: Form::Rest,
            },
            BECOME,
        ],
        doc: "Enters sshfs mounts into the node's fstab, once, and mounts them.",
        example: "task: loom.system.add_sshfs_mount\nargs:\n  - {host: root@staging, remotepath: /mnt/storage, mountpoint: /mnt/storage, excludes: [staging]}",
        rule: no_rule,
    },
];

const fn positional(name: &'static str, kind: Kind, default: Default, doc: &'static str) -> Param {
    Param { name, kind, default, doc, form: Form::Positional }
}

const fn keyword(name: &'static str, kind: Kind, default: Default, doc: &'static str) -> Param {
    Param { name, kind, default, doc, form: Form::Keyword }
}

const ENV: Param = keyword("env", Kind::Env, Absent, "variables for the command");
const CHDIR: Param = keyword("chdir", Kind::Text, Absent, "the directory to run it in");
const BECOME: Param = keyword("become", Kind::Flag, Flag(false), "runs it through sudo");
const BECOME_USER: Param =
    keyword("become_user", Kind::Text, Absent, "whom to become; root if not given");
const STDIN: Param =
    keyword("stdin", Kind::Text, Absent, "what the command reads; nothing if not given");

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
    "runs it on a terminal, with stderr merged into stdout (Fabric's own default is true)",
);
const COMBINE: Param = positional(
    "combine_stderr",
    Kind::Flag,
    Absent,
    "records stderr as stdout; if not given, only on a terminal",
);
const QUIET: Param = positional("quiet", Kind::Flag, Flag(false), "the same as warn_only");
const WARN_ONLY: Param =
    positional("warn_only", Kind::Flag, Flag(false), "any exit code counts as success");
const QUIET_LOCAL: Param = Param { form: Form::Keyword, ..QUIET };
const WARN_ONLY_LOCAL: Param = Param { form: Form::Keyword, ..WARN_ONLY };
const TIMEOUT: Param = keyword(
    "timeout",
    Kind::Seconds,
    Absent,
    "seconds after which the command is killed; the job's own timeout holds besides",
);
const SHELL_ESCAPE: Param = keyword(
    "shell_escape",
    Kind::Flag,
    Flag(true),
    "escapes `\"`, `$` and backticks for the wrapping; false lets the outer shell read them",
);
const CD: Param = keyword(
    "cd",
    Kind::Texts,
    Absent,
    "directories to change to first, each relative to the one before",
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
    "what becomes of the PATH there is",
);
const OK_RET_CODES: Param = keyword(
    "ok_ret_codes",
    Kind::Codes,
    Absent,
    "the exit codes that count as success, in place of 0",
);
const USE_SUDO: Param = positional(
    "use_sudo",
    Kind::Flag,
    Flag(false),
    "reads or writes the node's files through sudo",
);
const MOUNTPOINT: Param =
    positional("mountpoint", Kind::Text, Required, "the directory, as in fstab");

fn no_rule(_: &Call) -> Result<(), Problem> {
    Ok(())
}

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

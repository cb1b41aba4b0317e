//! What the original Loom brought along: `loom.system.*`.

use super::{BECOME, no_rule, positional};
use crate::task::Default::Required;
use crate::task::{Form, Kind, Param, Task};

pub(super) const GETHOSTIP: Task = Task {
    path: "loom.system.gethostip",
    aliases: &[],
    params: &[positional("hostname", Kind::Text, Required, "the name to look up")],
    doc: "Prints the address the node resolves a host name to.",
    long: "\
Prints the address the node resolves a host name to: the first one, by the node's own resolver.",
    example: "task: loom.system.gethostip\nargs: [db1.example.org]",
    rule: no_rule,
};

pub(super) const RUN_DAEMON_CMD: Task = Task {
    path: "loom.system.run_daemon_cmd",
    aliases: &[],
    params: &[
        positional("name", Kind::Text, Required, "the script's name in /etc/init.d"),
        positional("command", Kind::Text, Required, "its argument, such as `restart`"),
        BECOME,
    ],
    doc: "Runs an init script of the node.",
    long: "\
Runs an init script of the node: `/etc/init.d/NAME COMMAND`.",
    example: "task: loom.system.run_daemon_cmd\nargs: [nginx, reload]\nkwargs: {become: true}",
    rule: no_rule,
};

pub(super) const MOUNT: Task = Task {
    path: "loom.system.mount",
    aliases: &[],
    params: &[MOUNTPOINT, BECOME],
    doc: "Mounts what the node's fstab has for a mountpoint.",
    long: "\
Mounts what the node's fstab has for a mountpoint. A mountpoint that is mounted already fails the
unit, as `mount` itself does.",
    example: "task: loom.system.mount\nargs: [/mnt/storage]",
    rule: no_rule,
};

pub(super) const UNMOUNT: Task = Task {
    path: "loom.system.unmount",
    aliases: &[],
    params: &[MOUNTPOINT, BECOME],
    doc: "Unmounts a mountpoint of the node.",
    long: "\
Unmounts a mountpoint of the node.",
    example: "task: loom.system.unmount\nargs: [/mnt/storage]",
    rule: no_rule,
};

pub(super) const ADD_SSHFS_MOUNT: Task = Task {
    path: "loom.system.add_sshfs_mount",
    aliases: &[],
    params: &[
        Param {
            name: "mounts",
            kind: Kind::Mount,
            default: Required,
            doc: "the file systems to mount, one mapping each; `host` is `user@host` or a host, `mountpoint` is absolute, and `excludes`, if wanted, lists nodes that are left alone, each by its name, or by the address or host it has as `ip`",
            form: Form::Rest,
        },
        BECOME,
    ],
    doc: "Enters sshfs mounts into the node's fstab, once, and mounts them.",
    long: "\
Enters sshfs mounts into the node's fstab, once, and mounts them. A mount whose mountpoint fstab
already has is not entered again, whatever it mounts there. The table is written beside the old one
and moved over it. Then the mountpoint is made if it is missing, unmounted and mounted anew; none of
the three fails the unit, but what they say is in its output.",
    example: "task: loom.system.add_sshfs_mount\nargs:\n  - {host: root@staging, remotepath: /mnt/storage, mountpoint: /mnt/storage, excludes: [staging]}",
    rule: no_rule,
};

const MOUNTPOINT: Param =
    positional("mountpoint", Kind::Text, Required, "the directory, as in fstab");

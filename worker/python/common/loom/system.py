"""`loom.system` for tasks that import it: what Loom's own tasks of these names do, made of Fabric's
functions, so that it works under either bridge.

Each takes `become=True`, which does it through sudo.
"""

import os

from fabric.api import env, hide, run, sudo
from loom_bridge.words import shown

_FSTAB = "/etc/fstab"


def gethostip(hostname, become=False):
    """Prints and returns the address that the node resolves a host name to."""
    return _script("gethostip", [hostname], become)


def run_daemon_cmd(name, command, become=False):
    """Runs an init script of the node."""
    return _line("/etc/init.d/%s %s" % (shown(name), shown(command)), become)


def mount(mountpoint, become=False):
    """Mounts what the node's fstab has for this directory."""
    return _line("mount %s" % shown(mountpoint), become)


def unmount(mountpoint, become=False):
    """Unmounts the directory."""
    return _line("umount %s" % shown(mountpoint), become)


def add_sshfs_mount(*mounts, **options):
    """Enters sshfs mounts into the node's fstab, each once, and mounts them. Each is a mapping of
    `host`, `remotepath`, `mountpoint` and, if wanted, `excludes`: nodes that are left alone, by
    name, address or host."""
    become = options.pop("become", False)
    if options:
        raise TypeError("add_sshfs_mount() takes no %s" % ", ".join(sorted(options)))
    words = [_FSTAB]
    for one in [_checked(one) for one in mounts]:
        if not _excluded(one):
            device = "%s:%s" % (one["host"], one["remotepath"])
            words += [_field(device), _field(one["mountpoint"]), one["mountpoint"]]
    if len(words) == 1:
        print("every mount excludes this node")
        return
    _script("add_sshfs_mount", words, become)


def _checked(one):
    if not isinstance(one, dict):
        raise ValueError("a mount is a mapping of host, remotepath and mountpoint, not %r" % (one,))
    known = ("host", "remotepath", "mountpoint")
    for name in known:
        text = one.get(name)
        if not text or any(char < " " or char == "\x7f" for char in str(text)):
            raise ValueError("the %s of the mount %r is not one line of text" % (name, one))
    for name in one:
        if name not in known + ("excludes",):
            raise ValueError("a mount has no %r: %r" % (name, one))
    if not one["mountpoint"].startswith("/"):
        raise ValueError("the mountpoint %r is not absolute" % one["mountpoint"])
    return one


def _excluded(one):
    import loom_bridge
    unit = loom_bridge.unit
    excludes = one.get("excludes") or []
    if not isinstance(excludes, (list, tuple)):
        excludes = [excludes]
    return any(name in (unit["node"], unit["host"], env.host_string) for name in excludes)


def _field(text):
    """As fstab(5) writes blanks, and the backslash that this takes."""
    return text.replace("\\", r"\134").replace(" ", r"\040")


def _line(command, become):
    return (sudo if become else run)(command, shell=False, pty=False)


def _script(name, arguments, become):
    """Runs the script beside this file by the node's /bin/sh."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".sh")
    with open(path) as file:
        text = file.read()
    line = " ".join(shown(word) for word in [text, "sh"] + arguments)
    with hide("running"):
        return _line("/bin/sh -c %s" % line, become)

"""Whole directories to the node."""

import os

from fabric import _node
from fabric.context_managers import cd
from fabric.operations import local, put, run, sudo
from fabric.state import env, output
from fabric.utils import abort
from loom_bridge.words import shown


def rsync_project(
    remote_dir,
    local_dir=None,
    exclude=(),
    delete=False,
    extra_opts="",
    ssh_opts="",
    capture=False,
    upload=True,
    default_opts="-pthrvz",
):
    """Has rsync bring the node's `remote_dir` in line with `local_dir` (without one: the current
    directory), or the other way round without `upload`."""
    _node.check()
    exclude = [exclude] if hasattr(exclude, "strip") else exclude
    options = "".join(' --exclude "%s"' % name.replace('"', '\\"') for name in exclude)
    options = "%s%s" % ("--delete" if delete else "", options or " ")
    if local_dir is None:
        local_dir = os.path.join("..", os.path.basename(os.getcwd()))
    rsh = "--rsh='%s'" % " ".join(part for part in (_ssh(), ssh_opts) if part)
    there = "%s:%s" % (_there(), remote_dir)
    ends = (local_dir, there) if upload else (there, local_dir)
    line = "rsync %s %s %s %s %s %s" % ((options, default_opts, extra_opts, rsh) + ends)
    if output.running:
        print("[%s] rsync_project: %s" % (env.host_string, line))
    return local(line, capture=capture)


def upload_project(local_dir=None, remote_dir="", use_sudo=False):
    """Packs `local_dir` (without one: the current directory) with tar and unpacks it in the
    node's `remote_dir`."""
    import tempfile
    local_dir = (local_dir or os.getcwd()).rstrip(os.sep)
    parent, name = os.path.split(local_dir)
    archive = "%s.tar.gz" % name
    directory = tempfile.mkdtemp()
    packed = os.path.join(directory, archive)
    do = sudo if use_sudo else run
    try:
        local("tar -czf %s -C %s %s" % (shown(packed), shown(parent or "."), shown(name)))
        put(packed, os.path.join(remote_dir, archive), use_sudo=use_sudo)
        with cd(remote_dir):
            try:
                do("tar -xzf %s" % shown(archive))
            finally:
                do("rm -f %s" % shown(archive))
    finally:
        local("rm -rf %s" % shown(directory))


def _there():
    import loom_bridge
    unit = loom_bridge.unit
    host = "[%s]" % unit["host"] if ":" in unit["host"] else unit["host"]
    return "%s@%s" % (unit["user"], host)


def _ssh():
    """An ssh that goes over the unit's own connection, and can make none itself."""
    import loom_bridge
    # % begins a token in it.
    control = loom_bridge.unit["control"].replace("%", "%%")
    if "'" in control or '"' in control:
        abort("rsync cannot be given the path of the connection's socket, %s: name another "
              "directory in RUNTIME_DIRECTORY or XDG_RUNTIME_DIR" % control)
    control = '"%s"' % control if " " in control else control
    return "ssh -F none -S %s -o ControlMaster=no -o ProxyCommand=false -o BatchMode=yes" % control

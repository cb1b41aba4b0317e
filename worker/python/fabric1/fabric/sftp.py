"""Fabric's object for files on the node, as far as fabfiles use it: questions, and no transfers
but `put` and `get`."""

import os

from fabric import _node
from fabric.context_managers import hide, settings
from fabric.operations import get, put, run, sudo
from loom_bridge.words import quoted


class SFTP(object):
    """Of the unit's node, whichever host string it is given."""

    def __init__(self, host_string):
        _node.check()

    def __getattr__(self, name):
        # hasattr() asks as well.
        text = str(_node.NotPossible("SFTP.%s" % name, "use run(), put() or get()"))
        raise AttributeError(text)

    def exists(self, path):
        return _quiet("test -e %s" % quoted(path)).succeeded

    def isdir(self, path):
        return _quiet("test -d %s" % quoted(path)).succeeded

    def islink(self, path):
        return _quiet("test -L %s" % quoted(path)).succeeded

    def glob(self, path):
        """The paths that match the pattern in its last part."""
        import fnmatch
        directory, pattern = os.path.split(path)
        listed = _quiet("ls -a %s" % quoted(directory or "."))
        if listed.failed:
            return []
        names = [name for name in listed.splitlines() if name not in (".", "..")]
        return [os.path.join(directory, name) for name in fnmatch.filter(names, pattern)]

    def mkdir(self, path, use_sudo):
        (sudo if use_sudo else run)("mkdir %s" % quoted(path))

    def get(self, remote_path, local_path, use_sudo=False, *ignored, **likewise):
        return get(remote_path, local_path, use_sudo=use_sudo)

    def put(self, local_path, remote_path, use_sudo=False, mirror_local_mode=False, mode=None,
            *ignored, **likewise):
        return put(local_path, remote_path, use_sudo=use_sudo,
                   mirror_local_mode=mirror_local_mode, mode=mode)


def _quiet(command):
    with settings(hide("everything"), warn_only=True):
        return run(command, pty=False)

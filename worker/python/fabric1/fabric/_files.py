"""What put() and get() have in common: paths, file objects, and looking at the node."""

import os
import sys

from fabric import _node
from fabric.state import env, output
from fabric.utils import apply_lcwd, error, native


def script(name):
    """One that looks at $path on the node, behind what makes it of $1. The native tasks have the
    same."""
    parts = []
    for part in ("resolve", name):
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), part + ".sh")) as file:
            parts.append(file.read())
    return "".join(parts)


def remote(path):
    """Below the directory that cd() has changed to."""
    if path and env.cwd and not path.startswith(("/", "~")):
        # There a blank is escaped, for the shell.
        return env.cwd.replace("\\ ", " ").rstrip("/") + "/" + path
    return path or ""


def here(path):
    """A local path, absolute."""
    return os.path.abspath(apply_lcwd(os.path.expanduser(path), env))


def rights(use_sudo):
    from fabric import _run
    return _run.rights(env.sudo_user, None) if use_sudo else None


def is_file(thing, method):
    return callable(getattr(thing, method, None))


def named(thing):
    """As a file object is shown."""
    name = getattr(thing, "name", None)
    return name if isinstance(name, str) else "<file obj>"


def tell(verb, left, arrow, right):
    if output.running:
        sys.stdout.write(native("[%s] %s: %s %s %s\n"
                                % (env.host_string, verb, left, arrow, right)))
        sys.stdout.flush()


def failed(doing, what, problem):
    """Says that one file was not copied; aborts unless it is to be a warning."""
    error(message="%s '%s'" % (doing, what), exception=problem)


def ask(request, use_sudo):
    """Has the worker copy; the paths of the files. Raises IOError."""
    from loom_bridge.channel import Refused
    request["sudo"] = rights(use_sudo)
    try:
        return _node.ask(request)["paths"]
    except Refused as refused:
        raise IOError(plain(str(refused)))


def plain(sentence):
    """The two troubles that everybody knows, in the words of SFTP."""
    if sentence.endswith("No such file or directory"):
        return "No such file"
    if sentence.endswith("Permission denied"):
        return "Permission denied"
    return sentence


class Private(object):
    """A directory of our own for the time of a copy, and a path in it."""

    def __enter__(self):
        parent = os.environ.get("TMPDIR") or "/tmp"
        # Not tempfile, which imports a lot.
        name = "".join("%02x" % byte for byte in bytearray(os.urandom(8)))
        self._directory = os.path.join(parent, ".loom-" + name)
        os.mkdir(self._directory, 0o700)
        return os.path.join(self._directory, "file")

    def __exit__(self, *how):
        for name in os.listdir(self._directory):
            os.remove(os.path.join(self._directory, name))
        os.rmdir(self._directory)

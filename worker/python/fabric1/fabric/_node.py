"""The unit's node: whether `env` still speaks of it, and what is asked of the worker there.

Every request goes through [`ask`], and so nothing is ever done on another node by mistake.
"""

import loom_bridge
from loom_bridge.words import quoted


class OtherNode(Exception):
    """`env` speaks of a node that is not the unit's."""


class NotPossible(Exception):
    """Something that only a Fabric with a connection of its own could do."""

    def __init__(self, what, instead):
        Exception.__init__(
            self, "%s cannot be had under `bridge: loom`: %s, or set `bridge: fab-classic` for "
            "this job" % (what, instead))


def means_this(host_string, user=None, port=None):
    """Whether a host string, which may leave out user and port, means the unit's node."""
    return _difference(host_string, user, port) is None


def _difference(host_string, user, port):
    """What speaks of another node."""
    from fabric.network import parse_host_string
    unit = loom_bridge.unit
    said = parse_host_string(host_string) if host_string else {"user": None, "host": None,
                                                               "port": None}
    user, port = said["user"] or user, said["port"] or port
    if said["host"] not in (None, unit["node"], unit["host"]):
        return "host %s" % said["host"]
    if user and user != unit["user"]:
        return "user %s" % user
    if port and str(port) != str(unit["port"] or 22):
        return "port %s" % port
    return None


def check():
    """Raises OtherNode where `env` speaks of another node, user or port."""
    from fabric.state import env
    other = _difference(env.get("host_string"), env.get("user"), env.get("port"))
    if other is not None:
        raise OtherNode(refusal("env asks for %s" % other))


def refusal(what):
    """A sentence that says what was asked of another node, and what to do."""
    unit = loom_bridge.unit
    where = "%s (%s@%s%s)" % (unit["node"], unit["user"], unit["host"],
                              ":%s" % unit["port"] if unit["port"] else "")
    return ("this unit works on %s, and %s; make that a node of its own and a target of the job"
            % (where, what))


def ask(request, heard=None):
    """The worker's reply. Raises OtherNode, NetworkError where the node is lost, and Refused."""
    from loom_bridge.channel import Refused
    check()
    try:
        return loom_bridge.unit["channel"].ask(request, heard)
    except Refused as error:
        if error.kind == "node":
            from fabric.exceptions import NetworkError
            raise NetworkError(str(error), error)
        raise


def script(text, arguments, sudo=None):
    """Runs a short POSIX sh script on the node, unseen; its exit status, stdout and stderr as
    bytes."""
    said = {"stdout": [], "stderr": []}

    def heard(stream, data):
        said[stream].append(data)

    words = ["/bin/sh", "-c", text, "loom"] + list(arguments)
    request = {"op": "run", "line": " ".join(quoted(word) for word in words), "shell": True}
    if sudo is not None:
        request["sudo"] = sudo
    reply = ask(request, heard)
    return reply.get("exit", -1), b"".join(said["stdout"]), b"".join(said["stderr"])


def named_after(func, wrapper):
    """functools.wraps, which costs an import."""
    for name in ("__module__", "__name__", "__doc__"):
        if hasattr(func, name):
            setattr(wrapper, name, getattr(func, name))
    wrapper.__dict__.update(getattr(func, "__dict__", {}))
    wrapper.__wrapped__ = func
    return wrapper

"""Names of hosts as Fabric writes them. Of connections it knows nothing: the worker has one, to the
unit's node."""


def _env():
    from fabric import state
    return state.env


def parse_host_string(host_string):
    """`user@host:port` taken apart; None for what is not said."""
    user, at, rest = host_string.rpartition("@")
    host, port = rest, None
    if rest.startswith("["):
        host, _, behind = rest[1:].partition("]")
        if behind.startswith(":"):
            port = behind[1:]
    elif rest.count(":") == 1:
        host, port = rest.split(":")
    return {"user": user if at else None, "host": host, "port": port or None}


def normalize(host_string, omit_port=False):
    """User, host and port, from `env` where they are not said."""
    if not host_string:
        return ("", "") if omit_port else ("", "", "")
    env = _env()
    parts = parse_host_string(host_string)
    user = parts["user"] or env.get("user")
    if omit_port:
        return user, parts["host"]
    return user, parts["host"], parts["port"] or env.get("port") or env.get("default_port")


def to_dict(host_string):
    user, host, port = normalize(host_string)
    return {"user": user, "host": host, "port": port, "host_string": host_string}


def from_dict(arg):
    return join_host_strings(arg["user"], arg["host"], arg["port"])


def denormalize(host_string):
    """Without what goes without saying."""
    env = _env()
    parts = parse_host_string(host_string)
    user = "" if parts["user"] in (None, env.get("local_user")) else parts["user"] + "@"
    port = "" if parts["port"] in (None, env.get("default_port")) else ":" + parts["port"]
    host = parts["host"]
    if port and ":" in host:
        host = "[%s]" % host
    return user + host + port


def join_host_strings(user, host, port=None):
    if port is None:
        return "%s@%s" % (user, host)
    return "%s@%s:%s" % (user, "[%s]" % host if ":" in host else host, port)


def normalize_to_string(host_string):
    return join_host_strings(*normalize(host_string))


def is_here(host_string):
    """Whether it means the unit's node, in whatever form."""
    from fabric import _node
    return _node.means_this(host_string)


def elsewhere(what):
    """What to raise where something is asked of another node."""
    from fabric import _node
    return _node.OtherNode(_node.refusal(what))


def needs_host(func):
    """Makes sure of the node before each call: the unit has one, and no other is reached."""
    from fabric import _node

    def needing(*args, **kwargs):
        _node.check()
        return func(*args, **kwargs)
    return _node.named_after(func, needing)


def disconnect_all():
    """The connection is the worker's, and the next unit uses it too."""


def ssh_config(host_string=None):
    """The worker's ssh reads it by itself."""
    return {}


def key_filenames():
    """Those that the task has set, for what it starts itself, like rsync."""
    keys = _env().get("key_filename")
    if not keys:
        return []
    import os
    keys = keys if isinstance(keys, (list, tuple)) else [keys]
    return [os.path.expanduser(key) for key in keys]


def key_from_env(passphrase=None):
    return None


def get_gateway(host, port, cache, replace=False):
    return None


def prompt_for_password(prompt=None, no_colon=False, stream=None):
    """Answered by the job's `answers`."""
    from fabric import _answers, utils
    utils.handle_prompt_abort("a connection or sudo password")
    text = prompt if prompt is not None else "Login password for '%s'" % _env().get("user")
    return _answers.given(text)


def connect(user, host, port, cache, seek_gateway=True):
    from fabric import _node
    raise _node.NotPossible("a connection of one's own", "use run(), sudo(), put() or get()")


class HostConnectionCache(dict):
    """Where Fabric keeps connections. It stays empty."""

    def connect(self, key):
        connect(None, key, None, self)

    def __getitem__(self, key):
        connect(None, key, None, self)

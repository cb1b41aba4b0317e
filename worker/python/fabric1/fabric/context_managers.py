"""What a fabfile changes for a while: directories, prefixes, variables, what is shown, anything in
`env`.

They are classes, since contextlib costs an import at every start.
"""

from fabric import _node
from fabric.state import env, output
from fabric.utils import isatty  # noqa: F401


class _Change(object):
    """Entries of a dict, changed while it is entered. Afterwards all is as it was before."""

    def __init__(self, where, values, clean_revert=False):
        self._where, self._values, self._clean = where, values, clean_revert
        self._before = []

    def _wanted(self):
        """Worked out when it is entered: it may build upon what is there then."""
        return self._values() if callable(self._values) else self._values

    def __enter__(self):
        wanted = self._wanted()
        self._before.append((wanted, {k: self._where[k] for k in wanted if k in self._where}))
        self._where.update(wanted)

    def __exit__(self, kind, error, frames):
        wanted, before = self._before.pop()
        for name in wanted:
            if self._clean and (name not in self._where or self._where[name] != wanted[name]):
                # The block has assigned to it and wants to keep that.
                continue
            if name in before:
                self._where[name] = before[name]
            else:
                self._where.pop(name, None)

    def __call__(self, func):
        """As a decorator."""
        def within(*args, **kwargs):
            with self:
                return func(*args, **kwargs)
        return _node.named_after(func, within)


class nested(object):
    """Several, one within the other."""

    def __init__(self, *managers):
        self._managers = managers
        self._entered = []

    def __enter__(self):
        values = []
        for manager in self._managers:
            try:
                values.append(manager.__enter__())
            except BaseException:
                import sys
                if not self.__exit__(*sys.exc_info()):
                    raise
            self._entered.append(manager)
        return tuple(values)

    def __exit__(self, kind, error, frames):
        swallowed = False
        while self._entered:
            manager = self._entered.pop()
            try:
                if manager.__exit__(kind, error, frames):
                    swallowed, kind, error, frames = True, None, None, None
            except BaseException:
                # The others are left all the same, and this is what comes of it.
                import sys
                kind, error, frames = sys.exc_info()
                self.__exit__(kind, error, frames)
                raise
        return swallowed


def _setenv(variables):
    clean_revert = False
    if not callable(variables):
        variables = dict(variables)
        clean_revert = variables.pop("clean_revert", False)
    return _Change(env, variables, clean_revert)


def _set_output(groups, which):
    names = output.expand_aliases(groups)
    for name in names:
        # A name that nobody knows hides nothing.
        output[name]
    return _Change(output, dict.fromkeys(names, which))


def show(*groups):
    return _Groups(groups, True)


def hide(*groups):
    return _Groups(groups, False)


class _Groups(_Change):
    """The names are looked at when it is entered."""

    def __init__(self, groups, which):
        _Change.__init__(self, output, lambda: _set_output(groups, which)._values)


def settings(*args, **kwargs):
    """Enters the managers, and lets `env` have these values."""
    managers = list(args)
    if kwargs:
        managers.append(_setenv(kwargs))
    return nested(*managers)


def _change_cwd(which, path):
    path = path.replace(" ", "\\ ")

    def wanted():
        there = env.get(which)
        if there and not path.startswith(("/", "~")):
            return {which: there + "/" + path}
        return {which: path}
    return _setenv(wanted)


def cd(path):
    return _change_cwd("cwd", path)


def lcd(path):
    return _change_cwd("lcwd", path)


def path(path, behavior="append"):
    return _setenv({"path": path, "path_behavior": behavior})


def prefix(command):
    return _setenv(lambda: {"command_prefixes": env.command_prefixes + [command]})


def shell_env(**kw):
    return _setenv({"shell_env": kw})


def quiet():
    return settings(hide("everything"), warn_only=True)


def warn_only():
    return settings(warn_only=True)


class char_buffered(object):
    """Does nothing: there is no keyboard."""

    def __init__(self, pipe):
        pass

    def __enter__(self):
        return None

    def __exit__(self, *how):
        return None


def remote_tunnel(remote_port, local_port=None, local_host="localhost",
                  remote_bind_address="127.0.0.1"):
    """The node could reach into the scheduler's machine through it, and Loom's ssh allows none."""
    from fabric.utils import abort
    abort(str(_node.NotPossible("remote_tunnel()", "let the node connect by itself")))


def documented_contextmanager(func):
    from contextlib import contextmanager
    return contextmanager(func)

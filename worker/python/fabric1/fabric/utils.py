"""What is said, and how: aborts, warnings and plain text. The kinds of dict behind `env` and
`output`."""

import os
import sys


class _AttributeDict(dict):
    """A dict whose entries are attributes too."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name)

    def __setattr__(self, name, value):
        self[name] = value

    def first(self, *names):
        """The first of these that is there and not empty."""
        for name in names:
            value = self.get(name)
            if value:
                return value


class _AliasDict(_AttributeDict):
    """In which a name may stand for several others, which may do so too."""

    def __init__(self, arg=None, aliases=None):
        dict.__init__(self, arg or {})
        dict.__setattr__(self, "aliases", aliases)

    def __setitem__(self, key, value):
        for name in self.expand_aliases([key]):
            dict.__setitem__(self, name, value)

    def expand_aliases(self, keys):
        names = []
        for key in keys:
            if self.aliases and key in self.aliases:
                names.extend(self.expand_aliases(self.aliases[key]))
            else:
                names.append(key)
        return names


def _state():
    from fabric import state
    return state


def abort(msg):
    """Says why and ends the task: SystemExit(1), unless `env.abort_exception` is another."""
    state = _state()
    if state.output.aborts:
        from fabric.colors import red
        color = red if state.env.colorize_errors else str
        sys.stdout.flush()
        sys.stderr.write(color("\nFatal error: %s\n" % native(msg)))
        sys.stderr.write(color("\nAborting.\n"))
    if state.env.abort_exception:
        raise state.env.abort_exception(msg)
    # Whoever asks for the message finds it on every Python.
    end = SystemExit(1)
    end.message = msg
    raise end


def warn(msg):
    """Says it, and goes on."""
    state = _state()
    if state.output.warnings:
        from fabric.colors import magenta
        color = magenta if state.env.colorize_errors else str
        sys.stdout.flush()
        sys.stderr.write(color("\nWarning: %s\n\n" % native(msg)))


def native(text):
    """As Python 2's streams take it: bytes."""
    if str is bytes and isinstance(text, type(u"")):
        return text.encode("utf-8")
    return text


def error(message, func=None, exception=None, stdout=None, stderr=None):
    """Aborts, or warns where `env.warn_only` says so; `func` may do something else with the
    text."""
    state = _state()
    if func is None:
        func = warn if state.env.warn_only else abort
    if state.output.exceptions or state.output.debug:
        if sys.exc_info()[0] is not None:
            import traceback
            message += "\n\n" + traceback.format_exc()
    elif exception is not None:
        why = getattr(exception, "strerror", None) or exception
        message += "\n\nUnderlying exception:\n" + indent(str(why))
    if func is abort:
        # What is not shown while it happens is worth knowing now.
        if stdout and not state.output.stdout:
            message += _format_error_output("Standard output", stdout)
        if stderr and not state.output.stderr:
            message += _format_error_output("Standard error", stderr)
    return func(message)


def _format_error_output(header, body):
    width = 80
    sides = width - len(header) - 2
    top = "%s %s %s" % ("=" * (sides // 2), header, "=" * (sides // 2))
    return "\n\n%s\n\n%s\n\n%s" % (top, body, "=" * width)


def puts(text, show_prefix=None, end="\n", flush=False):
    """Prints text behind the node's name."""
    state = _state()
    if not state.output.user:
        return
    if show_prefix is None:
        show_prefix = state.env.output_prefix
    prefix = ""
    if show_prefix and state.env.host_string:
        prefix = "[%s] " % state.env.host_string
    sys.stdout.write(native(prefix) + str(native(text)) + native(end))
    if flush:
        sys.stdout.flush()


def fastprint(text, show_prefix=False, end="", flush=True):
    """Prints text as it is, at once."""
    return puts(text=text, show_prefix=show_prefix, end=end, flush=flush)


def indent(text, spaces=4, strip=False):
    """Text, or a list of lines, moved to the right; `strip` takes its own indentation away."""
    if not hasattr(text, "splitlines"):
        text = "\n".join(text)
    if strip:
        import textwrap
        text = textwrap.dedent(text)
    return "\n".join(" " * spaces + line for line in text.splitlines())


def handle_prompt_abort(prompt_for):
    """Aborts where `env.abort_on_prompts` forbids to ask."""
    env = _state().env
    if env.abort_on_prompts:
        host = " (host: %s)" % env.host_string if env.host_string else ""
        abort("Needed to prompt for %s%s, but abort-on-prompts was set to True"
              % (prompt_for, host))


def apply_lcwd(path, env):
    """A local path below the directory that lcd() has changed to."""
    if not os.path.isabs(path) and env.lcwd:
        # There a blank is escaped, for the shell.
        path = os.path.join(env.lcwd.replace("\\ ", " "), path)
    return path


def isatty(stream):
    """Whether somebody looks at it."""
    check = getattr(stream, "isatty", None)
    return bool(check and check())


def _pty_size():
    return 24, 80

"""What a task does: Fabric 1's functions, on the node by way of the worker.

The rooms behind it: `_command` (the lines), `_run` (running them), `_local`, `_put`, `_get`,
`_result`, `_answers` (what a person would be asked).
"""

from fabric import _answers, _node
from fabric._command import (  # noqa: F401
    _prefix_commands, _prefix_env_vars, _shell_escape, _shell_wrap, _sudo_prefix,
    _sudo_prefix_argument)
from fabric._get import get  # noqa: F401
from fabric._local import local  # noqa: F401
from fabric._put import put  # noqa: F401
from fabric._result import (  # noqa: F401
    _AttributeList, _AttributeString, _stdoutBytes, _stdoutString)
from fabric._run import _perform, _run_command  # noqa: F401
from fabric.network import needs_host
from fabric.state import connections, default_channel, env, output, win32  # noqa: F401
from fabric.utils import (  # noqa: F401
    _pty_size, abort, apply_lcwd, error, handle_prompt_abort, indent, warn)


@needs_host
def run(command, shell=True, pty=True, combine_stderr=None, quiet=False, warn_only=False,
        stdin=None, stdout=None, stderr=None, timeout=None, shell_escape=None,
        capture_buffer_size=None):
    """Runs a command line on the node, in a login bash and on a terminal unless told otherwise."""
    return _run_command(command, shell, pty, combine_stderr, quiet=quiet, warn_only=warn_only,
                        stdin=stdin, stdout=stdout, stderr=stderr, timeout=timeout,
                        shell_escape=shell_escape, capture_buffer_size=capture_buffer_size)


@needs_host
def sudo(command, shell=True, pty=True, combine_stderr=None, user=None, quiet=False,
         warn_only=False, stdin=None, stdout=None, stderr=None, group=None, timeout=None,
         shell_escape=None, capture_buffer_size=None):
    """The same, with another user's rights."""
    return _run_command(command, shell, pty, combine_stderr, sudo=True,
                        user=env.sudo_user if user is None else user, group=group, quiet=quiet,
                        warn_only=warn_only, stdin=stdin, stdout=stdout, stderr=stderr,
                        timeout=timeout, shell_escape=shell_escape,
                        capture_buffer_size=capture_buffer_size)


def _execute(channel, command, pty=True, combine_stderr=None, invoke_shell=False, stdin=None,
             stdout=None, stderr=None, timeout=None, capture_buffer_size=None):
    """Runs a whole line, as it is. There is no channel of one's own to run it in."""
    if invoke_shell:
        open_shell(command)
    pty = bool(pty and env.always_use_pty)
    combine = env.combine_stderr if combine_stderr is None else combine_stderr
    request = {"op": "run", "line": command, "pty": pty, "combine": bool(combine) and not pty,
               "shell": False}
    out, err, code = _perform(request, timeout, stdout, stderr, capture_buffer_size)
    return out, err, code


def open_shell(command=None):
    abort("open_shell() needs a person at a keyboard, and there is none in a job; use run()")


@needs_host
def reboot(wait=120, command="reboot", use_sudo=True):
    """Reboots the node and returns once it answers again; fails if it does not within `wait`
    seconds."""
    from fabric.context_managers import hide, settings
    from fabric.exceptions import NetworkError
    with settings(hide("running", "warnings"), warn_only=True):
        try:
            done = _run_command(command, pty=False, sudo=use_sudo,
                                user=env.sudo_user if use_sudo else None, leaves=True)
        except NetworkError:
            # It was faster than the answer to the command.
            done = None
    if done is not None and done.return_code > 0:
        error("reboot(): %s: %s" % (command, done.stderr or done or "exit %d" % done.return_code))
        return
    back = _node.ask({"op": "reconnect", "within": wait})
    if not back.get("back"):
        abort("reboot(): %s" % back.get("why"))


def prompt(text, key=None, default="", validate=None):
    """Asks, and is answered by the job's `answers`."""
    # An answer that is there beforehand hinders nobody.
    default_text = " [%s] " % str(default).strip() if default != "" else " "
    if key:
        before = env.get(key)
    value = _answers.ask(str(text).strip(), default_text, default)
    if callable(validate):
        try:
            value = validate(value)
        except Exception as problem:
            abort("the answer to %r does not pass: %s" % (text, problem))
    elif validate:
        import re
        pattern = validate
        if not pattern.startswith("^"):
            pattern = "^" + pattern
        if not pattern.endswith("$"):
            pattern += "$"
        if not re.match(pattern, value):
            abort("the answer to %r does not pass: %r is not what %r asks for"
                  % (text, value, validate))
    if key:
        env[key] = value
        if before is not None and before != value:
            warn("overwrote previous env variable '%s'; used to be '%s', is now '%s'."
                 % (key, before, value))
    return value


def require(*keys, **kwargs):
    """Aborts unless all of these are in `env`."""
    missing = [key for key in keys if key not in env]
    if not missing:
        return
    several = len(missing) > 1
    used_for, provided_by = kwargs.get("used_for"), kwargs.get("provided_by")
    text = ("The command '%s' failed because the following required environment variable%s not "
            "defined:\n%s" % (env.command, "s were" if several else " was", indent(missing)))
    if used_for:
        text += "\n\n%s used for %s" % ("These variables are" if several else "This variable is",
                                        used_for)
    if provided_by:
        funcs = provided_by if isinstance(provided_by, (list, tuple, set)) else [provided_by]
        names = [getattr(func, "__name__", str(func)) for func in funcs]
        which = "one of the following commands" if len(names) > 1 else "the following command"
        text += ("\n\nTry running %s prior to this one, to fix the problem:\n%s"
                 % (which, indent(names)))
    abort(text)


def _noop():
    pass

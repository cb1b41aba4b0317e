"""Commands on the node: what is sent, what is shown while it runs, what is answered, and the result.
"""

import sys

import loom_bridge
from fabric import _command, _node, _result
from fabric._shown import Shown
from fabric.state import SUDO_PREFIX, env, output
from fabric.utils import error, native


def _run_command(command, shell=True, pty=True, combine_stderr=True, sudo=False, user=None,
                 quiet=False, warn_only=False, stdin=None, stdout=None, stderr=None, group=None,
                 timeout=None, shell_escape=None, capture_buffer_size=None, leaves=False):
    """`leaves`: the node may go away with the command, and is waited for afterwards."""
    from fabric import context_managers
    if stdin is not None and stdin is not sys.stdin:
        raise _node.NotPossible("stdin=", "put() the data and let the command read the file")
    if warn_only or quiet:
        manager = context_managers.quiet() if quiet else context_managers.warn_only()
        with manager:
            return _run_command(command, shell, pty, combine_stderr, sudo, user, False, False,
                                stdin, stdout, stderr, group, timeout, shell_escape,
                                capture_buffer_size, leaves)
    _node.check()
    which = "sudo" if sudo else "run"
    inner = _command._shell_wrap(
        _command._prefix_env_vars(_command._prefix_commands(command, "remote")),
        True if shell_escape is None else shell_escape, shell)
    prefix = _command._sudo_prefix(user, group) if sudo else None
    line = "%s %s" % (prefix, inner) if sudo else inner
    if output.debug:
        sys.stdout.write(native("[%s] %s: %s\n" % (env.host_string, which, line)))
    elif output.running:
        sys.stdout.write(native("[%s] %s: %s\n" % (env.host_string, which, command)))
    sys.stdout.flush()
    pty = bool(pty and env.always_use_pty)
    if combine_stderr is None:
        combine_stderr = env.combine_stderr
    request = {
        "op": "run",
        "line": line,
        "pty": pty,
        "combine": bool(combine_stderr) and not pty,
        # Whether the line is one call of a shell, which can be taken the place of.
        "shell": bool(shell and env.use_shell and env.shell.startswith("/")),
        "leaves": leaves,
    }
    if sudo and env.sudo_prefix == SUDO_PREFIX:
        request["line"], request["sudo"] = inner, rights(user, group)
    elif sudo:
        # Whatever stands in the place of sudo need not be a program.
        request["shell"] = False
    out, err, code = _perform(request, timeout, stdout, stderr, capture_buffer_size)
    result = _result.made(out, err, code, command, line)
    if result.failed:
        message = "%s() received nonzero return code %s while executing" % (which, code)
        if env.warn_only:
            message += " '%s'!" % command
        else:
            message += "!\n\nRequested: %s\nExecuted: %s" % (command, line)
        error(message=message, stdout=out, stderr=err)
    return result


def rights(user, group):
    """What the worker's own sudo is asked for. The node's password stays with the worker."""
    wanted = {}
    if user is not None:
        wanted["user"] = str(user)
    if group is not None:
        wanted["group"] = str(group)
    password = _password()
    if password is not None:
        wanted["password"] = password
    return wanted


def _password():
    """The one that the task itself has set, if any."""
    password = env.sudo_passwords.get(env.host_string) or env.sudo_password
    return password or env.passwords.get(env.host_string) or env.password


def _perform(request, timeout, stdout=None, stderr=None, keep=None):
    """Has the worker run it; its output as text without blanks around it, and its code."""
    from loom_bridge.channel import Refused
    if timeout is None:
        timeout = env.command_timeout
    if timeout:
        request["timeout"] = timeout
    talk = _Talk(request, stdout, stderr, keep)
    try:
        reply = _node.ask(request, talk.heard)
    except Refused as refused:
        # As sudo itself would have said it.
        talk.heard("stdout" if request["pty"] else "stderr", ("%s\n" % refused).encode("utf-8"))
        reply = {"exit": 1}
    if reply.get("timed_out"):
        from fabric.exceptions import CommandTimeout
        if reply.get("kill") != "confirmed":
            from fabric.utils import warn
            warn("what was to be ended after %s seconds may still run: %s"
                 % (timeout, reply.get("kill")))
        raise CommandTimeout(timeout)
    out, err = talk.finish()
    if (output.running and output.stdout and out) or (output.stderr and err):
        # The last line that was shown is without its end.
        sys.stdout.write("\n")
        sys.stdout.flush()
    return out, err, reply.get("exit", -1)


class _Talk(object):
    """What a command says while it runs, and what it is answered."""

    def __init__(self, request, stdout, stderr, keep):
        shown = {"stdout": stdout or sys.stdout, "stderr": stderr or sys.stderr}
        self._heard = {}
        for name, label in (("stdout", "out"), ("stderr", "err")):
            self._heard[name] = _Heard(shown[name] if output[name] else None, label, keep)
        self._answering = request["pty"]
        # The node's own password is typed only where the line itself asks for it.
        self._asks_itself = str(env.sudo_prompt) in request["line"]
        self._tail = ""

    def heard(self, stream, data):
        text = self._heard[stream].take(data)
        if self._answering and stream == "stdout":
            self._tail = (self._tail + text)[-1000:]
            self._answer()

    def _answer(self):
        channel = loom_bridge.unit["channel"]
        tail = self._tail
        if env.sudo_prompt and tail.endswith(env.sudo_prompt):
            password = _password()
            if password is not None:
                channel.type("%s\n" % password)
            elif self._asks_itself:
                channel.type_password()
            else:
                return
            self._heard["stdout"].forget(len(env.sudo_prompt))
            self._tail = ""
            return
        for prompt, answer in env.prompts.items():
            if prompt and tail.endswith(prompt):
                channel.type("%s\n" % answer)
                self._tail = ""
                return

    def finish(self):
        return tuple(self._heard[name].finish() for name in ("stdout", "stderr"))


class _Heard(object):
    """One stream: shown as it arrives, and kept."""

    def __init__(self, file, label, keep):
        prefix = "[%s] %s: " % (env.host_string, label) if env.output_prefix else ""
        self._shown = file and Shown(file, prefix, env.linewise)
        self._parts = []
        self._length = 0
        self._keep = keep
        self._decode = _decoder()

    def take(self, data, final=False):
        text = self._decode(data, final)
        if not text:
            return text
        if self._shown:
            self._shown.take(text)
        self._parts.append(text)
        self._length += len(text)
        if self._keep and self._length > 2 * self._keep:
            self._shorten()
        return text

    def _shorten(self):
        if self._keep:
            self._parts = ["".join(self._parts)[-self._keep:]]
            self._length = len(self._parts[0])

    def forget(self, length):
        """The last so many characters are not output."""
        self._parts = ["".join(self._parts)[:-length]]
        self._length = len(self._parts[0])

    def finish(self):
        self.take(b"", True)
        if self._shown:
            self._shown.finish()
        self._shorten()
        return "".join(self._parts).strip()


def _decoder():
    """What is not UTF-8 is replaced. Python 2's text is bytes."""
    if str is bytes:
        return lambda data, final: data
    import codecs
    return codecs.getincrementaldecoder("utf-8")("replace").decode

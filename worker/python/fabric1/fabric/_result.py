"""What functions return: text, or a list of paths, that says how it went."""

_NAMES = ("stdout", "stderr", "return_code", "failed", "succeeded", "command", "real_command")


class _AttributeString(str):
    """A command's stdout."""

    @property
    def stdout(self):
        return str(self)


# Fabric's later name for it.
_stdoutString = _AttributeString


class _stdoutBytes(bytes):
    @property
    def stdout(self):
        return bytes(self)


class _AttributeList(list):
    """The paths of the files that were copied; `failed` has those that were not."""


def made(stdout, stderr, code, command, real_command, ok=None):
    """A result; `ok` is for commands that never ran."""
    from fabric.state import env
    result = _AttributeString(stdout)
    result.stderr = stderr
    result.return_code = code
    result.succeeded = code in env.ok_ret_codes if ok is None else ok
    result.failed = not result.succeeded
    result.command = command
    result.real_command = real_command
    return result

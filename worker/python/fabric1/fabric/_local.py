"""Commands on the scheduler's machine."""

import sys

from fabric import _command, _result
from fabric.context_managers import hide
from fabric.state import env, output
from fabric.utils import error, native


def local(command, capture=False, shell=None, pty=True, encoding="utf-8"):
    """Runs it here, in /bin/sh or another shell. What it writes is the unit's output, or is
    captured."""
    import subprocess
    line = _command._prefix_env_vars(_command._prefix_commands(command, "local"), local=True)
    if output.debug:
        sys.stdout.write(native("[localhost] local: %s\n" % line))
    elif output.running:
        sys.stdout.write(native("[localhost] local: %s\n" % command))
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    unseen = None
    try:
        streams = []
        for shown in (output.stdout, output.stderr):
            if capture:
                streams.append(subprocess.PIPE)
            elif shown:
                streams.append(None)
            else:
                unseen = unseen or open("/dev/null", "wb")
                streams.append(unseen)
        process = subprocess.Popen(native(line), shell=True, executable=shell, stdout=streams[0],
                                   stderr=streams[1])
        said = process.communicate()
    finally:
        if unseen:
            unseen.close()
    out, err = (_text(data, encoding).strip() if capture else "" for data in said)
    result = _result.made(out, err, process.returncode, command, line)
    if result.failed:
        message = ("local() encountered an error (return code %s) while executing '%s'"
                   % (process.returncode, command))
        # Nobody has seen yet what was captured.
        with hide("output"):
            error(message=message, stdout=out, stderr=err)
    return result


def _text(data, encoding):
    if str is bytes or not isinstance(data, bytes):
        return data or ""
    return data.decode(encoding, "replace")

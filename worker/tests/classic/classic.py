"""Makes calls of Fabric's operations by fab-classic: a JSON object for each line of stdin.

{"task", "args", "kwargs"}, where the context managers' part is among the kwargs, as in Loom's
native tasks; answers with what came of it, a JSON object on a line.
"""

import contextlib
import io
import json
import os
import signal
import sys

replies = os.fdopen(os.dup(1), "w")
# What is on standard input Fabric types at its commands.
calls = os.fdopen(os.dup(0))
silent, never_written = os.pipe()
os.dup2(silent, 0)
node = json.loads(calls.readline())

from fabric import api
from fabric.state import output

for level in list(output):
    output[level] = False
output["aborts"] = False
api.env.user, api.env.port = node["user"], str(node["port"])
api.env.host = api.env.host_string = node["host"]
api.env.key_filename = node["key"]
api.env.disable_known_hosts = True
api.env.no_agent = True
api.env.abort_on_prompts = True
api.env.sudo_password = api.env.password = node["password"]


def as_list(value):
    return value if isinstance(value, list) else [value]


def managers(kwargs):
    """The context managers of the call, taken out of its arguments."""
    for name in ("cd", "lcd", "prefix"):
        for value in as_list(kwargs.pop(name, [])):
            yield getattr(api, name)(value)
    if "shell_env" in kwargs:
        yield api.shell_env(**{k: str(v) for k, v in kwargs.pop("shell_env").items()})
    if "path" in kwargs:
        yield api.path(kwargs.pop("path"), behavior=kwargs.pop("path_behavior", "append"))
    if "ok_ret_codes" in kwargs:
        yield api.settings(ok_ret_codes=as_list(kwargs.pop("ok_ret_codes")))


def call(task, args, kwargs):
    function = getattr(api, task)
    with contextlib.ExitStack() as stack:
        # Each is made within the one before, whose directory it may go on from.
        for manager in managers(kwargs):
            stack.enter_context(manager)
        if task == "local" and kwargs.pop("warn_only", False):
            stack.enter_context(api.settings(warn_only=True))
        result = function(*args, **kwargs)
    if task in ("put", "get"):
        return {"paths": [str(path) for path in result], "failed": bool(result.failed)}
    return {
        "stdout": str(result),
        "stderr": result.stderr,
        "code": result.return_code,
        "failed": result.failed,
        "real_command": result.real_command,
    }


def too_long(signum, frame):
    raise RuntimeError("still at it after a minute")


signal.signal(signal.SIGALRM, too_long)
for line in calls:
    ask = json.loads(line)
    said = io.StringIO()
    signal.alarm(60)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            answer = call(ask["task"], ask["args"], dict(ask["kwargs"]))
    except SystemExit as error:
        answer = {"failed": True, "aborted": getattr(error, "message", "") or str(error)}
    except Exception as error:
        answer = {"failed": True, "raised": "%s: %s" % (type(error).__name__, error)}
    replies.write(json.dumps(answer) + "\n")
    replies.flush()

"""What a task does: so far, commands."""

import sys

import loom_bridge


def run(command):
    parts = []

    def heard(stream, data):
        parts.append(data)
        sys.stdout.write(data.decode("utf-8", "replace"))

    line = '/bin/bash -l -c "%s"' % command
    loom_bridge.unit["channel"].ask({"op": "run", "line": line, "pty": True}, heard)
    return b"".join(parts).decode("utf-8", "replace").strip()


sudo = run

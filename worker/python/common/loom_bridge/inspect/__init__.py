"""Answers questions about tasks from their source: nothing of the user's is imported or run.

One question as JSON on standard input, one answer on standard output: `src/inspect.rs` has their
types. `finder` knows where modules are, `source` reads and parses them, `names` follows a name to
the `things` it can stand for, `calls` compares a call with one (by its `signature`, and by what its
module `imports`) and tells `problems`, `listing` goes through all there is.
"""

from __future__ import absolute_import

import json
import sys

from loom_bridge.inspect import calls, finder, listing, names, source

OLDEST = "2.7, or 3.6 and later"


def main():
    """Started by the worker; the interpreter's other arguments are of no matter."""
    source.quiet()
    stdin = getattr(sys.stdin, "buffer", sys.stdin)
    answer = respond(json.loads(stdin.read().decode("utf-8")))
    stdout = getattr(sys.stdout, "buffer", sys.stdout)
    stdout.write(json.dumps(answer).encode("ascii"))
    stdout.flush()


def respond(question):
    version = sys.version_info
    if version < (2, 7) or (3,) <= version < (3, 6):
        return {"no_interpreter": "%s is Python %d.%d; Loom's tasks need %s" % (
            question["interpreter"], version[0], version[1], OLDEST)}
    path = [source.native(directory) for directory in question["path"]]
    found = finder.Finder(source.native(question["root"]), question["bridge"], path)
    world = names.World(found)
    asked = question["ask"]
    if asked == "tasks":
        return {"tasks": listing.all_tasks(world)}
    return {"calls": [calls.verdict(world, call) for call in asked["calls"]]}

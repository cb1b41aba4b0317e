"""What a fabfile can do, a small function for each case, and what came of it as JSON.

The same cases are run under Loom's bridge and under fab-classic, and the answers compared. Of the
two this package knows only what each must be told: where the key is, for the one that connects by
itself.
"""

import copy
import json
import os
import shutil
import sys
import tempfile

from fabric.api import env, output

try:
    from io import StringIO
    StringIO().write("")
except TypeError:
    from StringIO import StringIO

# A room of this package for each of Fabric's themes.
ROOMS = ("commands", "contexts", "locally", "rights", "putting", "getting", "talking", "names",
         "files", "templates", "tasks", "projects")


class Place(object):
    """Two empty directories: one here and one on the node, which is the same machine."""

    def __init__(self):
        self.here = os.path.realpath(tempfile.mkdtemp(prefix="loom-here."))
        self.there = os.path.realpath(tempfile.mkdtemp(prefix="loom-there."))

    def write(self, name, text="text\n", mode=0o640):
        return _write(os.path.join(self.here, name), text, mode)

    def write_there(self, name, text="text\n", mode=0o640):
        return _write(os.path.join(self.there, name), text, mode)

    def read(self, name):
        return _read(os.path.join(self.here, name))

    def read_there(self, name):
        return _read(os.path.join(self.there, name))

    def tree(self):
        return _tree(self.here)

    def tree_there(self):
        return _tree(self.there)

    def remove(self):
        shutil.rmtree(self.here)
        shutil.rmtree(self.there)


def _write(path, text, mode):
    if not os.path.isdir(os.path.dirname(path)):
        os.makedirs(os.path.dirname(path))
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def _read(path):
    with open(path) as file:
        return file.read()


def _tree(root):
    """Every path below it, with its content or a slash."""
    found = {}
    for directory, names, files in os.walk(root):
        below = os.path.relpath(directory, root)
        for name in names:
            found[os.path.normpath(os.path.join(below, name))] = "/"
        for name in files:
            found[os.path.normpath(os.path.join(below, name))] = _read(os.path.join(directory, name))
    return found


def result(value):
    """All that a result says of itself."""
    said = {"text": str(value)}
    for name in ("stdout", "stderr", "return_code", "failed", "succeeded", "command",
                 "real_command", "ok_ret_codes"):
        said[name] = getattr(value, name, "(missing)")
    return said


def compare(report, key=None, only=None):
    """Runs the cases and writes to the file `report` what came of each."""
    if key:
        env.key_filename = key
        env.disable_known_hosts = True
        env.no_agent = True
    # A case that is to abort says so.
    env.abort_on_prompts = False
    # Nothing is ever typed here, and the end of a file would be passed on.
    sys.stdin = os.fdopen(os.pipe()[0])
    answers = {}
    for room in ROOMS:
        module = __import__("cases." + room, fromlist=["*"])
        for name, case in sorted(vars(module).items()):
            if getattr(case, "__module__", None) != module.__name__ or name.startswith("_"):
                continue
            name = "%s.%s" % (room, name)
            if only is None or name.startswith(only):
                answers[name] = _run(case)
    with open(report, "w") as file:
        json.dump(answers, file, indent=1, sort_keys=True)
    return "%d cases" % len(answers)


def _run(case):
    place = Place()
    before = copy.deepcopy(dict(env)), dict(output)
    streams = sys.stdin, sys.stdout, sys.stderr
    cwd = os.getcwd()
    home = os.environ.get("HOME")
    sys.stdout, sys.stderr = StringIO(), StringIO()
    answer = {}
    try:
        answer["value"] = case(place)
    except SystemExit as error:
        answer["exit"] = [error.code, getattr(error, "message", None)]
    except Exception as error:
        answer["raised"] = [type(error).__name__, str(error)]
    finally:
        answer["out"], answer["err"] = sys.stdout.getvalue(), sys.stderr.getvalue()
        sys.stdin, sys.stdout, sys.stderr = streams
        os.chdir(cwd)
        if home is None:
            os.environ.pop("HOME", None)
        else:
            os.environ["HOME"] = home
        env.clear()
        env.update(before[0])
        output.update(before[1])
        place.remove()
    if case.__module__ in ("cases.putting", "cases.getting"):
        # Files come in the order in which a directory lists them.
        answer["out"] = "".join(sorted(answer["out"].splitlines(True)))
    return _without_places(answer, place)


def _without_places(value, place):
    if isinstance(value, dict):
        return dict((_without_places(k, place), _without_places(v, place)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return [_without_places(item, place) for item in value]
    if isinstance(value, bytes) and bytes is not str:
        return _without_places(value.decode("utf-8", "replace"), place)
    if isinstance(value, str):
        value = value.replace(place.here, "HERE").replace(place.there, "THERE")
        return value.replace(env.host_string, "NODE").replace(
            env.host_string.replace(":", "-"), "NODE")
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return _without_places(repr(value), place)

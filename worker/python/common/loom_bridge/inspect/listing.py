"""All tasks on the path: the modules that use Fabric, or Loom's own."""

from __future__ import absolute_import

import os

from loom_bridge.inspect import source
from loom_bridge.inspect.finder import entries, is_name
from loom_bridge.inspect.signature import found, signature
from loom_bridge.inspect.things import Function, Instance

DEEPEST = 4
MOST = 2000

_PASSED_OVER = ("node_modules", "__pycache__", "site-packages", "dist-packages")


def all_tasks(world):
    tasks, unread = {}, []
    for directory, dotted, path in _files(world.finder):
        module = world.finder.find(dotted)
        # Another of the same name comes before it.
        if module is None or module.file != path:
            continue
        try:
            data = source.read(path)
            if b"fabric" not in data and b"loom" not in data:
                continue
            for one in _of_module(world, world.scope(module)):
                tasks.setdefault(one["task"], one)
        except source.Unreadable as error:
            unread.append({"file": source.shown(error.file), "line": error.line,
                           "message": error.message})
        except Exception as error:
            unread.append({"file": source.shown(path), "line": 0, "message": "%s: %s" % (
                type(error).__name__, source.shown(str(error)))})
    return {"tasks": [tasks[name] for name in sorted(tasks)], "unread": unread}


def _files(finder):
    """Directory of the path, dotted name and file of each module, within bounds."""
    left, seen = MOST, set()
    for top in finder.user:
        waiting = [(top, "", 0)]
        while waiting:
            directory, prefix, depth = waiting.pop(0)
            real = os.path.realpath(directory)
            if real in seen:
                continue
            seen.add(real)
            for name in entries(directory):
                path = os.path.join(directory, name)
                base, suffix = os.path.splitext(name)
                if suffix == ".py" and os.path.isfile(path):
                    if base == "__init__" and prefix:
                        dotted = prefix[:-1]
                    elif is_name(base) and base != "__init__":
                        dotted = prefix + base
                    else:
                        continue
                    left -= 1
                    if left < 0:
                        return
                    yield top, dotted, path
                elif depth + 1 < DEEPEST and is_name(name) and _is_package(path, name):
                    waiting.append((path, prefix + name + ".", depth + 1))


def _is_package(path, name):
    return (name not in _PASSED_OVER and os.path.isdir(path)
            and not os.path.isfile(os.path.join(path, "pyvenv.cfg")))


def _of_module(world, scope):
    """As Fabric has it: who marks some as tasks means these alone, else it is every function."""
    if not _uses_fabric(scope):
        return []
    marked, functions = [], []
    for name in sorted(scope.bindings, key=lambda name: scope.bindings[name][0].line):
        kinds = set(binding.kind for binding in scope.bindings[name])
        if name.startswith("_") or not kinds <= set(("def", "value")):
            continue
        for thing in world.follow(scope.module, [name]):
            is_task = isinstance(thing, Function) and thing.task or (
                isinstance(thing, Instance) and world.is_task_class(thing.of))
            here = getattr(thing, "scope", None) is scope
            if not here or not (is_task or isinstance(thing, Function)):
                continue
            takes = signature(world, thing)
            dotted = "%s.%s" % (scope.module.name, name)
            one = found(dotted, scope, thing.line, takes.params(), takes.doc)
            if is_task:
                marked.append(one)
            elif "def" in kinds:
                functions.append(one)
            break
    return marked or functions


def _uses_fabric(scope):
    bindings = list(scope.stars) + list(scope.imports)
    bindings += [one for several in scope.bindings.values() for one in several]
    return any(
        (binding.module or "").partition(".")[0] in ("fabric", "loom") and not binding.level
        for binding in bindings if binding.kind in ("module", "from"))

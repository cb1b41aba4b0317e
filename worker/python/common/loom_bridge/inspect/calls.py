"""Whether a job's call of a task can work, as far as the source tells."""

from __future__ import absolute_import

import os

from loom_bridge.inspect import imports, source
from loom_bridge.inspect.finder import BUILTIN, COMPILED, NAMESPACE, is_name
from loom_bridge.inspect.problems import close, problem, quoted
from loom_bridge.inspect.signature import found, signature
from loom_bridge.inspect.things import Class, Function, Instance, Missing, Unknown, Value

# Of the directories of a path, so many are named.
NAMED = 3


def verdict(world, call):
    task = source.native(call["task"])
    reached = []
    try:
        found_there, problems = _verdict(world, task, call, reached)
    except source.Unreadable as error:
        found_there = None
        problems = [problem("module", "%s %s" % (error.where(), error.message))]
        reached.append(error.file)
    except Exception as error:
        # Whatever it is that we do not understand, it may still run.
        found_there = None
        problems = [problem("task", "task %s cannot be checked: %s: %s" % (
            quoted(task), type(error).__name__, source.shown(str(error))), uncertain=True)]
    files = sorted(set(path for path in reached if path))
    return {
        "found": found_there,
        "problems": problems,
        "files": [source.shown(path) for path in files],
    }


def _verdict(world, task, call, reached):
    names = task.split(".")
    odd = [name for name in names if not is_name(name)]
    if odd:
        return None, [problem("task", "unknown task %s: %s is no name in Python" % (
            quoted(task), quoted(odd[0])))]
    module, rest = _module(world, names)
    if module is None:
        return None, [_no_module(world, task, names)]
    chain = imports.Chain(world)
    broken = chain.broken(module)
    reached += chain.files
    things = world.follow(module, rest)
    there = [thing for thing in things if not isinstance(thing, Missing)]
    if not there:
        return None, broken or [_no_name(world, task, module, things[0])]
    verdicts = [_judge(world, task, thing, call) for thing in there[:16]]
    place, problems = min(verdicts, key=lambda one: (
        len([each for each in one[1] if not each["uncertain"]]), len(one[1])))
    return place, broken + problems


def _module(world, names):
    """The module that is imported, and what is asked of it: as `modules.find` does it."""
    for length in range(len(names) - 1, 0, -1):
        module = world.finder.find(".".join(names[:length]))
        if module is not None:
            return module, names[length:]
    return None, names


def _no_module(world, task, names):
    finder = world.finder
    if names[0] == "fabric":
        return problem("task", "unknown task %s: Fabric is not installed for this Python; install "
                       "fab-classic beside it, or write `bridge: loom`" % quoted(task))
    for directory in finder.user:
        path = os.path.join(directory, names[0] + ".py")
        if os.path.lexists(path):
            return problem("task", "%s is not a regular file" % source.shown(path))
    near = _suggestions(world, None, names)
    directories = [source.shown(path) for path in finder.user]
    place = ", ".join(directories[:NAMED]) or "pythonpath, which is empty"
    if len(directories) > NAMED:
        place += " and %d more" % (len(directories) - NAMED)
    message = "unknown task %s: there is no module %s in %s" % (
        quoted(task), quoted(names[0]), place)
    return problem("task", message, near, uncertain=finder.hooked and not near)


def _no_name(world, task, module, missing):
    where = missing.where
    if isinstance(where, Class):
        place, prefix = "class %s" % where.node.name, None
    else:
        # Where ours lies says nothing to anybody.
        ours = world.finder.is_ours(where)
        place = where.name if ours or not where.file else source.shown(where.file)
        prefix = where.name
    message = "unknown task %s: %s has no %s" % (quoted(task), place, quoted(missing.name))
    near = []
    if prefix and task.startswith(prefix + "."):
        near = _suggestions(world, where, task[len(prefix) + 1:].split("."))
    return problem("task", message, near)


def _suggestions(world, module, names, depth=0):
    """Dotted paths that are there and look like these names, taken from the module or from the path.
    """
    known = world.finder.siblings(None) if module is None else _known(world, module)
    found = []
    for name in close(names[0], known):
        path = name if module is None else "%s.%s" % (module.name, name)
        if len(names) == 1:
            found.append(path)
            continue
        inner = world.finder.find(path)
        if inner is None or depth > 6:
            continue
        try:
            there = [one for one in world.follow(inner, names[1:]) if not isinstance(one, Missing)]
            if there:
                found.append(path + "." + ".".join(names[1:]))
            else:
                found += _suggestions(world, inner, names[1:], depth + 1)
        except source.Unreadable:
            pass
    return found[:3]


def _known(world, module):
    if module.kind in (BUILTIN, COMPILED):
        return []
    if module.kind == NAMESPACE:
        return world.finder.siblings(module)
    return world.all_names(world.scope(module))


def _judge(world, task, thing, call):
    """Where the task is defined, and what is wrong with the call."""
    if isinstance(thing, Unknown):
        if not thing.line:
            message = "task %s cannot be checked: %s" % (quoted(task), thing.reason)
            return None, [problem("task", message, uncertain=True)]
        return found(task, thing.scope, thing.line, None, None), []
    if isinstance(thing, Value):
        return None, [_not_callable(task, thing.scope, thing.line, thing.sort)]
    if not isinstance(thing, (Function, Class, Instance)):
        message = "task %s is a module%s, which cannot be called" % (
            quoted(task), " (%s)" % source.shown(thing.file) if thing.file else "")
        near = []
        if thing.kind not in (BUILTIN, COMPILED):
            near = ["%s.%s" % (task, name) for name in _known(world, thing)
                    if name in ("main", "run", "deploy", task.rpartition(".")[2])]
        return None, [problem("task", message, near)]
    line = thing.line
    if isinstance(thing, Class) and world.is_task_class(thing):
        name = thing.node.name
        message = "task %s is a class; an instance of it is the task: write `%s = %s()` below it" % (
            quoted(task), name.lower() if name.lower() != name else "it", name)
        return found(task, thing.scope, line, None, None), [
            problem("task", message, uncertain=True)]
    takes = signature(world, thing)
    if takes is None:
        sort = "an instance of %s, which has no __call__" % thing.of.node.name
        return None, [_not_callable(task, thing.scope, line, sort)]
    place = found(task, thing.scope, line, takes.params(), takes.doc)
    return place, takes.problems(task, call)


def _not_callable(task, scope, line, sort):
    message = "task %s is %s (%s:%d), which cannot be called" % (
        quoted(task), sort, source.shown(scope.module.file), line)
    return problem("task", message.replace(", which has no __call__ (", " without __call__ ("))

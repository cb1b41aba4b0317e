"""What belongs to the command `fab` and is imported by modules that are tasks as well.

There is no command here: a job names its task.
"""

import os
import sys

from fabric import state
from fabric.task_utils import _Dict, crawl
from fabric.tasks import Task
from fabric.utils import abort

# The modules that were looked through, where they can contain each other.
_seen = set()


def main(*args, **kwargs):
    abort("fab's command line is not part of Loom's bridge: name the task in a job, or run it with "
          "`loom once`")


def load_settings(path):
    """The lines `NAME = VALUE` of a file, as Fabric's fabricrc has them."""
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        lines = [line.rstrip("\r\n") for line in file if not line.startswith("#")]
    return dict((name.strip(), value.strip()) for name, _, value in
                (line.partition("=") for line in lines))


def find_fabfile(names=None):
    """The fabfile in the current directory or the nearest one above it, or None."""
    names = names or [state.env.get("fabfile") or "fabfile"]
    names = [each for name in names for each in (name, name + ".py")]
    directory = os.getcwd()
    while True:
        for name in names:
            path = os.path.join(directory, os.path.expanduser(name))
            if path.endswith(".py") and os.path.isfile(path):
                return os.path.abspath(path)
            if os.path.isfile(os.path.join(path, "__init__.py")):
                return os.path.abspath(path)
        above = os.path.dirname(directory)
        if above == directory:
            return None
        directory = above


def load_fabfile(path, importer=None):
    """Imports it, and returns its documentation, its tasks by name, and the default one."""
    directory, name = os.path.split(os.path.abspath(path))
    sys.path.insert(0, directory)
    try:
        imported = (importer or __import__)(os.path.splitext(name)[0])
    finally:
        sys.path.remove(directory)
    documentation, new, classic, default = load_tasks_from_module(imported)
    tasks = new if state.env.get("new_style_tasks") or new else classic
    _seen.clear()
    return documentation, tasks, default


def load_tasks_from_module(imported):
    """The module's documentation, its task objects, its functions, and the default task."""
    names = vars(imported)
    if "__all__" in names:
        names = dict((name, names[name]) for name in names["__all__"] if name in names)
    return (imported.__doc__,) + extract_tasks(list(names.items()))


def extract_tasks(imported_vars):
    """As `load_tasks_from_module`, of pairs of names and what they name."""
    objects, functions, default = _Dict(), {}, None
    if "new_style_tasks" not in state.env:
        state.env.new_style_tasks = False
    for name, value in imported_vars:
        if is_task_object(value):
            state.env.new_style_tasks = True
            objects[name if value.name == Task.name else value.name] = value
            for alias in value.aliases or ():
                objects[alias] = value
            if value.is_default:
                default = value
        elif is_classic_task((name, value)):
            functions[name] = value
        elif is_task_module(value):
            _, inner, _, inner_default = load_tasks_from_module(value)
            if inner_default is not None:
                inner.default = inner_default
            if inner:
                objects[name] = inner
    return objects, functions, default


def is_classic_task(tup):
    """Whether the pair is a function that Fabric would take for a task: public, and not its
    own."""
    name, value = tup
    try:
        ours = getattr(value, "__module__", "").split(".")[0] == "fabric"
        return callable(value) and not name.startswith("_") and not ours and \
            not isinstance(value, type)
    except Exception:
        return False


def is_task_object(a):
    return isinstance(a, Task) and a.use_task_objects


def is_task_module(a):
    """Whether it is a module that was not looked through yet."""
    if not isinstance(a, type(os)) or a in _seen:
        return False
    _seen.add(a)
    return True


def _sift_tasks(mapping):
    """The names of the tasks in it and of the mappings in it, each sorted."""
    tasks = sorted(name for name, value in mapping.items() if callable(value))
    inner = sorted(name for name, value in mapping.items() if isinstance(value, dict))
    return tasks, inner


def _task_names(mapping):
    """The dotted names of all tasks in nested mappings, those of each level first."""
    names, inner = _sift_tasks(mapping)
    for name in inner:
        if hasattr(mapping[name], "default"):
            names.append(name)
        names += ["%s.%s" % (name, task) for task in _task_names(mapping[name])]
    return names


def list_commands(docstring, format_):
    """The lines of a list of all tasks: "short", "nested" or "normal"."""
    if format_ == "short":
        return _task_names(state.commands)
    head = "Available commands"
    if format_ == "nested":
        head += " (remember to call as module.[...].task)"
    lines = [docstring.rstrip() + "\n"] if docstring and docstring.strip() else []
    lines.append(head + ":\n")
    return lines + (_nested_list(state.commands) if format_ == "nested" else _normal_list())


def _normal_list():
    names = _task_names(state.commands)
    width = max([len(name) for name in names] or [0])
    lines = []
    for name in names:
        text = (crawl(name, state.commands).__doc__ or "").strip().split("\n")[0].strip()
        lines.append("    " + ("%s  %s" % (name.ljust(width), text) if text else name))
    return lines


def _nested_list(mapping, level=1):
    names, inner = _sift_tasks(mapping)
    lines = ["    " * level + name for name in names]
    for name in inner:
        lines.append("    " * level + name + ":")
        lines += _nested_list(mapping[name], level + 1)
    return lines


def show_commands(docstring, format, code=0):
    """Prints it, and ends the task."""
    print("\n".join(list_commands(docstring, format)))
    sys.exit(code)

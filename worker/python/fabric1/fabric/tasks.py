"""Tasks as objects, and `execute`.

A unit is one node's: whoever would go to other hosts from here is told to make them targets.
"""

import sys

from fabric import _node, state
from fabric.task_utils import crawl, merge, parse_kwargs
from fabric.utils import abort, warn


class Task(object):
    """What one derives a class from whose instances are tasks; `run` does the work."""

    name = "undefined"
    use_task_objects = True
    aliases = None
    is_default = False

    def __init__(self, alias=None, aliases=None, default=False, name=None, *args, **kwargs):
        if alias is not None:
            self.aliases = [alias]
        if aliases is not None:
            self.aliases = aliases
        if name is not None:
            self.name = name
        self.is_default = default

    def run(self):
        raise NotImplementedError

    def __details__(self):
        return get_task_details(self.run)

    def get_hosts_and_effective_roles(self, arg_hosts, arg_roles, arg_exclude_hosts, env=None):
        """The hosts and roles that were asked for, or else those of the task, or else the unit's
        own."""
        env = state.env if env is None else env
        roledefs = env.get("roledefs") or {}
        for hosts, roles in (
            (arg_hosts, arg_roles),
            (getattr(self, "hosts", ()), getattr(self, "roles", ())),
            (env.get("hosts") or (), env.get("roles") or ()),
        ):
            if hosts or roles:
                return merge(hosts, roles, arg_exclude_hosts, roledefs), list(roles)
        return [], []

    def get_pool_size(self, hosts, default):
        size = getattr(self, "pool_size", None) or default or len(hosts)
        return min(int(size), len(hosts))


class WrappedCallableTask(Task):
    """A function as a task."""

    def __init__(self, callable, *args, **kwargs):
        super(WrappedCallableTask, self).__init__(*args, **kwargs)
        self.wrapped = callable
        if self.name == Task.name and hasattr(callable, "__name__"):
            self.name = callable.__name__
        self.__name__ = self.name
        for name in ("__doc__", "__module__"):
            if hasattr(callable, name):
                setattr(self, name, getattr(callable, name))

    def __call__(self, *args, **kwargs):
        return self.run(*args, **kwargs)

    def run(self, *args, **kwargs):
        return self.wrapped(*args, **kwargs)

    def __getattr__(self, name):
        # Before there is a function there is nothing to ask.
        if name == "wrapped":
            raise AttributeError(name)
        return getattr(self.wrapped, name)

    def __details__(self):
        return get_task_details(self.wrapped)


def requires_parallel(task):
    """Whether Fabric would run it on several hosts at a time."""
    if getattr(task, "parallel", False):
        return True
    return bool(state.env.get("parallel")) and not getattr(task, "serial", False)


def get_task_details(task):
    """The documentation of a task and its arguments, as text."""
    import inspect
    import textwrap
    if isinstance(task, Task):
        return task.__details__()
    # Below its decorators.
    while hasattr(task, "__wrapped__"):
        task = task.__wrapped__
    text = textwrap.dedent(task.__doc__) if task.__doc__ else "No docstring provided"
    spec = getattr(inspect, "getfullargspec", None) or inspect.getargspec
    spec = spec(task)
    defaults = spec.defaults or ()
    plain = len(spec.args) - len(defaults)
    names = list(spec.args[:plain])
    names += ["%s=%r" % pair for pair in zip(spec.args[plain:], defaults)]
    return "%s\nArguments: %s" % (text, ", ".join(names))


def execute(task, *args, **kwargs):
    """Calls a task, given as itself or by name, on this unit's node, and returns its result by
    host."""
    kwargs, hosts, roles, exclude = parse_kwargs(kwargs)
    name = task
    if not (callable(task) or _is_task(task)):
        task = _named(task)
        if task is None:
            say = warn if state.env.get("skip_unknown_tasks") else abort
            say("%r is not callable or a valid task name" % (name,))
            return None
    else:
        name = getattr(task, "name", None) or getattr(task, "__name__", "task")
    host = state.env.host_string
    roledefs = state.env.get("roledefs") or {}
    if not _here(hosts, roles, exclude, roledefs, name):
        return {}
    if not roles:
        roles = [r for r in getattr(task, "roles", None) or () if _plays(r, roledefs)]
    if state.output.get("running") and not hasattr(task, "return_value"):
        print("[%s] Executing task '%s'" % (host, name))
    function = task.run if _is_task(task) else task
    during = {"command": name, "all_hosts": [host], "effective_roles": list(roles)}
    missing = object()
    before = [(key, state.env.get(key, missing)) for key in during]
    state.env.update(during)
    try:
        return {host: function(*args, **kwargs)}
    finally:
        for key, value in before:
            if value is missing:
                state.env.pop(key, None)
            else:
                state.env[key] = value


def _is_task(task):
    return isinstance(task, Task)


def _named(name):
    """The task of this name: among those that `fab` would know, or beside the unit's own."""
    found = crawl(name, state.commands)
    if found is None:
        import loom_bridge
        module = sys.modules.get(loom_bridge.unit["task"].rpartition(".")[0])
        for part in name.split("."):
            module = getattr(module, part, None)
        found = module if callable(module) or _is_task(module) else None
    return found


def _here(hosts, roles, exclude, roledefs, name):
    """Whether the task is to run; raises OtherNode if it were to run elsewhere only."""
    if any(_node.means_this(host) for host in exclude):
        return False
    if not hosts and not roles:
        return True
    wanted = merge([hosts] if hasattr(hosts, "strip") else hosts, roles, (), roledefs)
    if any(_node.means_this(host) for host in wanted):
        return True
    where = ", ".join(wanted) or "no host at all"
    raise _node.OtherNode(_node.refusal("execute(%s) is to go to %s" % (name, where)))


def _plays(role, roledefs):
    """Whether this node has the role."""
    return role in roledefs and any(map(_node.means_this, merge([], [role], [], roledefs)))

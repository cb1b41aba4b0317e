"""Whether a module can be imported at all: whether what it imports itself is there."""

from __future__ import absolute_import

from loom_bridge.inspect import source
from loom_bridge.inspect.finder import SOURCE
from loom_bridge.inspect.problems import close, problem
from loom_bridge.inspect.things import Missing

# More modules than these are not looked at for one task.
MOST = 300

# What its `fabric` has and that of Fabric 1 has not.
_FABRIC_2 = ("Config", "Connection", "Group", "SerialGroup", "ThreadingGroup", "task")


class Chain(object):
    """The modules that are imported when one is."""

    def __init__(self, world):
        self._world = world
        self._finder = world.finder
        self._seen = set()
        # Of the user's.
        self.files = []
        self._redirected = world.finder.hooked

    def broken(self, module):
        """Why it cannot be imported. What its author catches is not looked at."""
        told = []
        waiting = [module]
        while waiting and len(self._seen) < MOST and not told:
            told += self._module(waiting.pop(0), waiting)
        return told

    def _module(self, module, waiting):
        if module.name in self._seen or not self._finder.is_users(module):
            return []
        self._seen.add(module.name)
        self.files.append(module.file)
        parent = self._finder.find(module.name.rpartition(".")[0]) if "." in module.name else None
        if parent is not None:
            waiting.append(parent)
        if module.kind != SOURCE:
            return []
        scope = self._world.scope(module)
        if scope.redirects or scope.dynamic:
            self._redirected = True
        told = []
        for binding in scope.imports:
            told += self._import(scope, binding, waiting)
        return told[:5]

    def _import(self, scope, binding, waiting):
        dotted = self._world.absolute(scope, binding.level, binding.module)
        place = "%s:%d" % (source.shown(scope.module.file), binding.line)
        if dotted is None:
            return [_problem("%s imports from beyond its package" % place)]
        module = self._finder.find(dotted)
        if module is None:
            return self._absent(place, dotted)
        if self._finder.is_users(module):
            waiting.append(module)
        wanted = binding.name if binding.kind == "from" else None
        if wanted in (None, "*") or module.kind != SOURCE:
            return []
        if not (self._finder.is_users(module) or self._finder.is_ours(module)):
            return []
        if self._may_have(module, wanted, waiting):
            return []
        near = close(wanted, self._world.all_names(self._world.scope(module)))
        hint = "; did you mean %s?" % near[0] if near else ""
        if dotted == "fabric" and wanted in _FABRIC_2 and self._finder.is_ours(module):
            hint = "; it is written for Fabric 2, and Loom runs modules of Fabric 1"
        return [_problem("%s imports %s from %s, which has none%s" % (place, wanted, dotted, hint))]

    def _may_have(self, module, name, waiting):
        scope = self._world.scope(module)
        if name in scope.bindings or scope.dynamic or scope.redirects or name.startswith("__"):
            return True
        inner = self._finder.find(module.name + "." + name) if module.dirs is not None else None
        if inner is not None:
            waiting.append(inner)
            return True
        things = self._world.member(module, name, ()) if scope.stars else []
        return any(not isinstance(one, Missing) for one in things)

    def _absent(self, place, dotted):
        top = dotted.partition(".")[0]
        around = self._finder.find(dotted.rpartition(".")[0]) if "." in dotted else None
        if self._redirected or self._makes_modules(around):
            return []
        if top in source.GONE and not source.PYTHON2:
            return [_problem(
                "%s imports %s, which only Python 2 has; write `python: python2.7` in the job, or"
                " have 2to3 rewrite it" % (place, top))]
        if top == "fabric" and around is None and not self._finder.find("fabric"):
            return [_problem(
                "%s imports Fabric, which is not installed for this Python; install fab-classic"
                " beside it, or write `bridge: loom`" % place)]
        if top == "fabric" and self._finder.is_ours(self._finder.find("fabric")):
            return [_problem("%s imports %s, which Fabric 1 does not have" % (place, dotted))]
        message = "%s imports %s, which is not found; without it the unit fails" % (place, dotted)
        return [_problem(message, uncertain=True)]

    def _makes_modules(self, module):
        """Whether a module that is there may bring others with it."""
        if module is None:
            return False
        if module.kind != SOURCE:
            return True
        try:
            scope = self._world.scope(module)
        except source.Unreadable:
            return True
        return scope.redirects or scope.dynamic is not None


def _problem(message, uncertain=False):
    return problem("module", message, uncertain=uncertain)

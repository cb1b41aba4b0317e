"""Follows a name through imports and assignments to what it stands for."""

from __future__ import absolute_import

import ast

from loom_bridge.inspect import source
from loom_bridge.inspect.finder import BUILTIN, COMPILED, NAMESPACE
from loom_bridge.inspect.scope import Names, Scope
from loom_bridge.inspect.things import Class, Function, Instance, Missing, Unknown, Value

try:
    import builtins
except ImportError:
    import __builtin__ as builtins

# Further than this no person has followed it either.
DEEPEST = 40
STEPS = 20000

# Decorators whose product takes what the function takes.
_TRANSPARENT = ("task", "hosts", "roles", "parallel", "runs_once", "serial", "with_settings")


class World(object):
    """All modules that can be found, as far as they have been looked at."""

    def __init__(self, finder):
        self.finder = finder
        self._scopes = {}
        self._steps = 0

    def scope(self, module):
        """Raises Unreadable."""
        if module.name not in self._scopes:
            try:
                self._scopes[module.name] = Scope(module)
            except source.Unreadable as error:
                self._scopes[module.name] = error
        found = self._scopes[module.name]
        if isinstance(found, source.Unreadable):
            raise found
        return found

    def absolute(self, scope, level, name):
        """The full name of what a module imports; None where it leads out of its package."""
        if not level:
            beside = scope.module.package
            if source.PYTHON2 and beside and name:
                inner = beside + "." + name
                if self.finder.find(beside + "." + name.partition(".")[0]):
                    return inner
            return name
        parts = scope.module.package.split(".")
        if not scope.module.package or level > len(parts):
            return None
        return ".".join(parts[:len(parts) - level + 1] + ([name] if name else []))

    def follow(self, module, names):
        """What the names stand for, one after the other, beginning in the module: all it can be."""
        self._steps = STEPS
        found = self.member(module, names[0], ())
        for name in names[1:]:
            found = [more for one in found for more in self.attribute(one, name, ())]
        return found

    def member(self, module, name, seen):
        key = (module.name, name)
        self._steps -= 1
        if key in seen or len(seen) > DEEPEST or self._steps < 0:
            return [Unknown("it is defined by way of itself")]
        seen = seen + (key,)
        if module.kind in (BUILTIN, COMPILED):
            what = "built into Python" if module.kind == BUILTIN else "compiled"
            return [Unknown("%s is %s" % (module.name, what))]
        if module.kind == NAMESPACE:
            return self._submodule(module, name) or [
                Missing(name, module, self.finder.siblings(module))]
        scope = self.scope(module)
        bindings = scope.alternatives(name)
        if bindings:
            found = [one for binding in bindings for one in self._binding(scope, binding, seen)]
            there = [one for one in found if not getattr(one, "absent", False)]
            return there or found
        unsure = scope.dynamic
        for star in reversed(scope.stars):
            found = self._star(scope, star, name, seen)
            if isinstance(found, list):
                return found
            unsure = unsure or found
        found = self._submodule(module, name)
        if found:
            return found
        if unsure:
            return [Unknown("whether %s has it shows when it is run: %s" % (
                source.shown(module.file), unsure))]
        return [Missing(name, module, self.all_names(scope))]

    def _star(self, scope, star, name, seen):
        """What it is there; else why that is not known, or None."""
        dotted = self.absolute(scope, star.level, star.module)
        module = self.finder.find(dotted) if dotted else None
        if module is None or module.kind in (BUILTIN, COMPILED):
            return "it imports all of %s, which cannot be read" % (dotted or "its parent",)
        if module.kind == NAMESPACE:
            return None
        try:
            exported = self.scope(module).exports(name)
        except source.Unreadable:
            return "it imports all of %s, which cannot be read" % dotted
        if exported is False:
            return None
        found = self.member(module, name, seen)
        if all(isinstance(one, Missing) for one in found):
            return None
        unknown = [one for one in found if isinstance(one, Unknown) and not one.line]
        return unknown[0].reason if unknown else found

    def _submodule(self, module, name):
        if module.dirs is None:
            return []
        found = self.finder.find(module.name + "." + name)
        return [found] if found is not None else []

    def all_names(self, scope, depth=0):
        """Every public name, for who has mistyped one."""
        names = set(scope.bindings)
        for star in scope.stars if depth < 4 else ():
            dotted = self.absolute(scope, star.level, star.module)
            module = self.finder.find(dotted) if dotted else None
            if module is not None and module.kind == "source":
                try:
                    inner = self.scope(module)
                    names.update(name for name in self.all_names(inner, depth + 1)
                                 if inner.exports(name) is not False)
                except source.Unreadable:
                    pass
        if scope.module.dirs is not None:
            names.update(self.finder.siblings(scope.module))
        return sorted(name for name in names if not name.startswith("_"))

    def _binding(self, scope, binding, seen):
        kind = binding.kind
        if kind == "def":
            plain, task = self.decorated(scope, binding.node)
            return [Function(scope, binding.node, plain, task=task)]
        if kind == "class":
            return [Class(scope, binding.node, not binding.node.decorator_list)]
        if kind == "value":
            return self.evaluate(scope, binding.node, seen)
        if kind == "opaque":
            return [Unknown("its value is made when the module is run", scope, binding.line)]
        dotted = self.absolute(scope, binding.level, binding.module)
        module = self.finder.find(dotted) if dotted else None
        if module is None:
            return [Unknown("it comes from %s, which is not found" % (dotted or "beyond its package"),
                            scope, binding.line, absent=True)]
        if kind == "module":
            return [module]
        if module is scope.module:
            # `from . import web` in a package means the module beside.
            return self._submodule(module, binding.name) or [
                Unknown("it is defined by way of itself", scope, binding.line)]
        try:
            return self.member(module, binding.name, seen)
        except source.Unreadable as error:
            if self.finder.is_users(module):
                raise
            return [Unknown("%s %s" % (error.where(), error.message), scope, binding.line)]

    def decorated(self, scope, node):
        """Whether its decorators leave its parameters alone, and whether one makes it a task."""
        plain, task = True, False
        for decorator in node.decorator_list:
            called = isinstance(decorator, ast.Call)
            name = self.fabric_name(scope, decorator.func if called else decorator)
            if name not in _TRANSPARENT:
                plain = False
            elif name == "task":
                task = True
                if called and any(word.arg == "task_class" for word in decorator.keywords):
                    plain = False
        return plain, task

    def fabric_name(self, scope, node, depth=0):
        """What it is called in Fabric, if it is Fabric's."""
        origin = self.origin(scope, node)
        if origin and origin.partition(".")[0] == "fabric":
            return origin.rpartition(".")[2]
        return None

    def origin(self, scope, node, depth=0):
        """The dotted name by which it was imported, at the end of all detours."""
        if isinstance(node, ast.Attribute):
            base = self.origin(scope, node.value, depth)
            return base + "." + node.attr if base else None
        if not isinstance(node, ast.Name) or depth > 8:
            return None
        return self._origin(scope, node.id, depth)

    def _origin(self, scope, name, depth):
        for binding in reversed(scope.alternatives(name)):
            if binding.kind == "module":
                return self.absolute(scope, 0, binding.module)
            if binding.kind == "from":
                dotted = self.absolute(scope, binding.level, binding.module)
                return self._origin_in(dotted, binding.name, depth) if dotted else None
            if binding.kind == "value":
                return self.origin(scope, binding.node, depth + 1)
            return None
        for star in reversed(scope.stars):
            dotted = self.absolute(scope, star.level, star.module) or ""
            module = self.finder.find(dotted)
            if dotted.partition(".")[0] == "fabric":
                if module is None or module.kind != "source" or self._has(module, name):
                    return dotted + "." + name
            elif module is not None and module.kind == "source":
                found = self._origin_in(dotted, name, depth)
                if found != dotted + "." + name:
                    return found
        return None

    def _has(self, module, name):
        try:
            return name in self.all_names(self.scope(module))
        except source.Unreadable:
            return False

    def _origin_in(self, dotted, name, depth):
        module = self.finder.find(dotted)
        if dotted.partition(".")[0] != "fabric" and module is not None and depth < 8:
            if module.kind == "source":
                try:
                    found = self._origin(self.scope(module), name, depth + 1)
                except source.Unreadable:
                    found = None
                if found:
                    return found
        return dotted + "." + name

    def evaluate(self, scope, node, seen):
        """What an expression is."""
        self._steps -= 1
        if self._steps < 0 or len(seen) > DEEPEST:
            return [Unknown("it is made in too many steps", scope, node.lineno)]
        if isinstance(node, ast.Name):
            if node.id in scope.bindings or scope.stars or not hasattr(builtins, node.id):
                found = self.member(scope.module, node.id, seen)
                if not isinstance(found[0], Missing):
                    return found
            return [Unknown("%s is built into Python" % node.id, scope, node.lineno)]
        if isinstance(node, ast.Attribute):
            bases = self.evaluate(scope, node.value, seen + ((scope.module.name, node),))
            return [one for base in bases for one in self.attribute(base, node.attr, seen)]
        if isinstance(node, ast.Lambda):
            return [Function(scope, node)]
        if isinstance(node, ast.Call):
            return self._call(scope, node, seen)
        if isinstance(node, (ast.IfExp, ast.BoolOp)):
            seen = seen + ((scope.module.name, node),)
            parts = [node.body, node.orelse] if isinstance(node, ast.IfExp) else node.values[:8]
            return [one for part in parts for one in self.evaluate(scope, part, seen)]
        sort = _sort(node)
        if sort:
            return [Value(scope, node.lineno, sort)]
        return [Unknown("its value is made when the module is run", scope, node.lineno)]

    def _call(self, scope, node, seen):
        seen = seen + ((scope.module.name, node),)
        maker = node.func
        if isinstance(maker, ast.Call):
            maker = maker.func
        if self.fabric_name(scope, maker) in _TRANSPARENT and len(node.args) == 1:
            made = self.evaluate(scope, node.args[0], seen)
            named = self.fabric_name(scope, maker) == "task"
            return [Function(one.scope, one.node, one.plain, one.bound, one.task or named)
                    if isinstance(one, Function) else one for one in made]
        made = []
        for one in self.evaluate(scope, node.func, seen):
            if isinstance(one, Class):
                made.append(Instance(scope, node.lineno, one))
            else:
                made.append(Unknown("a call makes it", scope, node.lineno))
        return made

    def attribute(self, thing, name, seen):
        if not isinstance(thing, (Function, Class, Instance, Value, Unknown, Missing)):
            return self.member(thing, name, seen)
        if isinstance(thing, Missing):
            return [thing]
        if isinstance(thing, (Class, Instance)):
            of = thing if isinstance(thing, Class) else thing.of
            found = self.of_class(of, name, bound=isinstance(thing, Instance))
            if found is None:
                return [Missing(name, of, sorted(Names(of.node.body).bindings))]
            return found
        if isinstance(thing, Unknown):
            return [thing]
        return [Unknown("%s is an attribute that is made when the module is run" % name,
                        thing.scope, thing.line)]

    def of_class(self, of, name, bound, depth=0):
        """An attribute of a class; None where it has none, and all of its bases are known."""
        names = Names(of.node.body)
        found = names.alternatives(name)
        if found:
            things = []
            for binding in found:
                if binding.kind == "def":
                    things.append(self._method(of, binding.node, bound))
                else:
                    things += self._binding(of.scope, binding, ((of.scope.module.name, name),))
            return things
        unknown = None
        if not of.plain or depth > 10:
            unknown = Unknown("%s is more than its source shows" % of.node.name,
                              of.scope, of.node.lineno)
        if depth > 10:
            # A class may be its own base, in a module that cannot be imported.
            return [unknown]
        for base in of.node.bases:
            if isinstance(base, ast.Name) and base.id == "object":
                continue
            for one in self.evaluate(of.scope, base, ()):
                if isinstance(one, Class):
                    found = self.of_class(one, name, bound, depth + 1)
                    if found is not None:
                        return found
                else:
                    unknown = Unknown("it may come from a base of %s" % of.node.name,
                                      of.scope, of.node.lineno)
        if "__getattr__" in names.bindings:
            unknown = Unknown("%s has a __getattr__" % of.node.name, of.scope, of.node.lineno)
        return [unknown] if unknown else None

    def _method(self, of, node, bound):
        plain, static = True, False
        for decorator in node.decorator_list:
            kind = getattr(decorator, "id", None)
            if kind == "staticmethod":
                static = True
            elif kind == "classmethod":
                bound = True
            else:
                plain = self.fabric_name(of.scope, getattr(decorator, "func", decorator)) in (
                    _TRANSPARENT) and plain
        return Function(of.scope, node, plain, bound and not static)

    def is_task_class(self, of, depth=0):
        """Whether it is derived from Fabric's Task."""
        for base in of.node.bases:
            if self.fabric_name(of.scope, base) in ("Task", "WrappedCallableTask"):
                return True
            if depth < 10:
                for one in self.evaluate(of.scope, base, ()):
                    if isinstance(one, Class) and self.is_task_class(one, depth + 1):
                        return True
        return False


def _sort(node):
    """What a literal is called."""
    value = getattr(node, "value", None) if type(node).__name__ == "Constant" else None
    if value is not None or type(node).__name__ in ("Num", "Str", "Bytes"):
        if isinstance(value, bool):
            return "a boolean"
        if isinstance(value, (int, float, complex)) or type(node).__name__ == "Num":
            return "a number"
        if value is Ellipsis:
            return "an ellipsis"
        return "a string"
    if type(node).__name__ == "Constant":
        return "None"
    if isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Name):
        return _sort(node.operand) if isinstance(
            getattr(node.operand, "value", 0), (int, float)) else None
    return {
        "Dict": "a dict", "DictComp": "a dict", "List": "a list", "ListComp": "a list",
        "Tuple": "a tuple", "Set": "a set", "SetComp": "a set", "JoinedStr": "a string",
        "GeneratorExp": "a generator", "NameConstant": "a constant",
    }.get(type(node).__name__)

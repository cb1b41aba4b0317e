"""What a callable takes, and whether a call has it."""

from __future__ import absolute_import

import ast

from loom_bridge.inspect import source
from loom_bridge.inspect.problems import problem
from loom_bridge.inspect.scope import docstring
from loom_bridge.inspect.things import Class, Function, Instance

# Longer defaults are cut.
LONGEST = 200


def found(task, scope, line, params, doc):
    """A task that is there."""
    return {"task": source.shown(task), "file": source.shown(scope.module.file), "line": line,
            "params": params, "doc": doc}


def signature(world, thing):
    """What it takes; None if it cannot be called at all."""
    if isinstance(thing, Function):
        body = thing.node.body if not isinstance(thing.node, ast.Lambda) else []
        doc = docstring(body)
        return Signature(thing, doc) if thing.plain else Hidden(doc)
    if isinstance(thing, Class):
        doc = docstring(thing.node.body)
        inits = world.of_class(thing, "__init__", bound=True)
        if inits is None and thing.plain:
            return Nothing(doc)
        return _one(inits, doc)
    assert isinstance(thing, Instance)
    doc = docstring(thing.of.node.body)
    if world.is_task_class(thing.of):
        runs = world.of_class(thing.of, "run", bound=True)
        return _one(runs, doc) if runs is not None else Hidden(doc)
    calls = world.of_class(thing.of, "__call__", bound=True)
    return None if calls is None else _one(calls, doc)


def _one(things, doc):
    if things and len(things) == 1 and isinstance(things[0], Function) and things[0].plain:
        own = docstring(getattr(things[0].node, "body", [])) if not isinstance(
            things[0].node, ast.Lambda) else None
        return Signature(things[0], doc or own)
    return Hidden(doc)


class Hidden(object):
    """What it takes does not show."""

    def __init__(self, doc):
        self.doc = doc

    def params(self):
        return None

    def problems(self, task, call):
        return []


class Signature(Hidden):
    def __init__(self, function, doc):
        Hidden.__init__(self, doc)
        arguments = function.node.args
        scope = function.scope
        before = [_name(one) for one in getattr(arguments, "posonlyargs", [])]
        names = before + [_name(one) for one in arguments.args]
        defaults = [_text(scope, node) for node in arguments.defaults]
        self.places = list(zip(names, [None] * (len(names) - len(defaults)) + defaults))
        self.unnamed = set(before)
        self.rest = _name(arguments.vararg)
        self.more = _name(arguments.kwarg)
        self.only = [(_name(one), None if default is None else _text(scope, default)) for one, default
                     in zip(getattr(arguments, "kwonlyargs", []),
                            getattr(arguments, "kw_defaults", []))]
        if function.bound:
            if self.places:
                del self.places[0]
            # Else it is among the rest.

    def params(self):
        shown = [{"name": name, "default": default} for name, default in self.places]
        if self.rest:
            shown.append({"name": "*" + self.rest, "default": None})
        elif self.only:
            shown.append({"name": "*", "default": None})
        shown += [{"name": name, "default": default} for name, default in self.only]
        if self.more:
            shown.append({"name": "**" + self.more, "default": None})
        return shown

    def problems(self, task, call):
        told = []
        task = source.shown(task)
        given, named = call["args"], [source.native(name) for name in call["kwargs"]]
        by_place = [name for name, _ in self.places]
        by_name = [name for name in by_place if name not in self.unnamed]
        by_name += [name for name, _ in self.only]
        if given > len(by_place) and not self.rest:
            told.append(problem({"arg": len(by_place)}, _too_many(task, by_place, given, self.only)))
        filled = set(by_place[:given])
        for name in named:
            about = {"kwarg": source.shown(name)}
            if name in filled and name not in self.unnamed:
                told.append(problem(about, (
                    "%s() is given `%s` twice: by its place in args and by name" % (task, name))))
            elif name in by_name or self.more:
                filled.add(name)
            else:
                told.append(problem(about, _no_such(task, source.shown(name), by_name)))
        missing = [name for name, default in self.places + self.only
                   if default is None and name not in filled]
        if missing:
            # One that was mistyped is told there.
            unknown = len([one for one in told if "kwarg" in one["about"]])
            if not unknown or len(missing) > unknown:
                told.append(problem("task", "%s() needs %s" % (
                    task, " and ".join("`%s`" % name for name in missing))))
        return told


class Nothing(Signature):
    """A class without an `__init__`: it takes no arguments."""

    def __init__(self, doc):
        Hidden.__init__(self, doc)
        self.places, self.only, self.unnamed = [], [], set()
        self.rest = self.more = None


def _too_many(task, places, given, only):
    if not places:
        takes = "no argument by place"
    else:
        takes = "one argument" if len(places) == 1 else "at most %d arguments" % len(places)
        takes += " by place"
    message = "%s() takes %s, and args has %d" % (task, takes, given)
    return message + "; name the others in kwargs" if only else message


def _no_such(task, name, known):
    import difflib
    message = "%s() has no parameter `%s`" % (task, name)
    near = difflib.get_close_matches(name, known, 1, 0.6) if len(name) <= 60 else []
    if near:
        return message + "; did you mean `%s`?" % near[0]
    return message + ("; it takes %s" % ", ".join(known) if known else "; it takes none by name")


def _name(node):
    """Of a parameter; in Python 2 one may be a tuple."""
    if node is None or isinstance(node, str):
        return node
    name = getattr(node, "arg", getattr(node, "id", None))
    return source.shown(name) if name is not None else "(...)"


def _text(scope, node):
    """An expression as it is written; in older Pythons, which do not know its end, as far as it is a
    simple one."""
    end = getattr(node, "end_col_offset", None)
    if end is not None and node.end_lineno == node.lineno:
        line = scope.data.splitlines()[node.lineno - 1]
        text = line[node.col_offset:end].decode("utf-8", "replace")
    else:
        text = _written(node)
    return text if len(text) <= LONGEST else text[:LONGEST - 3] + "..."


def _written(node):
    kind = type(node).__name__
    if kind == "Name":
        return source.shown(node.id)
    if kind == "Attribute":
        return "%s.%s" % (_written(node.value), source.shown(node.attr))
    if kind == "UnaryOp" and isinstance(node.op, ast.USub):
        return "-" + _written(node.operand)
    for sort, around in (("Tuple", "()"), ("List", "[]")):
        if kind == sort and len(node.elts) <= 10:
            inner = ", ".join(_written(one) for one in node.elts)
            return around[0] + inner + ("," if around == "()" and len(node.elts) == 1 else "") + around[1]
    if kind == "Dict" and not node.keys:
        return "{}"
    for attribute in ("value", "s", "n"):
        value = getattr(node, attribute, ast)
        if value is None or isinstance(value, (bool, int, float, str, bytes, type(u""))):
            return source.shown(repr(value))
    return "..."

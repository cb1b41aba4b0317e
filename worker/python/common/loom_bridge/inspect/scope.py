"""What a module's source says of the names in it, without following any of them."""

from __future__ import absolute_import

import ast

from loom_bridge.inspect import source

_TRY = tuple(getattr(ast, name) for name in ("Try", "TryStar", "TryExcept", "TryFinally")
             if hasattr(ast, name))
_DEFS = tuple(getattr(ast, name) for name in ("FunctionDef", "AsyncFunctionDef")
              if hasattr(ast, name))
_LOOPS = tuple(getattr(ast, name) for name in ("If", "For", "AsyncFor", "While")
               if hasattr(ast, name))
_WITHS = tuple(getattr(ast, name) for name in ("With", "AsyncWith") if hasattr(ast, name))

# Whoever calls these may make names of them.
_MAKERS = ("globals", "execfile", "exec")


class Binding(object):
    """One place that gives a name its value: "def", "class", "value", "module", "from" or "opaque".
    It is `sure` where nothing decides whether it is reached."""

    def __init__(self, kind, line, sure, node=None, module=None, level=0, name=None):
        self.kind = kind
        self.line = line
        self.sure = sure
        self.node = node
        self.module = module
        self.level = level
        self.name = name


class Names(object):
    """The names of a module or of a class, by their bindings in the order of the source."""

    def __init__(self, body):
        self.bindings = {}
        # The modules of which all is imported, as bindings.
        self.stars = []
        # The bindings of what is imported whatever happens.
        self.imports = []
        self._statements(body)

    def alternatives(self, name):
        """From the last that is sure on: which of them it was, the source does not tell."""
        found = self.bindings.get(name, [])
        sure = [at for at, binding in enumerate(found) if binding.sure]
        return found[sure[-1]:] if sure else found

    def _add(self, name, binding):
        self.bindings.setdefault(name, []).append(binding)

    def _statements(self, body):
        # A list instead of recursion: an `elif` chain is as deep as it is long.
        waiting = [(statement, True) for statement in reversed(body)]
        while waiting:
            statement, sure = waiting.pop()
            inner = []
            if isinstance(statement, _DEFS):
                self._add(statement.name, Binding("def", statement.lineno, sure, statement))
            elif isinstance(statement, ast.ClassDef):
                self._add(statement.name, Binding("class", statement.lineno, sure, statement))
            elif isinstance(statement, ast.Import):
                self._import(statement, sure)
            elif isinstance(statement, ast.ImportFrom):
                self._import_from(statement, sure)
            elif isinstance(statement, ast.Assign):
                for target in statement.targets:
                    self._assign(target, statement.value, sure)
            elif type(statement).__name__ == "AnnAssign":
                if statement.value is not None:
                    self._assign(statement.target, statement.value, sure)
            elif isinstance(statement, ast.Delete):
                for target in statement.targets:
                    if sure and isinstance(target, ast.Name):
                        self.bindings.pop(target.id, None)
            elif isinstance(statement, _LOOPS):
                if hasattr(statement, "target"):
                    self._assign(statement.target, None, False)
                inner = [(one, False) for one in statement.body + statement.orelse]
            elif isinstance(statement, _WITHS):
                for item in getattr(statement, "items", [statement]):
                    if item.optional_vars is not None:
                        self._assign(item.optional_vars, None, sure)
                inner = [(one, sure) for one in statement.body]
            elif isinstance(statement, _TRY):
                inner = [(one, False) for one in statement.body]
                for handler in getattr(statement, "handlers", []):
                    inner += [(one, False) for one in handler.body]
                inner += [(one, False) for one in getattr(statement, "orelse", [])]
                inner += [(one, sure) for one in getattr(statement, "finalbody", [])]
            elif type(statement).__name__ == "Match":
                for case in statement.cases:
                    inner += [(one, False) for one in case.body]
            waiting += reversed(inner)

    def _import(self, statement, sure):
        for alias in statement.names:
            if alias.asname:
                binding = Binding("module", statement.lineno, sure, module=alias.name)
                self._add(alias.asname, binding)
            else:
                binding = Binding("module", statement.lineno, sure,
                                  module=alias.name.partition(".")[0])
                self._add(binding.module, binding)
                binding = Binding("module", statement.lineno, sure, module=alias.name)
            if sure:
                self.imports.append(binding)

    def _import_from(self, statement, sure):
        for alias in statement.names:
            binding = Binding("from", statement.lineno, sure, module=statement.module,
                              level=statement.level or 0, name=alias.name)
            if alias.name == "*":
                self.stars.append(binding)
            else:
                self._add(alias.asname or alias.name, binding)
            if sure:
                self.imports.append(binding)

    def _assign(self, target, value, sure):
        if isinstance(target, ast.Name):
            kind = "opaque" if value is None else "value"
            self._add(target.id, Binding(kind, target.lineno, sure, value))
        elif isinstance(target, (ast.Tuple, ast.List)):
            parts = getattr(value, "elts", None)
            if parts is None or len(parts) != len(target.elts):
                parts = [None] * len(target.elts)
            for inner, part in zip(target.elts, parts):
                self._assign(inner, part, sure)
        elif type(target).__name__ == "Starred":
            self._assign(target.value, None, sure)


class Scope(Names):
    """The source of a module."""

    def __init__(self, module):
        self.module = module
        self.data = source.read(module.file)
        tree = source.parse(module.file, self.data)
        Names.__init__(self, tree.body)
        self.doc = docstring(tree.body)
        # Why there may be names that the source does not show, or None.
        self.dynamic = None
        # Whether it has a say in where modules are found.
        self.redirects = False
        self._survey(tree)
        self.all = self._all()

    def _survey(self, tree):
        if "__getattr__" in self.bindings:
            self.dynamic = "it has a __getattr__"
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                if node.attr in ("path", "meta_path", "path_hooks", "modules"):
                    if isinstance(node.value, ast.Name) and node.value.id == "sys":
                        self.redirects = True
                        if node.attr == "modules":
                            self.dynamic = self.dynamic or "it works on sys.modules"
                elif node.attr in ("addsitedir", "import_module"):
                    self.redirects = True
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.RShift):
                if _is_print(node.left) and "print" not in self.bindings:
                    # Python 3 reads it, and fails when it gets there.
                    raise source.Unreadable(
                        self.module.file, node.lineno, source.ONLY_2 % "a print statement")
            elif isinstance(node, ast.Name) and node.id in ("__path__", "__import__"):
                self.redirects = True
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in _MAKERS:
                    self.dynamic = self.dynamic or "it calls %s()" % node.func.id
            elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
                if getattr(getattr(node.value, "func", None), "id", None) in ("locals", "vars"):
                    self.dynamic = self.dynamic or "it writes to %s()" % node.value.func.id
            elif type(node).__name__ == "Exec":
                self.dynamic = self.dynamic or "it uses exec"
            elif isinstance(node, ast.Global):
                for name in node.names:
                    if name not in self.bindings:
                        self._add(name, Binding("opaque", node.lineno, False))
            elif isinstance(node, ast.ImportFrom) and node.module == "sys":
                self.redirects = True

    def _all(self):
        """What `import *` takes; None where that is every public name, "?" where it is not known."""
        found = self.bindings.get("__all__")
        if found is None:
            return None
        names = []
        for binding in found:
            for part in getattr(binding.node, "elts", [None]):
                text = getattr(part, "s", None) if not hasattr(part, "value") else part.value
                if not isinstance(text, type("")):
                    return "?"
                names.append(text)
        return names

    def line(self, node):
        """Of a definition: older Pythons give its first decorator's."""
        decorators = getattr(node, "decorator_list", [])
        if not decorators or node.lineno > decorators[-1].lineno:
            return node.lineno
        lines = self.data.splitlines()
        for number in range(node.lineno, min(node.body[0].lineno, len(lines)) + 1):
            if lines[number - 1].lstrip().startswith((b"def ", b"class ", b"async ")):
                return number
        return node.lineno

    def exports(self, name):
        """Whether `import *` takes it: True, False or None, which is perhaps."""
        if self.all == "?":
            return None
        return name in self.all if self.all is not None else not name.startswith("_")


def _is_print(node):
    return not source.PYTHON2 and getattr(node, "id", None) == "print"


def docstring(body):
    """Without the indentation of its lines."""
    first = body[0] if body else None
    value = first.value if isinstance(first, ast.Expr) else None
    text = getattr(value, "value", getattr(value, "s", None))
    if isinstance(text, bytes) and source.PYTHON2:
        text = text.decode("utf-8", "replace")
    if not isinstance(text, type(u"")):
        return None
    lines = text.expandtabs()[:100000].split("\n")
    rest = [len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()]
    indent = min(rest) if rest else 0
    lines = [lines[0].strip()] + [line[indent:].rstrip() for line in lines[1:]]
    return "\n".join(lines).strip("\n") or None

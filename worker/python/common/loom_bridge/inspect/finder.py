"""Where modules are: what `import` would find, step by step and without importing anything."""

from __future__ import absolute_import

import os
import sys

PYTHON2 = sys.version_info < (3,)

# What a module is made of.
SOURCE, COMPILED, BUILTIN, NAMESPACE = "source", "compiled", "builtin", "namespace"

# What the code in a .pth file, or its name, speaks of if it lets more modules be found.
TELLING = ("editable", "nspkg", "sys.path", "meta_path", "path_hooks", "addsitedir", "install(")


def _suffixes():
    try:
        from importlib.machinery import EXTENSION_SUFFIXES
        return list(EXTENSION_SUFFIXES)
    except ImportError:
        return [".so", "module.so"]


class Module(object):
    """A module that could be imported. `dirs`: where its submodules are; None for no package."""

    def __init__(self, name, kind, path, dirs):
        self.name = name
        self.kind = kind
        self.file = path
        self.dirs = dirs

    @property
    def package(self):
        """What relative imports in it are relative to."""
        return self.name if self.dirs is not None else self.name.rpartition(".")[0]


class Finder(object):
    def __init__(self, root, bridge, path):
        self.ours = [os.path.join(root, "common")]
        if bridge == "loom":
            self.ours.append(os.path.join(root, "fabric1"))
        self.user = path
        # The first is our own.
        self._standard = sys.path[1:]
        self._late = None
        # Whether something is run at the start that may know more modules.
        self.hooked = False
        self._known = {}
        self._kinds = [(suffix, COMPILED) for suffix in _suffixes()]
        self._kinds += [(".py", SOURCE), (".pyc", COMPILED)]

    def find(self, dotted):
        """The module of this name, or None. None too where one around it is no package."""
        if dotted not in self._known:
            self._known[dotted] = self._find(dotted)
        return self._known[dotted]

    def _find(self, dotted):
        parent, _, last = dotted.rpartition(".")
        if parent:
            around = self.find(parent)
            if around is None or around.dirs is None:
                return None
            return self._search(dotted, last, around.dirs)
        if dotted in sys.builtin_module_names:
            return Module(dotted, BUILTIN, None, None)
        return self._search(dotted, last, self.ours + self.user + self._standard) or self._search(
            dotted, last, self.late())

    def _search(self, dotted, last, directories):
        portions = []
        for directory in directories:
            found = self._look(dotted, os.path.join(directory, last))
            if found is not None and found.kind == NAMESPACE:
                portions += found.dirs
            elif found is not None:
                return self._extended(found)
        return Module(dotted, NAMESPACE, None, portions) if portions else None

    def _look(self, dotted, base):
        if os.path.isdir(base):
            for suffix, kind in self._kinds:
                path = os.path.join(base, "__init__" + suffix)
                if os.path.isfile(path):
                    return Module(dotted, kind, path, [base])
        for suffix, kind in self._kinds:
            if os.path.isfile(base + suffix):
                return Module(dotted, kind, base + suffix, None)
        if not PYTHON2 and os.path.isdir(base):
            return Module(dotted, NAMESPACE, None, [base])
        return None

    def _extended(self, module):
        """Our `loom` lets the user's lie beside it."""
        if module.name == "loom" and self.is_ours(module):
            module.dirs = module.dirs + [
                os.path.join(directory, "loom") for directory in self.user + self._standard]
        return module

    def is_ours(self, module):
        return _below(module.file, self.ours)

    def is_users(self, module):
        return _below(module.file, self.user)

    def siblings(self, package):
        """The names of the modules below this package, or of all that are on the user's path."""
        found = set()
        for directory in self.user + self.ours if package is None else package.dirs or []:
            for name in entries(directory):
                base, suffix = os.path.splitext(name)
                path = os.path.join(directory, name)
                if suffix in (".py", ".so") and os.path.isfile(path):
                    found.add(base.partition(".")[0])
                elif not suffix and os.path.isdir(path) and is_name(name):
                    found.add(name)
        found.discard("__init__")
        found.discard("__pycache__")
        return sorted(found)

    def late(self):
        """What `site` would add to the path. The lines of .pth files that are code are not run."""
        if self._late is None:
            self._late = []
            for directory in _site_directories():
                if os.path.isdir(directory) and directory not in self._late:
                    self._late.append(directory)
                    self._read_pth_files(directory)
        return self._late

    def _read_pth_files(self, directory):
        for name in entries(directory):
            path = os.path.join(directory, name)
            if not name.endswith(".pth") or not os.path.isfile(path):
                continue
            for line in _lines(path):
                if line.startswith(("import ", "import\t")):
                    self.hooked = self.hooked or any(word in name + line for word in TELLING)
                    continue
                more = os.path.join(directory, line)
                if line and not line.startswith("#") and os.path.exists(more):
                    if more not in self._late:
                        self._late.append(more)


def _lines(path):
    from loom_bridge.inspect import source
    try:
        data = source.read(path, 1 << 20)
    except source.Unreadable:
        return []
    return [source.decoded(line).strip() for line in data.splitlines()]


def _below(path, directories):
    return path is not None and any(
        path.startswith(directory.rstrip("/") + "/") for directory in directories)


def entries(directory):
    """The names in a directory, sorted; none if it cannot be read."""
    try:
        return sorted(os.listdir(directory))[:20000]
    except (OSError, ValueError):
        return []


def is_name(text):
    """Whether it can stand between the dots of a path."""
    import keyword
    if keyword.iskeyword(text):
        return False
    if hasattr(text, "isidentifier"):
        return text.isidentifier()
    import re
    return re.match(r"[A-Za-z_][A-Za-z_0-9]*\Z", text) is not None


def _site_directories():
    prefixes, user = _prefixes()
    if PYTHON2:
        # To import 2.7's site is to have it work.
        version = "python%d.%d" % sys.version_info[:2]
        found = [os.path.join(os.path.expanduser("~"), ".local/lib", version, "site-packages")]
        for prefix in prefixes:
            for lib in ("local/lib", "lib"):
                for packages in ("dist-packages", "site-packages"):
                    found.append(os.path.join(prefix, lib, version, packages))
        return found
    import site
    found = []
    if user and site.check_enableusersite():
        found.append(site.getusersitepackages())
    was = sys.prefix, sys.exec_prefix
    try:
        # Debian's looks at it, to tell a virtual environment.
        sys.prefix = sys.exec_prefix = prefixes[0]
        found += site.getsitepackages(prefixes)
    finally:
        sys.prefix, sys.exec_prefix = was
    return found


def _prefixes():
    """Of the virtual environment this is, if it is one; and whether the user's own packages count."""
    beside = os.path.dirname(os.path.abspath(sys.executable))
    for directory in (beside, os.path.dirname(beside)):
        path = os.path.join(directory, "pyvenv.cfg")
        if os.path.isfile(path):
            words = [line.lower().replace(" ", "") for line in _lines(path)]
            home = os.path.dirname(beside)
            if "include-system-site-packages=true" in words:
                return [home, sys.prefix], True
            return [home], False
    if sys.prefix == sys.exec_prefix:
        return [sys.prefix], True
    return [sys.prefix, sys.exec_prefix], True

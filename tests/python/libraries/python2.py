"""Lets libraries that were written for Python 2 run on 3.

It is the same for either bridge. What a library expects of the language is put in place, and where
that cannot be done from outside, its source is read with the words changed that stand in CHANGED;
the files stay as they were published. fab-classic has renamed a class inside Fabric that they use;
it is given its old name again.
"""

import builtins
import importlib.abc
import importlib.machinery
import sys
import types

# What Python 3 does not read, or reads as something else.
CHANGED = [
    (b"oct(0666 & ~int(umask(use_sudo=True), base=8))",
     b"'0%o' % (0o666 & ~int(umask(use_sudo=True), base=8))"),
    (b"& 07777", b"& 0o7777"),
    (b".iteritems()", b".items()"),
    (b"return res.values()[0]", b"return list(res.values())[0]"),
    (b"return map(", b"return list_of("),
    # Text and bytes were the same.
    (b"os.write(fd, content)", b"os.write(fd, content.encode() if isinstance(content, str) else content)"),
    (b"stderr=subprocess.PIPE, cwd=lcwd", b"stderr=subprocess.PIPE, cwd=lcwd, universal_newlines=True"),
]


class Loader(importlib.machinery.SourceFileLoader):
    def source_to_code(self, data, path, **how):
        for was, is_now in CHANGED:
            data = data.replace(was, is_now)
        return super().source_to_code(data, path, **how)

    def set_data(self, *_, **__):
        """No bytecode: it would be taken for that of the source as it is."""

    def get_data(self, path):
        if path.endswith(".pyc"):
            raise OSError(path)
        return super().get_data(path)


class Finder(importlib.abc.MetaPathFinder):
    def __init__(self, names):
        self._names = names

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in self._names:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


def install(*names):
    """For the libraries of these names, before they are imported."""
    builtins.unicode = builtins.basestring = str
    builtins.file = open
    builtins.list_of = lambda *given: list(map(*given))
    _modules()
    _inside_fabric()
    sys.meta_path.insert(0, Finder(names))


def of_text(module):
    """A module for cuisine in the place of hashlib or base64: it takes text, and gives text."""
    def adapted(function):
        def call(first=b"", *more):
            first = first.encode() if isinstance(first, str) else first
            given = function(first, *more)
            return given.decode() if isinstance(given, bytes) else given
        return call
    names = ("md5", "sha256", "b64encode", "b64decode")
    return types.SimpleNamespace(
        **{name: adapted(getattr(module, name)) for name in names if hasattr(module, name)})


def _modules():
    """Those that have moved, or are gone from newer versions."""
    import shlex
    import urllib.parse
    sys.modules["urlparse"] = urllib.parse
    _module("pipes", quote=shlex.quote)
    # The same for the same word, unlike the real one.
    _module("crypt", crypt=lambda word, salt: "$1$fixed$" + "".join(reversed(word)))
    _module("distutils")
    _module("distutils.version", StrictVersion=StrictVersion)


def _inside_fabric():
    import fabric.operations
    if not hasattr(fabric.operations, "_AttributeString"):
        class _AttributeString(str):
            stdout = property(str)
        fabric.operations._AttributeString = _AttributeString


def _module(name, **holds):
    module = types.ModuleType(name)
    module.__dict__.update(holds)
    sys.modules[name] = module


class StrictVersion(object):
    def __init__(self, text):
        self._parts = tuple(int(part) for part in text.split("."))

    def __lt__(self, other):
        return self._parts < other._parts

    def __ge__(self, other):
        return self._parts >= other._parts

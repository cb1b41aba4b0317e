"""Where modules are found, and how a dotted path becomes what it names."""

import sys


def set_path(root, bridge, directories):
    """Ours first, the user's, and then the interpreter's own."""
    ours = [root + "/common"]
    if bridge == "loom":
        ours.append(root + "/fabric1")
    # The first is the directory of the script that was started.
    sys.path[:] = ours + list(directories) + sys.path[1:]
    sys.meta_path.append(LateSite())


class LateSite(object):
    """The last finder: what nobody has found may be known to `site`, which costs more than all the
    rest of the start and was therefore left out. Once it was asked it is not asked again."""

    def __init__(self):
        self._asked = False

    def _ask(self):
        if self._asked:
            return False
        self._asked = True
        before = list(sys.path)
        import site
        site.main()
        return sys.path != before or None

    def find_spec(self, name, path=None, target=None):
        if path is not None or not self._ask():
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find and finder is not self else None
            if spec is not None:
                return spec
        return None

    # Python 2's name for it.
    def find_module(self, name, path=None):
        if sys.version_info >= (3,) or path is not None or not self._ask():
            return None
        import imp
        try:
            self._found = imp.find_module(name)
        except ImportError:
            return None
        return self

    def load_module(self, name):
        import imp
        if name in sys.modules:
            return sys.modules[name]
        found, where, how = self._found
        try:
            return imp.load_module(name, found, where, how)
        finally:
            if found:
                found.close()


class NotThere(Exception):
    """Nothing has this path."""


def find(dotted):
    """Imports what has to be imported and returns what the path names."""
    names = dotted.split(".")
    for length in range(len(names) - 1, 0, -1):
        name = ".".join(names[:length])
        try:
            __import__(name)
        except ImportError as error:
            if _misses(error, name):
                continue
            raise
        found = sys.modules[name]
        for rest in names[length:]:
            try:
                found = getattr(found, rest)
            except AttributeError:
                raise NotThere("%s has no %s" % (_place(name), rest))
        return found
    raise NotThere("there is no module %s in %s" % (names[0], ", ".join(sys.path)))


def _misses(error, name):
    """Whether it is this very module, or one around it, that is not there."""
    missing = getattr(error, "name", None)
    if missing is None:
        missing = str(error).replace("No module named ", "").strip("'")
        return name == missing or name.endswith("." + missing)
    return name == missing or name.startswith(missing + ".")


def _place(name):
    where = getattr(sys.modules[name], "__file__", None)
    return "%s (%s)" % (name, where) if where else name

"""Where modules are found, and how a dotted path becomes what it names."""

import os
import sys


def set_path(root, bridge, directories):
    """Ours first, the user's, and then the interpreter's own."""
    ours = [root + "/common"]
    if bridge == "loom":
        ours.append(root + "/fabric1")
    # The first is the directory of the script that was started.
    sys.path[:] = ours + list(directories) + sys.path[1:]
    sys.meta_path.append(LateSite())


def compile_ours(root):
    """Before 3.8 there is one place only for the compiled form, beside the source. Ours is welcome
    there, and all of it is made at once; the user's is not."""
    once = "%s/compiled-%d.%d" % ((root,) + sys.version_info[:2])
    if not os.path.exists(once):
        import compileall
        compileall.compile_dir(root, quiet=2)
        open(once, "w").close()
    sys.dont_write_bytecode = True


def name_exit():
    """What `site` defines for everybody, and many a task ends with."""
    try:
        import builtins
    except ImportError:
        import __builtin__ as builtins

    def exit(code=None):
        raise SystemExit(code)

    builtins.exit = builtins.quit = exit


class LateSite(object):
    """The last finder: what nobody has found may be known to `site`, which costs more than all the
    rest of the start and was therefore left out. Once it was asked it is not asked again."""

    def __init__(self):
        self._asked = False
        if sys.version_info < (3,):
            # To import it later would ask this very finder.
            import imp
            self._looked_for = imp.find_module

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

    # Python 2 asks it first, and looks along the path afterwards.
    def find_module(self, name, path=None):
        if sys.version_info < (3,) and path is None and not self._asked:
            try:
                found = self._looked_for(name)[0]
            except ImportError:
                self._ask()
            else:
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

"""Calls the unit's task, and says how it went."""

import sys

from loom_bridge import modules
from loom_bridge.value import TEXT

NOTHING = "No output returned."
# In characters; the worker cuts it again, in bytes, and says that it did.
LONGEST = 8192


def run(unit):
    """How the task went: what the channel's last word is made of."""
    try:
        if unit["bridge"] == "loom":
            # A module may read it while it is imported.
            __import__("fabric.state")
            prepare(unit)
        task = modules.find(unit["task"])
        if not callable(task):
            # An instance of one of Fabric's classes of tasks.
            task = getattr(task, "run", task)
        if not callable(task):
            return _raised("%s is %r, which cannot be called" % (unit["task"], task))
        prepare(unit, True)
        result = task(*unit["args"], **unit["kwargs"])
        return {"end": "returned", "result": NOTHING if result is None else _text(result)}
    except SystemExit as end:
        return _exited(end)
    except modules.NotThere as error:
        return _raised(str(error))
    except KeyboardInterrupt:
        return _raised("interrupted")
    except BaseException:
        return _raised(_traceback(unit))


def prepare(unit, begins=False):
    """Makes the unit's node the one that Fabric works on; a module may have assigned to `env`
    while it was imported."""
    if "fabric.state" in sys.modules:
        from loom_bridge import node
        env = sys.modules["fabric.state"].env
        node.enter(unit, env)
        if begins:
            node.begin(unit, env)


def _exited(end):
    """As the interpreter itself understands it: no code is 0, text is 1 and is said."""
    if end.code is None:
        return {"end": "exited", "exit": 0}
    if isinstance(end.code, int):
        # What Fabric's abort() says is more than its code, which is what Python 2 has there.
        said = getattr(end, "message", None) if end.code else None
        detail = _on_one_line(said) if said and isinstance(said, (str, TEXT)) else None
        return {"end": "exited", "exit": end.code & 0xFF, "detail": detail and _text(detail)}
    sys.stderr.write("%s\n" % (end.code,))
    return {"end": "exited", "exit": 1, "detail": _on_one_line(_text(end.code))}


def _raised(detail):
    return {"end": "raised", "detail": _text(detail)}


def _traceback(unit):
    """Prints it, from the task's own frames on; returns what it says last, on one line."""
    import traceback
    kind, error, frames = sys.exc_info()
    ours = unit["root"] + "/"
    while frames.tb_next and frames.tb_frame.f_code.co_filename.startswith(ours):
        frames = frames.tb_next
    traceback.print_exception(kind, error, frames)
    return _on_one_line(traceback.format_exception_only(kind, error)[-1])


def _on_one_line(text):
    """A reason stands in tables, where an end of line would show as an escape."""
    return " ".join(line.strip() for line in text.splitlines() if line.strip())


def _text(value):
    """Of what is long no more than the worker keeps."""
    try:
        text = (value if isinstance(value, (str, TEXT)) else str(value))[:LONGEST]
    except Exception as error:
        text = "<a %s, which cannot be shown: %s>" % (type(value).__name__, type(error).__name__)
    # Python 2's, which may be anything.
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text

"""One unit, from the inherited channel to the last word on it."""

import gc
import os
import sys

from loom_bridge import call, channel, modules


def main():
    own = os.getpid()
    # What they are for is done, and what the task starts has its own.
    for name in ("PYTHONIOENCODING", "PYTHONPYCACHEPREFIX"):
        os.environ.pop(name, None)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
    line = channel.open_inherited()
    unit = line.unit()
    unit["channel"] = line
    del sys.path[1]
    modules.set_path(unit["root"], unit["bridge"], unit["path"])
    if sys.version_info < (3, 8):
        modules.compile_ours(unit["root"])
    modules.name_exit()
    sys.argv[:] = [unit["task"]]
    import loom_bridge
    loom_bridge.unit = unit
    if hasattr(gc, "freeze"):
        # What is here by now stays: no collection need look at it, not even the last ones.
        gc.freeze()
    how = call.run(unit)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (IOError, ValueError):
            pass
    # A process that the task has forked off, and that ends as the task would, has no say.
    if os.getpid() == own:
        line.done(how)

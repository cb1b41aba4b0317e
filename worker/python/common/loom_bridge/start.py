"""Runs one unit: started by the worker, with the channel as standard input."""

import os
import sys

# Until the unit says more: this file is in common/loom_bridge.
sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from loom_bridge import call, channel, modules  # noqa: E402


def main():
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
    if sys.version_info < (3, 8) and unit["bridge"] == "loom":
        # These know one place only for the compiled form: beside the source. Ours is welcome there.
        __import__("fabric.api")
        sys.dont_write_bytecode = True
    sys.argv[:] = [unit["task"]]
    import loom_bridge
    loom_bridge.unit = unit
    how = call.run(unit)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (IOError, ValueError):
            pass
    line.done(how)


main()

"""Runs one unit: started by the worker, with the channel as standard input. As little as can be: a
script is compiled each time it is started, a module once."""

import sys

# Until the unit says more: the directory around this one.
sys.path.insert(1, __file__[:-len("/loom_bridge/start.py")])

from loom_bridge import main  # noqa: E402

main.main()

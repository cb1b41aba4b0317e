"""What runs one unit's Python task: the interpreter's side of the conversation with the worker.

Everything below runs unchanged on Python 2.7 and on Python 3.6 and later, and imports next to
nothing when it starts: os, sys and what is built in. A standard module that only some tasks need is
imported where it is needed.
"""

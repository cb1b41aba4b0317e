"""Loom's own tasks, for modules that import them. A package `loom` of the user's lies beside it."""

import sys as _sys

__path__ = list(__path__) + [
    _dir + "/loom" for _dir in _sys.path if _dir and _dir + "/loom" not in __path__
]

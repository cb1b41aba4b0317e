"""What speaks against a call, as src/inspect.rs has it, and how it is worded."""

from __future__ import absolute_import

from loom_bridge.inspect import source


def problem(about, message, near=(), uncertain=False):
    return {"about": about, "message": message, "uncertain": uncertain, "near": list(near)}


def close(name, known):
    """The names that it may have been meant for, best first."""
    import difflib
    if len(name) > 60:
        return []
    near = [one for one in known if len(one) <= 60 and abs(len(one) - len(name)) <= 5]
    return difflib.get_close_matches(name, near[:5000], 2, 0.65)


def quoted(text):
    return '"%s"' % source.shown(text)[:200]

"""Makes the calls of a file, one after the other, and writes down what became of each.

It is a task, and is run under either bridge; mod.rs beside it compares what they wrote.
"""

import importlib
import inspect
import json
import os
import pkgutil
import re
import signal
import sys
import time
import types

import python2
from fabric.api import cd, env, hide, lcd, local, run, settings, sudo  # noqa: F401, for the calls

here = os.path.dirname(os.path.abspath(__file__))

# One call; far more than any needs.
PATIENCE = 60


def calls(library, report, log, key):
    """Those of LIBRARY.calls. Into the file `report` goes a line of JSON for each; `log` is where
    the node's witnesses write; `key` is the one that fab-classic logs in with."""
    env.key_filename = key
    env.disable_known_hosts = True
    # What the libraries call on this machine.
    os.environ["PATH"] = here + "/bin:" + os.environ["PATH"]
    os.environ["WITNESSED"] = log
    python2.install("fabtools", "cuisine")
    names = NAMES[library]()
    with open(report, "w") as out:
        say(out, {"functions": sorted(functions(library))})
        for line in open("%s/%s.calls" % (here, library)):
            if line.strip() and line[0] not in "#-!~":
                call = line.strip()
                say(out, dict(call=call, function=of(call, names), **made(call, names, log)))


def say(out, what):
    out.write(json.dumps(what, sort_keys=True) + "\n")
    out.flush()


def made(call, names, log):
    open(log, "w").close()
    os.chmod(log, 0o666)
    before = {key: list(value) if isinstance(value, list) else value for key, value in env.items()}
    signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE)
    try:
        outcome = {"end": "returned", "value": plain(eval(call, dict(globals(), **names)))}
    except SystemExit as end:
        outcome = {"end": "exited", "value": [plain(end.code), said(end), plain(getattr(end, "message", None))]}
    except Exception as error:
        outcome = {"end": "raised", "value": [type(error).__name__, said(error)]}
    finally:
        signal.alarm(0)
        for key in set(env) - set(before):
            del env[key]
        env.update(before)
    outcome["reached"] = [once_only(line) for line in open(log).read().splitlines()]
    return outcome


def of(call, names):
    """The name of the library's function that is called, where it is defined."""
    dotted = re.search(r"\b(%s)(\.\w+)+" % "|".join(names), call).group().split(".")
    what = names[dotted[0]]
    for name in dotted[1:]:
        what = getattr(what, name)
    return "%s.%s" % (what.__module__, getattr(what, "__name__", dotted[-1]))


def late(*_):
    raise BaseException("a call took longer than %d s" % PATIENCE)


def said(error):
    return once_only(str(error))


def once_only(text):
    """Without what is another each time: the node, the names of temporary files, addresses."""
    text = re.sub(re.escape(os.environ["LOOM_HOST"]) + r"(:\d+)?", "NODE", text)
    return re.sub(r"/tmp/tmp[\w.]+", "/tmp/TEMPORARY", re.sub(r" at 0x[0-9a-f]+", "", text))


def plain(value):
    """As JSON, with all that a result of Fabric's says of itself."""
    if hasattr(value, "return_code"):
        of = {name: getattr(value, name, "missing") for name in
              ("stdout", "stderr", "return_code", "failed", "succeeded", "command", "real_command")}
        return {"result": str(value), "of": {name: plain(part) for name, part in of.items()}}
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return once_only(value)
    if isinstance(value, bytes):
        return {"bytes": repr(value)}
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, types.GeneratorType)):
        return [plain(part) for part in value]
    if isinstance(value, type) or callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return {"a": type(value).__name__}


# -- What the calls use



def within(manager, inner):
    """What `inner` returns, called within the context manager."""
    with manager as given:
        return inner(given)


def after(manager, inner):
    """The context manager, which is asked afterwards."""
    with manager as given:
        inner(given)
    return manager


def raising(error):
    raise error


def as_root(inner):
    """cuisine's commands, run by sudo."""
    import cuisine
    with cuisine.mode_sudo():
        return inner()


clock = time.time


def of_fabtools():
    import fabtools
    import fabtools.apache
    import fabtools.systemd
    import fabtools.utils
    from fabtools import gvm, vagrant
    return {"fabtools": fabtools, "gvm": gvm, "vagrant": vagrant}


def of_cuisine():
    import cuisine
    cuisine.hashlib = python2.of_text(cuisine.hashlib)
    cuisine.base64 = python2.of_text(cuisine.base64)
    # What Python has for it needs Python 2 on the node.
    cuisine.select_hash("openssl")
    return {"cuisine": cuisine}


NAMES = {"fabtools": of_fabtools, "cuisine": of_cuisine}


def functions(library):
    """The public functions and classes that the library defines itself, as the calls write them."""
    top = sys.modules[library]
    modules = [top]
    for found in pkgutil.walk_packages(getattr(top, "__path__", []), library + "."):
        if ".tests" not in found.name:
            modules.append(importlib.import_module(found.name))
    for module in modules:
        for name, what in vars(module).items():
            ours = getattr(what, "__module__", None) == module.__name__
            if ours and not name.startswith("_") and (inspect.isfunction(what) or inspect.isclass(what)):
                yield module.__name__ + "." + what.__name__
            elif ours and type(what).__name__ == "WrappedCallableTask":
                yield module.__name__ + "." + name

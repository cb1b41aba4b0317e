"""`put`: files and directories to the node. The worker copies each beside its place, compares it
and moves it there."""

import os

from fabric import _files, _node
from fabric._result import _AttributeList
from fabric.network import needs_host

DOING = "put() encountered an exception while uploading"

MAKE = """
for path; do [ -d "$path" ] || mkdir -- "$path" || exit 1; done
"""


@needs_host
def put(local_path=None, remote_path=None, use_sudo=False, mirror_local_mode=False, mode=None,
        use_glob=True, temp_dir=None):
    """Copies files, directories or a file object to the node; the list of the paths there."""
    putting = _Putting(use_sudo, mirror_local_mode, mode)
    target = _files.remote(remote_path)
    if local_path is not None and _files.is_file(local_path, "read"):
        putting.object(local_path, target)
    else:
        local_path = local_path or os.getcwd()
        for source in _sources(local_path, use_glob):
            if os.path.isdir(source):
                putting.directory(source, target)
            else:
                putting.file(source, source, target)
    done = _AttributeList(putting.done)
    done.failed = putting.failed
    done.succeeded = not done.failed
    return done


def _sources(local_path, use_glob):
    path = _files.here(local_path)
    found = [path] if os.path.lexists(path) else []
    if use_glob and any(char in path for char in "*?["):
        import glob
        found = sorted(glob.glob(path))
    if not found:
        raise ValueError("'%s' is not a valid local path or glob." % local_path)
    return found


class _Putting(object):
    def __init__(self, use_sudo, mirror_local_mode, mode):
        self._use_sudo, self._mirror, self._mode = use_sudo, mirror_local_mode, mode
        self.done, self.failed = [], []

    def file(self, source, shown, target, origin=None):
        """`origin`: what the caller knows it as, if not by its path."""
        request = {"op": "put", "local": source, "remote": target, "use_glob": False,
                   "mirror_local_mode": bool(self._mirror) and origin is None}
        try:
            if self._mode is not None:
                mode = self._mode
                request["mode"] = mode if isinstance(mode, int) else int(mode, 8)
            there = _files.ask(request, self._use_sudo)[0]
        except (IOError, ValueError) as problem:
            _files.tell("put", shown, "->", target)
            self._fail(shown if origin is None else origin, problem)
        else:
            _files.tell("put", shown, "->", there)
            self.done.append(there)

    def object(self, file, target):
        name = _files.named(file)
        kind, there = _look(target, self._use_sudo)
        if kind == "d":
            _files.tell("put", name, "->", there)
            self._fail(file, IOError("%s is a directory" % there))
            return
        with _files.Private() as path:
            _write(path, file)
            self.file(path, name, there, file)

    def directory(self, source, target):
        """With all that is in it. A directory behind a symbolic link is made and left empty."""
        kind, there = _look(target, self._use_sudo)
        root = there.rstrip("/") + "/" + os.path.basename(source)
        directories, files = [root], []
        for above, names, inside in os.walk(source):
            below = os.path.relpath(above, source)
            to = root if below == "." else root + "/" + below
            directories.extend(to + "/" + name for name in sorted(names))
            names.sort()
            files.extend((os.path.join(above, name), to + "/" + name) for name in sorted(inside))
        for first in range(0, len(directories), 100):
            code, _, said = _node.script(MAKE, directories[first:first + 100],
                                         _files.rights(self._use_sudo))
            if code != 0:
                self._fail(source, IOError(_files.plain(_text(said).strip())))
                return
        for path, to in files:
            self.file(path, path, to)

    def _fail(self, what, problem):
        self.failed.append(what)
        _files.failed(DOING, what, problem)


def _look(target, use_sudo):
    """What is there, and the absolute path."""
    code, out, said = _node.script(_files.script("look"), [target], _files.rights(use_sudo))
    text = _text(out)
    if code != 0 or not text:
        raise IOError(_text(said).strip())
    return text[0], text[1:]


def _text(data):
    return data if str is bytes else data.decode("utf-8", "replace")


def _write(path, file):
    """All of a file object, which is left as it was found."""
    at = file.tell()
    file.seek(0)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as copy:
        while True:
            part = file.read(1 << 16)
            if not part:
                break
            copy.write(part if isinstance(part, bytes) else part.encode("utf-8"))
    file.seek(at)

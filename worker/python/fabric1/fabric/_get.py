"""`get`: files and directories from the node. The worker writes each beside its place and moves it
there once all of it has come."""

import errno
import os

from fabric import _files, _node
from fabric._result import _AttributeList
from fabric.network import needs_host
from fabric.state import env
from fabric.utils import error, warn

DOING = "get() encountered an exception while downloading"


@needs_host
def get(remote_path, local_path=None, use_sudo=False, temp_dir=None):
    """Copies files and directories from the node, or one file into a file object; the list of
    the paths here."""
    local_path = "%(host)s/%(path)s" if local_path is None else local_path
    asked = _files.remote(remote_path)
    getting = _Getting(local_path, use_sudo)
    entries = _list(asked, use_sudo)
    if getting.into_file and (len(entries) != 1 or entries[0][0] == "d"):
        getting.failed.append(asked)
        error("[%s] %s is a glob or directory, but local_path is a file object!"
              % (env.host_string, asked))
        entries = []
    above = ""
    for kind, path in entries:
        if kind == "d":
            above = os.path.dirname(path.rstrip("/")).rstrip("/") + "/"
        elif kind == "i":
            getting.file(path, path[len(above):].lstrip("/"), True)
        elif kind == "f":
            getting.file(path, os.path.basename(path), False)
        else:
            getting.nothing(path, any(char in asked for char in "*?["))
    done = _AttributeList(getting.done)
    done.failed = getting.failed
    done.succeeded = not done.failed
    return done


def _list(asked, use_sudo):
    code, out, said = _node.script(_files.script("list"), [asked], _files.rights(use_sudo))
    if code != 0:
        said = said.decode("utf-8", "replace").strip()
        error("%s '%s'" % (DOING, asked), exception=IOError(said))
        return []
    text = out if str is bytes else out.decode("utf-8", "surrogateescape")
    entries = [(entry[0], entry[1:]) for entry in text.split("\0") if entry]
    # The files of a directory follow it, in order.
    return sorted(entries, key=lambda entry: entry[1])


class _Getting(object):
    def __init__(self, local_path, use_sudo):
        self._local, self._use_sudo = local_path, use_sudo
        self.into_file = _files.is_file(local_path, "write")
        self.done, self.failed = [], []

    def file(self, path, relative, within):
        # The names are the node's: none may lead out of the local directory.
        if any(part in ("", ".", "..") for part in relative.split("/")):
            raise IOError("the node has listed %r, which leads elsewhere" % path)
        if self.into_file:
            self._into_file(path)
            return
        local = self._place(relative, within)
        if os.path.exists(local):
            warn("Local file %s already exists and is being overwritten." % local)
        _files.tell("download", local, "<-", path)
        try:
            parent = os.path.dirname(local)
            if not os.path.isdir(parent):
                if os.path.lexists(parent):
                    raise IOError(errno.ENOTDIR, "Not a directory")
                os.makedirs(parent)
            self._bring(path, local)
        except (IOError, OSError) as problem:
            self._fail(path, problem)
        else:
            self.done.append(local)

    def _into_file(self, path):
        _files.tell("download", _files.named(self._local), "<-", path)
        try:
            with _files.Private() as copy:
                self._bring(path, copy)
                self._local.seek(0)
                with open(copy, "rb") as file:
                    while True:
                        part = file.read(1 << 16)
                        if not part:
                            break
                        self._local.write(part)
        except (IOError, OSError, TypeError) as problem:
            self._fail(path, problem)

    def nothing(self, path, glob):
        if not glob:
            shown = _files.named(self._local) if self.into_file else self._place(
                os.path.basename(path), False)
            _files.tell("download", shown, "<-", path)
        self._fail(path, IOError(errno.ENOENT, "No such file"))

    def _bring(self, path, local):
        request = {"op": "get", "remote": path, "local": local, "host": ""}
        _files.ask(request, self._use_sudo)

    def _place(self, relative, within):
        """Where a file goes; `relative` begins with the name of what was asked for."""
        template = self._local
        if within and "%(path)s" not in template and "%(dirname)s" not in template:
            template = os.path.join(template, "%(path)s")
        fields = {
            "host": env.host_string.replace(":", "-"),
            "path": relative,
            "dirname": os.path.dirname(relative),
            "basename": os.path.basename(relative),
        }
        local = _files.here(_filled(template, fields))
        if os.path.isdir(local):
            local = os.path.join(local, os.path.basename(relative))
        return local

    def _fail(self, path, problem):
        self.failed.append(path)
        _files.failed(DOING, path, problem)


def _filled(template, fields):
    """Once from left to right: what is filled in is not looked at again."""
    parts = template.split("%(")
    filled = [parts[0]]
    for part in parts[1:]:
        name, end, rest = part.partition(")s")
        filled.append(fields[name] + rest if end and name in fields else "%(" + part)
    return "".join(filled)

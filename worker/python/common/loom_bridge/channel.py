"""The interpreter's end of its conversation with the worker.

One request at a time: a thread that asks for something waits for the thread that did before. A
process that was forked off has no channel, since two would take each other's replies.
"""

import os
import struct
import sys

from loom_bridge import value


class Closed(Exception):
    """The worker is gone, or this process is not the one that the worker started."""


class Refused(Exception):
    """The worker could not do it. `kind` is "node" (it cannot be worked on any more), "sudo",
    "file" or "command"; the text is for the person who must act."""

    def __init__(self, kind, text):
        Exception.__init__(self, text)
        self.kind = kind


class Channel(object):
    def __init__(self, fd):
        self._fd = fd
        self._pid = os.getpid()
        self._lock = _lock()

    def unit(self):
        """What the worker says first: the unit, as a dict."""
        kind, body = self._read()
        assert kind == b"U", kind
        return value.decode(body)

    def ask(self, request, heard=None):
        """Has the worker do something and returns its reply, a dict.

        `heard(stream, data)` is called with "stdout" or "stderr" and bytes as they arrive.
        Raises Refused.
        """
        with self._lock:
            self._write(b"Q", value.encode(request))
            while True:
                kind, body = self._read()
                if kind == b"O":
                    heard("stdout", body)
                elif kind == b"E":
                    heard("stderr", body)
                else:
                    reply = value.decode(body)
                    break
        if "error" in reply:
            raise Refused(reply["kind"], reply["error"])
        return reply

    def type(self, text):
        """Types at the terminal of the command that runs. For `heard`."""
        self._write(b"T", value.to_bytes(text))

    def type_password(self):
        """Types the node's password there, which only the worker knows, and a newline."""
        self._write(b"P", b"")

    def done(self, how):
        """The last word."""
        self._write(b"D", value.encode(how))

    def _write(self, kind, body):
        if os.getpid() != self._pid:
            raise Closed("a process that was forked off cannot work on the node; the task can")
        data = kind + struct.pack(">I", len(body)) + body
        while data:
            data = data[os.write(self._fd, data):]

    def _read(self):
        head = self._exactly(5)
        return head[:1], self._exactly(struct.unpack(">I", head[1:])[0])

    def _exactly(self, size):
        parts = []
        while size > 0:
            part = os.read(self._fd, min(size, 65536))
            if not part:
                raise Closed("the worker is gone")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def _lock():
    """Reentrant, since what `heard` calls may ask for something itself, and be told that it cannot."""
    try:
        import _thread
        return _thread.RLock()
    except ImportError:
        return _Lock()


class _Lock(object):
    """Python 2's is in `threading`, which takes longer to import than all of ours."""

    def __init__(self):
        import thread
        self._me = thread.get_ident
        self._lock = thread.allocate_lock()
        self._owner, self._depth = None, 0

    def __enter__(self):
        if self._owner != self._me():
            self._lock.acquire()
            self._owner = self._me()
        self._depth += 1

    def __exit__(self, *_):
        self._depth -= 1
        if self._depth == 0:
            self._owner = None
            self._lock.release()


def open_inherited():
    """The channel that the worker gave us as standard input, which becomes /dev/null."""
    fd = os.dup(0)
    if sys.version_info < (3,):
        import fcntl
        fcntl.fcntl(fd, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return Channel(fd)

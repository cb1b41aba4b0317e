"""Reads and parses the source of a module, whatever it is."""

from __future__ import absolute_import

import ast
import os
import stat
import sys

PYTHON2 = sys.version_info < (3,)

# A module that is larger was not written by a person.
LARGEST = 5 << 20
# Of a larger one it is tried first whether the compiler survives it.
LARGE = 20000
# Of all modules together.
ALL = 100 << 20


class Unreadable(Exception):
    """`line` is 0 where it is about the file as a whole."""

    def __init__(self, path, line, message):
        Exception.__init__(self, message)
        self.file = path
        self.line = line
        self.message = message

    def where(self):
        return "%s:%d" % (shown(self.file), self.line) if self.line else shown(self.file)


def quiet():
    """What the compiler finds to say of a user's source is for its author."""
    import warnings
    warnings.simplefilter("ignore")


def native(text):
    """As this Python's own `str`; the file system's encoding is UTF-8 here."""
    return text.encode("utf-8") if PYTHON2 else text


def decoded(data):
    return data if PYTHON2 else data.decode("utf-8", "surrogateescape")


def shown(text):
    """As text that JSON can carry."""
    if PYTHON2:
        return text.decode("utf-8", "replace") if isinstance(text, str) else text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


_read = [0]


def read(path, most=LARGEST):
    """The bytes of a regular file. Never waits for a FIFO."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise Unreadable(path, 0, "cannot be read: %s" % (getattr(error, "strerror", error),))
    try:
        meta = os.fstat(fd)
        if not stat.S_ISREG(meta.st_mode):
            raise Unreadable(path, 0, "is not a regular file")
        if meta.st_size > most:
            raise Unreadable(path, 0, "is larger than %d MB; it is not read" % (most >> 20))
        parts, left = [], most
        while left > 0:
            part = os.read(fd, min(left, 1 << 20))
            if not part:
                break
            parts.append(part)
            left -= len(part)
    except OSError as error:
        raise Unreadable(path, 0, "cannot be read: %s" % (error.strerror,))
    finally:
        os.close(fd)
    data = b"".join(parts)
    _read[0] += len(data)
    if _read[0] > ALL:
        raise Unreadable(path, 0, "is not read: the modules before it have %d MB" % (ALL >> 20))
    return data


def parse(path, data):
    """The syntax tree of a module's bytes."""
    # Should the interpreter die of it, this is the last that was heard of it.
    sys.stderr.write("reading %s\n" % (repr(path) if PYTHON2 else shown(path)))
    sys.stderr.flush()
    if b"\0" in data:
        raise Unreadable(path, data[:data.index(b"\0")].count(b"\n") + 1, "has a NUL byte in it")
    if (sys.version_info < (3, 9) or len(data) > LARGE) and _kills(path, data):
        raise Unreadable(path, 0, "is nested too deeply to be read")
    try:
        return _compiled(path, data)
    except SyntaxError as error:
        line = error.lineno or 0
        raise Unreadable(path, line, _syntax(error, data, line))
    except (RecursionError if not PYTHON2 else RuntimeError, MemoryError):
        raise Unreadable(path, 0, "is nested too deeply to be read")
    except (ValueError, TypeError, OverflowError, UnicodeError) as error:
        raise Unreadable(path, 0, "cannot be read: %s" % (error,))


def _compiled(path, data):
    return compile(data, path, "exec", ast.PyCF_ONLY_AST, True)


def _kills(path, data):
    """Whether the compiler dies of it, as older ones do of what is nested deeply: tried by a process
    that may."""
    pid = os.fork()
    if pid == 0:
        try:
            _compiled(path, data)
        except BaseException:
            pass
        finally:
            os._exit(0)
    return os.waitpid(pid, 0)[1] != 0


def _syntax(error, data, line):
    message = "%s" % (error.msg,)
    other = _other_version(data, line)
    if other is not None:
        what, version = other
        if version == 2:
            return ONLY_2 % what
        return "is written for Python 3 (%s); write `python: python3` in the job" % (what,)
    if isinstance(error, TabError) and not PYTHON2:
        return (
            "mixes tabs and blanks, which only Python 2 reads; write `python: python2.7` in the"
            " job, or indent it with blanks")
    # Where the file is named by the interpreter itself, it is named twice.
    return "syntax error: " + message.replace(" (%s" % os.path.basename(error.filename or ""), " (")


ONLY_2 = (
    "is written for Python 2 (%s); write `python: python2.7` in the job, or have 2to3 rewrite it")

# What only the other Python can read, by a line in which this one found an error.
_ONLY_2 = (
    (r"(^|[:;])\s*print(\s+[^\s=.,)\]:]|\s*>>)", "a print statement"),
    (r"^\s*except\s+[\w.]+\s*,\s*\w+\s*:", "`except X, e`"),
    (r"^\s*except\s*\(.*\)\s*,\s*\w+\s*:", "`except X, e`"),
    (r"(^|[:;])\s*exec\s+[^\s=.,)\]:]", "an exec statement"),
    (r"(^|[:;])\s*raise\s+[\w.]+\s*,", "`raise X, \"...\"`"),
    (r"<>", "`<>`"),
    (r"`[^`]+`", "backticks"),
    (r"(?<![\w.])0[0-7]+[lL]?(?![\w.])", "an octal number without `0o`"),
    (r"(?<![\w.])\d+[lL]\b", "a number that ends in L"),
    (r"(?<![\w.])0[xX][0-9a-fA-F]+[lL]\b", "a number that ends in L"),
    (r"(?<!\w)[uU][rR]['\"]", "a `ur` string"),
    (r"(\bdef\s+\w+\s*\(|\blambda\b)[^:]*?\(\s*\w+\s*,", "a tuple among the parameters"),
)
_ONLY_3 = (
    (r"(?<!\w)(f|F|fr|Fr|rf|rF|FR|RF)['\"]", "an f-string"),
    (r"^\s*(async\s+(def|with|for)|nonlocal)\b|\bawait\b", "`async` or `nonlocal`"),
    (r"\)\s*->|\bdef\s+\w+\s*\([^)]*\w\s*:\s*\w", "annotations"),
    (r"^\s*\w+\s*:\s*[\w\[\], .]+(=|$)", "annotations"),
    (r"\braise\b.*\bfrom\b|\byield\s+from\b", "`from`"),
    (r"\bprint\s*\(.*\b(file|end|sep|flush)\s*=", "the print function"),
    (r"\bdef\b.*\*\s*,|\bdef\b.*\*\w+\s*,", "parameters by name only"),
    (r":=", "`:=`"),
)


def _other_version(data, line):
    import re
    lines = data.decode("utf-8", "replace").splitlines()
    # Some versions point behind the place.
    for number in (line, line - 1):
        if not 1 <= number <= len(lines):
            continue
        text = lines[number - 1][:2000]
        for pattern, what in _ONLY_3 if PYTHON2 else _ONLY_2:
            if re.search(pattern, text):
                return what, 3 if PYTHON2 else 2
    return None


# Modules that Python 2 had, and 3 has not.
GONE = frozenset(
    "BaseHTTPServer CGIHTTPServer ConfigParser Cookie HTMLParser Queue SimpleHTTPServer"
    " SimpleXMLRPCServer SocketServer StringIO Tkinter UserDict UserList UserString __builtin__"
    " anydbm cPickle cStringIO commands compiler cookielib copy_reg dummy_thread exceptions"
    " htmlentitydefs httplib ihooks md5 mimetools new popen2 rfc822 robotparser sets sha thread"
    " urllib2 urlparse user whichdb xmlrpclib".split())

"""Questions about files on the node, and edits of them.

Each is made of the command lines that Fabric sends, since users rely on what the node's shell makes
of an argument (`~`, a pattern). `sed` and `put` write beside a file and move; `append` adds its
line in one write, so that a file which others write to as well keeps its place and its links.
"""

import os

from fabric.context_managers import hide, settings
from fabric.operations import put, run, sudo
from fabric.state import env
from fabric.utils import abort, apply_lcwd

# What `uname` has said, by node.
_systems = {}
# Their sed edits no file in place.
_WITHOUT_IN_PLACE = ("NetBSD", "OpenBSD", "QNX")


def exists(path, use_sudo=False, verbose=False):
    """Whether there is something at `path`; a symbolic link counts, wherever it leads."""
    return _holds("stat %s" % _word(path), use_sudo, verbose)


def is_link(path, use_sudo=False, verbose=False):
    """Whether `path` is a symbolic link."""
    return _holds("test -L %s" % _word(path), use_sudo, verbose)


def first(*args, **kwargs):
    """The first of these paths that exists, or None."""
    for path in args:
        if exists(path, **kwargs):
            return path
    return None


def contains(
    filename,
    text,
    exact=False,
    use_sudo=False,
    escape=True,
    shell=False,
    case_sensitive=True,
):
    """Whether a line of the file has `text` in it, or with `exact` is that text. With
    `escape=False` it is an extended regular expression, and `exact` says nothing."""
    if escape:
        text = _escape_for_regex(text)
        if exact:
            text = "^%s$" % text
    options = "" if case_sensitive else "-i "
    # Not egrep: it is the same, and newer systems have none.
    line = 'grep -E %s"%s" %s' % (options, text, _word(filename))
    with _quietly(False):
        return _does(use_sudo)(line, shell=shell).succeeded


def append(filename, text, use_sudo=False, partial=False, escape=True, shell=False):
    """Adds the line `text`, or each of several, unless the file has it. `partial`: a line that
    only begins with it is enough."""
    for line in _lines(text):
        pattern = "^%s%s" % (_escape_for_regex(line), "" if partial else "$")
        if (
            exists(filename, use_sudo=use_sudo)
            and line
            and contains(filename, pattern, use_sudo=use_sudo, escape=False, shell=shell)
        ):
            continue
        # The backslash is doubled for the shell in whose quotes all of it will be.
        line = line.replace("'", r"'\\''") if escape else line
        _does(use_sudo)("echo '%s' >> %s" % (line, _word(filename)))


def sed(
    filename,
    before,
    after,
    limit="",
    use_sudo=False,
    backup=".bak",
    flags="",
    shell=False,
):
    """Replaces each match of the extended regular expression `before`, in lines that match
    `limit`; the file as it was is kept beside it, unless `backup` is empty."""
    for mark in "/'":
        before = before.replace(mark, "\\" + mark)
        after = after.replace(mark, "\\" + mark)
    for mark in "()":
        after = after.replace(mark, "\\" + mark)
    where = "/%s/ " % limit if limit else ""
    script = "'%ss/%s/%s/%sg'" % (where, before, after, flags)
    name, system = _word(filename), _system()
    extended = "-E" if system == "Darwin" else "-r"
    if system in _WITHOUT_IN_PLACE:
        parts = ["cp -p {0} {0}.loom", "sed {1} -e {2} {0} > {0}.loom", "mv {0}.loom {0}"]
        if backup:
            parts.insert(2, "cp -p {0} {0}{3}")
        line = " && ".join(parts).format(name, extended, script, backup)
    else:
        line = "sed -i%s %s -e %s %s" % (backup, extended, script, name)
    return _does(use_sudo)(line, shell=shell)


def comment(filename, regex, use_sudo=False, char="#", backup=".bak", shell=False):
    """Puts `char` before what matches `regex`."""
    begin, end = "", ""
    if regex.startswith("^"):
        begin, regex = "^", regex[1:]
    if regex.endswith("$"):
        end, regex = "$", regex[:-1]
    return sed(
        filename,
        before="%s(%s)%s" % (begin, regex, end),
        after=r"%s\1" % char,
        use_sudo=use_sudo,
        backup=backup,
        shell=shell,
    )


def uncomment(filename, regex, use_sudo=False, char="#", backup=".bak", shell=False):
    """Removes `char`, and a blank behind it, from the beginning of the lines that match."""
    return sed(
        filename,
        before=r"^([[:space:]]*)%s[[:space:]]?" % char,
        after=r"\1",
        limit=regex,
        use_sudo=use_sudo,
        backup=backup,
        shell=shell,
    )


def upload_template(
    filename,
    destination,
    context=None,
    use_jinja=False,
    template_dir=None,
    use_sudo=False,
    backup=True,
    mirror_local_mode=False,
    mode=None,
    pty=None,
    keep_trailing_newline=False,
    temp_dir="",
):
    """Puts the local file `filename` to the node, filled in from `context` by `%` or by Jinja2.
    What was there is kept as `.bak`, unless told otherwise."""
    do = _does(use_sudo)
    how = {} if pty is None else {"pty": pty}
    with settings(hide("everything"), warn_only=True):
        is_directory = do("test -d %s" % _word(destination), **how).succeeded
    if is_directory:
        destination = os.path.join(destination, os.path.basename(filename))
    if use_jinja:
        directory = apply_lcwd(template_dir or os.getcwd(), env)
        source = os.path.join(directory, filename)
        text = _by_jinja(directory, filename, context, keep_trailing_newline)
    else:
        source = apply_lcwd(os.path.join(template_dir or "", filename), env)
        text = _by_percent(source, context)
    if mirror_local_mode and mode is None:
        mode = os.stat(source).st_mode & 0o7777
    # Without sudo, as Fabric asks: what the login user cannot see is not kept.
    if backup and exists(destination):
        name = _word(destination)
        do("cp %s %s.bak" % (name, name), **how)
    import io
    return put(
        local_path=io.BytesIO(text),
        remote_path=destination,
        use_sudo=use_sudo,
        mode=mode,
        temp_dir=temp_dir,
    )


def _by_percent(source, context):
    import io
    if str is bytes:
        with io.open(source, "rb") as file:
            text = file.read()
        if not context:
            return text
        try:
            text = text % context
        except UnicodeDecodeError:
            text = text.decode("utf-8") % context
        return text if isinstance(text, bytes) else text.encode("utf-8")
    with io.open(source, encoding="utf-8", errors="surrogateescape") as file:
        text = file.read()
    if context:
        text = text % context
    return text.encode("utf-8", "surrogateescape")


def _by_jinja(directory, filename, context, keep_trailing_newline):
    try:
        from jinja2 import Environment, FileSystemLoader
    except ImportError as error:
        import sys
        abort(
            "Unable to import Jinja2 (%s): install it for the job's interpreter, %s"
            % (error, sys.executable)
        )
    options = {"keep_trailing_newline": True} if keep_trailing_newline else {}
    templates = Environment(loader=FileSystemLoader(directory), **options)
    return templates.get_template(filename).render(**context or {}).encode("utf-8")


def _does(use_sudo):
    return sudo if use_sudo else run


def _holds(command, use_sudo, verbose):
    with _quietly(verbose):
        return _does(use_sudo)(command).succeeded


def _quietly(verbose):
    """Lets a command fail, and hides it."""
    if verbose:
        return settings(warn_only=True)
    return settings(hide("everything"), warn_only=True)


def _system():
    node = env.get("host_string")
    if node not in _systems:
        with hide("everything"):
            _systems[node] = str(run("uname", shell=False, pty=False))
    return _systems[node]


def _lines(text):
    return [text] if hasattr(text, "strip") else text


def _word(path):
    """A path as a word of the shell, which still sees `~`, variables and patterns in it."""
    return path.replace(" ", r"\ ")


def _escape_for_regex(text):
    """What matches this very text as an extended regular expression, once a shell has taken it
    out of double quotes."""
    escaped = []
    for char in text:
        if char == "\\":
            escaped.append("\\" * 4)
        elif char == "$":
            escaped.append("\\" * 3 + char)
        elif char in "*+?.^|()[]{}":
            escaped.append("\\" * 2 + char)
        elif char in '"`':
            escaped.append("\\" + char)
        elif char != "\n":
            escaped.append(char)
    return "".join(escaped)

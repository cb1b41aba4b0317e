"""`fabric.contrib.project`. What rsync is told is left out where it must differ: how to connect."""

import os

from fabric.api import hide
from fabric.contrib.project import rsync_project, upload_project


def _project(place):
    for name in ("p/a", "p/sub/b", "p/c.pyc"):
        place.write(name, name)
    os.symlink("a", place.here + "/p/l")
    return place.here + "/p"


def _modes(root):
    return sorted([os.path.relpath(os.path.join(directory, name), root),
                   "%o" % os.lstat(os.path.join(directory, name)).st_mode]
                  for directory, names, files in os.walk(root) for name in names + files)


def _outcome(place):
    return [place.tree_there(), _modes(place.there)]


# Elsewhere the host's key is not known.
OPTIONS = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"


def _has_rsync():
    paths = os.environ.get("PATH", "").split(os.pathsep)
    return any(os.path.exists(os.path.join(path, "rsync")) for path in paths)


def _rsync(place, *args, **kwargs):
    if not _has_rsync():
        return "no rsync"
    with hide("running", "stdout"):
        said = rsync_project(*args, **dict({"capture": True, "ssh_opts": OPTIONS}, **kwargs))
    return [said.return_code, _outcome(place), place.tree()]


RSYNC = """#!/bin/sh
for word in "$@"; do
    case $word in
    --rsh=*) rsh=${word#--rsh=} ;;
    *@*:*) host=${word%%:*} ;;
    esac
done
exec $rsh "$host" 'echo connected, as "$USER"'
"""


def rsync_connects(place):
    """With one that only connects, as the real one would."""
    place.write("bin/rsync", RSYNC, 0o755)
    path = os.environ["PATH"]
    os.environ["PATH"] = place.here + "/bin:" + path
    try:
        with hide("running"):
            return str(rsync_project("/", place.here, capture=True, ssh_opts=OPTIONS))
    finally:
        os.environ["PATH"] = path


def rsync_a_directory(place):
    return _rsync(place, place.there, _project(place))


def rsync_what_is_in_it(place):
    return _rsync(place, place.there + "/", _project(place) + "/")


def rsync_but_for_some(place):
    return _rsync(place, place.there, _project(place), exclude=["*.pyc", "sub"])


def rsync_but_for_one(place):
    return _rsync(place, place.there, _project(place), exclude="*.pyc")


def rsync_and_delete(place):
    place.write_there("p/old", "old")
    return _rsync(place, place.there, _project(place), delete=True, extra_opts="-l")


def rsync_the_other_way(place):
    place.write_there("q/new", "new")
    return _rsync(place, place.there + "/q", place.here, upload=False, default_opts="-az")


def rsync_the_current_directory(place):
    os.chdir(_project(place))
    return _rsync(place, place.there)


def upload(place):
    with hide("running"):
        return [upload_project(_project(place), place.there), _outcome(place)]


def upload_with_a_slash(place):
    with hide("running"):
        return [upload_project(_project(place) + "/", place.there), _outcome(place)]


def upload_the_current_directory(place):
    os.chdir(_project(place))
    with hide("running"):
        return [upload_project(remote_dir=place.there), _outcome(place)]


def upload_relative(place):
    _project(place)
    os.chdir(place.here)
    with hide("running"):
        return [upload_project("p", place.there), _outcome(place)]


def upload_with_rights(place):
    with hide("running"):
        return [upload_project(_project(place), place.there, use_sudo=True), _outcome(place)]


def upload_over_an_older_one(place):
    place.write_there("p/a", "older")
    place.write_there("p/old", "old")
    with hide("running"):
        return [upload_project(_project(place), place.there), _outcome(place)]


def upload_leaves_nothing_here(place):
    before = set(os.listdir("/tmp"))
    with hide("running"):
        upload_project(_project(place), place.there)
    return sorted(name for name in set(os.listdir("/tmp")) - before
                  if os.path.exists("/tmp/%s/p.tar.gz" % name))


def upload_to_nowhere(place):
    try:
        with hide("everything", "aborts"):
            upload_project(_project(place), place.there + "/no")
    except SystemExit as error:
        return [error.code, _outcome(place)]

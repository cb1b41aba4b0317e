"""Tasks as fabfiles have them, for any Python that has a `fabric` of 1 or is run by Loom.

A job names one by its path: `task: deploy.release`. They lie here because this is where
`pythonpath` leads if nothing else is said: the directory of loom.yaml. `loom tasks` lists them,
`loom check` says whether a job's arguments fit.

All they do is below ~/loom-example on the node.
"""

from fabric.api import cd, env, hide, put, run, settings, task
from fabric.contrib.files import append, exists

ROOT = "loom-example"


@task
def release(version, keep=3):
    """Makes a directory for a version and points `current` at it.

    The oldest versions go until `keep` of them are left.
    """
    with cd(ROOT):
        if exists(version):
            return "%s has %s already" % (env.host_string, version)
    run("mkdir -p %s/%s" % (ROOT, version))
    put(__file__.replace(".pyc", ".py"), "%s/%s/deploy.py" % (ROOT, version), mode=0o644)
    with cd(ROOT):
        run("ln -sfn %s current" % version)
        append("releases.log", version)
        for old in _oldest(keep):
            run("rm -r %s" % old)
    return "%s has %s" % (env.host_string, version)


@task
def report():
    """Returns the version that the node has: the unit's result."""
    with settings(hide("everything"), warn_only=True):
        current = run("readlink %s/current" % ROOT)
    return current if current.succeeded else "none"


def _oldest(keep):
    """The versions that are too many."""
    with hide("stdout"):
        found = run("ls -1t --ignore=current --ignore=releases.log").splitlines()
    return found[int(keep):]

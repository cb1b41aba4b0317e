"""Which Fabric this behaves like; libraries compare it."""

VERSION = (1, 21, 0, "final", 0)


def get_version(form="short"):
    branch = "%d.%d" % VERSION[:2]
    forms = {
        "short": "%d.%d.%d" % VERSION[:3],
        "normal": branch,
        "branch": branch,
        "verbose": "%s %s" % (branch, VERSION[3]),
    }
    return forms if form == "all" else forms[form]


def git_sha():
    return None


__version__ = get_version()

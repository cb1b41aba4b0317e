"""Tasks for every machine, in the shape of the original's loom.system."""

from fabric.api import env, run, settings, sudo
from fabric.contrib.files import append, contains

FSTAB = "fstab"


def uptime():
    return run("echo up").stdout


def hosts_entry(address, *names):
    """Each name once, however often it is run."""
    line = "%s\t%s" % (address, " ".join(names))
    append("%s/hosts" % _etc(), line, use_sudo=True)
    return run("wc -l < %s/hosts" % _etc())


def add_mount(*mounts):
    """For each mapping of host, remotepath, mountpoint and excludes."""
    fstab = "%s/%s" % (_etc(), FSTAB)
    for mount in mounts:
        if env.host in mount.get("excludes", []):
            continue
        if not contains(fstab, mount["mountpoint"]):
            sudo("printf 'sshfs#%s:%s\\t%s\\tfuse\\tdefaults 0 0\\n' >> %s" % (
                mount["host"], mount["remotepath"], mount["mountpoint"], fstab))
        with settings(warn_only=True):
            sudo("mkdir -p %s/%s" % (_etc(), mount["mountpoint"]))
            sudo("false")


def run_daemon(name, command="start"):
    with settings(warn_only=True):
        result = run("/etc/init.d/no-such-%s %s" % (name, command))
    run("echo %s > %s/daemon" % (result.return_code, _etc()))
    return result.return_code


def _etc():
    home = run("mkdir -p $HOME/etc && cd $HOME/etc && touch fstab && pwd")
    return str(home)

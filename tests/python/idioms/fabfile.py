"""Deployment of the guestbook.

    fab -H web1,web2 deploy:version=1.2
    fab production migrate
"""
from __future__ import with_statement

import os

from fabric.api import *
from fabric.colors import green, red, yellow
from fabric.contrib.console import confirm
from fabric.contrib.files import append, comment, contains, exists, is_link, sed, uncomment, upload_template
from fabric.utils import indent

try:
    from StringIO import StringIO
except ImportError:
    from io import BytesIO

    def StringIO(text=""):
        return BytesIO(text.encode("utf-8"))

HERE = os.path.dirname(os.path.abspath(__file__))

env.key_filename = os.environ.get("DEPLOY_KEY")
env.disable_known_hosts = True
env.project = "guestbook"
env.keep_releases = 2
env.roledefs = {
    "web": ["web1.example.com", "web2.example.com"],
    "db": ["db.example.com"],
}


@task
def production():
    """Work on the live servers."""
    env.hosts = ["web1.example.com", "web2.example.com"]
    env.settings = "production"


def _paths():
    with hide("running", "stdout"):
        env.home = run("echo $HOME")
    env.root = "%(home)s/%(project)s" % env
    env.releases = env.root + "/releases"
    env.current = env.root + "/current"


@runs_once
def pack(version):
    """Makes the archive, on this machine."""
    with lcd(HERE):
        archive = local("mktemp", capture=True)
        local("tar czf %s --owner=0 --group=0 --mtime=2014-01-01 app" % archive)
        listing = local("tar tzf %s | sort" % archive, capture=True)
    assert listing.succeeded, listing.stderr
    return archive


def setup():
    if not exists(env.root):
        puts(yellow("first deployment of %(project)s" % env))
    run("mkdir -p %(root)s/{releases,shared/log,backup}" % env)
    with cd(env.root):
        run("touch shared/log/app.log")
        with cd("shared"):
            assert run("pwd") == env.root + "/shared"
            run('echo "it\'s \\"shared\\": $PWD" > "a file with spaces"')
        run("chmod 750 shared/log")


def upload(version):
    archive = pack(version)
    release = "%s/%s" % (env.releases, version)
    run("mkdir -p %s" % release)
    put(archive, "%s/app.tgz" % release, mode=0o640)
    with cd(release):
        run("tar xzf app.tgz --strip-components=1 && rm app.tgz")
        put(StringIO("%s\n" % version), "VERSION")
    local("rm %s" % archive)
    return release


def configure(release):
    context = {"project": env.project, "workers": 4, "debug": "off"}
    upload_template("templates/settings.ini", "%s/settings.ini" % release, context=context,
                    template_dir=HERE, mode=0o600, backup=False)
    conf = "%s/server.conf" % release
    append(conf, ["listen 80", "#gzip on", "user www"])
    append(conf, "listen 80")
    sed(conf, "^user .*$", "user deploy", backup=".orig")
    uncomment(conf, "gzip on")
    comment(conf, "listen 80")
    if contains(conf, "gzip on"):
        append(conf, "# compressed")


def link(release):
    with settings(hide("warnings", "stderr"), warn_only=True):
        before = run("readlink %(current)s" % env)
    run("ln -sfn %s %s" % (release, env.current))
    return is_link(env.current) and before.failed


def clean():
    with cd(env.releases):
        old = run("ls -1 | sort").splitlines()[:-env.keep_releases]
        for name in old:
            puts(indent("removing " + name))
            sudo("rm -rf %s" % name)


@task(alias="d")
def deploy(version="1.0", notify=True):
    """Puts a version in place, and keeps the last two."""
    require("project", "keep_releases")
    _paths()
    setup()
    release = upload(version)
    configure(release)
    first = link(release)
    clean()
    results = execute(smoke, "hello")
    said = list(results.values())[0]
    for line in said.splitlines():
        puts(green(line), show_prefix=False)
    report = "version %s, first: %s, said: %s, releases: %s\n" % (
        version, first, said, ",".join(run("ls " + env.releases).split()))
    put(StringIO(report), "%(root)s/report" % env)
    return report.strip()


@task
@serial
def smoke(word):
    """Asks the application how it feels."""
    with cd(env.current), prefix("export GREETING=%s" % word), shell_env(LC_ALL="C"), path("/opt/guestbook/bin"):
        result = run("sh app.sh | sed 's/:.*opt.guestbook.bin/:OURS/'")
    if result.failed:
        abort(red("it does not work"))
    return result


@task
@hosts("db.example.com")
def backup():
    """Fetches the log, and leaves a copy beside it."""
    _paths()
    target = os.path.join(os.environ["BACKUP"], "%(host)s.log")
    run("echo entry | tee -a %(root)s/shared/log/app.log" % env)
    fetched = get("%(root)s/shared/log/app.log" % env, target)
    assert fetched.succeeded and len(fetched) == 1, fetched.failed
    content = open(fetched[0]).read()
    put(StringIO(content), env.root + "/backup/fetched")
    return "%d bytes" % len(content)


@task
def rotate():
    """Asks before a node's log is emptied."""
    _paths()
    if not confirm("Empty the log?", default=False):
        abort("as you wish")
    keep = prompt("How many to keep?", default="3", validate=int)
    run(": > %(root)s/shared/log/app.log" % env)
    sudo("echo kept %d > %s/backup/kept" % (keep, env.root), user=env.user)


@task
@roles("web")
@parallel(pool_size=5)
@with_settings(hide("everything"), warn_only=True)
def status():
    """Never fails."""
    _paths()
    good, bad = run("test -d %(root)s" % env), run("echo out; echo err >&2; exit 7")
    silent = run("echo out; echo err >&2; exit 7", pty=False, combine_stderr=False, quiet=True)
    lines = [
        "%s %s" % (good.succeeded, good.return_code),
        "%s %s %r %r" % (bad.failed, bad.return_code, str(bad), bad.stderr),
        "%s %r %r" % (silent.return_code, str(silent), silent.stderr),
        sudo("whoami"),
        str(run("exit 3", warn_only=True).return_code),
    ]
    append(env.root + "/status", lines)
    return len(lines)


@task
def broken():
    """Fails half-way."""
    _paths()
    run("mkdir -p %(root)s && echo begun >> %(root)s/broken" % env)
    run("false")
    run("echo never >> %(root)s/broken" % env)

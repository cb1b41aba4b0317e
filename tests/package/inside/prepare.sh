#!/bin/sh
# As an administrator goes on after the installation: a key, a node, jobs, the page. The node is this
# machine; its sshd runs.
set -eu

as_loom() { setpriv --reuid loom --regid loom --init-groups env HOME=/var/lib/loom "$@"; }

as_loom ssh-keygen -q -t ed25519 -N '' -f /var/lib/loom/.ssh/id_ed25519
useradd --create-home --shell /bin/sh deploy
install -d -m 700 -o deploy -g deploy /home/deploy/.ssh
install -m 600 -o deploy -g deploy /var/lib/loom/.ssh/id_ed25519.pub /home/deploy/.ssh/authorized_keys
as_loom sh -c 'ssh-keyscan 127.0.0.1 2>/dev/null >/var/lib/loom/.ssh/known_hosts'

cat >/etc/loom/nodes.yaml <<'END'
here: {user: deploy, ip: 127.0.0.1}
END
# What an administrator writes is for the daemon to read, by the directory's mode.
install -d /etc/loom/tasks
cat >/etc/loom/tasks/greet.py <<'END'
import os
import sqlite3

from fabric.api import local, run, task


@task
def hello():
    sqlite3.connect("/var/lib/loom/mine.db").execute("create table if not exists t (n)")
    run("echo python here: $(id -un)")
    print(local("echo local there: $(id -un)", capture=True))


@task
def break_out():
    tries = {
        "write to /etc/loom": lambda: open("/etc/loom/mine", "w"),
        "write to /usr": lambda: open("/usr/mine", "w"),
        "look into /home": lambda: os.listdir("/home/deploy"),
        "change the root": lambda: os.chroot("/var/lib/loom"),
        "become root": lambda: os.setuid(0),
        "see other processes": lambda: open("/proc/1/cmdline").read(),
    }
    for name, attempt in tries.items():
        try:
            attempt()
            print("could", name)
        except OSError:
            print("could not", name)
END
cat >/etc/loom/jobs/jobs.yaml <<'END'
jobs:
  hello: {task: loom.run, args: ["echo hello from $(id -un)"], targets: here, schedule: "@never"}
  python: {task: greet.hello, targets: here, schedule: "@never"}
  break-out: {task: greet.break_out, targets: here, schedule: "@never"}
  long: {task: loom.run, args: ["echo begun; sleep 600"], targets: here, schedule: "@never"}
  fails:
    task: loom.run
    args: ["exit 3"]
    targets: here
    schedule: "@never"
    hooks: {on_failure: {mail: dba@example.com}}
END
cat >>/etc/loom/loom.yaml <<'END'
pythonpath: tasks
listen: 127.0.0.1:7411
stop_timeout: 2s
END
loom check

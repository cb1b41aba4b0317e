//! Which task of a module a job can name, and that none leaves the unit's node.

use std::fs;

use crate::harness::process::said;
use crate::harness::skip::skip;
use crate::harness::{Farm, Site, fabric};

/// A site with a module `mine` and a job for each of these tasks of it, named as they are.
fn site(farm: &Farm, module: &str, tasks: &[&str]) -> Site {
    let site = Site::new(farm);
    site.write("mine.py", module);
    for task in tasks {
        site.write_job(task, &format!("task: mine.{task}\ntargets: [n1]"));
    }
    site
}

#[test]
fn functions_task_objects_and_instances_of_classes_are_called() {
    let farm = Farm::start(1);
    let module = r#"
from fabric.api import hosts, parallel, roles, run, runs_once, task
from fabric.tasks import Task

def _mark(name):
    run("touch $LOOM_EVIDENCE/%s" % name)

def plain():
    _mark("plain")

@task(name="else", alias="too", default=True)
def wrapped():
    _mark("wrapped")

@task
@hosts("elsewhere")
@roles("nobody")
@parallel(pool_size=3)
@runs_once
def decorated():
    _mark("decorated")

class Class(Task):
    name = "class"
    def run(self):
        _mark("instance")

instance = Class()
"#;
    let tasks = ["plain", "wrapped", "decorated", "instance"];
    let site = site(&farm, module, &tasks);
    let output = site.once(&tasks);
    assert!(output.status.success(), "{}", said(&output));
    for task in tasks {
        assert!(farm.node("n1").evidence().join(task).exists(), "{task}: {}", said(&output));
    }
}

#[test]
fn execute_goes_nowhere_else() {
    let farm = Farm::start(2);
    let module = r#"
from fabric.api import env, execute, run

env.roledefs = {"web": ["n1", "n2"], "db": ["n2"]}

def mark(name):
    run("touch $LOOM_EVIDENCE/%s" % name)
    return env.effective_roles

def here():
    assert list(execute(mark, "plain")) == [env.host_string]
    assert list(execute("mark", "named").values()) == [[]]
    assert list(execute(mark, "host", hosts=["n2", "n1"])) == [env.host_string]
    assert execute(mark, "role", role="web") == {env.host_string: ["web"]}
    assert execute(mark, "excluded", hosts=["n1"], exclude_hosts=["n1"]) == {}

def elsewhere():
    execute(mark, "elsewhere", host="n2")

def by_role():
    execute(mark, "elsewhere", role="db")
"#;
    let site = site(&farm, module, &["here", "elsewhere", "by_role"]);
    let output = site.once(&["here"]);
    assert!(output.status.success(), "{}", said(&output));
    for (name, there) in
        [("plain", true), ("named", true), ("host", true), ("role", true), ("excluded", false)]
    {
        let found = farm.node("n1").evidence().join(name).exists();
        assert_eq!(found, there, "{name}: {}", said(&output));
    }
    for job in ["elsewhere", "by_role"] {
        let output = site.once(&[job]);
        assert!(!output.status.success(), "{}", said(&output));
        assert!(said(&output).contains("this unit works on n1"), "{}", said(&output));
        for name in ["n1", "n2"] {
            assert!(!farm.node(name).evidence().join("elsewhere").exists());
        }
    }
}

#[test]
fn looms_own_system_tasks_can_be_imported() {
    let farm = Farm::start(1);
    let module = r#"
from fabric.api import env
import loom.system
from loom.system import add_sshfs_mount, gethostip

def address():
    assert gethostip("localhost") in ("127.0.0.1", "::1")

def mounts(fstab, mountpoint):
    # The node is this machine: its own table must never be meant.
    assert loom.system._FSTAB == "/etc/fstab"
    loom.system._FSTAB, run = fstab, loom.system.run
    def guarded(command, **how):
        assert "/etc/fstab" not in command, command
        return run(command, **how)
    loom.system.run = guarded
    add_sshfs_mount(
        {"host": "root@staging", "remotepath": "/my files", "mountpoint": mountpoint},
        {"host": "a", "remotepath": "/b", "mountpoint": "/by-name", "excludes": ["n1"]},
        {"host": "a", "remotepath": "/b", "mountpoint": "/by-host", "excludes": env.host},
    )

def wrong():
    add_sshfs_mount({"host": "a", "remotepath": "/b", "mountpoint": "c"})
"#;
    let site = site(&farm, module, &["address", "wrong"]);
    let (fstab, mountpoint) = (site.path("fstab"), site.path("a mount"));
    fs::write(&fstab, "# nothing yet").unwrap();
    let (fstab, mountpoint) = (fstab.display(), mountpoint.display());
    let args = format!("args: ['{fstab}', '{mountpoint}']");
    site.write_job("mounts", &format!("task: mine.mounts\n{args}\ntargets: [n1]"));
    for _ in 0..2 {
        let output = site.once(&["address", "mounts"]);
        assert!(output.status.success(), "{}", said(&output));
    }
    let options = "fuse\tdefaults,allow_other,exec,reconnect,transform_symlinks\t0 0";
    let point = format!("{mountpoint}").replace(' ', "\\040");
    assert_eq!(
        fs::read_to_string(site.path("fstab")).unwrap(),
        format!("# nothing yet\nsshfs#root@staging:/my\\040files\t{point}\t{options}\n")
    );
    assert!(site.path("a mount").is_dir());

    let output = site.once(&["wrong"]);
    assert!(!output.status.success());
    assert!(said(&output).contains("the mountpoint 'c' is not absolute"), "{}", said(&output));
}

#[test]
fn a_question_is_answered_by_the_job_or_fails_the_task() {
    let farm = Farm::start(1);
    let module = r#"
from fabric.contrib.console import confirm

def ask(question, expected=None):
    assert confirm(question) is expected
"#;
    let site = Site::new(&farm);
    site.write("mine.py", module);
    let answers = "answers: {'Sure?': 'yes', 'Really? [Y/n]': 'no', 'Well?': perhaps}";
    for (name, args) in [
        ("yes", "['Sure?', true]"),
        ("no", "['Really?', false]"),
        ("neither", "['Well?']"),
        ("nothing", "['Who?']"),
    ] {
        site.write_job(name, &format!("task: mine.ask\nargs: {args}\n{answers}\ntargets: [n1]"));
    }
    let output = site.once(&["yes", "no"]);
    assert!(output.status.success(), "{}", said(&output));
    for (job, words) in
        [("neither", "'perhaps', which is neither yes nor no"), ("nothing", "answers: {\"Who?")]
    {
        let output = site.once(&[job]);
        assert!(!output.status.success(), "{}", said(&output));
        assert!(said(&output).contains(words), "{}", said(&output));
    }
}

#[test]
fn a_task_ends_with_what_every_interpreter_has() {
    let farm = Farm::start(1);
    let module = r#"
from fabric.api import task

@task
def quits():
    quit()

@task
def exits():
    exit(3)
"#;
    let site = site(&farm, module, &["quits", "exits"]);
    let output = site.once(&["quits"]);
    assert!(output.status.success(), "{}", said(&output));
    let output = site.once(&["exits"]);
    assert!(said(&output).contains("failed, exit 3"), "{}", said(&output));
}

#[test]
fn env_knows_the_module_and_its_task_as_under_fab() {
    let farm = Farm::start(1);
    let module = r#"
import os
from fabric.api import env
HERE = os.path.dirname(env.real_fabfile)
BEFORE = env.command

def told():
    path = os.path.join(HERE, "mine.py")
    assert env.real_fabfile == env.fabfile == path and os.path.samefile(path, __file__)
    assert (BEFORE, env.command, env.tasks) == (None, "told", ["told"])
"#;
    let site = site(&farm, module, &["told"]);
    let output = site.once(&["told"]);
    assert!(output.status.success(), "{}", said(&output));
}

/// Its command has no lease, and this one does not mind that the connection goes.
#[test]
fn what_fab_classic_started_is_not_said_to_have_ended() {
    let test = "what_fab_classic_started_is_not_said_to_have_ended";
    let Some(python) = fabric::python() else { return skip(test, fabric::MISSING) };
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write(
        "mine.py",
        "from fabric.api import run\ndef stays():\n    run(\"trap '' HUP; sleep 6\", pty=False)\n",
    );
    let how = format!("bridge: fab-classic\npython: {}\ntimeout: 2", python.display());
    site.write_job("stays", &format!("task: mine.stays\ntargets: [n1]\n{how}"));
    let output = site.once(&["stays"]);
    assert!(said(&output).contains("timed out, kill unconfirmed"), "{}", said(&output));
}

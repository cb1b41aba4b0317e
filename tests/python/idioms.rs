//! A fabfile as people wrote them, and a module in the shape of the original's system tasks, run
//! as they are on two nodes: once on our Fabric, once on fab-classic.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use loom::python::Bridge;

use crate::harness::skip::skip;
use crate::harness::{Farm, Site, fabric, process};

const LIMIT: Duration = Duration::from_secs(120);

/// In this order. Each is a job's `task`, what else the job has, and whether it succeeds.
const RUNS: [(&str, &str, bool); 9] = [
    ("fabfile.deploy", "kwargs: {version: '1.0'}", true),
    ("fabfile.deploy", "kwargs: {version: '1.1'}", true),
    ("fabfile.deploy", "args: ['1.2', false]", true),
    ("fabfile.backup", "", true),
    ("fabfile.status", "", true),
    ("fabfile.broken", "", false),
    ("system_tasks.hosts_entry", "args: [192.0.2.7, db, db.example.com]", true),
    (
        "system_tasks.add_mount",
        "args: [{host: files, remotepath: /x, mountpoint: mnt/x}, \
         {host: files, remotepath: /y, mountpoint: mnt/y, excludes: [127.0.0.2]}]",
        true,
    ),
    ("system_tasks.run_daemon", "kwargs: {name: httpd, command: restart}", true),
];

/// What is on the nodes at the end: by path, what kind of file, its mode, and what it holds.
type Files = BTreeMap<String, String>;

#[test]
fn modules_written_for_fabric_do_on_two_nodes_what_they_do_on_fabric() {
    let classic = fabric::python().is_some();
    let (ours, theirs) = std::thread::scope(|scope| {
        let theirs = classic.then(|| scope.spawn(|| files(Bridge::FabClassic)));
        (files(Bridge::Loom), theirs.map(|theirs| theirs.join().unwrap()))
    });
    for name in ["n1", "n2"] {
        let held = |path: &str| &ours[&format!("{name}/{path}")];
        let version = "version 1.2, first: False, said: hello from current in C\r\n";
        assert!(held("guestbook/report").contains(version), "{}", held("guestbook/report"));
        assert!(held("guestbook/report").contains("releases: 1.1,1.2"), "{ours:#?}");
        assert!(held("guestbook/broken").ends_with("begun\n"), "{ours:#?}");
    }
    assert!(ours["n2/etc/fstab"].contains("mnt/y") && !ours["n1/etc/fstab"].contains("mnt/y"));
    let Some(theirs) = theirs else { return skip("idioms", fabric::MISSING) };
    for path in ours.keys().chain(theirs.keys()) {
        assert_eq!(ours.get(path), theirs.get(path), "{path}: ours, and fab-classic's");
    }
}

/// Fabric asks on a terminal, of which a scheduler has none.
#[test]
fn what_a_fabfile_asks_is_answered_by_the_job() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let answers = "answers: {'Empty the log?': 'y', 'How many to keep?': '5'}";
    for (job, task, more) in [
        ("deploy", "deploy", ""),
        ("backup", "backup", ""),
        ("unanswered", "rotate", ""),
        ("rotate", "rotate", answers),
    ] {
        let bridge = Bridge::Loom;
        write_job(&site, job, &format!("fabfile.{task}"), "[n1]", bridge, more);
        let output = once(&farm, &site, job);
        assert_eq!(output.status.success(), job != "unanswered", "{job}: {output:#?}");
        let log = fs::read_to_string(farm.node("n1").dir.join("guestbook/shared/log/app.log"));
        assert_eq!(log.unwrap().is_empty(), ["deploy", "rotate"].contains(&job), "{job}");
    }
    let kept = fs::read_to_string(farm.node("n1").dir.join("guestbook/backup/kept"));
    assert_eq!(kept.unwrap(), "kept 5\n");
}

fn write_job(site: &Site, job: &str, task: &str, targets: &str, bridge: Bridge, more: &str) {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/idioms");
    let python = fabric::python().map(|path| format!("python: {path:?}")).unwrap_or_default();
    site.write_job(
        job,
        &format!(
            "task: {task}\ntargets: {targets}\nbridge: {}\npythonpath: {modules:?}\n{python}\n{more}",
            bridge.as_str(),
        ),
    );
}

fn once(farm: &Farm, site: &Site, job: &str) -> Output {
    let mut once = site.loom(&["once", job]);
    once.env("DEPLOY_KEY", farm.identity()).env("BACKUP", site.root());
    process::run(&mut once, LIMIT)
}

fn files(bridge: Bridge) -> Files {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    for (i, (task, more, succeeds)) in RUNS.into_iter().enumerate() {
        let job = format!("job{i}");
        write_job(&site, &job, task, "[n1, n2]", bridge, more);
        let output = once(&farm, &site, &job);
        assert_eq!(
            output.status.success(),
            succeeds,
            "{task} under {}: {output:#?}",
            bridge.as_str()
        );
    }
    let mut found = Files::new();
    for name in ["n1", "n2"] {
        for top in ["guestbook", "etc"] {
            walk(&farm.node(name).dir.join(top), &format!("{name}/{top}"), &farm, &mut found);
        }
    }
    found
}

fn walk(path: &Path, name: &str, farm: &Farm, found: &mut Files) {
    let meta = fs::symlink_metadata(path).unwrap();
    let mode = meta.permissions().mode() & 0o7777;
    let root = farm.root().to_str().unwrap();
    let holds = if meta.is_symlink() {
        format!("-> {}", fs::read_link(path).unwrap().display())
    } else if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap().map(|entry| entry.unwrap()) {
            let inner = format!("{name}/{}", entry.file_name().to_str().unwrap());
            walk(&entry.path(), &inner, farm, found);
        }
        "a directory".into()
    } else {
        String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
    };
    let what = format!("{mode:o} {} {}", meta.uid(), holds.replace(root, "ROOT"));
    found.insert(name.to_owned(), what);
}

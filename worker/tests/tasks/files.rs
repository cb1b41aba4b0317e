//! `fabric.api.put` and `fabric.api.get`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use loom::arg::Arg;
use loom::protocol::message::ToWorker;
use loom::unit::{Canceller, Outcome};

use super::{Asking, PASSWORD, order, run, text, with_password};
use crate::rig::{Rig, Worker, eventually, rig, stdout};

const PUT: &str = "fabric.api.put";
const GET: &str = "fabric.api.get";

/// More than any buffer on the way holds.
const MUCH: usize = 8 << 20;

fn write(rig: &Rig, name: &str, content: &[u8]) -> String {
    let path = rig.path(name);
    fs::create_dir_all(Path::new(&path).parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

fn directory(rig: &Rig, name: &str) -> String {
    let path = rig.path(name);
    fs::create_dir_all(&path).unwrap();
    path
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_file_goes_to_a_path_or_into_a_directory() {
    let rig = rig();
    let much: Vec<u8> = (0..MUCH).map(|i| (i % 251) as u8).collect();
    let from = write(&rig, "from/it's $1", &much);
    let there = directory(&rig, "there");
    for to in [rig.path("there/new"), there.clone(), format!("{there}/")] {
        let report = run(&rig, PUT, &[&from, &to], &[]);
        assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    }
    assert!(fs::read(rig.path("there/new")).unwrap() == much);
    assert!(fs::read(rig.path("there/it's $1")).unwrap() == much);
    assert_eq!(fs::read_dir(&there).unwrap().count(), 2, "nothing is left beside them");

    let report = run(&rig, PUT, &[&from, &there], &[]);
    assert_eq!(stdout(&report), format!("{there}/it's $1\n"));
}

#[test]
fn nothing_above_the_target_is_made() {
    let rig = rig();
    let from = write(&rig, "from/file", b"x");
    for to in ["no/file", "new/"] {
        let report = run(&rig, PUT, &[&from, &rig.path(to)], &[]);
        assert_eq!(report.outcome, Outcome::Failed { exit: None }, "{report:?}");
        assert!(report.detail.unwrap().contains(to.split('/').next().unwrap()));
    }
    assert!(!Path::new(&rig.path("no")).exists() && !Path::new(&rig.path("new")).exists());
}

#[test]
fn a_pattern_needs_matches_and_several_need_a_directory() {
    let rig = rig();
    for name in ["a.txt", "b.txt", "c.md"] {
        write(&rig, &format!("from/{name}"), name.as_bytes());
    }
    let there = directory(&rig, "there");
    let report = run(&rig, PUT, &[&rig.path("from/*.txt"), &there], &[]);
    assert_eq!(stdout(&report), format!("{there}/a.txt\n{there}/b.txt\n"));

    for (pattern, to) in
        [("from/*.rs", "there"), ("from/*.txt", "there/a.txt"), ("from/*.txt", "new")]
    {
        let report = run(&rig, PUT, &[&rig.path(pattern), &rig.path(to)], &[]);
        assert_eq!(report.outcome, Outcome::Failed { exit: None }, "{report:?}");
    }
    let literal = [("use_glob", Arg::Bool(false))];
    let report = run(&rig, PUT, &[&rig.path("from/*.txt"), &there], &literal);
    assert_eq!(report.outcome, Outcome::Failed { exit: None });
    assert_eq!(fs::read_dir(&there).unwrap().count(), 2);
}

#[test]
fn a_directory_goes_with_all_that_is_in_it() {
    let rig = rig();
    write(&rig, "from/app/sub/deep", b"deep");
    write(&rig, "from/app/.hidden", b"hidden");
    directory(&rig, "from/app/empty");
    let there = directory(&rig, "there");
    for _ in 0..2 {
        let report = run(&rig, PUT, &[&rig.path("from/app"), &there], &[]);
        assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    }
    assert_eq!(read(rig.path("there/app/sub/deep")), "deep");
    assert_eq!(read(rig.path("there/app/.hidden")), "hidden");
    assert!(Path::new(&rig.path("there/app/empty")).is_dir());
}

#[test]
fn permission_bits_are_given_mirrored_or_kept() {
    let rig = rig();
    let from = write(&rig, "from/file", b"new");
    fs::set_permissions(&from, fs::Permissions::from_mode(0o751)).unwrap();
    let to = write(&rig, "there/file", b"old");
    fs::set_permissions(&to, fs::Permissions::from_mode(0o604)).unwrap();
    let mirror = ("mirror_local_mode", Arg::Bool(true));
    for (kwargs, expected) in [
        (vec![], 0o604),
        (vec![("mode", Arg::Int(0o640))], 0o640),
        (vec![("mode", text("0755"))], 0o755),
        (vec![("mode", text("0644")), mirror], 0o751),
    ] {
        let report = run(&rig, PUT, &[&from, &to], &kwargs);
        assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
        assert_eq!((mode(&to), read(&to)), (expected, "new".into()), "{kwargs:?}");
    }
    let link = rig.path("there/link");
    symlink("file", &link).unwrap();
    run(&rig, PUT, &[&write(&rig, "from/other", b"through"), &link], &[]);
    assert!(Path::new(&link).is_symlink());
    assert_eq!(read(&to), "through");
}

#[test]
fn sudo_writes_and_reads_with_the_password() {
    let node = Asking::new();
    let from = write(&node.rig, "from/file", b"\nlet me in\n");
    let there = directory(&node.rig, "there");
    let sudo = [("use_sudo", Arg::Bool(true))];
    let mut worker = Worker::start();
    let put = order(&node.rig, PUT, &[&from, &there], &sudo);
    let report = worker.run(with_password(PASSWORD, put));
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert_eq!(read(node.rig.path("there/file")), "\nlet me in\n", "and not the password");

    let back = node.rig.path("back/%(path)s");
    let get = order(&node.rig, GET, &[&there, &back], &sudo);
    let report = worker.run(with_password(PASSWORD, get));
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert_eq!(read(node.rig.path("back/there/file")), "\nlet me in\n");
    assert!(node.options().lines().count() >= 4);
}

#[test]
fn a_target_is_never_half_written() {
    let rig = rig();
    let from = write(&rig, "from/file", &vec![7; MUCH]);
    let to = write(&rig, "there/file", b"old");
    let mut worker = Worker::start();
    worker.order(order(&rig, PUT, &[&from, &to], &[]));
    let beside = || fs::read_dir(rig.path("there")).unwrap().count() > 1;
    eventually("it is being written, or done", || beside() || fs::read(&to).unwrap().len() == MUCH);
    worker.child.kill().unwrap();
    eventually("what was begun is cleared away", || !beside());
    let now = fs::read(&to).unwrap();
    assert!(now == b"old" || now == vec![7; MUCH], "{} bytes", now.len());
}

#[test]
fn files_come_by_name_by_pattern_and_by_directory() {
    let rig = rig();
    let much: Vec<u8> = (0..MUCH).map(|i| (i % 249) as u8).collect();
    write(&rig, "log/app/a b", &much);
    write(&rig, "log/one.log", b"one");
    write(&rig, "log/two.log", b"two");
    let node = rig.order(GET, &[]).node.name;
    let to = rig.path("out/%(host)s/%(path)s");
    for from in ["log/one.log", "log/t?o.log", "log"] {
        let report = run(&rig, GET, &[&rig.path(from), &to], &[]);
        assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    }
    let out = |path: &str| rig.path(&format!("out/{node}/{path}"));
    assert_eq!(read(out("one.log")), "one");
    assert_eq!(read(out("two.log")), "two");
    assert_eq!(read(out("log/two.log")), "two");
    assert!(fs::read(out("log/app/a b")).unwrap() == much);

    let into = directory(&rig, "into");
    let report = run(&rig, GET, &[&rig.path("log/*.log"), &into], &[]);
    assert_eq!(stdout(&report), format!("{into}/one.log\n{into}/two.log\n"));
    run(&rig, GET, &[&rig.path("log"), &into], &[]);
    assert_eq!(read(rig.path("into/log/one.log")), "one");
}

#[test]
fn what_is_not_there_cannot_be_brought() {
    let rig = rig();
    for from in ["gone", "gone*", "no/such/*"] {
        let report = run(&rig, GET, &[&rig.path(from), &rig.path("out/x")], &[]);
        assert_eq!(report.outcome, Outcome::Failed { exit: None }, "{report:?}");
        assert!(report.detail.unwrap().contains("no such file"));
    }
    assert!(!Path::new(&rig.path("out")).exists());
}

#[test]
fn a_file_here_is_whole_or_the_old_one() {
    let rig = rig();
    let from = rig.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&from).status().unwrap().success());
    let to = write(&rig, "here/file", b"old");
    fs::set_permissions(&to, fs::Permissions::from_mode(0o640)).unwrap();
    let beside = || {
        let entries = fs::read_dir(rig.path("here")).unwrap().flatten();
        entries.map(|entry| entry.path()).find(|path| path.to_str() != Some(&to))
    };
    for kill in [false, true] {
        let mut worker = Worker::start();
        let order = order(&rig, GET, &[&from, &to], &[]);
        let unit = order.unit;
        worker.order(order);
        let mut node = fs::OpenOptions::new().write(true).open(&from).unwrap();
        std::io::Write::write_all(&mut node, b"half.").unwrap();
        eventually("half of it is here", || {
            beside().is_some_and(|path| fs::read(path).is_ok_and(|bytes| bytes == b"half."))
        });
        if kill {
            worker.child.kill().unwrap();
            worker.child.wait().unwrap();
        } else {
            worker.tell(&ToWorker::Cancel { unit, by: Canceller::Shutdown });
            assert!(matches!(worker.done().outcome, Outcome::Cancelled { .. }));
        }
        assert_eq!(read(&to), "old");
        let left = beside().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
        assert_eq!(left.is_some(), kill, "{left:?}");
        assert!(left.is_none_or(|name| name.starts_with(".loom-get.")));
    }
    let report = run(&rig, GET, &[&write(&rig, "from", b"new"), &to], &[]);
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert_eq!((read(&to).as_str(), mode(&to), beside()), ("new", 0o640, None));
}

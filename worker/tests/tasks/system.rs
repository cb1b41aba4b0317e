//! `loom.system`. What its scripts do to an fstab is tested beside them: this machine's own is
//! left alone.

use loom::arg::Arg;
use loom::unit::Outcome;

use super::{Asking, PASSWORD, order, run, text, with_password};
use crate::rig::{Worker, rig, stderr, stdout};

#[test]
fn a_host_name_is_looked_up_on_the_node() {
    let rig = rig();
    let report = run(&rig, "loom.system.gethostip", &["127.0.0.9"], &[]);
    assert_eq!(
        (report.outcome.clone(), stdout(&report)),
        (Outcome::Succeeded, "127.0.0.9\n".into())
    );
    let report = run(&rig, "loom.system.gethostip", &["no such host"], &[]);
    assert_eq!(report.outcome, Outcome::Failed { exit: Some(1) });
    assert_eq!(stderr(&report), "no such host: no address found\n");
}

#[test]
fn what_the_node_does_not_know_fails() {
    let rig = rig();
    let mut worker = Worker::start();
    for (task, args) in [
        ("loom.system.run_daemon_cmd", ["no such daemon", "restart"].as_slice()),
        ("loom.system.mount", &["/no/such mountpoint"]),
        ("loom.system.unmount", &["/no/such mountpoint"]),
    ] {
        let report = worker.run(order(&rig, task, args, &[]));
        assert!(matches!(report.outcome, Outcome::Failed { exit: Some(1..) }), "{report:?}");
        assert!(stderr(&report).contains("such"), "{report:?}");
    }
}

#[test]
fn become_asks_sudo() {
    let node = Asking::new();
    let order = order(
        &node.rig,
        "loom.system.unmount",
        &["/no/such mountpoint"],
        &[("become", Arg::Bool(true))],
    );
    let report = Worker::start().run(with_password(PASSWORD, order));
    assert!(matches!(report.outcome, Outcome::Failed { exit: Some(1..) }), "{report:?}");
    assert!(node.options().contains("-S"));
}

#[test]
fn a_node_that_every_mount_excludes_is_left_alone() {
    let rig = rig();
    let node = rig.order("loom.run", &[]).node;
    let mount = |excluded: &str| {
        let excludes = Arg::List(vec![text("another"), text(excluded)]);
        Arg::Map(vec![
            (text("host"), text("root@staging")),
            (text("remotepath"), text("/mnt/storage")),
            (text("mountpoint"), text("/mnt/loom-test")),
            (text("excludes"), excludes),
        ])
    };
    let mut order = rig.order("loom.system.add_sshfs_mount", &[]);
    order.args = vec![mount(&node.name), mount(&node.host)];
    let report = Worker::start().run(order);
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert_eq!(stdout(&report), "every mount excludes this node\n");
}

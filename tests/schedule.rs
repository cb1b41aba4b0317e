//! The daemon across full minutes: what is due runs, everywhere and once.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::{Daemon, Farm, Site, until};

/// A full minute comes within it, and what is due then has run.
const A_MINUTE: Duration = Duration::from_secs(100);

#[test]
fn what_is_due_runs_on_every_node_and_so_does_the_next_after_its_worker_was_killed() {
    let farm = Farm::start(3);
    let site = Site::new(&farm);
    site.write_job(
        "tick",
        "task: loom.run\nargs: ['echo tick >>$LOOM_EVIDENCE/ticks']\ntargets: [n1, n2, n3]",
    );
    site.write_job(
        "long",
        "task: loom.run\nargs: ['touch $LOOM_EVIDENCE/long; sleep 600']\ntargets: [n1]",
    );
    let mut daemon = Daemon::start(&site);
    let ledger = daemon.ledger();
    let due = ledger.wait_for("tick", "succeeded", A_MINUTE);
    let all_of = |run: i64| ledger.units("tick").into_iter().filter(move |unit| unit.run == run);
    until("all three nodes", A_MINUTE, || {
        (all_of(due.run).filter(|u| u.outcome.as_deref() == Some("succeeded")).count() == 3)
            .then_some(())
    });
    let run = &ledger.runs("tick")[0];
    assert_eq!(run.scheduled_at.unwrap() % 60_000, 0, "not a full minute: {run:?}");
    for name in farm.names() {
        assert_eq!(farm.evidence(&name, "ticks"), "tick\n", "on {name}");
    }

    let started = farm.node("n1").evidence().join("long");
    until("the long command", A_MINUTE, || started.exists().then_some(()));
    daemon.workers().into_iter().for_each(|worker| worker.signal(Signal::SIGKILL));
    ledger.wait_for("long", "crashed", A_MINUTE);
    until("the next run of all three", 2 * A_MINUTE, || {
        let next = ledger.runs("tick").into_iter().find(|next| next.id != run.id)?;
        let succeeded = all_of(next.id).filter(|u| u.outcome.as_deref() == Some("succeeded"));
        (succeeded.count() == 3).then_some(())
    });
    daemon.stop();
}

#[test]
fn a_job_that_still_runs_is_not_started_again_on_that_node() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_job(
        "long",
        "task: loom.run\nargs: ['echo begun >>$LOOM_EVIDENCE/begun; sleep 600']\ntargets: [n1]",
    );
    let mut daemon = Daemon::start(&site);
    let ledger = daemon.ledger();
    until("the overlap's record", 2 * A_MINUTE, || {
        let sql = "select u.reason from units u join runs r on r.id = u.run where r.job = 'long' \
                   union select reason from runs where job = 'long' \
                   union select reason from gaps where job = 'long'";
        let reasons = ledger.query(sql, &[], |row| row.get::<_, Option<String>>(0));
        reasons.iter().any(|reason| reason.as_deref() == Some("overlap")).then_some(())
    });
    assert_eq!(farm.evidence("n1", "begun"), "begun\n");
    daemon.stop();
}

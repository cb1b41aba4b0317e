//! Daemons killed at any moment: what was due is accounted for, once.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::harness::{Daemon, Farm, Ledger, Site, until};

const A_MINUTE: Duration = Duration::from_secs(100);
const MINUTE_MS: i64 = 60_000;
/// How long after a run was opened the daemon is killed: while it connects, while units are
/// handed out, while they run, when some are done.
const MOMENTS: [u64; 4] = [0, 150, 500, 1500];

#[test]
fn a_daemon_killed_at_any_moment_accounts_for_every_minute_once() {
    let farm = Farm::start(4);
    let site = Site::new(&farm);
    let body = "task: loom.run\nargs: ['echo $LOOM_UNIT >>$LOOM_EVIDENCE/units; sleep 1']\n\
                targets: [n1, n2, n3, n4]";
    site.write_job("tick", body);
    for moment in MOMENTS {
        let mut daemon = Daemon::start(&site);
        let ledger = daemon.ledger();
        let before = ledger.runs("tick").len();
        until("a run", A_MINUTE, || (ledger.runs("tick").len() > before).then_some(()));
        std::thread::sleep(Duration::from_millis(moment));
        daemon.kill9();
    }
    let mut daemon = Daemon::start(&site);
    let ledger = daemon.ledger();
    let before = ledger.runs("tick").len();
    until("a run", A_MINUTE, || (ledger.runs("tick").len() > before).then_some(()));
    daemon.stop();

    assert!(ledger.is_sound());
    every_minute_is_covered_once(&ledger);
    no_unit_is_left_open(&ledger);
    for name in farm.names() {
        let mut cookies: Vec<String> =
            farm.evidence(&name, "units").lines().map(String::from).collect();
        let all = cookies.len();
        cookies.sort();
        cookies.dedup();
        assert_eq!(cookies.len(), all, "a unit ran twice on {name}");
    }
}

fn every_minute_is_covered_once(ledger: &Ledger) {
    let mut records: BTreeMap<i64, u32> = BTreeMap::new();
    for run in ledger.runs("tick") {
        *records.entry(run.scheduled_at.unwrap()).or_default() += 1;
    }
    let gaps = "select first_at, last_at, count from gaps where job = 'tick' and node is null";
    for (first, last, count) in ledger.query(gaps, &[], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    }) {
        assert_eq!((last - first) / MINUTE_MS + 1, count);
        (first..=last)
            .step_by(MINUTE_MS as usize)
            .for_each(|at| *records.entry(at).or_default() += 1);
    }
    let (first, last) = (*records.keys().next().unwrap(), *records.keys().last().unwrap());
    for minute in (first..=last).step_by(MINUTE_MS as usize) {
        assert_eq!(records.get(&minute), Some(&1), "records of minute {minute}: {records:?}");
    }
}

fn no_unit_is_left_open(ledger: &Ledger) {
    for unit in ledger.units("tick") {
        assert!(unit.outcome.is_some(), "{unit:?}");
    }
    for run in ledger.runs("tick") {
        assert!(!["queued", "running"].contains(&run.state.as_str()), "{run:?}");
    }
}

//! How a node fares, by its last units.

use super::*;
use crate::unit::{Canceller, Kill, Reason};

/// Unit `10 * run` on node `n`, started at second `run`, and on the node if it `answered`.
fn begin(run: u64, answered: bool) -> Vec<Record> {
    let unit = UnitId(10 * run);
    let mut records = vec![
        open_run(run, "j", &["n"]),
        Record::StartUnit { unit, worker_pid: None, at: at(run as i64) },
    ];
    records.extend(answered.then_some(Record::OnNode { unit, remote_pgid: 5 }));
    records
}

fn end(run: u64, outcome: Outcome, second: i64) -> Record {
    let (unit, output) = (UnitId(10 * run), Output::default());
    Record::CloseUnit { unit, outcome, detail: None, result: None, output, at: at(second) }
}

fn contact(dir: &TempDir) -> Contact {
    let mut contacts = Reader::open(dir.path()).unwrap().contacts(&["n", "never used"]).unwrap();
    assert!(contacts.len() <= 1);
    contacts.remove("n").unwrap_or_default()
}

#[test]
fn a_contact_is_what_the_node_itself_answered() {
    let by = Canceller::Shutdown;
    let cancelled = |kill| Outcome::Cancelled { by: by.clone(), kill };
    let timed_out = |kill| Outcome::TimedOut { kill };
    for (answered, outcome, proof) in [
        (true, Outcome::Succeeded, Some(50)),
        (true, Outcome::Failed { exit: Some(1) }, Some(50)),
        (true, Outcome::Signaled { signal: 9 }, Some(50)),
        (true, timed_out(Kill::Confirmed), Some(50)),
        (true, cancelled(Kill::Confirmed), Some(50)),
        // Not a word of it after the beginning.
        (true, timed_out(Kill::Unconfirmed), Some(1)),
        (true, cancelled(Kill::Unconfirmed), Some(1)),
        (true, Outcome::Crashed, Some(1)),
        (true, Outcome::Lost, Some(1)),
        // Nor of that: the task may have run here.
        (false, Outcome::Succeeded, None),
        (false, Outcome::Failed { exit: Some(1) }, None),
        (false, Outcome::Failed { exit: None }, None),
        (false, cancelled(Kill::Confirmed), None),
        (false, Outcome::Lost, None),
        (false, Outcome::Unreachable, None),
        (false, Outcome::Skipped { reason: Reason::Removed }, None),
    ] {
        let dir = statedir();
        let (mut ledger, _) = open(&dir);
        ledger.apply(&begin(1, answered)).unwrap();
        let running = contact(&dir).last_contact;
        assert_eq!(running, answered.then_some(at(1)), "while it runs: {outcome:?}");
        ledger.apply(&[end(1, outcome.clone(), 50)]).unwrap();
        assert_eq!(contact(&dir).last_contact, proof.map(at), "{outcome:?}");
    }
}

#[test]
fn failures_are_counted_back_to_the_last_success() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    assert_eq!(contact(&dir), Contact::default());
    let cancelled = Outcome::Cancelled { by: Canceller::Shutdown, kill: Kill::Confirmed };
    let fates = [
        Outcome::Crashed,
        Outcome::Succeeded,
        Outcome::Unreachable,
        cancelled,
        Outcome::Lost,
        Outcome::Failed { exit: Some(3) },
        Outcome::Skipped { reason: Reason::Overlap },
    ];
    for (run, fate) in (1..).zip(fates) {
        ledger.apply(&begin(run, run == 6)).unwrap();
        ledger.apply(&[end(run, fate, 100 + run as i64)]).unwrap();
    }
    ledger.apply(&begin(8, true)).unwrap();
    let now = contact(&dir);
    assert_eq!((now.last_contact, now.failures_in_a_row), (Some(at(106)), 3));
    assert_eq!(now.last_unit, Some(UnitId(80)));
    let failed = Outcome::Failed { exit: Some(3) };
    assert_eq!(now.last_failure, Some(Failure { unit: UnitId(60), outcome: failed, at: at(106) }));
    ledger.apply(&[end(8, Outcome::Succeeded, 200)]).unwrap();
    let now = contact(&dir);
    assert_eq!((now.last_contact, now.failures_in_a_row), (Some(at(200)), 0));
    assert_eq!(now.last_failure.unwrap().unit, UnitId(60));
}

/// The units of a node are in the order of their runs, which need not end in it.
#[test]
fn what_ended_last_counts_last() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    for run in 1..=2 {
        ledger.apply(&begin(run, true)).unwrap();
    }
    ledger.apply(&[end(2, Outcome::Succeeded, 20), end(1, Outcome::Lost, 30)]).unwrap();
    let now = contact(&dir);
    assert_eq!((now.failures_in_a_row, now.last_contact), (1, Some(at(20))));
}

#[test]
fn no_more_than_the_last_units_are_looked_at() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    ledger.apply(&begin(1, true)).unwrap();
    ledger.apply(&[end(1, Outcome::Succeeded, 1)]).unwrap();
    for run in 2..=30 {
        ledger.apply(&begin(run, false)).unwrap();
        ledger.apply(&[end(run, Outcome::Unreachable, run as i64)]).unwrap();
    }
    let now = contact(&dir);
    assert_eq!((now.failures_in_a_row, now.last_contact), (25, None));
}

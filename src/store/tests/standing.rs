//! What a daemon finds of its predecessor: pause, failing jobs, hooks, ids.

use std::time::Instant;

use super::*;

fn end(run: u64, job: &str, end: RunEnd) -> [Record; 2] {
    [open_run(run, job, &[]), close_run(run, end)]
}

#[test]
fn a_pause_outlives_the_daemon() {
    let dir = statedir();
    let (mut ledger, first) = open(&dir);
    assert!(!first.paused);
    ledger.apply(&[Record::Paused(true)]).unwrap();
    assert!(Reader::open(dir.path()).unwrap().paused().unwrap());
    drop(ledger);
    let (mut ledger, second) = open(&dir);
    assert!(second.paused);
    ledger.apply(&[Record::Paused(true), Record::Paused(false)]).unwrap();
    drop(ledger);
    assert!(!open(&dir).1.paused);
}

#[test]
fn no_two_daemons_use_the_same_cookies() {
    let dir = statedir();
    let copy = statedir();
    let first = open(&dir).1;
    crate::store::backup(dir.path(), &copy.path().join("ledger.db"), false).unwrap();
    let all = [first, open(&dir).1, open(&copy).1];
    assert!(all.iter().all(|opened| opened.ledger_id == all[0].ledger_id));
    let prefixes: std::collections::BTreeSet<_> = all.iter().map(|o| &o.cookie_prefix).collect();
    assert_eq!(prefixes.len(), 3);
}

#[test]
fn a_job_fails_by_its_last_run_that_came_to_an_end_of_its_own() {
    use crate::unit::Reason;
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let skipped = RunEnd::Skipped { reason: Reason::Deadline };
    for (job, ends) in [
        ("fails", vec![RunEnd::Succeeded, RunEnd::Failed]),
        ("mended", vec![RunEnd::Failed, RunEnd::Lost, RunEnd::Succeeded]),
        ("lost", vec![RunEnd::Succeeded, RunEnd::Lost]),
        ("looked past", vec![RunEnd::Failed, RunEnd::Cancelled, skipped]),
        ("looked past to a success", vec![RunEnd::Succeeded, RunEnd::Cancelled]),
        ("never judged", vec![RunEnd::Cancelled]),
    ] {
        for verdict in ends {
            let id = 1 + Reader::open(dir.path()).unwrap().runs(None, None, 99).unwrap().len();
            ledger.apply(&end(id as u64, job, verdict)).unwrap();
        }
    }
    // Left open, and so lost at the next start.
    ledger.apply(&[open_run(90, "crashed", &["n"])]).unwrap();
    drop(ledger);
    let failing = open(&dir).1.failing;
    assert!(failing.iter().eq(["crashed", "fails", "looked past", "lost"]), "{failing:?}");
}

#[test]
fn who_fails_is_known_at_once_among_many_runs() {
    let dir = statedir();
    let (ledger, _) = open(&dir);
    ledger.conn.pragma_update(None, "synchronous", "OFF").unwrap();
    ledger
        .conn
        .execute_batch(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
             INSERT INTO runs (id, job, trigger, epoch, queued_at, finished_at, state)
             SELECT i + 1, 'job ' || (i % 2000), 'manual', 0, 1, 2,
                 iif(i < 10000, iif(i % 2, 'failed', 'succeeded'), 'skipped') FROM n",
        )
        .unwrap();
    // Others use the machine, too: the best of some.
    let took = (0..10).map(|_| {
        let begun = Instant::now();
        assert_eq!(crate::store::ledger::failing(&ledger.conn).unwrap().len(), 1000);
        begun.elapsed()
    });
    let took = took.min().unwrap();
    assert!(took.as_millis() < 50, "{took:?}");
}

#[test]
fn hooks_are_read_back_and_forgotten_in_time() {
    const DAY: i64 = 24 * 60 * 60;
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let hook = |job: &str, second: i64| HookRow {
        job: job.to_string(),
        run: (second % 2 == 0).then_some(RunId(second as u64)),
        occasion: "on_failure",
        action: "webhook",
        at: at(second),
        failure: (second % 3 == 0).then(|| "https://host/…: no answer in 30 s".to_string()),
    };
    ledger.apply(&[Record::Hook(hook("j", 6)), Record::Hook(hook("j", 7))]).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.hooks("j", 9).unwrap(), [hook("j", 7), hook("j", 6)]);
    assert!(reader.hooks("other", 9).unwrap().is_empty());

    let many: Vec<Record> = (0..1500).map(|i| Record::Hook(hook("often", DAY + i))).collect();
    ledger.apply(&many).unwrap();
    let keep = Retention { days: 10, runs: 1000, bytes: 0 };
    let mut pruned = Pruned::default();
    loop {
        pruned += ledger.prune(keep, at(11 * DAY - 1)).unwrap();
        if !pruned.more {
            break;
        }
    }
    assert_eq!(pruned.hooks, 500 + 2);
    assert!(reader.hooks("j", 9).unwrap().is_empty());
    let left = reader.hooks("often", 2000).unwrap();
    assert_eq!((left.len(), left[999].at), (1000, at(DAY + 500)));
}

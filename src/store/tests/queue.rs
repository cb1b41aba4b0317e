//! What waits for the disk, and for how long that is borne.

use std::collections::BTreeSet;
use std::time::Duration;

use super::thread::{LIMIT, follow};
use super::*;
use crate::store::queue::Queue;
use crate::unit::Reason;

fn gap(job: &str, first: i64, last: i64) -> Record {
    Record::Gap(Gap {
        job: job.to_string(),
        node: None,
        first_at: at(first),
        last_at: at(last),
        count: (last - first) as u64 + 1,
        epoch: 0,
        reason: Reason::Paused,
        run: None,
    })
}

#[test]
fn a_growing_gap_waits_once_however_long_it_takes() {
    let mut queue = Queue::default();
    queue.push(jobs(&["a", "b"], 0));
    for minute in 0..10_000 {
        assert_eq!(queue.push(gap("a", 0, minute)), 2);
        assert_eq!(queue.push(gap("b", 0, minute)), 3);
    }
    assert_eq!(queue.push(open_run(1, "c", &[])), 4);
    let taken: Vec<Record> = queue.take(2).collect();
    assert_eq!(taken, [jobs(&["a", "b"], 0), gap("a", 0, 9_999)]);
    // The one is on its way; the other waits yet.
    assert_eq!(queue.push(gap("a", 0, 10_000)), 5);
    assert_eq!(queue.push(gap("b", 0, 10_000)), 3);
    assert!(queue.urgent);
    let taken: Vec<Record> = queue.take(512).collect();
    assert_eq!(taken, [gap("b", 0, 10_000), open_run(1, "c", &[]), gap("a", 0, 10_000)]);
    assert!(queue.is_empty() && !queue.urgent);
}

#[test]
fn a_gap_does_not_overtake_what_sets_its_job_back() {
    let mut queue = Queue::default();
    let back = Record::Accounted { job: "a".to_string(), through: at(0) };
    let all = [gap("a", 5, 5), back, gap("a", 5, 6), jobs(&["a"], 6), gap("a", 5, 7)];
    for record in &all {
        queue.push(record.clone());
    }
    assert!(queue.take(9).eq(all));
}

#[test]
fn the_backlog_counts_what_waits_and_nothing_twice() {
    let dir = statedir();
    let mut writer = Writer::start(dir.path(), at(0)).unwrap().0;
    let other = sqlite(dir.path());
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    writer.submit(jobs(&["a"], 0));
    follow(&mut writer, |news| news.condition.is_some());
    assert!(writer.is_degraded());
    // One more whenever the thread has just taken the last for another attempt.
    let grown: BTreeSet<Seq> =
        (1..50_000).map(|second| writer.submit(gap("a", 1, second))).collect();
    assert!(grown.len() < 100, "{} records of one gap", grown.len());
    let last = writer.submit(open_run(50_001, "a", &["n"]));
    assert_eq!(writer.backlog(), 2 + grown.len() as u64);
    other.execute_batch("COMMIT").unwrap();
    follow(&mut writer, |news| news.through >= last);
    assert_eq!((writer.backlog(), writer.is_degraded()), (0, false));
    let gaps = Reader::open(dir.path()).unwrap().gaps("a", 9).unwrap();
    assert_eq!((gaps.len(), gaps[0].count), (1, 49_999));
    writer.finish(LIMIT).unwrap();
}

#[test]
fn a_disk_that_does_not_answer_is_told_and_the_end_does_not_wait_for_it() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let waits = move || {
        let _ = held.recv_timeout(LIMIT);
        false
    };
    ledger.conn.commit_hook(Some(waits)).unwrap();
    let mut writer = Writer::over(ledger, Duration::from_millis(50)).unwrap();
    writer.submit(open_run(1, "a", &["n"]));
    follow(&mut writer, |news| match &news.condition {
        Some(Condition::Degraded(why)) => why.contains("has not answered"),
        Some(Condition::Sound) | None => false,
    });
    assert!(writer.is_degraded());
    hold.send(()).unwrap();
    follow(&mut writer, |news| news.condition == Some(Condition::Sound));
    assert_eq!(writer.backlog(), 0);

    writer.submit(open_run(2, "a", &["n"]));
    let unwritten = writer.finish(Duration::ZERO).unwrap_err();
    assert_eq!(unwritten.count, 1);
    assert!(unwritten.why.contains("has not answered"), "{}", unwritten.why);
    drop(hold);
}

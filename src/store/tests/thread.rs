//! The ledger's thread: order, refusals, trouble and the end.

use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::*;
use crate::store::scribe::Scribe;
use crate::store::shared::Shared;

pub(super) const LIMIT: Duration = Duration::from_secs(20);

pub(super) fn await_readable(writer: &Writer) {
    let mut fds = [PollFd::new(writer.fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut fds, PollTimeout::from(20_000u16)).unwrap(), 1, "no word in 20 s");
}

/// Everything acknowledged until `until` is satisfied.
pub(super) fn follow(writer: &mut Writer, mut until: impl FnMut(&Acknowledged) -> bool) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let news = writer.acknowledged();
        if until(&news) {
            return;
        }
        assert!(Instant::now() < deadline, "not in 20 s; the last word: {news:?}");
        await_readable(writer);
    }
}

fn start(dir: &TempDir) -> Writer {
    Writer::start(dir.path(), at(0)).unwrap().0
}

#[test]
fn what_is_acknowledged_is_there_for_readers() {
    let dir = statedir();
    let mut writer = start(&dir);
    let seq = writer.submit(open_run(1, "j", &["a"]));
    follow(&mut writer, |news| news.through >= seq);
    assert_eq!(writer.backlog(), 0);
    assert_eq!(Reader::open(dir.path()).unwrap().runs(None, None, 9).unwrap().len(), 1);
    writer.finish(LIMIT).unwrap();
}

#[test]
fn the_end_writes_what_is_left_and_leaves_one_clean_file() {
    let dir = statedir();
    let mut writer = start(&dir);
    for run in 1..=5000 {
        writer.submit(open_run(run, "j", &["a"]));
    }
    writer.finish(LIMIT).unwrap();
    assert!(!dir.path().join("ledger.db-wal").exists());
    let clean: i64 = sqlite(dir.path())
        .query_row("SELECT value FROM meta WHERE key = 'clean'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(clean, 1);
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.open_units_page(9999).unwrap().len(), 5000);
    drop(reader);
    assert_eq!(open(&dir).1.lost_units.len(), 5000);
}

#[test]
fn a_record_that_does_not_fit_is_named_and_the_others_are_written() {
    let dir = statedir();
    let mut writer = start(&dir);
    let mut wrong = Vec::new();
    let mut last = Seq(0);
    for run in 1..=300 {
        last = writer.submit(open_run(run, "j", &["a"]));
        if run % 100 == 0 {
            wrong.push(writer.submit(close_unit(1_000_000 + run, Outcome::Succeeded)));
            last = wrong[wrong.len() - 1];
        }
    }
    let mut rejected = Vec::new();
    follow(&mut writer, |news| {
        rejected.extend(news.rejected.iter().map(|r| r.seq));
        news.through >= last
    });
    assert_eq!(rejected, wrong);
    writer.finish(LIMIT).unwrap();
    assert_eq!(open(&dir).1.lost_runs.len(), 300);
}

#[test]
fn a_ledger_locked_by_another_process_is_reported_and_waited_for() {
    let dir = statedir();
    let mut writer = start(&dir);
    let other = sqlite(dir.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for run in 1..=1000 {
        writer.submit(open_run(run, "j", &["a"]));
    }
    follow(&mut writer, |news| matches!(news.condition, Some(Condition::Degraded(_))));
    assert_eq!(writer.backlog(), 1000);
    other.execute_batch("COMMIT").unwrap();
    let mut sound = false;
    follow(&mut writer, |news| {
        sound |= news.condition == Some(Condition::Sound);
        sound && news.through == Seq(1000)
    });
    writer.finish(LIMIT).unwrap();
    let runs = Reader::open(dir.path()).unwrap().runs(None, None, 2000).unwrap();
    assert!(runs.iter().rev().map(|row| row.run.0).eq(1..=1000));
}

#[test]
fn the_end_does_not_wait_for_ever() {
    let dir = statedir();
    let mut writer = start(&dir);
    let other = sqlite(dir.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    writer.submit(open_run(1, "j", &["a"]));
    writer.submit(open_run(2, "j", &["a"]));
    let unwritten = writer.finish(Duration::from_millis(10)).unwrap_err();
    assert_eq!(unwritten.count, 2);
    assert!(unwritten.why.contains("locked"), "{}", unwritten.why);
}

#[test]
fn a_full_disk_loses_nothing() {
    let dir = statedir();
    let (ledger, _) = open(&dir);
    let pages: i64 = ledger.conn.pragma_query_value(None, "page_count", |r| r.get(0)).unwrap();
    let limit = |scribe: &Scribe, pages: i64| {
        scribe.ledger.conn.pragma_update(None, "max_page_count", pages).unwrap();
    };
    let mut scribe = Scribe::new(ledger, Shared::new(LIMIT).unwrap());
    limit(&scribe, pages);
    let nodes: Vec<String> = (0..9).map(|i| "n".repeat(1000 + i)).collect();
    let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
    scribe.pending.extend((1..=20).map(|run| open_run(run, "j", &nodes)));
    let error = scribe.step().unwrap_err();
    assert!(!error.is_refusal() && error.to_string().contains("full"), "{error}");
    assert_eq!(scribe.pending.len(), 20);
    limit(&scribe, 10_000);
    scribe.step().unwrap();
    assert!(scribe.pending.is_empty());
    assert_eq!(Reader::open(dir.path()).unwrap().runs(None, None, 99).unwrap().len(), 20);
}

#[test]
fn a_writer_that_is_dropped_frees_the_ledger() {
    let dir = statedir();
    let mut writer = start(&dir);
    writer.submit(open_run(1, "j", &["a"]));
    drop(writer);
    let lock = std::fs::File::open(dir.path().join("ledger.lock")).unwrap();
    drop(Flock::lock(lock, FlockArg::LockExclusive).unwrap());
    assert!(open(&dir).1.lost_runs.keys().eq(&[RunId(1)]));
}

#[test]
fn the_thread_takes_no_signals() {
    let dir = statedir();
    let mut writer = start(&dir);
    let seq = writer.submit(Record::Epoch(1));
    follow(&mut writer, |news| news.through >= seq);
    let blocked: Vec<u64> = std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).ok())
        .filter(|status| status.starts_with("Name:\tledger\n"))
        .map(|status| {
            let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:\t")).unwrap();
            u64::from_str_radix(mask, 16).unwrap()
        })
        .collect();
    assert!(!blocked.is_empty());
    for mask in blocked {
        for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGCHLD, libc::SIGUSR1] {
            assert!(mask & (1 << (signal - 1)) != 0, "signal {signal} reaches the thread");
        }
    }
    writer.finish(LIMIT).unwrap();
}

//! The files of units whose workers can no longer tell of them.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::*;
use crate::unit::{Canceller, Kill};

const HEAD: &[u8] = b"2024-01-01T00:00:00Z stdout F half of it\n";

/// As a worker leaves it.
fn leave(dir: &TempDir, unit: u64) -> PathBuf {
    let output = dir.path().canonicalize().unwrap().join(OUTPUT);
    let file = output_file(&output, UnitId(unit));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, HEAD).unwrap();
    file
}

fn close_untold(unit: u64, outcome: Outcome) -> Record {
    let output = Output::default();
    Record::CloseUnit {
        unit: UnitId(unit),
        outcome,
        detail: None,
        result: None,
        output,
        at: at(200),
    }
}

fn kept(dir: &TempDir, run: u64) -> Kept {
    Reader::open(dir.path()).unwrap().units(RunId(run)).unwrap().remove(0).output
}

fn left(file: PathBuf, bytes: u64) -> Kept {
    Kept { inline: 0, file: Some(file), bytes, truncated: true }
}

#[test]
fn four_thousand_files_share_a_directory() {
    let path = |unit| output_file(Path::new("/s/output"), UnitId(unit));
    assert_eq!(path(1), Path::new("/s/output/0000/1.log"));
    assert_eq!(path(4095), Path::new("/s/output/0000/4095.log"));
    assert_eq!(path(0x1234_5678), Path::new("/s/output/12345/305419896.log"));
}

#[test]
fn what_a_dead_worker_left_is_recorded() {
    let by = Canceller::Shutdown;
    let kill = Kill::Unconfirmed;
    let ends = [
        Outcome::Crashed,
        Outcome::Lost,
        Outcome::TimedOut { kill },
        Outcome::Cancelled { by, kill },
    ];
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    for (run, outcome) in (1..).zip(ends) {
        let file = leave(&dir, 10 * run);
        fs::write(file.with_extension("log.tail"), [b'x'; 50]).unwrap();
        ledger.apply(&[open_run(run, "j", &["n"]), close_untold(10 * run, outcome)]).unwrap();
        assert_eq!(kept(&dir, run), left(file, HEAD.len() as u64 + 50));
    }
    let stored: i64 =
        ledger.conn.query_row("SELECT sum(file_bytes) FROM units", [], |row| row.get(0)).unwrap();
    assert_eq!(stored as usize, 4 * (HEAD.len() + 50), "it counts against `keep`");
}

#[test]
fn what_a_dead_daemon_left_is_recorded_at_the_next_start() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let (running, queued) = (open_run(1, "j", &["n"]), open_run(2, "j", &["n"]));
    ledger.apply(&[running, start_unit(10), queued]).unwrap();
    let files = [leave(&dir, 10), leave(&dir, 20)];
    drop(ledger);
    assert_eq!(open(&dir).1.lost_units.len(), 2);
    for (run, file) in (1..).zip(files) {
        // Its start may have been too late for the books.
        assert_eq!(kept(&dir, run), left(file, HEAD.len() as u64));
    }
}

#[test]
fn what_was_told_is_not_doubted() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    for (run, outcome) in (1..).zip([Outcome::Succeeded, Outcome::Unreachable]) {
        leave(&dir, 10 * run);
        ledger.apply(&[open_run(run, "j", &["n"]), close_untold(10 * run, outcome)]).unwrap();
        assert_eq!(kept(&dir, run), Kept::default());
    }
    leave(&dir, 30);
    ledger.apply(&[open_run(3, "j", &["n"]), close_unit(30, Outcome::Lost)]).unwrap();
    assert_eq!((kept(&dir, 3).file, kept(&dir, 3).bytes), (None, 3));
}

#[test]
fn a_file_of_another_life_is_not_taken_for_its_own() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let queued = at(1).as_second() as u64;
    for (run, written, its_own) in [(1, queued - 60, false), (2, queued + 60, true)] {
        let file = fs::File::options().write(true).open(leave(&dir, 10 * run)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(written)).unwrap();
        ledger.apply(&[open_run(run, "j", &["n"]), close_untold(10 * run, Outcome::Lost)]).unwrap();
        assert_eq!(kept(&dir, run).file.is_some(), its_own);
    }
}

#[test]
fn only_a_plain_file_is_output() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let elsewhere = leave(&dir, 999);
    let link = leave(&dir, 10);
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(elsewhere, &link).unwrap();
    let directory = leave(&dir, 20);
    fs::remove_file(&directory).unwrap();
    fs::create_dir(directory).unwrap();
    for run in 1..=3 {
        let records = [open_run(run, "j", &["n"]), close_untold(10 * run, Outcome::Crashed)];
        ledger.apply(&records).unwrap();
        assert_eq!(kept(&dir, run), Kept::default());
    }
}

//! Copies made while the ledger is written.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::thread::{LIMIT, await_readable};
use super::*;

/// Each run's records, as the thread may cut them apart.
fn life(run: u64) -> [Record; 4] {
    [
        open_run(run, "j", &["a", "b"]),
        close_unit(10 * run, Outcome::Succeeded),
        close_unit(10 * run + 1, Outcome::Unreachable),
        close_run(run, RunEnd::Failed),
    ]
}

#[test]
fn copies_made_beside_a_writer_are_each_of_one_instant() {
    let dir = statedir();
    let copies = statedir();
    let mut writer = Writer::start(dir.path(), at(0)).unwrap().0;
    let state = dir.path().to_path_buf();
    let target = copies.path().to_path_buf();
    let copying = std::thread::spawn(move || {
        for copy in 0..5 {
            crate::store::backup(&state, &target.join(format!("{copy}.db")), false).unwrap();
        }
    });
    let mut runs = 0;
    while !copying.is_finished() || runs < 3000 {
        runs += 1;
        for record in life(runs) {
            writer.submit(record);
        }
        while writer.backlog() > 100 {
            await_readable(&writer);
            writer.acknowledged();
        }
    }
    copying.join().unwrap();
    writer.finish(LIMIT).unwrap();

    let mut before = 0;
    for copy in 0..5 {
        let home = statedir();
        fs::rename(copies.path().join(format!("{copy}.db")), home.path().join("ledger.db"))
            .unwrap();
        let conn = sqlite(home.path());
        let count = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() as u64;
        let of = count("SELECT count(*) FROM runs");
        assert_eq!(of, count("SELECT ifnull(max(id), 0) FROM runs"), "no run is left out");
        assert_eq!(2 * of, count("SELECT count(*) FROM units"), "each run has its units");
        let too_early = "SELECT count(*) FROM runs JOIN units ON run = runs.id
                         WHERE runs.state = 'failed' AND units.state <> 'done'";
        assert_eq!(count(too_early), 0, "no run is over before its units");
        assert!(of >= before && of <= runs);
        before = of;
        drop(conn);

        let (mut ledger, opened) = open(&home);
        assert_eq!(opened.next_run, RunId(of + 1));
        ledger.apply(&life(of + 1)).unwrap();
        ledger.close().unwrap();
    }
    assert!(before > 0, "the last copy has something in it");
    assert_eq!(fs::read_dir(copies.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_copy_takes_the_ledger_s_place_and_the_count_of_the_old_one_does_not_matter() {
    let dir = statedir();
    let copy = dir.path().join("copy.db");
    let (mut ledger, _) = open(&dir);
    ledger.apply(&life(1)).unwrap();
    let size = crate::store::backup(dir.path(), &copy, false).unwrap();
    let found = fs::metadata(&copy).unwrap();
    assert_eq!((found.len(), found.permissions().mode() & 0o777), (size, 0o600));
    for run in 2..50 {
        ledger.apply(&life(run)).unwrap();
    }
    ledger.close().unwrap();
    fs::rename(&copy, dir.path().join("ledger.db")).unwrap();
    assert_eq!(open(&dir).1.next_run, RunId(2));
}

#[test]
fn a_copy_beside_the_log_of_a_crashed_ledger_is_refused() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    for run in 1..100 {
        ledger.apply(&life(run)).unwrap();
    }
    let crashed = statedir();
    let copy = crashed.path().join("ledger.db");
    crate::store::backup(dir.path(), &copy, false).unwrap();
    for run in 100..105 {
        ledger.apply(&life(run)).unwrap();
    }
    for name in ["ledger.db-wal", "ledger.lock"] {
        fs::copy(dir.path().join(name), crashed.path().join(name)).unwrap();
    }
    let error = Ledger::open(crashed.path(), at(0)).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    fs::remove_file(crashed.path().join("ledger.db-wal")).unwrap();
    assert_eq!(open(&crashed).1.next_run, RunId(100));
}

#[test]
fn an_older_file_put_back_by_other_means_is_refused() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    ledger.apply(&life(1)).unwrap();
    ledger.close().unwrap();
    let path = dir.path().join("ledger.db");
    let old = fs::read(&path).unwrap();
    let (mut ledger, _) = open(&dir);
    ledger.apply(&life(2)).unwrap();
    ledger.close().unwrap();
    fs::write(&path, old).unwrap();
    let error = Ledger::open(dir.path(), at(0)).map(drop).unwrap_err().to_string();
    assert!(error.contains("acknowledged transactions are missing"), "{error}");
}

#[test]
fn what_is_there_is_not_overwritten_unasked() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    ledger.apply(&life(1)).unwrap();
    let copy = dir.path().join("copy.db");
    fs::write(&copy, "precious").unwrap();
    let backup = |file: &Path, replace| crate::store::backup(dir.path(), file, replace);
    let error = backup(&copy, false).unwrap_err();
    assert!(matches!(error, BackupError::Exists(_)), "{error}");
    assert_eq!(fs::read(&copy).unwrap(), b"precious");
    backup(&copy, true).unwrap();
    assert!(fs::read(&copy).unwrap().starts_with(b"SQLite format 3"));

    for own in ["ledger.db", "ledger.db-wal", "ledger.lock"] {
        let error = backup(&dir.path().join(own), true).unwrap_err();
        assert!(matches!(error, BackupError::Itself(_)), "{error}");
    }
    let error = backup(dir.path(), true).unwrap_err();
    assert!(error.to_string().contains("it is a directory; name a file"), "{error}");
    let error = backup(&dir.path().join("no/such/copy.db"), false).unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
}

#[test]
fn without_a_sound_ledger_there_is_no_copy() {
    let dir = statedir();
    let copy = dir.path().join("copy.db");
    let error = crate::store::backup(dir.path(), &copy, false).unwrap_err();
    assert!(matches!(error, BackupError::None(_)), "{error}");
    let (mut ledger, _) = open(&dir);
    for run in 1..100 {
        ledger.apply(&life(run)).unwrap();
    }
    ledger.close().unwrap();
    let path = dir.path().join("ledger.db");
    let mut content = fs::read(&path).unwrap();
    let root: i64 = sqlite(dir.path())
        .query_row("SELECT rootpage FROM sqlite_master WHERE name = 'units'", [], |row| row.get(0))
        .unwrap();
    content[(root as usize - 1) * 4096..][..4096].fill(0xa5);
    fs::write(&path, content).unwrap();
    let error = crate::store::backup(dir.path(), &copy, false).unwrap_err().to_string();
    assert!(error.contains("the ledger is damaged"), "{error}");
    let names = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().contains("backup")));
    assert!(!copy.exists());
}

//! What befalls the files while the ledger is open, and a disk that is full or read-only.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::thread::{LIMIT, follow};
use super::*;

#[path = "../../../tests/harness/skip.rs"]
mod skip;

/// A writer that has written 300 runs, partly moved from the log into the file.
fn written(dir: &Path) -> Writer {
    let (ledger, _) = Ledger::open(dir, at(0)).unwrap();
    // Little memory, so that the file is read again.
    ledger.conn.pragma_update(None, "cache_size", 10).unwrap();
    let mut writer = Writer::over(ledger, LIMIT).unwrap();
    let mut last = Seq(0);
    for run in 1..=300 {
        last = writer.submit(open_run(run, "j", &["a", "b", "c"]));
    }
    follow(&mut writer, |news| news.through >= last);
    let other = sqlite(dir);
    other.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
    let last = writer.submit(open_run(301, "j", &["a"]));
    follow(&mut writer, |news| news.through >= last);
    writer
}

/// Why nothing can be written; submits a run to find out.
fn trouble(writer: &mut Writer, run: u64) -> String {
    writer.submit(open_run(run, "j", &["a"]));
    let mut told = None;
    follow(writer, |news| {
        if let Some(Condition::Degraded(why)) = &news.condition {
            told = Some(why.clone());
        }
        told.is_some()
    });
    told.unwrap()
}

fn mended(writer: &mut Writer) {
    let mut sound = false;
    let last = writer.submit(Record::Epoch(1));
    follow(writer, |news| {
        assert!(news.rejected.is_empty(), "{news:?}");
        sound |= news.condition == Some(Condition::Sound);
        sound && news.through == last
    });
}

fn refusal(dir: &Path) -> String {
    match Ledger::open(dir, at(0)) {
        Err(e @ StoreError::Damaged { .. }) => e.to_string(),
        Err(e) => panic!("{e}"),
        Ok(_) => panic!("the ledger was opened"),
    }
}

#[test]
fn a_ledger_that_was_moved_away_is_missed_until_it_is_back() {
    for name in ["ledger.db", "ledger.db-wal"] {
        let dir = statedir();
        let mut writer = written(dir.path());
        let (here, there) = (dir.path().join(name), dir.path().join("elsewhere"));
        fs::rename(&here, &there).unwrap();
        let why = trouble(&mut writer, 400);
        assert!(why.contains("was moved, deleted or replaced") && why.contains(name), "{why}");
        fs::rename(&there, &here).unwrap();
        mended(&mut writer);
        writer.finish(LIMIT).unwrap();
        assert_eq!(open(&dir).1.lost_runs.len(), 302);
    }
}

#[test]
fn rows_do_not_go_into_a_deleted_file_nor_harm_the_one_in_its_place() {
    let dir = statedir();
    let other = statedir();
    let mut elsewhere = open(&other).0;
    elsewhere.apply(&[open_run(7, "theirs", &["a"])]).unwrap();
    let mut writer = written(dir.path());
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    for name in ["ledger.db", "ledger.db-wal"] {
        // Not by fs::copy: closing the source would drop SQLite's locks.
        fs::hard_link(other.path().join(name), dir.path().join(name)).unwrap();
    }
    drop(elsewhere);
    let names = ["ledger.db", "ledger.db-wal"];
    let contents = |dir: &TempDir| names.map(|name| fs::read(dir.path().join(name)).ok());
    let before = contents(&dir);
    let why = trouble(&mut writer, 400);
    assert!(why.contains("was moved, deleted or replaced"), "{why}");
    let unwritten = writer.finish(Duration::from_millis(10)).unwrap_err();
    assert_eq!(unwritten.count, 1);
    assert!(contents(&dir) == before, "what is not ours was written to");
}

#[test]
fn a_deleted_state_directory_is_missed() {
    let dir = statedir();
    let state = dir.path().join("state");
    let mut writer = written(&state);
    fs::remove_dir_all(&state).unwrap();
    let why = trouble(&mut writer, 400);
    assert!(why.contains("ledger.db was moved, deleted or replaced"), "{why}");
    assert_eq!(writer.finish(Duration::from_millis(10)).unwrap_err().count, 1);
    assert!(!state.exists());
}

#[test]
fn a_file_cut_short_is_damage_for_good_and_the_next_start_says_so() {
    for (name, part) in [
        ("ledger.db", 0.0),
        ("ledger.db", 0.001),
        ("ledger.db", 0.5),
        ("ledger.db-wal", 0.0),
        ("ledger.db-wal", 0.0001),
    ] {
        let dir = statedir();
        let mut writer = written(dir.path());
        let path = dir.path().join(name);
        let len = fs::metadata(&path).unwrap().len();
        // Another process's file: a descriptor closed here would drop SQLite's locks.
        let file = std::mem::ManuallyDrop::new(OpenOptions::new().write(true).open(&path).unwrap());
        let cut = (len as f64 * part) as u64;
        file.set_len(cut).unwrap();
        let why = trouble(&mut writer, 400);
        assert!(why.contains("damaged: it was cut short"), "{name} to {cut}: {why}");
        // Growing again does not help.
        file.set_len(len).unwrap();
        let unwritten = writer.finish(Duration::from_millis(10)).unwrap_err();
        assert!(unwritten.why.contains("damaged"), "{}", unwritten.why);
        let why = refusal(dir.path());
        assert!(why.contains("the ledger is damaged"), "{why}");
    }
}

#[test]
fn files_that_sqlite_itself_shortens_are_not_cut() {
    let dir = statedir();
    let mut writer = written(dir.path());
    let other = sqlite(dir.path());
    for (run, sql) in (400..).zip([
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "DELETE FROM units; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)",
        "PRAGMA wal_checkpoint(RESTART)",
    ]) {
        let before = fs::metadata(dir.path().join("ledger.db-wal")).unwrap().len();
        for statement in sql.split("; ") {
            let mut query = other.prepare(statement).unwrap();
            let mut rows = query.raw_query();
            while rows.next().unwrap().is_some() {}
        }
        let seq = writer.submit(open_run(run, "j", &["a"]));
        follow(&mut writer, |news| {
            assert_eq!(news.condition, None, "{sql}, log before: {before}");
            news.through >= seq
        });
    }
    drop(other);
    writer.finish(LIMIT).unwrap();
    open(&dir);
}

#[test]
fn overwritten_pages_are_never_passed_over() {
    let (mut told, mut refused) = (0, 0);
    for page in 0..12u64 {
        let dir = statedir();
        let mut writer = written(dir.path());
        let path = dir.path().join("ledger.db");
        let file = std::mem::ManuallyDrop::new(OpenOptions::new().write(true).open(&path).unwrap());
        let pages = file.metadata().unwrap().len() / 4096;
        file.write_all_at(&[0xa5; 4096], page * pages / 12 * 4096).unwrap();
        for run in 400..800 {
            writer.submit(open_run(run, "j", &["a", "b"]));
        }
        let deadline = Instant::now() + LIMIT;
        while writer.backlog() > 0 && !writer.is_degraded() {
            assert!(Instant::now() < deadline);
            thread::sleep(Duration::from_millis(5));
        }
        let degraded = writer.trouble();
        let finished = writer.finish(Duration::from_millis(500));
        if let Some(why) = degraded {
            assert!(why.contains("the ledger is damaged"), "{why}");
            told += 1;
        }
        match Ledger::open(dir.path(), at(0)) {
            Err(StoreError::Damaged { .. } | StoreError::Foreign { .. }) => refused += 1,
            Err(e) => panic!("page {page}: {e}"),
            Ok((ledger, _)) => {
                // Written over again by SQLite from its memory, or never in use.
                finished.unwrap();
                let count = "SELECT count(*) FROM runs";
                let runs: i64 = ledger.conn.query_row(count, [], |row| row.get(0)).unwrap();
                assert_eq!(runs, 301 + 400, "page {page}");
            }
        }
    }
    assert!(told > 0 && refused > 0, "told {told}, refused {refused}");
}

#[test]
fn a_lock_at_the_start_is_waited_for_but_not_for_ever() {
    let dir = statedir();
    open(&dir).0.close().unwrap();
    let other = sqlite(dir.path());
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let path = dir.path().to_path_buf();
    let opening = thread::spawn(move || {
        sender.send(()).unwrap();
        Ledger::open(&path, at(0)).map(drop)
    });
    receiver.recv().unwrap();
    thread::sleep(Duration::from_millis(600));
    drop(other);
    opening.join().unwrap().unwrap();

    let other = sqlite(dir.path());
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    let error = Ledger::open(dir.path(), at(0)).map(drop).unwrap_err();
    assert!(error.to_string().contains("locked"), "{error}");
}

/// In a mount namespace of its own, with a disk of `size`.
fn on_a_disk(test: &'static str, size: &'static str, work: impl FnOnce(&Path) + Send + 'static) {
    let mounting = thread::spawn(move || {
        let dir = statedir();
        let mounted = unshare(CloneFlags::CLONE_NEWNS)
            .and_then(|()| {
                let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
                mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
            })
            .and_then(|()| {
                let options = format!("size={size},mode=0700");
                let none = MsFlags::empty();
                mount(Some("tmpfs"), dir.path(), Some("tmpfs"), none, Some(options.as_str()))
            });
        match mounted {
            Ok(()) => work(dir.path()),
            Err(e) => skip::skip(test, &format!("no file system can be mounted here: {e}")),
        }
        let _ = nix::mount::umount2(dir.path(), nix::mount::MntFlags::MNT_DETACH);
    });
    if let Err(panic) = mounting.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn a_disk_that_fills_up_loses_nothing_once_there_is_room() {
    on_a_disk("a_disk_that_fills_up", "1m", |disk| {
        let mut writer = Writer::start(disk, at(0)).unwrap().0;
        let nodes: Vec<String> = (0..10).map(|i| format!("{i}{}", "n".repeat(400))).collect();
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        let ballast = disk.join("ballast");
        fs::write(&ballast, vec![0; 400_000]).unwrap();
        let mut run = 0;
        let mut full = None;
        while full.is_none() {
            run += 1;
            assert!(run < 2000, "1 MB holds more than it can");
            writer.submit(open_run(run, "j", &nodes));
            // About as many records as fit in a chunk of their own.
            while writer.backlog() > 5 && full.is_none() {
                thread::sleep(Duration::from_millis(1));
                full = writer.trouble();
            }
        }
        let why = full.unwrap();
        assert!(why.contains("full"), "{why}");
        for _ in 0..5 {
            run += 1;
            writer.submit(open_run(run, "j", &nodes));
        }
        let waiting = writer.backlog();
        assert!(waiting >= 5, "{waiting}");
        fs::remove_file(&ballast).unwrap();
        mended(&mut writer);
        writer.finish(LIMIT).unwrap();
        let (ledger, opened) = Ledger::open(disk, at(0)).unwrap();
        assert_eq!(opened.lost_runs.len() as u64, run);
        let check = "PRAGMA integrity_check";
        let sound: String = ledger.conn.query_row(check, [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
    });
}

#[test]
fn a_start_on_a_full_disk_is_refused_and_harms_nothing() {
    on_a_disk("a_start_on_a_full_disk", "1m", |disk| {
        let (mut ledger, _) = Ledger::open(disk, at(0)).unwrap();
        ledger.apply(&[open_run(1, "j", &["a"])]).unwrap();
        ledger.close().unwrap();
        let ballast = File::create(disk.join("ballast")).unwrap();
        let block = [0; 4096];
        let mut end = 0;
        while ballast.write_all_at(&block, end).is_ok() {
            end += block.len() as u64;
        }
        let error = Ledger::open(disk, at(0)).map(drop).unwrap_err().to_string();
        assert!(!error.contains("damaged"), "{error}");
        ballast.set_len(0).unwrap();
        assert!(Ledger::open(disk, at(0)).unwrap().1.lost_runs.keys().eq(&[RunId(1)]));
    });
}

#[test]
fn a_read_only_disk_is_refused_at_the_start_and_can_be_read() {
    on_a_disk("a_read_only_disk", "1m", |disk| {
        let (mut ledger, _) = Ledger::open(disk, at(0)).unwrap();
        ledger.apply(&[open_run(1, "j", &["a"])]).unwrap();
        ledger.close().unwrap();
        let remount = |flags| mount(None::<&str>, disk, None::<&str>, flags, None::<&str>).unwrap();
        remount(MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY);
        let error = Ledger::open(disk, at(0)).map(drop).unwrap_err().to_string();
        assert!(error.contains("Read-only file system"), "{error}");
        remount(MsFlags::MS_REMOUNT);
        assert!(Ledger::open(disk, at(0)).unwrap().1.lost_runs.keys().eq(&[RunId(1)]));
    });
}

//! Files that must not be written to, and are left as they were.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::store::schema;

fn refused(dir: &TempDir) -> StoreError {
    match Ledger::open(dir.path(), at(0)) {
        Err(e) => e,
        Ok(_) => panic!("the ledger was opened"),
    }
}

/// A closed ledger of 50 runs.
fn filled() -> TempDir {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    for run in 1..=50 {
        ledger.apply(&[open_run(run, "j", &["a", "b"])]).unwrap();
    }
    ledger.close().unwrap();
    dir
}

#[test]
fn a_new_ledger_is_private() {
    let dir = statedir();
    let state = dir.path().join("deep/state");
    let (mut ledger, _) = Ledger::open(&state, at(0)).unwrap();
    ledger.apply(&[jobs(&["j"], 0)]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    for file in fs::read_dir(&state).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    let synchronous: i64 =
        ledger.conn.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    let journal: String =
        ledger.conn.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!((synchronous, journal.as_str()), (2, "wal"));
}

#[test]
fn a_directory_that_others_write_to_is_refused() {
    let dir = statedir();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(refused(&dir), StoreError::Exposed(_)));
}

#[test]
fn a_second_writer_is_refused_and_a_reader_is_not() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    ledger.apply(&[open_run(1, "j", &["a"])]).unwrap();
    assert!(matches!(refused(&dir), StoreError::InUse(_)));
    assert_eq!(Reader::open(dir.path()).unwrap().runs(None, None, 10).unwrap().len(), 1);
    drop(ledger);
    open(&dir);
}

#[test]
fn links_are_not_followed() {
    for name in ["ledger.db", "ledger.lock"] {
        let (dir, elsewhere) = (filled(), filled());
        let target = elsewhere.path().join("ledger.db");
        let before = fs::read(&target).unwrap();
        fs::remove_file(dir.path().join(name)).unwrap();
        symlink(&target, dir.path().join(name)).unwrap();
        assert!(matches!(refused(&dir), StoreError::NotAFile { .. }), "{name}");
        assert_eq!(fs::read(&target).unwrap(), before);
    }
}

#[test]
fn a_newer_ledger_is_refused() {
    let dir = filled();
    sqlite(dir.path()).pragma_update(None, "user_version", schema::VERSION + 1).unwrap();
    let error = refused(&dir);
    assert!(matches!(error, StoreError::Newer { .. }), "{error}");
    assert!(Reader::open(dir.path()).is_err());
}

#[test]
fn someone_else_s_database_is_refused() {
    let dir = statedir();
    sqlite(dir.path()).execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(refused(&dir), StoreError::Foreign { .. }));
}

#[test]
fn damage_is_refused_and_never_replaced() {
    let whole = fs::read(filled().path().join("ledger.db")).unwrap();
    let mut scrambled = whole.clone();
    let page = 4096;
    for byte in &mut scrambled[page..] {
        *byte ^= 0x5a;
    }
    for (what, bytes) in [
        ("nothing left", Vec::new()),
        ("text", b"job,run\n".repeat(100)),
        ("half a page", whole[..page / 2].to_vec()),
        ("half the pages", whole[..whole.len() / page / 2 * page].to_vec()),
        ("scrambled", scrambled),
    ] {
        let dir = filled();
        let path = dir.path().join("ledger.db");
        fs::write(&path, &bytes).unwrap();
        let error = refused(&dir);
        assert!(matches!(error, StoreError::Damaged { .. }), "{what}: {error}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "{what}");
    }
}

#[test]
fn damage_deep_inside_is_found_after_an_unclean_end() {
    let dir = filled();
    drop(open(&dir));
    let path = dir.path().join("ledger.db");
    sqlite(dir.path()).pragma_update(None, "wal_checkpoint", "TRUNCATE").ok();
    let root: i64 = sqlite(dir.path())
        .query_row("SELECT rootpage FROM sqlite_master WHERE name = 'gaps'", [], |row| row.get(0))
        .unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[(root as usize - 1) * 4096] = 0x77;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(refused(&dir), StoreError::Damaged { .. }));
}

#[test]
fn a_missing_ledger_whose_log_is_still_there_is_damage() {
    let dir = filled();
    fs::rename(dir.path().join("ledger.db"), dir.path().join("ledger.db-wal")).unwrap();
    assert!(matches!(refused(&dir), StoreError::Damaged { .. }));
}

#[test]
fn what_a_crash_left_of_a_new_ledger_is_no_hindrance() {
    let dir = statedir();
    fs::write(dir.path().join("ledger.db.new"), "half").unwrap();
    open(&dir);
}

#[test]
fn a_ledger_of_version_1_opens_with_its_rows() {
    let dir = statedir();
    let conn = sqlite(dir.path());
    conn.execute_batch(schema::STEPS[0]).unwrap();
    conn.pragma_update(None, "user_version", 1).unwrap();
    conn.execute_batch(
        "INSERT INTO jobs VALUES ('j', '@daily', 'UTC', 1000, 2000, NULL);
         INSERT INTO runs VALUES (7, 'j', 'schedule', 2000, 0, 2001, 2002, 2003, 'succeeded', NULL);
         INSERT INTO units (id, run, node, attempt, state, outcome)
             VALUES (9, 7, 'n', 1, 'done', 'succeeded');",
    )
    .unwrap();
    drop(conn);
    let (ledger, opened) = open(&dir);
    assert_eq!(schema::version(&ledger.conn).unwrap(), schema::VERSION);
    assert_eq!((opened.next_run, opened.next_unit), (RunId(8), UnitId(10)));
    assert!(!opened.paused && opened.failing.is_empty());
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.runs(Some("j"), None, 1).unwrap()[0].run, RunId(7));
    assert_eq!(reader.units(RunId(7)).unwrap()[0].state, UnitState::Done(Outcome::Succeeded));
    assert!(reader.hooks("j", 1).unwrap().is_empty());
}

#[test]
fn migration_takes_each_missing_step_once_and_a_failing_one_not_at_all() {
    let mut conn = Connection::open_in_memory().unwrap();
    let first = "CREATE TABLE t (a); INSERT INTO t VALUES (1)";
    let second = "ALTER TABLE t ADD COLUMN b DEFAULT 2";
    let broken = "INSERT INTO t VALUES (5, 6); SELECT nonsense";
    schema::migrate(&mut conn, &[first]).unwrap();
    assert!(schema::migrate(&mut conn, &[first, second, broken]).is_err());
    schema::migrate(&mut conn, &[first, second]).unwrap();
    assert_eq!(schema::version(&conn).unwrap(), 2);
    let rows: Vec<(i64, i64)> = conn
        .prepare("SELECT a, b FROM t")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(rows, [(1, 2)]);
}

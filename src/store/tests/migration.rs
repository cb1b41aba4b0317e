//! A ledger of an earlier version, with rows in it, becomes one of today's.

use super::*;
use crate::store::schema;

/// What a Loom that knew `version` would have left in `dir`.
fn written_by(version: usize, dir: &TempDir) {
    let mut conn = sqlite(dir.path());
    schema::migrate(&mut conn, &schema::STEPS[..version]).unwrap();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    conn.execute_batch(
        "UPDATE meta SET value = 8 WHERE key = 'next_run';
         INSERT INTO jobs VALUES ('j', '* * * * *', NULL, 1, 60000, NULL);
         INSERT INTO runs (id, job, trigger, scheduled_at, epoch, queued_at, started_at,
             finished_at, state, reason)
         VALUES (5, 'j', 'schedule', 60000, 0, 60001, 60002, 60009, 'failed', NULL);
         INSERT INTO runs (id, job, trigger, scheduled_at, epoch, queued_at, started_at,
             finished_at, state, reason)
         VALUES (6, 'j', 'manual', NULL, 0, 70000, 70001, NULL, 'running', NULL);
         INSERT INTO units (id, run, node, attempt, state, outcome, exit, started_at, finished_at,
             output, output_bytes)
         VALUES (50, 5, 'n', 1, 'done', 'failed', 3, 60002, 60009, x'6f7574', 3);
         INSERT INTO units (id, run, node, attempt, state, cookie, started_at)
         VALUES (60, 6, 'n', 1, 'running', 'c-60', 70001);
         INSERT INTO gaps VALUES (1, 'j', NULL, 1, 2, 2, 0, 'daemon down', NULL);",
    )
    .unwrap();
}

#[test]
fn every_earlier_version_is_taken_over_with_its_rows() {
    for version in 1..schema::STEPS.len() {
        let dir = statedir();
        written_by(version, &dir);
        let (mut ledger, opened) = open(&dir);
        assert_eq!(schema::version(&ledger.conn).unwrap(), schema::VERSION);
        assert_eq!((opened.next_run, opened.next_unit), (RunId(8), UnitId(61)));
        assert!(opened.lost_runs.keys().eq(&[RunId(6)]));
        assert!(opened.failing.iter().eq(["j"]) && opened.tokens.is_empty());

        let reader = Reader::open(dir.path()).unwrap();
        let run = reader.run(RunId(5)).unwrap().unwrap();
        assert_eq!((run.state, run.by), (RunState::Done(RunEnd::Failed), None));
        assert_eq!((run.retry_of, run.command, run.within), (None, None, None));
        assert_eq!(reader.plan(RunId(5)).unwrap(), None, "there were no flows");
        let units = reader.units(RunId(5)).unwrap();
        assert_eq!(units[0].state, UnitState::Done(Outcome::Failed { exit: Some(3) }));
        assert_eq!(units[0].result, None);
        assert_eq!(reader.gaps("j", 9).unwrap().len(), 1);

        ledger.apply(&[open_run(8, "j", &["n"]), close_unit(80, Outcome::Succeeded)]).unwrap();
        ledger.close().unwrap();
        let check: String =
            sqlite(dir.path()).query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
    }
}

#[test]
fn a_ledger_taken_over_looks_like_one_begun_today() {
    let columns = |dir: &TempDir| -> Vec<(String, String)> {
        let conn = sqlite(dir.path());
        let sql = "SELECT name, coalesce(
                       (SELECT group_concat(c.name || ' ' || c.type)
                        FROM pragma_table_xinfo(m.name) AS c), sql, '')
                   FROM sqlite_schema AS m ORDER BY name";
        let mut query = conn.prepare(sql).unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let (old, new) = (statedir(), statedir());
    written_by(1, &old);
    drop((open(&old), open(&new)));
    assert_eq!(columns(&old), columns(&new));
    assert!(columns(&new).iter().any(|(name, _)| name == "runs_unlike"));
}

/// A reader changes nothing, and cannot know what an old ledger does not hold.
#[test]
fn an_earlier_version_is_not_read_before_a_daemon_has_taken_it_over() {
    let dir = statedir();
    written_by(2, &dir);
    let Err(error) = Reader::open(dir.path()) else { panic!("it was opened") };
    assert!(matches!(error, StoreError::Older { found: 2, .. }), "{error}");
    let copy = dir.path().join("copy.db");
    crate::store::backup(dir.path(), &copy, false).unwrap();
    drop(open(&dir));
    assert!(Reader::open(dir.path()).is_ok());
    assert!(copy.exists(), "what is old can be saved all the same");
}

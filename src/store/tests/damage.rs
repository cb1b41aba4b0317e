//! Files damaged between two daemons: refused, or whole.

use std::fs;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::unit::Reason;

const RUNS: u64 = 200;

type Files = Vec<(&'static str, Vec<u8>)>;

#[derive(Debug, PartialEq)]
struct Books {
    jobs: Vec<JobRow>,
    runs: Vec<RunRow>,
    units: Vec<UnitRow>,
    gaps: Vec<Gap>,
    hooks: Vec<HookRow>,
}

/// Everything, through a reader; `None` if something cannot be read.
fn books(dir: &Path) -> Option<Books> {
    let reader = Reader::open(dir).ok()?;
    let runs = reader.runs(None, None, 10_000).ok()?;
    let units = runs.iter().map(|run| reader.units(run.run).ok());
    Some(Books {
        units: units.collect::<Option<Vec<_>>>()?.concat(),
        runs,
        jobs: reader.jobs().ok()?,
        gaps: reader.gaps("j", 10_000).ok()?,
        hooks: reader.hooks("j", 10_000).ok()?,
    })
}

/// The files as a crash leaves them, and as an orderly end does.
static BEFORE: LazyLock<(Books, Files, Files)> = LazyLock::new(|| {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    ledger.apply(&[jobs(&["j", "k"], 0)]).unwrap();
    for run in 1..=RUNS {
        let gap = Gap {
            job: "j".to_string(),
            node: None,
            first_at: at(10_000 + run as i64),
            last_at: at(10_000 + run as i64),
            count: 1,
            epoch: 0,
            reason: Reason::Overlap,
            run: None,
        };
        let hook = HookRow {
            job: "j".to_string(),
            run: Some(RunId(run)),
            occasion: "on_start",
            action: "command",
            at: at(run as i64),
            failure: None,
        };
        ledger
            .apply(&[
                open_run(run, "j", &["a", "b"]),
                start_unit(10 * run),
                close_unit(10 * run, Outcome::Succeeded),
                close_unit(10 * run + 1, Outcome::Unreachable),
                close_run(run, RunEnd::Failed),
                Record::Gap(gap),
                Record::Hook(hook),
            ])
            .unwrap();
        if run == RUNS / 2 {
            let sql = "PRAGMA wal_checkpoint(PASSIVE)";
            ledger.conn.query_row(sql, [], |_| Ok(())).unwrap();
        }
    }
    // SQLite's locks are of no use to anyone here.
    let read = |name: &'static str| Some((name, fs::read(dir.path().join(name)).ok()?));
    let names = ["ledger.db", "ledger.db-wal", "ledger.lock"];
    let crashed = names.into_iter().filter_map(read).collect();
    let books = books(dir.path()).unwrap();
    ledger.close().unwrap();
    let closed = names.into_iter().filter_map(read).collect();
    (books, crashed, closed)
});

#[derive(Debug, Clone)]
enum Harm {
    Cut(f64),
    Delete,
    /// From there so many bytes, random or zero.
    Overwrite(f64, usize, Option<u64>),
}

fn any_harm() -> impl Strategy<Value = Harm> {
    let sizes = prop_oneof![Just(512), Just(4096), Just(16384)];
    let place = || 0.0..1.0f64;
    prop_oneof![
        2 => place().prop_map(Harm::Cut),
        4 => (place(), sizes, any::<Option<u64>>())
            .prop_map(|(place, size, seed)| Harm::Overwrite(place, size, seed)),
        1 => Just(Harm::Delete),
    ]
}

fn harm(content: &mut Vec<u8>, harm: &Harm) {
    match harm {
        Harm::Cut(place) => content.truncate((content.len() as f64 * place) as usize),
        Harm::Delete => content.clear(),
        Harm::Overwrite(place, size, seed) => {
            let start = (content.len() as f64 * place) as usize / 512 * 512;
            let end = (start + size).min(content.len());
            let mut state = seed.unwrap_or(0);
            for byte in &mut content[start..end] {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(u64::from(seed.is_some()));
                *byte = (state >> 33) as u8;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn a_damaged_ledger_is_refused_as_it_is_or_has_every_acknowledged_row(
        crashed: bool,
        log: bool,
        how in any_harm(),
    ) {
        let (books_before, after_crash, after_close) = &*BEFORE;
        let mut files = if crashed { after_crash.clone() } else { after_close.clone() };
        let log = log && crashed;
        let target = if log { "ledger.db-wal" } else { "ledger.db" };
        // A ledger that is gone without a trace is no damaged one.
        prop_assume!(crashed || !matches!(how, Harm::Delete));
        for (_, content) in files.iter_mut().filter(|(name, _)| *name == target) {
            harm(content, &how);
        }
        if matches!(how, Harm::Delete) {
            files.retain(|(name, _)| *name != target);
        }
        let dir = statedir();
        for (name, content) in &files {
            fs::write(dir.path().join(name), content).unwrap();
        }
        match Ledger::open(dir.path(), at(0)) {
            Ok((ledger, _)) => {
                let found = books(dir.path());
                prop_assert_eq!(found.as_ref(), Some(books_before));
                drop(ledger);
            }
            Err(StoreError::Damaged { .. } | StoreError::Foreign { .. } | StoreError::Newer { .. }) => {
                for (name, content) in &files {
                    let now = fs::read(dir.path().join(name)).unwrap();
                    prop_assert!(now == *content, "{} was changed", name);
                }
            }
            Err(e) => prop_assert!(false, "{}", e),
        }
    }
}

#[test]
fn a_log_that_lost_its_end_is_refused_until_the_loss_is_accepted() {
    let dir = statedir();
    for (name, content) in &BEFORE.1 {
        let kept = if *name == "ledger.db-wal" { content.len() / 4 } else { content.len() };
        fs::write(dir.path().join(name), &content[..kept]).unwrap();
    }
    let error = Ledger::open(dir.path(), at(0)).map(drop).unwrap_err().to_string();
    assert!(error.contains("acknowledged transactions are missing"), "{error}");
    assert!(error.contains("delete ledger.lock"), "{error}");
    fs::remove_file(dir.path().join("ledger.lock")).unwrap();
    assert!(open(&dir).1.next_run > RunId(RUNS / 2));
}

#[test]
fn a_closed_ledger_that_was_touched_is_looked_through() {
    let dir = statedir();
    for (name, content) in &BEFORE.2 {
        fs::write(dir.path().join(name), content).unwrap();
    }
    open(&dir).0.close().unwrap();
    open(&dir).0.close().unwrap();
    let path = dir.path().join("ledger.db");
    let root: i64 = sqlite(dir.path())
        .query_row("SELECT rootpage FROM sqlite_master WHERE name = 'units'", [], |row| row.get(0))
        .unwrap();
    let mut content = fs::read(&path).unwrap();
    content[(root as usize - 1) * 4096..][..4096].fill(0);
    fs::write(&path, content).unwrap();
    let error = Ledger::open(dir.path(), at(0)).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

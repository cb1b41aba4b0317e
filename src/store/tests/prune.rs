//! What goes, and what stays.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::unit::Reason;

const DAY: i64 = 24 * 60 * 60;

fn keep(days: u32, runs: u32, bytes: u64) -> Retention {
    Retention { days, runs, bytes }
}

fn prune(ledger: &mut Ledger, keep: Retention, now: Timestamp) -> Pruned {
    let mut all = Pruned::default();
    loop {
        all += ledger.prune(keep, now).unwrap();
        if !all.more {
            return all;
        }
    }
}

/// Finished runs `ids` of `job`, run n at day n, each with an output file of 100 bytes.
fn fill(ledger: &mut Ledger, dir: &Path, job: &str, ids: std::ops::RangeInclusive<u64>) {
    let logs = dir.canonicalize().unwrap().join("logs");
    fs::create_dir_all(&logs).unwrap();
    for id in ids {
        let file = logs.join(id.to_string());
        fs::write(&file, [b'x'; 60]).unwrap();
        fs::write(logs.join(format!("{id}.tail")), [b'x'; 40]).unwrap();
        let mut closing = close_unit(10 * id, Outcome::Succeeded);
        let Record::CloseUnit { output, .. } = &mut closing else { unreachable!() };
        *output = Output { inline: Vec::new(), file: Some(file), bytes: 999, truncated: true };
        let day = at(id as i64 * DAY);
        let end = Record::CloseRun { run: RunId(id), end: RunEnd::Succeeded, at: day };
        ledger.apply(&[open_run(id, job, &["n"]), closing, end]).unwrap();
    }
}

fn runs(dir: &TempDir, job: &str) -> Vec<u64> {
    let rows = Reader::open(dir.path()).unwrap().runs(Some(job), None, 10_000).unwrap();
    rows.iter().rev().map(|row| row.run.0).collect()
}

fn files(dir: &TempDir) -> usize {
    fs::read_dir(dir.path().join("logs")).unwrap().count()
}

#[test]
fn old_runs_go_with_their_files_but_never_the_last_ten() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    fill(&mut ledger, dir.path(), "often", 1..=30);
    fill(&mut ledger, dir.path(), "seldom", 41..=45);
    let done = prune(&mut ledger, keep(15, 1000, u64::MAX), at(30 * DAY));
    assert_eq!((done.runs, done.files), (14, 28));
    assert!(runs(&dir, "often").into_iter().eq(15..=30));
    prune(&mut ledger, keep(15, 1000, u64::MAX), at(900 * DAY));
    assert!(runs(&dir, "often").into_iter().eq(21..=30));
    assert!(runs(&dir, "seldom").into_iter().eq(41..=45));
    assert_eq!(files(&dir), 2 * 15);
}

#[test]
fn the_count_is_each_job_s_own_and_open_runs_stay() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    ledger.apply(&[open_run(1, "a", &["n"])]).unwrap();
    fill(&mut ledger, dir.path(), "a", 2..=30);
    fill(&mut ledger, dir.path(), "b", 31..=50);
    prune(&mut ledger, keep(10_000, 12, u64::MAX), at(60 * DAY));
    assert!(runs(&dir, "a").into_iter().eq([1].into_iter().chain(19..=30)));
    assert!(runs(&dir, "b").into_iter().eq(39..=50));
}

#[test]
fn a_job_long_removed_goes_whole_and_its_ids_are_not_used_again() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    ledger.apply(&[jobs(&["gone", "here"], 0)]).unwrap();
    fill(&mut ledger, dir.path(), "gone", 1..=30);
    let gap = Gap {
        job: "gone".to_string(),
        node: None,
        first_at: at(0),
        last_at: at(9),
        count: 9,
        epoch: 0,
        reason: Reason::DaemonDown,
        run: None,
    };
    ledger.apply(&[Record::Gap(gap), jobs(&["here"], 30 * DAY)]).unwrap();
    let done = prune(&mut ledger, keep(90, 1000, u64::MAX), at(500 * DAY));
    assert_eq!((done.runs, done.gaps), (30, 1));
    let names: Vec<_> = Reader::open(dir.path()).unwrap().jobs().unwrap();
    assert_eq!(names.iter().map(|job| job.entry.name.as_str()).collect::<Vec<_>>(), ["here"]);
    drop(ledger);
    let opened = open(&dir).1;
    assert_eq!((opened.next_run, opened.next_unit), (RunId(31), UnitId(301)));
}

#[test]
fn too_many_bytes_cost_the_oldest_files_and_no_row() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    fill(&mut ledger, dir.path(), "j", 1..=30);
    prune(&mut ledger, keep(10_000, 1000, 2550), at(30 * DAY));
    assert_eq!(runs(&dir, "j").len(), 30);
    assert_eq!(files(&dir), 2 * 25);
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.units(RunId(5)).unwrap()[0].output.file, None);
    assert!(reader.units(RunId(6)).unwrap()[0].output.file.is_some());
    prune(&mut ledger, keep(10_000, 1000, 0), at(30 * DAY));
    assert_eq!(files(&dir), 2 * 10);
}

#[test]
fn files_outside_the_state_directory_are_not_touched() {
    let (dir, elsewhere) = (statedir(), statedir());
    let (mut ledger, _) = open(&dir);
    fill(&mut ledger, dir.path(), "j", 1..=12);
    let state = dir.path().canonicalize().unwrap();
    let outside = elsewhere.path().join("passwd");
    fs::write(&outside, "root").unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), state.join("link")).unwrap();
    let name = elsewhere.path().file_name().unwrap();
    let dotted = state.join("logs/../..").join(name).join("passwd");
    for (unit, path) in (1..).zip([outside.clone(), dotted, state.join("link/passwd")]) {
        let path: PathBuf = path;
        ledger
            .conn
            .execute(
                "INSERT INTO units (id, run, node, attempt, state, output_file)
                 VALUES (?1, 1, ?1, 1, 'done', ?2)",
                rusqlite::params![unit, path.to_str().unwrap()],
            )
            .unwrap();
    }
    assert_eq!(prune(&mut ledger, keep(0, 0, u64::MAX), at(900 * DAY)).runs, 2);
    assert!(outside.exists());
}

/// They are of no job of the configuration, which is not to say that it was removed.
#[test]
fn the_runs_of_commands_are_kept_as_those_of_any_job() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    ledger.apply(&[jobs(&["here"], 0)]).unwrap();
    fill(&mut ledger, dir.path(), "@exec", 1..=30);
    let done = prune(&mut ledger, keep(1000, 20, u64::MAX), at(31 * DAY));
    assert_eq!((done.runs, done.files), (10, 20));
    prune(&mut ledger, keep(15, 20, u64::MAX), at(30 * DAY));
    assert!(runs(&dir, "@exec").into_iter().eq(15..=30));
    prune(&mut ledger, keep(1, 1, u64::MAX), at(900 * DAY));
    assert!(runs(&dir, "@exec").into_iter().eq(21..=30), "the last ten stay");
}

#[test]
fn the_audit_goes_by_days_and_requests_after_one() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let audit = |second: i64| {
        let [who, via, action, subject] = ["ann", "socket", "run", "j"].map(str::to_string);
        Record::Audit(AuditRow { at: at(second), who, via, action, subject, detail: None })
    };
    let request = |second: i64| {
        let (key, who) = (second.to_string(), "ann".to_string());
        let digest = [0; 32];
        Record::Request(RequestRow { key, who, digest, run: None, at: at(second) })
    };
    for seconds in [0..1500, 10 * DAY - 2..10 * DAY] {
        let records: Vec<_> = seconds.flat_map(|s| [audit(s), request(s)]).collect();
        ledger.apply(&records).unwrap();
    }
    let done = prune(&mut ledger, keep(10, 1, 0), at(10 * DAY));
    assert_eq!((done.audit, done.requests), (0, 1500));
    let first = ledger.prune(keep(5, 1, 0), at(10 * DAY)).unwrap();
    assert!(first.more && first.audit <= 1000, "{first:?}");
    assert_eq!(first.audit + prune(&mut ledger, keep(5, 1, 0), at(10 * DAY)).audit, 1500);
    let done = prune(&mut ledger, keep(5, 1, 0), at(11 * DAY - 1));
    assert_eq!((done.audit, done.requests), (0, 1), "one of the two is a day old");
}

#[test]
fn a_switch_goes_with_the_last_of_its_job() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let by = || "ann".to_string();
    let off = |job: &str| Record::Switch {
        job: job.to_string(),
        off: Some(Switched { by: by(), at: at(1) }),
    };
    ledger.apply(&[jobs(&["gone", "here"], 0), off("gone"), off("here")]).unwrap();
    ledger.apply(&[jobs(&["here"], DAY)]).unwrap();
    let switched = |ledger: &Ledger| {
        let off = crate::store::people::switched_off(&ledger.conn).unwrap();
        off.into_keys().collect::<Vec<_>>()
    };
    prune(&mut ledger, keep(90, 1, 0), at(50 * DAY));
    assert_eq!(switched(&ledger), ["gone", "here"], "it may yet come back");
    prune(&mut ledger, keep(90, 1, 0), at(100 * DAY));
    assert_eq!(switched(&ledger), ["here"]);
}

#[test]
fn a_thousand_jobs_take_several_bounded_batches() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    for run in 1..=1500 {
        let job = format!("job {}", run % 100);
        ledger.apply(&[open_run(run, &job, &["n"]), close_run(run, RunEnd::Failed)]).unwrap();
    }
    let first = ledger.prune(keep(0, 0, 0), at(DAY)).unwrap();
    assert!(first.more && first.runs < 500, "{first:?}");
    let rest = prune(&mut ledger, keep(0, 0, 0), at(DAY));
    assert_eq!(first.runs + rest.runs, 500);
}

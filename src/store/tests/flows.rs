//! Flows and their parts: written together, lost together, and gone together.

use std::fs;

use super::*;
use crate::event::Within;
use crate::job::flow::Place;

const DAY: i64 = 24 * 60 * 60;

fn flow(run: u64, name: &str) -> Record {
    match open_run(run, name, &[]) {
        Record::OpenRun {
            run,
            job,
            trigger,
            scheduled_at,
            epoch,
            at,
            by,
            retry_of,
            command,
            within,
            units,
            ..
        } => {
            let plan = Some(format!("{{\"slots\":[],\"of\":{run}}}"));
            Record::OpenRun {
                run,
                job,
                trigger,
                scheduled_at,
                epoch,
                at,
                by,
                retry_of,
                command,
                within,
                plan,
                units,
            }
        }
        _ => unreachable!(),
    }
}

/// The part of that slot, with a unit.
fn part(run: u64, of: u64, job: &str, slot: u32) -> Record {
    match open_run(run, job, &["n"]) {
        Record::OpenRun { run, job, epoch, at, by, retry_of, command, plan, units, .. } => {
            let place = Place { slot, part: 1, rescue: 0 };
            let within = Some(Within { flow: RunId(of), place, missing: 0, succeeded: 0 });
            let trigger = Trigger::Flow;
            Record::OpenRun {
                run,
                job,
                trigger,
                scheduled_at: None,
                epoch,
                at,
                by,
                retry_of,
                command,
                within,
                plan,
                units,
            }
        }
        _ => unreachable!(),
    }
}

fn end(run: u64, day: i64) -> Record {
    Record::CloseRun { run: RunId(run), end: RunEnd::Succeeded, at: at(day * DAY) }
}

/// A run of `flow` at that day: with a part of `job` and one of its own, which have output files.
fn whole(ledger: &mut Ledger, dir: &Path, run: u64, job: &str) {
    let logs = dir.canonicalize().unwrap().join("logs");
    fs::create_dir_all(&logs).unwrap();
    let day = run as i64 / 3;
    let mut records = vec![flow(run, "flow")];
    for (slot, name) in [(1, job), (2, "flow/own")] {
        let of_part = run + u64::from(slot);
        let file = logs.join(of_part.to_string());
        fs::write(&file, [b'x'; 100]).unwrap();
        let mut closing = close_unit(10 * of_part, Outcome::Succeeded);
        let Record::CloseUnit { output, .. } = &mut closing else { unreachable!() };
        *output = Output { inline: Vec::new(), file: Some(file), bytes: 100, truncated: false };
        records.extend([part(of_part, run, name, slot), closing, end(of_part, day)]);
    }
    records.push(end(run, day));
    ledger.apply(&records).unwrap();
}

fn prune(ledger: &mut Ledger, days: u32, runs: u32, bytes: u64, now: Timestamp) -> Pruned {
    let mut all = Pruned::default();
    loop {
        all += ledger.prune(Retention { days, runs, bytes }, now).unwrap();
        if !all.more {
            return all;
        }
    }
}

fn count(dir: &TempDir, sql: &str) -> i64 {
    sqlite(dir.path()).query_row(sql, [], |row| row.get(0)).unwrap()
}

fn ids(dir: &TempDir, job: &str) -> Vec<u64> {
    let rows = Reader::open(dir.path()).unwrap().runs(Some(job), None, 10_000).unwrap();
    rows.iter().rev().map(|row| row.run.0).collect()
}

fn files(dir: &TempDir) -> usize {
    fs::read_dir(dir.path().join("logs")).unwrap().count()
}

#[test]
fn a_flow_is_read_with_its_plan_and_its_parts() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    whole(&mut ledger, dir.path(), 3, "job");
    let copy = dir.path().join("copy");
    crate::store::backup(dir.path(), &copy, false).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let plan = reader.plan(RunId(3)).unwrap();
    assert_eq!(plan.as_deref(), Some("{\"slots\":[],\"of\":3}"));
    let parts = reader.parts(RunId(3)).unwrap();
    let within = |slot| Some((RunId(3), Place { slot, part: 1, rescue: 0 }));
    assert_eq!(parts.iter().map(|row| row.within).collect::<Vec<_>>(), [within(1), within(2)]);
    assert_eq!(reader.tallies(&[RunId(3)]).unwrap()[&RunId(3)].succeeded, 2);
    let conn = rusqlite::Connection::open(copy).unwrap();
    let saved: String = conn.query_row("SELECT plan FROM plans", [], |row| row.get(0)).unwrap();
    assert_eq!(Some(saved), plan);
}

#[test]
fn a_part_is_of_a_flow_that_is_under_way() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let refused = |records: &[Record], ledger: &mut Ledger| match ledger.apply(records) {
        Err(StoreError::Refused(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(refused(&[part(2, 1, "job", 1)], &mut ledger).contains("run 1 is no flow"));
    ledger.apply(&[flow(1, "flow"), end(1, 1)]).unwrap();
    assert!(refused(&[part(2, 1, "job", 1)], &mut ledger).contains("run 1 is no flow"));
}

#[test]
fn a_flow_that_was_open_is_lost_with_what_was_open_of_it() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let first = [part(2, 1, "job", 1), close_unit(20, Outcome::Succeeded), end(2, 1)];
    ledger.apply(&[flow(1, "flow")]).unwrap();
    ledger.apply(&first).unwrap();
    ledger.apply(&[part(3, 1, "flow/own", 2), start_unit(30)]).unwrap();
    drop(ledger);
    let (_, opened) = open(&dir);
    assert!(opened.lost_runs.keys().eq(&[RunId(1), RunId(3)]), "{:?}", opened.lost_runs);
    assert_eq!(opened.lost_units, [UnitId(30)]);
    let parts = Reader::open(dir.path()).unwrap().parts(RunId(1)).unwrap();
    let states: Vec<RunState> = parts.iter().map(|row| row.state).collect();
    assert_eq!(states, [RunState::Done(RunEnd::Succeeded), RunState::Done(RunEnd::Lost)]);
}

#[test]
fn parts_go_with_their_flow_and_count_for_nothing_among_the_runs_of_their_job() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    ledger.apply(&[jobs(&["flow", "job"], 0)]).unwrap();
    // Before all of them, a run of the job alone.
    ledger
        .apply(&[open_run(1, "job", &["n"]), close_unit(10, Outcome::Succeeded), end(1, 0)])
        .unwrap();
    for run in (1..=30).map(|n| 3 * n) {
        whole(&mut ledger, dir.path(), run, "job");
    }
    let done = prune(&mut ledger, 10_000, 20, u64::MAX, at(31 * DAY));
    assert_eq!((done.runs, done.files), (30, 20), "ten flows, with two parts each");
    assert!(ids(&dir, "flow").into_iter().eq((11..=30).map(|n| 3 * n)));
    assert_eq!(ids(&dir, "flow/own").len(), 20);
    assert_eq!(ids(&dir, "job")[0], 1, "it is the last of its own");
    assert_eq!(ids(&dir, "job").len(), 1 + 20);
    assert_eq!((count(&dir, "SELECT count(*) FROM plans"), files(&dir)), (20, 40));

    // However old they are, the last ten stay with all they have; then the files are too many.
    prune(&mut ledger, 1, 20, 0, at(900 * DAY));
    assert_eq!((ids(&dir, "flow").len(), ids(&dir, "flow/own").len(), files(&dir)), (10, 10, 20));
    let orphans = "SELECT count(*) FROM runs WHERE flow NOT IN (SELECT id FROM runs)";
    assert_eq!(count(&dir, orphans), 0);

    // Removed, it goes whole; the job that is left has its own run.
    ledger.apply(&[jobs(&["job"], 900 * DAY)]).unwrap();
    prune(&mut ledger, 1, 20, u64::MAX, at(910 * DAY));
    assert_eq!(
        (ids(&dir, "flow"), ids(&dir, "flow/own"), ids(&dir, "job")),
        (vec![], vec![], vec![1])
    );
    assert_eq!((count(&dir, "SELECT count(*) FROM plans"), files(&dir)), (0, 0));
    assert_eq!(count(&dir, "SELECT count(*) FROM units"), 1);
}

#[test]
fn files_beyond_bytes_are_those_of_flows_that_are_not_the_last() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    for run in (1..=15).map(|n| 3 * n) {
        whole(&mut ledger, dir.path(), run, "job");
    }
    prune(&mut ledger, 10_000, 1000, 2500, at(20 * DAY));
    assert_eq!(files(&dir), 25);
    prune(&mut ledger, 10_000, 1000, 0, at(20 * DAY));
    assert_eq!((files(&dir), ids(&dir, "flow").len()), (20, 15));
}

/// Half of a flow is not to be taken up for the whole.
#[test]
fn a_flow_that_takes_several_batches_loses_its_plan_first() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    ledger.apply(&[flow(1, "flow")]).unwrap();
    for slot in 1..=1200 {
        let run = 10 + u64::from(slot);
        ledger.apply(&[part(run, 1, "job", slot), close_run(run, RunEnd::Failed)]).unwrap();
    }
    ledger.apply(&[end(1, 1)]).unwrap();
    for run in 2000..=2010 {
        ledger.apply(&[flow(run, "flow"), end(run, 2)]).unwrap();
    }
    let first = ledger.prune(Retention { days: 1, runs: 0, bytes: 0 }, at(30 * DAY)).unwrap();
    assert!(first.more && first.runs < 1200, "{first:?}");
    let reader = Reader::open(dir.path()).unwrap();
    assert!(reader.run(RunId(1)).unwrap().is_some());
    assert_eq!(reader.plan(RunId(1)).unwrap(), None);
    prune(&mut ledger, 1, 0, 0, at(30 * DAY));
    assert_eq!((ids(&dir, "flow").len(), ids(&dir, "job").len()), (10, 0));
}

#[test]
fn a_part_whose_flow_another_program_has_deleted_goes() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    whole(&mut ledger, dir.path(), 3, "job");
    ledger.conn.execute("DELETE FROM runs WHERE id = 3", []).unwrap();
    let done = prune(&mut ledger, 10_000, 1000, u64::MAX, at(2 * DAY));
    assert_eq!((done.runs, files(&dir)), (2, 0));
}

//! What was acknowledged survives, whatever becomes of the process.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::thread::await_readable;
use super::*;

const STATEDIR: &str = "LOOM_TEST_LEDGER_CHILD";
/// Of each run, in [`write_until_killed`].
const RECORDS: u64 = 4;

/// Not a test of its own: the process that [`acknowledged_records_survive_kill_9`] kills.
#[test]
fn write_until_killed() {
    let Some(dir) = std::env::var_os(STATEDIR) else { return };
    let (mut writer, opened) = Writer::start(Path::new(&dir), at(0)).unwrap();
    let (run, unit) = (opened.next_run.0, opened.next_unit.0);
    let mut out = std::io::stdout();
    writeln!(out, "\nfirst {run}").unwrap();
    for i in 0..100_000 {
        let mut opening = open_run(run + i, "j", &[]);
        let Record::OpenRun { units, .. } = &mut opening else { unreachable!() };
        units.push(super::unit(unit + i, "n", 1));
        writer.submit(opening);
        writer.submit(start_unit(unit + i));
        writer.submit(close_unit(unit + i, Outcome::Succeeded));
        writer.submit(close_run(run + i, RunEnd::Succeeded));
        while writer.backlog() > 300 {
            await_readable(&writer);
            writeln!(out, "\nacknowledged {}", writer.acknowledged().through.0).unwrap();
        }
    }
}

#[test]
fn acknowledged_records_survive_kill_9() {
    let dir = statedir();
    for acknowledgements in [1, 3, 10, 30] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::crash::write_until_killed", "--nocapture"])
            .env(STATEDIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let first = lines.find_map(|line| Some(line.strip_prefix("first ")?.to_string()));
        let first: u64 = first.unwrap().parse().unwrap();
        let told = lines.filter_map(|line| Some(line.strip_prefix("acknowledged ")?.to_string()));
        let through = told.take(acknowledgements).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        let (ledger, opened) = open(&dir);
        let complete = through.parse::<u64>().unwrap() / RECORDS;
        assert!(opened.next_run.0 >= first + complete);
        let reader = Reader::open(dir.path()).unwrap();
        for run in first..first + complete {
            let row = reader.run(RunId(run)).unwrap().expect("an acknowledged run is there");
            assert_eq!(row.state, RunState::Done(RunEnd::Succeeded), "run {run}");
            let units = reader.units(RunId(run)).unwrap();
            assert_eq!(units[0].state, UnitState::Done(Outcome::Succeeded), "run {run}");
        }
        assert!(reader.open_units_page(9999).unwrap().is_empty());
        let check: String =
            ledger.conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
    }
}

/// What a disk holds when the machine stops: the file and its log, and no shared memory.
#[test]
fn the_file_and_its_log_suffice() {
    let dir = statedir();
    let (mut writer, _) = Writer::start(dir.path(), at(0)).unwrap();
    let last = (1..=200).map(|run| writer.submit(open_run(run, "j", &["a"]))).last().unwrap();
    while writer.acknowledged().through < last {
        await_readable(&writer);
    }
    let copy = statedir();
    for name in ["ledger.db", "ledger.db-wal"] {
        fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
    }
    assert_eq!(open(&copy).1.lost_runs.len(), 200);
    writer.finish(Duration::from_secs(10)).unwrap();
}

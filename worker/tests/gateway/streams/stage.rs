//! Plays runs: rows in the ledger, lines in files, and then the news, in the parent's order.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use loom::protocol::control::News;
use loom::protocol::message::Output;
use loom::store::{OUTPUT, OpenUnit, Record, output_file};
use loom::unit::{Outcome, RunEnd, RunId, UnitId};

use crate::gateway::rig::{How, Parent, Rig, at, unit_id};

pub const JOB: &str = "a";

/// Can be moved to a thread of its own.
#[derive(Clone)]
pub struct Stage {
    parent: Arc<Parent>,
    statedir: PathBuf,
}

impl Stage {
    pub fn of(rig: &Rig) -> Stage {
        Stage { parent: rig.parent.clone(), statedir: rig.statedir() }
    }

    pub fn open_run(&self, run: u64, nodes: &[&str]) {
        let how = How::manual(at("2026-01-01T00:00:00Z"));
        self.parent.open_run(run, JOB, how, nodes);
        let started = Record::StartRun { run: RunId(run), at: at("2026-01-01T00:00:00Z") };
        self.parent.record(&[started]);
    }

    /// Another attempt, as the run's unit of this number.
    pub fn retry(&self, run: u64, nth: u64, node: &str) {
        let cookie = format!("c-{run}-{nth}");
        let unit = OpenUnit { unit: unit_id(run, nth), node: node.to_owned(), attempt: 2, cookie };
        self.parent.record(&[Record::Retry { run: RunId(run), unit }]);
    }

    pub fn start(&self, run: u64, nth: u64, node: &str) {
        let at = at("2026-01-01T00:00:01Z");
        self.parent.start_unit(run, nth, at);
        let (unit, job) = (unit_id(run, nth), JOB.to_owned());
        let node = node.to_owned();
        self.parent.news(News::UnitStarted { unit, run: RunId(run), job, node, at });
    }

    /// In the ledger and on no other word.
    pub fn end_silently(&self, run: u64, nth: u64, output: Output) {
        let (unit, at) = (unit_id(run, nth), at("2026-01-01T00:00:02Z"));
        let outcome = Outcome::Succeeded;
        self.parent.record(&[Record::CloseUnit {
            unit,
            outcome,
            detail: None,
            result: None,
            output,
            at,
        }]);
    }

    pub fn end(&self, run: u64, nth: u64, node: &str, output: Output) {
        self.end_silently(run, nth, output);
        self.parent.news(News::UnitEnded {
            unit: unit_id(run, nth),
            run: RunId(run),
            job: JOB.to_owned(),
            node: node.to_owned(),
            attempt: 1,
            at: at("2026-01-01T00:00:02Z"),
            outcome: Outcome::Succeeded,
            detail: None,
            result: None,
            again: None,
        });
    }

    pub fn end_run(&self, run: u64) {
        self.parent.close_run(run, JOB, RunEnd::Succeeded, at("2026-01-01T00:00:03Z"));
    }

    pub fn resync(&self) {
        self.parent.news(News::Resync);
    }

    pub fn file(&self, unit: UnitId) -> PathBuf {
        output_file(&self.statedir.join(OUTPUT), unit)
    }

    /// To the unit's file.
    pub fn append(&self, unit: UnitId, log: &[u8]) {
        let file = self.file(unit);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let mut file = OpenOptions::new().append(true).create(true).open(file).unwrap();
        file.write_all(log).unwrap();
    }

    /// What a worker reports of a file.
    pub fn in_file(&self, unit: UnitId) -> Output {
        let bytes = fs::metadata(self.file(unit)).unwrap().len();
        Output { inline: Vec::new(), file: Some(self.file(unit)), bytes, truncated: false }
    }

    /// A unit of one run that has written this and is over.
    pub fn ended(&self, run: u64, log: &[u8]) -> UnitId {
        self.open_run(run, &["n1"]);
        self.start(run, 0, "n1");
        let unit = unit_id(run, 0);
        self.append(unit, log);
        self.end(run, 0, "n1", self.in_file(unit));
        self.end_run(run);
        unit
    }
}

pub fn inline(log: &[u8]) -> Output {
    let bytes = log.len() as u64;
    Output { inline: log.to_vec(), file: None, bytes, truncated: false }
}

pub fn entry(stream: &str, tag: &str, text: impl AsRef<[u8]>) -> Vec<u8> {
    let header = format!("2026-01-01T00:00:01.000000001Z {stream} {tag} ");
    [header.as_bytes(), text.as_ref(), b"\n"].concat()
}

pub fn line(text: impl AsRef<[u8]>) -> Vec<u8> {
    entry("stdout", "F", text)
}

/// `prefix 0`, `prefix 1` and so on.
pub fn numbers(prefix: &str, range: std::ops::Range<u64>) -> Vec<u8> {
    range.flat_map(|i| line(format!("{prefix} {i}"))).collect()
}

/// The most memory a process ever had, in bytes.
pub fn most_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    most.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}

pub fn soon() -> Duration {
    Duration::from_millis(50)
}

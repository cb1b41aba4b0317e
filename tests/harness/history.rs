//! A past, written into a ledger before any daemon has opened it.
//!
//! Knows how a run that is over looks in the ledger, and nothing of which runs there were. Runs are
//! told in the order in which they began, as a daemon would have.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use loom::event::Within;
use loom::job::flow::Place;
use loom::protocol::message::Output;
use loom::store::{JobEntry, Ledger, OpenUnit, Record};
use loom::unit::{Outcome, RunEnd, RunId, Trigger, UnitId};

/// Records to a transaction.
const BATCH: usize = 5000;

pub struct History {
    ledger: Ledger,
    records: Vec<Record>,
    runs: u64,
    units: u64,
}

/// A run that is over, with one attempt at each node.
pub struct Past {
    pub job: String,
    pub trigger: Trigger,
    pub scheduled_at: Option<Timestamp>,
    pub at: Timestamp,
    pub by: Option<String>,
    pub units: Vec<PastUnit>,
    pub end: RunEnd,
}

pub struct PastUnit {
    pub node: String,
    pub outcome: Outcome,
    pub took: SignedDuration,
    /// Whole lines.
    pub said: String,
}

impl Past {
    fn ended(&self) -> Timestamp {
        let longest = self.units.iter().map(|unit| unit.took).max().unwrap_or_default();
        self.at + longest
    }
}

impl History {
    pub fn begin(statedir: &Path, at: Timestamp) -> History {
        let (ledger, _) = Ledger::open(statedir, at).unwrap();
        History { ledger, records: Vec::new(), runs: 0, units: 0 }
    }

    /// These are all jobs there are, from then on.
    pub fn jobs(&mut self, jobs: Vec<JobEntry>, at: Timestamp) {
        self.record(Record::Jobs { jobs, at });
    }

    pub fn run(&mut self, past: Past) -> RunId {
        let ended = past.ended();
        self.open(past, None, ended)
    }

    /// A run of a flow with its parts, each at its place in the plan.
    pub fn flow(&mut self, flow: Past, plan: String, parts: Vec<(Place, Past)>) -> RunId {
        let end = flow.end;
        let ended = parts.iter().map(|(_, part)| part.ended()).max().unwrap_or(flow.at);
        let run = self.begun(&flow, None, Some(plan), Vec::new());
        for (place, part) in parts {
            let ended = part.ended();
            let within = Within { flow: run, place, missing: 0, succeeded: 0 };
            self.open(part, Some(within), ended);
        }
        self.record(Record::CloseRun { run, end, at: ended });
        run
    }

    fn open(&mut self, past: Past, within: Option<Within>, ended: Timestamp) -> RunId {
        let mut open = Vec::new();
        for unit in &past.units {
            self.units += 1;
            let (id, node) = (UnitId(self.units), unit.node.clone());
            open.push(OpenUnit { unit: id, node, attempt: 1, cookie: format!("past-{id}") });
        }
        let ids: Vec<UnitId> = open.iter().map(|unit| unit.unit).collect();
        let run = self.begun(&past, within, None, open);
        for (unit, past_unit) in ids.into_iter().zip(past.units) {
            let PastUnit { outcome, took, said, .. } = past_unit;
            if !matches!(outcome, Outcome::Skipped { .. }) {
                self.record(Record::StartUnit { unit, worker_pid: Some(1), at: past.at });
            }
            let at = past.at + took;
            let lines = said.lines().map(|line| format!("{at:.9} stdout F {line}\n"));
            let inline: String = lines.collect();
            let bytes = said.len() as u64;
            let output =
                Output { inline: inline.into_bytes(), file: None, bytes, truncated: false };
            let (detail, result) = (None, None);
            self.record(Record::CloseUnit { unit, outcome, detail, result, output, at });
        }
        self.record(Record::CloseRun { run, end: past.end, at: ended });
        run
    }

    fn begun(
        &mut self,
        past: &Past,
        within: Option<Within>,
        plan: Option<String>,
        units: Vec<OpenUnit>,
    ) -> RunId {
        self.runs += 1;
        let (run, at) = (RunId(self.runs), past.at);
        self.record(Record::OpenRun {
            run,
            job: past.job.clone(),
            trigger: past.trigger,
            scheduled_at: past.scheduled_at,
            epoch: 0,
            at,
            within,
            plan,
            units,
            by: past.by.clone(),
            retry_of: None,
            command: None,
        });
        // What was skipped never began.
        if past.end.reason().is_none() {
            self.record(Record::StartRun { run, at });
        }
        run
    }

    /// Anything else that happened.
    pub fn record(&mut self, record: Record) {
        self.records.push(record);
        if self.records.len() >= BATCH {
            self.write();
        }
    }

    fn write(&mut self) {
        self.ledger.apply(&self.records).unwrap();
        self.records.clear();
    }

    pub fn close(mut self) {
        self.write();
        self.ledger.close().unwrap();
    }
}

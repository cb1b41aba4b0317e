//! Records on their way to the ledger's thread.
//!
//! A gap that grows while an earlier word of it still waits takes that word's place: however long
//! nothing can be written, it waits once.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use jiff::Timestamp;

use super::prune::Retention;
use super::record::{Gap, Record};
use crate::unit::Reason;

/// Records in one transaction, at most.
pub(super) const CHUNK: usize = 512;

#[derive(Default)]
pub(super) struct Queue {
    records: VecDeque<Record>,
    /// Of the last record pushed, counted from 1.
    last: u64,
    /// Where each gap waits that may yet grow there.
    gaps: HashMap<Key, u64>,
    /// Somebody waits for one of the records to be acknowledged.
    pub urgent: bool,
    pub prune: Option<(Retention, Timestamp)>,
    /// Set when the daemon ends: how long to go on trying.
    pub close_by: Option<Instant>,
}

/// What makes two gaps one.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    job: String,
    node: Option<String>,
    reason: Reason,
    epoch: u32,
    first_at: Timestamp,
}

impl Key {
    fn of(gap: &Gap) -> Key {
        Key {
            job: gap.job.clone(),
            node: gap.node.clone(),
            reason: gap.reason,
            epoch: gap.epoch,
            first_at: gap.first_at,
        }
    }
}

impl Queue {
    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The number by which the record will be acknowledged.
    pub fn push(&mut self, record: Record) -> u64 {
        self.urgent |= record.is_urgent();
        match record {
            Record::Gap(gap) => return self.push_gap(gap),
            // A gap must not be seen before what sets back how far its job is accounted for.
            Record::Jobs { .. } | Record::Accounted { .. } => self.gaps.clear(),
            Record::OpenRun { .. }
            | Record::Retry { .. }
            | Record::StartRun { .. }
            | Record::StartUnit { .. }
            | Record::OnNode { .. }
            | Record::Rights { .. }
            | Record::CloseUnit { .. }
            | Record::CloseRun { .. }
            | Record::Paused(_)
            | Record::Hook(_)
            | Record::Epoch(_)
            | Record::Swept { .. }
            | Record::Token(_)
            | Record::RevokeToken { .. }
            | Record::Audit(_)
            | Record::Switch { .. }
            | Record::Request(_) => {}
        }
        self.append(record)
    }

    /// The oldest, at most `count`.
    pub fn take(&mut self, count: usize) -> impl Iterator<Item = Record> {
        let count = count.min(self.records.len());
        let first_left = self.last - (self.records.len() - count) as u64 + 1;
        self.gaps.retain(|_, place| *place >= first_left);
        self.urgent &= count < self.records.len();
        self.records.drain(..count)
    }

    fn append(&mut self, record: Record) -> u64 {
        self.records.push_back(record);
        self.last += 1;
        self.last
    }

    fn push_gap(&mut self, gap: Gap) -> u64 {
        let key = Key::of(&gap);
        if let Some(place) = self.gaps.get(&key).copied() {
            let first = self.last - self.records.len() as u64 + 1;
            if let Some(waiting) = self.records.get_mut((place - first) as usize) {
                *waiting = Record::Gap(gap);
                return place;
            }
        }
        let place = self.append(Record::Gap(gap));
        self.gaps.insert(key, place);
        place
    }
}

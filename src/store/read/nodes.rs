//! What the last units on a node tell of it: when it last answered, and how it fares.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::Reader;
use crate::store::columns::{opt_time_at, unit_state_at};
use crate::store::error::StoreError;
use crate::store::record::UnitState;
use crate::unit::{Kill, Outcome, UnitId};

/// So many units of a node are looked at, no more.
const LAST: u32 = 25;

/// As far as the last 25 units on a node tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contact {
    /// When the node last answered.
    pub last_contact: Option<Timestamp>,
    /// The newest unit, whatever has become of it.
    pub last_unit: Option<UnitId>,
    /// The last unit that failed or was lost.
    pub last_failure: Option<Failure>,
    /// Such units since the last one that succeeded. One that was cancelled or skipped is looked
    /// past.
    pub failures_in_a_row: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub unit: UnitId,
    pub outcome: Outcome,
    pub at: Timestamp,
}

struct Seen {
    unit: UnitId,
    state: UnitState,
    /// It told its process group.
    answered: bool,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

impl Reader {
    /// Of each of the nodes; one that never had a unit is not in the answer.
    pub fn contacts(&self, nodes: &[&str]) -> Result<BTreeMap<String, Contact>, StoreError> {
        self.read(|conn| {
            let mut contacts = BTreeMap::new();
            for node in nodes {
                let seen = last_units(conn, node)?;
                if !seen.is_empty() {
                    contacts.insert((*node).to_owned(), contact(seen));
                }
            }
            Ok(contacts)
        })
    }
}

fn last_units(conn: &Connection, node: &str) -> rusqlite::Result<Vec<Seen>> {
    conn.prepare_cached(
        "SELECT id, state, outcome, exit, signal, kill, cancelled_by, reason, remote_pgid,
             started_at, finished_at
         FROM units INDEXED BY units_of_node
         WHERE node = ?1 ORDER BY run DESC, id DESC LIMIT ?2",
    )?
    .query_map(params![node, LAST], seen_row)?
    .collect()
}

fn contact(mut seen: Vec<Seen>) -> Contact {
    let mut contact = Contact {
        last_contact: seen.iter().filter_map(Seen::proof).max(),
        last_unit: seen.iter().map(|seen| seen.unit).max(),
        ..Contact::default()
    };
    // The last to end first: attempts of an older run may have ended after a younger one.
    seen.sort_by_key(|seen| std::cmp::Reverse((seen.finished_at, seen.unit)));
    let mut in_a_row = true;
    for Seen { unit, state, finished_at, .. } in seen {
        let (UnitState::Done(outcome), Some(at)) = (state, finished_at) else { continue };
        match outcome {
            Outcome::Succeeded => in_a_row = false,
            Outcome::Cancelled { .. } | Outcome::Skipped { .. } => {}
            Outcome::Failed { .. }
            | Outcome::Signaled { .. }
            | Outcome::Unreachable
            | Outcome::TimedOut { .. }
            | Outcome::Crashed
            | Outcome::Lost => {
                contact.failures_in_a_row += u32::from(in_a_row);
                contact.last_failure.get_or_insert(Failure { unit, outcome, at });
            }
        }
    }
    contact
}

impl Seen {
    /// The last time that the unit proves its node to have answered. A task that ran here proves
    /// nothing of it.
    fn proof(&self) -> Option<Timestamp> {
        if !self.answered {
            return None;
        }
        match &self.state {
            UnitState::Queued => None,
            UnitState::Running => self.started_at,
            UnitState::Done(outcome) => match outcome {
                Outcome::Succeeded
                | Outcome::Failed { exit: Some(_) }
                | Outcome::Signaled { .. }
                // It answered that nothing is left.
                | Outcome::TimedOut { kill: Kill::Confirmed }
                | Outcome::Cancelled { kill: Kill::Confirmed, .. } => self.finished_at,
                Outcome::Failed { exit: None }
                | Outcome::Unreachable
                | Outcome::TimedOut { kill: Kill::Unconfirmed }
                | Outcome::Cancelled { kill: Kill::Unconfirmed, .. }
                | Outcome::Crashed
                | Outcome::Lost
                | Outcome::Skipped { .. } => self.started_at,
            },
        }
    }
}

fn seen_row(row: &Row) -> rusqlite::Result<Seen> {
    Ok(Seen {
        unit: UnitId(row.get::<_, i64>("id")? as u64),
        state: unit_state_at(row)?,
        answered: row.get::<_, Option<i64>>("remote_pgid")?.is_some(),
        started_at: opt_time_at(row, "started_at")?,
        finished_at: opt_time_at(row, "finished_at")?,
    })
}

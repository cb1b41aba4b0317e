//! The ledger: what was due, and what became of it.
//!
//! One SQLite file in the state directory, whose tables `docs/ledger.md` describes. The daemon
//! writes it through a [`Writer`], a thread that turns [`Record`]s into rows and says when they
//! are safe; everyone else reads it through a [`Reader`]. This module knows records: not workers,
//! not schedules, and not what should happen next.

mod backup;
mod check;
mod columns;
mod error;
mod fault;
mod ledger;
mod meta;
mod open;
mod output;
mod people;
mod presence;
mod prune;
mod queue;
mod read;
mod record;
mod schema;
mod scribe;
mod seal;
mod shared;
mod thread;
mod write;

#[cfg(test)]
mod tests;

pub use backup::{BackupError, backup};
pub use error::StoreError;
pub use ledger::{Ledger, Opened};
pub use output::{OUTPUT, output_file};
pub use prune::{Pruned, Retention};
pub use read::{
    Account, AuditFilter, Contact, Covered, Failure, Neighbours, Reader, RunFilter, SpanCount,
    Spans, Tally,
};
pub use record::{
    AuditRow, Gap, HookRow, JobEntry, JobRow, Kept, OpenUnit, Record, RequestRow, RunRow, RunState,
    Switched, TokenRow, UnitRow, UnitState,
};
pub use shared::{Rejected, Seq};
pub use thread::{Acknowledged, Condition, MEMORY, Unwritten, Writer};

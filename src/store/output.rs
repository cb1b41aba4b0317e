//! The files of units' output: where they are, and what is left of a unit whose worker could no
//! longer say what it had kept. What is in them is the workers' affair.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, params};

use super::columns;
use crate::protocol::message::{self, Output};
use crate::unit::{Outcome, UnitId};

/// In the state directory.
pub const OUTPUT: &str = "output";

/// A file's time may lag behind the clock's.
const LAG: Duration = Duration::from_secs(1);

/// Where a unit's output goes, in the directory of all output.
pub fn output_file(output: &Path, unit: UnitId) -> PathBuf {
    output.join(message::output_file(unit))
}

/// The end of what did not fit, beside the file.
pub(super) fn tail_of(file: &Path) -> PathBuf {
    let mut tail = OsString::from(file);
    tail.push(".tail");
    tail.into()
}

/// What a unit's output takes on the disk.
pub(super) fn stored_bytes(file: &Path) -> u64 {
    let length = |path: &Path| fs::symlink_metadata(path).map_or(0, |meta| meta.len());
    length(file) + length(&tail_of(file))
}

/// Whether a unit that ended so may have output that nobody told of.
pub(super) fn may_be_left(outcome: &Outcome, output: &Output) -> bool {
    let untold = output.inline.is_empty() && output.file.is_none() && output.bytes == 0;
    match outcome {
        Outcome::TimedOut { .. } | Outcome::Cancelled { .. } | Outcome::Crashed | Outcome::Lost => {
            untold
        }
        Outcome::Succeeded
        | Outcome::Failed { .. }
        | Outcome::Signaled { .. }
        | Outcome::Unreachable
        | Outcome::Skipped { .. } => false,
    }
}

/// Writes down the file that is left of a unit, if there is one. One that was last written before
/// its run was queued is of a unit that had the same id, in a ledger that has since been restored.
pub(super) fn adopt(conn: &Connection, statedir: &Path, unit: UnitId) -> rusqlite::Result<()> {
    let file = output_file(&statedir.join(OUTPUT), unit);
    let Some(found) = fs::symlink_metadata(&file).ok().filter(Metadata::is_file) else {
        return Ok(());
    };
    let queued_at: Option<i64> = conn
        .prepare_cached(
            "SELECT queued_at FROM runs WHERE id = (SELECT run FROM units WHERE id = ?1)",
        )?
        .query_row([unit.0 as i64], |row| row.get(0))
        .optional()?;
    let its_own = queued_at.is_some_and(|at| {
        let queued = Duration::from_millis(u64::try_from(at).unwrap_or(0));
        let written = found.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        written.is_some_and(|written| written + LAG >= queued)
    });
    if its_own {
        conn.prepare_cached(
            "UPDATE units SET output_file = ?2, output_bytes = ?3, file_bytes = ?3,
                 output_truncated = 1
             WHERE id = ?1",
        )?
        .execute(params![
            unit.0 as i64,
            columns::path(&file),
            stored_bytes(&file) as i64
        ])?;
    }
    Ok(())
}

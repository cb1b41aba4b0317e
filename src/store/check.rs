//! Whether a file is whole: looked through before it is trusted, for as long as is bearable.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use super::error::StoreError;
use super::meta::meta;
use super::schema;
use super::seal::{Mark, Stamp};

/// The check stops here: a late start is the greater harm.
const LIMIT: Duration = Duration::from_secs(10);

/// Looks through the whole file, unless the last daemon closed it and it is as it was then.
/// `now`: the file before it was opened.
pub(super) fn after_start(
    conn: &mut Connection,
    path: &Path,
    seal: Option<&Mark>,
    now: Stamp,
) -> Result<(), StoreError> {
    let unproven = |e| StoreError::unproven(path, e);
    let clean: bool = meta(conn, "clean").map_err(unproven)?;
    if !(clean && seal.is_some_and(|mark| mark.closed == Some(now))) {
        look_through(conn, path)?;
    }
    if let (Some(seal), 2..) = (seal, schema::version(conn).map_err(unproven)?) {
        all_acknowledged(conn, path, seal)?;
    }
    Ok(())
}

fn look_through(conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let end = Instant::now() + LIMIT;
    // The quick one first: on a large ledger it may be all there is time for.
    for check in ["PRAGMA quick_check(1)", "PRAGMA integrity_check(1)"] {
        if !is_sound(conn, path, check, end)? {
            log::warn!(
                "{}: not closed by the last daemon, or touched since, and too large to check \
                 whole in {} s; no damage found so far",
                path.display(),
                LIMIT.as_secs()
            );
            return Ok(());
        }
    }
    Ok(())
}

/// `false` if there was no time for all of it.
fn is_sound(
    conn: &mut Connection,
    path: &Path,
    check: &str,
    end: Instant,
) -> Result<bool, StoreError> {
    let unproven = |e| StoreError::unproven(path, e);
    conn.progress_handler(10_000, Some(move || Instant::now() > end)).map_err(unproven)?;
    let verdict: rusqlite::Result<String> = conn.query_row(check, [], |row| row.get(0));
    conn.progress_handler(0, None::<fn() -> bool>).map_err(unproven)?;
    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(true),
        Ok(detail) => Err(StoreError::Damaged { path: path.to_path_buf(), detail }),
        Err(e) if e.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(false),
        Err(e) => Err(unproven(e)),
    }
}

fn all_acknowledged(conn: &Connection, path: &Path, seal: &Mark) -> Result<(), StoreError> {
    let unproven = |e| StoreError::unproven(path, e);
    let copy: String = meta(conn, "copy").map_err(unproven)?;
    let commits: i64 = meta(conn, "commits").map_err(unproven)?;
    let missing = seal.commits.saturating_sub(commits as u64);
    if copy == seal.copy && missing > 0 {
        let detail = format!(
            "{missing} acknowledged transactions are missing from it: its ledger.db-wal was cut, \
             damaged or deleted, or an older ledger.db was put in its place (to go on with what \
             is left, delete ledger.lock)"
        );
        return Err(StoreError::Damaged { path: path.to_path_buf(), detail });
    }
    Ok(())
}

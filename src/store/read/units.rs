//! Units: as rows, for lists, without what they wrote; and what one of them wrote.

use rusqlite::{OptionalExtension, Row, params};

use super::Reader;
use crate::protocol::message::Output;
use crate::store::columns::{opt_time_at, path_at, unit_state_at};
use crate::store::error::StoreError;
use crate::store::record::{Kept, UnitRow};
use crate::unit::{RunId, UnitId};

/// The length of a blob is known without reading it.
const COLUMNS: &str = "id, run, node, attempt, state, outcome, exit, signal, kill, cancelled_by,
    reason, detail, result, worker_pid, remote_pgid, cookie, started_at, finished_at,
    length(output) AS inline, output_file, output_bytes, output_truncated";

impl Reader {
    pub fn unit(&self, unit: UnitId) -> Result<Option<UnitRow>, StoreError> {
        let found = self.units_by("id = ?1", [unit.0 as i64])?;
        Ok(found.into_iter().next())
    }

    /// In the order opened: each node's attempts follow each other.
    pub fn units(&self, run: RunId) -> Result<Vec<UnitRow>, StoreError> {
        self.units_by("run = ?1 ORDER BY id", [run.0 as i64])
    }

    /// Of the run, and of the runs that are parts of it; in the order opened, which is that of a
    /// flow's slots.
    pub fn units_with_parts(&self, run: RunId) -> Result<Vec<UnitRow>, StoreError> {
        let runs = "SELECT ?1 UNION ALL SELECT id FROM runs WHERE flow = ?1";
        self.units_by(&format!("run IN ({runs}) ORDER BY id"), [run.0 as i64])
    }

    /// Queued and running units of all runs, those that have waited longest first.
    pub fn open_units_page(&self, limit: u32) -> Result<Vec<UnitRow>, StoreError> {
        self.units_by("state <> 'done' ORDER BY id LIMIT ?1", [limit])
    }

    /// Those of the latest runs first.
    pub fn units_of_node(&self, node: &str, limit: u32) -> Result<Vec<UnitRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM units INDEXED BY units_of_node
             WHERE node = ?1 ORDER BY run DESC, id DESC LIMIT ?2"
        );
        self.rows(&sql, params![node, limit], unit_row)
    }

    /// What is kept of the unit's output, with the bytes that are in the ledger itself.
    pub fn output(&self, unit: UnitId) -> Result<Option<Output>, StoreError> {
        self.read(|conn| {
            conn.prepare_cached(
                "SELECT output, output_file, output_bytes, output_truncated FROM units
                 WHERE id = ?1",
            )?
            .query_row(params![unit.0 as i64], |row| {
                Ok(Output {
                    inline: row.get::<_, Option<Vec<u8>>>("output")?.unwrap_or_default(),
                    file: path_at(row, "output_file")?,
                    bytes: row.get::<_, i64>("output_bytes")? as u64,
                    truncated: row.get("output_truncated")?,
                })
            })
            .optional()
        })
    }

    fn units_by(
        &self,
        wanted: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<UnitRow>, StoreError> {
        self.rows(&format!("SELECT {COLUMNS} FROM units WHERE {wanted}"), params, unit_row)
    }
}

fn unit_row(row: &Row) -> rusqlite::Result<UnitRow> {
    Ok(UnitRow {
        unit: UnitId(row.get::<_, i64>("id")? as u64),
        run: RunId(row.get::<_, i64>("run")? as u64),
        node: row.get("node")?,
        attempt: row.get("attempt")?,
        state: unit_state_at(row)?,
        detail: row.get("detail")?,
        result: row.get("result")?,
        worker_pid: row.get("worker_pid")?,
        remote_pgid: row.get("remote_pgid")?,
        cookie: row.get("cookie")?,
        started_at: opt_time_at(row, "started_at")?,
        finished_at: opt_time_at(row, "finished_at")?,
        output: Kept {
            inline: row.get::<_, Option<i64>>("inline")?.unwrap_or(0) as u64,
            file: path_at(row, "output_file")?,
            bytes: row.get::<_, i64>("output_bytes")? as u64,
            truncated: row.get("output_truncated")?,
        },
    })
}

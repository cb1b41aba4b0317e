//! The ledger's own numbers and words: the table `meta`, one row each.

use rusqlite::types::FromSql;
use rusqlite::{Connection, params};

pub(super) fn meta<T: FromSql>(conn: &Connection, key: &str) -> rusqlite::Result<T> {
    conn.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
}

pub(super) fn set_meta(conn: &Connection, key: &str, value: i64) -> rusqlite::Result<()> {
    conn.execute("UPDATE meta SET value = ?2 WHERE key = ?1", params![key, value])?;
    Ok(())
}

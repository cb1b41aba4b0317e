//! What people have done, and what they may do.

use std::collections::BTreeMap;

use rusqlite::{Row, params};

use super::Reader;
use crate::store::columns::time_at;
use crate::store::error::StoreError;
use crate::store::people;
use crate::store::record::{AuditRow, Switched, TokenRow};

/// Which entries of the audit are wanted; `None`: any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub who: Option<String>,
    pub action: Option<String>,
}

impl Reader {
    /// By name, revoked ones included.
    pub fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        self.read(people::tokens)
    }

    /// Jobs that are switched off by hand.
    pub fn switched_off(&self) -> Result<BTreeMap<String, Switched>, StoreError> {
        self.read(people::switched_off)
    }

    /// The latest first, each with its number; those below `before`, if given.
    pub fn audit(
        &self,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<(u64, AuditRow)>, StoreError> {
        let before = before.map_or(i64::MAX, |id| i64::try_from(id).unwrap_or(i64::MAX));
        self.rows(
            "SELECT * FROM audit
             WHERE id < ?1 AND (?2 IS NULL OR who = ?2) AND (?3 IS NULL OR action = ?3)
             ORDER BY id DESC LIMIT ?4",
            params![before, filter.who, filter.action, limit],
            |row| Ok((row.get::<_, i64>("id")? as u64, audit_row(row)?)),
        )
    }
}

fn audit_row(row: &Row) -> rusqlite::Result<AuditRow> {
    Ok(AuditRow {
        at: time_at(row, "at")?,
        who: row.get("who")?,
        via: row.get("via")?,
        action: row.get("action")?,
        subject: row.get("subject")?,
        detail: row.get("detail")?,
    })
}

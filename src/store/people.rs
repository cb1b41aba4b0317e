//! What people have to do with the ledger: their tokens, what they did, what they asked for, and
//! the jobs they switched off.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Row, Transaction, params};

use super::columns::{millis, opt_time_at, time_at, unreadable};
use super::fault::{Fault, expect_one};
use super::record::{AuditRow, RequestRow, Switched, TokenRow};
use crate::access::{Globs, Role, TokenHash};
use crate::unit::RunId;

/// How long a request is remembered by its key.
pub(super) const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
/// So many of them, at most, at the start.
const REQUESTS: usize = 10_000;

pub(super) fn write_token(to: &Transaction, token: &TokenRow) -> Result<(), Fault> {
    let changed = to
        .prepare_cached(
            "INSERT INTO tokens (name, hash, role, jobs, created_at, created_by, revoked_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (name) DO UPDATE SET hash = ?2, role = ?3, jobs = ?4, created_at = ?5,
                 created_by = ?6, revoked_at = ?7
             WHERE revoked_at IS NOT NULL",
        )?
        .execute(params![
            token.name,
            token.hash.as_bytes(),
            token.role.as_str(),
            globs_text(&token.jobs),
            millis(token.created_at),
            token.created_by,
            token.revoked_at.map(millis),
        ])?;
    expect_one(changed, || format!("there is a token {:?} already", token.name))
}

pub(super) fn revoke_token(to: &Transaction, name: &str, at: Timestamp) -> Result<(), Fault> {
    let changed = to
        .prepare_cached("UPDATE tokens SET revoked_at = ?2 WHERE name = ?1 AND revoked_at IS NULL")?
        .execute(params![name, millis(at)])?;
    expect_one(changed, || format!("there is no token {name:?} to revoke"))
}

pub(super) fn write_audit(to: &Transaction, row: &AuditRow) -> rusqlite::Result<()> {
    to.prepare_cached(
        "INSERT INTO audit (at, who, via, action, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        millis(row.at),
        row.who,
        row.via,
        row.action,
        row.subject,
        row.detail
    ])?;
    Ok(())
}

pub(super) fn write_switch(
    to: &Transaction,
    job: &str,
    off: Option<&Switched>,
) -> rusqlite::Result<()> {
    match off {
        Some(Switched { by, at }) => to
            .prepare_cached(
                "INSERT OR REPLACE INTO switched_off (job, by, at) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![job, by, millis(*at)])?,
        None => to.prepare_cached("DELETE FROM switched_off WHERE job = ?1")?.execute([job])?,
    };
    Ok(())
}

pub(super) fn write_request(to: &Transaction, request: &RequestRow) -> rusqlite::Result<()> {
    to.prepare_cached(
        "INSERT OR REPLACE INTO requests (key, who, digest, run, at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        request.key,
        request.who,
        request.digest,
        request.run.map(|run| run.0 as i64),
        millis(request.at),
    ])?;
    Ok(())
}

/// By name, revoked ones included.
pub(super) fn tokens(conn: &Connection) -> rusqlite::Result<Vec<TokenRow>> {
    conn.prepare_cached("SELECT * FROM tokens ORDER BY name")?.query_map([], token_row)?.collect()
}

pub(super) fn switched_off(conn: &Connection) -> rusqlite::Result<BTreeMap<String, Switched>> {
    conn.prepare_cached("SELECT * FROM switched_off")?
        .query_map([], |row| {
            Ok((row.get("job")?, Switched { by: row.get("by")?, at: time_at(row, "at")? }))
        })?
        .collect()
}

/// The newest first.
pub(super) fn requests_of_the_day(
    conn: &Connection,
    now: Timestamp,
) -> rusqlite::Result<Vec<RequestRow>> {
    let since = now.checked_sub(REMEMBERED).unwrap_or(Timestamp::MIN);
    conn.prepare("SELECT * FROM requests WHERE at >= ?1 ORDER BY at DESC LIMIT ?2")?
        .query_map(params![millis(since), REQUESTS as i64], request_row)?
        .collect()
}

fn token_row(row: &Row) -> rusqlite::Result<TokenRow> {
    let role: String = row.get("role")?;
    Ok(TokenRow {
        name: row.get("name")?,
        hash: TokenHash::from_bytes(row.get("hash")?),
        role: role.parse::<Role>().map_err(|_| unreadable("role", role))?,
        jobs: globs_of(row.get("jobs")?)?,
        created_at: time_at(row, "created_at")?,
        created_by: row.get("created_by")?,
        revoked_at: opt_time_at(row, "revoked_at")?,
    })
}

fn request_row(row: &Row) -> rusqlite::Result<RequestRow> {
    Ok(RequestRow {
        key: row.get("key")?,
        who: row.get("who")?,
        digest: row.get("digest")?,
        run: row.get::<_, Option<i64>>("run")?.map(|run| RunId(run as u64)),
        at: time_at(row, "at")?,
    })
}

/// `None`: all jobs.
fn globs_text(globs: &Globs) -> Option<String> {
    let list: Vec<&str> = globs.iter().collect();
    // An array of texts: it cannot fail.
    (!globs.is_all()).then(|| serde_json::json!(list).to_string())
}

/// What cannot be read must not be taken for no limit.
fn globs_of(text: Option<String>) -> rusqlite::Result<Globs> {
    let Some(text) = text else { return Ok(Globs::default()) };
    let globs: Globs = serde_json::from_str(&text).map_err(|_| unreadable("jobs", text.clone()))?;
    if globs.is_all() { Err(unreadable("jobs", text)) } else { Ok(globs) }
}

//! The tables, and the steps that lead from each version of them to the next.
//!
//! A step that has been released is never edited: changes are a new step. `docs/ledger.md` is the
//! description for people who query the file.

use rusqlite::Connection;

/// `PRAGMA application_id`: "Loom".
pub(super) const APPLICATION_ID: i32 = 0x4C6F_6F6D;

/// Step n leads from schema version n to n + 1; `PRAGMA user_version` holds the version.
pub(super) const STEPS: &[&str] = &[FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH];

/// The version this Loom writes.
pub(super) const VERSION: u32 = STEPS.len() as u32;

const FIRST: &str = "
PRAGMA application_id = 0x4C6F6F6D;

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES
    ('ledger_id', lower(hex(randomblob(6)))),
    ('clean', 1), ('epoch', 0), ('next_run', 1), ('next_unit', 1);

CREATE TABLE jobs (
    name TEXT PRIMARY KEY,
    schedule TEXT NOT NULL,
    timezone TEXT,
    first_seen INTEGER NOT NULL,
    accounted_through INTEGER NOT NULL,
    removed_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL,
    trigger TEXT NOT NULL,
    scheduled_at INTEGER,
    epoch INTEGER NOT NULL,
    queued_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    state TEXT NOT NULL,
    reason TEXT,
    UNIQUE (job, scheduled_at, epoch)
) STRICT;
CREATE INDEX runs_of_job ON runs (job, id);
CREATE INDEX runs_open ON runs (id) WHERE finished_at IS NULL;

CREATE TABLE units (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    node TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    state TEXT NOT NULL,
    outcome TEXT,
    exit INTEGER,
    signal INTEGER,
    kill TEXT,
    cancelled_by TEXT,
    reason TEXT,
    detail TEXT,
    worker_pid INTEGER,
    remote_pgid INTEGER,
    cookie TEXT,
    started_at INTEGER,
    finished_at INTEGER,
    output BLOB,
    output_file ANY,
    output_bytes INTEGER NOT NULL DEFAULT 0,
    output_truncated INTEGER NOT NULL DEFAULT 0,
    file_bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (run, node, attempt)
) STRICT;
CREATE INDEX units_open ON units (id) WHERE state <> 'done';
CREATE INDEX units_unswept ON units (node) WHERE state = 'done' AND cookie IS NOT NULL;
CREATE INDEX units_with_file ON units (id, file_bytes) WHERE output_file IS NOT NULL;

CREATE TABLE gaps (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL,
    node TEXT,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    reason TEXT NOT NULL,
    run INTEGER
) STRICT;
CREATE UNIQUE INDEX gaps_of_job ON gaps (job, first_at, reason, epoch, ifnull(node, ''));
";

const SECOND: &str = "
INSERT INTO meta VALUES
    ('paused', 0), ('starts', 0), ('commits', 0), ('copy', lower(hex(randomblob(6))));

CREATE TABLE hooks (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL,
    run INTEGER,
    occasion TEXT NOT NULL,
    action TEXT NOT NULL,
    at INTEGER NOT NULL,
    failure TEXT
) STRICT;
CREATE INDEX hooks_of_job ON hooks (job, at);

CREATE INDEX runs_judged ON runs (job, id, state) WHERE state IN ('succeeded', 'failed', 'lost');
CREATE INDEX gaps_in_time ON gaps (job, epoch, first_at) WHERE node IS NULL;
";

/// SQLite looks a strict table through whenever a column is added to it, but rewrites no row.
/// What most runs are, scheduled and successful, is in none of the partial indexes: each costs
/// the ledger's thread as much as the row itself. Open runs have `runs_open`.
const THIRD: &str = "
ALTER TABLE runs ADD COLUMN requested_by TEXT;
ALTER TABLE runs ADD COLUMN retry_of INTEGER;
ALTER TABLE runs ADD COLUMN command TEXT;
CREATE INDEX runs_unlike ON runs (state, id)
    WHERE state IN ('failed', 'cancelled', 'lost', 'skipped');
CREATE INDEX runs_in_time ON runs (queued_at);
CREATE INDEX runs_by_hand ON runs (trigger, id) WHERE trigger <> 'schedule';
CREATE INDEX runs_of_retry ON runs (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX units_of_node ON units (node, run);

CREATE TABLE tokens (
    name TEXT PRIMARY KEY,
    hash BLOB NOT NULL,
    role TEXT NOT NULL,
    jobs TEXT,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    via TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT
) STRICT;
CREATE INDEX audit_in_time ON audit (at);

CREATE TABLE requests (
    key TEXT NOT NULL,
    who TEXT NOT NULL,
    digest BLOB NOT NULL,
    run INTEGER,
    at INTEGER NOT NULL,
    PRIMARY KEY (who, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_in_time ON requests (at);

CREATE TABLE switched_off (
    job TEXT PRIMARY KEY,
    by TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

const FOURTH: &str = "
ALTER TABLE units ADD COLUMN result TEXT;
";

/// Of a run that is a part of a flow, which and where; of a flow, what it was to do.
const FIFTH: &str = "
ALTER TABLE runs ADD COLUMN flow INTEGER;
ALTER TABLE runs ADD COLUMN slot INTEGER;
ALTER TABLE runs ADD COLUMN part INTEGER;
ALTER TABLE runs ADD COLUMN rescue INTEGER;
CREATE INDEX runs_of_flow ON runs (flow, slot, part, rescue) WHERE flow IS NOT NULL;

CREATE TABLE plans (
    run INTEGER PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    plan TEXT NOT NULL
) STRICT;
";

/// Of a job that was off for long there is one gap: it is found by its end.
const SIXTH: &str = "
CREATE INDEX gaps_lately ON gaps (last_at) WHERE node IS NULL;
";

pub(super) fn version(conn: &Connection) -> rusqlite::Result<u32> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Takes the steps that are missing, each in a transaction of its own.
pub(super) fn migrate(conn: &mut Connection, steps: &[&str]) -> rusqlite::Result<()> {
    for (done, step) in steps.iter().enumerate().skip(version(conn)? as usize) {
        let step_taken = conn.transaction()?;
        step_taken.execute_batch(step)?;
        step_taken.pragma_update(None, "user_version", done as u32 + 1)?;
        step_taken.commit()?;
    }
    Ok(())
}

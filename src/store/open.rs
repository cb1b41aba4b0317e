//! Finding, creating and judging the ledger's file before anything is written to it.
//!
//! A ledger that is damaged, foreign, newer or in use is refused and left as it is: the one thing
//! that must never happen is an empty ledger in the place of a damaged one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::check;
use super::error::StoreError;
use super::schema;
use super::seal::{Mark, Seal, Stamp};

pub(super) const FILE: &str = "ledger.db";
const LOCK: &str = "ledger.lock";
/// A ledger in the making; only a complete one gets the name.
const NEW: &str = "ledger.db.new";

/// The log is cut to this when it begins anew.
const LOG_LIMIT: i64 = 16 << 20;
/// A statement waits this long for another process's lock; the writer then comes back to it.
const BUSY: Duration = Duration::from_millis(250);
/// The same at the start, which nobody would repeat.
const BUSY_AT_START: Duration = Duration::from_secs(5);

/// The state directory, absolute and without symlinks; made if there is none.
pub(super) fn directory(statedir: &Path) -> Result<PathBuf, StoreError> {
    let io = |e| StoreError::io(statedir, e);
    DirBuilder::new().recursive(true).mode(0o700).create(statedir).map_err(io)?;
    if fs::metadata(statedir).map_err(io)?.permissions().mode() & 0o022 != 0 {
        return Err(StoreError::Exposed(statedir.to_path_buf()));
    }
    fs::canonicalize(statedir).map_err(io)
}

/// Held for as long as the ledger is open for writing; readers do not need it.
pub(super) fn lock(dir: &Path) -> Result<Seal, StoreError> {
    let path = dir.join(LOCK);
    plain_file(&path)?;
    let file = private(OpenOptions::new().read(true).create(true).truncate(false)).open(&path);
    let file = file.map_err(|e| StoreError::io(&path, e))?;
    let locked = Flock::lock(file, FlockArg::LockExclusiveNonblock);
    locked.map(Seal::new).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => StoreError::InUse(dir.to_path_buf()),
        _ => StoreError::io(&path, errno.into()),
    })
}

/// The ledger, proven ours, sound and of today's schema. `dir` is locked; `seal` is what the
/// lock's file said.
pub(super) fn writable(dir: &Path, seal: Option<&Mark>) -> Result<Connection, StoreError> {
    let path = dir.join(FILE);
    if plain_file(&path)? {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
            .map_err(|e| StoreError::io(&path, e))?;
    } else {
        create(dir, &path)?;
        if seal.is_some_and(|mark| mark.commits > 0) {
            log::warn!("{}: the ledger that was here is gone; a new one is begun", path.display());
        }
    }
    let sqlite = |e| StoreError::sqlite(&path, e);
    let now = Stamp::of(&fs::metadata(&path).map_err(|e| StoreError::io(&path, e))?);
    let mut conn = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    leave_log(&conn, true).map_err(sqlite)?;
    check::after_start(&mut conn, &path, seal, now)?;
    leave_log(&conn, false).map_err(sqlite)?;
    let found = schema::version(&conn).map_err(sqlite)?;
    if found < schema::VERSION {
        let (path, today) = (path.display(), schema::VERSION);
        log::info!("{path}: brought from schema {found} to {today}, which earlier Looms refuse");
    }
    schema::migrate(&mut conn, schema::STEPS).map_err(sqlite)?;
    settings(&conn).map_err(sqlite)?;
    Ok(conn)
}

/// Whether closing the connection leaves ledger.db and its log as they are, instead of moving
/// the one into the other and deleting, by its name, the log.
pub(super) fn leave_log(conn: &Connection, leave: bool) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave)?;
    Ok(())
}

/// The ledger for a reader, which may be another process than the daemon.
pub(super) fn readable(dir: &Path) -> Result<Connection, StoreError> {
    let path = dir.join(FILE);
    if !plain_file(&path)? {
        return Err(StoreError::io(&path, ErrorKind::NotFound.into()));
    }
    let conn = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // A gateway may write no file, and has to sort a run of many units all the same.
    conn.pragma_update(None, "temp_store", "MEMORY").map_err(|e| StoreError::sqlite(&path, e))?;
    Ok(conn)
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.write(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits())
}

/// Whether there is a file; anything else by that name is an error.
fn plain_file(path: &Path) -> Result<bool, StoreError> {
    let found = match fs::symlink_metadata(path) {
        Ok(meta) => meta.file_type(),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(StoreError::io(path, e)),
    };
    let found = match () {
        () if found.is_file() => return Ok(true),
        () if found.is_symlink() => "a symbolic link",
        () if found.is_dir() => "a directory",
        () => "a special file",
    };
    Err(StoreError::NotAFile { path: path.to_path_buf(), found })
}

/// Makes an empty ledger under another name first, so that a crash leaves none or a whole one,
/// and an existing file of no bytes is always damage.
fn create(dir: &Path, path: &Path) -> Result<(), StoreError> {
    let log = dir.join(format!("{FILE}-wal"));
    if log.exists() {
        let detail = "ledger.db is missing, but its ledger.db-wal is here".to_string();
        return Err(StoreError::Damaged { path: path.to_path_buf(), detail });
    }
    let new = dir.join(NEW);
    for leftover in [new.clone(), dir.join(format!("{NEW}-journal"))] {
        match fs::remove_file(&leftover) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                return Err(StoreError::io(&leftover, e));
            }
            Ok(()) | Err(_) => {}
        }
    }
    private(OpenOptions::new().create_new(true)).open(&new).map_err(|e| StoreError::io(&new, e))?;
    let sqlite = |e| StoreError::sqlite(&new, e);
    let mut conn = raw(&new, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    conn.pragma_update(None, "synchronous", "FULL").map_err(sqlite)?;
    schema::migrate(&mut conn, schema::STEPS).map_err(sqlite)?;
    conn.close().map_err(|(_, e)| sqlite(e))?;
    fs::rename(&new, path).map_err(|e| StoreError::io(path, e))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| StoreError::io(dir, e))
}

/// Opens, and proves that it is a ledger this Loom understands.
fn connect(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    let unproven = |e| StoreError::unproven(path, e);
    let path_buf = || path.to_path_buf();
    if fs::metadata(path).map_err(|e| StoreError::io(path, e))?.len() == 0 {
        let detail = "it is empty, where even a new one has tables".to_string();
        return Err(StoreError::Damaged { path: path_buf(), detail });
    }
    let conn = raw(path, access)?;
    let id: i32 =
        conn.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(unproven)?;
    if id != schema::APPLICATION_ID {
        let found = format!("an SQLite file with application_id {id:#x}");
        return Err(StoreError::Foreign { path: path_buf(), found });
    }
    let found = schema::version(&conn).map_err(unproven)?;
    if found > schema::VERSION {
        return Err(StoreError::Newer { path: path_buf(), found, known: schema::VERSION });
    }
    Ok(conn)
}

fn raw(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let sqlite = |e| StoreError::sqlite(path, e);
    let conn = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    let writes = access.contains(OpenFlags::SQLITE_OPEN_READ_WRITE);
    conn.busy_timeout(if writes { BUSY_AT_START } else { BUSY }).map_err(sqlite)?;
    Ok(conn)
}

/// What a writer needs: FULL makes each commit survive a power loss.
fn settings(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "journal_size_limit", LOG_LIMIT)?;
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(32);
    Ok(())
}

//! A copy of the ledger as it is at one instant, made beside a daemon that writes it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use tempfile::NamedTempFile;

use super::error::StoreError;
use super::open;
use super::schema;

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{}: there is no ledger to back up", .0.display())]
    None(PathBuf),
    #[error("{}: it is there already; name another file, or say --force", .0.display())]
    Exists(PathBuf),
    #[error("{}: that is a file of the ledger itself", .0.display())]
    Itself(PathBuf),
    #[error("{}: {what}; name a file to write to", path.display())]
    NoFile { path: PathBuf, what: &'static str },
    #[error("{}: the copy cannot be written: {why}", path.display())]
    Write { path: PathBuf, why: String },
    #[error("the copy is not sound, so it was thrown away: {0}")]
    Unsound(String),
}

/// Writes a copy of the ledger in `statedir` to `file`, under its name only once it is complete,
/// checked and on the disk. Mode 0600. Returns its size in bytes.
pub fn backup(statedir: &Path, file: &Path, replace: bool) -> Result<u64, BackupError> {
    let state = fs::canonicalize(statedir).map_err(|e| StoreError::io(statedir, e))?;
    if !state.join(open::FILE).exists() {
        return Err(BackupError::None(state.join(open::FILE)));
    }
    let dir = target_dir(file, &state)?;
    if !replace && file.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(file.to_path_buf()));
    }
    let write = |why: String| BackupError::Write { path: file.to_path_buf(), why };
    // Made for us alone, and deleted again should anything fail.
    let copy = tempfile::Builder::new().prefix(".loom-backup-").tempfile_in(&dir);
    let copy = copy.map_err(|e| write(e.to_string()))?;
    fill(&state, copy.path(), &write)?;
    let verdict = seal(copy.path()).map_err(|e| BackupError::Unsound(e.to_string()))?;
    if verdict != "ok" {
        return Err(BackupError::Unsound(verdict));
    }
    copy.as_file().sync_all().map_err(|e| write(e.to_string()))?;
    let size = copy.as_file().metadata().map_err(|e| write(e.to_string()))?.len();
    keep(copy, file, replace)?;
    File::open(&dir).and_then(|dir| dir.sync_all()).map_err(|e| write(e.to_string()))?;
    Ok(size)
}

/// The directory that `file` is to be in.
fn target_dir(file: &Path, state: &Path) -> Result<PathBuf, BackupError> {
    let no_file = |what| BackupError::NoFile { path: file.to_path_buf(), what };
    if file.is_dir() {
        return Err(no_file("it is a directory"));
    }
    let name = file.file_name().ok_or_else(|| no_file("that is no file's name"))?;
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let dir = fs::canonicalize(parent).map_err(|e| StoreError::io(parent, e))?;
    let own = ["ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.new", "ledger.lock"];
    if dir == state && own.iter().any(|own| name == *own) {
        return Err(BackupError::Itself(file.to_path_buf()));
    }
    Ok(dir)
}

/// One read transaction, however long it takes: the daemon goes on writing.
fn fill(
    state: &Path,
    copy: &Path,
    write: &dyn Fn(String) -> BackupError,
) -> Result<(), BackupError> {
    let ledger = open::readable(state)?;
    let name = copy.to_str().ok_or_else(|| write("its directory's name is not UTF-8".into()))?;
    ledger.execute("VACUUM INTO ?1", [name]).map_err(|e| {
        // SQLite does not say which of the two files it means.
        let why = e.to_string();
        match StoreError::sqlite(&state.join(open::FILE), e) {
            damaged @ StoreError::Damaged { .. } => damaged.into(),
            _ => write(why),
        }
    })?;
    Ok(())
}

/// Gives the copy a name of its own, so that a ledger restored from it is not taken for the
/// present one with rows missing, and looks it through.
fn seal(copy: &Path) -> rusqlite::Result<String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(copy, flags)?;
    // One file, complete in itself.
    conn.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    if schema::version(&conn)? >= 2 {
        let sql = "UPDATE meta SET value = lower(hex(randomblob(6))) WHERE key = 'copy'";
        conn.execute(sql, [])?;
    }
    conn.execute("UPDATE meta SET value = 0 WHERE key = 'clean'", [])?;
    let id: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if id != schema::APPLICATION_ID {
        return Ok(format!("application_id is {id:#x}"));
    }
    let verdict = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    conn.close().map_err(|(_, e)| e)?;
    Ok(verdict)
}

fn keep(copy: NamedTempFile, file: &Path, replace: bool) -> Result<(), BackupError> {
    let kept = if replace { copy.persist(file) } else { copy.persist_noclobber(file) };
    match kept {
        Ok(_) => Ok(()),
        Err(e) if e.error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(BackupError::Exists(file.to_path_buf()))
        }
        Err(e) => {
            let why = e.error.to_string();
            Err(BackupError::Write { path: file.to_path_buf(), why })
        }
    }
}

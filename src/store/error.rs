//! What can go wrong with the ledger, said to the person who must act.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "{}: others than its owner may write here; a ledger needs a directory of its own \
         (chmod go-w it, or set `statedir`)",
        .0.display()
    )]
    Exposed(PathBuf),
    #[error("{}: expected a plain file, found {found}; Loom does not follow it", path.display())]
    NotAFile { path: PathBuf, found: &'static str },
    #[error("another loom already writes the ledger in {}", .0.display())]
    InUse(PathBuf),
    #[error("{}: not a ledger of Loom ({found}); move it away, or set another `statedir`",
        path.display())]
    Foreign { path: PathBuf, found: String },
    #[error(
        "{}: written by a newer Loom (schema {found}, this one knows up to {known}); \
         start that one, or set another `statedir`",
        path.display()
    )]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error(
        "{}: written by an earlier Loom (schema {found}, this one reads {known}); the daemon brings \
         it up to date when it is started",
        path.display()
    )]
    Older { path: PathBuf, found: u32, known: u32 },
    #[error(
        "{}: the ledger is damaged: {detail}. Nothing more is written to it. With no loom running, \
         copy ledger.db, -wal and -shm away, then put a backup in their place, or try \
         `sqlite3 ledger.db .recover | sqlite3 mended.db`; without ledger.db* here Loom begins an \
         empty ledger",
        path.display()
    )]
    Damaged { path: PathBuf, detail: String },
    #[error(
        "{name} was moved, deleted or replaced in {} while it was being written; put it back, or \
         restart Loom",
        dir.display()
    )]
    Moved { dir: PathBuf, name: &'static str },
    #[error("{}: {source}", path.display())]
    Sqlite { path: PathBuf, source: rusqlite::Error },
    /// The record contradicts what the ledger holds; no repetition will make it fit.
    #[error("{0}")]
    Refused(String),
}

impl StoreError {
    /// Sorts SQLite's errors by what can be done about them.
    pub(super) fn sqlite(path: &Path, source: rusqlite::Error) -> StoreError {
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                StoreError::Damaged { path: path.to_path_buf(), detail: source.to_string() }
            }
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
                StoreError::Refused(source.to_string())
            }
            _ => StoreError::Sqlite { path: path.to_path_buf(), source },
        }
    }

    /// Of a file that is yet to be trusted: what is neither the disk's fault nor another
    /// program's is damage.
    pub(super) fn unproven(path: &Path, source: rusqlite::Error) -> StoreError {
        match source.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::SystemIoFailure
                | ErrorCode::DiskFull
                | ErrorCode::OutOfMemory,
            ) => StoreError::sqlite(path, source),
            _ => StoreError::Damaged { path: path.to_path_buf(), detail: source.to_string() },
        }
    }

    pub(super) fn io(path: &Path, source: io::Error) -> StoreError {
        StoreError::Io { path: path.to_path_buf(), source }
    }

    /// Whether a record is to blame, rather than the disk or the file.
    pub fn is_refusal(&self) -> bool {
        matches!(self, StoreError::Refused(_))
    }
}

//! Why a record is not written.

pub(super) enum Fault {
    Sqlite(rusqlite::Error),
    Refused(String),
}

impl From<rusqlite::Error> for Fault {
    fn from(e: rusqlite::Error) -> Fault {
        Fault::Sqlite(e)
    }
}

/// Refused, unless the record was about one row that is there.
pub(super) fn expect_one(changed: usize, otherwise: impl FnOnce() -> String) -> Result<(), Fault> {
    if changed == 1 { Ok(()) } else { Err(Fault::Refused(otherwise())) }
}

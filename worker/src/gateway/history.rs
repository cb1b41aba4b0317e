//! The ledger, read in threads of their own: a reader may wait for the disk, the gateway not.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use loom::store::{Reader, StoreError};

use super::problem::Error;

/// Reads at once.
pub const READERS: usize = 4;

#[derive(Clone)]
pub struct History {
    statedir: PathBuf,
    /// Those that are not in use.
    idle: Arc<Mutex<Vec<Reader>>>,
}

impl History {
    pub fn of(statedir: &Path) -> History {
        History { statedir: statedir.to_owned(), idle: Arc::default() }
    }

    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Error> {
        let this = self.clone();
        let done = tokio::task::spawn_blocking(move || this.read_now(read)).await;
        done.map_err(|e| Error::internal(e.to_string()))?.map_err(Error::from)
    }

    fn read_now<T>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match idle {
            Some(reader) => reader,
            None => Reader::open(&self.statedir)?,
        };
        let result = read(&reader)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        Ok(result)
    }
}

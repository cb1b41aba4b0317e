//! Tells what units write as events, as it is written: of one unit, or of all units of a run.
//!
//! What runs is looked at again and again, what has ended once; that something has begun or ended
//! is known by the news, which are followed from before the ledger is read. So nothing is missed,
//! and nothing is asked twice. What is held is a position in each unit and one piece of events.

mod look;
mod place;
mod run;
mod turn;
mod unit;

pub use place::Place;
pub use run::RunTelling;
pub use unit::{Start, UnitTelling};

use std::time::Duration;

use loom::store::OUTPUT;

use super::App;
use super::output::OutputDir;
use super::problem::{Error, Result};

/// Between two looks at what runs.
const INTERVAL: Duration = Duration::from_millis(200);
/// A piece of events that has come to this is passed on.
const PIECE: usize = 128 * 1024;

pub fn output_dir(app: &App) -> OutputDir {
    OutputDir::new(app.hello.statedir.join(OUTPUT))
}

/// What waits for a disk, in a thread of its own.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Error::internal(e.to_string()))
}

//! A daemon whose API does not answer: found by its pidfile, seen by its ledger, told by signals.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::reach::Reach;
use crate::client::{Class, Client, Failure, Place, Route};
use crate::launch::PIDFILE;
use crate::store::{Reader, RunFilter, RunRow, StoreError};
use crate::sys::pidfile;
use crate::sys::running::Running;

/// A gateway that was killed is back within a second; one that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Open runs that are looked for without an API.
const MOST: u32 = 1000;

/// A daemon, and how it can be spoken with.
pub enum Found {
    /// By its API, which says this of itself.
    Answering(Client, Value),
    /// By its pidfile; why not by its API.
    Silent(Place, Running, Failure),
}

/// The daemon that is meant. An error where there is none, or where it refuses.
pub fn find(reach: &Reach, candidates: &str) -> Result<Found, Failure> {
    let client = reach.client_within(candidates, Some(PATIENCE))?;
    match client.get(&Route::to(["daemon"])) {
        Ok(daemon) => Ok(Found::Answering(reach.client_within(candidates, None)?, daemon)),
        Err(failure) => match running(client.place(), &failure) {
            Some(running) => Ok(Found::Silent(client.place().clone(), running, failure)),
            None => Err(failure),
        },
    }
}

/// Who runs there, although nobody answers.
pub fn running(place: &Place, failure: &Failure) -> Option<Running> {
    if failure.class() != Class::Unreachable {
        return None;
    }
    pidfile::who_runs(&place.statedir()?.join(PIDFILE)).ok().flatten()
}

pub fn signal(running: Running, signal: Signal) -> Result<(), Failure> {
    let pid = running.pid();
    running
        .signal(signal)
        .map_err(|e| Failure::refused(format!("{signal} cannot be sent to PID {pid}: {e}")))
}

/// What the ledger knows of the present.
pub struct Seen {
    pub paused: bool,
    /// The latest first.
    pub open: Vec<RunRow>,
}

pub fn look(statedir: &Path) -> Result<Seen, StoreError> {
    let ledger = Reader::open(statedir)?;
    let states = ["queued", "running"].map(str::to_owned).to_vec();
    let filter = RunFilter { states, ..RunFilter::default() };
    Ok(Seen { paused: ledger.paused()?, open: ledger.runs_where(&filter, None, MOST)? })
}

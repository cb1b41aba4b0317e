//! One look at what a unit has written, put in writing.

use std::fmt::Display;
use std::io;

use jiff::Timestamp;
use loom::api::unit::OutputEvent;
use loom::store::{Reader, StoreError, UnitState};
use loom::unit::UnitId;

use super::PIECE;
use crate::gateway::output::{Cursor, Dropped, Entry, Follower, OutputDir};
use crate::gateway::{say, shape, sse};
use crate::ssh::Stream;

/// Whose output it is, and what of it is wanted.
#[derive(Debug, Clone)]
pub struct Whose {
    pub unit: UnitId,
    pub node: String,
    pub only: Option<Stream>,
}

/// What is there of a unit that runs.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Behind what was told.
    pub at: u64,
    /// There is more already.
    pub more: bool,
    /// Nothing is there behind it, and nothing will be.
    done: bool,
}

/// What is left to be told of a unit that should have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// More of its output, from here on.
    More(u64),
    /// Nothing.
    Told,
    /// It has not ended, by the ledger.
    Open,
    /// The ledger does not have it.
    Gone,
}

/// One bounded look. `id` makes a cursor of the position behind an entry.
pub fn look<D: Display>(
    dir: &OutputDir,
    at: u64,
    whose: &Whose,
    id: impl Fn(u64) -> D,
    to: &mut Vec<u8>,
) -> io::Result<Seen> {
    let from = Cursor { unit: whose.unit, at };
    look_with(&mut Follower::new(dir.clone(), from), whose, id, to)
}

/// The rest of a unit that has ended, a bounded piece of it, and at last the unit itself. Both `id`
/// and, for the unit itself, `last` make cursors of the position behind what was told.
pub fn end<D: Display>(
    ledger: &Reader,
    dir: &OutputDir,
    from: Cursor,
    only: Option<Stream>,
    (id, last): (impl Fn(u64) -> D, impl FnOnce(u64) -> String),
    to: &mut Vec<u8>,
) -> Result<End, StoreError> {
    let Some(row) = ledger.unit(from.unit)? else { return Ok(End::Gone) };
    match row.state {
        UnitState::Done(_) => {}
        UnitState::Queued | UnitState::Running => return Ok(End::Open),
    }
    let output = ledger.output(from.unit)?.unwrap_or_default();
    let whose = Whose { unit: from.unit, node: row.node.clone(), only };
    let mut follower = Follower::new(dir.clone(), from);
    follower.end(&output);
    let missing = loop {
        match look_with(&mut follower, &whose, &id, to) {
            // Pruned, or it could not be kept.
            Ok(Seen { at: 0, done: true, .. }) if output.bytes > 0 => break Some(output.bytes),
            Ok(Seen { done: true, .. }) => break None,
            Ok(Seen { at, more: true, .. }) if to.len() >= PIECE => return Ok(End::More(at)),
            Ok(Seen { more: true, .. }) => {}
            // Shorter than it was: somebody else is at it.
            Ok(Seen { .. }) => break Some(0),
            Err(why) => {
                cannot_be_read(whose.unit, &why);
                break Some(0);
            }
        }
    };
    if let Some(bytes) = missing {
        skip(&whose, bytes, to);
    }
    let unit = OutputEvent::Unit(Box::new(shape::unit(row)));
    sse::write(to, "unit", Some(&last(follower.cursor().at)), &unit);
    Ok(End::Told)
}

/// Says that so many bytes are missing here; 0 stands for a number that is not known. It has no id:
/// who comes back is told again of what is missing before the next line.
pub fn skip(whose: &Whose, bytes: u64, to: &mut Vec<u8>) {
    let event = OutputEvent::Skipped { unit: whose.unit.0, node: whose.node.clone(), bytes };
    sse::write(to, "skipped", None, &event);
}

/// To be found in the daemon's log; who follows is told that something is missing.
pub fn cannot_be_read(unit: UnitId, why: &io::Error) {
    say(format_args!("the output of unit {unit} cannot be read: {why}"));
}

fn look_with<D: Display>(
    follower: &mut Follower,
    whose: &Whose,
    id: impl Fn(u64) -> D,
    to: &mut Vec<u8>,
) -> io::Result<Seen> {
    let batch = follower.poll()?;
    match batch.dropped {
        Dropped::Bytes(bytes) => skip(whose, bytes, to),
        Dropped::Unknown => skip(whose, 0, to),
        Dropped::Nothing if batch.damaged > 0 => skip(whose, 0, to),
        Dropped::Nothing => {}
    }
    for (entry, cursor) in batch.entries() {
        if whose.only.is_none_or(|only| only == entry.stream) {
            sse::write(to, "line", Some(&id(cursor.at)), &line(whose, &entry));
        }
    }
    Ok(Seen { at: follower.cursor().at, more: batch.more, done: batch.done })
}

fn line(whose: &Whose, entry: &Entry<'_>) -> OutputEvent {
    let stream = match entry.stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    OutputEvent::Line {
        unit: whose.unit.0,
        node: whose.node.clone(),
        // It was read before, when the entry was told from what is damaged.
        at: entry.at.parse().unwrap_or(Timestamp::UNIX_EPOCH),
        stream: stream.to_owned(),
        text: String::from_utf8_lossy(entry.text).into_owned(),
        partial: entry.partial,
    }
}

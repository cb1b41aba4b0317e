//! Follows what a unit writes, from its first byte, or any other, to its end.
//!
//! Nothing is held between two looks but a position: no file, so that thousands may follow, and no
//! bytes, so that whoever went away goes on anywhere with a cursor. The files may appear late, be
//! rotated or joined, and give way to the unit's row.

use std::fmt;
use std::io;
use std::str::FromStr;

use loom::protocol::message::Output;
use loom::unit::UnitId;

use super::dir::OutputDir;
use super::entry::{Entry, Line, complete, lines};
use super::parts::{Dropped, Span, all, head, read_full};

/// Read in one look at most.
const LIMIT: usize = 256 * 1024;

/// The place behind an entry, from where to go on; `UNIT:POSITION` in writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub unit: UnitId,
    pub at: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no place in a unit's output: that is UNIT:POSITION, as in 7:4096")]
pub struct CursorError(String);

#[derive(Debug)]
pub struct Follower {
    dir: OutputDir,
    at: Cursor,
    unit: State,
}

#[derive(Debug)]
enum State {
    Runs,
    /// Nothing more is written; here is all, or in the files.
    EndedInline(Vec<u8>),
    EndedInFiles,
}

/// What one look has brought.
#[derive(Debug)]
pub struct Batch {
    /// Whole lines.
    bytes: Vec<u8>,
    from: Cursor,
    /// Before the first entry, something was dropped before it was read.
    pub dropped: Dropped,
    /// Lines that were no entries, and were left out.
    pub damaged: u64,
    /// There is more already: look again when this has been passed on.
    pub more: bool,
    /// This was all; nothing more will come.
    pub done: bool,
}

impl Follower {
    /// From position 0, or from where another follower was.
    pub fn new(dir: OutputDir, from: Cursor) -> Follower {
        Follower { dir, at: from, unit: State::Runs }
    }

    /// Behind everything that was read.
    pub fn cursor(&self) -> Cursor {
        self.at
    }

    /// The unit has ended, and this is what its row says: to be told once the row can be read, as
    /// only then all that was written is in its place.
    pub fn end(&mut self, row: &Output) {
        self.unit = match row.inline.is_empty() {
            false => State::EndedInline(row.inline.clone()),
            true => State::EndedInFiles,
        };
    }

    /// What has come since the last look. Never waits: look again after some 200 ms, or at once if
    /// there is more.
    pub fn poll(&mut self) -> io::Result<Batch> {
        match &self.unit {
            State::EndedInline(bytes) => {
                let end = bytes.len() as u64;
                let rest = bytes.get(self.at.at as usize..).unwrap_or_default();
                let read = rest[..rest.len().min(LIMIT)].to_vec();
                let found = Found { from: self.at.at, to: end, last: true, read, ..Found::none() };
                Ok(self.take(found, true))
            }
            State::EndedInFiles => {
                let found = self.find()?;
                Ok(self.take(found, true))
            }
            State::Runs => {
                let found = self.find()?;
                Ok(self.take(found, false))
            }
        }
    }

    fn find(&self) -> io::Result<Found> {
        let at = self.at.at;
        let Some(files) = self.dir.unit(self.at.unit)? else { return Ok(Found::none()) };
        // Most of the time that is all.
        if let Some(span) = head(&files)?.filter(|span| at < span.to) {
            return Found::in_span(at, span, false);
        }
        let mut spans = all(&files)?.into_iter().filter(|span| at < span.to);
        match spans.next() {
            Some(span) => Found::in_span(at, span, spans.next().is_none()),
            None => Ok(Found::none()),
        }
    }

    fn take(&mut self, found: Found, ended: bool) -> Batch {
        let Found { from, to, last, dropped, mut read } = found;
        let from = Cursor { at: from.max(self.at.at), ..self.at };
        let reached = from.at + read.len() as u64 >= to;
        let mut taken = complete(&read);
        let mut damaged = lines(&read[..taken])
            .filter(|(_, line)| match line {
                Line::Damaged => true,
                Line::Entry(_) | Line::Seam { .. } => false,
            })
            .count() as u64;
        if taken > 0 && !read[..taken].contains(&b'\n') {
            damaged += 1;
        }
        if ended && reached && taken < read.len() {
            // Cut off: nothing will complete it.
            damaged += 1;
            taken = read.len();
            let end = memchr::memrchr(b'\n', &read).map_or(0, |at| at + 1);
            read.truncate(end);
        } else {
            read.truncate(taken);
        }
        self.at.at = from.at + taken as u64;
        let all = self.at.at >= to;
        Batch {
            bytes: read,
            from,
            dropped,
            damaged,
            more: taken > 0 && !(all && last),
            done: ended && all && last,
        }
    }
}

/// What was read, and of what.
struct Found {
    /// Of what was read.
    from: u64,
    /// Of what lies there.
    to: u64,
    /// Nothing lies behind it.
    last: bool,
    dropped: Dropped,
    read: Vec<u8>,
}

impl Found {
    fn none() -> Found {
        Found { from: 0, to: 0, last: true, dropped: Dropped::Nothing, read: Vec::new() }
    }

    fn in_span(at: u64, span: Span, last: bool) -> io::Result<Found> {
        let from = at.max(span.from);
        let dropped = match span.dropped {
            Dropped::Nothing => Dropped::Nothing,
            // Some of it may have been read before it was dropped.
            Dropped::Bytes(_) if at < from => Dropped::Bytes(from - at),
            Dropped::Unknown if at == from => Dropped::Unknown,
            Dropped::Bytes(_) | Dropped::Unknown => Dropped::Nothing,
        };
        let mut read = vec![0; usize::try_from(span.to - from).unwrap_or(LIMIT).min(LIMIT)];
        let filled = read_full(&span.file, &mut read, span.offset + (from - span.from))?;
        read.truncate(filled);
        Ok(Found { from, to: span.to, last, dropped, read })
    }
}

impl Batch {
    /// Each with the place behind it.
    pub fn entries(&self) -> impl Iterator<Item = (Entry<'_>, Cursor)> {
        lines(&self.bytes).filter_map(|(end, line)| match line {
            Line::Entry(entry) => {
                Some((entry, Cursor { at: self.from.at + end as u64, ..self.from }))
            }
            Line::Seam { .. } | Line::Damaged => None,
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.unit, self.at)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Cursor, CursorError> {
        let number = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|b| b != b'+'));
        text.split_once(':')
            .and_then(|(unit, at)| Some(Cursor { unit: UnitId(number(unit)?), at: number(at)? }))
            .ok_or_else(|| CursorError(text.chars().take(60).collect()))
    }
}

#[cfg(test)]
mod tests;

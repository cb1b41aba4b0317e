//! A unit's output as it is kept at one moment: as a whole of bytes, of which any part can be
//! read, and as the text that the task wrote.
//!
//! The whole is the inline copy of the unit's row; else the head and right behind it the tail. If
//! something was dropped between them, the seam, with which the tail begins, says so there.

use std::fs::File;
use std::io::{self, ErrorKind};

use loom::protocol::message::Output;
use loom::unit::UnitId;

pub use super::parts::Dropped;

use super::dir::OutputDir;
use super::entry::{Entry, Line, complete, lines};
use super::follow::Cursor;
use super::parts::{Span, all, read_full};
use crate::ssh::Stream;

/// Read at a time.
const BLOCK: usize = super::entry::LONGEST;

#[derive(Debug)]
pub struct Kept {
    unit: UnitId,
    segments: Vec<Segment>,
    len: u64,
    dropped: Dropped,
    /// Of interest is this stream alone.
    only: Option<Stream>,
}

#[derive(Debug)]
struct Segment {
    source: Source,
    /// Where it begins in the whole.
    at: u64,
    len: u64,
    /// Of `len`, what the seam takes.
    seam: u64,
    /// Where it begins in the file.
    offset: u64,
    /// The position of its first entry.
    from: u64,
}

#[derive(Debug)]
enum Source {
    Inline(Vec<u8>),
    File(File),
}

impl Kept {
    /// By its row, once it has ended. `None` if nothing is kept: nothing was written, or it has
    /// been pruned, or nothing has been shown yet of what runs.
    pub fn open(dir: &OutputDir, unit: UnitId, row: Option<&Output>) -> io::Result<Option<Kept>> {
        if let Some(row) = row.filter(|row| !row.inline.is_empty()) {
            return Ok(Some(Kept::inline(unit, row.inline.clone())));
        }
        let Some(files) = dir.unit(unit)? else { return Ok(None) };
        let spans = all(&files)?;
        Ok((!spans.is_empty()).then(|| Kept::files(unit, spans)))
    }

    fn inline(unit: UnitId, bytes: Vec<u8>) -> Kept {
        let len = bytes.len() as u64;
        let source = Source::Inline(bytes);
        let all = Segment { source, at: 0, len, seam: 0, offset: 0, from: 0 };
        Kept { unit, segments: vec![all], len, dropped: Dropped::Nothing, only: None }
    }

    fn files(unit: UnitId, spans: Vec<Span>) -> Kept {
        let (segments, dropped) = (Vec::new(), Dropped::Nothing);
        let mut kept = Kept { unit, segments, len: 0, dropped, only: None };
        for Span { file, from, to, offset, dropped } in spans {
            let seam = match dropped {
                Dropped::Nothing | Dropped::Unknown => 0,
                Dropped::Bytes(_) => offset,
            };
            kept.dropped = match (kept.dropped, dropped) {
                (dropped, Dropped::Nothing) | (Dropped::Nothing, dropped) => dropped,
                (Dropped::Bytes(one), Dropped::Bytes(two)) => Dropped::Bytes(one + two),
                (Dropped::Unknown, _) | (_, Dropped::Unknown) => Dropped::Unknown,
            };
            let (at, len, offset) = (kept.len, seam + (to - from), offset - seam);
            let source = Source::File(file);
            kept.segments.push(Segment { source, at, len, seam, offset, from });
            kept.len += len;
        }
        kept
    }

    /// From now on only lines and text of this stream count.
    pub fn only(self, stream: Stream) -> Kept {
        Kept { only: Some(stream), ..self }
    }

    fn leaves_out(&self, entry: &Entry<'_>) -> bool {
        self.only.is_some_and(|only| only != entry.stream)
    }

    /// Of the whole, in bytes.
    pub fn size(&self) -> u64 {
        self.len
    }

    /// What is missing from the middle.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Fills `buffer` with the bytes of the whole from `offset` on, as far as they go.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        for segment in &self.segments {
            let at = offset + filled as u64;
            if filled == buffer.len() || at < segment.at || at >= segment.at + segment.len {
                continue;
            }
            let within = at - segment.at;
            let wanted = (segment.len - within).min((buffer.len() - filled) as u64) as usize;
            segment.read(&mut buffer[filled..filled + wanted], within)?;
            filled += wanted;
        }
        Ok(filled)
    }

    /// Where to follow on from this place in the whole, which is best the beginning of an entry or
    /// the end.
    pub fn cursor(&self, offset: u64) -> Cursor {
        let segment = self.segments.iter().rev().find(|segment| segment.at <= offset);
        let at = segment.map_or(0, |segment| {
            let within = (offset - segment.at).min(segment.len);
            segment.from + within.saturating_sub(segment.seam)
        });
        Cursor { unit: self.unit, at }
    }

    /// Where the last `count` lines begin. A line counts where it ends: one that the other stream
    /// came into may lack its beginning. One that has not ended counts, too.
    pub fn tail(&self, count: u64) -> io::Result<u64> {
        let mut tail = Tail { count, seen: 0, within: [false; 2] };
        // Its entries from here on are wanted.
        let mut start = self.len;
        let mut last = [b'\n'];
        self.read_at(&mut last, self.len.saturating_sub(1))?;
        let mut is_cut = last != [b'\n'];
        // Behind `from`, the block also has the header of a line that begins at its end.
        let mut block = vec![0; BLOCK + super::entry::HEADER];
        let mut end = self.len;
        while end > 0 {
            let from = end.saturating_sub(BLOCK as u64);
            let new = (end - from) as usize;
            let read = self.read_at(&mut block, from)?.min(new + super::entry::HEADER);
            let bytes = &block[..read];
            // The newline at the very end of the block ends the line before it and begins the one
            // behind it.
            let newlines = memchr::memrchr_iter(b'\n', &bytes[..new]).map(|at| at + 1);
            let beginning = (from == 0).then_some(0);
            for begin in newlines.chain(beginning) {
                let line = from + begin as u64;
                if line == self.len {
                    continue;
                }
                if std::mem::take(&mut is_cut) {
                    // It is being written, and no entry yet.
                    start = line;
                    continue;
                }
                let rest = &bytes[begin..];
                let header = memchr::memchr(b'\n', rest).map_or(rest, |end| &rest[..end]);
                match Line::parse(header) {
                    Line::Entry(entry) if self.leaves_out(&entry) => {}
                    Line::Entry(entry) if tail.wants(&entry) => start = line,
                    Line::Entry(_) => return Ok(start),
                    Line::Seam { .. } | Line::Damaged => {}
                }
            }
            end = from;
        }
        // What lies before the first of them is of the other stream.
        Ok(if self.only.is_some() { start } else { 0 })
    }

    /// The bytes that the task wrote, of both streams in the order they came, from this place in
    /// the whole on: the beginning of an entry.
    pub fn text(self, offset: u64) -> Text {
        Text { kept: self, at: offset, damaged: 0 }
    }
}

impl Segment {
    fn read(&self, buffer: &mut [u8], within: u64) -> io::Result<()> {
        let read = match &self.source {
            Source::Inline(bytes) => {
                let from = within as usize;
                buffer.copy_from_slice(&bytes[from..from + buffer.len()]);
                buffer.len()
            }
            Source::File(file) => read_full(file, buffer, self.offset + within)?,
        };
        if read < buffer.len() {
            let said = "the file has become shorter while it was read";
            return Err(io::Error::new(ErrorKind::UnexpectedEof, said));
        }
        Ok(())
    }
}

/// Which lines are among the last, asked from the last one on.
struct Tail {
    count: u64,
    seen: u64,
    /// Of each stream, the end of the line that comes next has been seen.
    within: [bool; 2],
}

impl Tail {
    fn wants(&mut self, entry: &Entry<'_>) -> bool {
        let within = &mut self.within[entry.stream as usize];
        if !(entry.partial && *within) {
            self.seen += 1;
        }
        *within = true;
        self.seen <= self.count
    }
}

/// In chunks of no more than 64 kB.
#[derive(Debug)]
pub struct Text {
    kept: Kept,
    at: u64,
    damaged: u64,
}

impl Text {
    /// Lines that were no entries, and were left out.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }
}

impl Iterator for Text {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        let mut block = vec![0; BLOCK];
        loop {
            let read = match self.kept.read_at(&mut block, self.at) {
                Ok(read) => read,
                Err(error) => return Some(Err(error)),
            };
            let bytes = &block[..read];
            let done = complete(bytes);
            if done == 0 {
                return None;
            }
            self.at += done as u64;
            let mut text = Vec::with_capacity(done);
            let mut found = false;
            for (_, line) in lines(bytes) {
                found = true;
                match line {
                    Line::Entry(entry) if self.kept.leaves_out(&entry) => {}
                    Line::Entry(entry) => {
                        text.extend_from_slice(entry.text);
                        text.extend_from_slice(if entry.partial { b"" } else { b"\n" });
                    }
                    Line::Seam { .. } => {}
                    Line::Damaged => self.damaged += 1,
                }
            }
            self.damaged += u64::from(!found);
            if !text.is_empty() {
                return Some(Ok(text));
            }
        }
    }
}

#[cfg(test)]
mod tests;

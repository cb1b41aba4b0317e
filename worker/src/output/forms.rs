//! The forms that a unit's output takes on its way out: log entries, plain lines, echoed lines.
//!
//! What has come in is told apart by lines and handed to the writer: plain and echoed lines at
//! once, entries as soon as there are too many to be kept here, or [`PATIENCE`] after the first of
//! them, so that somebody can follow a unit that says little. A line that is not complete by then
//! is shown as far as it is. Knows the time that something is due, and waits for nothing.

use std::io;
use std::time::Duration;

use loom::protocol::message::{self, INLINE_OUTPUT, Sink};
use tokio::time::Instant;

use super::now;
use super::writer::{Piece, Writer, Written};
use crate::ssh::Stream;

/// The longest text of one entry, in bytes, as container runtimes split. A longer line of the
/// plain log is written in parts of this size.
pub const LONGEST: usize = 16 * 1024;
/// What little output waits before it is written. A unit that is over by then has no file.
const PATIENCE: Duration = Duration::from_secs(1);

pub struct Forms {
    pub sink: Sink,
    /// All of them while that is little; then those that are yet to be written.
    entries: Vec<u8>,
    /// So many bytes of `entries` have been handed to the writer.
    written: usize,
    /// `entries` has them all.
    whole: bool,
    /// There is a file, or will be: entries no longer wait.
    filed: bool,
    /// When the first of the entries that wait came in.
    since: Option<Instant>,
    /// For the job's own log, and for our own stdout.
    plain: Vec<u8>,
    echoed: Vec<u8>,
    /// What has arrived of a line, for each stream.
    partial: [Partial; 2],
    /// The plain log is within a line of this stream.
    within: Option<Stream>,
    bytes: u64,
    /// As soon as there is something for it.
    pub writer: Option<Writer>,
    /// Why there is none.
    pub trouble: Option<io::Error>,
}

#[derive(Default)]
struct Partial {
    text: Vec<u8>,
    /// So many bytes of it are in entries already.
    shown: usize,
    /// When the first of the others came in.
    since: Option<Instant>,
}

impl Forms {
    pub fn new(sink: Sink) -> Forms {
        Forms {
            sink,
            entries: Vec::new(),
            written: 0,
            whole: true,
            filed: false,
            since: None,
            plain: Vec::new(),
            echoed: Vec::new(),
            partial: Default::default(),
            within: None,
            bytes: 0,
            writer: None,
            trouble: None,
        }
    }

    pub fn add(&mut self, stream: Stream, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let now = now();
        for part in bytes.split_inclusive(|&b| b == b'\n') {
            let (text, ends) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            self.text(&now, stream, text, ends);
        }
        self.flush();
        let partial = &mut self.partial[stream as usize];
        if partial.text.len() > partial.shown {
            partial.since.get_or_insert_with(Instant::now);
        }
        if self.entries.len() > self.written {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    /// When something has waited for long enough.
    pub fn due(&self) -> Option<Instant> {
        let [out, err] = &self.partial;
        let since = [self.since, out.since, err.since].into_iter().flatten().min()?;
        Some(since + PATIENCE)
    }

    /// Writes what is due by now.
    pub fn show(&mut self, by: Instant) {
        let is_due = |since: Option<Instant>| since.is_some_and(|since| since + PATIENCE <= by);
        self.filed |= is_due(self.since);
        for stream in [Stream::Stdout, Stream::Stderr] {
            if is_due(self.partial[stream as usize].since) {
                self.filed = true;
                let mut partial = std::mem::take(&mut self.partial[stream as usize]);
                self.entry(&now(), stream, false, &partial.text[partial.shown..]);
                partial.shown = partial.text.len();
                partial.since = None;
                self.partial[stream as usize] = partial;
            }
        }
        self.flush();
    }

    /// Nothing more comes.
    pub fn end(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let rest = std::mem::take(&mut self.partial[stream as usize]);
            if !rest.text.is_empty() {
                self.part(&now(), stream, false, &rest);
            }
        }
        if self.within.take().is_some() {
            self.plain.push(b'\n');
        }
        self.flush();
    }

    /// The report does not need the writer: it has all of the output, and there is nothing else.
    pub fn is_safe(&self) -> bool {
        self.whole && self.sink.log.is_none()
    }

    /// For the unit's report, and what went wrong, in sentences.
    pub fn report(&mut self, written: Written) -> (message::Output, Vec<String>) {
        let Written { file, dropped, trouble, log_trouble } = written;
        let output = message::Output {
            // In memory it is safe from whatever happened to the file.
            inline: if self.whole { std::mem::take(&mut self.entries) } else { Vec::new() },
            // Even if nobody needs it any more: it is the row that gets it deleted some day.
            file: file.filter(|_| self.filed),
            bytes: self.bytes,
            truncated: dropped && !self.whole,
        };
        let trouble = trouble.map(|why| match self.whole {
            true => format!("its output could not be written while it ran: {why}"),
            false => format!("its output could not be kept: {why}"),
        });
        (output, trouble.into_iter().chain(log_trouble).collect())
    }

    fn text(&mut self, now: &str, stream: Stream, mut text: &[u8], ends: bool) {
        let mut line = std::mem::take(&mut self.partial[stream as usize]);
        while line.text.len() + text.len() > LONGEST {
            let (fits, rest) = text.split_at(LONGEST - line.text.len());
            line.text.extend_from_slice(fits);
            self.part(now, stream, false, &line);
            line.clear();
            text = rest;
        }
        line.text.extend_from_slice(text);
        if ends {
            self.part(now, stream, true, &line);
            line.clear();
        }
        self.partial[stream as usize] = line;
    }

    /// A line, or as much as is held of it, in each form. Only entries show a line before it ends.
    fn part(&mut self, now: &str, stream: Stream, ends: bool, line: &Partial) {
        if ends || line.text.len() > line.shown {
            self.entry(now, stream, ends, &line.text[line.shown..]);
        }
        if self.sink.log.is_some() {
            self.plain(stream, ends, &line.text);
        }
        if let Some(prefix) = &self.sink.echo {
            for part in [prefix.as_bytes(), &line.text, b"\n"] {
                self.echoed.extend_from_slice(part);
            }
        }
    }

    fn entry(&mut self, now: &str, stream: Stream, ends: bool, text: &[u8]) {
        let name: &[u8] = match stream {
            Stream::Stdout => b"stdout",
            Stream::Stderr => b"stderr",
        };
        let tag = if ends { b"F" } else { b"P" };
        for field in [now.as_bytes(), name, tag, text] {
            self.entries.extend_from_slice(field);
            self.entries.push(b' ');
        }
        *self.entries.last_mut().expect("it was just filled") = b'\n';
    }

    /// The streams are merged by lines; one that is too long for that is broken where the other
    /// stream comes in between.
    fn plain(&mut self, stream: Stream, ends: bool, text: &[u8]) {
        if self.within.is_some_and(|other| other != stream) {
            self.plain.push(b'\n');
        }
        self.plain.extend_from_slice(text);
        self.within = (!ends).then_some(stream);
        if ends {
            self.plain.push(b'\n');
        }
    }

    fn flush(&mut self) {
        self.whole &= self.entries.len() <= INLINE_OUTPUT;
        self.filed |= !self.whole;
        if self.filed && self.entries.len() > self.written {
            let entries = self.unwritten();
            self.write(Piece::Entries(entries));
            self.since = None;
        }
        if !self.plain.is_empty() {
            let plain = std::mem::take(&mut self.plain);
            self.write(Piece::Plain(plain));
        }
        if !self.echoed.is_empty() {
            let echoed = std::mem::take(&mut self.echoed);
            self.write(Piece::Echo(echoed));
        }
    }

    fn unwritten(&mut self) -> Vec<u8> {
        if self.whole {
            let entries = self.entries[self.written..].to_vec();
            self.written = self.entries.len();
            return entries;
        }
        let mut entries = std::mem::take(&mut self.entries);
        drop(entries.drain(..std::mem::take(&mut self.written)));
        entries
    }

    fn write(&mut self, piece: Piece) {
        if self.writer.is_none() && self.trouble.is_none() {
            match Writer::start(self.sink.clone()) {
                Ok(writer) => self.writer = Some(writer),
                Err(error) => self.trouble = Some(error),
            }
        }
        if let Some(writer) = &self.writer {
            writer.push(piece);
        }
    }
}

impl Partial {
    fn clear(&mut self) {
        self.text.clear();
        self.shown = 0;
        self.since = None;
    }
}

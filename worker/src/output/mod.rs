//! Keeps what a unit writes: in CRI's log format, inline while it is little, in files beyond; and
//! as plain lines, where the job's own log or somebody at a terminal wants them.
//!
//! An entry is `<RFC 3339 time> stdout|stderr F|P <text>`. `F` ends a line; `P` does not: its
//! text goes on in the next entry of the stream, or was the last and had no newline. Here the text
//! takes its forms; what leaves the memory is written by a thread of its own. Knows nothing of
//! where the bytes come from.

mod job_log;
mod store;
mod writer;

use std::io;

use jiff::Timestamp;
use loom::protocol::message::{self, INLINE_OUTPUT, Sink};
use tokio::time::Instant;

use crate::ssh::{Receive, Stream};
use writer::{Piece, Writer, Written};

/// The longest text of one entry, in bytes, as container runtimes split. A longer line of the
/// plain log is written in parts of this size.
const LONGEST: usize = 16 * 1024;

pub struct Output {
    sink: Sink,
    /// Entries that are yet to be written; all of them while there are few.
    entries: Vec<u8>,
    /// There are too many to be kept here.
    spilled: bool,
    /// For the job's own log, and for our own stdout.
    plain: Vec<u8>,
    echoed: Vec<u8>,
    /// What has arrived of a line, for each stream.
    partial: [Vec<u8>; 2],
    /// The plain log is within a line of this stream.
    within: Option<Stream>,
    bytes: u64,
    /// As soon as there is something for it.
    writer: Option<Writer>,
    /// Why there is none.
    trouble: Option<io::Error>,
}

impl Output {
    pub fn new(sink: Sink) -> Output {
        Output {
            sink,
            entries: Vec::new(),
            spilled: false,
            plain: Vec::new(),
            echoed: Vec::new(),
            partial: Default::default(),
            within: None,
            bytes: 0,
            writer: None,
            trouble: None,
        }
    }

    /// A line of the task's own, among those of its commands.
    pub fn line(&mut self, stream: Stream, text: &str) {
        let line = format!("{text}\n");
        self.add(stream, line.as_bytes());
    }

    /// What goes into the unit's report, and what went wrong with keeping it, in sentences.
    /// `hurry` says that, and by when, the unit has to end, whatever is not written by then.
    pub async fn finish(
        mut self,
        hurry: impl Future<Output = Instant>,
    ) -> (message::Output, Vec<String>) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let rest = std::mem::take(&mut self.partial[stream as usize]);
            if !rest.is_empty() {
                self.entry(&now(), stream, false, &rest);
            }
        }
        if self.within.take().is_some() {
            self.plain.push(b'\n');
        }
        self.flush();
        let written = match (self.writer, self.trouble) {
            (Some(writer), _) => writer.finish(hurry).await,
            (None, Some(error)) => {
                let troubles = vec![format!("its output could not be kept: {error}")];
                Written { dropped: true, file: None, troubles }
            }
            (None, None) => Written::default(),
        };
        let output = message::Output {
            // In memory it is safe from whatever happened to the rest.
            inline: if self.spilled { Vec::new() } else { self.entries },
            file: written.file.filter(|_| self.spilled),
            bytes: self.bytes,
            truncated: written.dropped && self.spilled,
        };
        (output, written.troubles)
    }

    fn add(&mut self, stream: Stream, bytes: &[u8]) {
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
    }

    fn text(&mut self, now: &str, stream: Stream, mut text: &[u8], ends: bool) {
        let mut line = std::mem::take(&mut self.partial[stream as usize]);
        while line.len() + text.len() > LONGEST {
            let (fits, rest) = text.split_at(LONGEST - line.len());
            line.extend_from_slice(fits);
            self.entry(now, stream, false, &line);
            line.clear();
            text = rest;
        }
        line.extend_from_slice(text);
        if ends {
            self.entry(now, stream, true, &line);
            line.clear();
        }
        self.partial[stream as usize] = line;
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
        if self.sink.log.is_some() {
            self.plain(stream, ends, text);
        }
        if let Some(prefix) = &self.sink.echo {
            for part in [prefix.as_bytes(), text, b"\n"] {
                self.echoed.extend_from_slice(part);
            }
        }
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
        self.spilled |= self.entries.len() > INLINE_OUTPUT;
        if self.spilled && !self.entries.is_empty() {
            let entries = std::mem::take(&mut self.entries);
            self.write(Piece::Entries(entries));
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

fn now() -> String {
    format!("{:.9}", Timestamp::now())
}

impl Receive for Output {
    /// Never fails: output that cannot be kept is told of at the end.
    fn receive(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        self.add(stream, bytes);
        Ok(())
    }

    async fn room(&self) {
        if let Some(writer) = &self.writer {
            writer.room().await;
        }
    }
}

#[cfg(test)]
mod tests;

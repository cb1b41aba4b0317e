//! Keeps what a unit writes: in CRI's log format, inline while it is little, in files beyond.
//!
//! A line is `<RFC 3339 time> stdout|stderr F|P <text>`; `P` means that the line goes on in the
//! next entry of its stream. Knows nothing of where the bytes come from.

use std::io::{self, Write};

use jiff::Timestamp;
use loom::protocol::message::{self, INLINE_OUTPUT, Sink};

use crate::ssh::{Receive, Stream};

/// The longest text of one entry, as container runtimes split.
const LONGEST: usize = 16 * 1024;

pub struct Output {
    sink: Sink,
    inline: Vec<u8>,
    /// What has arrived of a line, for each stream.
    partial: [Vec<u8>; 2],
    bytes: u64,
}

impl Output {
    pub fn new(sink: Sink) -> Output {
        Output { sink, inline: Vec::new(), partial: Default::default(), bytes: 0 }
    }

    /// A line of the task's own, among those of its commands.
    pub fn line(&mut self, stream: Stream, text: &str) -> io::Result<()> {
        self.receive(stream, text.as_bytes())?;
        self.receive(stream, b"\n")
    }

    /// What goes into the unit's report.
    pub fn finish(mut self) -> io::Result<message::Output> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            self.end_line(stream)?;
        }
        Ok(message::Output { inline: self.inline, file: None, bytes: self.bytes, truncated: false })
    }

    fn end_line(&mut self, stream: Stream) -> io::Result<()> {
        let rest = std::mem::take(&mut self.partial[stream as usize]);
        if rest.is_empty() { Ok(()) } else { self.entry(stream, 'F', &rest) }
    }

    fn entry(&mut self, stream: Stream, tag: char, text: &[u8]) -> io::Result<()> {
        let name = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let now = Timestamp::now();
        write!(self.inline, "{now:.9} {name} {tag} ")?;
        self.inline.extend_from_slice(text);
        self.inline.push(b'\n');
        self.inline.truncate(INLINE_OUTPUT);
        let _ = (&self.sink, LONGEST);
        Ok(())
    }
}

impl Receive for Output {
    fn receive(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        for part in bytes.split_inclusive(|&b| b == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(text) => {
                    let mut line = std::mem::take(&mut self.partial[stream as usize]);
                    line.extend_from_slice(text);
                    self.entry(stream, 'F', &line)?;
                }
                None => self.partial[stream as usize].extend_from_slice(part),
            }
        }
        Ok(())
    }
}

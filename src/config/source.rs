//! The files of a configuration: read within limits, and kept as long as a message may quote
//! them.
//!
//! A [`Span`] names a place in one of them. Nothing here knows YAML.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes.
pub const MAX_FILE: u64 = 16 << 20;
/// The most that all files together may hold, in bytes.
pub const MAX_TOTAL: u64 = 64 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(u32);

/// A stretch of a file. Lines and columns count from 1, columns in characters; line 0 stands
/// for the file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    pub file: FileId,
    pub line: u32,
    pub column: u32,
    /// In bytes of the text without its byte order mark.
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn whole(file: FileId) -> Span {
        Span { file, line: 0, column: 0, start: 0, end: 0 }
    }

    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

#[derive(Debug)]
struct Source {
    /// As the user would name it.
    shown: PathBuf,
    text: String,
    /// Byte ranges that no excerpt may show.
    secrets: Stretches,
    /// Secrets may turn up anywhere in it.
    guarded: bool,
    meta: Option<Metadata>,
}

#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
    bytes: u64,
}

/// Why a file could not be read, and where in it.
#[derive(Debug)]
pub struct ReadProblem {
    pub span: Span,
    pub message: String,
}

impl Sources {
    /// Makes a file known by name, so that messages can be about it.
    pub fn add(&mut self, shown: &Path) -> FileId {
        self.files.push(Source {
            shown: shown.to_path_buf(),
            text: String::new(),
            secrets: Stretches::default(),
            guarded: false,
            meta: None,
        });
        FileId(self.files.len() as u32 - 1)
    }

    /// Reads the text of a file that was added: UTF-8, a byte order mark is left out.
    pub fn read(&mut self, file: FileId) -> Result<(), ReadProblem> {
        let whole = |message| ReadProblem { span: Span::whole(file), message };
        let source = &mut self.files[file.0 as usize];
        let room = MAX_FILE.min(MAX_TOTAL.saturating_sub(self.bytes));
        let (bytes, meta) = read_at_most(&source.shown, room + 1)
            .map_err(|e| whole(format!("cannot be read: {}", plain(&e))))?;
        source.meta = Some(meta);
        self.take(file, bytes)
    }

    /// As [`read`](Self::read), of bytes that are there already.
    pub fn take(&mut self, file: FileId, mut bytes: Vec<u8>) -> Result<(), ReadProblem> {
        let whole = |message| ReadProblem { span: Span::whole(file), message };
        let room = MAX_FILE.min(MAX_TOTAL.saturating_sub(self.bytes));
        if bytes.len() as u64 > MAX_FILE {
            return Err(whole(format!("is larger than {} MiB", MAX_FILE >> 20)));
        }
        if bytes.len() as u64 > room {
            return Err(whole(format!(
                "the configuration's files hold more than {} MiB together; is this the right directory?",
                MAX_TOTAL >> 20
            )));
        }
        self.bytes += bytes.len() as u64;
        if bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        let bad_byte = std::str::from_utf8(&bytes).err().map(|e| e.valid_up_to());
        let bad = bad_byte.or_else(|| bytes.iter().position(|b| is_forbidden(*b)));
        let problem = bad.map(|at| {
            let message = match (bad_byte, bytes[at]) {
                (Some(0), 0xfe | 0xff) => "not UTF-8; this looks like UTF-16".to_string(),
                (Some(_), byte) => format!("not UTF-8: byte 0x{byte:02x}"),
                (None, byte) => format!("control character U+{byte:04X} is not allowed in YAML"),
            };
            ReadProblem { span: point(file, &bytes, at), message }
        });
        self.files[file.0 as usize].text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
        };
        problem.map_or(Ok(()), Err)
    }

    pub fn shown(&self, file: FileId) -> &Path {
        &self.files[file.0 as usize].shown
    }

    /// Of the file that was read.
    pub fn meta(&self, file: FileId) -> Option<&Metadata> {
        self.files[file.0 as usize].meta.as_ref()
    }

    pub fn text(&self, file: FileId) -> &str {
        &self.files[file.0 as usize].text
    }

    /// Gives the memory of a text back that will not be quoted any more.
    pub fn release(&mut self, file: FileId) {
        self.files[file.0 as usize].text = String::new();
    }

    pub fn guard(&mut self, file: FileId) {
        self.files[file.0 as usize].guarded = true;
    }

    pub fn is_guarded(&self, file: FileId) -> bool {
        self.files[file.0 as usize].guarded
    }

    pub fn is_hidden(&self, span: Span) -> bool {
        self.files[span.file.0 as usize].secrets.covers(span.start..span.end)
    }

    pub fn hide(&mut self, span: Span) {
        self.files[span.file.0 as usize].secrets.add(span.start..span.end);
    }

    /// The line a span begins in, without its end; where it lies in the text; and what of it is
    /// secret.
    pub fn line(&self, span: Span) -> (&str, Range<usize>, Vec<Range<usize>>) {
        let source = &self.files[span.file.0 as usize];
        let at = (span.start as usize).min(source.text.len());
        let start = source.text[..at].rfind('\n').map_or(0, |i| i + 1);
        let end = source.text[at..].find('\n').map_or(source.text.len(), |i| at + i);
        let secrets = source.secrets.within(start as u32..end as u32);
        let secrets = secrets.map(|r| r.start as usize..r.end as usize).collect();
        (source.text[start..end].trim_end_matches('\r'), start..end, secrets)
    }
}

/// Stretches of a text, those that overlap made one: a file may have as many as it has values, and
/// each of its mistakes asks.
#[derive(Debug, Default)]
struct Stretches {
    /// Ends by starts.
    ends: BTreeMap<u32, u32>,
}

impl Stretches {
    fn add(&mut self, mut new: Range<u32>) {
        let before = self.ends.range(..=new.start).next_back();
        if let Some((start, end)) = before.filter(|(_, end)| **end >= new.start) {
            new = *start..new.end.max(*end);
        }
        while let Some((start, end)) = self.ends.range(new.start..=new.end).next() {
            let (start, end) = (*start, *end);
            new.end = new.end.max(end);
            self.ends.remove(&start);
        }
        self.ends.insert(new.start, new.end);
    }

    /// Whether one of them has all of it.
    fn covers(&self, part: Range<u32>) -> bool {
        self.ends.range(..=part.start).next_back().is_some_and(|(_, end)| *end >= part.end)
    }

    /// Those that touch it.
    fn within(&self, part: Range<u32>) -> impl Iterator<Item = Range<u32>> {
        let first =
            self.ends.range(..=part.start).next_back().map_or(part.start, |(start, _)| *start);
        let touching = self.ends.range(first..part.end.max(first)).map(|(start, end)| *start..*end);
        touching.filter(move |found| found.start < part.end && found.end > part.start)
    }
}

/// Never blocks on a FIFO, never reads on for ever.
fn read_at_most(path: &Path, limit: u64) -> io::Result<(Vec<u8>, Metadata)> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok((bytes, meta))
}

/// An I/O error without Rust's `(os error 2)`.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_lowercase(),
        None => text,
    }
}

fn is_forbidden(byte: u8) -> bool {
    (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0x7f
}

fn point(file: FileId, bytes: &[u8], at: usize) -> Span {
    let before = &bytes[..at];
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let line = 1 + before.iter().filter(|b| **b == b'\n').count();
    let column = 1 + String::from_utf8_lossy(&bytes[line_start..at]).chars().count();
    let at = at as u32;
    Span { file, line: line as u32, column: column as u32, start: at, end: at + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stretch() -> impl Strategy<Value = Range<u32>> {
        (0u32..40, 1u32..10).prop_map(|(start, length)| start..start + length)
    }

    proptest! {
        #[test]
        fn stretches_have_every_byte_that_was_added_and_no_other(
            added in prop::collection::vec(stretch(), 0..12),
            part in stretch(),
        ) {
            let mut stretches = Stretches::default();
            added.iter().for_each(|new| stretches.add(new.clone()));
            let has = |byte: u32| added.iter().any(|range| range.contains(&byte));
            prop_assert_eq!(stretches.covers(part.clone()), part.clone().all(has));
            let within: Vec<_> = stretches.within(part.clone()).collect();
            for byte in part {
                prop_assert_eq!(within.iter().any(|range| range.contains(&byte)), has(byte));
            }
        }
    }
}

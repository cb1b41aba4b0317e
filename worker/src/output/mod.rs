//! Keeps what a unit writes: in CRI's log format, inline while it is little, in files beyond.
//!
//! An entry is `<RFC 3339 time> stdout|stderr F|P <text>`. `F` ends a line; `P` does not: its
//! text goes on in the next entry of the stream, or was the last and had no newline. Knows
//! nothing of where the bytes come from.

mod store;

use std::io::{self, Write};

use jiff::Timestamp;
use loom::protocol::message::{self, Sink};

use crate::ssh::{Receive, Stream};
use store::Store;

/// The longest text of one entry, in bytes, as container runtimes split.
const LONGEST: usize = 16 * 1024;

pub struct Output {
    store: Store,
    /// Before each line on our own stdout.
    echo: Option<String>,
    /// What has arrived of a line, for each stream.
    partial: [Vec<u8>; 2],
    bytes: u64,
    /// Why nothing is kept any more. That is no reason to end the command.
    trouble: Option<io::Error>,
}

impl Output {
    pub fn new(sink: Sink) -> Output {
        Output {
            store: Store::new(sink.file, sink.max_bytes),
            echo: sink.echo,
            partial: Default::default(),
            bytes: 0,
            trouble: None,
        }
    }

    /// A line of the task's own, among those of its commands.
    pub fn line(&mut self, stream: Stream, text: &str) {
        let line = format!("{text}\n");
        self.add(stream, line.as_bytes());
    }

    /// What goes into the unit's report, and what went wrong with keeping it.
    pub fn finish(mut self) -> (message::Output, Option<io::Error>) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let rest = std::mem::take(&mut self.partial[stream as usize]);
            if !rest.is_empty() {
                self.entry(&now(), stream, b"P", &rest);
            }
        }
        self.flush();
        let (mut output, error) = self.store.finish();
        output.bytes = self.bytes;
        let trouble = self.trouble.or(error);
        output.truncated |= trouble.is_some();
        (output, trouble)
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
            self.entry(now, stream, b"P", &line);
            line.clear();
            text = rest;
        }
        line.extend_from_slice(text);
        if ends {
            self.entry(now, stream, b"F", &line);
            line.clear();
        }
        self.partial[stream as usize] = line;
    }

    fn entry(&mut self, now: &str, stream: Stream, tag: &[u8], text: &[u8]) {
        let name: &[u8] = match stream {
            Stream::Stdout => b"stdout",
            Stream::Stderr => b"stderr",
        };
        if self.trouble.is_none() {
            self.store.entry(|to| {
                for field in [now.as_bytes(), name, tag, text] {
                    to.extend_from_slice(field);
                    to.push(b' ');
                }
                *to.last_mut().expect("it was just filled") = b'\n';
            });
        }
        if let Some(prefix) = &self.echo {
            let line = [prefix.as_bytes(), text, b"\n"].concat();
            // Whoever reads along may go away.
            let _ = io::stdout().write_all(&line);
        }
    }

    fn flush(&mut self) {
        if self.trouble.is_none() {
            self.trouble = self.store.flush().err();
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use loom::protocol::message::INLINE_OUTPUT;
    use std::path::{Path, PathBuf};
    use tempfile::TempDir;

    struct Kept {
        dir: TempDir,
        output: message::Output,
    }

    fn keep(max_bytes: u64, write: impl FnOnce(&mut Output)) -> Kept {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("a/b/unit.log");
        let mut output = Output::new(Sink { file, max_bytes, log: None, echo: None });
        write(&mut output);
        let (output, trouble) = output.finish();
        assert!(trouble.is_none(), "{trouble:?}");
        Kept { dir, output }
    }

    fn tail(file: &Path) -> PathBuf {
        let mut name = file.as_os_str().to_owned();
        name.push(".tail");
        name.into()
    }

    /// The bytes of one stream, from its entries.
    fn text(log: &[u8], stream: &str) -> Vec<u8> {
        let mut text = Vec::new();
        for entry in log.split_inclusive(|&b| b == b'\n') {
            let mut fields = entry.splitn(4, |&b| b == b' ');
            let time = std::str::from_utf8(fields.next().unwrap()).unwrap();
            time.parse::<Timestamp>().unwrap();
            let of = fields.next().unwrap();
            let tag = fields.next().unwrap();
            let line = fields.next().unwrap();
            assert!(line.len() <= LONGEST + 1);
            if of == stream.as_bytes() {
                text.extend_from_slice(line.strip_suffix(b"\n").unwrap());
                text.extend_from_slice(if tag == b"F" { b"\n" } else { b"" });
            }
        }
        text
    }

    #[test]
    fn little_output_comes_back_inline_and_makes_no_file() {
        let kept = keep(1 << 20, |output| {
            output.receive(Stream::Stdout, b"one\ntw").unwrap();
            output.receive(Stream::Stderr, b"three").unwrap();
            output.receive(Stream::Stdout, b"o\n").unwrap();
        });
        assert_eq!(text(&kept.output.inline, "stdout"), b"one\ntwo\n");
        assert_eq!(text(&kept.output.inline, "stderr"), b"three");
        assert_eq!((kept.output.bytes, kept.output.truncated), (13, false));
        assert!(kept.output.file.is_none());
        assert_eq!(kept.dir.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn more_goes_to_a_private_file_byte_for_byte() {
        let binary: Vec<u8> = (0..200_000u32).map(|i| (i * 7 % 256) as u8).collect();
        let kept = keep(1 << 20, |output| {
            for chunk in binary.chunks(777) {
                output.receive(Stream::Stdout, chunk).unwrap();
            }
        });
        let file = kept.output.file.unwrap();
        assert_eq!(text(&std::fs::read(&file).unwrap(), "stdout"), binary);
        assert!(kept.output.inline.is_empty());
        assert!(!kept.output.truncated && !tail(&file).exists());
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn a_long_line_is_split_and_put_together_again() {
        let line = [vec![b'x'; 10 << 20], vec![b'\n']].concat();
        let kept = keep(64 << 20, |output| {
            output.receive(Stream::Stdout, &line).unwrap();
        });
        let log = std::fs::read(kept.output.file.unwrap()).unwrap();
        assert_eq!(text(&log, "stdout"), line);
    }

    #[test]
    fn of_too_much_the_head_and_the_end_are_kept_within_the_limit() {
        const MAX: u64 = 100_000;
        let kept = keep(MAX, |output| {
            for i in 0..100_000 {
                output.receive(Stream::Stdout, format!("{i}\n").as_bytes()).unwrap();
            }
        });
        let file = kept.output.file.unwrap();
        let (head, end) = (std::fs::read(&file).unwrap(), std::fs::read(tail(&file)).unwrap());
        assert!(kept.output.truncated);
        assert!((head.len() + end.len()) as u64 <= MAX);
        assert!(text(&head, "stdout").starts_with(b"0\n1\n2\n"));
        assert!(text(&end, "stdout").ends_with(b"\n99998\n99999\n"));
        assert!(end.len() as u64 >= MAX / 4 - 100);
        assert_eq!(file.parent().unwrap().read_dir().unwrap().count(), 2);
    }

    #[test]
    fn what_just_fits_is_one_file_again() {
        let kept = keep(100_000, |output| {
            for i in 0..1_500 {
                output.receive(Stream::Stdout, format!("{i:010}\n").as_bytes()).unwrap();
            }
        });
        let file = kept.output.file.unwrap();
        let log = std::fs::read(&file).unwrap();
        assert!(log.len() > 50_000, "{} bytes do not reach the tail", log.len());
        assert_eq!(text(&log, "stdout").len(), 1_500 * 11);
        assert!(!kept.output.truncated && !tail(&file).exists());
    }

    #[test]
    fn a_link_in_place_of_the_file_is_not_followed_and_said() {
        let dir = TempDir::new().unwrap();
        let (file, victim) = (dir.path().join("unit.log"), dir.path().join("victim"));
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &file).unwrap();
        let mut output = Output::new(Sink { file, max_bytes: 1 << 20, log: None, echo: None });
        output.receive(Stream::Stdout, &[b'x'; INLINE_OUTPUT]).unwrap();
        output.receive(Stream::Stdout, b"\n").unwrap();
        let (output, trouble) = output.finish();
        assert!(trouble.is_some() && output.truncated);
        assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    }
}

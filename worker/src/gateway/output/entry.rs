//! Log entries, out of bytes.
//!
//! `<RFC 3339 time> stdout|stderr TAGS <text>`, a line each; of the tags, which colons part, the
//! first is `F` or `P`. Whatever else a line is, it is damaged and nothing more: files may have
//! been cut by a crash, and others than Loom can write to a disk.

use jiff::Timestamp;

use crate::ssh::Stream;

/// No entry is longer: one that seems to be is damaged.
pub const LONGEST: usize = 64 * 1024;
/// What stands before an entry's text is never longer.
pub const HEADER: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// RFC 3339, as written.
    pub at: &'a str,
    pub stream: Stream,
    /// The line goes on in the stream's next entry; a newline follows the text of others.
    pub partial: bool,
    pub text: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    Entry(Entry<'a>),
    /// Entries were dropped here; it goes on at this position.
    Seam {
        from: u64,
    },
    Damaged,
}

impl<'a> Line<'a> {
    /// Of one line, without its newline. Of a longer one its beginning will do, to tell what it
    /// is.
    pub fn parse(line: &'a [u8]) -> Line<'a> {
        parse(line).unwrap_or(Line::Damaged)
    }
}

fn parse(line: &[u8]) -> Option<Line<'_>> {
    let mut fields = line.splitn(4, |&b| b == b' ');
    let mut word = || std::str::from_utf8(fields.next()?).ok();
    let at = word()?;
    let stream = match word()? {
        "stdout" => Stream::Stdout,
        "stderr" => Stream::Stderr,
        _ => return None,
    };
    let tags = word()?;
    let text = fields.next()?;
    // The most expensive is looked at last.
    let mut tags = tags.split(':');
    let partial = match tags.next()? {
        "F" => false,
        "P" => true,
        _ => return None,
    };
    if at.len() > HEADER / 2 || at.parse::<Timestamp>().is_err() {
        return None;
    }
    match tags.find_map(|tag| tag.strip_prefix("from=")) {
        Some(from) if text.is_empty() => Some(Line::Seam { from: from.parse().ok()? }),
        Some(_) | None => Some(Line::Entry(Entry { at, stream, partial, text })),
    }
}

/// The complete lines of `bytes`, each with the length of all up to its end. What is left behind
/// the last of them is for the next time.
pub fn lines(bytes: &[u8]) -> Lines<'_> {
    Lines { bytes, at: 0 }
}

#[derive(Debug, Clone)]
pub struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, Line<'a>);

    fn next(&mut self) -> Option<(usize, Line<'a>)> {
        let rest = &self.bytes[self.at..];
        let end = memchr::memchr(b'\n', rest)?;
        self.at += end + 1;
        Some((self.at, Line::parse(&rest[..end])))
    }
}

/// How much of `bytes` is done with, once its lines have been read: all of it, if it holds no end
/// of what cannot be an entry any more.
pub fn complete(bytes: &[u8]) -> usize {
    match memchr::memrchr(b'\n', bytes) {
        Some(last) => last + 1,
        None if bytes.len() >= LONGEST => bytes.len(),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AT: &str = "2024-02-29T23:59:59.123456789Z";

    #[test]
    fn an_entry_has_four_parts_and_any_text() {
        let line = format!("{AT} stderr P  a b\t\u{0}\r");
        let entry = Entry { at: AT, stream: Stream::Stderr, partial: true, text: b" a b\t\0\r" };
        assert_eq!(Line::parse(line.as_bytes()), Line::Entry(entry));
        // Tags that are not known change nothing.
        let line = format!("{AT} stdout F:x ");
        let entry = Entry { at: AT, stream: Stream::Stdout, partial: false, text: b"" };
        assert_eq!(Line::parse(line.as_bytes()), Line::Entry(entry));
        let seam = format!("{AT} stderr P:from=4711 ");
        assert_eq!(Line::parse(seam.as_bytes()), Line::Seam { from: 4711 });
    }

    #[test]
    fn everything_else_is_damaged() {
        for line in [
            "",
            " ",
            "text",
            "2024-02-29T23:59:59.123456789Z",
            "2024-02-29T23:59:59.123456789Z stdout F",
            "2024-02-29T23:59:59.123456789Z stdin F x",
            "2024-02-29T23:59:59.123456789Z stdout X x",
            "2024-02-29T23:59:59.123456789Z stdout  x",
            "2024-02-30T23:59:59.123456789Z stdout F x",
            "stdout F x y",
            "2024-02-29T23:59:59.123456789Z stderr P:from=many ",
        ] {
            assert_eq!(Line::parse(line.as_bytes()), Line::Damaged, "{line}");
        }
    }

    #[test]
    fn what_has_no_end_is_given_up_only_when_it_cannot_have_one() {
        assert_eq!(complete(b"a\nb\nc"), 4);
        assert_eq!(complete(&[b'x'; LONGEST - 1]), 0);
        assert_eq!(complete(&[b'x'; LONGEST]), LONGEST);
    }

    fn any_line() -> impl Strategy<Value = (bool, bool, Vec<u8>)> {
        let text = proptest::collection::vec(any::<u8>(), 0..40);
        (any::<bool>(), any::<bool>(), text)
    }

    proptest! {
        #[test]
        fn however_entries_are_cut_they_come_out_whole(
            wanted in proptest::collection::vec(any_line(), 0..20),
            sizes in proptest::collection::vec(1..90usize, 1..20),
        ) {
            let mut bytes = Vec::new();
            let mut sound = Vec::new();
            let mut damaged = 0;
            for (stderr, partial, text) in wanted {
                let text: Vec<u8> = text.into_iter().filter(|&b| b != b'\n').collect();
                // Rubbish in between, which happens to be no entry.
                if text.len() % 5 == 4 {
                    bytes.extend([b"rubbish ", &text[..], b"\n"].concat());
                    damaged += 1;
                    continue;
                }
                let stream = if stderr { "stderr" } else { "stdout" };
                let tag = if partial { "P" } else { "F" };
                bytes.extend(format!("{AT} {stream} {tag} ").into_bytes());
                bytes.extend([&text[..], b"\n"].concat());
                sound.push((stderr, partial, text));
            }
            let (mut held, mut seen, mut broken) = (Vec::new(), Vec::new(), 0);
            let mut rest = &bytes[..];
            for size in sizes.iter().cycle().take(bytes.len() + 1) {
                let (now, later) = rest.split_at(rest.len().min(*size));
                held.extend_from_slice(now);
                rest = later;
                let mut used = 0;
                for (end, line) in lines(&held) {
                    used = end;
                    match line {
                        Line::Entry(entry) => {
                            let stderr = entry.stream == Stream::Stderr;
                            seen.push((stderr, entry.partial, entry.text.to_vec()));
                        }
                        Line::Seam { .. } => prop_assert!(false, "there is none"),
                        Line::Damaged => broken += 1,
                    }
                }
                prop_assert_eq!(used, complete(&held));
                held.drain(..used);
            }
            prop_assert!(held.is_empty() && rest.is_empty());
            prop_assert_eq!((seen, broken), (sound, damaged));
        }

        #[test]
        fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let count = bytes.iter().filter(|&&b| b == b'\n').count();
            prop_assert_eq!(lines(&bytes).count(), count);
        }
    }
}

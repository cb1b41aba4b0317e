//! A unit's output as it is kept: entries of `TIME stdout|stderr F|P TEXT`, a line each.
//!
//! What is no entry is left out and counted: files may have been cut by a crash. Of the tags, which
//! colons part, the first is `F` or `P`; `from=` marks where something was dropped.

use std::io::{self, BufRead, Read};

use jiff::Timestamp;

use super::lines::{Said, Stream};

/// No entry is longer; whatever is, is damaged.
const LONGEST: u64 = 256 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    Said {
        at: Timestamp,
        stream: Stream,
        partial: bool,
        text: &'a [u8],
    },
    /// Entries were dropped here.
    Seam,
}

impl<'a> Entry<'a> {
    /// Of a line without its newline.
    pub fn parse(line: &'a [u8]) -> Option<Entry<'a>> {
        let mut fields = line.splitn(4, |&byte| byte == b' ');
        let mut word = || std::str::from_utf8(fields.next()?).ok();
        let at: Timestamp = word()?.parse().ok()?;
        let stream = match word()? {
            "stdout" => Stream::Stdout,
            "stderr" => Stream::Stderr,
            _ => return None,
        };
        let mut tags = word()?.split(':');
        let partial = match tags.next()? {
            "F" => false,
            "P" => true,
            _ => return None,
        };
        if tags.any(|tag| tag.starts_with("from=")) {
            return Some(Entry::Seam);
        }
        Some(Entry::Said { at, stream, partial, text: fields.next()? })
    }
}

/// Calls `tell` with each entry, as something that this unit said; `None` at a seam. The lines that
/// were none.
pub fn read(
    mut body: impl BufRead,
    unit: u64,
    node: &str,
    mut tell: impl FnMut(Option<&Said>) -> bool,
) -> io::Result<u64> {
    let (mut line, mut damaged) = (Vec::new(), 0);
    loop {
        line.clear();
        if body.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
            return Ok(damaged);
        }
        let whole = line.pop_if(|byte| *byte == b'\n').is_some();
        let goes_on = match Entry::parse(&line).filter(|_| whole) {
            Some(Entry::Said { at, stream, partial, text }) => {
                tell(Some(&Said { unit, node, at, stream, text, partial }))
            }
            Some(Entry::Seam) => tell(None),
            None => {
                damaged += 1;
                true
            }
        };
        if !goes_on {
            return Ok(damaged);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AT: &str = "2024-02-29T23:59:59.123456789Z";

    #[test]
    fn entries_are_told_and_what_is_none_is_counted() {
        let log = format!(
            "{AT} stdout F one\nnonsense\n{AT} stderr P:x two\n{AT} stderr P:from=4711 \n{AT} stdout F \n{AT} stdo"
        );
        let mut told = Vec::new();
        let damaged = read(log.as_bytes(), 7, "web1", |said| {
            told.push(said.map(|said| {
                assert_eq!((said.unit, said.node), (7, "web1"));
                assert_eq!(said.at, AT.parse().unwrap());
                (said.stream, said.partial, String::from_utf8_lossy(said.text).into_owned())
            }));
            true
        });
        let said = |stream, partial, text: &str| Some((stream, partial, text.to_owned()));
        let expected = [
            said(Stream::Stdout, false, "one"),
            said(Stream::Stderr, true, "two"),
            None,
            said(Stream::Stdout, false, ""),
        ];
        assert_eq!(told, expected);
        assert_eq!(damaged.unwrap(), 2);
    }

    proptest! {
        #[test]
        fn any_line_is_an_entry_or_none(line in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Entry::parse(&line);
        }

        #[test]
        fn any_text_comes_through(text in prop::collection::vec(any::<u8>(), 0..60)) {
            let line = [format!("{AT} stdout F ").as_bytes(), &text].concat();
            let at = AT.parse().unwrap();
            let said = Entry::Said { at, stream: Stream::Stdout, partial: false, text: &text };
            prop_assert_eq!(Entry::parse(&line), Some(said));
        }
    }
}

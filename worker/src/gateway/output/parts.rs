//! The files of a unit at one moment, put in order by the positions of what they have.
//!
//! A worker may rotate the tail, or join it to the head, while they are opened. They are opened
//! from the end to the beginning, and the tail once more, so that what seems to be missing between
//! two of them really has been dropped; and what is found twice, in the middle of joining, is taken
//! once.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::dir::UnitFiles;
use super::entry::{HEADER, Line, lines};

/// What was dropped before something, in bytes of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    Nothing,
    Bytes(u64),
    /// The file does not tell.
    Unknown,
}

/// Entries that lie one behind the other in one file.
#[derive(Debug)]
pub struct Span {
    pub file: File,
    /// Positions.
    pub from: u64,
    pub to: u64,
    /// Where `from` is in the file. A seam is right before it, unless it is 0.
    pub offset: u64,
    /// Between the span before and this one.
    pub dropped: Dropped,
}

/// A rotation takes the writing of a quarter of the limit, and a try the opening of two files.
const TRIES: u32 = 4;

struct Part {
    file: File,
    size: u64,
    /// The bytes of the seam.
    seam: u64,
    from: Option<u64>,
}

/// The beginning alone, if there is one.
pub fn head(files: &UnitFiles) -> io::Result<Option<Span>> {
    beginning(&|suffix| files.open(suffix))
}

/// Everything that there is.
pub fn all(files: &UnitFiles) -> io::Result<Vec<Span>> {
    ordered(&|suffix| files.open(suffix))
}

type Opening<'a> = &'a dyn Fn(&str) -> io::Result<Option<File>>;

fn ordered(open: Opening<'_>) -> io::Result<Vec<Span>> {
    let (mut tail, mut old) = (part(open, ".tail")?, None);
    for _ in 0..TRIES {
        old = part(open, ".tail.old")?;
        // What was the one may by now be the other.
        let now = part(open, ".tail")?;
        let same = now.as_ref().map(|part| part.from) == tail.as_ref().map(|part| part.from);
        tail = now;
        if same {
            break;
        }
    }
    let mut spans: Vec<Span> = beginning(open)?.into_iter().collect();
    for part in [old, tail].into_iter().flatten() {
        let known = spans.last().map_or(0, |span| span.to);
        spans.extend(part.behind(known));
    }
    Ok(spans)
}

fn beginning(open: Opening<'_>) -> io::Result<Option<Span>> {
    let Some(file) = open("")? else { return Ok(None) };
    let to = file.metadata()?.len();
    Ok(Some(Span { file, from: 0, to, offset: 0, dropped: Dropped::Nothing }))
}

/// `None` also while its seam is being written.
fn part(open: Opening<'_>, suffix: &str) -> io::Result<Option<Part>> {
    let Some(file) = open(suffix)? else { return Ok(None) };
    let size = file.metadata()?.len();
    let mut header = [0; HEADER];
    let read = read_full(&file, &mut header, 0)?;
    Ok(match lines(&header[..read]).next() {
        Some((seam, Line::Seam { from })) => {
            Some(Part { file, size, seam: seam as u64, from: Some(from) })
        }
        None if read < HEADER => None,
        // Written by nobody, or before there were seams.
        Some((_, Line::Entry(_) | Line::Damaged)) | None => {
            Some(Part { file, size, seam: 0, from: None })
        }
    })
}

impl Part {
    /// What it has beyond `known`.
    fn behind(self, known: u64) -> Option<Span> {
        let Part { file, size, seam, from } = self;
        let begin = from.unwrap_or(known);
        let to = begin.checked_add(size.checked_sub(seam)?)?;
        let from_here = begin.max(known);
        if to <= from_here {
            return None;
        }
        let dropped = match from {
            None => Dropped::Unknown,
            Some(from) if from > known => Dropped::Bytes(from - known),
            Some(_) => Dropped::Nothing,
        };
        let offset = seam + (from_here - begin);
        Some(Span { file, from: from_here, to, offset, dropped })
    }
}

/// As much as there is.
pub fn read_full(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::io::Write;

    /// The head up to a position; the two parts of the tail from one to another.
    #[derive(Clone, Copy)]
    struct Files {
        head: u64,
        old: Option<(u64, u64)>,
        tail: Option<(u64, u64)>,
    }

    fn files(head: u64, old: Option<(u64, u64)>, tail: Option<(u64, u64)>) -> Files {
        Files { head, old, tail }
    }

    impl Files {
        fn open(self, suffix: &str) -> io::Result<Option<File>> {
            let (seam, from, to) = match suffix {
                "" => (String::new(), 0, self.head),
                _ => {
                    let part = if suffix == ".tail" { self.tail } else { self.old };
                    let Some((from, to)) = part else { return Ok(None) };
                    (format!("2024-01-01T00:00:00Z stderr P:from={from} \n"), from, to)
                }
            };
            let mut file = tempfile::tempfile()?;
            file.write_all(seam.as_bytes())?;
            file.write_all(&vec![b'x'; (to - from) as usize])?;
            Ok(Some(file))
        }

        fn end(self) -> u64 {
            [Some((0, self.head)), self.old, self.tail]
                .iter()
                .flatten()
                .map(|part| part.1)
                .max()
                .unwrap()
        }
    }

    /// A writer goes from each of these states to any later one while the files are opened.
    fn while_it_goes_on(states: &[Files], check: impl Fn(&[Span], Files)) {
        for (i, before) in states.iter().enumerate() {
            for (after, openings) in states[i..].iter().flat_map(|s| (0..9).map(move |n| (s, n))) {
                let opened = Cell::new(0);
                let spans = ordered(&|suffix| {
                    opened.set(opened.get() + 1);
                    if opened.get() > openings { *after } else { *before }.open(suffix)
                });
                let spans = spans.unwrap();
                assert!(spans.windows(2).all(|two| two[0].to <= two[1].from), "{spans:?}");
                assert!(spans.iter().all(|span| span.from < span.to), "{spans:?}");
                let end = spans.last().unwrap().to;
                assert!(end >= before.end() && end <= after.end(), "{spans:?}");
                check(&spans, *after);
            }
        }
    }

    #[test]
    fn nothing_seems_to_be_missing_that_is_there() {
        let states = [
            files(10, None, None),
            files(100, None, None),
            files(100, None, Some((100, 120))),
            files(100, None, Some((100, 150))),
            files(100, Some((100, 150)), None),
            files(100, Some((100, 150)), Some((150, 170))),
            files(130, Some((100, 150)), Some((150, 170))),
            files(150, None, Some((150, 170))),
            files(165, None, Some((150, 170))),
            files(170, None, None),
        ];
        while_it_goes_on(&states, |spans, _| {
            assert!(spans.iter().all(|span| span.dropped == Dropped::Nothing), "{spans:?}");
            assert!(spans.windows(2).all(|two| two[0].to == two[1].from), "{spans:?}");
        });
    }

    #[test]
    fn what_is_missing_has_been_dropped() {
        let states = [
            files(100, Some((100, 150)), Some((150, 170))),
            files(100, Some((150, 200)), None),
            files(100, Some((150, 200)), Some((200, 240))),
            files(100, Some((200, 250)), Some((250, 270))),
            files(100, Some((200, 260)), Some((250, 270))),
            files(100, Some((200, 270)), None),
            files(100, None, Some((200, 270))),
        ];
        while_it_goes_on(&states, |spans, after| {
            let known = after.old.or(after.tail).unwrap().0;
            for two in spans.windows(2) {
                let missing = two[1].from - two[0].to;
                assert_eq!(
                    two[1].dropped,
                    match missing {
                        0 => Dropped::Nothing,
                        _ => Dropped::Bytes(missing),
                    }
                );
                assert!(missing == 0 || two[1].from <= known, "{spans:?}");
            }
        });
    }
}

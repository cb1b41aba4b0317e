//! The wrapper's own words, read out of a command's output and taken out of it.

use memchr::memmem::Finder;

/// What the wrapper says; see `wrapper.sh`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark<'a> {
    /// A shell of ours runs, with this process id.
    Runs(u32),
    /// sudo wants its password.
    Prompt,
    /// All data was taken from stdin.
    Taken,
    /// The end of stdout.
    End,
    /// The end of stderr, and how the command ended.
    Status(&'a [u8]),
}

#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Text(&'a [u8]),
    Mark(Mark<'a>),
}

/// Reads one stream. Holds back no more than what may be the beginning of a mark.
pub struct Scanner {
    nonce: Finder<'static>,
    held: Vec<u8>,
}

/// More than any status takes: a nonce that was printed by somebody else.
const LONGEST_STATUS: usize = 4096;

impl Scanner {
    pub fn new(nonce: &str) -> Scanner {
        Scanner { nonce: Finder::new(nonce.as_bytes()).into_owned(), held: Vec::new() }
    }

    pub fn push<E>(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let joined;
        let mut rest = if self.held.is_empty() {
            bytes
        } else {
            self.held.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.held);
            &joined[..]
        };
        while let Some(at) = self.nonce.find(rest) {
            if at > 0 {
                each(Piece::Text(&rest[..at]))?;
                rest = &rest[at..];
            }
            let nonce = self.nonce.needle().len();
            match self.mark(&rest[nonce..]) {
                Parsed::Mark(mark, used) => {
                    each(Piece::Mark(mark))?;
                    rest = &rest[nonce + used..];
                }
                Parsed::Foreign => {
                    each(Piece::Text(&rest[..nonce]))?;
                    rest = &rest[nonce..];
                }
                Parsed::Incomplete => {
                    self.held = rest.to_vec();
                    return Ok(());
                }
            }
        }
        let keep = self.possible_beginning(rest);
        let (text, beginning) = rest.split_at(rest.len() - keep);
        if !text.is_empty() {
            each(Piece::Text(text))?;
        }
        self.held = beginning.to_vec();
        Ok(())
    }

    /// What was held back, once the stream has ended.
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    /// The length of the longest end of `text` that is a beginning of the nonce.
    fn possible_beginning(&self, text: &[u8]) -> usize {
        let nonce = self.nonce.needle();
        let longest = text.len().min(nonce.len() - 1);
        (1..=longest).rev().find(|&n| text.ends_with(&nonce[..n])).unwrap_or(0)
    }

    fn mark<'a>(&self, after: &'a [u8]) -> Parsed<'a> {
        let Some((&kind, rest)) = after.split_first() else { return Parsed::Incomplete };
        match kind {
            b'?' => Parsed::Mark(Mark::Prompt, 1),
            b'>' => Parsed::Mark(Mark::Taken, 1),
            b'.' => Parsed::Mark(Mark::End, 1),
            b'@' => match memchr::memchr(b'\n', rest) {
                Some(end) => match number(&rest[..end]) {
                    Some(pid) => Parsed::Mark(Mark::Runs(pid), 1 + end + 1),
                    None => Parsed::Foreign,
                },
                None if rest.len() < 16 => Parsed::Incomplete,
                None => Parsed::Foreign,
            },
            b'=' => match self.nonce.find(rest) {
                Some(end) => {
                    let used = 1 + end + self.nonce.needle().len();
                    Parsed::Mark(Mark::Status(&rest[..end]), used)
                }
                None if rest.len() < LONGEST_STATUS => Parsed::Incomplete,
                None => Parsed::Foreign,
            },
            _ => Parsed::Foreign,
        }
    }
}

enum Parsed<'a> {
    /// And how many bytes it took behind the nonce.
    Mark(Mark<'a>, usize),
    Incomplete,
    Foreign,
}

/// A terminal ends its lines with a carriage return, too.
fn number(line: &[u8]) -> Option<u32> {
    let digits = line.strip_suffix(b"\r").unwrap_or(line);
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    const NONCE: &str = "abcabcabd";

    /// Text as it is, marks in brackets.
    fn read(chunks: &[&[u8]]) -> String {
        let mut scanner = Scanner::new(NONCE);
        let mut seen = Vec::new();
        for chunk in chunks {
            let take = |piece: Piece<'_>| -> Result<(), Infallible> {
                match piece {
                    Piece::Text(text) => seen.extend_from_slice(text),
                    Piece::Mark(Mark::Status(status)) => {
                        seen.extend_from_slice(&[b"[", status, b"]"].concat());
                    }
                    Piece::Mark(mark) => seen.extend_from_slice(format!("[{mark:?}]").as_bytes()),
                }
                Ok(())
            };
            scanner.push(chunk, take).unwrap();
        }
        seen.extend(scanner.finish());
        String::from_utf8(seen).unwrap()
    }

    fn stream() -> String {
        format!(
            "motd{NONCE}@17\r\n{NONCE}?{NONCE}@x\nab{NONCE}{NONCE}>abcabc{NONCE}!{NONCE}=b 1\n3{NONCE}x{NONCE}."
        )
    }

    const SEEN: &str =
        "motd[Runs(17)][Prompt]abcabcabd@x\nababcabcabd[Taken]abcabcabcabcabd![b 1\n3]x[End]";

    #[test]
    fn marks_are_taken_out_and_everything_else_is_text() {
        assert_eq!(read(&[stream().as_bytes()]), SEEN);
    }

    #[test]
    fn what_only_began_like_a_mark_is_text_in_the_end() {
        assert_eq!(read(&[b"x", b"abcab"]), "xabcab");
        assert_eq!(read(&[format!("x{NONCE}=1").as_bytes()]), format!("x{NONCE}=1"));
    }

    proptest! {
        #[test]
        fn however_the_stream_is_cut(mut cuts in proptest::collection::vec(0..80usize, 0..12)) {
            let stream = stream();
            cuts.extend([0, stream.len()]);
            cuts.iter_mut().for_each(|cut| *cut = (*cut).min(stream.len()));
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> =
                cuts.windows(2).map(|cut| &stream.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(read(&chunks), SEEN);
        }
    }
}

//! What a child prints on its own stdout and stderr, for our log: lines, so many a minute.
//!
//! Nothing is printed there by a child in good order; units' output goes elsewhere. What comes is
//! a panic or a complaint, worth reading, or a flood, not worth a log. It knows bytes and time, and
//! leaves logging to its owner.

use std::time::{Duration, Instant};

/// A line is cut here.
const LONGEST_LINE: usize = 4096;

/// Lines in each [`WINDOW`] that are shown; the rest is counted.
pub const LINES: u32 = 20;
pub const WINDOW: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub struct Printed {
    line: Vec<u8>,
    window: Option<Window>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    shown: u32,
    dropped: u64,
}

impl Printed {
    /// The lines to be logged now that these bytes have come.
    pub fn take(&mut self, bytes: &[u8], now: Instant) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' => self.end_line(now, &mut lines),
                _ if self.line.len() < LONGEST_LINE => self.line.push(*byte),
                _ => {}
            }
        }
        lines
    }

    /// What is left at the end: a line without its newline, and the count.
    pub fn finish(&mut self, now: Instant) -> Vec<String> {
        let mut lines = Vec::new();
        self.end_line(now, &mut lines);
        lines.extend(self.window.take().and_then(Window::account));
        lines
    }

    fn end_line(&mut self, now: Instant, lines: &mut Vec<String>) {
        if self.line.is_empty() {
            return;
        }
        if let Some(over) = self.window.take_if(|window| now >= window.began + WINDOW) {
            lines.extend(over.account());
        }
        let window = self.window.get_or_insert(Window { began: now, shown: 0, dropped: 0 });
        if window.shown < LINES {
            window.shown += 1;
            lines.push(String::from_utf8_lossy(&self.line).into_owned());
        } else {
            window.dropped += 1;
        }
        self.line.clear();
    }
}

impl Window {
    fn account(self) -> Option<String> {
        let Window { dropped, .. } = self;
        (dropped > 0)
            .then(|| format!("more lines were printed: {dropped}; {LINES} a minute are shown"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_and_cut() {
        let (mut printed, now) = (Printed::default(), Instant::now());
        assert_eq!(printed.take(b"one\n\ntw", now), ["one"]);
        assert_eq!(printed.take(b"o\nthree", now), ["two"]);
        assert_eq!(printed.finish(now), ["three"]);
        assert!(printed.finish(now).is_empty());
        let long = printed.take(&[&[b'x'; 10_000][..], b"\n"].concat(), now);
        assert_eq!(long[0].len(), LONGEST_LINE);
    }

    #[test]
    fn a_flood_is_counted_and_a_new_minute_begins_anew() {
        let (mut printed, start) = (Printed::default(), Instant::now());
        let flood = b"x\n".repeat(1000);
        assert_eq!(printed.take(&flood, start).len(), LINES as usize);
        assert!(printed.take(&flood, start + WINDOW / 2).is_empty());
        let later = printed.take(b"y\n", start + WINDOW);
        assert_eq!(later, ["more lines were printed: 1980; 20 a minute are shown", "y"]);
        assert!(printed.finish(start + WINDOW).is_empty());
    }

    #[test]
    fn what_was_counted_is_told_at_the_end() {
        let (mut printed, now) = (Printed::default(), Instant::now());
        printed.take(&b"x\n".repeat(21), now);
        assert_eq!(printed.finish(now), ["more lines were printed: 1; 20 a minute are shown"]);
    }
}

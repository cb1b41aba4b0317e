//! The line at the bottom of a terminal: how far a run has come, or a question. Nothing at all
//! where there is no terminal, and no bar with NO_COLOR.
//!
//! It is on stderr, and taken away while anything else is written.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::cli::screen::Paint;

/// Of the bar.
const WIDTH: usize = 24;

#[derive(Debug)]
pub struct Bottom {
    shown: bool,
    drawn: bool,
}

impl Bottom {
    pub fn new() -> Bottom {
        Bottom { shown: io::stderr().is_terminal(), drawn: false }
    }

    pub fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            eprint!("\r\x1b[K");
        }
    }

    pub fn progress(&mut self, progress: Progress, elapsed: Duration) {
        if Paint::for_stderr().has_colours() {
            self.draw(&progress.line(elapsed));
        }
    }

    /// In place of what it said before. Without control characters; cut to the terminal's width.
    pub fn draw(&mut self, line: &str) {
        if !self.shown {
            return;
        }
        let width = terminal_size::terminal_size_of(io::stderr())
            .map_or(80, |(terminal_size::Width(columns), _)| usize::from(columns));
        // In the last column the cursor would be on the next line, or not.
        let line: String = line.chars().take(width.saturating_sub(1)).collect();
        let mut stderr = io::stderr().lock();
        // Nobody can be told that stderr cannot be written.
        let _ = write!(stderr, "\r{line}\x1b[K").and_then(|()| stderr.flush());
        self.drawn = true;
    }
}

impl Drop for Bottom {
    fn drop(&mut self) {
        self.clear();
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    pub total: usize,
    pub done: usize,
    /// Of those that are done.
    pub failed: usize,
}

impl Progress {
    /// `[======>         ] 3/5 done, 1 failed, 1m 05s`.
    pub fn line(&self, elapsed: Duration) -> String {
        let total = self.total.max(self.done);
        let filled = (self.done * WIDTH).checked_div(total).unwrap_or(0);
        let head = if filled < WIDTH { ">" } else { "" };
        let bar = format!("{}{head}", "=".repeat(filled));
        let failed = match self.failed {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        let seconds = elapsed.as_secs();
        let elapsed = match seconds {
            ..60 => format!("{seconds}s"),
            _ => format!("{}m {:02}s", seconds / 60, seconds % 60),
        };
        format!("[{bar:<WIDTH$}] {}/{total} done{failed}, {elapsed}", self.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_and_failures_are_told_once_there_are_any() {
        let line = |total, done, failed, seconds| {
            Progress { total, done, failed }.line(Duration::from_secs(seconds))
        };
        assert_eq!(line(5, 0, 0, 0), "[>                       ] 0/5 done, 0s");
        assert_eq!(line(4, 2, 1, 65), "[============>           ] 2/4 done, 1 failed, 1m 05s");
        assert_eq!(line(3, 3, 0, 7200), "[========================] 3/3 done, 120m 00s");
        // Nodes that were not expected, or none at all.
        assert_eq!(line(0, 0, 0, 1), "[>                       ] 0/0 done, 1s");
        assert!(line(2, 3, 0, 1).contains("3/3"));
    }
}

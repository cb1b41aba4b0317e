//! Lines at the bottom of a terminal that are drawn again and again in place of each other, and stay
//! at last.
//!
//! The cursor is left below them. Only what has changed is written, all at once, so that nothing
//! flickers. A terminal that was made narrower has broken the lines that were too long for it: where
//! they begin is reckoned by what is left of its width.

use std::io::{self, Write};

use crate::cli::screen::Paint;
use crate::cli::tree::Line;
use crate::client::Failure;

#[derive(Debug, Default)]
pub struct Live {
    /// What is there, as it was written, and the width of each line.
    shown: Vec<String>,
    widths: Vec<usize>,
    /// A question or a remark, behind which the cursor waits.
    below: String,
    /// Of the terminal, when it was drawn.
    columns: usize,
}

/// Columns and rows of the terminal on stdout.
pub fn size() -> (usize, usize) {
    use terminal_size::{Height, Width, terminal_size_of};
    let size = terminal_size_of(io::stdout());
    size.map_or((80, 24), |(Width(columns), Height(rows))| (columns.into(), rows.into()))
}

impl Live {
    /// In place of what was there; `below` without a line's end.
    pub fn draw(
        &mut self,
        lines: &[Line],
        below: &str,
        columns: usize,
        paint: Paint,
    ) -> Result<(), Failure> {
        let shown: Vec<String> = lines.iter().map(|line| line.show(paint)).collect();
        if (&shown, below, columns) == (&self.shown, self.below.as_str(), self.columns) {
            return Ok(());
        }
        let text = self.replace(&shown, below, columns);
        self.widths = lines.iter().map(Line::width).collect();
        (self.shown, self.below, self.columns) = (shown, below.to_owned(), columns);
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        written.map_err(|e| Failure::odd(format!("stdout cannot be written: {e}")))
    }

    /// What was drawn stays; the cursor is at the beginning of the line below it.
    pub fn leave(&mut self) {
        if !self.below.is_empty() {
            print!("\r\x1b[K");
            let _ = io::stdout().flush();
        }
        *self = Live::default();
    }

    fn replace(&self, lines: &[String], below: &str, columns: usize) -> String {
        let up: usize = self.widths.iter().map(|width| width.div_ceil(columns.max(1)).max(1)).sum();
        let mut text = match up {
            0 => "\r".to_owned(),
            up => format!("\r\x1b[{up}A"),
        };
        for line in lines {
            text.push_str(line);
            text.push_str("\x1b[K\r\n");
        }
        text.push_str("\x1b[J");
        text.push_str(below);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::screen::Tone;

    #[test]
    fn lines_are_drawn_over_those_before_however_wide_the_terminal_is_by_now() {
        let mut live = Live::default();
        let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect::<Vec<_>>();
        assert_eq!(live.replace(&texts(&["a", "b"]), "", 80), "\ra\x1b[K\r\nb\x1b[K\r\n\x1b[J");
        live.widths = [70, 3].map(|width| Line::of(Tone::Plain, "x".repeat(width)).width()).into();
        assert_eq!(live.replace(&texts(&["c"]), "?", 80), "\r\x1b[2Ac\x1b[K\r\n\x1b[J?");
        // The first of them has become three.
        assert_eq!(live.replace(&texts(&["c"]), "", 30), "\r\x1b[4Ac\x1b[K\r\n\x1b[J");
    }
}

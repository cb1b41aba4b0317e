//! A line with its colours, which take no room: it is measured and cut by what is seen of it.

use unicode_width::UnicodeWidthStr;

use crate::cli::screen::{Paint, Tone, cut};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line(Vec<(Tone, String)>);

impl Line {
    /// The text holds no control characters.
    pub fn add(&mut self, tone: Tone, text: impl Into<String>) -> &mut Line {
        self.0.push((tone, text.into()));
        self
    }

    pub fn of(tone: Tone, text: impl Into<String>) -> Line {
        Line(vec![(tone, text.into())])
    }

    pub fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.width()).sum()
    }

    /// At most so many columns of it.
    pub fn cut(self, width: usize) -> Line {
        if self.width() <= width {
            return self;
        }
        let (mut left, mut parts) = (width, Vec::new());
        let mut whole = self.0.into_iter().peekable();
        while let Some((tone, text)) = whole.next() {
            let more = whole.peek().is_some_and(|(_, next)| !next.is_empty());
            // Room for the mark that something is missing.
            if text.width() + usize::from(more) > left {
                let shown = if text.width() <= left { text + "…" } else { text };
                parts.push((tone, cut(&shown, left)));
                break;
            }
            left -= text.width();
            parts.push((tone, text));
        }
        Line(parts)
    }

    /// All of it in this tone.
    pub fn all(self, tone: Tone) -> Line {
        Line(self.0.into_iter().map(|(_, text)| (tone, text)).collect())
    }

    pub fn show(&self, paint: Paint) -> String {
        self.0.iter().map(|(tone, text)| paint.tone(*tone, text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_by_what_is_seen_and_keeps_its_colours() {
        let mut line = Line::of(Tone::Plain, "restart ");
        line.add(Tone::Bad, "3 failed").add(Tone::Plain, ", 2 running");
        let shown = |width| line.clone().cut(width).show(Paint::never());
        assert_eq!(shown(80), "restart 3 failed, 2 running");
        assert_eq!(shown(27), "restart 3 failed, 2 running");
        assert_eq!(shown(26), "restart 3 failed, 2 runni…");
        assert_eq!(shown(16), "restart 3 faile…");
        assert_eq!(shown(8), "restart…");
        assert_eq!(shown(3), "re…");
        for width in 1..30 {
            assert!(line.clone().cut(width).width() <= width, "{width}");
        }
        let painted = line.cut(12).show(Paint::always());
        assert_eq!(painted, "restart \x1b[31m3 f…\x1b[0m");
    }
}

//! Colours: on a terminal alone, never with NO_COLOR, and never in place of a word.

use std::io::{self, IsTerminal};

/// What a colour stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Plain,
    Good,
    Bad,
    /// Under way, held back, or worth a look.
    Warn,
    Dim,
    Bold,
}

impl Tone {
    /// Of a run's state, a unit's state or its outcome, by the words of the API.
    pub fn of(word: &str) -> Tone {
        match word {
            "succeeded" => Tone::Good,
            "failed" | "signaled" | "unreachable" | "timed out" | "crashed" | "lost" => Tone::Bad,
            "cancelled" | "skipped" | "running" => Tone::Warn,
            "queued" => Tone::Dim,
            _ => Tone::Plain,
        }
    }

    fn code(self) -> Option<&'static str> {
        match self {
            Tone::Plain => None,
            Tone::Good => Some("32"),
            Tone::Bad => Some("31"),
            Tone::Warn => Some("33"),
            Tone::Dim => Some("2"),
            Tone::Bold => Some("1"),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Paint {
    colours: bool,
}

impl Paint {
    pub fn for_stdout() -> Paint {
        Paint { colours: io::stdout().is_terminal() && !no_color() }
    }

    pub fn for_stderr() -> Paint {
        Paint { colours: io::stderr().is_terminal() && !no_color() }
    }

    pub fn never() -> Paint {
        Paint { colours: false }
    }

    pub fn always() -> Paint {
        Paint { colours: true }
    }

    pub fn has_colours(self) -> bool {
        self.colours
    }

    pub fn good(self, text: &str) -> String {
        self.tone(Tone::Good, text)
    }

    pub fn bad(self, text: &str) -> String {
        self.tone(Tone::Bad, text)
    }

    pub fn warn(self, text: &str) -> String {
        self.tone(Tone::Warn, text)
    }

    pub fn dim(self, text: &str) -> String {
        self.tone(Tone::Dim, text)
    }

    pub fn bold(self, text: &str) -> String {
        self.tone(Tone::Bold, text)
    }

    pub fn tone(self, tone: Tone, text: &str) -> String {
        match tone.code().filter(|_| self.colours) {
            Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
            None => text.to_owned(),
        }
    }

    /// In this colour of the terminal's 256: for what is told apart, and means nothing.
    pub fn number(self, number: u8, text: &str) -> String {
        if self.colours { format!("\x1b[38;5;{number}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_added_to_words_and_only_where_there_are_colours() {
        assert_eq!(Paint::never().bad("failed"), "failed");
        assert_eq!(Paint::always().bad("failed"), "\x1b[31mfailed\x1b[0m");
        assert_eq!(Paint::always().tone(Tone::of("of a later version"), "x"), "x");
    }
}

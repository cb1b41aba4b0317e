//! What one event looks like: time, level, area, message, on one line whatever is in it.

use std::fmt::{self, Display, Write as _};
use std::io::{self, Write};

use env_logger::fmt::Formatter;
use jiff::Zoned;
use log::{Level, Record};

/// `2026-11-20T07:01:00.042+01:00 INFO  config::watch: the message`
pub fn write(out: &mut Formatter, record: &Record) -> io::Result<()> {
    let message = record.args().to_string();
    out.write_all(format(record.level(), area(record.target()), &message).as_bytes())
}

/// What the log has to say about itself, where no event can be logged.
pub fn note(message: &str) -> String {
    format(Level::Warn, "logging", message)
}

fn format(level: Level, area: &str, message: &str) -> String {
    let now = Zoned::now();
    let now = now.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z");
    format!("{now} {level:<5} {area}: {}\n", Escaped(message))
}

/// The part of Loom that speaks; other crates keep their names.
pub fn area(target: &str) -> &str {
    target.strip_prefix("loom::").unwrap_or(target)
}

/// Text from a file or a node as it may be shown: control characters, line separators and what
/// turns the reading direction are written as escapes.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(pub &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if is_treacherous(c) => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_forge_or_hide_a_line_is_shown() {
        let shown = |text| Escaped(text).to_string();
        assert_eq!(shown("a\nb\r\tc"), "a\\nb\\r\\tc");
        assert_eq!(shown("\x1b[2Jx\u{9b}\0"), "\\u{1b}[2Jx\\u{9b}\\u{0}");
        assert_eq!(shown("a\u{202e}b\u{2066}\u{2028}"), "a\\u{202e}b\\u{2066}\\u{2028}");
        assert_eq!(shown("Zürich \\ 東京 🎉"), "Zürich \\ 東京 🎉");
    }

    #[test]
    fn areas_are_loom_s_own_modules() {
        assert_eq!(area("loom::config::watch"), "config::watch");
        assert_eq!(area("jiff::tz"), "jiff::tz");
    }
}

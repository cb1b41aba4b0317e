//! Text from a file or a node, made fit to be shown: it can neither end a line, nor steer a
//! terminal, nor hide or turn what stands beside it.

use std::fmt::{self, Display, Write};

/// For text: escapes are written as Rust writes them.
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

/// For JSON: a string with its quotes, and more escapes in it than JSON asks for.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(pub &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if is_treacherous(c) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(f, "\\u{unit:04x}")?;
                    }
                }
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

fn is_treacherous(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// Characters that reorder the text around them, or show nothing at all.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_forge_or_hide_a_line_is_shown() {
        let shown = |text| Escaped(text).to_string();
        assert_eq!(shown("a\nb\r\tc"), "a\\nb\\r\\tc");
        assert_eq!(shown("\x1b[2Jx\u{9b}\0"), "\\u{1b}[2Jx\\u{9b}\\u{0}");
        assert_eq!(shown("a\u{202e}b\u{2066}\u{2028}"), "a\\u{202e}b\\u{2066}\\u{2028}");
        assert_eq!(shown("Zürich \\ 東京 🎉"), "Zürich \\ 東京 🎉");
    }

    #[test]
    fn json_has_its_own_escapes() {
        let shown = |text| Quoted(text).to_string();
        assert_eq!(shown("a\n\"\\\t"), r#""a\n\"\\\t""#);
        assert_eq!(shown("\x1b\u{7f}\u{9b}\0"), r#""\u001b\u007f\u009b\u0000""#);
        assert_eq!(shown("a\u{202e}b\u{e0041}"), r#""a\u202eb\udb40\udc41""#);
        assert_eq!(shown("Zürich 東京 🎉"), "\"Zürich 東京 🎉\"");
    }

    proptest! {
        #[test]
        fn json_says_the_same_and_shows_nothing_treacherous(text in "\\PC{0,20}|(?s:.){0,20}|[\\x00-\\x9f\u{200b}-\u{202e}]{0,20}") {
            let written = Quoted(&text).to_string();
            prop_assert!(!written.contains(is_treacherous));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}

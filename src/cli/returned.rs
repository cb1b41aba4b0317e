//! What tasks have returned, for a person: in lines that cannot steer a terminal, and not more of
//! them than can be read.

use super::screen::{count, escape};
use crate::protocol::message::NOTHING_RETURNED;

/// Lines of one result that are shown.
const LINES: usize = 20;

/// A result's lines; none of a task that returned nothing.
pub fn lines(result: Option<&str>) -> Vec<String> {
    let Some(result) = result.filter(|result| *result != NOTHING_RETURNED) else {
        return Vec::new();
    };
    let all: Vec<&str> = result.lines().collect();
    let more = all.len().saturating_sub(LINES);
    let mut shown: Vec<String> = all.iter().take(LINES).map(|line| escape(line)).collect();
    if more > 0 {
        shown.push(format!("… and {}; --json has all", count(more, "more line")));
    }
    shown
}

/// The same after who says so: `returned: 3`; or, of several lines, each indented below it.
pub fn told(result: Option<&str>) -> Vec<String> {
    let lines = lines(result);
    match lines.as_slice() {
        [] if result == Some("") => vec!["returned: \"\"".to_owned()],
        [] => Vec::new(),
        [line] => vec![format!("returned: {line}")],
        lines => {
            let below = lines.iter().map(|line| format!("    {line}"));
            std::iter::once("returned:".to_owned()).chain(below).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_stands_beside_several_below() {
        assert_eq!(told(Some("42")), ["returned: 42"]);
        assert_eq!(told(Some("größer\n")), ["returned: größer"]);
        assert_eq!(told(Some("a\n\nb")), ["returned:", "    a", "    ", "    b"]);
        assert_eq!(told(Some("")), ["returned: \"\""]);
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        assert!(told(None).is_empty() && told(Some(NOTHING_RETURNED)).is_empty());
    }

    #[test]
    fn nothing_in_it_steers_a_terminal() {
        let told = told(Some("\x1b[2Jgone\rback\u{9b}31m\u{202e}\0"));
        assert_eq!(told, ["returned: \\u{1b}[2Jgone\\rback\\u{9b}31m\\u{202e}\\u{0}"]);
    }

    #[test]
    fn of_a_long_one_the_beginning_is_shown() {
        let long: String = (0..30).map(|n| format!("{n}\n")).collect();
        let told = told(Some(&long));
        assert_eq!((told.len(), told[20].as_str()), (LINES + 2, "    19"));
        assert_eq!(told[21], "    … and 10 more lines; --json has all");
    }
}

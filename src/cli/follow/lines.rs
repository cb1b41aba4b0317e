//! Output of units as lines for a reader: each behind its node's name, parts of a line put
//! together, and on a terminal nothing in it that steers the terminal.
//!
//! Makes texts and writes none. What is not on its way to a terminal stays as it is, byte for
//! byte.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::config::diagnostic::escape;

/// A line that has not ended by then is shown in parts.
const LONGEST: usize = 64 * 1024;

/// None of them says that something is good or bad.
const COLOURS: [&str; 10] = ["36", "35", "34", "33", "32", "96", "95", "94", "93", "92"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub fn of(word: &str) -> Stream {
        if word == "stderr" { Stream::Stderr } else { Stream::Stdout }
    }
}

/// What one of our own descriptors shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Face {
    /// Control characters are shown as escapes, all but the tab.
    pub terminal: bool,
    pub colours: bool,
}

/// How lines are shown.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Behind the node's name, padded to so many columns.
    pub names: Option<usize>,
    pub times: bool,
    /// Where each stream goes.
    pub stdout: Face,
    pub stderr: Face,
    /// Both streams go to our stdout.
    pub merged: bool,
}

/// A piece of a unit's output.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    pub unit: u64,
    pub node: &'a str,
    pub at: Timestamp,
    pub stream: Stream,
    pub text: &'a [u8],
    /// The line goes on in the next one of this unit and stream.
    pub partial: bool,
}

/// What is to be written, in order. Neighbours for the same descriptor are one.
#[derive(Debug, Default)]
pub struct Pieces(pub Vec<(Stream, Vec<u8>)>);

impl Pieces {
    pub fn add(&mut self, to: Stream, bytes: &[u8]) {
        match self.0.last_mut() {
            Some((last, text)) if *last == to => text.extend_from_slice(bytes),
            Some(_) | None => self.0.push((to, bytes.to_vec())),
        }
    }
}

#[derive(Debug)]
pub struct Lines {
    style: Style,
    /// Lines that have begun, of several units, which would tear each other apart.
    begun: HashMap<(u64, Stream), Begun>,
    /// Without names a line is shown as it grows; this one has no end yet.
    open: Option<(u64, Stream)>,
}

#[derive(Debug)]
struct Begun {
    node: String,
    at: Timestamp,
    text: Vec<u8>,
}

impl Lines {
    pub fn new(style: Style) -> Lines {
        Lines { style, begun: HashMap::new(), open: None }
    }

    pub fn add(&mut self, said: &Said, into: &mut Pieces) {
        match self.style.names {
            Some(_) => self.put_together(said, into),
            None => self.pass_on(said, into),
        }
    }

    /// The unit says nothing more: the end of a line that has none.
    pub fn end(&mut self, unit: u64, into: &mut Pieces) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if let Some(begun) = self.begun.remove(&(unit, stream)) {
                self.whole(&begun.node, begun.at, stream, &begun.text, into);
            }
            if self.open.take_if(|open| *open == (unit, stream)).is_some()
                && self.face(stream).terminal
            {
                into.add(self.place(stream), b"\n");
            }
        }
    }

    /// A remark about a unit's output, which is not part of it; on stderr.
    pub fn remark(&mut self, node: &str, text: &str, into: &mut Pieces) {
        if let Some((_, stream)) = self.open.take() {
            into.add(self.place(stream), b"\n");
        }
        let Face { colours, .. } = self.style.stderr;
        let text = if colours { format!("\x1b[2m{text}\x1b[0m") } else { text.to_owned() };
        let line = self.prefix(node, None, self.style.stderr) + &text + "\n";
        into.add(Stream::Stderr, line.as_bytes());
    }

    fn put_together(&mut self, said: &Said, into: &mut Pieces) {
        let key = (said.unit, said.stream);
        let ends = !said.partial;
        let Some(begun) = self.begun.get_mut(&key) else {
            if ends || said.text.len() >= LONGEST {
                self.whole(said.node, said.at, said.stream, said.text, into);
            } else {
                let (node, text) = (said.node.to_owned(), said.text.to_vec());
                self.begun.insert(key, Begun { node, at: said.at, text });
            }
            return;
        };
        begun.text.extend_from_slice(said.text);
        if ends || begun.text.len() >= LONGEST {
            let begun = self.begun.remove(&key).expect("it is there");
            self.whole(&begun.node, begun.at, said.stream, &begun.text, into);
        }
    }

    fn whole(&self, node: &str, at: Timestamp, stream: Stream, text: &[u8], into: &mut Pieces) {
        let face = self.face(stream);
        let mut line = self.prefix(node, Some(at), face).into_bytes();
        show(text, true, face, &mut line);
        line.push(b'\n');
        into.add(self.place(stream), &line);
    }

    /// As it comes, but for a line that another one of the same descriptor interrupts.
    fn pass_on(&mut self, said: &Said, into: &mut Pieces) {
        let key = (said.unit, said.stream);
        let (face, place) = (self.face(said.stream), self.place(said.stream));
        let goes_on = self.open == Some(key);
        if let Some((_, stream)) = self.open.take().filter(|_| !goes_on) {
            into.add(self.place(stream), b"\n");
        }
        let mut line = Vec::new();
        if !goes_on {
            line = self.prefix(said.node, Some(said.at), face).into_bytes();
        }
        show(said.text, !said.partial, face, &mut line);
        if said.partial {
            self.open = Some(key);
        } else {
            line.push(b'\n');
        }
        into.add(place, &line);
    }

    fn face(&self, stream: Stream) -> Face {
        match self.place(stream) {
            Stream::Stdout => self.style.stdout,
            Stream::Stderr => self.style.stderr,
        }
    }

    fn place(&self, stream: Stream) -> Stream {
        if self.style.merged { Stream::Stdout } else { stream }
    }

    fn prefix(&self, node: &str, at: Option<Timestamp>, face: Face) -> String {
        let mut prefix = String::new();
        if let Some(at) = at.filter(|_| self.style.times) {
            prefix = format!("{at:.3} ");
        }
        if let Some(width) = self.style.names {
            let node = escape(node);
            let padded = format!("{node:>width$} | ");
            prefix += &match face.colours {
                true => format!("\x1b[{}m{padded}\x1b[0m", colour(&node)),
                false => padded,
            };
        }
        prefix
    }
}

/// The same for the same name, always.
fn colour(name: &str) -> &'static str {
    // FNV-1a: names that differ in one digit differ in colour.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    COLOURS[(hash % COLOURS.len() as u64) as usize]
}

/// A carriage return before a line's end is part of the end, where a pty wrote it.
fn show(text: &[u8], ends: bool, face: Face, into: &mut Vec<u8>) {
    if !face.terminal {
        into.extend_from_slice(text);
        return;
    }
    let text = text.strip_suffix(b"\r").filter(|_| ends).unwrap_or(text);
    for (i, part) in String::from_utf8_lossy(text).split('\t').enumerate() {
        if i > 0 {
            into.push(b'\t');
        }
        into.extend_from_slice(escape(part).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PIPE: Face = Face { terminal: false, colours: false };
    const TERMINAL: Face = Face { terminal: true, colours: false };

    fn style(names: Option<usize>, face: Face) -> Style {
        Style { names, times: false, stdout: face, stderr: face, merged: false }
    }

    fn said<'a>(
        unit: u64,
        node: &'a str,
        stream: Stream,
        text: &'a str,
        partial: bool,
    ) -> Said<'a> {
        let at = "2024-02-29T23:59:59.123456789Z".parse().unwrap();
        Said { unit, node, at, stream, text: text.as_bytes(), partial }
    }

    fn text(pieces: &Pieces, stream: Stream) -> String {
        let of = pieces.0.iter().filter(|(to, _)| *to == stream);
        of.map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    #[test]
    fn lines_stand_behind_their_nodes_each_on_its_stream() {
        let (mut lines, mut out) = (Lines::new(style(Some(5), PIPE)), Pieces::default());
        lines.add(&said(1, "web1", Stream::Stdout, "one", false), &mut out);
        lines.add(&said(2, "web10", Stream::Stderr, "two", false), &mut out);
        lines.add(&said(1, "web1", Stream::Stdout, "", false), &mut out);
        assert_eq!(text(&out, Stream::Stdout), " web1 | one\n web1 | \n");
        assert_eq!(text(&out, Stream::Stderr), "web10 | two\n");
        assert_eq!(out.0.len(), 3, "the order is kept: {out:?}");
    }

    #[test]
    fn parts_of_a_line_are_put_together_whatever_comes_between() {
        let (mut lines, mut out) = (Lines::new(style(Some(1), PIPE)), Pieces::default());
        lines.add(&said(1, "a", Stream::Stdout, "one, ", true), &mut out);
        lines.add(&said(2, "b", Stream::Stdout, "zwei", false), &mut out);
        lines.add(&said(1, "a", Stream::Stderr, "err", true), &mut out);
        lines.add(&said(1, "a", Stream::Stdout, "two", false), &mut out);
        lines.end(2, &mut out);
        assert_eq!(text(&out, Stream::Stderr), "");
        lines.end(1, &mut out);
        assert_eq!(text(&out, Stream::Stdout), "b | zwei\na | one, two\n");
        assert_eq!(text(&out, Stream::Stderr), "a | err\n");
    }

    #[test]
    fn a_line_without_end_is_not_kept_for_ever() {
        let (mut lines, mut out) = (Lines::new(style(Some(1), PIPE)), Pieces::default());
        let part = "x".repeat(16 * 1024);
        for _ in 0..9 {
            lines.add(&said(1, "a", Stream::Stdout, &part, true), &mut out);
        }
        assert_eq!(text(&out, Stream::Stdout).len(), 2 * (4 + 4 * part.len() + 1));
    }

    #[test]
    fn a_terminal_is_not_steered() {
        let (mut lines, mut out) = (Lines::new(style(Some(1), TERMINAL)), Pieces::default());
        let nasty = "\x1b[2J\u{9b}a\tb\u{202e}\r";
        lines.add(&said(1, "a", Stream::Stdout, nasty, false), &mut out);
        lines.add(&said(1, "a", Stream::Stdout, "50%\r60%", false), &mut out);
        lines.add(&said(1, "\x1b", Stream::Stdout, "", false), &mut out);
        let shown = "a | \\u{1b}[2J\\u{9b}a\tb\\u{202e}\na | 50%\\r60%\n\\u{1b} | \n";
        assert_eq!(text(&out, Stream::Stdout), shown);
    }

    #[test]
    fn colours_are_stable_and_only_where_they_are_wanted() {
        let face = Face { terminal: true, colours: true };
        let (mut lines, mut out) = (Lines::new(style(Some(1), face)), Pieces::default());
        lines.add(&said(1, "a", Stream::Stdout, "x", false), &mut out);
        let expected = format!("\x1b[{}ma | \x1b[0mx\n", colour("a"));
        assert_eq!(text(&out, Stream::Stdout), expected);
        let used: std::collections::HashSet<_> =
            (0..40).map(|n| colour(&format!("web{n}"))).collect();
        assert!(used.len() > 5, "{used:?}");
    }

    #[test]
    fn without_names_a_line_is_shown_as_it_grows() {
        let merged = Style { merged: true, ..style(None, PIPE) };
        let (mut lines, mut out) = (Lines::new(merged), Pieces::default());
        lines.add(&said(1, "a", Stream::Stdout, "Continue? ", true), &mut out);
        assert_eq!(text(&out, Stream::Stdout), "Continue? ");
        lines.add(&said(1, "a", Stream::Stdout, "yes", false), &mut out);
        lines.add(&said(1, "a", Stream::Stdout, "half", true), &mut out);
        lines.add(&said(1, "a", Stream::Stderr, "err", false), &mut out);
        lines.add(&said(1, "a", Stream::Stdout, "other half", true), &mut out);
        lines.end(1, &mut out);
        assert_eq!(text(&out, Stream::Stdout), "Continue? yes\nhalf\nerr\nother half");
        assert_eq!(text(&out, Stream::Stderr), "");
    }

    #[test]
    fn times_come_first() {
        let timed = Style { times: true, ..style(Some(2), PIPE) };
        let (mut lines, mut out) = (Lines::new(timed), Pieces::default());
        lines.add(&said(1, "a", Stream::Stdout, "x", false), &mut out);
        assert_eq!(text(&out, Stream::Stdout), "2024-02-29T23:59:59.123Z  a | x\n");
    }

    #[test]
    fn a_remark_does_not_stand_in_a_line() {
        let (mut lines, mut out) = (Lines::new(style(None, PIPE)), Pieces::default());
        lines.add(&said(1, "a", Stream::Stdout, "half", true), &mut out);
        lines.remark("a", "7 bytes were not kept", &mut out);
        assert_eq!(text(&out, Stream::Stdout), "half\n");
        assert_eq!(text(&out, Stream::Stderr), "7 bytes were not kept\n");
    }

    proptest! {
        #[test]
        fn one_unit_without_names_is_told_byte_for_byte(
            parts in prop::collection::vec(("[^\\n]{0,6}", any::<bool>()), 0..20)
        ) {
            let merged = Style { merged: true, ..style(None, PIPE) };
            let (mut lines, mut out) = (Lines::new(merged), Pieces::default());
            let mut expected = String::new();
            for (part, partial) in &parts {
                lines.add(&said(1, "a", Stream::Stdout, part, *partial), &mut out);
                expected += part;
                expected += if *partial { "" } else { "\n" };
            }
            lines.end(1, &mut out);
            prop_assert_eq!(text(&out, Stream::Stdout), expected);
        }

        #[test]
        fn nothing_but_tabs_and_newlines_reaches_a_terminal(
            node in "\\PC{1,5}|(?s:.){1,5}", part in "(?s:.){0,20}", partial: bool, named: bool
        ) {
            let names = named.then_some(4);
            let (mut lines, mut out) = (Lines::new(style(names, TERMINAL)), Pieces::default());
            lines.add(&said(1, &node, Stream::Stdout, &part, partial), &mut out);
            lines.end(1, &mut out);
            let shown = text(&out, Stream::Stdout);
            prop_assert!(shown.ends_with('\n'));
            prop_assert!(!shown.trim_end_matches('\n').contains(|c: char| c.is_control() && c != '\t'), "{:?}", shown);
        }
    }
}

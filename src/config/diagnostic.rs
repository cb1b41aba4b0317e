//! One thing that is wrong with a configuration, as it is shown to the person who must act.
//!
//! A diagnostic is complete in itself: it quotes what it needs and holds no reference to the
//! files. Text from files is escaped, so that none of it can steer a terminal or hide.

use std::fmt::{self, Write};
use std::ops::Range;
use std::path::PathBuf;

pub use crate::logging::is_invisible;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing is loaded.
    Error,
    /// Loaded, but probably not what was meant.
    Warning,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub file: PathBuf,
    /// From 1; 0 when it concerns the file as a whole.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// Escaped.
    pub message: String,
    pub excerpt: Option<Excerpt>,
    /// Escaped; one line each.
    pub notes: Vec<String>,
}

/// The source line, escaped, and which columns of it the carets stand under (from 0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    pub line: String,
    pub from: usize,
    pub width: usize,
}

/// The most of a line that is shown, in columns.
const WINDOW: usize = 120;

impl Excerpt {
    /// `marked` and `secrets` are byte ranges of `line`.
    pub fn new(line: &str, marked: Range<usize>, secrets: &[Range<usize>]) -> Self {
        // Cropped before it is escaped, so that a line of many megabytes costs nothing.
        let start = back(line, marked.start, WINDOW / 2);
        let end = forth(line, marked.start, WINDOW / 2);
        let secrets = [secrets, &url_secrets(line, start..end)].concat();
        let mut shown = String::new();
        let mut columns = 0;
        let (mut from, mut to) = (None, 0);
        if start > 0 {
            shown.push('…');
            columns += 1;
        }
        let mut masked = false;
        for (i, c) in line[start..end].char_indices() {
            let at = start + i;
            let secret = secrets.iter().any(|s| s.contains(&at));
            if at >= marked.start && from.is_none() {
                from = Some(columns);
            }
            let piece = match (secret, masked) {
                (true, false) => "***".to_string(),
                (true, true) => String::new(),
                (false, _) => escape_char(c),
            };
            masked = secret;
            columns += piece.chars().count();
            shown.push_str(&piece);
            if at < marked.end {
                to = columns;
            }
        }
        if end < line.len() {
            shown.push('…');
        }
        let from = from.unwrap_or(columns);
        Excerpt { line: shown, from, width: to.saturating_sub(from).max(1) }
    }
}

/// What of the URLs in a stretch of a line may be a token: user and password, and what is behind
/// the host. It looks backward as far as the stretch's first word goes.
fn url_secrets(line: &str, stretch: Range<usize>) -> Vec<Range<usize>> {
    let ends_word = |c: char| c.is_whitespace() || c == '"';
    let mut at = line[..stretch.start].rfind(ends_word).unwrap_or(0);
    let mut secrets = Vec::new();
    while let Some(found) = line[at..stretch.end].find("://") {
        let start = at + found + 3;
        let word = &line[start..stretch.end];
        let word = &word[..word.find(ends_word).unwrap_or(word.len())];
        let authority = &word[..word.find(['/', '?', '#', '\\']).unwrap_or(word.len())];
        if let Some(host) = authority.rfind('@') {
            secrets.push(start..start + host);
        }
        let path = &word[authority.len()..];
        if !matches!(path, "" | "/" | "/…") {
            secrets.push(start + authority.len() + 1..start + word.len());
        }
        at = start + word.len();
    }
    secrets
}

/// A message with the URLs in it reduced to their hosts.
pub fn without_tokens(message: &str) -> String {
    let mut shown = String::new();
    let mut at = 0;
    for secret in url_secrets(message, 0..message.len()) {
        shown.push_str(&message[at..secret.start]);
        shown.push_str("***");
        at = secret.end;
    }
    shown + &message[at..]
}

fn back(text: &str, from: usize, count: usize) -> usize {
    text[..from].char_indices().rev().nth(count - 1).map_or(0, |(i, _)| i)
}

fn forth(text: &str, from: usize, count: usize) -> usize {
    text[from..].char_indices().nth(count).map_or(text.len(), |(i, _)| from + i)
}

/// Control characters, and those that reorder or hide text, as escapes; all else as it is.
pub fn escape(text: &str) -> String {
    text.chars().map(escape_char).collect()
}

/// A value as messages show it: escaped, in quotes, cropped.
pub fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(80).map(escape_char).collect();
    if text.chars().nth(80).is_some() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}

fn escape_char(c: char) -> String {
    match c {
        '\t' => "\\t".to_string(),
        '\n' => "\\n".to_string(),
        '\r' => "\\r".to_string(),
        c if c.is_control() || is_invisible(c) => format!("\\u{{{:x}}}", c as u32),
        c => c.to_string(),
    }
}

impl Diagnostic {
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// `FILE:LINE:COL: error: …`, the source line with a caret, the notes; ends in a newline.
    pub fn render(&self, colour: bool) -> String {
        let paint = |code: &str, text: String| match colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text,
        };
        let (word, code) = match self.severity {
            Severity::Error => ("error", "1;31"),
            Severity::Warning => ("warning", "1;33"),
        };
        let file = escape(&self.file.to_string_lossy());
        let place = match self.line {
            0 => format!("{file}:"),
            line => format!("{file}:{line}:{}:", self.column),
        };
        let head = paint("1", place);
        let mut text = format!("{head} {} {}\n", paint(code, format!("{word}:")), self.message);
        if let Some(excerpt) = &self.excerpt {
            let number = format!("{:>5}", self.line);
            let carets = " ".repeat(excerpt.from) + &paint(code, "^".repeat(excerpt.width));
            let _ = writeln!(text, "{}", format!("{number} | {}", excerpt.line).trim_end());
            let _ = writeln!(text, "      | {carets}");
        }
        for note in &self.notes {
            let _ = writeln!(text, "      = {note}");
        }
        text
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

//! What the parser could not read: where that really is, and in words for people.

use serde_saphyr::granit_parser::{self as granit, ErrorKind, Marker, ScanError};

use super::source::{FileId, Span};
use super::yaml::{MAX_DEPTH, Problem};

/// A span of the parser's as one of ours.
pub fn span(file: FileId, text: &str, span: &granit::Span) -> Span {
    let offset = |m: &Marker| m.byte_offset().unwrap_or(0).min(text.len()) as u32;
    let (start, end) = (offset(&span.start), offset(&span.end));
    let (line, column) = (span.start.line() as u32, span.start.col() as u32 + 1);
    Span { file, line, column, start, end: end.max(start) }
}

/// The parser stops where it can go no further, which is often behind the mistake.
pub fn problem(error: &ScanError, file: FileId, text: &str) -> Problem {
    let mut place = span(file, text, &granit::Span::empty(*error.marker()));
    let line = line_start(text, place.start as usize);
    let here = &text[line..];
    let message = if let Some(star) = unquoted_star(here) {
        place = moved(text, place, line + star);
        "a value that begins with \"*\" must be quoted, or it is an alias".to_string()
    } else if let (true, Some(tab)) = (is_tab(error.kind()), here.find('\t')) {
        place = moved(text, place, line + tab);
        "a tab; YAML is indented by blanks only".to_string()
    } else {
        explain(error.kind(), line_of(here))
    };
    let width = text[place.start as usize..].chars().next().map_or(0, char::len_utf8);
    place.end = place.start + width as u32;
    Problem::fatal(place, message)
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |i| i + 1)
}

/// The same span, moved to another byte on its line or after it.
fn moved(text: &str, span: Span, at: usize) -> Span {
    let start = span.start as usize;
    let further = text[start.min(at)..at].matches('\n').count() as u32;
    let column = 1 + text[line_start(text, at)..at].chars().count() as u32;
    Span { line: span.line + further, column, start: at as u32, ..span }
}

fn line_of(text: &str) -> &str {
    text.lines().next().unwrap_or("")
}

fn is_tab(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabInPlainScalar
    )
}

/// Where on the line a value like `*/5 * * * *` stands without quotes.
fn unquoted_star(text: &str) -> Option<usize> {
    let line = line_of(text);
    let colon = line.find(": ")? + 2;
    let value = line[colon..].trim_start();
    let at = line.len() - value.len();
    (value.starts_with('*') && value.trim_end().contains(' ')).then_some(at)
}

/// The parser's message, and what is most often behind it.
fn explain(kind: &ErrorKind, line: &str) -> String {
    match kind {
        ErrorKind::RecursionLimitExceeded => format!("nested deeper than {MAX_DEPTH} levels"),
        ErrorKind::UnexpectedCharacter { character } if character.is_control() => {
            format!("control character U+{:04X} is not allowed in YAML", *character as u32)
        }
        ErrorKind::UnexpectedCharacter { character } => {
            format!("a value that begins with \"{character}\" must be quoted")
        }
        ErrorKind::UnclosedQuotedScalar => "a quote is opened here and never closed".to_string(),
        ErrorKind::InvalidQuotedScalarIndent => {
            "a quoted value goes on here without being indented; is it closed above?".to_string()
        }
        ErrorKind::UnclosedFlowCollection { open } => {
            format!("\"{open}\" is opened here and never closed")
        }
        ErrorKind::ExpectedFlowSequenceSeparator if line.matches('[').count() > 1 => {
            "expected \",\" or \"]\"; inside a list a host set is quoted: \"db[1-3]\"".to_string()
        }
        other => format!("not YAML: {other}"),
    }
}

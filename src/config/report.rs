//! Collects what is wrong, each thing once, and quotes the place where it was written.

use std::collections::HashMap;
use std::ops::Range;

use super::diagnostic::{Diagnostic, Excerpt, Severity, escape, quoted, without_tokens};
use super::source::{FileId, Sources, Span};
use super::yaml::{Item, Kind};

/// Beyond this many the rest is only counted.
const MAX_DIAGNOSTICS: usize = 1000;

/// Where a message points to, and through which alias the place was reached.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub span: Span,
    pub via: Option<Span>,
}

impl From<Span> for Place {
    fn from(span: Span) -> Place {
        Place { span, via: None }
    }
}

impl From<Item<'_>> for Place {
    fn from(item: Item<'_>) -> Place {
        Place { span: item.node.span, via: item.via }
    }
}

impl From<FileId> for Place {
    fn from(file: FileId) -> Place {
        Span::whole(file).into()
    }
}

#[derive(Debug, Default)]
pub struct Report {
    pub sources: Sources,
    found: Vec<(Span, Diagnostic)>,
    seen: HashMap<(Span, String), usize>,
    unlisted: usize,
    errors: usize,
    /// Errors, those included that were told before, through another alias.
    told: usize,
    /// What is being read, the outermost first, for messages that do not name it.
    within: Vec<String>,
    pub hints: Hints,
}

impl Report {
    /// What is wrong while `read` is at work is wrong with this, and says so: `flow`, `deploy`.
    pub fn in_this<T>(&mut self, kind: &str, name: &str, read: impl FnOnce(&mut Report) -> T) -> T {
        self.within.push(format!("{kind} {}", quoted(name)));
        let what = read(self);
        self.within.pop();
        what
    }

    pub fn error(&mut self, at: impl Into<Place>, message: impl Into<String>) {
        self.add(Severity::Error, at.into(), message.into(), None, true);
    }

    /// Does not quote the line, which may hold a secret nobody knows the bounds of.
    pub fn error_unquoted(&mut self, at: impl Into<Place>, message: impl Into<String>) {
        let note = "the line is not shown: it may hold a password".to_string();
        self.add(Severity::Error, at.into(), message.into(), Some(note), false);
    }

    pub fn error_noting(
        &mut self,
        at: impl Into<Place>,
        message: impl Into<String>,
        note: impl Into<String>,
    ) {
        self.add(Severity::Error, at.into(), message.into(), Some(note.into()), true);
    }

    /// With a note, where there is something to add.
    pub fn error_with(
        &mut self,
        at: impl Into<Place>,
        message: impl Into<String>,
        note: Option<String>,
    ) {
        self.add(Severity::Error, at.into(), message.into(), note.map(|n| escape(&n)), true);
    }

    pub fn warning_with(
        &mut self,
        at: impl Into<Place>,
        message: impl Into<String>,
        note: Option<String>,
    ) {
        self.add(Severity::Warning, at.into(), message.into(), note.map(|n| escape(&n)), true);
    }

    pub fn warning(&mut self, at: impl Into<Place>, message: impl Into<String>) {
        self.add(Severity::Warning, at.into(), message.into(), None, true);
    }

    fn add(
        &mut self,
        severity: Severity,
        at: Place,
        message: String,
        note: Option<String>,
        quote: bool,
    ) {
        self.told += usize::from(severity == Severity::Error);
        let key = (at.span, escape(&without_tokens(&message)));
        if let Some(&index) = self.seen.get(&key) {
            self.found[index].1.used_again();
            return;
        }
        if severity == Severity::Error {
            self.errors += 1;
        }
        if self.found.len() >= MAX_DIAGNOSTICS {
            self.unlisted += 1;
            return;
        }
        let mut notes: Vec<String> = note.into_iter().collect();
        notes.extend(
            at.via
                .filter(|via| differs(via, &at.span))
                .map(|via| format!("used at {}", self.position(via))),
        );
        let within: Vec<&str> = self.within.iter().rev().map(String::as_str).collect();
        let is_told = |within: &[&str]| within.len() == 1 && key.1.contains(within[0]);
        if !within.is_empty() && !is_told(&within) {
            notes.push(format!("in {}", within.join(" of ")));
        }
        let diagnostic = Diagnostic {
            severity,
            file: self.sources.shown(at.span.file).to_path_buf(),
            line: at.span.line,
            column: at.span.column,
            message: key.1.clone(),
            excerpt: if quote { self.excerpt(at.span) } else { None },
            notes,
        };
        self.seen.insert(key, self.found.len());
        self.found.push((at.span, diagnostic));
    }

    fn excerpt(&self, span: Span) -> Option<Excerpt> {
        if span.line == 0 || self.sources.text(span.file).is_empty() {
            return None;
        }
        let (line, at, secrets) = self.sources.line(span);
        let within = |range: Range<usize>| {
            let from = range.start.clamp(at.start, at.start + line.len()) - at.start;
            let to = range.end.clamp(at.start, at.start + line.len()) - at.start;
            from..to.max(from)
        };
        let mut secrets: Vec<_> = secrets.into_iter().map(within).collect();
        if self.sources.is_guarded(span.file)
            && let Some(comment) = line.find(" #").or(line.find("\t#"))
        {
            secrets.push(comment + 1..line.len());
        }
        // Of what goes on over more lines only the beginning is marked.
        let mut marked = within(span.range());
        if span.range().end > at.end {
            marked.end = marked.start;
        }
        Some(Excerpt::new(line, marked, &secrets))
    }

    /// A scalar as messages show it. Where secrets may turn up, nothing but single words: more
    /// is what a forgotten `:` leaves of the next line.
    pub fn show(&self, item: Item<'_>) -> String {
        let (text, span) = (item.text().unwrap_or_default(), item.node.span);
        let doubtful = self.sources.is_guarded(span.file)
            && text.contains(|c: char| c.is_whitespace() || c == ':');
        match doubtful || self.sources.is_hidden(span) {
            true => "\"***\"".to_string(),
            false => quoted(text),
        }
    }

    /// `FILE:LINE`, escaped.
    pub fn position(&self, span: Span) -> String {
        let file = self.sources.shown(span.file).to_string_lossy();
        format!("{}:{}", escape(&file), span.line)
    }

    /// The place of a part of a scalar, where what was written can be counted off; else the
    /// whole scalar.
    pub fn within(&self, item: Item<'_>, part: Range<usize>) -> Place {
        let whole = Place::from(item);
        let Kind::Scalar { text, .. } = &item.node.kind else { return whole };
        let Some(written) = self.sources.text(whole.span.file).get(whole.span.range()) else {
            return whole;
        };
        let lead = match written.strip_prefix(['"', '\'']) {
            Some(rest) if rest.get(..text.len()) == Some(text) => 1,
            None if written == &**text => 0,
            Some(_) | None => return whole,
        };
        let Some(before) = text.get(..part.start).filter(|_| text.get(part.clone()).is_some())
        else {
            return whole;
        };
        let start = whole.span.start + (lead + part.start) as u32;
        let span = Span {
            column: whole.span.column + (lead + before.chars().count()) as u32,
            start,
            end: start + part.len() as u32,
            ..whole.span
        };
        Place { span, ..whole }
    }

    /// How many errors there were so far: more of them, and what was read meanwhile is doubtful.
    pub fn told(&self) -> usize {
        self.told
    }

    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// How many there are so far.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// In the order of the files and of their lines.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|(span, _)| (span.file, span.line, span.column));
        let mut all: Vec<Diagnostic> = self.found.into_iter().map(|(_, d)| d).collect();
        if let Some(last) = all.last_mut().filter(|_| self.unlisted > 0) {
            last.notes.push(format!("and {} more, not listed", self.unlisted));
        }
        all
    }
}

fn differs(via: &Span, at: &Span) -> bool {
    (via.file, via.line) != (at.file, at.line)
}

impl Diagnostic {
    /// The same mistake reached through another alias is told once.
    fn used_again(&mut self) {
        if let Some(note) = self.notes.iter_mut().find(|n| n.starts_with("used at "))
            && !note.ends_with(" and elsewhere")
        {
            note.push_str(" and elsewhere");
        }
    }
}

/// Hints cost the product of two words' lengths; beyond this in all there are none.
const MAX_COST: usize = 20_000_000;
/// Longer words are not compared.
const MAX_COMPARED: usize = 60;

/// Finds what was probably meant.
#[derive(Debug)]
pub struct Hints {
    left: usize,
}

impl Default for Hints {
    fn default() -> Self {
        Hints { left: MAX_COST }
    }
}

impl Hints {
    /// `; did you mean "…"?`, when one of the known words is near.
    pub fn did_you_mean<'a>(
        &mut self,
        word: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> String {
        match self.nearest(word, known) {
            Some(near) => format!("; did you mean \"{}\"?", escape(near)),
            None => String::new(),
        }
    }

    /// Of words equally near, the first in the alphabet.
    pub fn nearest<'a>(
        &mut self,
        word: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Option<&'a str> {
        if word.len() > MAX_COMPARED || self.left == 0 {
            return None;
        }
        let word = word.to_lowercase();
        let left = &mut self.left;
        let compare = |near: &'a str| {
            *left = left.saturating_sub(near.len() * word.len());
            if *left == 0 {
                return None;
            }
            let longer = near.len().max(word.len());
            let far = strsim::osa_distance(&word, &near.to_lowercase());
            (far <= 1 + longer / 5).then_some((far, near))
        };
        let similar = known.into_iter().filter(|near| near.len().abs_diff(word.len()) <= 3);
        similar.filter_map(compare).min().map(|(_, near)| near)
    }
}

//! From the parser's events to a [`yaml`](super::yaml) tree: anchors, duplicates, merge keys,
//! limits.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use serde_saphyr::granit_parser::{self as granit, Event, Parser, ScalarStyle, Tag};

use super::diagnostic::quoted;
use super::report::Hints;
use super::source::{FileId, Span};
use super::syntax;
use super::yaml::{Anchors, CoreTag, Entry, Kind, MAX_DEPTH, Node, Parsed, Problem, Value};

/// Which of two equal keys counts. There is a problem either way, at the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Equal {
    First,
    /// As readers of JSON have it.
    Last,
}

/// Parses one document of at most `room` values, merged ones included. Aliases that `text` does
/// not define are looked up in `shared`.
pub fn parse(file: FileId, text: &str, shared: &Anchors, room: usize, hints: &mut Hints) -> Parsed {
    parse_with(file, text, shared, room, hints, Equal::First)
}

pub fn parse_with(
    file: FileId,
    text: &str,
    shared: &Anchors,
    room: usize,
    hints: &mut Hints,
    equal: Equal,
) -> Parsed {
    let options = granit::options! {
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH as usize + 1,
        block_nesting_limit: MAX_DEPTH as usize + 1,
    };
    let mut composer = Composer {
        file,
        text,
        shared,
        open: Vec::new(),
        root: None,
        documents: 0,
        anchored: HashMap::new(),
        names: HashMap::new(),
        room,
        hints,
        equal,
        problems: Vec::new(),
        secrets: Vec::new(),
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let step = match event {
            Ok((event, span)) => composer.event(event, span),
            Err(e) => Err(syntax::problem(&e, file, text)),
        };
        if let Err(problem) = step {
            return Parsed {
                root: None,
                anchors: Anchors { partial: true, ..Anchors::default() },
                problems: vec![problem],
                room: composer.room,
                secrets: composer.secrets,
            };
        }
    }
    composer.finish()
}

/// A list or mapping whose end has not come yet.
struct Open {
    span: Span,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Value>),
    Map { entries: Vec<Entry>, key: Option<Value> },
}

struct Composer<'a> {
    file: FileId,
    text: &'a str,
    shared: &'a Anchors,
    open: Vec<Open>,
    root: Option<Value>,
    documents: usize,
    /// By the parser's number; a collection enters when it ends.
    anchored: HashMap<usize, Rc<Node>>,
    /// The last definition of each name.
    names: HashMap<String, usize>,
    /// How many more there may be.
    room: usize,
    hints: &'a mut Hints,
    equal: Equal,
    problems: Vec<Problem>,
    secrets: Vec<Span>,
}

type Step = Result<(), Problem>;

impl Composer<'_> {
    fn event(&mut self, event: Event<'_>, at: granit::Span) -> Step {
        let span = syntax::span(self.file, self.text, &at);
        let tag_span = at.tag_span().map_or(span, |tag| syntax::span(self.file, self.text, &tag));
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                match self.documents {
                    1 => Ok(()),
                    _ => {
                        Err(Problem::fatal(span, "a second document; a file holds one".to_string()))
                    }
                }
            }
            Event::Anchor(id, name) => {
                self.names.insert(name.into_owned(), id);
                Ok(())
            }
            Event::Alias(id) => match self.anchored.get(&id).cloned() {
                Some(node) => self.put(Value { node, alias: Some(span) }),
                None => Err(Problem::fatal(
                    span,
                    "an alias to a value that it is a part of".to_string(),
                )),
            },
            Event::UnresolvedAlias(name) => self.outer_alias(&name, span),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                // The parser writes `~` for what is not written at all.
                let text = if plain && span.start == span.end { "" } else { &*text };
                let tag = self.tag(tag.as_deref(), tag_span);
                self.close(span, anchor, Kind::Scalar { text: text.into(), plain, tag }, 1)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), tag_span);
                self.open.push(Open { span, anchor, content: Content::List(Vec::new()) });
                Ok(())
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), tag_span);
                let content = Content::Map { entries: Vec::new(), key: None };
                self.open.push(Open { span, anchor, content });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            // Comments among them, where the parser is built to tell them.
            _ => Ok(()),
        }
    }

    /// One that the file does not define above.
    fn outer_alias(&mut self, name: &str, span: Span) -> Step {
        let node = match self.shared.by_name.get(name) {
            Some(node) => node.clone(),
            None => {
                if !self.shared.partial {
                    let known = self.names.keys().chain(self.shared.by_name.keys());
                    let hint = self.hints.did_you_mean(name, known.map(String::as_str));
                    let subject = quoted(name) + &hint;
                    self.problems.push(problem(span, "unknown anchor", Some(subject)));
                }
                Rc::new(Node { span, kind: Kind::Unknown, depth: 1 })
            }
        };
        self.put(Value { node, alias: Some(span) })
    }

    fn end(&mut self, end: Span) -> Step {
        let Some(Open { mut span, anchor, content }) = self.open.pop() else { return Ok(()) };
        span.end = end.end.max(span.end);
        match content {
            Content::List(values) => {
                let deepest = values.iter().map(|v| v.node.depth).max().unwrap_or(0);
                self.close(span, anchor, Kind::List(values), 1 + deepest)
            }
            Content::Map { entries, .. } => {
                let entries = self.without_duplicates(entries);
                let entries = self.merge(entries)?;
                let depth = |e: &Entry| e.key.node.depth.max(e.value.node.depth);
                let deepest = entries.iter().map(depth).max().unwrap_or(0);
                self.close(span, anchor, Kind::Map(entries), 1 + deepest)
            }
        }
    }

    fn close(&mut self, span: Span, anchor: usize, kind: Kind, depth: u16) -> Step {
        if depth > MAX_DEPTH {
            return Err(Problem::fatal(span, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let node = Rc::new(Node { span, kind, depth });
        if anchor > 0 {
            self.anchored.insert(anchor, node.clone());
        }
        self.put(Value { node, alias: None })
    }

    fn put(&mut self, value: Value) -> Step {
        self.count(1, value.alias.unwrap_or(value.node.span))?;
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(value),
            Some(Content::List(values)) => values.push(value),
            Some(Content::Map { entries, key }) => match key.take() {
                None => *key = Some(value),
                Some(key) => {
                    if key.item().text().is_some_and(is_secret_key) {
                        self.secrets.push(value.node.span);
                    }
                    entries.push(Entry { key, value, merged: None });
                }
            },
        }
        Ok(())
    }

    fn count(&mut self, more: usize, span: Span) -> Step {
        match self.room.checked_sub(more) {
            Some(room) => self.room = room,
            None => {
                return Err(Problem::fatal(
                    span,
                    "too many values, in this file or in all".to_string(),
                ));
            }
        }
        Ok(())
    }

    /// Lays what `<<` names under the mapping's own entries; the first named wins.
    fn merge(&mut self, entries: Vec<Entry>) -> Result<Vec<Entry>, Problem> {
        if !entries.iter().any(is_merge) {
            return Ok(entries);
        }
        let (merges, mut own): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(is_merge);
        let mut known: HashSet<Box<str>> = own.iter().filter_map(key_text).collect();
        for merge in merges {
            let from = match &merge.value.node.kind {
                Kind::Map(_) => std::slice::from_ref(&merge.value),
                Kind::List(values) => values,
                Kind::Scalar { .. } | Kind::Unknown => &[],
            };
            let mut sound = !from.is_empty() || merge.value.item().is_unknown();
            for source in from {
                let Kind::Map(entries) = &source.node.kind else {
                    sound &= source.item().is_unknown();
                    continue;
                };
                self.count(entries.len(), merge.key.node.span)?;
                let at = merge.value.alias.or(source.alias);
                for entry in entries {
                    if key_text(entry).is_none_or(|key| known.insert(key)) {
                        own.push(Entry { merged: at.or(entry.merged), ..entry.clone() });
                    }
                }
            }
            if !sound {
                let span = merge.value.alias.unwrap_or(merge.value.node.span);
                let message = "\"<<\" takes a mapping, or a list of mappings";
                self.problems.push(problem(span, message, None));
            }
        }
        Ok(own)
    }

    /// Keeps one of each key.
    fn without_duplicates(&mut self, mut entries: Vec<Entry>) -> Vec<Entry> {
        if self.equal == Equal::Last {
            entries.reverse();
        }
        let mut seen: HashMap<(Box<str>, bool), Span> = HashMap::new();
        let problems = &mut self.problems;
        entries.retain(|entry| {
            let Kind::Scalar { text, plain, .. } = &entry.key.node.kind else { return true };
            if is_merge(entry) {
                return true;
            }
            // `1` and `"1"` are two keys; `a` and `"a"` are one.
            let typed = *plain && text.starts_with(|c: char| !c.is_alphabetic());
            let span = entry.key.alias.unwrap_or(entry.key.node.span);
            match seen.insert((text.clone(), typed), span) {
                None => true,
                Some(first) => {
                    seen.insert((text.clone(), typed), first);
                    let duplicate = problem(span, "duplicate key", Some(quoted(text)));
                    problems.push(Problem { first: Some(first), ..duplicate });
                    false
                }
            }
        });
        if self.equal == Equal::Last {
            entries.reverse();
        }
        entries
    }

    fn tag(&mut self, tag: Option<&Tag>, span: Span) -> Option<CoreTag> {
        let tag = tag?;
        match tag.core_suffix() {
            Some("str") => Some(CoreTag::Str),
            Some("int") => Some(CoreTag::Int),
            Some("float") => Some(CoreTag::Float),
            Some("bool") => Some(CoreTag::Bool),
            Some("null") => Some(CoreTag::Null),
            Some(_) => None,
            None if tag.original() == "!" => Some(CoreTag::Str),
            None => {
                let subject = Some(quoted(&tag.original()));
                self.problems.push(problem(span, "unsupported tag", subject));
                None
            }
        }
    }

    fn finish(self) -> Parsed {
        let Composer { root, anchored, names, room, problems, secrets, .. } = self;
        let named =
            names.into_iter().filter_map(|(name, id)| Some((name, anchored.get(&id)?.clone())));
        Parsed {
            root,
            anchors: Anchors { by_name: named.collect(), partial: false },
            problems,
            room,
            secrets,
        }
    }
}

fn problem(span: Span, message: &str, subject: Option<String>) -> Problem {
    Problem { span, message: message.to_string(), subject, first: None, syntax: false }
}

fn is_merge(entry: &Entry) -> bool {
    matches!(&entry.key.node.kind, Kind::Scalar { text, plain: true, .. } if &**text == "<<")
}

fn key_text(entry: &Entry) -> Option<Box<str>> {
    entry.key.item().text().map(Box::from)
}

/// Keys whose values no message may quote, wherever they are written.
pub fn is_secret_key(key: &str) -> bool {
    let key = key.to_lowercase();
    let words = ["passw", "passphrase", "secret", "token", "webhook", "answers"];
    words.iter().any(|word| key.contains(word))
}

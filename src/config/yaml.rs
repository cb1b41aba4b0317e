//! A YAML document as a tree that remembers where and how everything was written.
//!
//! Built by `compose` from the parser's events, because a deserializer hides what is needed here: the text of
//! a scalar and whether it was quoted (`0755`, an unquoted node key `0123`), the file a value
//! reached through an alias was written in, and every duplicate rather than the first. Aliases
//! share their target, so the tree is never larger than the files; `<<` is merged here.
//!
//! A datafile is parsed once. An alias that a manifest does not define itself is looked up among
//! the datafile's anchors: the same as prepending its text, without parsing it 2,000 times.

use std::collections::HashMap;
use std::rc::Rc;

use super::source::Span;

/// Deepest nesting, aliases included.
pub const MAX_DEPTH: u16 = 100;
/// Most values in one file.
pub const MAX_NODES: usize = 400_000;
/// Most values in all files together.
pub const MAX_ALL_NODES: usize = 2_000_000;

#[derive(Debug)]
pub struct Node {
    pub span: Span,
    pub kind: Kind,
    /// Of lists and mappings, itself included; 1 for a scalar.
    pub depth: u16,
}

#[derive(Debug)]
pub enum Kind {
    Scalar {
        text: Box<str>,
        plain: bool,
        tag: Option<CoreTag>,
    },
    List(Vec<Value>),
    Map(Vec<Entry>),
    /// What could not be read and was reported; says nothing more about itself.
    Unknown,
}

/// The tags that say how a scalar is meant. All others are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoreTag {
    Str,
    Int,
    Float,
    Bool,
    Null,
}

#[derive(Debug, Clone)]
pub struct Value {
    pub node: Rc<Node>,
    /// Where the alias stands, if this is one.
    pub alias: Option<Span>,
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub key: Value,
    pub value: Value,
    /// Where `<<` brought it in from.
    pub merged: Option<Span>,
}

/// A value on the way down from the root: knows the outermost alias it was reached through.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    pub node: &'a Node,
    pub via: Option<Span>,
}

impl Value {
    pub fn item(&self) -> Item<'_> {
        Item { node: &self.node, via: self.alias }
    }
}

impl<'a> Item<'a> {
    fn below(self, value: &'a Value, merged: Option<Span>) -> Item<'a> {
        Item { node: &value.node, via: self.via.or(merged).or(value.alias) }
    }

    /// Of a list; nothing for any other kind.
    pub fn items(self) -> impl Iterator<Item = Item<'a>> {
        let values: &'a [Value] = match &self.node.kind {
            Kind::List(values) => values,
            Kind::Scalar { .. } | Kind::Map(_) | Kind::Unknown => &[],
        };
        values.iter().map(move |value| self.below(value, None))
    }

    /// Of a mapping; nothing for any other kind.
    pub fn entries(self) -> impl Iterator<Item = (Item<'a>, Item<'a>)> {
        let entries: &'a [Entry] = match &self.node.kind {
            Kind::Map(entries) => entries,
            Kind::Scalar { .. } | Kind::List(_) | Kind::Unknown => &[],
        };
        entries.iter().map(move |e| (self.below(&e.key, e.merged), self.below(&e.value, e.merged)))
    }

    /// The text of a scalar, as written.
    pub fn text(self) -> Option<&'a str> {
        match &self.node.kind {
            Kind::Scalar { text, .. } => Some(text),
            Kind::List(_) | Kind::Map(_) | Kind::Unknown => None,
        }
    }

    /// Written as nothing, `~` or `null`.
    pub fn is_null(self) -> bool {
        match &self.node.kind {
            Kind::Scalar { text, plain, tag } => {
                *tag == Some(CoreTag::Null)
                    || (*plain
                        && tag.is_none()
                        && matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
            }
            Kind::List(_) | Kind::Map(_) | Kind::Unknown => false,
        }
    }

    pub fn is_list(self) -> bool {
        matches!(self.node.kind, Kind::List(_))
    }

    pub fn is_mapping(self) -> bool {
        matches!(self.node.kind, Kind::Map(_))
    }

    pub fn is_unknown(self) -> bool {
        matches!(self.node.kind, Kind::Unknown)
    }

    /// What a message calls it.
    pub fn kind(self) -> &'static str {
        match &self.node.kind {
            Kind::Scalar { .. } if self.is_null() => "nothing",
            Kind::Scalar { .. } => "a single value",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
            Kind::Unknown => "something unreadable",
        }
    }
}

/// The anchors of the datafile.
#[derive(Debug, Default)]
pub struct Anchors {
    pub by_name: HashMap<String, Rc<Node>>,
    /// The datafile could not be parsed: what is missing here is nobody else's mistake.
    pub partial: bool,
}

/// One file's document and what is wrong with its YAML.
#[derive(Debug, Default)]
pub struct Parsed {
    /// `None` when the file is empty or could not be parsed.
    pub root: Option<Value>,
    pub anchors: Anchors,
    pub problems: Vec<Problem>,
    /// What is left of the values it was allowed.
    pub room: usize,
    /// The values under keys that speak of passwords, and the like.
    pub secrets: Vec<Span>,
}

#[derive(Debug)]
pub struct Problem {
    pub span: Span,
    /// Quotes nothing of the file.
    pub message: String,
    /// What was written, and what may have been meant.
    pub subject: Option<String>,
    /// Where the same was written first.
    pub first: Option<Span>,
    /// The file could not be parsed at all.
    pub syntax: bool,
}

impl Problem {
    /// Behind it nothing can be read.
    pub fn fatal(span: Span, message: String) -> Problem {
        Problem { span, message, subject: None, first: None, syntax: true }
    }
}

//! The values a task is called with: what a manifest's `args` and `kwargs` become.
//!
//! A type of our own, because the frames' encoding cannot carry self-describing values
//! (`serde_json::Value` and its like) and because YAML allows any scalar as a mapping's key.

use std::cell::Cell;

use serde::{Deserialize, Deserializer, Serialize};

/// Deepest nesting of lists and maps that is accepted, here and by whoever reads them from
/// elsewhere: reading them recurses.
pub const MAX_DEPTH: usize = 64;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Arg {
    Null,
    Bool(bool),
    /// Integers beyond 64 bits travel as their decimal text, in `Str`.
    Int(i64),
    Float(f64),
    Str(String),
    List(#[serde(deserialize_with = "deeper")] Vec<Arg>),
    /// In the order written; keys may be any scalar.
    Map(#[serde(deserialize_with = "deeper")] Vec<(Arg, Arg)>),
}

thread_local! {
    static LEVEL: Cell<usize> = const { Cell::new(0) };
}

/// Refuses what would be too deep before the stack has to hold it.
fn deeper<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    let level = LEVEL.get() + 1;
    if level > MAX_DEPTH {
        return Err(serde::de::Error::custom(format!("nested deeper than {MAX_DEPTH} levels")));
    }
    LEVEL.set(level);
    let read = T::deserialize(from);
    LEVEL.set(level - 1);
    read
}

impl Arg {
    /// What a message calls this kind of value.
    pub fn kind(&self) -> &'static str {
        match self {
            Arg::Null => "null",
            Arg::Bool(_) => "a boolean",
            Arg::Int(_) => "an integer",
            Arg::Float(_) => "a number",
            Arg::Str(_) => "a string",
            Arg::List(_) => "a list",
            Arg::Map(_) => "a mapping",
        }
    }

    /// 1 for a scalar, one more for each level of lists and maps around it.
    pub fn depth(&self) -> usize {
        match self {
            Arg::Null | Arg::Bool(_) | Arg::Int(_) | Arg::Float(_) | Arg::Str(_) => 1,
            Arg::List(items) => 1 + items.iter().map(Arg::depth).max().unwrap_or(0),
            Arg::Map(entries) => {
                1 + entries.iter().map(|(k, v)| k.depth().max(v.depth())).max().unwrap_or(0)
            }
        }
    }
}

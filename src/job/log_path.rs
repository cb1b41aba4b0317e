//! Where a job's plain output is appended: a path with `{job}`, `{node}` and `{date}` in it.

use std::path::PathBuf;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// An absolute path, its placeholders known to be good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPath(pub PathBuf);

/// What may stand in braces.
pub const PLACEHOLDERS: [&str; 3] = ["job", "node", "date"];

/// Which bytes of a path's text are wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misplaced {
    /// A word in braces that is no placeholder, with its braces.
    Unknown(std::ops::Range<usize>),
    /// A brace without its other half.
    Stray(std::ops::Range<usize>),
}

impl LogPath {
    /// Looks at the placeholders only; to make the path absolute is the caller's business.
    pub fn parse(text: &str) -> Result<LogPath, Misplaced> {
        let mut open = None;
        for (at, c) in text.char_indices() {
            match (c, open) {
                ('{', None) => open = Some(at),
                ('{', Some(start)) => return Err(Misplaced::Stray(start..start + 1)),
                ('}', None) => return Err(Misplaced::Stray(at..at + 1)),
                ('}', Some(start)) if PLACEHOLDERS.contains(&&text[start + 1..at]) => open = None,
                ('}', Some(start)) => return Err(Misplaced::Unknown(start..at + 1)),
                _ => {}
            }
        }
        match open {
            Some(start) => Err(Misplaced::Stray(start..start + 1)),
            None => Ok(LogPath(PathBuf::from(text))),
        }
    }
}

impl LogPath {
    pub fn of(&self, _job: &str, _node: &str, _date: Date) -> PathBuf {
        self.0.clone()
    }
}

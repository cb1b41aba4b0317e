//! Names as numbers, which are cheaper to keep and to compare.

use std::collections::HashMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(u32);

/// Grows with each name ever seen: the jobs, nodes and locks of all configurations so far.
#[derive(Debug, Default)]
pub struct Names {
    numbers: HashMap<String, Name>,
}

impl Names {
    pub fn of(&mut self, name: &str) -> Name {
        if let Some(known) = self.numbers.get(name) {
            return *known;
        }
        let new = Name(self.numbers.len() as u32);
        self.numbers.insert(name.to_owned(), new);
        new
    }
}

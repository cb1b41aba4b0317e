//! A task's arguments, by the names of its parameters.
//!
//! `loom check` has said most of this before; here it is said of what arrives all the same.

use loom::arg::Arg;

use super::TaskError;

/// Positional arguments fill the parameters in the order in which the task asks for them.
#[derive(Debug)]
pub struct Arguments<'a> {
    positional: std::slice::Iter<'a, Arg>,
    keyword: Vec<(&'a str, &'a Arg)>,
}

impl<'a> Arguments<'a> {
    pub fn new(args: &'a [Arg], kwargs: &'a [(String, Arg)]) -> Arguments<'a> {
        let keyword = kwargs.iter().map(|(name, value)| (name.as_str(), value)).collect();
        Arguments { positional: args.iter(), keyword }
    }

    /// The next parameter's value; null counts as none.
    pub fn optional(&mut self, name: &str) -> Result<Option<&'a Arg>, TaskError> {
        let keyword = self.keyword(name);
        let value = match (self.positional.next(), keyword) {
            (Some(_), Some(_)) => return Err(failed(format!("`{name}` is given twice"))),
            (value, keyword) => value.or(keyword),
        };
        Ok(value.filter(|value| **value != Arg::Null))
    }

    /// A parameter that is given by its name only.
    pub fn keyword(&mut self, name: &str) -> Option<&'a Arg> {
        let at = self.keyword.iter().position(|(key, _)| *key == name)?;
        Some(self.keyword.swap_remove(at).1)
    }

    /// The next parameter, which must be there, as text.
    pub fn text(&mut self, name: &str) -> Result<String, TaskError> {
        match self.optional(name)? {
            Some(value) => text(name, value),
            None => Err(failed(format!("`{name}` is missing"))),
        }
    }

    pub fn optional_text(&mut self, name: &str) -> Result<Option<String>, TaskError> {
        self.optional(name)?.map(|value| text(name, value)).transpose()
    }

    pub fn keyword_text(&mut self, name: &str) -> Result<Option<String>, TaskError> {
        let value = self.keyword(name).filter(|value| **value != Arg::Null);
        value.map(|value| text(name, value)).transpose()
    }

    pub fn keyword_flag(&mut self, name: &str, default: bool) -> Result<bool, TaskError> {
        match self.keyword(name) {
            None | Some(Arg::Null) => Ok(default),
            Some(Arg::Bool(value)) => Ok(*value),
            Some(other) => Err(wrong(name, "true or false", other)),
        }
    }

    /// A mapping of names to scalars.
    pub fn keyword_map(&mut self, name: &str) -> Result<Vec<(String, String)>, TaskError> {
        match self.keyword(name) {
            None | Some(Arg::Null) => Ok(Vec::new()),
            Some(Arg::Map(entries)) => entries
                .iter()
                .map(|(key, value)| Ok((text(name, key)?, text(name, value)?)))
                .collect(),
            Some(other) => Err(wrong(name, "a mapping", other)),
        }
    }

    /// All positional arguments that are left, as text.
    pub fn rest(&mut self, name: &str) -> Result<Vec<String>, TaskError> {
        self.positional.by_ref().map(|value| text(name, value)).collect()
    }

    /// Nothing may be left.
    pub fn finish(mut self) -> Result<(), TaskError> {
        if let Some((name, _)) = self.keyword.first() {
            return Err(failed(format!("there is no parameter `{name}`")));
        }
        match self.positional.next() {
            Some(_) => Err(failed("too many arguments".into())),
            None => Ok(()),
        }
    }
}

/// A scalar as it is written on a command line.
pub fn text(name: &str, value: &Arg) -> Result<String, TaskError> {
    match value {
        Arg::Str(text) => Ok(text.clone()),
        Arg::Int(number) => Ok(number.to_string()),
        Arg::Float(number) => Ok(number.to_string()),
        Arg::Bool(value) => Ok(value.to_string()),
        Arg::Null => Ok(String::new()),
        Arg::List(_) | Arg::Map(_) => Err(wrong(name, "text", value)),
    }
}

fn wrong(name: &str, expected: &str, found: &Arg) -> TaskError {
    failed(format!("`{name}` must be {expected}, not {}", found.kind()))
}

fn failed(text: String) -> TaskError {
    TaskError::Failed(text)
}

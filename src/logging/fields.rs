//! What an event is about, beside its sentence: `job`, `node`, `run`, `unit`, `attempt`, `worker`
//! (its pid), `outcome` (one word) and `seconds`.
//!
//! Whoever logs gives them as key-values of the `log` crate: `info!(job = name, run = id; "…")`.
//! Values of `None` are left out.

use std::fmt::{self, Display};
use std::time::Duration;

use log::kv::{self, Error, Key, Source, ToValue, VisitSource, VisitValue};
use serde_json::{Number, Value};

use super::escape::{Escaped, Quoted};
use crate::unit::{Outcome, RunEnd, RunId, UnitId};

/// In the order given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields(Vec<(String, Value)>);

/// The numbers that tell one event from another like it; no sentence has to name them.
const NUMBERS: [&str; 4] = ["run", "unit", "attempt", "worker"];

/// What every line of JSON has.
const FIXED: [&str; 4] = ["time", "level", "area", "message"];

impl Fields {
    pub fn of(source: &dyn Source) -> Fields {
        let mut fields = Fields::default();
        // Neither we nor the values of the `log` crate give any error.
        let _ = source.visit(&mut fields);
        fields
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// ` (run 12, unit 40, attempt 2, worker 4711)`: those of the numbers that are there. The
    /// first attempt is not worth a word. Nothing, if there are none.
    pub fn tail(&self) -> String {
        let told = NUMBERS.iter().filter_map(|name| Some((name, self.get(name)?)));
        let told = told.filter(|(name, value)| **name != "attempt" || value.as_u64() != Some(1));
        let told: Vec<String> =
            told.map(|(name, value)| format!("{name} {}", Shown(value))).collect();
        if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) }
    }

    /// `,"job":"disk","run":12`
    pub fn json(&self) -> String {
        let pairs = self.0.iter().map(|(name, value)| match value {
            Value::String(text) => format!(",{}:{}", Quoted(name), Quoted(text)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => format!(",{}:{value}", Quoted(name)),
        });
        pairs.collect()
    }
}

struct Shown<'a>(&'a Value);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) => Escaped(text).fmt(f),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => self.0.fmt(f),
        }
    }
}

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), Error> {
        let mut read = Read(Value::Null);
        value.visit(&mut read)?;
        let name = key.as_str();
        if !read.0.is_null() && !FIXED.contains(&name) && self.get(name).is_none() {
            self.0.push((name.to_owned(), read.0));
        }
        Ok(())
    }
}

struct Read(Value);

impl<'v> VisitValue<'v> for Read {
    fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), Error> {
        self.0 = Value::String(value.to_string());
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        self.0 = Number::from_f64(value).map_or(Value::Null, Value::Number);
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), Error> {
        self.0 = value.into();
        Ok(())
    }
}

/// For the field `seconds`: to the millisecond.
pub fn seconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1000.0).round() / 1000.0
}

impl ToValue for RunId {
    fn to_value(&self) -> kv::Value<'_> {
        self.0.into()
    }
}

impl ToValue for UnitId {
    fn to_value(&self) -> kv::Value<'_> {
        self.0.into()
    }
}

/// Its single word.
impl ToValue for Outcome {
    fn to_value(&self) -> kv::Value<'_> {
        self.word().into()
    }
}

/// Its single word.
impl ToValue for RunEnd {
    fn to_value(&self) -> kv::Value<'_> {
        let word = match self {
            RunEnd::Succeeded => "succeeded",
            RunEnd::Failed => "failed",
            RunEnd::Cancelled => "cancelled",
            RunEnd::Lost => "lost",
            RunEnd::Skipped { .. } => "skipped",
        };
        word.into()
    }
}

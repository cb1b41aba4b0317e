//! Five cron fields -> fire times, and what a step of the wall clock does to them.
//!
//! This room knows time and nothing of jobs. It is crontab(5) as Debian's cron reads it, made
//! strict, and one word more, [`NEVER`]. Which part comes from where:
//!
//! - What is refused, and how that is said, is ours (`parse`, `item`): the `cron` crate takes
//!   six fields for seconds, `?` and `N/step`, and its errors name neither field nor token.
//! - What an accepted field means (its lists, ranges and steps as a set of numbers) is read by the
//!   `cron` crate (`parse`), with names already turned into numbers. Its weekdays are not used:
//!   there Sunday is 1 and a range cannot end in it.
//! - Stepping from fire to fire is ours (`fields`): the crate requires both day fields to match,
//!   keeps each field as a tree of numbers, where a few words of bits do, and takes the wall clock
//!   of the zone for its own: backwards in autumn, and without the lost hour's fire in spring.
//! - Wall clocks become instants by `jiff`'s zones (`fires`).
//! - Steps of the machine's own clock: [`clock`].

pub mod clock;
mod fields;
mod fires;
mod item;
mod parse;
#[cfg(test)]
mod tests;

use std::ops::Range;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use fields::Fields;
pub use fires::Fires;

/// The farthest a zone or a clock may step and be treated like a change to or from daylight
/// saving time. Beyond it, either way, fires are re-anchored: nothing is made up for.
pub const DST_REACH: SignedDuration = SignedDuration::from_hours(3);

/// When a job fires: an expression that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    expr: Box<str>,
    fields: Fields,
    wildcard: bool,
}

/// Of what is only run by hand, or in a flow. Ours: crontab(5) has no word for it.
pub const NEVER: &str = "@never";

/// Why an expression is refused: which field, which token, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CronError {
    /// One line; characters that would not print are escaped.
    pub message: String,
    /// The offending bytes of the expression, on character boundaries.
    pub span: Range<usize>,
}

impl Schedule {
    /// Accepts five fields or one of `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`,
    /// `@yearly`, `@annually`, as crontab(5) has them, and [`NEVER`]. Refuses everything else, and
    /// what could never fire without saying so.
    pub fn parse(expr: &str) -> Result<Schedule, CronError> {
        if expr.trim_ascii() == NEVER {
            return Ok(Schedule { expr: expr.into(), ..Schedule::never() });
        }
        let (fields, wildcard) = parse::parse(expr)?;
        Ok(Schedule { expr: expr.into(), fields, wildcard })
    }

    /// As written.
    pub fn expr(&self) -> &str {
        &self.expr
    }

    pub fn never() -> Schedule {
        Schedule { expr: NEVER.into(), fields: Fields::NONE, wildcard: false }
    }

    /// Whether it has no fire by what it says.
    pub fn is_never(&self) -> bool {
        self.fields == Fields::NONE
    }

    /// Whether the minute or the hour field begins with `*`. Such a schedule follows elapsed
    /// time: it fires at every real minute whose wall clock matches, in a repeated hour both
    /// times. Any other keeps its appointments: each wall minute counts once, and one the clock
    /// has jumped over fires right after the jump.
    pub fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// What is allowed but probably not meant, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.is_never() && self.fields.needs_both_days() {
            warnings.push(
                "day of month and weekday must both match, because one of them begins with `*`; \
                 two restricted day fields fire when either matches"
                    .to_string(),
            );
        }
        warnings
    }

    /// The first fire strictly after `after`. `None` if there is none within the 41 years in
    /// which every weekday meets a February 29 (a wildcard schedule whose only minutes fall into
    /// the gaps of its zone), or if time ends before.
    pub fn next_after(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        if self.is_never() {
            return None;
        }
        fires::next(self, zone, after)
    }

    /// All fires after `after` up to and including `until`. Exact, and cheap over any span: it
    /// counts by months and by changes of the zone, not by fires.
    pub fn fires_between(
        &self,
        zone: &TimeZone,
        after: Timestamp,
        until: Timestamp,
    ) -> Option<Fires> {
        if self.is_never() {
            return None;
        }
        fires::between(self, zone, after, until)
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

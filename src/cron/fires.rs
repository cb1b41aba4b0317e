//! Wall minutes -> instants: the fires of a schedule in a zone.
//!
//! Real time is walked in passages, the stretches between two changes of the zone's offset. Within
//! one each wall minute comes exactly once. What happens between two is the rule of crontab(5) on
//! Debian: a wildcard schedule fires at every minute that comes and matches. A fixed one counts
//! each wall minute once: it fires when a matching one lies above the highest reached before, so
//! that a jump forward makes up, at its end, for all it skipped with one fire, and a repeated hour
//! passes without any.
//!
//! A zone that moves by more than [`DST_REACH`] (Samoa leaving out a whole day in 2011) is
//! re-anchored: the highest minute reached is forgotten and the new wall clock counts as it comes.
//!
//! Minutes begin when the zone's wall clock begins them; since 1972 no zone's differ from UTC's.

use std::ops::Range;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneFollowingTransitions};

use super::{DST_REACH, Schedule};

/// A weekday meets February 29 again within 40 years, across a year like 2100.
const HORIZON_SECONDS: i64 = 41 * 366 * 86_400;

/// Offsets change seldom: only a change this recent can have left the wall clock behind the
/// highest minute it had reached.
const RECENT_SECONDS: i64 = 86_400;

/// The fires of a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fires {
    pub first: Timestamp,
    pub last: Timestamp,
    /// At least 1.
    pub count: u64,
}

impl Fires {
    /// A single one.
    pub fn once(at: Timestamp) -> Fires {
        Fires { first: at, last: at, count: 1 }
    }
}

pub(super) fn next(schedule: &Schedule, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let after = whole_seconds(after);
    Passages::new(schedule, zone, after, after + HORIZON_SECONDS)
        .find_map(|passage| passage.instant(passage.first(schedule)?))
}

pub(super) fn between(
    schedule: &Schedule,
    zone: &TimeZone,
    after: Timestamp,
    until: Timestamp,
) -> Option<Fires> {
    let passages = Passages::new(schedule, zone, whole_seconds(after), whole_seconds(until));
    passages.filter_map(|passage| passage.fires(schedule)).reduce(|sum, more| Fires {
        last: more.last,
        count: sum.count + more.count,
        ..sum
    })
}

/// A stretch of real time without a change of offset.
#[derive(Debug)]
struct Passage {
    /// The wall minutes that come, each once; never empty.
    minutes: Range<i64>,
    /// The least wall minute that counts: below `minutes.start` after a jump forward, above it in
    /// a repeated hour.
    counts_from: i64,
    /// Seconds east of UTC.
    offset: i64,
}

impl Passage {
    fn first(&self, schedule: &Schedule) -> Option<i64> {
        let found = schedule.fields.first(self.counts_from..self.minutes.end)?;
        Some(found.max(self.minutes.start))
    }

    fn fires(&self, schedule: &Schedule) -> Option<Fires> {
        let first = self.first(schedule)?;
        let after_first = first + 1..self.minutes.end;
        let last = schedule.fields.last(after_first.clone()).unwrap_or(first);
        Some(Fires {
            first: self.instant(first)?,
            last: self.instant(last)?,
            count: 1 + schedule.fields.count(after_first),
        })
    }

    fn instant(&self, minute: i64) -> Option<Timestamp> {
        Timestamp::from_second(minute * 60 - self.offset).ok()
    }
}

/// The passages after one instant up to and including another.
struct Passages<'z> {
    changes: TimeZoneFollowingTransitions<'z>,
    wildcard: bool,
    until: i64,
    /// Where the next passage begins: its first wall minute, what counts there, its offset.
    ahead: Option<(i64, i64, i64)>,
}

impl<'z> Passages<'z> {
    fn new(schedule: &Schedule, zone: &'z TimeZone, after: i64, until: i64) -> Self {
        let here = clamped(after);
        let offset = i64::from(zone.to_offset(here).seconds());
        let first = minute_of(after + offset) + 1;
        let counts_from = if schedule.wildcard { first } else { highest_reached(zone, after) + 1 };
        Passages {
            changes: zone.following(here),
            wildcard: schedule.wildcard,
            until,
            ahead: Some((first, counts_from, offset)),
        }
    }
}

impl Iterator for Passages<'_> {
    type Item = Passage;

    fn next(&mut self) -> Option<Passage> {
        loop {
            let (first, counts_from, offset) = self.ahead.take()?;
            let limit = minute_of(self.until + offset) + 1;
            let change = self.changes.next();
            let end = change.as_ref().map_or(limit, |change| {
                let at = whole_seconds(change.timestamp());
                let new_offset = i64::from(change.offset().seconds());
                let end = minute_from(at + offset);
                let new_first = minute_from(at + new_offset);
                let like_dst = (new_offset - offset).abs() <= DST_REACH.as_secs();
                let counts_from =
                    if self.wildcard || !like_dst { new_first } else { counts_from.max(end) };
                if at <= self.until {
                    self.ahead = Some((new_first, counts_from, new_offset));
                }
                end.min(limit)
            });
            if first < end {
                return Some(Passage { minutes: first..end, counts_from, offset });
            }
        }
    }
}

/// The highest wall minute that had begun by `now`, since the last re-anchoring.
fn highest_reached(zone: &TimeZone, now: i64) -> i64 {
    let offset_at = |second| i64::from(zone.to_offset(clamped(second)).seconds());
    zone.preceding(clamped(now + 1))
        .map(|change| (whole_seconds(change.timestamp()), i64::from(change.offset().seconds())))
        .take_while(|(at, _)| *at >= now - RECENT_SECONDS)
        .map(|(at, offset)| (at + offset_at(at - 1), offset - offset_at(at - 1)))
        .take_while(|(_, step)| step.abs() <= DST_REACH.as_secs())
        .map(|(wall_before, _)| minute_from(wall_before) - 1)
        .fold(minute_of(now + offset_at(now)), i64::max)
}

fn whole_seconds(instant: Timestamp) -> i64 {
    instant.as_nanosecond().div_euclid(1_000_000_000) as i64
}

fn clamped(second: i64) -> Timestamp {
    let known = Timestamp::MIN.as_second()..=Timestamp::MAX.as_second();
    Timestamp::from_second(second.clamp(*known.start(), *known.end())).unwrap_or(Timestamp::MAX)
}

/// The minute a wall second lies in.
fn minute_of(wall: i64) -> i64 {
    wall.div_euclid(60)
}

/// The first minute that begins at a wall second or after it.
fn minute_from(wall: i64) -> i64 {
    minute_of(wall + 59)
}

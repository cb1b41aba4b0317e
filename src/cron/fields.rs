//! The five fields as sets, and the search among wall minutes.
//!
//! A wall minute is a minute of the calendar, counted from 1970-01-01 00:00 whatever the zone;
//! this file knows neither zones nor instants.

use std::ops::Range;

use jiff::SignedDuration;
use jiff::civil::Date;

const MINUTES_PER_DAY: i64 = 24 * 60;

/// Bit n of a set stands for the value n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields {
    pub minutes: u64,
    pub hours: u32,
    /// Bits 1 to 31.
    pub days: u32,
    /// Bits 1 to 12.
    pub months: u16,
    /// Bit 0 is Sunday.
    pub weekdays: u8,
    /// A match of either day field fires; else both must match.
    pub either_day: bool,
}

const ALL_DAYS: u32 = !1;
const ALL_WEEKDAYS: u8 = 0x7f;

impl Fields {
    /// Matches nothing.
    pub const NONE: Fields =
        Fields { minutes: 0, hours: 0, days: 0, months: 0, weekdays: 0, either_day: false };

    /// Both day fields are restricted, and yet both must match.
    pub fn needs_both_days(&self) -> bool {
        !self.either_day && self.days != ALL_DAYS && self.weekdays != ALL_WEEKDAYS
    }

    /// Whether some year has a day that matches. In the course of the calendar each date meets
    /// each weekday, so only the length of the months can rule a date out.
    pub fn can_fire(&self) -> bool {
        let date_exists = |month: u32| {
            let longest = Date::constant(2024, month as i8, 1).days_in_month();
            self.months & 1 << month != 0 && self.days & days_up_to(longest) != 0
        };
        self.either_day || (1..=12).any(date_exists)
    }

    /// The first matching wall minute in the range.
    pub fn first(&self, within: Range<i64>) -> Option<i64> {
        let (today, minute) = split(within.start);
        let mut month = Month::of(today)?;
        let mut days = self.days_in(&month) & !0 << (today - month.start);
        if days & 1 << (today - month.start) != 0
            && let Some(found) = self.first_in_day(minute)
        {
            return Some(at(today, found)).filter(|found| within.contains(found));
        }
        days &= !1 << (today - month.start);
        while at(month.start, 0) < within.end {
            if days != 0 {
                let day = month.start + i64::from(days.trailing_zeros());
                return Some(at(day, self.first_in_day(0)?)).filter(|m| within.contains(m));
            }
            month = month.next()?;
            days = self.days_in(&month);
        }
        None
    }

    /// The last matching wall minute in the range.
    pub fn last(&self, within: Range<i64>) -> Option<i64> {
        let (today, minute) = split(within.end);
        let mut month = Month::of(today)?;
        let mut days = self.days_in(&month) & !(!0 << (today - month.start));
        if self.matches_day(&month, today)
            && let Some(found) = self.last_before(minute)
        {
            return Some(at(today, found)).filter(|found| within.contains(found));
        }
        while at(month.end(), 0) > within.start {
            if days != 0 {
                let day = month.start + i64::from(days.ilog2());
                let found = at(day, self.last_before(MINUTES_PER_DAY)?);
                return Some(found).filter(|found| within.contains(found));
            }
            month = month.previous()?;
            days = self.days_in(&month);
        }
        None
    }

    /// How many wall minutes in the range match.
    pub fn count(&self, within: Range<i64>) -> u64 {
        if within.is_empty() {
            return 0;
        }
        let (first_day, first_minute) = split(within.start);
        let (end_day, end_minute) = split(within.end);
        let Some(mut month) = Month::of(first_day) else { return 0 };
        let mut days = self.days_in(&month) & !0 << (first_day - month.start);
        let mut whole_days = 0;
        let before =
            if self.matches_day(&month, first_day) { self.count_before(first_minute) } else { 0 };
        while month.end() <= end_day {
            whole_days += u64::from(days.count_ones());
            let Some(next) = month.next() else { break };
            month = next;
            days = self.days_in(&month);
        }
        let left = (end_day - month.start).clamp(0, 31);
        whole_days += u64::from((days & !(!0 << left)).count_ones());
        let rest =
            if self.matches_day(&month, end_day) { self.count_before(end_minute) } else { 0 };
        whole_days * self.count_before(MINUTES_PER_DAY) + rest - before
    }

    /// Bit n stands for day n of the month counted from 0.
    fn days_in(&self, month: &Month) -> u32 {
        if self.months & 1 << month.number() == 0 {
            return 0;
        }
        let length = month.length();
        // The set of weekdays six times over, turned so that bit 0 is the month's first day.
        let weekdays = (0..6).fold(0u64, |all, week| all | u64::from(self.weekdays) << (7 * week));
        let weekdays = (weekdays >> month.first_weekday()) as u32;
        let days = self.days >> 1;
        let both = if self.either_day { days | weekdays } else { days & weekdays };
        both & days_up_to(length) >> 1
    }

    fn matches_day(&self, month: &Month, day: i64) -> bool {
        self.days_in(month) & 1 << (day - month.start) != 0
    }

    /// The first matching minute of a day from `minute` on.
    fn first_in_day(&self, minute: i64) -> Option<i64> {
        let (hour, minute) = (minute / 60, minute % 60);
        let rest = self.minutes & !0 << minute;
        if self.hours & 1 << hour != 0 && rest != 0 {
            return Some(hour * 60 + i64::from(rest.trailing_zeros()));
        }
        let hours = self.hours & !1 << hour;
        (hours != 0).then(|| {
            i64::from(hours.trailing_zeros()) * 60 + i64::from(self.minutes.trailing_zeros())
        })
    }

    /// The last matching minute of a day before `minute`, at most 24:00.
    fn last_before(&self, minute: i64) -> Option<i64> {
        let (hour, minute) = (minute / 60, minute % 60);
        let rest = self.minutes & !(!0 << minute);
        if self.hours & 1 << hour != 0 && rest != 0 {
            return Some(hour * 60 + i64::from(rest.ilog2()));
        }
        let hours = self.hours & !(!0 << hour);
        (hours != 0).then(|| i64::from(hours.ilog2()) * 60 + i64::from(self.minutes.ilog2()))
    }

    /// How many matching minutes a day has before `minute`, at most 24:00.
    fn count_before(&self, minute: i64) -> u64 {
        let (hour, minute) = (minute / 60, minute % 60);
        let hours = self.hours & !(!0 << hour);
        let rest = match self.hours & 1 << hour {
            0 => 0,
            _ => (self.minutes & !(!0 << minute)).count_ones(),
        };
        u64::from(hours.count_ones() * self.minutes.count_ones() + rest)
    }
}

/// Bits 1 to `length`.
fn days_up_to(length: i8) -> u32 {
    ALL_DAYS >> (31 - length) & ALL_DAYS
}

fn split(minute: i64) -> (i64, i64) {
    (minute.div_euclid(MINUTES_PER_DAY), minute.rem_euclid(MINUTES_PER_DAY))
}

fn at(day: i64, minute: i64) -> i64 {
    day * MINUTES_PER_DAY + minute
}

/// A month of the calendar; days are counted from 1970-01-01.
struct Month {
    first: Date,
    start: i64,
}

impl Month {
    /// The month a day lies in; `None` outside the years that `jiff` knows.
    fn of(day: i64) -> Option<Month> {
        let since_epoch = SignedDuration::from_hours(day.checked_mul(24)?);
        let date = Date::constant(1970, 1, 1).checked_add(since_epoch).ok()?;
        Some(Month { first: date.first_of_month(), start: day - i64::from(date.day() - 1) })
    }

    fn next(&self) -> Option<Month> {
        let (year, month) = match self.first.month() {
            12 => (self.first.year() + 1, 1),
            month => (self.first.year(), month + 1),
        };
        Some(Month { first: Date::new(year, month, 1).ok()?, start: self.end() })
    }

    fn previous(&self) -> Option<Month> {
        let (year, month) = match self.first.month() {
            1 => (self.first.year() - 1, 12),
            month => (self.first.year(), month - 1),
        };
        let first = Date::new(year, month, 1).ok()?;
        Some(Month { first, start: self.start - i64::from(first.days_in_month()) })
    }

    /// The first day of the next month.
    fn end(&self) -> i64 {
        self.start + i64::from(self.length())
    }

    fn length(&self) -> i8 {
        self.first.days_in_month()
    }

    fn number(&self) -> i8 {
        self.first.month()
    }

    /// 0 is Sunday.
    fn first_weekday(&self) -> i8 {
        self.first.weekday().to_sunday_zero_offset()
    }
}

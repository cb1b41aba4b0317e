//! When something is due, worked out minute by minute and without anything of Loom's.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub const MINUTE: i64 = 60_000;

/// A schedule of the tests' simple kind: stars, numbers, lists and `*/n`, day fields not both
/// restricted.
pub struct Rule {
    fields: [Option<BTreeSet<i8>>; 5],
    zone: TimeZone,
    never: bool,
}

impl Rule {
    pub fn parse(schedule: &str, timezone: Option<&str>) -> Rule {
        let zone = timezone.map_or_else(TimeZone::system, |name| TimeZone::get(name).unwrap());
        let never = schedule == "@never";
        let schedule = match schedule {
            "@never" => "* * * * *",
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            fields => fields,
        };
        let words: Vec<&str> = schedule.split_whitespace().collect();
        assert_eq!(words.len(), 5, "{schedule}");
        let spans = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];
        let field = |at: usize| {
            let (from, to): (i8, i8) = spans[at];
            let step = |text: &str| text.parse::<usize>().unwrap_or_else(|e| panic!("{text}: {e}"));
            match words[at] {
                "*" => None,
                word => Some(match word.strip_prefix("*/") {
                    Some(by) => (from..=to).step_by(step(by)).collect(),
                    None => word.split(',').map(|number| step(number) as i8).collect(),
                }),
            }
        };
        Rule { fields: std::array::from_fn(field), zone, never }
    }

    pub fn is_due(&self, millis: i64) -> bool {
        if self.never || millis % MINUTE != 0 {
            return false;
        }
        let Ok(at) = Timestamp::from_millisecond(millis) else { return false };
        let wall = self.zone.to_datetime(at);
        let weekday = wall.weekday().to_sunday_zero_offset();
        let values = [wall.minute(), wall.hour(), wall.day(), wall.month(), weekday];
        let holds = |(field, value): (&Option<BTreeSet<i8>>, i8)| {
            field.as_ref().is_none_or(|set| set.contains(&value))
        };
        self.fields.iter().zip(values).all(holds)
    }

    /// Due instants in (after, through].
    pub fn due(&self, after: i64, through: i64) -> impl Iterator<Item = i64> {
        let first = after.div_euclid(MINUTE) * MINUTE + MINUTE;
        let through = if self.never { first - 1 } else { through };
        (first..=through).step_by(MINUTE as usize).filter(|at| self.is_due(*at))
    }

    /// How many there are.
    pub fn count(&self, after: i64, through: i64) -> i64 {
        if !self.never && self.fields.iter().all(Option::is_none) {
            return through.div_euclid(MINUTE) - after.div_euclid(MINUTE);
        }
        self.due(after, through).count() as i64
    }
}

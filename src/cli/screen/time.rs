//! Times as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// `3m ago`, `in 2h`; a date when it is more than two weeks away.
pub fn ago(now: Timestamp, time: Timestamp) -> String {
    let seconds = time.duration_since(now).as_secs();
    let span = match seconds.unsigned_abs() as i64 {
        0 => return "now".to_owned(),
        s @ ..MINUTE => format!("{s}s"),
        s @ ..HOUR => format!("{}m", s / MINUTE),
        s if s < 2 * DAY => format!("{}h", s / HOUR),
        s if s < 14 * DAY => format!("{}d", s / DAY),
        _ => return time.to_zoned(TimeZone::system()).date().to_string(),
    };
    if seconds < 0 { format!("{span} ago") } else { format!("in {span}") }
}

/// Local time with its offset, to the second.
pub fn exact(time: Timestamp) -> String {
    time.to_zoned(TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// How long something took: `0.3s`, `42s`, `3m 04s`, `2h 05m`, `3d 4h`.
pub fn lasted(from: Timestamp, to: Timestamp) -> String {
    let millis = to.duration_since(from).as_millis().max(0) as i64;
    let seconds = millis / 1000;
    match seconds {
        ..10 => format!("{}.{}s", seconds, millis % 1000 / 100),
        s @ ..MINUTE => format!("{s}s"),
        s @ ..HOUR => format!("{}m {:02}s", s / MINUTE, s % MINUTE),
        s @ ..DAY => format!("{}h {:02}m", s / HOUR, s % HOUR / MINUTE),
        s => format!("{}d {}h", s / DAY, s % DAY / HOUR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    #[test]
    fn distances_are_told_in_their_largest_unit() {
        let now = at(1_800_000_000_000);
        for (seconds, expected) in [
            (0, "now"),
            (-1, "1s ago"),
            (59, "in 59s"),
            (-60, "1m ago"),
            (-3_599, "59m ago"),
            (7_200, "in 2h"),
            (-100_000, "27h ago"),
            (-172_800, "2d ago"),
            (86_400 * 13, "in 13d"),
        ] {
            let time = at(1_800_000_000_000 + seconds * 1000);
            assert_eq!(ago(now, time), expected);
        }
        let far = ago(now, at(1_600_000_000_000));
        assert!(far.starts_with("2020-09-1"), "{far}");
    }

    #[test]
    fn spans_are_told_as_precisely_as_they_are_short() {
        for (millis, expected) in [
            (0, "0.0s"),
            (-5, "0.0s"),
            (340, "0.3s"),
            (9_999, "9.9s"),
            (42_500, "42s"),
            (184_000, "3m 04s"),
            (7_500_000, "2h 05m"),
            (273_600_000, "3d 4h"),
        ] {
            assert_eq!(lasted(at(1_000_000), at(1_000_000 + millis)), expected);
        }
    }

    #[test]
    fn an_exact_time_can_be_read_again() {
        let time = at(1_800_000_000_000);
        assert_eq!(exact(time).parse::<Timestamp>().unwrap(), time);
    }
}

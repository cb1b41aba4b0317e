//! Points in time as they are written on the command line.

use jiff::civil::DateTime;
use jiff::{Span, Timestamp, Zoned};

/// `2h`, `1d 6h`: so long ago; or a time, which is local unless it has an offset.
pub fn since(text: &str) -> Result<Timestamp, String> {
    at(text, &Zoned::now())
}

fn at(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    let expected = || {
        format!(
            "{text:?} is no time; write 2h or 1d for so long ago, 2026-11-21, 2026-11-21T03:00 or \
                 2026-11-21T03:00:00+01:00"
        )
    };
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    if let Ok(wall) = text.parse::<DateTime>() {
        return now.time_zone().to_timestamp(wall).map_err(|_| expected());
    }
    let span: Span = text.parse().map_err(|_| expected())?;
    if span.is_negative() {
        return Err(expected());
    }
    now.checked_sub(span).map(|then| then.timestamp()).map_err(|_| expected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_how_long_ago() {
        let now: Zoned = "2026-11-21T12:00:00+01:00[Europe/Berlin]".parse().unwrap();
        for (text, expected) in [
            ("2h", "2026-11-21T09:00:00Z"),
            ("90m", "2026-11-21T09:30:00Z"),
            ("1d 2h", "2026-11-20T09:00:00Z"),
            ("2w", "2026-11-07T11:00:00Z"),
            // Over the end of summer time a day is a day.
            ("30d", "2026-10-22T10:00:00Z"),
            ("2026-11-21", "2026-11-20T23:00:00Z"),
            ("2026-11-21T03:00", "2026-11-21T02:00:00Z"),
            ("2026-11-21T03:00:00Z", "2026-11-21T03:00:00Z"),
        ] {
            assert_eq!(at(text, &now).unwrap().to_string(), expected, "{text}");
        }
        for wrong in ["", "yesterday", "-2h", "2", "2026-13-01"] {
            assert!(at(wrong, &now).is_err(), "{wrong}");
        }
    }
}

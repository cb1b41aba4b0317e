//! Points in time, as people write them.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::problem::{Error, Result};

/// RFC 3339. Without an offset, or without seconds, on the clock of `zone`; without a date, of the
/// day that it is there `now`.
pub fn parse(name: &str, text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    // The parsers read the beginning of what has an offset that is not one.
    let has_offset = text.ends_with(['Z', 'z']) || text.contains(['+', '[']);
    let here = if has_offset { None } else { on_the_clock(text, zone, now) };
    here.map(|at| at.timestamp()).ok_or_else(|| {
        Error::invalid(format!(
            "{name} is a time like 2026-11-20T02:00:00Z, 2026-11-20T02:00 or 02:00, not {text:?} \
             (in a URL, `+` is written %2B)"
        ))
    })
}

fn on_the_clock(text: &str, zone: &TimeZone, now: Timestamp) -> Option<Zoned> {
    let when = match text.parse::<DateTime>() {
        // A date alone is no time.
        Ok(when) if text.contains(':') => when,
        Ok(_) | Err(_) => {
            let time = text.parse::<Time>().ok().filter(|_| text.contains(':'))?;
            zone.to_datetime(now).date().to_datetime(time)
        }
    };
    zone.to_zoned(when).ok()
}

/// RFC 3339, and nothing else.
pub fn timestamp(name: &str, text: &Option<String>) -> Result<Option<Timestamp>> {
    let Some(text) = text else { return Ok(None) };
    text.trim().parse().map(Some).map_err(|_| {
        Error::invalid(format!(
            "{name} is a time like 2026-11-20T02:00:00Z, not {text:?} (in a URL, `+` is written \
             %2B)"
        ))
    })
}

/// On the clock of `zone`, for people: to the second only where that says something.
pub fn show(at: Timestamp, zone: &TimeZone) -> String {
    let here = at.to_zoned(zone.clone());
    let format = if here.second() == 0 { "%Y-%m-%d %H:%M %Z" } else { "%Y-%m-%d %H:%M:%S %Z" };
    here.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let now = "2026-07-01T22:30:00Z".parse().unwrap();
        parse("at", text, &zone, now).ok().map(|at| at.to_string())
    }

    #[test]
    fn what_has_no_offset_is_read_in_the_zone() {
        let two = Some("2026-11-20T01:00:00Z".to_owned());
        for text in ["2026-11-20T02:00:00+01:00", "2026-11-20T02:00", "2026-11-20 02:00:00"] {
            assert_eq!(read(text), two, "{text}");
        }
        assert_eq!(read("2026-11-20T01:00:00Z"), two);
        assert_eq!(read("2026-07-01T02:00").as_deref(), Some("2026-07-01T00:00:00Z"));
        // It is the next day there already.
        assert_eq!(read("02:00").as_deref(), Some("2026-07-02T00:00:00Z"));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "2026-11-20", "yesterday", "2026-13-01T00:00", "25:00", "7", "0200"] {
            assert_eq!(read(text), None, "{text}");
        }
        // A `+` that became a blank.
        assert_eq!(read("2026-11-20T02:00:00 01:00"), None);
        assert_eq!(read("2026-11-20T02:00:00+99:00"), None);
    }

    #[test]
    fn seconds_are_shown_where_there_are_some() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| show(text.parse().unwrap(), &zone);
        assert_eq!(at("2026-11-20T01:00:00Z"), "2026-11-20 02:00 CET");
        assert_eq!(at("2026-07-01T00:00:07.5Z"), "2026-07-01 02:00:07 CEST");
    }
}

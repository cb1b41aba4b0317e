//! Spans of the clock that something is counted in: how long they may be, and how many.

use super::problem::{Error, Result};

/// Without parameters: a day in quarters of an hour.
const HOURS: i64 = 24;
const STEP: i64 = 900;

const MOST_HOURS: i64 = 7 * 24;
const MOST_SPANS: i64 = 1000;

/// Both checked: hours, and seconds to a span.
pub fn spans(hours: Option<i64>, step: Option<i64>) -> Result<(i64, i64)> {
    let hours = match hours.unwrap_or(HOURS) {
        hours @ 1..=MOST_HOURS => hours,
        hours => {
            return Err(Error::invalid(format!("hours is from 1 to {MOST_HOURS}, not {hours}")));
        }
    };
    let (least, most) = ((hours * 3600 / MOST_SPANS + 1).max(60), hours * 3600);
    let step = step.unwrap_or(STEP);
    if !(least..=most).contains(&step) {
        let why = format!("step is from {least} to {most} seconds for {hours} hours, not {step}");
        return Err(Error::invalid(why));
    }
    Ok((hours, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_neither_too_many_nor_too_short() {
        assert_eq!(spans(None, None).unwrap(), (24, 900));
        for (hours, step) in [(24, 900), (1, 60), (1, 3600), (168, 900), (16, 60)] {
            assert!(spans(Some(hours), Some(step)).is_ok(), "{hours} {step}");
        }
        for (hours, step) in
            [(0, 900), (169, 900), (24, 60), (1, 59), (1, 0), (1, 3601), (1, i64::MAX)]
        {
            let refused = spans(Some(hours), Some(step)).unwrap_err();
            assert_eq!(refused.0.status, 400, "{hours} {step}");
        }
        let said = spans(Some(24), Some(60)).unwrap_err().0.detail;
        assert_eq!(said, "step is from 87 to 86400 seconds for 24 hours, not 60");
    }
}

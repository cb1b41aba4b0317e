//! Which part of a body is asked for (RFC 9110, 14): one range of bytes.

/// What a `Range` header comes to, for a body of so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// There is none, or it is one of those that may be passed over: of several parts, of other
    /// units, or not understood.
    Whole,
    /// From one byte to the one behind the last.
    Part(u64, u64),
    /// There is nothing where it begins.
    Beyond,
}

impl Range {
    pub fn of(header: &str, size: u64) -> Range {
        parse(header, size).unwrap_or(Range::Whole)
    }
}

fn parse(header: &str, size: u64) -> Option<Range> {
    let (unit, range) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let (from, to) = if first.is_empty() {
        let wanted = number(last)?;
        (if wanted == 0 { size } else { size.saturating_sub(wanted) }, size)
    } else {
        let first = number(first)?;
        let last = if last.is_empty() { u64::MAX } else { number(last)? };
        if last < first {
            return None;
        }
        (first, size.min(last.saturating_add(1)))
    };
    Some(if from < size { Range::Part(from, to) } else { Range::Beyond })
}

/// One that is too great is as good as the greatest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::Range::{Beyond, Part, Whole};
    use super::*;

    #[test]
    fn a_range_is_within_the_body() {
        for (header, range) in [
            ("bytes=0-0", Part(0, 1)),
            ("bytes=2-5", Part(2, 6)),
            ("Bytes= 2-", Part(2, 10)),
            ("bytes=9-9", Part(9, 10)),
            ("bytes=5-99999999999999999999999", Part(5, 10)),
            ("bytes=-3", Part(7, 10)),
            ("bytes=-30", Part(0, 10)),
        ] {
            assert_eq!(Range::of(header, 10), range, "{header}");
        }
    }

    #[test]
    fn what_begins_beyond_the_end_is_refused() {
        for header in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(Range::of(header, 10), Beyond, "{header}");
        }
        assert_eq!(Range::of("bytes=0-", 0), Beyond);
        assert_eq!(Range::of("bytes=-5", 0), Beyond);
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "lines=0-5",
            "bytes=5-2",
            "bytes=0-1,3-4",
            "bytes=+1-2",
            "bytes=a-b",
            "bytes=0x1-2",
            "bytes=1--2",
        ] {
            assert_eq!(Range::of(header, 10), Whole, "{header}");
        }
    }
}

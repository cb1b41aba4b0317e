//! The traps of zones: gaps and repeated hours wherever they lie, days left out, far dates.

use jiff::tz::TimeZone;

use super::{at, fires, schedule, zone};

struct Case {
    zone: &'static str,
    expr: &'static str,
    after: &'static str,
    fires: &'static [&'static str],
}

const CASES: &[Case] = &[
    // Berlin leaves 02:00-03:00 out: a fixed job makes up for it once, a wildcard job not at all.
    Case {
        zone: "Europe/Berlin",
        expr: "30 2 * * *",
        after: "2026-03-28T12:00:00Z",
        fires: &["2026-03-29 03:00 +02:00", "2026-03-30 02:30 +02:00"],
    },
    Case {
        zone: "Europe/Berlin",
        expr: "0-59 2 * * *",
        after: "2026-03-29T00:59:00Z",
        fires: &["2026-03-29 03:00 +02:00", "2026-03-30 02:00 +02:00"],
    },
    Case {
        zone: "Europe/Berlin",
        expr: "0,30 2,3 * * *",
        after: "2026-03-29T00:59:00Z",
        fires: &["2026-03-29 03:00 +02:00", "2026-03-29 03:30 +02:00", "2026-03-30 02:00 +02:00"],
    },
    Case {
        zone: "Europe/Berlin",
        expr: "*/30 2 * * *",
        after: "2026-03-29T00:00:00Z",
        fires: &["2026-03-30 02:00 +02:00"],
    },
    Case {
        zone: "Europe/Berlin",
        expr: "30 * * * *",
        after: "2026-03-29T00:00:00Z",
        fires: &["2026-03-29 01:30 +01:00", "2026-03-29 03:30 +02:00"],
    },
    // `0-23` is not `*`: the half hour left out is made up for.
    Case {
        zone: "Europe/Berlin",
        expr: "30 0-23 * * *",
        after: "2026-03-29T00:00:00Z",
        fires: &["2026-03-29 01:30 +01:00", "2026-03-29 03:00 +02:00", "2026-03-29 03:30 +02:00"],
    },
    // It repeats 02:00-03:00: a fixed job fires the first time, a wildcard job both times.
    Case {
        zone: "Europe/Berlin",
        expr: "30 2 * * *",
        after: "2026-10-24T12:00:00Z",
        fires: &["2026-10-25 02:30 +02:00", "2026-10-26 02:30 +01:00"],
    },
    Case {
        zone: "Europe/Berlin",
        expr: "30 0-23 * * *",
        after: "2026-10-25T00:00:00Z",
        fires: &["2026-10-25 02:30 +02:00", "2026-10-25 03:30 +01:00"],
    },
    Case {
        zone: "Europe/Berlin",
        expr: "*/30 2 * * *",
        after: "2026-10-24T12:00:00Z",
        fires: &[
            "2026-10-25 02:00 +02:00",
            "2026-10-25 02:30 +02:00",
            "2026-10-25 02:00 +01:00",
            "2026-10-25 02:30 +01:00",
            "2026-10-26 02:00 +01:00",
        ],
    },
    // Asked in the middle of the second passage.
    Case {
        zone: "Europe/Berlin",
        expr: "30 2 * * *",
        after: "2026-10-25T01:10:00Z",
        fires: &["2026-10-26 02:30 +01:00"],
    },
    // Gaps at midnight: the day of the skipped minute counts, and the day is not lost.
    Case {
        zone: "Africa/Cairo",
        expr: "0 0 * * *",
        after: "2026-04-23T12:00:00Z",
        fires: &["2026-04-24 01:00 +03:00", "2026-04-25 00:00 +03:00"],
    },
    Case {
        zone: "America/Havana",
        expr: "15 0 * * sun",
        after: "2026-03-07T12:00:00Z",
        fires: &["2026-03-08 01:00 -04:00", "2026-03-15 00:15 -04:00"],
    },
    // Cairo repeats the hour before midnight: the first of the month comes once.
    Case {
        zone: "Africa/Cairo",
        expr: "59 23 29 10 *",
        after: "2026-10-01T00:00:00Z",
        fires: &["2026-10-29 23:59 +03:00", "2027-10-29 23:59 +02:00"],
    },
    // Dublin's winter time is the negative one.
    Case {
        zone: "Europe/Dublin",
        expr: "30 1 * * *",
        after: "2026-03-28T12:00:00Z",
        fires: &["2026-03-29 02:00 +01:00", "2026-03-30 01:30 +01:00"],
    },
    Case {
        zone: "Europe/Dublin",
        expr: "30 1 * * *",
        after: "2026-10-24T12:00:00Z",
        fires: &["2026-10-25 01:30 +01:00", "2026-10-26 01:30 +00:00"],
    },
    // Lord Howe moves by half an hour.
    Case {
        zone: "Australia/Lord_Howe",
        expr: "0,15,45 2 * * *",
        after: "2026-10-03T12:00:00Z",
        fires: &["2026-10-04 02:30 +11:00", "2026-10-04 02:45 +11:00", "2026-10-05 02:00 +11:00"],
    },
    Case {
        zone: "Australia/Lord_Howe",
        expr: "45 1 * * *",
        after: "2026-04-04T12:00:00Z",
        fires: &["2026-04-05 01:45 +11:00", "2026-04-06 01:45 +10:30"],
    },
    // Samoa left out December 30, 2011: farther than daylight saving time reaches, nothing is
    // made up for, and midnight of the 31st counts as it comes.
    Case {
        zone: "Pacific/Apia",
        expr: "0 12 * * *",
        after: "2011-12-29T12:00:00Z",
        fires: &["2011-12-29 12:00 -10:00", "2011-12-31 12:00 +14:00"],
    },
    Case {
        zone: "Pacific/Apia",
        expr: "0 0 30,31 12 *",
        after: "2011-12-29T12:00:00Z",
        fires: &["2011-12-31 00:00 +14:00", "2012-12-30 00:00 +14:00"],
    },
    // Kwajalein moved the other way in 1969 and had September 30 twice: both count.
    Case {
        zone: "Pacific/Kwajalein",
        expr: "0 12 30 9 *",
        after: "1969-09-29T00:00:00Z",
        fires: &["1969-09-30 12:00 +11:00", "1969-09-30 12:00 -12:00"],
    },
    // February 29 with a weekday: 28 years as a rule, 40 across the year 2100.
    Case {
        zone: "Etc/UTC",
        expr: "0 0 29 2 */7",
        after: "2026-11-21T00:00:00Z",
        fires: &["2032-02-29 00:00 +00:00", "2060-02-29 00:00 +00:00", "2088-02-29 00:00 +00:00"],
    },
    Case {
        zone: "America/New_York",
        expr: "0 0 29 2 */7",
        after: "2088-03-01T00:00:00Z",
        fires: &["2128-02-29 00:00 -05:00"],
    },
    // Past the end of 32 bits.
    Case {
        zone: "Europe/Berlin",
        expr: "14,15 3 19 1 *",
        after: "2038-01-01T00:00:00Z",
        fires: &["2038-01-19 03:14 +01:00", "2038-01-19 03:15 +01:00"],
    },
    Case {
        zone: "Europe/Berlin",
        expr: "30 2 * * *",
        after: "2050-03-26T12:00:00Z",
        fires: &["2050-03-27 03:00 +02:00"],
    },
    // Either day field fires, unless one begins with a star.
    Case {
        zone: "Etc/UTC",
        expr: "0 0 13 * fri",
        after: "2026-11-10T00:00:00Z",
        fires: &["2026-11-13 00:00 +00:00", "2026-11-20 00:00 +00:00"],
    },
    Case {
        zone: "Etc/UTC",
        expr: "0 0 13 * */5",
        after: "2026-11-21T00:00:00Z",
        fires: &["2026-12-13 00:00 +00:00", "2027-06-13 00:00 +00:00"],
    },
    Case {
        zone: "Etc/UTC",
        expr: "0 0 13,*/5 * 5",
        after: "2026-11-21T00:00:00Z",
        fires: &["2026-11-26 00:00 +00:00", "2026-11-27 00:00 +00:00", "2026-12-01 00:00 +00:00"],
    },
];

#[test]
fn fires_in_zones() {
    for case in CASES {
        let fires = fires(case.expr, &zone(case.zone), case.after, case.fires.len());
        assert_eq!(fires, case.fires, "{} in {} after {}", case.expr, case.zone, case.after);
    }
}

#[test]
fn a_start_exactly_on_a_fire_waits_for_the_next() {
    let every_minute = schedule("* * * * *");
    let next = |after| every_minute.next_after(&TimeZone::UTC, at(after));
    assert_eq!(next("2026-11-21T03:00:00Z"), Some(at("2026-11-21T03:01:00Z")));
    assert_eq!(next("2026-11-21T02:59:59.999999999Z"), Some(at("2026-11-21T03:00:00Z")));
    assert_eq!(next("2026-11-21T03:00:00.000000001Z"), Some(at("2026-11-21T03:01:00Z")));
    assert_eq!(next("1969-12-31T23:59:59.5Z"), Some(at("1970-01-01T00:00:00Z")));
}

#[test]
fn a_schedule_that_lives_in_gaps_only_has_no_next() {
    // The last Sunday of March, at a minute that Berlin leaves out.
    let gap = schedule("*/30 2 25-31 3 */7");
    assert_eq!(gap.next_after(&zone("Europe/Berlin"), at("2026-11-21T00:00:00Z")), None);
    assert!(gap.next_after(&TimeZone::UTC, at("2026-11-21T00:00:00Z")).is_some());
}

#[test]
fn time_ends_quietly() {
    let every_minute = schedule("* * * * *");
    for name in ["Etc/UTC", "Pacific/Kiritimati", "America/Los_Angeles"] {
        let zone = zone(name);
        assert_eq!(every_minute.next_after(&zone, jiff::Timestamp::MAX), None, "{name}");
        every_minute.next_after(&zone, jiff::Timestamp::MIN);
        let all = every_minute.fires_between(&zone, jiff::Timestamp::MIN, jiff::Timestamp::MAX);
        assert!(all.is_some(), "{name}");
    }
}

#[test]
fn decades_are_counted_exactly() {
    let count = |expr, name| {
        let (from, to) = (at("2026-01-01T00:00:00Z"), at("2098-01-01T00:00:00Z"));
        schedule(expr).fires_between(&zone(name), from, to).map(|fires| fires.count)
    };
    let days = 72 * 365 + 18;
    assert_eq!(count("* * * * *", "Etc/UTC"), Some(days * 1440));
    assert_eq!(count("* * * * *", "Europe/Berlin"), Some(days * 1440));
    assert_eq!(count("30 2 * * *", "Europe/Berlin"), Some(days));
    assert_eq!(count("*/30 2 * * *", "Europe/Berlin"), Some(days * 2));
    assert_eq!(count("0 0 29 2 *", "Asia/Kolkata"), Some(18));
}

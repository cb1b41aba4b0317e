//! Cron expressions: whatever is written is refused, pointing at it, or fires in good time. That
//! what is accepted fires when it should is shown beside the module.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use loom::cron::Schedule;
use proptest::prelude::*;

use crate::meter::{KB, bounded};
use crate::mutate;
use crate::runner::fuzz;

const WORDS: &[&str] = &[
    "*",
    "*/",
    "/",
    "-",
    ",",
    " ",
    "\t",
    "\n",
    "0",
    "7",
    "59",
    "60",
    "31",
    "30",
    "29",
    "feb",
    "SUN",
    "sun-sat",
    "fri-sun",
    "jan-dec",
    "@daily",
    "@reboot",
    "@never",
    "@",
    "?",
    "L",
    "W",
    "#",
    "H",
    "~",
    "%",
    "1-5-9",
    "5/15",
    "99999999999999999999",
    "00",
    "+1",
    "-1",
    "1.5",
    "–",
    "٣",
    "\u{a0}",
    "0 0 29 2 *",
    "0 0 31 2 *",
    "* * * * *",
    "*/61",
    "*/0",
    "3-1",
    "\u{202e}",
    "\0",
];

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "America/Havana",
    "Africa/Cairo",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
];

fn read(text: &str, zone: &str, after: i64) {
    let memory = 64 * KB + 64 * text.len();
    let schedule = match bounded(&text, memory, || Schedule::parse(text)) {
        Ok(schedule) => schedule,
        Err(e) => {
            assert!(text.get(e.span.clone()).is_some(), "{e:?} points nowhere");
            assert!(!e.message.is_empty() && !e.message.contains(char::is_control), "{e:?}");
            return;
        }
    };
    assert_eq!(schedule.expr(), text);
    let zone = TimeZone::get(zone).unwrap();
    let after = Timestamp::from_second(after).unwrap();
    let input = (text, &zone, after);
    let first = bounded(&input, 512 * KB, || schedule.next_after(&zone, after));
    let Some(first) = first else { return };
    assert!(first > after);
    let Some(until) = after.checked_add(SignedDuration::from_hours(400 * 24)).ok() else { return };
    let fires = bounded(&input, 512 * KB, || schedule.fires_between(&zone, after, until));
    assert_eq!(fires.map(|fires| fires.first), Some(first).filter(|first| *first <= until));
    // A span is the sum of its parts, wherever it is cut.
    let Some(fires) = fires else { return };
    let middle = after + SignedDuration::from_secs((until - after).get_seconds() / 3);
    let parts = [(after, middle), (middle, until)];
    let parts = parts.map(|(from, to)| schedule.fires_between(&zone, from, to));
    assert_eq!(parts.iter().flatten().map(|part| part.count).sum::<u64>(), fires.count);
    assert_eq!(parts.iter().flatten().last().map(|part| part.last), Some(fires.last));
}

fn valid() -> impl Strategy<Value = String> {
    let field = "\\*|\\*/[1-9]|[0-9]|1[0-2]|[1-3]-[4-6]|1-6/2|[1-3],[4-6]";
    prop_oneof![
        4 => prop::collection::vec(field, 5).prop_map(|fields| fields.join(" ")),
        1 => prop::sample::select(vec!["@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@never"])
            .prop_map(str::to_owned),
    ]
}

/// Most of them where zones change their offsets; some at the ends of time.
fn instant() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => 0i64..4_102_444_800,
        1 => Timestamp::MIN.as_second()..Timestamp::MIN.as_second() + 100_000_000,
        1 => Timestamp::MAX.as_second() - 100_000_000..Timestamp::MAX.as_second(),
    ]
}

#[test]
fn mutated_expressions_are_refused_or_fire() {
    let input = (mutate::text(valid(), WORDS), prop::sample::select(&ZONES[..]), instant());
    fuzz(input, |(text, zone, after)| read(&text, zone, after));
}

#[test]
fn random_expressions_are_refused_or_fire() {
    let words = prop::collection::vec(prop::sample::select(WORDS), 0..12);
    let words = words.prop_map(|words| words.concat());
    let text = prop_oneof![words, "[0-9*/, -]{0,30}", "(?s:.{0,30})"];
    fuzz((text, prop::sample::select(&ZONES[..]), instant()), |(text, zone, after)| {
        read(&text, zone, after);
    });
}

#[test]
fn expressions_made_to_hurt() {
    let list = (0..20_000).map(|n| (n % 60).to_string()).collect::<Vec<_>>().join(",");
    for text in [
        "",
        "     ",
        "\0 \0 \0 \0 \0",
        "0 0 30 2 *",
        "0 0 29 2 mon",
        "0 0 29 2 */7",
        "59 23 31 12 7",
        "* * * * * *",
        "@@daily",
        "@daily @daily",
        "@never",
        " @never\t",
        "@never @never",
        "99999999999999999999 * * * *",
        "*/99999999999999999999 * * * *",
        "0-99999999999999999999 * * * *",
        "1--2 * * * *",
        "1,,2 * * * *",
        ",1 * * * *",
        "1/ * * * *",
        "a\u{301} * * * *",
        &"*".repeat(20_000),
        &"* ".repeat(20_000),
        &format!("{list} * * * *"),
        &format!("* * * * {}", "sun-sat,".repeat(10_000)),
        &format!("* * * * {}mon", "mon,".repeat(10_000)),
        &format!("{}5 * * * *", "0".repeat(20_000)),
        &format!("@{}", "daily".repeat(20_000)),
    ] {
        // Reading it is what hurts; the zones are for what is accepted.
        let zones = if text.len() > 1000 { &ZONES[..1] } else { &ZONES };
        for zone in zones {
            read(text, zone, 1_700_000_000);
        }
    }
}

//! What the generators of [`naive`](super::naive) do not write: expressions that were changed at
//! random. Those that are accepted mean what a reader says that only splits and counts, and fire
//! when a look at every minute says so.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::super::Schedule;
use super::naive::{Expr, Field, MONTHS, WEEKDAYS, every_minute, expr, span};
use super::zone;

/// One field of an accepted expression, by a reader that trusts it.
fn read(text: &str, min: u32, max: u32, names: &[&str]) -> Field {
    let number = |text: &str| -> u32 {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        named.map_or_else(|| text.parse().unwrap(), |at| at as u32 + min)
    };
    let mut values = BTreeSet::new();
    for item in text.split(',') {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (min, max),
            Some((first, last)) => (number(first), number(last)),
            None => (number(range), number(range)),
        };
        // `fri-sun` ends in the other Sunday.
        let last = if first > last && last == 0 && max == 7 { 7 } else { last };
        values.extend((first..=last).step_by(step.parse().unwrap()));
    }
    Field { text: text.to_owned(), values }
}

fn meaning(text: &str) -> Expr {
    let nicknames = [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
    ];
    let plain = nicknames.iter().find(|(name, _)| *name == text.trim()).map_or(text, |(_, t)| t);
    let words: Vec<&str> = plain.split_ascii_whitespace().collect();
    let [minute, hour, day, month, weekday] = words[..] else { panic!("{text:?} is accepted") };
    let weekday = read(weekday, 0, 7, WEEKDAYS);
    Expr {
        minute: read(minute, 0, 59, &[]),
        hour: read(hour, 0, 23, &[]),
        day: read(day, 1, 31, &[]),
        month: read(month, 1, 12, MONTHS),
        weekday: Field { values: weekday.values.iter().map(|day| day % 7).collect(), ..weekday },
    }
}

/// A place, how many characters go there, and what comes.
type Change = (Index, usize, &'static str);

fn changed() -> impl Strategy<Value = String> {
    const PIECES: [&str; 24] = [
        "", "*", "*/2", "/", "-", ",", " ", "  ", "\t", "0", "7", "1", "9", "00", "sun", "FRI",
        "fri-sun", "feb", "0-6", "1-5/2", ",3", "@daily", "L", "~",
    ];
    let change = (any::<Index>(), 0usize..3, select(&PIECES[..]));
    let changes = prop::collection::vec(change, 1..4);
    (expr(), changes).prop_map(|(expr, changes): (Expr, Vec<Change>)| {
        let mut text: Vec<char> = expr.text().chars().collect();
        for (at, count, piece) in changes {
            let at = at.index(text.len() + 1);
            text.splice(at..(at + count).min(text.len()), piece.chars());
        }
        text.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_accepted_fires_as_a_simple_reader_says(
        text in changed(),
        (name, after, until) in span(),
    ) {
        let Ok(schedule) = Schedule::parse(&text) else { return Ok(()) };
        let (zone, expr) = (zone(name), meaning(&text));
        let expected = every_minute(&expr, &zone, after, until);

        let step = |after: &_| schedule.next_after(&zone, *after).filter(|fire| *fire <= until);
        let fires: BTreeSet<_> = std::iter::successors(step(&after), step).collect();
        let differing: Vec<_> = fires.symmetric_difference(&expected).collect();
        prop_assert!(differing.is_empty(), "{:?} in {}: {:?}", text, name, differing);

        let count = schedule.fires_between(&zone, after, until).map_or(0, |fires| fires.count);
        prop_assert_eq!(count, expected.len() as u64, "{:?} in {}", text, name);
    }
}

//! Properties: the module against an evaluator that looks at every minute, and against croner.
//!
//! The expressions are generated together with what they mean, so that the evaluator needs no
//! parser; its zones are jiff's wall clock, one minute after the other, as cron itself would see
//! them.

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;
use proptest::sample::select;

use super::{schedule, zone};

/// Breaking the rule for gaps, repeated hours or re-anchoring shows within some 400.
const CASES: u32 = 600;

/// So many, or as many more as PROPTEST_CASES asks for.
fn cases(least: u32) -> ProptestConfig {
    ProptestConfig::with_cases(least.max(ProptestConfig::default().cases))
}

const ZONES: [&str; 16] = [
    "Etc/UTC",
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Havana",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Dublin",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kwajalein",
];

/// One field as text and as what crontab(5) says it means.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub text: String,
    pub values: BTreeSet<u32>,
}

impl Field {
    fn starred(&self) -> bool {
        self.text.starts_with('*')
    }

    fn has(&self, value: i8) -> bool {
        self.values.contains(&(value as u32))
    }
}

#[derive(Debug, Clone)]
pub(super) struct Expr {
    pub minute: Field,
    pub hour: Field,
    pub day: Field,
    pub month: Field,
    pub weekday: Field,
}

impl Expr {
    pub fn text(&self) -> String {
        let Expr { minute, hour, day, month, weekday } = self;
        [minute, hour, day, month, weekday].map(|field| field.text.as_str()).join(" ")
    }

    fn matches(&self, wall: DateTime) -> bool {
        let day = self.day.has(wall.day());
        let weekday = self.weekday.has(wall.weekday().to_sunday_zero_offset());
        let day_matches = match self.day.starred() || self.weekday.starred() {
            true => day && weekday,
            false => day || weekday,
        };
        self.minute.has(wall.minute())
            && self.hour.has(wall.hour())
            && self.month.has(wall.month())
            && day_matches
    }
}

fn item(min: u32, max: u32, names: &'static [&'static str]) -> BoxedStrategy<Field> {
    let written = move |value: u32, named: bool| match names.get((value - min) as usize) {
        Some(name) if named => name.to_string(),
        _ => value.to_string(),
    };
    let range = move |a: u32, b: u32, named: bool| {
        let (first, last) = (a.min(b), a.max(b));
        (format!("{}-{}", written(first, named), written(last, named)), first, last)
    };
    let value = min..=max;
    prop_oneof![
        3 => (value.clone(), any::<bool>()).prop_map(move |(value, named)| Field {
            text: written(value, named),
            values: [value].into(),
        }),
        3 => (value.clone(), value.clone(), any::<bool>()).prop_map(move |(a, b, named)| {
            let (text, first, last) = range(a, b, named);
            Field { text, values: (first..=last).collect() }
        }),
        1 => (value.clone(), value.clone(), any::<bool>(), 1..=max).prop_map(
            move |(a, b, named, step)| {
                let (text, first, last) = range(a, b, named);
                Field {
                    text: format!("{text}/{step}"),
                    values: (first..=last).step_by(step as usize).collect(),
                }
            }
        ),
        1 => (1..=max).prop_map(move |step| Field {
            text: format!("*/{step}"),
            values: (min..=max).step_by(step as usize).collect(),
        }),
    ]
    .boxed()
}

fn all(min: u32, max: u32) -> Field {
    Field { text: "*".into(), values: (min..=max).collect() }
}

fn field(min: u32, max: u32, names: &'static [&'static str]) -> BoxedStrategy<Field> {
    let list = prop::collection::vec(item(min, max, names), 1..4).prop_map(|items| Field {
        text: items.iter().map(|item| item.text.as_str()).collect::<Vec<_>>().join(","),
        values: items.into_iter().flat_map(|item| item.values).collect(),
    });
    prop_oneof![1 => Just(all(min, max)), 3 => list].boxed()
}

pub(super) const MONTHS: &[&str] =
    &["jan", "Feb", "MAR", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
/// The last is what a range's end in Sunday stands for.
pub(super) const WEEKDAYS: &[&str] = &["Sun", "mon", "TUE", "wed", "thu", "fri", "sat"];

pub(super) fn expr() -> impl Strategy<Value = Expr> {
    // The hours that zones leave out and repeat come more often, and most days fire at all.
    let early = prop::collection::btree_set(0u32..4, 1..4).prop_map(|values| Field {
        text: values.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
        values,
    });
    let hour = prop_oneof![field(0, 23, &[]), early.boxed()];
    let often_all =
        |field: BoxedStrategy<Field>, all: Field| prop_oneof![3 => Just(all), 1 => field];
    let day = often_all(field(1, 31, &[]), all(1, 31));
    let month = often_all(field(1, 12, MONTHS), all(1, 12));
    let weekday = often_all(field(0, 7, WEEKDAYS), all(0, 7)).prop_map(|field| Field {
        values: field.values.into_iter().map(|value| value % 7).collect(),
        ..field
    });
    (field(0, 59, &[]), hour, day, month, weekday)
        .prop_map(|(minute, hour, day, month, weekday)| Expr { minute, hour, day, month, weekday })
        .prop_filter("can fire", |expr| super::super::Schedule::parse(&expr.text()).is_ok())
}

/// Cron as a loop over real minutes, as crontab(5) describes it.
pub(super) fn every_minute(
    expr: &Expr,
    zone: &TimeZone,
    after: Timestamp,
    until: Timestamp,
) -> BTreeSet<Timestamp> {
    const MINUTE: SignedDuration = SignedDuration::from_mins(1);
    let wildcard = expr.minute.starred() || expr.hour.starred();
    let warm_up = after.as_second().div_euclid(60) * 60 - 26 * 3600;
    let mut now = Timestamp::from_second(warm_up).unwrap();
    let mut last_wall = zone.to_datetime(now);
    let mut reached = last_wall;
    let mut fires = BTreeSet::new();
    loop {
        now += MINUTE;
        if now > until {
            return fires;
        }
        let wall = zone.to_datetime(now);
        let step = wall.duration_since(last_wall) - MINUTE;
        if step.abs() > SignedDuration::from_hours(3) {
            reached = wall - MINUTE;
        }
        let mut due = wildcard && expr.matches(wall);
        while reached < wall {
            reached += 1.minute();
            due |= !wildcard && expr.matches(reached);
        }
        if due && now > after {
            fires.insert(now);
        }
        last_wall = wall;
    }
}

/// A span of some hours, more often than not around a change of the zone's offset.
pub(super) fn span() -> impl Strategy<Value = (&'static str, Timestamp, Timestamp)> {
    let dates = 157_766_400i64..3_155_760_000; // 1975 to 2070
    (select(&ZONES[..]), dates, -6i64 * 3600..2 * 3600, prop::bool::weighted(0.9)).prop_map(
        |(name, date, lead, at_change)| {
            let date = Timestamp::from_second(date).unwrap();
            let change = zone(name).following(date).next().map(|change| change.timestamp());
            let centre = change.filter(|_| at_change).unwrap_or(date);
            let after = centre + SignedDuration::from_secs(lead);
            (name, after, after + SignedDuration::from_hours(9))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..cases(CASES) })]

    #[test]
    fn fires_are_those_of_a_look_at_every_minute(expr in expr(), (name, after, until) in span()) {
        let (zone, text) = (zone(name), expr.text());
        let schedule = schedule(&text);
        let expected = every_minute(&expr, &zone, after, until);

        let step = |after: &Timestamp| schedule.next_after(&zone, *after).filter(|fire| *fire <= until);
        let fires: BTreeSet<_> = std::iter::successors(step(&after), step).collect();
        let differing: Vec<_> = fires.symmetric_difference(&expected).collect();
        prop_assert!(differing.is_empty(), "{} in {}: {:?}", text, name, differing);

        let between = schedule.fires_between(&zone, after, until);
        let summary = between.map(|fires| (fires.first, fires.last, fires.count as usize));
        let first_and_last = expected.first().zip(expected.last());
        prop_assert_eq!(summary, first_and_last.map(|(a, b)| (*a, *b, expected.len())));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..cases(512) })]

    /// croner agrees in UTC where its day rule does: it asks for either day field as soon as both
    /// are restricted, also where one begins with a star. `sun-sun` is the whole week to it.
    #[test]
    fn fires_in_utc_are_those_of_croner(expr in expr(), date in 0i64..3_155_760_000) {
        let both_restricted = expr.day.text != "*" && expr.weekday.text != "*";
        prop_assume!(!both_restricted || !(expr.day.starred() || expr.weekday.starred()));
        let text = expr.text();
        prop_assume!(!text.contains("Sun-Sun"));
        let oracle: croner::Cron = text.parse().expect(&text);
        let schedule = schedule(&text);
        let mut now = Timestamp::from_second(date).unwrap();
        let mut wall = TimeZone::UTC.to_datetime(now);
        for _ in 0..10 {
            let Some(next) = schedule.next_after(&TimeZone::UTC, now) else { break };
            wall = oracle.find_next_occurrence(&wall, false).unwrap();
            prop_assert_eq!(TimeZone::UTC.to_datetime(next), wall, "{}", text);
            now = next;
        }
    }
}

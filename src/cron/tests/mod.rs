//! Tables for what crontab(5) accepts and refuses and for each trap of zones and clocks;
//! properties against an evaluator that shares no code with the module ([`naive`], [`mutated`]).

mod clock;
mod mutated;
mod naive;
mod refusals;
mod zones;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Schedule;

fn schedule(expr: &str) -> Schedule {
    Schedule::parse(expr).unwrap_or_else(|error| panic!("{expr:?} refused: {error}"))
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a zone of the bundled database")
}

fn at(instant: &str) -> Timestamp {
    instant.parse().expect("an instant")
}

/// The next fires as local times with offset.
fn fires(expr: &str, zone: &TimeZone, after: &str, count: usize) -> Vec<String> {
    let schedule = schedule(expr);
    let step = |after: &Timestamp| schedule.next_after(zone, *after);
    std::iter::successors(step(&at(after)), step)
        .take(count)
        .map(|fire| fire.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %:z").to_string())
        .collect()
}

#[test]
fn what_is_never_due_has_no_fires_and_keeps_its_text() {
    for expr in ["@never", " @never\n"] {
        let never = schedule(expr);
        assert_eq!((never.expr(), never.is_never()), (expr, true));
        assert_eq!(never.next_after(&zone("UTC"), at("2026-02-01T00:00:00Z")), None);
        let year = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
        assert_eq!(never.fires_between(&zone("Europe/Berlin"), year.0, year.1), None);
        assert!(never.warnings().is_empty());
    }
    assert!(!schedule("0 0 29 2 *").is_never());
}

#[test]
fn an_expression_travels_as_its_text() {
    let daily = schedule("@daily");
    assert_eq!(daily.expr(), "@daily");
    assert_eq!(serde_json::to_string(&daily).unwrap(), r#""@daily""#);
    assert_eq!(serde_json::from_str::<Schedule>(r#""@daily""#).unwrap(), daily);
    let error = serde_json::from_str::<Schedule>(r#""61 * * * *""#).unwrap_err();
    assert!(error.to_string().contains("minute: 61"), "{error}");
}

#[test]
fn two_thousand_schedules_are_small() {
    assert!(size_of::<Schedule>() <= 48);
}

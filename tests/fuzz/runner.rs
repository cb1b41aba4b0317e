//! Runs a property for a number of cases, or for its share of a time.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};

/// As many as there are `#[test]`s that call [`fuzz`]; each has an equal share of the time.
const PROPERTIES: u32 = 18;

/// Panics with the smallest input found that breaks the property.
pub fn fuzz<S: Strategy>(input: S, property: impl Fn(S::Value))
where
    S::Value: Debug,
{
    let end = share().map(|share| Instant::now() + share);
    loop {
        // The number of cases is of the environment.
        let config = Config { failure_persistence: None, ..Config::default() };
        let outcome = TestRunner::new(config).run(&input, |value| {
            property(value);
            Ok(())
        });
        if let Err(e) = outcome {
            panic!("{e}");
        }
        if end.is_none_or(|end| Instant::now() >= end) {
            return;
        }
    }
}

fn share() -> Option<Duration> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let seconds = Duration::from_secs(number("LOOM_FUZZ_SECONDS")?.into());
    let threads = number("RUST_TEST_THREADS").unwrap_or(1);
    Some(seconds * threads / PROPERTIES)
}

#[test]
fn all_properties_are_counted() {
    let rooms = [
        include_str!("cron.rs"),
        include_str!("frames.rs"),
        include_str!("hostsets.rs"),
        include_str!("manifests.rs"),
        include_str!("paths.rs"),
        include_str!("settings.rs"),
        include_str!("tasks.rs"),
    ];
    let calls: usize = rooms.iter().map(|text| text.matches("\n    fuzz(").count()).sum();
    assert_eq!(calls, PROPERTIES as usize);
}

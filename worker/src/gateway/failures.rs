//! Tokens that were wrong, by where they came from: the more of them, the longer the answer takes.
//!
//! Guessing a token is hopeless anyhow; this keeps those who try from keeping us. A token that is
//! right is never made to wait, wherever it comes from. Takes the time and decides; does no I/O.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Anybody may mistype one.
const FREE: u32 = 5;
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);
/// Answers that are held back at a time for one source.
const WAITING: u32 = 8;
/// After so long without another one it is forgotten.
const MEMORY: Duration = Duration::from_secs(600);
/// Sources that are remembered.
const SOURCES: usize = 1024;

#[derive(Debug, Default)]
pub struct Failures {
    sources: HashMap<IpAddr, Source>,
}

#[derive(Debug)]
struct Source {
    /// Since a token was right.
    failures: u32,
    /// Ever.
    total: u32,
    waiting: u32,
    last: Instant,
}

/// What is done about a token that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Answer after so long, and then call [`Failures::answered`].
    Wait {
        delay: Duration,
        /// It is time for a line in the log, which is not to be flooded.
        tell: Option<u32>,
    },
    /// Too many answers are held back already: refuse at once.
    Refuse,
}

impl Failures {
    pub fn failed(&mut self, from: IpAddr, now: Instant) -> Verdict {
        let from = neighbourhood(from);
        self.forget(from, now);
        let known = self.sources.entry(from);
        let source = known.or_insert(Source { failures: 0, total: 0, waiting: 0, last: now });
        source.last = now;
        if source.waiting >= WAITING {
            return Verdict::Refuse;
        }
        source.waiting += 1;
        source.failures = source.failures.saturating_add(1);
        source.total = source.total.saturating_add(1);
        let delay = match source.failures.checked_sub(FREE + 1) {
            None => Duration::ZERO,
            Some(over) => SHORTEST.saturating_mul(1 << over.min(16)).min(LONGEST),
        };
        Verdict::Wait { delay, tell: Some(source.total).filter(|n| n.is_power_of_two()) }
    }

    pub fn answered(&mut self, from: IpAddr) {
        if let Some(source) = self.sources.get_mut(&neighbourhood(from)) {
            source.waiting = source.waiting.saturating_sub(1);
        }
    }

    /// A token from there was right.
    pub fn forgive(&mut self, from: IpAddr) {
        if let Some(source) = self.sources.get_mut(&neighbourhood(from)) {
            source.failures = 0;
        }
    }

    /// Makes room for one more.
    fn forget(&mut self, from: IpAddr, now: Instant) {
        if self.sources.len() < SOURCES || self.sources.contains_key(&from) {
            return;
        }
        self.sources.retain(|_, source| now.duration_since(source.last) < MEMORY);
        if self.sources.len() >= SOURCES {
            let oldest = self.sources.iter().min_by_key(|(_, source)| source.last);
            if let Some(oldest) = oldest.map(|(from, _)| *from) {
                self.sources.remove(&oldest);
            }
        }
    }
}

/// Whoever has one IPv6 address has all of its /64.
fn neighbourhood(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delay(failures: &mut Failures, from: &str, now: Instant) -> Duration {
        let from = from.parse().unwrap();
        match failures.failed(from, now) {
            Verdict::Wait { delay, .. } => {
                failures.answered(from);
                delay
            }
            Verdict::Refuse => panic!("refused"),
        }
    }

    #[test]
    fn the_more_are_wrong_the_longer_it_takes_up_to_a_limit() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        let delays: Vec<_> = (0..20).map(|_| delay(&mut failures, "10.0.0.1", now)).collect();
        assert!(delays[..5].iter().all(Duration::is_zero), "{delays:?}");
        assert_eq!(delays[5], SHORTEST);
        assert!(delays.is_sorted() && delays[19] == LONGEST, "{delays:?}");
        assert_eq!(delay(&mut failures, "10.0.0.2", now), Duration::ZERO);
        failures.forgive("10.0.0.1".parse().unwrap());
        assert_eq!(delay(&mut failures, "10.0.0.1", now), Duration::ZERO);
    }

    #[test]
    fn of_one_source_so_many_wait_and_the_rest_is_refused() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        let from = "10.0.0.1".parse().unwrap();
        for _ in 0..WAITING {
            assert!(matches!(failures.failed(from, now), Verdict::Wait { .. }));
        }
        assert_eq!(failures.failed(from, now), Verdict::Refuse);
        failures.answered(from);
        assert!(matches!(failures.failed(from, now), Verdict::Wait { .. }));
    }

    #[test]
    fn the_log_is_told_ever_more_seldom() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        let from = "10.0.0.1".parse().unwrap();
        let told = (0..100).filter_map(|_| match failures.failed(from, now) {
            Verdict::Wait { tell, .. } => {
                failures.answered(from);
                failures.forgive(from);
                tell
            }
            Verdict::Refuse => None,
        });
        assert_eq!(told.collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 64]);
    }

    #[test]
    fn a_network_of_ipv6_is_one_source_and_memory_is_bounded() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        for n in 0..10_u128 {
            let from = format!("2001:db8::{n}");
            delay(&mut failures, &from, now);
        }
        assert_eq!(failures.sources.len(), 1);
        assert!(!delay(&mut failures, "2001:db8::ffff", now).is_zero());
        assert!(delay(&mut failures, "2001:db8:0:1::1", now).is_zero());
        for n in 0..5000_u32 {
            let from = std::net::Ipv4Addr::from_bits(n).to_string();
            delay(&mut failures, &from, now + Duration::from_secs(n.into()));
        }
        assert!(failures.sources.len() <= SOURCES);
    }
}

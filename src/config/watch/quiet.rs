//! When a burst of changes is over. Pure: it is told what time it is.

use std::time::{Duration, Instant};

/// This long after the last change it is over.
pub const QUIET: Duration = Duration::from_secs(1);
/// This long after the first change it is taken for over, though changes go on.
pub const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quiet {
    burst: Option<Burst>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Burst {
    first: Instant,
    last: Instant,
}

impl Quiet {
    pub fn changed(&mut self, now: Instant) {
        let first = self.burst.map_or(now, |burst| burst.first);
        self.burst = Some(Burst { first, last: now });
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.burst.map(|burst| (burst.last + QUIET).min(burst.first + PATIENCE))
    }

    /// True once for each burst.
    pub fn due(&mut self, now: Instant) -> bool {
        let due = self.deadline().is_some_and(|deadline| now >= deadline);
        if due {
            self.burst = None;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_due_once_after_its_last_change() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut quiet = Quiet::default();
        assert_eq!((quiet.deadline(), quiet.due(start)), (None, false));
        quiet.changed(at(0));
        quiet.changed(at(900));
        assert_eq!(quiet.deadline(), Some(at(1900)));
        assert!(!quiet.due(at(1899)));
        assert!(quiet.due(at(1900)));
        assert_eq!((quiet.deadline(), quiet.due(at(5000))), (None, false));
    }

    #[test]
    fn changes_without_end_do_not_put_it_off_without_end() {
        let start = Instant::now();
        let mut quiet = Quiet::default();
        let mut now = start;
        while !quiet.due(now) {
            quiet.changed(now);
            now += QUIET / 2;
            assert!(now <= start + PATIENCE + QUIET);
        }
        assert!(now >= start + PATIENCE);
    }
}

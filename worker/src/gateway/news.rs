//! What has happened lately, for whoever follows: the last events, numbered.
//!
//! A reader holds a cursor and takes what comes after it. One that is too slow, or comes back after
//! too long or to another gateway, is told to resync: it costs no memory here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use loom::api::event::Event;
use loom::protocol::control::News;
use tokio::sync::watch;

use super::shape;

/// Events that are kept.
const KEPT: usize = 10_000;
/// Events that are given out at once: what a reader holds of them is bounded, too.
const BATCH: usize = 256;

pub struct Newsroom {
    /// Sets our numbers apart from those of other gateways.
    issue: u64,
    kept: Mutex<VecDeque<Arc<Event>>>,
    /// The number of the next event.
    next: watch::Sender<u64>,
}

/// Where a reader is: the number of the next event it has not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    issue: u64,
    next: u64,
}

/// `ISSUE-NUMBER`, as an event stream's id.
impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}-{}", self.issue, self.next)
    }
}

impl std::str::FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Cursor, ()> {
        let (issue, next) = text.split_once('-').ok_or(())?;
        if text.contains('+') {
            return Err(());
        }
        let issue = u64::from_str_radix(issue, 16).map_err(|_| ())?;
        Ok(Cursor { issue, next: next.parse().map_err(|_| ())? })
    }
}

impl Cursor {
    /// Events between an earlier place of the same reader and this.
    pub fn events_since(self, earlier: Cursor) -> u64 {
        self.next.saturating_sub(earlier.next)
    }
}

impl Newsroom {
    #[expect(clippy::new_without_default, reason = "no two are alike")]
    pub fn new() -> Newsroom {
        let issue = Timestamp::now().as_microsecond() as u64;
        Newsroom { issue, kept: Mutex::default(), next: watch::Sender::new(0) }
    }

    /// From now on.
    pub fn cursor(&self) -> Cursor {
        Cursor { issue: self.issue, next: *self.next.borrow() }
    }

    /// What came after the cursor, with the cursor after each; waits until there is something.
    /// There may be more than is given out at once.
    pub async fn after(&self, cursor: Cursor) -> Vec<(Cursor, Arc<Event>)> {
        if cursor.issue == self.issue {
            let mut next = self.next.subscribe();
            // It cannot fail: the sender is ours.
            let _ = next.wait_for(|next| *next != cursor.next).await;
        }
        self.since(cursor)
    }

    /// The same, without waiting.
    pub fn since(&self, cursor: Cursor) -> Vec<(Cursor, Arc<Event>)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.cursor();
        let behind = match now.next.checked_sub(cursor.next) {
            Some(behind) if cursor.issue == self.issue && behind <= kept.len() as u64 => behind,
            Some(_) | None => return vec![(now, Arc::new(Event::Resync))],
        };
        let from = kept.len() - behind as usize;
        let numbered = kept.iter().skip(from).take(BATCH).zip(cursor.next + 1..);
        numbered.map(|(event, next)| (Cursor { next, ..cursor }, event.clone())).collect()
    }

    pub(super) fn reloaded(&self, generation: u64) {
        self.publish(Event::Reloaded { generation });
    }

    pub(super) fn tell(&self, news: News) {
        self.publish(event(news));
    }

    fn publish(&self, event: Event) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Arc::new(event));
        // Numbered before anybody can count what is kept.
        self.next.send_modify(|next| *next += 1);
    }
}

fn event(news: News) -> Event {
    match news {
        News::RunQueued { run, job, trigger, scheduled_at, at, units, within } => {
            Event::RunQueued {
                run: run.0,
                job,
                trigger: trigger.as_str().to_owned(),
                scheduled_at,
                at,
                units: units as u32,
                flow: within.map(|(flow, place)| shape::place(flow, place)),
            }
        }
        News::RunStarted { run, job, at } => Event::RunStarted { run: run.0, job, at },
        News::RunEnded { run, job, at, end, units, succeeded } => Event::RunEnded {
            run: run.0,
            job,
            at,
            state: end.word().to_owned(),
            reason: end.reason().map(|reason| reason.as_str().to_owned()),
            units: units as u32,
            succeeded: succeeded as u32,
        },
        News::UnitStarted { unit, run, job, node, at } => {
            Event::UnitStarted { unit: unit.0, run: run.0, job, node, at }
        }
        News::UnitEnded { unit, run, job, node, attempt, at, outcome, detail, result, again } => {
            Event::UnitEnded {
                unit: unit.0,
                run: run.0,
                job,
                node,
                attempt,
                at,
                outcome: outcome.word().to_owned(),
                summary: outcome.to_string(),
                detail,
                result,
                again: again.map(|millis| millis as f64 / 1000.0),
            }
        }
        News::Missed { job, node, first_at, last_at, count, reason } => Event::Missed {
            job,
            node,
            first_at,
            last_at,
            count,
            reason: reason.as_str().to_owned(),
        },
        News::Switched { job, off } => Event::Switched { job, enabled: off.is_none() },
        News::Paused(paused) => Event::Paused { paused },
        News::Resync => Event::Resync,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generations(given: &[(Cursor, Arc<Event>)]) -> Vec<u64> {
        let told = given.iter().map(|(_, event)| match **event {
            Event::Reloaded { generation } => generation,
            ref other => panic!("{other:?}"),
        });
        told.collect()
    }

    fn is_resync(given: &[(Cursor, Arc<Event>)]) -> bool {
        given.len() == 1 && *given[0].1 == Event::Resync
    }

    #[test]
    fn a_reader_gets_everything_once_a_bounded_part_at_a_time() {
        let news = Newsroom::new();
        let mut cursor = news.cursor();
        assert!(news.since(cursor).is_empty());
        (1..=1000).for_each(|generation| news.reloaded(generation));
        let mut seen = Vec::new();
        loop {
            let given = news.since(cursor);
            let Some((last, _)) = given.last() else { break };
            assert!(given.len() <= BATCH);
            assert_eq!(last.events_since(cursor), given.len() as u64);
            cursor = *last;
            seen.extend(generations(&given));
        }
        assert_eq!(seen, (1..=1000).collect::<Vec<_>>());
        assert_eq!(cursor, news.cursor());
    }

    #[test]
    fn who_is_too_slow_goes_on_from_now() {
        let news = Newsroom::new();
        let start = news.cursor();
        news.reloaded(0);
        let (second, _) = news.since(start)[0];
        (1..=KEPT as u64).for_each(|generation| news.reloaded(generation));
        assert_eq!(generations(&news.since(second))[0], 1, "it is still kept");
        let given = news.since(start);
        assert!(is_resync(&given));
        assert_eq!(given[0].0, news.cursor());
        assert_eq!(news.kept.lock().unwrap().len(), KEPT);
    }

    #[test]
    fn who_comes_from_elsewhere_goes_on_from_now() {
        let (news, other) = (Newsroom::new(), Newsroom::new());
        let foreign = Cursor { issue: news.issue + 1, ..other.cursor() };
        assert!(is_resync(&news.since(foreign)));
        let of_the_future = Cursor { next: 7, ..news.cursor() };
        assert!(is_resync(&news.since(of_the_future)));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(is_resync(&runtime.block_on(news.after(foreign))));
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = Newsroom::new().cursor();
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for odd in ["", "-", "1", "x-1", "1-x", "1--1", "1-+1", "+1-1"] {
            assert_eq!(odd.parse::<Cursor>(), Err(()), "{odd}");
        }
    }
}

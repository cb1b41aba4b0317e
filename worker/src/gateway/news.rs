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

/// Events that are kept.
const KEPT: usize = 10_000;

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
        let issue = u64::from_str_radix(issue, 16).map_err(|_| ())?;
        Ok(Cursor { issue, next: next.parse().map_err(|_| ())? })
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
    pub async fn after(&self, cursor: Cursor) -> Vec<(Cursor, Arc<Event>)> {
        if cursor.issue != self.issue {
            return vec![(self.cursor(), Arc::new(Event::Resync))];
        }
        let mut next = self.next.subscribe();
        let _ = next.wait_for(|next| *next != cursor.next).await;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let next = *self.next.borrow();
        let behind = next.checked_sub(cursor.next).filter(|behind| *behind <= kept.len() as u64);
        let Some(behind) = behind else {
            let cursor = Cursor { issue: self.issue, next };
            return vec![(cursor, Arc::new(Event::Resync))];
        };
        let from = kept.len() - behind as usize;
        let numbered = kept.iter().skip(from).zip(cursor.next + 1..);
        numbered.map(|(event, next)| (Cursor { issue: self.issue, next }, event.clone())).collect()
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
        drop(kept);
        self.next.send_modify(|next| *next += 1);
    }
}

fn event(news: News) -> Event {
    match news {
        News::RunQueued { run, job, trigger, scheduled_at, at, units } => Event::RunQueued {
            run: run.0,
            job,
            trigger: trigger.as_str().to_owned(),
            scheduled_at,
            at,
            units: units as u32,
        },
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
        News::UnitEnded { unit, run, job, node, attempt, at, outcome, detail, again } => {
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

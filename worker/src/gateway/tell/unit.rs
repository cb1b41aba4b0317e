//! One unit, told to its end.

use loom::api::event::Event;
use loom::store::{UnitRow, UnitState};
use tokio::time::{Instant, sleep_until};

use super::look::{End, Seen, Whose, cannot_be_read, end, look, skip};
use super::{INTERVAL, blocking, output_dir};
use crate::gateway::output::Cursor;
use crate::gateway::problem::Result;
use crate::gateway::sse::{self, Source};
use crate::gateway::{App, news};
use crate::ssh::Stream;

/// Where to begin, and with what.
#[derive(Debug, Clone, Copy, Default)]
pub struct Start {
    pub at: u64,
    /// The client asked for no more than the end: what is before is told to be missing.
    pub is_tail: bool,
    pub only: Option<Stream>,
}

pub struct UnitTelling {
    app: App,
    whose: Whose,
    at: u64,
    news: news::Cursor,
    state: State,
    /// When to look next at one that runs.
    due: Instant,
    /// What is sent at once.
    first: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has not begun.
    Waits,
    Runs,
    /// It has ended, or the news of it have been lost.
    Ended,
    Told,
}

impl UnitTelling {
    /// `news`: from before the unit was looked up.
    pub fn new(app: &App, row: &UnitRow, news: news::Cursor, from: Start) -> UnitTelling {
        let whose = Whose { unit: row.unit, node: row.node.clone(), only: from.only };
        let mut first = Vec::new();
        if from.is_tail && from.at > 0 {
            skip(&whose, from.at, &mut first);
        }
        sse::write_place(&mut first, &Cursor { unit: row.unit, at: from.at });
        let state = match row.state {
            UnitState::Queued => State::Waits,
            UnitState::Running => State::Runs,
            UnitState::Done(_) => State::Ended,
        };
        let (app, due, first) = (app.clone(), Instant::now(), Some(first));
        UnitTelling { app, whose, at: from.at, news, state, due, first }
    }

    fn hear(&mut self) {
        for (cursor, event) in self.app.news.since(self.news) {
            self.news = cursor;
            match *event {
                Event::UnitStarted { unit, .. } if unit == self.whose.unit.0 => {
                    if self.state == State::Waits {
                        self.state = State::Runs;
                    }
                }
                Event::UnitEnded { unit, .. } if unit == self.whose.unit.0 => {
                    self.state = State::Ended;
                }
                Event::Resync => self.state = State::Ended,
                Event::UnitStarted { .. }
                | Event::UnitEnded { .. }
                | Event::RunQueued { .. }
                | Event::RunStarted { .. }
                | Event::RunEnded { .. }
                | Event::Missed { .. }
                | Event::Switched { .. }
                | Event::Paused { .. }
                | Event::Reloaded { .. } => {}
            }
        }
    }

    async fn look(&mut self) -> Result<Vec<u8>> {
        let (dir, whose, at) = (output_dir(&self.app), self.whose.clone(), self.at);
        let (seen, piece) = blocking(move || {
            let mut piece = Vec::new();
            let id = |at| Cursor { unit: whose.unit, at };
            (look(&dir, at, &whose, id, &mut piece), piece)
        })
        .await?;
        self.due = Instant::now() + INTERVAL;
        match seen {
            Ok(Seen { at, more, .. }) => {
                self.at = at;
                if more {
                    self.due = Instant::now();
                }
            }
            Err(why) => {
                cannot_be_read(self.whose.unit, &why);
                // It is said again, and told to be missing, when it ends.
                self.state = State::Waits;
            }
        }
        Ok(piece)
    }

    async fn end(&mut self) -> Result<Vec<u8>> {
        let (dir, only) = (output_dir(&self.app), self.whose.only);
        let from = Cursor { unit: self.whose.unit, at: self.at };
        let read = self.app.history.read(move |ledger| {
            let mut piece = Vec::new();
            let id = |at| Cursor { at, ..from };
            // Who comes back with the last one is told the end again.
            let last = |at| id(at).to_string();
            Ok((end(ledger, &dir, from, only, (id, last), &mut piece)?, piece))
        });
        let (end, piece) = read.await?;
        match end {
            End::More(at) => self.at = at,
            End::Told | End::Gone => self.state = State::Told,
            // The news of its end have not been among those that were lost.
            End::Open => self.state = State::Runs,
        }
        Ok(piece)
    }
}

impl Source for UnitTelling {
    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        if self.first.is_some() {
            return Ok(self.first.take());
        }
        while self.state != State::Told {
            self.hear();
            let piece = match self.state {
                State::Told => break,
                State::Ended => self.end().await?,
                State::Runs if Instant::now() >= self.due => self.look().await?,
                State::Runs | State::Waits => {
                    tokio::select! {
                        _ = self.app.news.after(self.news) => {}
                        () = sleep_until(self.due), if self.state == State::Runs => {}
                    }
                    continue;
                }
            };
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}

//! All units of a run, told to their ends, and then the run. Those of a flow are those of its
//! parts: begun slot by slot, they are in the order of its slots.
//!
//! What has ended is told in the order of the units, one after the other; what runs is looked at in
//! between, in turn, so that neither keeps the other waiting.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use loom::api::event::Event;
use loom::api::unit::OutputEvent;
use loom::store::UnitState;
use loom::unit::{RunId, UnitId};
use tokio::time::{Instant, sleep_until};

use super::turn::{AT_ONCE, Ended, Known, Looked, tail_at};
use super::{INTERVAL, Place, blocking, output_dir};
use crate::gateway::output::Cursor;
use crate::gateway::problem::Result;
use crate::gateway::sse::{self, Source};
use crate::gateway::{App, news, shape};

/// Of so many units that have ended, the place says where their tails begin.
const FEW: usize = 10;

pub struct RunTelling {
    app: App,
    run: RunId,
    /// To the end of the run; else what there is now.
    follows: bool,
    /// Of what there is at the beginning, only so many lines of each unit; until that is left out.
    tail: Option<u64>,
    /// Where it begins in those that had ended then, if these are many. No part of the place: with
    /// that of a thousand units the id of each event would be longer than its line.
    tails: HashMap<usize, u64>,
    /// What has been told.
    place: Place,
    news: news::Cursor,
    /// It, and the runs that are known to be parts of it.
    runs: HashSet<u64>,
    /// In the order of their ids.
    units: Vec<Known>,
    numbers: HashMap<u64, usize>,
    /// Those whose ends are to be told.
    ended: BTreeSet<usize>,
    /// Those to be looked at, and which of them is next in this round.
    running: BTreeSet<usize>,
    turn: usize,
    /// In this round there was more than was told.
    more: bool,
    /// When the next look is due, and whether what has ended goes first.
    due: Instant,
    gives_way: bool,
    /// When the ledger is to be read: there is something that the news do not tell.
    unread: Option<Instant>,
    read_at: Instant,
    is_over: bool,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Begins,
    Goes,
    Told,
}

impl RunTelling {
    /// `news`: from before anything of the run was looked up. `tail`: of who has been told nothing.
    pub fn new(
        app: &App,
        place: Place,
        follows: bool,
        tail: Option<u64>,
        news: news::Cursor,
    ) -> RunTelling {
        let now = Instant::now();
        RunTelling {
            app: app.clone(),
            run: RunId(place.run),
            follows,
            tail,
            tails: HashMap::new(),
            runs: HashSet::from([place.run]),
            place,
            news,
            units: Vec::new(),
            numbers: HashMap::new(),
            ended: BTreeSet::new(),
            running: BTreeSet::new(),
            turn: 0,
            more: false,
            due: now,
            gives_way: false,
            unread: Some(now),
            read_at: now,
            is_over: false,
            state: State::Begins,
        }
    }

    fn hear(&mut self) {
        if !self.follows {
            return;
        }
        loop {
            let news = self.app.news.since(self.news);
            let Some((last, _)) = news.last() else { return };
            self.news = *last;
            news.iter().for_each(|(_, event)| self.heard(event));
        }
    }

    fn heard(&mut self, event: &Event) {
        if *event == Event::Resync {
            self.read_soon();
        }
        if let Event::RunQueued { run, flow: Some(within), .. } = event
            && within.run == self.run.0
        {
            self.runs.insert(*run);
            self.read_soon();
        }
        if event.run().is_none_or(|run| !self.runs.contains(&run)) {
            return;
        }
        match event {
            Event::UnitStarted { unit, .. } => match self.numbers.get(unit) {
                Some(&number) => self.begins(number),
                // Another attempt.
                None => self.read_soon(),
            },
            Event::UnitEnded { unit, .. } => match self.numbers.get(unit) {
                Some(&number) => self.ends(number),
                None => self.read_soon(),
            },
            Event::RunEnded { run, .. } if *run == self.run.0 => {
                self.unread = Some(Instant::now());
            }
            // Its last units may have ended without a word.
            Event::RunEnded { .. } => self.read_soon(),
            Event::RunQueued { .. }
            | Event::RunStarted { .. }
            | Event::Missed { .. }
            | Event::Switched { .. }
            | Event::Paused { .. }
            | Event::Reloaded { .. }
            | Event::Resync => {}
        }
    }

    fn begins(&mut self, number: usize) {
        if !self.place.is_told(number) && !self.ended.contains(&number) {
            self.running.insert(number);
        }
    }

    fn ends(&mut self, number: usize) {
        self.running.remove(&number);
        if !self.place.is_told(number) {
            self.ended.insert(number);
        }
    }

    /// Not more often than the size of the run allows for, however many attempts there are.
    fn read_soon(&mut self) {
        let pause = INTERVAL + Duration::from_millis(self.units.len() as u64 / 5);
        self.unread.get_or_insert(self.read_at + pause);
    }

    /// `false`: it has been pruned.
    async fn read(&mut self) -> Result<bool> {
        // What is told from now on may not be in what is read.
        self.unread = None;
        let run = self.run;
        let read = self
            .app
            .history
            .read(move |ledger| Ok((ledger.run(run)?, ledger.units_with_parts(run)?)));
        let (Some(row), units) = read.await? else { return Ok(false) };
        self.read_at = Instant::now();
        self.is_over = row.finished_at.is_some();
        for (number, row) in units.into_iter().enumerate() {
            if number == self.units.len() {
                self.units.push(Known { unit: row.unit, node: row.node.as_str().into() });
                self.numbers.insert(row.unit.0, number);
                self.runs.insert(row.run.0);
            }
            match row.state {
                UnitState::Done(_) => self.ends(number),
                UnitState::Running => self.begins(number),
                UnitState::Queued => {}
            }
        }
        if self.is_over {
            // Whatever they wait for will not come.
            self.running.clear();
        }
        Ok(true)
    }

    /// Goes on, in each unit, where so many lines are left of what it has written by now.
    async fn leave_out(&mut self, lines: u64) -> Result<Vec<u8>> {
        let begun: Vec<usize> = self.ended.union(&self.running).copied().collect();
        let many = self.ended.len() > FEW;
        for numbers in begun.chunks(AT_ONCE) {
            let units: Vec<UnitId> =
                numbers.iter().map(|number| self.units[*number].unit).collect();
            let dir = output_dir(&self.app);
            let read = self.app.history.read(move |ledger| {
                units.iter().map(|unit| tail_at(ledger, &dir, *unit, lines)).collect()
            });
            let found: Vec<u64> = read.await?;
            for (number, at) in numbers.iter().zip(found) {
                if many && self.ended.contains(number) {
                    self.tails.insert(*number, at);
                } else {
                    self.place.reach(*number, at);
                }
            }
        }
        let mut piece = Vec::new();
        sse::write_place(&mut piece, &self.place);
        Ok(piece)
    }

    /// One turn of looks at what runs, as long as a piece allows.
    async fn look(&mut self) -> Result<Vec<u8>> {
        let turn: Vec<(usize, Known)> = self
            .running
            .range(self.turn..)
            .map(|number| (*number, self.units[*number].clone()))
            .collect();
        let (dir, place) = (output_dir(&self.app), std::mem::take(&mut self.place));
        let looked = blocking(move || Looked::at(&dir, place, &turn)).await?;
        self.place = looked.place;
        self.more |= looked.more;
        for number in looked.unreadable {
            // It is tried again when it ends.
            self.running.remove(&number);
        }
        self.gives_way = true;
        match looked.next {
            Some(next) => self.turn = next,
            None => {
                self.turn = 0;
                let few = self.running.len() as u32;
                let pause = INTERVAL.max(Duration::from_millis(2) * few);
                let more = std::mem::take(&mut self.more);
                self.due = Instant::now() + if more { Duration::ZERO } else { pause };
                if !more && !self.follows {
                    self.running.clear();
                }
            }
        }
        Ok(looked.piece)
    }

    /// What has ended, as much as makes a piece.
    async fn end(&mut self) -> Result<Vec<u8>> {
        let from = |number: &usize| Cursor {
            unit: self.units[*number].unit,
            at: self.tails.get(number).copied().unwrap_or(0).max(self.place.at(*number)),
        };
        let turn: Vec<(usize, Cursor)> =
            self.ended.iter().take(AT_ONCE).map(|number| (*number, from(number))).collect();
        let (dir, place) = (output_dir(&self.app), std::mem::take(&mut self.place));
        let read = self.app.history.read(move |ledger| Ended::of(ledger, &dir, place, &turn));
        let ended = read.await?;
        self.place = ended.place;
        for number in ended.told {
            self.ended.remove(&number);
        }
        for number in ended.open {
            self.ended.remove(&number);
            self.begins(number);
        }
        self.gives_way = false;
        Ok(ended.piece)
    }

    async fn last(&mut self) -> Result<Option<Vec<u8>>> {
        self.state = State::Told;
        let run = self.run;
        let read = self.app.history.read(move |ledger| {
            Ok(shape::runs(ledger, ledger.run(run)?.into_iter().collect())?.pop())
        });
        let Some(run) = read.await? else { return Ok(None) };
        let event = OutputEvent::Run(Box::new(run));
        let mut piece = Vec::new();
        sse::write(&mut piece, "run", Some(&self.place), &event);
        Ok(Some(piece))
    }
}

impl Source for RunTelling {
    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        if self.state == State::Begins {
            self.state = State::Goes;
            let mut piece = Vec::new();
            sse::write_place(&mut piece, &self.place);
            return Ok(Some(piece));
        }
        while self.state != State::Told {
            self.hear();
            let now = Instant::now();
            let piece = if self.unread.is_some_and(|at| now >= at) {
                if !self.read().await? {
                    return Ok(None);
                }
                match self.tail.take() {
                    Some(lines) => self.leave_out(lines).await?,
                    None => continue,
                }
            } else if !self.running.is_empty()
                && now >= self.due
                && (self.ended.is_empty() || !self.gives_way)
            {
                self.look().await?
            } else if !self.ended.is_empty() {
                self.end().await?
            } else if self.unread.is_none()
                && (self.is_over || !self.follows)
                && self.running.is_empty()
            {
                return self.last().await;
            } else {
                let next = [self.unread, (!self.running.is_empty()).then_some(self.due)];
                let next = next.into_iter().flatten().min();
                tokio::select! {
                    _ = self.app.news.after(self.news), if self.follows => {}
                    () = sleep_until(next.unwrap_or(now)), if next.is_some() => {}
                }
                continue;
            };
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}

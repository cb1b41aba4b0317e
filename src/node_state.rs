//! When to make and when to drop a node's ssh master.
//!
//! ```text
//! Down -> Connecting -> Up -> (idle for ssh_persist) -> Down
//!              |         |
//!              +-> Backoff <-- lost
//! ```
//! Owns the state of every connection and the sessions in use on it; how many are made at once is
//! for [`places`] to say. It knows neither ssh nor what the sessions are for, and does no I/O.

mod places;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use places::Places;

/// First pause after a failed connection; doubled with each further one.
const BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// How long an ssh that was told to end may take.
const LEAVE: Duration = Duration::from_secs(5);
/// The key exchange is what is costly about connecting, and over by then; what takes longer waits
/// for an answer and is not counted any more.
const SLOW: Duration = Duration::from_millis(500);

/// One set of connection parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MasterId(pub u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the start of ssh until its session must be up.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept.
    pub persist: Duration,
    /// Connections being made at once, 1 or more; slow ones aside.
    pub max_connecting: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Down,
    /// Wanted, but `max_connecting` others are being made.
    Waiting,
    Connecting {
        since: Instant,
    },
    /// `unused_since` is set while no session is in use and no unit waits for one.
    Up {
        unused_since: Option<Instant>,
    },
    /// Told to end; gone soon.
    Closing {
        since: Instant,
    },
    /// The last attempt failed; the next one is made when wanted after `until`.
    Backoff {
        until: Instant,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A unit wants this node.
    Want(MasterId),
    /// No unit waits for this node any more.
    Unwanted(MasterId),
    /// The control socket is there: sessions can be opened.
    Connected(MasterId),
    /// The ssh process is gone, for whatever reason.
    Exited(MasterId),
    /// A session ended.
    Release(MasterId),
    /// Its node was made to go away: make it anew at once, however often that has failed lately.
    Rejoin(MasterId),
    /// It does not answer any more: drop it, though it may be in use.
    Discard(MasterId),
    /// Its parameters are no longer configured: drop it once it is unused.
    Retire(MasterId),
    /// Nobody knows whether it still works: make it anew, unless it is in use.
    Renew(MasterId),
    Adjust(Limits),
    /// Time has passed; due at [`Masters::deadline`].
    Tick,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Connect(MasterId),
    /// End the ssh process.
    Close(MasterId),
    /// End it by force.
    Kill(MasterId),
    /// Units that wait for this node may go now.
    Up(MasterId),
    /// Units that wait for this node cannot be run.
    Unreachable(MasterId),
    /// The connection is gone; if units wait for this node, it is to be wanted again.
    Down(MasterId),
}

#[derive(Debug)]
struct Master {
    state: State,
    sessions: u32,
    failures: u32,
    /// A session ended while it was up: losing it is no failure to connect.
    proven: bool,
    wanted: bool,
    retired: bool,
    /// It was killed before it was up, and is not gone yet.
    killed: bool,
    due: Option<Instant>,
}

#[derive(Debug)]
pub struct Masters {
    limits: Limits,
    masters: HashMap<MasterId, Master>,
    places: Places,
    /// When time itself is an event for a connection.
    due: BTreeSet<(Instant, MasterId)>,
}

impl Masters {
    pub fn new(limits: Limits) -> Masters {
        Masters { limits, masters: HashMap::new(), places: Places::default(), due: BTreeSet::new() }
    }

    /// A session is about to be opened on a connection that is up.
    pub fn acquire(&mut self, id: MasterId) {
        let master = self.master(id);
        master.sessions += 1;
        if let State::Up { unused_since } = &mut master.state {
            *unused_since = None;
        }
        self.set_due(id);
    }

    /// Connections that are up.
    pub fn up(&self) -> usize {
        self.masters.values().filter(|master| matches!(master.state, State::Up { .. })).count()
    }

    pub fn is_up(&self, id: MasterId) -> bool {
        self.masters.get(&id).is_some_and(|master| matches!(master.state, State::Up { .. }))
    }

    /// No connection is up, being made or in use, and those that are retired are forgotten.
    #[doc(hidden)]
    pub fn is_at_rest(&self) -> bool {
        let rests = |master: &Master| {
            let state = matches!(master.state, State::Down | State::Backoff { .. });
            state && master.sessions == 0 && !master.wanted && !master.retired
        };
        self.places.is_at_rest() && self.due.is_empty() && self.masters.values().all(rests)
    }

    /// Whether it will be heard of: up, unreachable or down.
    #[doc(hidden)]
    pub fn is_under_way(&self, id: MasterId) -> bool {
        self.masters.get(&id).is_some_and(|master| match master.state {
            State::Waiting | State::Connecting { .. } | State::Closing { .. } => true,
            State::Down | State::Up { .. } | State::Backoff { .. } => false,
        })
    }

    /// When a `Tick` is next needed, if at all.
    pub fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Keeps `due` in step with the state.
    fn set_due(&mut self, id: MasterId) {
        let limits = self.limits;
        let Some(master) = self.masters.get_mut(&id) else { return };
        let due = match master.state {
            State::Connecting { since } if self.places.is_counted(id) => {
                Some(since + SLOW.min(limits.connect_timeout))
            }
            State::Connecting { since } => Some(since + limits.connect_timeout),
            State::Up { unused_since: Some(since) } => Some(since + limits.persist),
            State::Closing { since } => Some(since + LEAVE),
            State::Up { unused_since: None }
            | State::Down
            | State::Waiting
            | State::Backoff { .. } => None,
        };
        if due != master.due {
            if let Some(at) = master.due {
                self.due.remove(&(at, id));
            }
            master.due = due;
            self.due.extend(due.map(|at| (at, id)));
        }
    }

    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Want(id) => self.want(now, id, &mut actions),
            // Forgotten: whatever it is about, it is over.
            Event::Unwanted(id)
            | Event::Connected(id)
            | Event::Exited(id)
            | Event::Release(id)
            | Event::Discard(id)
            | Event::Retire(id)
                if !self.masters.contains_key(&id) => {}
            Event::Unwanted(id) => {
                let master = self.master(id);
                master.wanted = false;
                if master.state == State::Waiting {
                    master.state = State::Down;
                }
                self.idle(now, id, &mut actions);
            }
            Event::Connected(id) => self.connected(now, id, &mut actions),
            Event::Exited(id) => self.exited(now, id, &mut actions),
            Event::Release(id) => self.release(now, id, &mut actions),
            Event::Rejoin(id) => self.rejoin(id, &mut actions),
            Event::Discard(id) => self.discard(now, id, &mut actions),
            Event::Retire(id) => {
                self.master(id).retired = true;
                self.drop_if_unused(now, id, &mut actions);
            }
            Event::Renew(id) => self.renew(now, id, &mut actions),
            Event::Adjust(limits) => self.adjust(limits),
            Event::Tick => self.tick(now, &mut actions),
        }
        match event {
            Event::Want(id)
            | Event::Unwanted(id)
            | Event::Connected(id)
            | Event::Exited(id)
            | Event::Release(id)
            | Event::Rejoin(id)
            | Event::Discard(id)
            | Event::Retire(id)
            | Event::Renew(id) => self.set_due(id),
            Event::Adjust(_) | Event::Tick => {}
        }
        self.start_waiting(now, &mut actions);
        actions
    }

    fn adjust(&mut self, limits: Limits) {
        self.limits = limits;
        let ids: Vec<MasterId> = self.masters.keys().copied().collect();
        for id in ids {
            self.set_due(id);
        }
    }

    fn master(&mut self, id: MasterId) -> &mut Master {
        self.masters.entry(id).or_insert(Master {
            state: State::Down,
            sessions: 0,
            failures: 0,
            proven: false,
            wanted: false,
            retired: false,
            killed: false,
            due: None,
        })
    }

    fn want(&mut self, now: Instant, id: MasterId, actions: &mut Vec<Action>) {
        let master = self.master(id);
        master.wanted = true;
        match &mut master.state {
            State::Down => self.wait(id),
            State::Backoff { until } if now >= *until && !master.killed => self.wait(id),
            State::Backoff { .. } => {
                master.wanted = false;
                actions.push(Action::Unreachable(id));
            }
            State::Up { unused_since } => {
                *unused_since = None;
                actions.push(Action::Up(id));
            }
            // The unit is served when the state changes.
            State::Waiting | State::Connecting { .. } | State::Closing { .. } => {}
        }
    }

    /// As wanted, but without the pause after a failure: whoever asks paces itself.
    fn rejoin(&mut self, id: MasterId, actions: &mut Vec<Action>) {
        let master = self.master(id);
        match master.state {
            State::Down | State::Backoff { .. } if !master.killed => {
                master.wanted = true;
                self.wait(id);
            }
            // The ssh before it is not gone yet.
            State::Down | State::Backoff { .. } => actions.push(Action::Unreachable(id)),
            State::Up { .. } => actions.push(Action::Up(id)),
            // It is heard of when the state changes.
            State::Waiting | State::Connecting { .. } | State::Closing { .. } => {}
        }
    }

    fn wait(&mut self, id: MasterId) {
        let master = self.master(id);
        master.state = State::Waiting;
        let has_failed = master.failures > 0;
        self.places.wait(id, has_failed);
    }

    fn start_waiting(&mut self, now: Instant, actions: &mut Vec<Action>) {
        while let Some(id) = self.places.take(self.limits.max_connecting, |id| {
            self.masters.get(&id).is_some_and(|master| master.state == State::Waiting)
        }) {
            self.master(id).state = State::Connecting { since: now };
            self.set_due(id);
            actions.push(Action::Connect(id));
        }
    }

    fn connected(&mut self, now: Instant, id: MasterId, actions: &mut Vec<Action>) {
        let master = self.master(id);
        match master.state {
            State::Connecting { .. } => {
                master.proven = false;
                // Units that were cut off from the one before may not know it yet.
                let unused = !master.wanted && master.sessions == 0;
                master.state = State::Up { unused_since: unused.then_some(now) };
                self.places.leave(id);
                actions.push(Action::Up(id));
            }
            // Too late: it is being ended already.
            State::Closing { .. } => {}
            State::Down | State::Waiting | State::Up { .. } | State::Backoff { .. } => {}
        }
    }

    fn exited(&mut self, now: Instant, id: MasterId, actions: &mut Vec<Action>) {
        let &mut Master { state, proven, .. } = self.master(id);
        match state {
            State::Connecting { .. } => {
                self.places.leave(id);
                self.fail(now, id, actions);
            }
            // Lost; the workers that use it notice by themselves. One that never served is
            // counted as a failure, or a node that drops us at once would be dialled for ever.
            State::Up { .. } if !proven => self.fail(now, id, actions),
            State::Up { .. } | State::Closing { .. } => {
                self.master(id).state = State::Down;
                actions.push(Action::Down(id));
            }
            // Killed, because it was not up in time.
            State::Down | State::Waiting | State::Backoff { .. } => self.master(id).killed = false,
        }
        self.forget_if_retired(id);
    }

    fn fail(&mut self, now: Instant, id: MasterId, actions: &mut Vec<Action>) {
        let master = self.master(id);
        let pause = BACKOFF.saturating_mul(1 << master.failures.min(10)).min(MAX_BACKOFF);
        master.failures += 1;
        master.wanted = false;
        master.state = State::Backoff { until: now + pause };
        actions.push(Action::Unreachable(id));
    }

    fn release(&mut self, now: Instant, id: MasterId, actions: &mut Vec<Action>) {
        let master = self.master(id);
        master.sessions = master.sessions.saturating_sub(1);
        if let State::Up { .. } = master.state {
            master.proven = true;
            master.failures = 0;
        }
        self.idle(now, id, actions);
    }

    /// Its time begins to run when nobody uses it and nobody waits for it.
    fn idle(&mut self, now: Instant, id: MasterId, actions: &mut Vec<Action>) {
        let master = self.master(id);
        if let State::Up { unused_since: unused_since @ None } = &mut master.state
            && master.sessions == 0
            && !master.wanted
        {
            *unused_since = Some(now);
        }
        self.drop_if_unused(now, id, actions);
    }

    /// Ends a connection nobody uses whose time, or whose reason to be, has passed.
    fn drop_if_unused(&mut self, now: Instant, id: MasterId, actions: &mut Vec<Action>) {
        let persist = self.limits.persist;
        let master = self.master(id);
        if let State::Up { unused_since: Some(since) } = master.state
            && (master.retired || now >= since + persist)
        {
            master.state = State::Closing { since: now };
            actions.push(Action::Close(id));
        }
        self.forget_if_retired(id);
    }

    /// Whoever waits for it wants it again when it is gone.
    fn renew(&mut self, now: Instant, id: MasterId, actions: &mut Vec<Action>) {
        if self.master(id).sessions == 0 {
            self.discard(now, id, actions);
        }
    }

    fn discard(&mut self, now: Instant, id: MasterId, actions: &mut Vec<Action>) {
        let master = self.master(id);
        if let State::Up { .. } = master.state {
            master.state = State::Closing { since: now };
            actions.push(Action::Close(id));
        }
    }

    fn forget_if_retired(&mut self, id: MasterId) {
        let Some(master) = self.masters.get(&id) else { return };
        let at_rest = matches!(master.state, State::Down | State::Backoff { .. });
        let in_use = master.sessions > 0 || master.wanted || master.killed;
        if master.retired && at_rest && !in_use {
            self.set_due(id);
            self.masters.remove(&id);
        }
    }

    fn tick(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let limits = self.limits;
        while let Some((at, id)) = self.due.first().copied()
            && now >= at
        {
            match self.master(id).state {
                State::Connecting { since } if now >= since + limits.connect_timeout => {
                    self.places.leave(id);
                    // It has no sessions to close, and must be gone before the next attempt.
                    actions.push(Action::Kill(id));
                    self.master(id).killed = true;
                    self.fail(now, id, actions);
                }
                State::Connecting { .. } => self.places.discount(id),
                State::Up { .. } => self.drop_if_unused(now, id, actions),
                State::Closing { .. } => {
                    self.master(id).state = State::Closing { since: now };
                    actions.push(Action::Kill(id));
                }
                State::Down | State::Waiting | State::Backoff { .. } => {}
            }
            self.set_due(id);
        }
    }
}

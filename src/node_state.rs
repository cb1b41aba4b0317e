//! When to make and when to drop a node's ssh master.
//!
//! ```text
//! Down -> Connecting -> Up -> (idle for ssh_persist) -> Down
//!              |         |
//!              +-> Backoff <-- lost
//! ```
//! Owns the state of every connection and the sessions in use on it, and bounds how many connect
//! at once. It knows neither ssh nor what the sessions are for, and does no I/O.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// First pause after a failed connection; doubled with each further one.
const BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// How long an ssh that was told to end may take.
const LEAVE: Duration = Duration::from_secs(5);

/// One set of connection parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MasterId(pub u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the start of ssh until its session must be up.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept.
    pub persist: Duration,
    /// Connections being made at once, 1 or more.
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
    /// Its parameters are no longer configured: drop it once it is unused.
    Retire(MasterId),
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
}

#[derive(Debug)]
pub struct Masters {
    limits: Limits,
    masters: BTreeMap<MasterId, Master>,
    waiting: VecDeque<MasterId>,
    connecting: usize,
}

impl Masters {
    pub fn new(limits: Limits) -> Masters {
        Masters { limits, masters: BTreeMap::new(), waiting: VecDeque::new(), connecting: 0 }
    }

    /// A session is about to be opened on a connection that is up.
    pub fn acquire(&mut self, id: MasterId) {
        let master = self.master(id);
        master.sessions += 1;
        if let State::Up { unused_since } = &mut master.state {
            *unused_since = None;
        }
    }

    /// When a `Tick` is next needed, if at all.
    pub fn deadline(&self) -> Option<Instant> {
        (self.masters.values())
            .filter_map(|master| match master.state {
                State::Connecting { since } => Some(since + self.limits.connect_timeout),
                State::Up { unused_since: Some(since) } => Some(since + self.limits.persist),
                State::Up { unused_since: None }
                | State::Down
                | State::Waiting
                | State::Backoff { .. } => None,
                State::Closing { since } => Some(since + LEAVE),
            })
            .min()
    }

    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Want(id) => self.want(now, id, &mut actions),
            Event::Unwanted(id) => {
                self.master(id).wanted = false;
                self.idle(now, id, &mut actions);
            }
            Event::Connected(id) => self.connected(now, id, &mut actions),
            Event::Exited(id) => self.exited(now, id, &mut actions),
            Event::Release(id) => self.release(now, id, &mut actions),
            Event::Retire(id) => {
                self.master(id).retired = true;
                self.drop_if_unused(now, id, &mut actions);
            }
            Event::Adjust(limits) => self.limits = limits,
            Event::Tick => self.tick(now, &mut actions),
        }
        self.start_waiting(now, &mut actions);
        actions
    }

    fn master(&mut self, id: MasterId) -> &mut Master {
        self.masters.entry(id).or_insert(Master {
            state: State::Down,
            sessions: 0,
            failures: 0,
            proven: false,
            wanted: false,
            retired: false,
        })
    }

    fn want(&mut self, now: Instant, id: MasterId, actions: &mut Vec<Action>) {
        let master = self.master(id);
        master.retired = false;
        master.wanted = true;
        match &mut master.state {
            State::Down => self.wait(id),
            State::Backoff { until } if now >= *until => self.wait(id),
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

    fn wait(&mut self, id: MasterId) {
        self.master(id).state = State::Waiting;
        self.waiting.push_back(id);
    }

    fn start_waiting(&mut self, now: Instant, actions: &mut Vec<Action>) {
        while self.connecting < self.limits.max_connecting {
            let Some(id) = self.waiting.pop_front() else { break };
            self.master(id).state = State::Connecting { since: now };
            self.connecting += 1;
            actions.push(Action::Connect(id));
        }
    }

    fn connected(&mut self, now: Instant, id: MasterId, actions: &mut Vec<Action>) {
        let master = self.master(id);
        match master.state {
            State::Connecting { .. } => {
                master.proven = false;
                master.state = State::Up { unused_since: (!master.wanted).then_some(now) };
                self.connecting -= 1;
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
                self.connecting -= 1;
                self.fail(now, id, actions);
            }
            // Lost; the workers that use it notice by themselves. One that never served is
            // counted as a failure, or a node that drops us at once would be dialled for ever.
            State::Up { .. } if !proven => self.fail(now, id, actions),
            State::Up { .. } | State::Closing { .. } => {
                self.master(id).state = State::Down;
                self.forget_if_retired(id);
                actions.push(Action::Down(id));
            }
            State::Down | State::Waiting | State::Backoff { .. } => {}
        }
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

    fn forget_if_retired(&mut self, id: MasterId) {
        let master = self.master(id);
        let at_rest = matches!(master.state, State::Down | State::Backoff { .. });
        if master.retired && at_rest && master.sessions == 0 {
            self.masters.remove(&id);
        }
    }

    fn tick(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let ids: Vec<MasterId> = self.masters.keys().copied().collect();
        let timeout = self.limits.connect_timeout;
        for id in ids {
            match self.master(id).state {
                State::Connecting { since } if now >= since + timeout => {
                    self.connecting -= 1;
                    actions.push(Action::Close(id));
                    self.fail(now, id, actions);
                }
                State::Up { .. } => self.drop_if_unused(now, id, actions),
                State::Closing { since } if now >= since + LEAVE => {
                    self.master(id).state = State::Closing { since: now };
                    actions.push(Action::Kill(id));
                }
                State::Down
                | State::Waiting
                | State::Connecting { .. }
                | State::Closing { .. }
                | State::Backoff { .. } => {}
            }
        }
    }
}

//! Connections: what their state means for the units that wait for them.

use std::collections::VecDeque;

use super::{Action, Now, Scheduler};
use crate::node_state::{self, MasterId};
use crate::protocol::message::Report;
use crate::unit::Outcome;

impl Scheduler {
    pub fn on_master(&mut self, now: Now, event: node_state::Event) {
        // What follows from an event comes after it, and not deeper in the stack: a thousand
        // nodes may fail to connect in a row.
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.masters.handle(now.mono, event) {
                events.extend(self.master_acts(now, action));
            }
        }
    }

    /// Why the connection failed, for the units that wait for it; nothing once it is up.
    pub fn complain(&mut self, id: MasterId, complaint: Option<String>) {
        match complaint {
            Some(complaint) => drop(self.complaints.insert(id, complaint)),
            None => drop(self.complaints.remove(&id)),
        }
    }

    pub(super) fn complaint(&self, id: MasterId) -> String {
        let complaint = self.complaints.get(&id).cloned();
        complaint.unwrap_or_else(|| "ssh was not connected in time".to_owned())
    }

    fn master_acts(&mut self, now: Now, action: node_state::Action) -> Option<node_state::Event> {
        match action {
            node_state::Action::Connect(id) => self.outbox.push_back(Action::Connect(id)),
            node_state::Action::Close(id) => {
                self.dispatcher.set_up(id, false, now.mono);
                self.outbox.push_back(Action::Close(id));
            }
            node_state::Action::Kill(id) => self.outbox.push_back(Action::EndMaster(id)),
            node_state::Action::Up(id) => {
                self.dispatcher.set_up(id, true, now.mono);
                return self.rejoined(id);
            }
            node_state::Action::Unreachable(id) if self.away.is_from(id) => {
                self.dispatcher.set_up(id, false, now.mono);
                self.not_rejoined(id);
            }
            node_state::Action::Unreachable(id) => self.give_up(now, id),
            node_state::Action::Down(id) => {
                self.dispatcher.set_up(id, false, now.mono);
                if self.away.is_awaited(id) {
                    return Some(node_state::Event::Rejoin(id));
                }
                if self.dispatcher.is_wanted(id) {
                    return Some(node_state::Event::Want(id));
                }
            }
        }
        None
    }

    /// Its queue has become shorter.
    pub(super) fn see_if_unwanted(&mut self, now: Now, id: MasterId) {
        if !self.dispatcher.is_wanted(id) && !self.away.is_awaited(id) {
            self.on_master(now, node_state::Event::Unwanted(id));
        }
    }

    /// Units have come to wait for connections.
    pub(super) fn make_wanted(&mut self, now: Now) {
        // Whoever is ended because its node does not answer makes room for the next, which may
        // fare no better: in turn, not one inside the other.
        if std::mem::replace(&mut self.wanting, true) {
            return;
        }
        loop {
            let wanted = self.dispatcher.take_wanted();
            if wanted.is_empty() {
                break;
            }
            for id in wanted {
                if self.dispatcher.is_wanted(id) {
                    self.on_master(now, node_state::Event::Want(id));
                }
            }
        }
        self.wanting = false;
    }

    /// Nobody waits for a node that does not answer.
    fn give_up(&mut self, now: Now, id: MasterId) {
        self.dispatcher.set_up(id, false, now.mono);
        let detail = self.complaint(id);
        for unit in self.dispatcher.waiting_for(id) {
            let report = Report::of(Outcome::Unreachable, Some(detail.clone()));
            self.end_unit(now, unit, report);
        }
    }
}

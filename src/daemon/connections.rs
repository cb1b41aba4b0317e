//! The engine's hands for the nodes' connections: starting and ending ssh masters.

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use super::engine::Engine;
use super::token::Token;
use crate::master::{self, Master};
use crate::node::Node;
use crate::node_state::{self, MasterId};
use crate::protocol::message::Output;
use crate::sys::poll::Interest;
use crate::unit::Outcome;

impl Engine {
    pub(super) fn on_master(&mut self, event: node_state::Event) {
        // What follows from an event comes after it, and not deeper in the stack: a thousand
        // nodes may fail to connect in a row.
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.masters.handle(Instant::now(), event) {
                events.extend(self.perform(action));
            }
        }
    }

    fn perform(&mut self, action: node_state::Action) -> Option<node_state::Event> {
        match action {
            node_state::Action::Connect(id) => {
                if let Err(e) = self.connect(id) {
                    log::error!(target: "loom::master", "ssh cannot be started: {e}");
                    self.complaints.insert(id, format!("ssh cannot be started: {e}"));
                    return Some(node_state::Event::Exited(id));
                }
            }
            node_state::Action::Close(id) => {
                self.dispatcher.set_up(id, false);
                if let Some(master) = self.connections.get(&id) {
                    master.close();
                }
            }
            node_state::Action::Kill(id) => {
                if let Some(master) = self.connections.get(&id) {
                    master.kill();
                }
            }
            node_state::Action::Up(id) => self.dispatcher.set_up(id, true),
            node_state::Action::Unreachable(id) => self.give_up(id),
            node_state::Action::Down(id) => {
                self.dispatcher.set_up(id, false);
                if self.dispatcher.is_wanted(id) {
                    return Some(node_state::Event::Want(id));
                }
            }
        }
        None
    }

    /// Its queue has become shorter.
    pub(super) fn see_if_unwanted(&mut self, id: MasterId) {
        if !self.dispatcher.is_wanted(id) {
            self.on_master(node_state::Event::Unwanted(id));
        }
    }

    fn connect(&mut self, id: MasterId) -> io::Result<()> {
        let parameters = &self.parameters[id.0 as usize];
        let master = Master::start(self.paths.runtime.path(), id, parameters)?;
        log::debug!(
            target: "loom::master",
            "connecting to {} (ssh process {})", parameters.node, master.pid()
        );
        self.watch_master(id, &master)?;
        self.connections.insert(id, master);
        Ok(())
    }

    /// Nobody waits for a node that does not answer.
    fn give_up(&mut self, id: MasterId) {
        self.dispatcher.set_up(id, false);
        let detail = self.complaints.get(&id).cloned().unwrap_or_else(|| {
            let seconds = self.config.settings.connect_timeout.as_secs_f32();
            format!("ssh was not connected within {seconds} s")
        });
        for unit in self.dispatcher.take_waiting(id) {
            self.end_unit(unit, Outcome::Unreachable, Some(detail.clone()), Output::default());
        }
    }

    /// The connection for this node, as it is configured now.
    pub(super) fn master_of(&mut self, node: &Node) -> MasterId {
        let wanted = master::options::parameters(node, self.config.settings.connect_timeout);
        let known = self.parameter_index.get(&wanted.node);
        if let Some(id) = known
            && self.parameters[id.0 as usize] == wanted
        {
            return *id;
        }
        let id = MasterId(self.parameters.len() as u32);
        self.parameter_index.insert(wanted.node.clone(), id);
        self.parameters.push(wanted);
        id
    }

    pub(super) fn watch_master(&self, id: MasterId, master: &Master) -> io::Result<()> {
        self.poll.add(master.stderr_fd(), Token::Master(id).into(), Interest::Read)
    }

    pub(super) fn reap_master(&mut self, id: MasterId) {
        let Some(master) = self.connections.get_mut(&id) else { return };
        if !master.has_exited() {
            return;
        }
        master.listen();
        let complaint = master.complaint();
        let node = &self.parameters[id.0 as usize].node;
        if complaint.is_empty() {
            log::debug!(target: "loom::master", "the connection to {node} has ended");
        } else {
            log::warn!(target: "loom::master", "{node}: {complaint}");
            self.complaints.insert(id, complaint);
        }
        if let Some(master) = self.connections.remove(&id) {
            let _ = self.poll.remove(master.stderr_fd());
        }
        self.on_master(node_state::Event::Exited(id));
    }

    pub(super) fn master_printed(&mut self, id: MasterId) {
        let Some(master) = self.connections.get_mut(&id) else { return };
        if !master.listen() {
            let _ = self.poll.remove(master.stderr_fd());
        }
    }

    pub(super) fn sockets_appeared(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(events) = self.sockets.read_events(&mut buffer) {
            let names: Vec<_> = events.filter_map(|e| e.name.and_then(master::by_socket)).collect();
            if names.is_empty() {
                break;
            }
            for id in names {
                self.complaints.remove(&id);
                self.on_master(node_state::Event::Connected(id));
            }
        }
    }

    pub(super) fn answer_askpass(&self) {
        self.askpass.answer(|pid| {
            let (id, _) = self.connections.iter().find(|(_, master)| master.pid() == pid)?;
            self.parameters[id.0 as usize].password.clone()
        });
    }
}

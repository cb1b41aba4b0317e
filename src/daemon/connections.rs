//! The engine's hands for the nodes' connections: starting and ending ssh masters.

use std::io;

use super::engine::Engine;
use super::token::Token;
use crate::master::{self, Master};
use crate::node::Node;
use crate::node_state::{self, MasterId};
use crate::scheduler::Now;
use crate::sys::poll::Interest;

impl Engine {
    pub(super) fn connect(&mut self, id: MasterId) {
        if let Err(e) = self.try_to_connect(id) {
            log::error!(target: "loom::master", "ssh cannot be started: {e}");
            self.scheduler.complain(id, Some(format!("ssh cannot be started: {e}")));
            self.sockets.forget(id);
            self.scheduler.on_master(Now::read(), node_state::Event::Exited(id));
        }
    }

    fn try_to_connect(&mut self, id: MasterId) -> io::Result<()> {
        let parameters = &self.parameters[id.0 as usize];
        let master = Master::start(self.paths.runtime.path(), id, parameters)?;
        log::debug!(
            target: "loom::master", node = parameters.node.as_str();
            "connecting to {} (ssh process {})", parameters.node, master.pid()
        );
        self.watch_master(id, &master)?;
        self.connections.insert(id, master);
        Ok(())
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
            log::debug!(
                target: "loom::master", node = node.as_str();
                "the connection to {node} has ended"
            );
        } else {
            // What is rebooted is tried again and again; only the end of that is news.
            let away = self.scheduler.is_away(id);
            let level = if away { log::Level::Debug } else { log::Level::Warn };
            log::log!(target: "loom::master", level, node = node.as_str(); "{node}: {complaint}");
            self.scheduler.complain(id, Some(complaint));
        }
        if let Some(master) = self.connections.remove(&id) {
            let _ = self.poll.remove(master.stderr_fd());
        }
        self.scheduler.on_master(Now::read(), node_state::Event::Exited(id));
    }

    pub(super) fn master_printed(&mut self, id: MasterId) {
        let Some(master) = self.connections.get_mut(&id) else { return };
        if !master.listen() {
            let _ = self.poll.remove(master.stderr_fd());
        }
    }

    pub(super) fn sockets_appeared(&mut self) {
        for id in self.sockets.appeared(self.connections.keys().copied()) {
            self.scheduler.complain(id, None);
            self.scheduler.on_master(Now::read(), node_state::Event::Connected(id));
        }
    }

    pub(super) fn answer_askpass(&mut self) {
        self.askpass.answer(|pid| {
            let (id, _) = self.connections.iter().find(|(_, master)| master.pid() == pid)?;
            self.parameters[id.0 as usize].password.clone()
        });
    }
}

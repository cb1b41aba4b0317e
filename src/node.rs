//! A validated node: how to reach one machine, and as whom.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::job::Source;
use crate::password::Password;

/// Units at once on one node; below a stock sshd's `MaxSessions 10`, with room for a kill.
pub const DEFAULT_MAX_SESSIONS: u32 = 8;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// The manifest's key; also the host name given to ssh, so that the user's `Host` blocks match.
    pub name: String,
    pub user: String,
    /// Takes the place of the name in the connection (ssh's `HostName`).
    pub ip: Option<String>,
    /// `None` leaves it to ssh_config, whose default is 22.
    pub port: Option<u16>,
    /// Absolute; checked at load, since ssh itself only warns.
    pub identity: Option<PathBuf>,
    pub password: Option<Password>,
    pub tags: Vec<String>,
    /// The configuration's `ssh_options` with the node's own laid over them.
    pub ssh_options: BTreeMap<String, String>,
    /// Units at once on this node, 1 or more.
    pub max_sessions: u32,
    pub source: Source,
}

impl Node {
    /// A host that the configuration does not know. `user` is who logs in unless ssh_config says
    /// otherwise; `ssh_options`: the configuration's, for all nodes.
    pub fn host_of(name: &str, user: &str, ssh_options: &BTreeMap<String, String>) -> Node {
        Node {
            name: name.to_owned(),
            user: user.to_owned(),
            ip: None,
            port: None,
            identity: None,
            password: None,
            tags: Vec::new(),
            ssh_options: ssh_options.clone(),
            max_sessions: DEFAULT_MAX_SESSIONS,
            source: Source { file: PathBuf::new(), line: 0 },
        }
    }

    /// Whether it stands in the configuration.
    pub fn is_written(&self) -> bool {
        self.source.line > 0
    }

    /// The address that is dialled.
    pub fn host(&self) -> &str {
        self.ip.as_deref().unwrap_or(&self.name)
    }
}

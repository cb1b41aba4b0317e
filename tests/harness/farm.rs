//! A farm: each loopback address a node, with keys of its own, gone when it is dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::sshd::{self, Sshd};

pub use super::sshd::{Options, user};

/// Nodes are named `n1`, `n2`, … unless a test has names for them. A task finds its node's name in
/// `$LOOM_NODE`, and in `$LOOM_EVIDENCE` a directory to leave traces in.
pub struct Farm {
    nodes: Vec<Sshd>,
    root: TempDir,
}

impl Farm {
    pub fn start(count: usize) -> Farm {
        Farm::with(count, Options::default())
    }

    pub fn with(count: usize, options: Options) -> Farm {
        Farm::of((1..=count).map(|number| format!("n{number}")), options)
    }

    /// Nodes with these names.
    pub fn named(names: impl IntoIterator<Item = String>) -> Farm {
        Farm::of(names, Options::default())
    }

    /// Nodes with these names and options.
    pub fn of(names: impl IntoIterator<Item = String>, options: Options) -> Farm {
        let root = tempfile::Builder::new().prefix("loom-farm.").tempdir().unwrap();
        sshd::keygen(&root.path().join("id"));
        fs::copy(root.path().join("id.pub"), root.path().join("authorized_keys")).unwrap();
        let node = |(number, name)| Sshd::new(root.path(), number, name, options);
        let nodes: Vec<_> = (1..).zip(names).map(node).collect();
        let known: String = nodes.iter().map(Sshd::known_host).collect();
        fs::write(root.path().join("known_hosts"), known).unwrap();
        Farm { nodes, root }
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn names(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.name.clone()).collect()
    }

    pub fn node(&self, name: &str) -> &Sshd {
        self.nodes.iter().find(|node| node.name == name).expect("no node of that name")
    }

    fn node_mut(&mut self, name: &str) -> &mut Sshd {
        self.nodes.iter_mut().find(|node| node.name == name).expect("no node of that name")
    }

    pub fn identity(&self) -> PathBuf {
        self.root.path().join("id")
    }

    pub fn known_hosts(&self) -> PathBuf {
        self.root.path().join("known_hosts")
    }

    /// The whole nodes file.
    pub fn nodes_yaml(&self) -> String {
        self.nodes.iter().map(|node| self.node_yaml(&node.name, node)).collect()
    }

    /// An entry of the nodes file that reaches `node` under another name.
    pub fn node_yaml(&self, name: &str, node: &Sshd) -> String {
        format!(
            "{name}:\n  user: {user}\n  ip: {ip}\n  port: {port}\n  identity: {identity}\n  \
             ssh_options:\n    UserKnownHostsFile: {known}\n    GlobalKnownHostsFile: /dev/null\n",
            user = sshd::user(),
            ip = node.ip,
            port = node.port,
            identity = self.identity().display(),
            known = self.known_hosts().display(),
        )
    }

    /// A plain ssh to the node, without anything of the user's own configuration.
    pub fn ssh(&self, name: &str) -> Command {
        let node = self.node(name);
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-n", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"])
            .args(["-o", "ConnectTimeout=10", "-o", "GlobalKnownHostsFile=/dev/null"])
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", self.known_hosts().display()))
            .arg("-i")
            .arg(self.identity())
            .args(["-l", &sshd::user(), "-p", &node.port.to_string(), &node.ip]);
        ssh
    }

    /// What tasks wrote to the file `name` in the node's `$LOOM_EVIDENCE`; nothing if they did not.
    pub fn evidence(&self, node: &str, name: &str) -> String {
        fs::read_to_string(self.node(node).evidence().join(name)).unwrap_or_default()
    }

    /// The node hangs: it accepts connections, since the kernel does, and answers nothing.
    pub fn freeze(&self, name: &str) {
        self.freeze_listener(name);
        self.freeze_sessions(name);
    }

    /// New connections hang; those there are go on.
    pub fn freeze_listener(&self, name: &str) {
        self.node(name).listener().signal(Signal::SIGSTOP);
    }

    /// The connections there are hang; new ones work.
    pub fn freeze_sessions(&self, name: &str) {
        self.node(name).sessions().into_iter().for_each(|sshd| sshd.signal(Signal::SIGSTOP));
    }

    pub fn thaw(&self, name: &str) {
        let node = self.node(name);
        let stopped = node.sessions().into_iter().chain([node.listener()]);
        stopped.for_each(|sshd| sshd.signal(Signal::SIGCONT));
    }

    /// The connections break; new ones work.
    pub fn kill_sessions(&self, name: &str) {
        self.node(name).sessions().into_iter().for_each(|sshd| sshd.signal(Signal::SIGKILL));
    }

    /// Connections are refused, and what ran on the node is gone.
    pub fn stop_node(&mut self, name: &str) {
        self.node_mut(name).stop();
    }

    pub fn start_node(&mut self, name: &str) {
        self.node_mut(name).start();
    }

    /// The node comes back with a host key nobody knows.
    pub fn change_host_key(&mut self, name: &str) {
        let node = self.node_mut(name);
        node.stop();
        node.change_host_key();
        node.start();
    }
}

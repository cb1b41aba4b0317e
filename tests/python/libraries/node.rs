//! The throwaway node, as node.sh makes it: this machine beneath a layer that dies with it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::log::Log;
use crate::harness::process::{self, Process};
use crate::harness::{SOON, until};

pub struct Node {
    pub address: String,
    pub port: u16,
    dir: TempDir,
    child: Child,
}

/// Why there can be none on this machine.
pub fn refused() -> Option<String> {
    let output = process::run(Command::new(script()).arg("--probe"), SOON);
    let told = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!output.status.success()).then_some(told)
}

impl Node {
    /// On 127.0.0.`last`, listening once this returns.
    pub fn start(last: u8) -> Node {
        let dir = tempfile::Builder::new().prefix("loom-node.").tempdir().unwrap();
        for key in ["id", "host_key"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "loom-test", "-f"]);
            process::must(keygen.arg(dir.path().join(key)), SOON);
        }
        // The layer covers the directory that it is given, for itself; the keys stay here.
        let inner = dir.path().join("node");
        fs::create_dir(&inner).unwrap();
        fs::copy(dir.path().join("host_key"), inner.join("host_key")).unwrap();
        fs::copy(dir.path().join("id.pub"), inner.join("authorized_keys")).unwrap();
        let address = format!("127.0.0.{last}");
        let port = free_port(&address);
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(script())
            .arg(&inner)
            .args([&address, &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Log::follow(child.stderr.take().unwrap());
        let listens = log.find(0, Duration::from_secs(60), |line| line.contains("listening on"));
        assert!(listens.is_some(), "the node does not start:\n{}", log.text());
        Node { address, port, dir, child }
    }

    /// The whole nodes file: one node, called `node`.
    pub fn yaml(&self) -> String {
        let known = self.dir.path().join("known_hosts");
        let key = fs::read_to_string(self.dir.path().join("host_key.pub")).unwrap();
        fs::write(&known, format!("[{}]:{} {key}", self.address, self.port)).unwrap();
        format!(
            "node:\n  user: deploy\n  ip: {}\n  port: {}\n  identity: {}\n  ssh_options:\n    \
             UserKnownHostsFile: {}\n    GlobalKnownHostsFile: /dev/null\n",
            self.address,
            self.port,
            self.identity().display(),
            known.display(),
        )
    }

    pub fn identity(&self) -> PathBuf {
        self.dir.path().join("id")
    }

    /// Where the witnesses on the node write, seen from here.
    pub fn witnessed(&self) -> PathBuf {
        self.dir.path().join("node/log/calls")
    }

    /// A line for each file of the node that is not as it was: its path, what it is, what it holds.
    pub fn changes(&self) -> Vec<(String, String)> {
        let shell = Process::of(self.child.id() as i32).expect("the node is gone");
        let first = until("the node's first process", SOON, || shell.children().into_iter().next());
        let mut changes = Command::new(script());
        changes.arg("--changes").arg(first.pid.to_string()).arg(self.dir.path().join("node"));
        let told = process::must(&mut changes, SOON);
        told.lines()
            .map(|line| line.split_once('\t').expect("a path and more"))
            .map(|(path, what)| (path.trim_start_matches('.').to_owned(), what.to_owned()))
            .collect()
    }
}

impl Drop for Node {
    /// All that it is ends with the first process of its namespaces.
    fn drop(&mut self) {
        process::end(&mut self.child);
    }
}

fn free_port(address: &str) -> u16 {
    TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port()
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/libraries/node.sh")
}

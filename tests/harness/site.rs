//! A configuration in a directory of its own, and the command line run on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use tempfile::TempDir;

use super::{Farm, Ledger, books, process};

/// A whole `loom check` or `loom once` of a test, on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// `loom.yaml`, `nodes.yaml` and `jobs/` in a temporary directory, with the state in `state/` and
/// the sockets in `run/` beside them.
pub struct Site {
    dir: TempDir,
}

impl Site {
    /// All nodes of the farm, no jobs, and numbers that keep tests quick.
    pub fn new(farm: &Farm) -> Site {
        let site = Site::empty();
        site.write("nodes.yaml", &farm.nodes_yaml());
        site
    }

    /// No nodes and no jobs.
    pub fn empty() -> Site {
        let dir = tempfile::Builder::new().prefix("loom-site.").tempdir().unwrap();
        let site = Site { dir };
        fs::create_dir(site.path("jobs")).unwrap();
        fs::create_dir(site.path("run")).unwrap();
        site.write("nodes.yaml", "{}\n");
        site.settings("connect_timeout: 5\nstop_timeout: 5\n");
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    pub fn statedir(&self) -> PathBuf {
        self.path("state")
    }

    pub fn ledger(&self) -> Ledger {
        Ledger::new(&self.statedir().join("ledger.db"))
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Writes loom.yaml: what every site has, and these lines.
    pub fn settings(&self, more: &str) {
        let same = "nodesfile: nodes.yaml\njobspath: jobs\nstatedir: state\n";
        self.write("loom.yaml", &format!("{same}{more}"));
    }

    /// A manifest with one job, which is named as the file is; `body` is its attributes.
    pub fn write_job(&self, name: &str, body: &str) {
        self.write(&format!("jobs/{name}.yaml"), &manifest(name, body));
    }

    /// A job that runs a shell command with `loom.run`, never by itself.
    pub fn write_command(&self, name: &str, command: &str, targets: &[&str]) {
        let command = serde_json::to_string(command).unwrap();
        let targets = targets.join(", ");
        self.write_job(
            name,
            &format!(
                "task: loom.run\nargs: [{command}]\nschedule: '@yearly'\ntargets: [{targets}]"
            ),
        );
    }

    /// A job whose command leaves evidence of its start and its end for the [`Books`]. `more`:
    /// its other attributes, `targets` at least.
    ///
    /// [`Books`]: super::Books
    pub fn write_witnessed(&self, name: &str, command: &str, more: &str) {
        let command = serde_json::to_string(&books::witnessed(command)).unwrap();
        self.write_job(name, &format!("task: loom.run\nargs: [{command}]\n{more}"));
    }

    /// A manifest with one flow, which is named as the file is; `flow` is its keys.
    pub fn write_flow(&self, name: &str, flow: serde_json::Value) {
        let manifest = serde_json::json!({"flows": {name: flow}});
        self.write(&format!("jobs/{name}.yaml"), &manifest.to_string());
    }

    /// The real executable on this configuration. All it starts carries the site's path in its
    /// environment, by which leftovers are found.
    pub fn loom(&self, args: &[&str]) -> Command {
        self.adapt(Command::new(loom_executable()), args)
    }

    /// Makes `loom`, a command that comes down to the executable, one on this configuration.
    pub fn adapt(&self, mut loom: Command, args: &[&str]) -> Command {
        loom.arg("-c").arg(self.path("loom.yaml")).args(args);
        loom.env("LOOM_TEST_SITE", self.root());
        // The latter is heeded by root too.
        loom.env("XDG_RUNTIME_DIR", self.path("run")).env("RUNTIME_DIRECTORY", self.path("run"));
        loom.env("NO_COLOR", "1").env_remove("RUST_LOG");
        loom
    }

    pub fn check(&self) -> Output {
        process::run(&mut self.loom(&["check"]), LIMIT)
    }

    pub fn once(&self, args: &[&str]) -> Output {
        process::run(self.loom(&["once"]).args(args), LIMIT)
    }
}

/// A manifest of one job; `body` holds its attributes, a line each.
pub fn manifest(name: &str, body: &str) -> String {
    let body: String = body.lines().map(|line| format!("    {line}\n")).collect();
    format!("jobs:\n  {name}:\n{body}")
}

/// The `loom` of this build, with the worker it will look for beside it.
pub fn loom_executable() -> &'static Path {
    let loom = Path::new(env!("CARGO_BIN_EXE_loom"));
    let worker = loom.with_file_name("loom-worker");
    assert!(worker.exists(), "{} is missing: run `cargo build --workspace`", worker.display());
    loom
}

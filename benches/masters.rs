//! The bare tools: plain ssh masters to a farm's nodes, and clients over them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::harness::{Farm, SOON, process, until};
use crate::timed::timed_with;

/// One foreground `ssh -M -N` for each node, all of them up.
pub struct Masters {
    masters: Vec<Child>,
    controls: Vec<PathBuf>,
    dir: tempfile::TempDir,
}

impl Masters {
    pub fn start(farm: &Farm) -> Masters {
        let dir = tempfile::Builder::new().prefix("loom-mux.").tempdir().unwrap();
        let controls: Vec<_> = farm.names().iter().map(|name| dir.path().join(name)).collect();
        let start = |(name, control): (String, &PathBuf)| {
            let mut ssh = farm.ssh(&name);
            ssh.args(["-M", "-N", "-S"]).arg(control).stdin(Stdio::null());
            ssh.spawn().unwrap()
        };
        let masters = farm.names().into_iter().zip(&controls).map(start).collect();
        for control in &controls {
            until("a master", SOON, || control.exists().then_some(()));
        }
        Masters { masters, controls, dir }
    }

    /// Seconds that `count` times `line` take over the mux protocol, `tasks` at once.
    pub fn mux_loop(&self, line: &str, count: usize, tasks: usize) -> f64 {
        let mut mux_loop = mux_loop();
        mux_loop.args([&count.to_string(), &tasks.to_string(), line]).args(&self.controls);
        process::must(&mut mux_loop, 10 * SOON).trim().parse().unwrap()
    }

    /// Seconds that they take with an `ssh` spawned for each, by xargs.
    pub fn xargs(&self, line: &str, count: usize, tasks: usize) -> f64 {
        let nodes: Vec<_> = self.controls.iter().map(|path| path.to_str().unwrap()).collect();
        let list: String = nodes.iter().cycle().take(count).map(|n| format!("{n}\n")).collect();
        let ssh = ["ssh", "-F", "none", "-o", "ControlMaster=no", "-S", NODE, "node", line];
        xargs(self.dir.path(), &list, tasks, &ssh.map(String::from))
    }
}

impl Drop for Masters {
    fn drop(&mut self) {
        self.masters.iter_mut().for_each(process::end);
    }
}

/// What xargs replaces by a line of the list; nothing that occurs in a shell command.
pub const NODE: &str = "@@NODE@@";

/// Seconds xargs takes to run `command` for each line of `list`. The children's stdin stays open
/// and empty: the wrapper's lease ends a command whose stdin ends.
pub fn xargs(dir: &Path, list: &str, tasks: usize, command: &[String]) -> f64 {
    let file = dir.join("list");
    std::fs::write(&file, list).unwrap();
    let (stdin, open) = std::io::pipe().unwrap();
    let mut xargs = Command::new("xargs");
    xargs.arg("-a").arg(&file).args([&format!("-P{tasks}"), "-I", NODE]).args(command);
    xargs.stderr(Stdio::null());
    let wall = timed_with(&mut xargs, stdin.into()).wall;
    drop(open);
    wall
}

/// The remote command line the worker sends for `command`.
pub fn wrapped(command: &str) -> String {
    process::must(mux_loop().args(["line", command]), SOON).trim_end_matches('\n').to_owned()
}

/// Built beside `loom` by `make bench`.
fn mux_loop() -> Command {
    let path = crate::harness::site::loom_executable().with_file_name("examples/mux_loop");
    assert!(path.exists(), "{} is missing: run `make bench`", path.display());
    Command::new(path)
}

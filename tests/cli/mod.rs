//! The command line's side of the API: subcommands as scripts and people meet them.

mod changes;
mod remote;
mod silent;
mod tasks;
mod views;

use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Site, process};

/// Waiting for a run or a daemon's end included, on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// What a command did.
#[derive(Debug)]
struct Did {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Did {
    fn of(output: Output) -> Did {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        Did { code: output.status.code(), stdout, stderr }
    }

    /// What it printed, which it did with this exit status.
    #[track_caller]
    fn exits(self, code: i32) -> Did {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    #[track_caller]
    fn json(self) -> Value {
        let Did { stdout, .. } = self.exits(0);
        serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{e}: {stdout}"))
    }
}

/// `loom -c SITE ARGS`, with these variables and no others that name a daemon.
fn loom_with(site: &Site, variables: &[(&str, &str)], args: &[&str]) -> Did {
    let mut loom = site.loom(args);
    for name in ["LOOM_HOST", "LOOM_TOKEN", "LOOM_CACERT"] {
        loom.env_remove(name);
    }
    loom.envs(variables.iter().copied()).env("TZ", "UTC");
    Did::of(process::run(&mut loom, LIMIT))
}

fn loom(site: &Site, args: &[&str]) -> Did {
    loom_with(site, &[], args)
}

/// The cells of a table's rows below its header; columns are two blanks apart at least.
fn rows(table: &str) -> Vec<Vec<&str>> {
    let lines = table.lines().skip(1);
    lines
        .map(|line| {
            let cells = line.split("  ").map(str::trim);
            cells.filter(|cell| !cell.is_empty()).collect()
        })
        .collect()
}

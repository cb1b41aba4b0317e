//! Hooks that are really performed: commands, webhooks and mails, by the runner that the daemon
//! drives, in a small poll loop of its own.

mod command;
mod daemon;
mod flows;
mod mail;
mod tls;
mod webhook;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use loom::daemon::Token;
use loom::daemon::hooks::HookRunner;
use loom::hook::Firing;
use loom::hook::child::Setting;
use loom::job::hooks::{Action, Hook, Occasion};
use loom::store::HookRow;
use loom::sys::poll::Poll;
use loom::unit::RunId;

use crate::harness::SOON;

/// For hooks that are expected to end by themselves.
const AMPLE: Duration = Duration::from_secs(60);

struct Rig {
    runner: HookRunner,
    poll: Poll,
    dir: tempfile::TempDir,
    rows: Vec<HookRow>,
}

impl Rig {
    fn new() -> Rig {
        Rig::with_path("/usr/local/bin:/usr/bin:/bin")
    }

    fn with_path(path: &str) -> Rig {
        Rig::with_environment(&[("PATH", path), ("HOME", "/root"), ("LANG", "C.UTF-8")])
    }

    fn with_environment(environment: &[(&str, &str)]) -> Rig {
        let owned = environment.iter().map(|(name, value)| (name.into(), value.into()));
        let setting =
            Setting { executable: env!("CARGO_BIN_EXE_loom").into(), environment: owned.collect() };
        Rig {
            runner: HookRunner::new(setting),
            poll: Poll::new().unwrap(),
            dir: tempfile::tempdir().unwrap(),
            rows: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What a hook has written there.
    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn fire(&mut self, firing: Firing) {
        self.runner.fire(&self.poll, firing);
    }

    /// A command, in which `$D` is the rig's directory.
    fn fire_command(&mut self, script: &str, timeout: Duration) {
        self.fire(self.command("backup", script, timeout));
    }

    fn command(&self, job: &str, script: &str, timeout: Duration) -> Firing {
        let script = format!("D={}\n{script}", self.dir.path().display());
        firing(job, Action::Command(script), timeout, b"{}\n")
    }

    /// One turn of the loop. SIGCHLD is the daemon's; here everybody is looked at each time.
    fn turn(&mut self) {
        let soon = Duration::from_millis(5);
        let until = self.runner.deadline().map(|at| at.saturating_duration_since(Instant::now()));
        for raw in self.poll.wait(Some(until.map_or(soon, |until| until.min(soon)))).unwrap() {
            match Token::try_from(raw) {
                Ok(Token::Hook(id)) => self.runner.on_token(&self.poll, id),
                other => panic!("{other:?}"),
            }
        }
        self.runner.reap(&self.poll);
        self.runner.tick(&self.poll, Instant::now());
        self.rows.extend(self.runner.take_finished());
    }

    /// Until the condition holds.
    fn turn_until(&mut self, what: &str, mut holds: impl FnMut(&Rig) -> bool) {
        let end = Instant::now() + SOON;
        while !holds(self) {
            assert!(Instant::now() < end, "waited {SOON:?} in vain for {what}");
            self.turn();
        }
    }

    /// Until none runs and none waits; what became of them.
    fn settle(&mut self) -> Vec<HookRow> {
        self.turn_until("the hooks to end", |rig| rig.runner.is_idle());
        self.rows.extend(self.runner.take_finished());
        std::mem::take(&mut self.rows)
    }

    /// Of the only hook.
    fn result(&mut self) -> Result<(), String> {
        let mut rows = self.settle();
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0).failure.map_or(Ok(()), Err)
    }

    fn failure(&mut self) -> String {
        self.result().unwrap_err()
    }
}

fn firing(job: &str, action: Action, timeout: Duration, body: &[u8]) -> Firing {
    Firing {
        job: job.to_owned(),
        run: Some(RunId(12)),
        occasion: Occasion::Failure,
        hook: Hook { action, arguments: false, timeout },
        body: body.to_vec(),
    }
}

fn is_there(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.len() > 0)
}

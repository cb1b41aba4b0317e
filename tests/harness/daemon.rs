//! A running `loom -n` on a [`Site`]: its log, its signals, its children and its ledger.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::log::Log;
use super::process::{self, Process};
use super::{Ledger, SOON, Site, until};

/// The whole way from SIGTERM to the end, the site's `stop_timeout` and a kill included.
const STOP: Duration = Duration::from_secs(60);

pub struct Daemon<'a> {
    site: &'a Site,
    child: Child,
    process: Process,
    log: Log,
    /// What it had started when it was told to end, which must not outlive it.
    family: Vec<Process>,
}

impl<'a> Daemon<'a> {
    /// Returns once it keeps time.
    pub fn start(site: &'a Site) -> Daemon<'a> {
        let daemon = Daemon::spawn(site);
        daemon.wait_for_log("keeps time", SOON);
        daemon
    }

    /// Does not wait for anything.
    pub fn spawn(site: &'a Site) -> Daemon<'a> {
        let mut child = site
            .loom(&["-n"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("loom does not start");
        let log = Log::follow(child.stdout.take().unwrap());
        let process = Process::of(child.id() as i32).expect("not reaped yet");
        Daemon { site, child, process, log, family: Vec::new() }
    }

    pub fn pid(&self) -> i32 {
        self.process.pid
    }

    pub fn process(&self) -> Process {
        self.process
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    pub fn ledger(&self) -> Ledger {
        self.site.ledger()
    }

    /// The first line of the log that contains `part`; panics with the whole log.
    pub fn wait_for_log(&self, part: &str, within: Duration) -> String {
        self.log.wait_for(part, within)
    }

    pub fn hup(&self) {
        self.process.signal(Signal::SIGHUP);
    }

    pub fn term(&self) {
        self.process.signal(Signal::SIGTERM);
    }

    /// The worker processes there are now.
    pub fn workers(&self) -> Vec<Process> {
        self.children_named("loom-worker")
    }

    /// The ssh masters there are now.
    pub fn masters(&self) -> Vec<Process> {
        self.children_named("ssh")
    }

    fn children_named(&self, name: &str) -> Vec<Process> {
        let children = self.process.children();
        children.into_iter().filter(|child| child.is_alive() && child.runs(name)).collect()
    }

    /// Waits for it to end by itself.
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        process::wait(&mut self.child, within)
            .unwrap_or_else(|| panic!("loom did not end within {within:?}:\n{}", self.log.text()))
    }

    /// SIGTERM, and its end by that very signal, as twistd's daemons end.
    pub fn stop(&mut self) {
        self.family = self.process.descendants();
        self.term();
        let status = self.wait(STOP);
        assert_eq!(status.signal(), Some(Signal::SIGTERM as i32), "{}", self.log.text());
        self.assert_nothing_left();
    }

    /// `kill -9`, as a crash would end it, and the end of all it had started.
    pub fn kill9(&mut self) {
        self.family = self.process.descendants();
        self.process.signal(Signal::SIGKILL);
        self.wait(SOON);
        self.assert_nothing_left();
    }

    /// No process is left that belongs to this site.
    pub fn assert_nothing_left(&self) {
        let mut left = self.left();
        let names: Vec<_> = left.iter().map(|process| process.command_line()).collect();
        until(&format!("the end of {names:?}"), SOON, || {
            left.retain(|process| process.is_alive());
            left.is_empty().then_some(())
        });
    }

    fn left(&self) -> Vec<Process> {
        let mut left = process::mentioning_path(self.site.root());
        left.extend(&self.family);
        left.retain(|process| process.is_alive());
        left
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.family = self.process.descendants();
            self.term();
            if process::wait(&mut self.child, STOP).is_none() {
                process::end(&mut self.child);
            }
        }
        if std::thread::panicking() {
            eprintln!("--- loom's log ---\n{}\n---", self.log.text());
            self.left().into_iter().for_each(|process| process.signal(Signal::SIGKILL));
        } else {
            self.assert_nothing_left();
        }
    }
}

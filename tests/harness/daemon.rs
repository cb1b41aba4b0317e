//! A running `loom -n` on a [`Site`]: its log, its signals, its children and its ledger.

use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::control::Control;
use super::ledger::Unit;
use super::log::Log;
use super::process::{self, Process};
use super::{Ledger, SOON, Site, until};

/// The whole way from SIGTERM to the end, the site's `stop_timeout` and a kill included.
const STOP: Duration = Duration::from_secs(60);

/// Where the daemon finds its end of the control channel.
const CONTROL: i32 = 3;

pub struct Daemon<'a> {
    site: &'a Site,
    control: Option<Mutex<Control>>,
    child: Child,
    process: Process,
    log: Log,
    /// What it had started when it was told to end, which must not outlive it.
    family: Vec<Process>,
}

impl<'a> Daemon<'a> {
    /// Returns once it keeps time.
    pub fn start(site: &'a Site) -> Daemon<'a> {
        Daemon::start_as(site, site.loom(&["-n"]))
    }

    /// Does not wait for anything.
    pub fn spawn(site: &'a Site) -> Daemon<'a> {
        Daemon::spawn_as(site, site.loom(&["-n"]))
    }

    /// [`Daemon::start`] with a command of one's own, which comes down to `loom -n` on this site:
    /// under a limit, with another clock, from another place.
    pub fn start_as(site: &'a Site, loom: Command) -> Daemon<'a> {
        Daemon::spawn_as(site, loom).in_time()
    }

    /// [`Daemon::spawn`] with a command of one's own.
    pub fn spawn_as(site: &'a Site, mut loom: Command) -> Daemon<'a> {
        loom.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = loom.spawn().expect("loom does not start");
        Daemon::of(site, child, None)
    }

    /// [`Daemon::start`], with a control channel.
    pub fn start_with_control(site: &'a Site) -> Daemon<'a> {
        Daemon::start_with_control_as(site, site.loom(&["-n"]))
    }

    /// [`Daemon::start_as`], with a control channel. `loom` can still take arguments.
    pub fn start_with_control_as(site: &'a Site, loom: Command) -> Daemon<'a> {
        Daemon::spawn_with_control_as(site, loom).in_time()
    }

    /// Does not wait for anything.
    pub fn spawn_with_control_as(site: &'a Site, mut loom: Command) -> Daemon<'a> {
        loom.args(["--control", &CONTROL.to_string()]);
        loom.stdin(Stdio::null()).stdout(Stdio::piped());
        let (ours, its) = UnixStream::pair().unwrap();
        let child = loom::sys::spawn::spawn(loom, &[(its.into(), CONTROL)]);
        let child = child.expect("loom does not start");
        Daemon::of(site, child, Some(Control::new(ours)))
    }

    fn of(site: &'a Site, mut child: Child, control: Option<Control>) -> Daemon<'a> {
        let log = Log::follow(child.stdout.take().unwrap());
        let process = Process::of(child.id() as i32).expect("not reaped yet");
        Daemon { site, control: control.map(Mutex::new), child, process, log, family: Vec::new() }
    }

    fn in_time(self) -> Daemon<'a> {
        self.wait_for_log("keeps time", SOON);
        self
    }

    pub fn control(&self) -> MutexGuard<'_, Control> {
        self.control.as_ref().expect("started without a control channel").lock().unwrap()
    }

    /// Runs a job on its targets, now; the run's id.
    pub fn run(&self, job: &str) -> i64 {
        self.control().run(job)
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

    /// The gateways there are now.
    pub fn gateways(&self) -> Vec<Process> {
        self.children_named("loom-gateway")
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

    /// Runs a job on its targets, now, and waits for its end: how that went on each of them.
    pub fn run_to_end(&self, job: &str, within: Duration) -> Vec<Unit> {
        let run = self.run(job);
        self.ledger().wait_for_run(job, run, within).1
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

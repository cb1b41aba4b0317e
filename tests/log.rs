//! The log of a real daemon: as JSON, and where nobody reads it.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use loom::sys::poll::is_writable;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::process::{self, Process};
use crate::harness::{Daemon, SOON, Site, until};

#[test]
fn as_json_every_line_is_an_object_with_the_documented_fields() {
    let site = Site::empty();
    site.settings("log_format: json\n");
    let mut daemon = Daemon::start(&site);
    daemon.stop();
    let lines = daemon.log().lines();
    assert!(lines.len() >= 3, "{lines:?}");
    for line in lines {
        let event: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line}: {e}"));
        let field = |name: &str| event[name].as_str().unwrap_or_else(|| panic!("{name}: {line}"));
        assert!(field("time").parse::<jiff::Timestamp>().is_ok(), "{line}");
        assert!(["info", "warn", "error"].contains(&field("level")), "{line}");
        assert!(!field("area").contains("loom::"), "{line}");
        assert!(!field("message").is_empty(), "{line}");
    }
}

#[test]
fn a_daemon_whose_stdout_nobody_reads_goes_on() {
    let site = Site::empty();
    let (mut from, to) = io::pipe().unwrap();
    fcntl(&to, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
    let ours = OwnedFd::from(to.try_clone().unwrap());
    let mut loom = site.loom(&["-n"]).stdin(Stdio::null()).stdout(to).spawn().unwrap();
    let process = Process::of(loom.id() as i32).unwrap();

    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("keeps time") {
        let mut chunk = [0; 512];
        let n = from.read(&mut chunk).unwrap();
        seen.extend_from_slice(&chunk[..n]);
    }
    let mistakes: String = (0..500).map(|n| format!("mistake{n}: 1\n")).collect();
    site.settings(&mistakes);
    process.signal(Signal::SIGHUP);
    until("a full pipe", SOON, || (!is_writable(ours.as_fd(), Duration::ZERO)).then_some(()));
    process.signal(Signal::SIGTERM);
    let status = process::wait(&mut loom, SOON).expect("it waits for its reader");
    assert_eq!(status.signal(), Some(Signal::SIGTERM as i32));
}

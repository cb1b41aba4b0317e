//! Gateways that die, stop or cannot be had: nobody's schedule notices.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::harness::api;
use crate::harness::beside::Beside;
use crate::harness::process::Process;
use crate::harness::{Books, Daemon, Farm, Fault, SOON, Site, books, until};

const ON_N1: &str = "schedule: '@yearly'\ntargets: [n1]";

fn gateways(daemon: &Daemon) -> Vec<Process> {
    let children = daemon.process().children();
    children.into_iter().filter(|child| child.is_alive() && child.runs("loom-gateway")).collect()
}

/// The one behind the local socket, which is there once somebody has knocked.
fn gateway(daemon: &Daemon) -> Process {
    until("the gateway", SOON, || gateways(daemon).pop())
}

#[test]
fn a_killed_gateway_is_back_for_whoever_asks_next() {
    let _fault = Fault::new("kill -9 of the gateway");
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_witnessed("long", "sleep 3", ON_N1);
    let mut daemon = Daemon::start_with_control(&site);
    assert!(gateways(&daemon).is_empty(), "nobody has asked yet");
    assert_eq!(api::get(&site, "daemon").unwrap().json()["pid"], daemon.pid());
    let run = daemon.run("long");
    until("the command", SOON, || (books::starts(&farm) == 1).then_some(()));
    for _ in 0..10 {
        let old = gateway(&daemon);
        old.signal(Signal::SIGKILL);
        // Whoever came before it was dead may be hung up on; nobody is refused.
        let asked = until("an answer", SOON, || {
            let answer = api::connect(&site).and_then(|_| api::get(&site, "daemon"));
            match answer {
                Ok(answer) => Some(answer.status),
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => panic!("{e}"),
                Err(_) => None,
            }
        });
        assert_eq!(asked, 200);
        assert_ne!(gateway(&daemon).pid, old.pid);
    }
    let (over, _) = daemon.ledger().wait_for_run("long", run, SOON);
    assert_eq!(over.state, "succeeded");
    daemon.stop();
    assert!(fs::read_link(site.statedir().join("api.sock")).is_err(), "the link is left");
    Books::of(&site).with(&farm).balance();
}

#[test]
fn one_that_dies_at_once_is_started_ever_more_seldom() {
    const WATCHED: Duration = Duration::from_secs(4);
    let _fault = Fault::new("a gateway that dies at once");
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_witnessed("quick", "true", ON_N1);
    let beside = Beside::with_gateway("/bin/false");
    let mut daemon = Daemon::start_with_control_as(&site, beside.loom(&site));
    // It waits in the queue for ever, and so somebody always knocks.
    let _knocking = api::connect(&site).unwrap();
    let before = daemon.process().cpu_time();
    std::thread::sleep(WATCHED);
    let spent = daemon.process().cpu_time() - before;
    assert!(spent < WATCHED / 8, "{spent:?} of the processor in {WATCHED:?}");
    let log = daemon.log().text();
    let died = log.lines().filter(|line| line.contains("gateway") && line.contains("is gone"));
    // 0.1 s, 0.2 s, 0.4 s, …
    let died = died.count();
    assert!((2..=8).contains(&died), "{died} times:\n{log}");
    daemon.run_to_end("quick", SOON);
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn without_its_executable_there_is_no_api_and_everything_else() {
    let _fault = Fault::new("gateway binary missing");
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_witnessed("quick", "true", ON_N1);
    let beside = Beside::the_real_one();
    let mut daemon = Daemon::start_with_control_as(&site, beside.loom(&site));
    daemon.wait_for_log("there is no API: loom-gateway is in none of", SOON);
    assert!(api::connect(&site).is_err());
    daemon.run_to_end("quick", SOON);
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn one_that_does_not_listen_holds_nobody_up_and_hears_later_that_it_missed_something() {
    const UNITS: usize = 20;
    let _fault = Fault::new("SIGSTOP of the gateway");
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_witnessed("quick", "true", ON_N1);
    let mut daemon = Daemon::start_with_control(&site);
    api::get(&site, "daemon").unwrap();
    let gateway = gateway(&daemon);
    gateway.signal(Signal::SIGSTOP);
    for _ in 0..UNITS {
        daemon.run_to_end("quick", SOON);
    }
    gateway.signal(Signal::SIGCONT);
    assert_eq!(api::get(&site, "daemon").unwrap().status, 200);
    let asked = Instant::now();
    gateway.signal(Signal::SIGSTOP);
    // A stop waits for its last words, and not for ever.
    daemon.term();
    daemon.wait(SOON);
    assert!(asked.elapsed() < SOON);
    Books::of(&site).with(&farm).balance();
}

//! The control channel abused: it is closed, and the daemon goes on.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use loom::protocol::control::{Command, Request, Who};
use loom::protocol::frame;

use crate::harness::{Books, Daemon, Farm, Fault, SOON, Site, until};

const FAULT: &str = "abuse of the control socket";

fn request(id: u64, command: Command) -> Vec<u8> {
    let who = Who::Peer { uid: nix::unistd::getuid().as_raw() };
    frame::encode(&Request { id, who, key: None, command }, frame::CAP).unwrap()
}

/// What the daemon does with these bytes, of which it is to read none any more in the end.
fn is_closed_after(bytes: &[u8], reads_answers: bool) {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_witnessed("quick", "true", "schedule: '@yearly'\ntargets: [n1]");
    let mut daemon = Daemon::start_with_control(&site);
    let run = daemon.run("quick");
    let mut stream = daemon.control().stream();
    // It may hang up before it has read everything.
    let _ = stream.write_all(bytes);
    if reads_answers {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    daemon.wait_for_log("the control channel is closed", SOON);
    until("the run", SOON, || {
        let run = daemon.ledger().runs("quick").into_iter().find(|each| each.id == run)?;
        (run.state == "succeeded").then_some(())
    });
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn rubbish_closes_it() {
    let _fault = Fault::new(FAULT);
    is_closed_after(&[b'x'; 64], true);
}

#[test]
fn a_frame_that_is_too_long_closes_it() {
    let _fault = Fault::new(FAULT);
    is_closed_after(&u32::MAX.to_le_bytes(), true);
}

#[test]
fn a_frame_with_something_left_over_closes_it() {
    let _fault = Fault::new(FAULT);
    let mut bytes = request(1, Command::Status);
    bytes.push(0);
    let length = (bytes.len() - 4) as u32;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    is_closed_after(&bytes, true);
}

/// Answers that nobody reads do not gather without end.
#[test]
fn who_asks_and_does_not_listen_is_closed() {
    let _fault = Fault::new(FAULT);
    let flood: Vec<u8> = (0..200_000).flat_map(|id| request(id, Command::Status)).collect();
    is_closed_after(&flood, false);
}

#[test]
fn a_frame_that_is_never_finished_holds_nobody_up() {
    let _fault = Fault::new(FAULT);
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_witnessed("quick", "true", "schedule: '@yearly'\ntargets: [n1]");
    let mut daemon = Daemon::start_with_control(&site);
    let run = daemon.run("quick");
    let stream: UnixStream = daemon.control().stream();
    (&stream).write_all(&request(1, Command::Status)[..7]).unwrap();
    until("the run", SOON, || {
        let run = daemon.ledger().runs("quick").into_iter().find(|each| each.id == run)?;
        (run.state == "succeeded").then_some(())
    });
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

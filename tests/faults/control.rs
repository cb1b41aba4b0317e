//! The control channel abused: it is closed, and the daemon goes on.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use loom::protocol::control::{Command, FromParent, Request, Who};
use loom::protocol::frame;

use crate::harness::api;
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

/// One that asks without a pause and takes the answers gets no more than its turn.
#[test]
fn a_flood_of_requests_leaves_time_for_everybody_else() {
    const REQUESTS: u64 = 3_000;
    /// Of the flood, while somebody else waits for an answer.
    const AT_MOST: u64 = REQUESTS / 4;
    let _fault = Fault::new(FAULT);
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_witnessed("quick", "true", "schedule: '@yearly'\ntargets: [n1]");
    let many = |n| {
        format!("  j{n}: {{task: loom.run, args: ['true'], schedule: '@yearly', targets: n1}}\n")
    };
    site.write("jobs/many.yaml", &format!("jobs:\n{}", (0..1000).map(many).collect::<String>()));
    let mut daemon = Daemon::start_with_control(&site);
    daemon.run_to_end("quick", SOON);
    assert_eq!(api::get(&site, "daemon").unwrap().status, 200);
    let stream = daemon.control().stream();
    let mut from = stream.try_clone().unwrap();
    let flood = thread::spawn(move || {
        let job = || "quick".to_owned();
        // Each of them is work: the timetable of all jobs is made anew.
        let command = |id| match id % 2 {
            0 => Command::Disable { job: job() },
            _ => Command::Enable { job: job() },
        };
        let flood: Vec<u8> = (0..REQUESTS).flat_map(|id| request(id, command(id))).collect();
        (&stream).write_all(&flood).unwrap();
    });
    let answers = Arc::new(AtomicU64::new(0));
    let answered = answers.clone();
    let listener = thread::spawn(move || {
        while answered.load(Ordering::Relaxed) < REQUESTS {
            match frame::read(&mut from, frame::CAP).unwrap().expect("it goes on") {
                FromParent::Reply(_) => drop(answered.fetch_add(1, Ordering::Relaxed)),
                FromParent::Hello(_) | FromParent::Catalog(_) | FromParent::News(_) => {}
            }
        }
    });
    let mut most = 0;
    while !listener.is_finished() {
        let before = answers.load(Ordering::Relaxed);
        assert_eq!(api::get(&site, "daemon").unwrap().status, 200);
        most = most.max(answers.load(Ordering::Relaxed) - before);
    }
    flood.join().unwrap();
    listener.join().unwrap();
    assert!(most < AT_MOST, "{most} others were answered before one of ours");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
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

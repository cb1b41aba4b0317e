//! A gateway that is killed, while requests come in.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{Place, address, listening, token};
use crate::harness::{Daemon, SOON, Site, until};

/// One that dies younger is started again after a pause.
const GROWN_UP: Duration = Duration::from_millis(1200);

#[test]
fn no_connection_is_refused_and_the_next_is_answered_at_once() {
    let address = address();
    let site = listening(address);
    let mut daemon = Daemon::start(&site);
    let remote = Place::remote(address, &token(&site, "t", "viewer", &[]));
    let places = [Place::local(&site), remote];
    let over = AtomicBool::new(false);
    let (answered, fastest) = thread::scope(|scope| {
        let asking = places.each_ref().map(|place| scope.spawn(|| ask_until(&over, place)));
        let mut fastest = Duration::MAX;
        for _ in 0..3 {
            // That they are no longer young is nothing that shows.
            thread::sleep(GROWN_UP);
            let before = until("both gateways", SOON, || {
                Some(daemon.gateways()).filter(|gateways| gateways.len() == 2)
            });
            before.iter().for_each(|gateway| gateway.signal(Signal::SIGKILL));
            let killed = Instant::now();
            for place in &places {
                // Only the connection that was with it when it died may be lost.
                until("an answer", SOON, || place.try_ask("GET", "whoami", &[], None).ok());
            }
            fastest = fastest.min(killed.elapsed());
            assert!(before.iter().all(|gateway| !gateway.is_alive()));
        }
        over.store(true, Ordering::Relaxed);
        (asking.map(|asking| asking.join().unwrap()), fastest)
    });
    assert!(answered.iter().all(|count| *count > 20), "{answered:?}");
    // Of three times, since the machine may be busy with other things.
    assert!(fastest < Duration::from_secs(1), "{fastest:?}");
    daemon.stop();
}

/// How many were answered. None may be refused; those under way may be lost.
fn ask_until(over: &AtomicBool, place: &Place) -> usize {
    let mut answered = 0;
    while !over.load(Ordering::Relaxed) {
        match place.try_ask("GET", "daemon", &[], None) {
            Ok(answer) => {
                answer.expect(200);
                answered += 1;
            }
            Err(e) => {
                let refused = [ErrorKind::ConnectionRefused, ErrorKind::NotFound];
                assert!(!refused.contains(&e.kind()), "{e}");
            }
        }
    }
    answered
}

#[test]
fn gateways_are_known_by_their_name() {
    let site = Site::empty();
    let mut daemon = Daemon::start(&site);
    Place::local(&site).get("daemon").expect(200);
    let names: Vec<_> = daemon.gateways().iter().map(|gateway| gateway.comm()).collect();
    assert_eq!(names, ["loom-gateway"]);
    daemon.stop();
}

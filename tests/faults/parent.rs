//! The parent killed: what was due is accounted for, once.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::harness::{Books, Daemon, Farm, Fault, SOON, Site, books, until};

const A_MINUTE: Duration = Duration::from_secs(100);
/// How often the parent is killed; `LOOM_KILLS` says otherwise.
const KILLS: usize = 5;
/// How long after a run was opened: while it connects, while units are handed out, while they
/// run, when some are done. Beyond these, at random.
const MOMENTS: [u64; 4] = [0, 150, 500, 1500];
const LATEST: u64 = 3000;

fn moment(number: usize) -> Duration {
    let drawn = RandomState::new().hash_one(number) % LATEST;
    Duration::from_millis(MOMENTS.get(number).copied().unwrap_or(drawn))
}

#[test]
#[ignore = "minutes: make faults"]
fn a_daemon_killed_at_any_moment_accounts_for_every_minute_once() {
    let _fault = Fault::new("kill -9 of the parent with units running");
    let kills = std::env::var("LOOM_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let farm = Farm::start(4);
    let site = Site::new(&farm);
    site.write_witnessed("tick", "sleep 1", "targets: [n1, n2, n3, n4]");
    let ledger = site.ledger();
    let a_run = || {
        let before = ledger.runs("tick").len();
        until("a run", A_MINUTE, || (ledger.runs("tick").len() > before).then_some(()));
    };
    for number in 0..kills {
        let mut daemon = Daemon::start(&site);
        a_run();
        let moment = moment(number);
        eprintln!("killed {moment:?} after a run was opened");
        std::thread::sleep(moment);
        daemon.kill9();
    }
    let mut daemon = Daemon::start(&site);
    a_run();
    until("commands on the nodes", SOON, || (books::starts(&farm) > 0).then_some(()));
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

//! The parent killed: what was due is accounted for, once.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::harness::{Books, Daemon, Farm, Fault, SOON, Site, until};

/// Until a full minute's runs are over.
const A_MINUTE: Duration = Duration::from_secs(100);
/// How often the parent is killed; `LOOM_KILLS` says otherwise.
const KILLS: usize = 10;
/// How long after a run was asked for: while it is recorded, while its nodes are connected, while
/// units are handed out, while they run, when some are done. Beyond these, at random.
const MOMENTS: [u64; 6] = [0, 20, 150, 400, 800, 1500];
const LATEST: u64 = 2500;

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
    // What the clock asks for, whenever it does, and what is asked for in each round.
    site.write_witnessed("tick", "sleep 1", "targets: [n1, n2, n3, n4]");
    let more = "schedule: '@yearly'\ntargets: [n1, n2, n3, n4]";
    site.write_witnessed("burst", "sleep 0.$((RANDOM % 10))", more);
    let ledger = site.ledger();
    for number in 0..kills {
        let mut daemon = Daemon::start_with_control(&site);
        let moment = moment(number);
        eprintln!("kill {number}: {moment:?} after a run was asked for");
        daemon.run("burst");
        std::thread::sleep(moment);
        daemon.kill9();
    }
    let mut daemon = Daemon::start_with_control(&site);
    let before = ledger.runs("tick").len();
    until("the next full minute", A_MINUTE, || {
        let runs = ledger.runs("tick");
        (runs.len() > before && runs.iter().all(|run| run.finished_at.is_some())).then_some(())
    });
    let units = daemon.run_to_end("burst", SOON);
    for unit in units {
        assert_eq!(unit.outcome.as_deref(), Some("succeeded"), "{unit:?}");
    }
    daemon.stop();
    let rounds = ledger.runs("burst").len();
    assert!(rounds > kills / 2, "of {kills} runs the ledger has {rounds}");
    Books::of(&site).with(&farm).balance();
}

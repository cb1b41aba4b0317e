//! The parent killed: what was due is accounted for, once.
//!
//! With one job at chosen moments, and with several of all kinds at any moment, as fast as it can
//! be started again. `LOOM_KILLS` says how often.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crate::harness::{Books, Daemon, Farm, Fault, SOON, Site, until};

/// Until a full minute's runs are over.
const A_MINUTE: Duration = Duration::from_secs(100);

/// How often the parent is killed.
pub fn kills(usual: usize) -> usize {
    std::env::var("LOOM_KILLS").map_or(usual, |kills| kills.parse().unwrap())
}

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
    let kills = kills(10);
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

#[test]
#[ignore = "minutes: make faults"]
fn a_daemon_killed_again_and_again_loses_and_repeats_nothing() {
    let _fault = Fault::new("kill -9 of the parent with units running");
    /// A run was asked for, and its last unit has come to its end, by then.
    const SPAN: u64 = 1500;
    let kills = kills(8);
    let farm = Farm::start(4);
    let site = Site::new(&farm);
    site.settings("connect_timeout: 5\nstop_timeout: 5\nmax_workers: 6\n");
    let on_all = "targets: [n1, n2, n3, n4]";
    let more = format!("schedule: '@yearly'\n{on_all}");
    site.write_witnessed("tick", "sleep 0.2", on_all);
    site.write_witnessed("second", "sleep 1", &more);
    site.write_witnessed("moment", "true", &more);
    let again = "retries: {attempts: 3, delay: 1, on: [failed, unreachable]}\nparallel: 2";
    site.write_witnessed("again", "exit $((RANDOM % 2))", &format!("{more}\n{again}"));
    let asked_for = ["second", "moment", "again"];
    for number in 0..kills {
        let begun = Instant::now();
        let mut daemon = Daemon::start_with_control(&site);
        let drawn = Duration::from_millis(RandomState::new().hash_one(number) % SPAN);
        for job in asked_for {
            daemon.run(job);
        }
        std::thread::sleep(drawn);
        let status = daemon.control().status().units;
        daemon.kill9();
        eprintln!("kill {number} after {drawn:?} of {:?}: {status:?}", begun.elapsed());
    }
    let mut daemon = Daemon::start_with_control(&site);
    for job in asked_for {
        let (run, _) = daemon.ledger().wait_for_run(job, daemon.run(job), SOON);
        assert!(job == "again" || run.state == "succeeded", "{run:?}");
    }
    let ledger = site.ledger();
    until("a full minute's run", A_MINUTE, || {
        let runs = ledger.runs("tick");
        runs.iter().any(|run| run.state == "succeeded").then_some(())
    });
    until("the last run's end", SOON, || (daemon.control().status().runs == 0).then_some(()));
    daemon.stop();
    let lost = "select count(*) from units where outcome = 'lost'";
    assert!(ledger.query(lost, &[], |row| row.get::<_, i64>(0))[0] > 0, "nothing was interrupted");
    Books::of(&site).with(&farm).balance();
}

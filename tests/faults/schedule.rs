//! Full minutes at the wrong moment: while a job still runs, while the configuration is read,
//! while the daemon stops.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::harness::{Books, Daemon, Farm, Fault, SOON, Site, books, until};

const A_MINUTE: Duration = Duration::from_secs(100);

#[test]
#[ignore = "minutes: make faults"]
fn a_job_longer_than_its_interval_is_left_out_and_that_is_told() {
    let _fault = Fault::new("a job longer than its interval");
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    // Over a full minute on n1; done at once on n2.
    site.write_witnessed("long", "[ $LOOM_NODE = n2 ] || sleep 70", "targets: [n1, n2]");
    let mut daemon = Daemon::start(&site);
    let ledger = daemon.ledger();
    let runs = || ledger.runs("long").len();
    until("a run that lacks n1, and one that does not", 4 * A_MINUTE, || {
        let sql =
            "select count(*) from gaps where job = 'long' and node = 'n1' and reason = 'overlap'";
        let lacking: i64 = ledger.query(sql, &[], |row| row.get(0))[0];
        (lacking > 0 && runs() > lacking as usize + 1).then_some(())
    });
    daemon.stop();
    let both = "select count(*) from units group by run having count(distinct node) = 2";
    assert!(!ledger.query(both, &[], |row| row.get::<_, i64>(0)).is_empty());
    Books::of(&site).with(&farm).balance();
}

fn into_the_minute() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Duration::from_nanos((now.as_nanos() % 60_000_000_000) as u64)
}

#[test]
#[ignore = "minutes: make faults"]
fn reloads_around_a_full_minute_neither_lose_nor_repeat_it() {
    let _fault = Fault::new("reload at the full minute");
    const MINUTES: usize = 2;
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let write = |edit: usize| {
        site.write_witnessed("kept", "true", &format!("description: edit {edit}\ntargets: [n1]"));
        let more = format!("schedule: '{} * * * *'\ntargets: [n1]", edit % 60);
        site.write_witnessed("moved", "true", &more);
    };
    write(0);
    let mut daemon = Daemon::start(&site);
    let mut edit = 0;
    for _ in 0..MINUTES {
        let left = Duration::from_millis(59_600).saturating_sub(into_the_minute());
        std::thread::sleep(left);
        let over = |at: Duration| (Duration::from_secs(1)..Duration::from_secs(59)).contains(&at);
        while !over(into_the_minute()) {
            edit += 1;
            write(edit);
            daemon.hup();
            std::thread::sleep(Duration::from_millis(25));
        }
    }
    let ledger = daemon.ledger();
    until("the runs of both minutes", SOON, || {
        let runs = ledger.runs("kept");
        (runs.len() >= MINUTES && runs.iter().all(|run| run.finished_at.is_some())).then_some(())
    });
    assert!(edit > 10 * MINUTES, "the machine is too busy: {edit} edits");
    daemon.stop();
    // Its schedule was another one most of the time.
    Books::of(&site).with(&farm).since("moved", jiff::Timestamp::now()).balance();
}

#[test]
fn units_that_run_at_a_stop_are_cancelled_by_it() {
    let _fault = Fault::new("SIGTERM with units running");
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    site.settings("stop_timeout: 3\nmax_workers: 3\nconnect_timeout: 5\n");
    // Of these, one is done within the grace, one would take for ever, and two do not start.
    let more = "schedule: '@yearly'\ntargets: [n1]";
    site.write_witnessed("short", "sleep 1", more);
    site.write_witnessed("stubborn", "trap '' TERM; sleep 600", more);
    site.write_witnessed("long", "sleep 600", "schedule: '@yearly'\ntargets: [n2]");
    site.write_witnessed("queued", "true", "schedule: '@yearly'\ntargets: [n1, n2]");
    let mut daemon = Daemon::start_with_control(&site);
    for job in ["stubborn", "long", "short"] {
        daemon.run(job);
    }
    until("three commands", SOON, || (books::starts(&farm) == 3).then_some(()));
    daemon.run("queued");
    daemon.stop();
    let ledger = site.ledger();
    let outcome = |job: &str| {
        let units = ledger.units(job);
        let words = |unit: &crate::harness::ledger::Unit| {
            let kill = unit.kill.as_deref().unwrap_or("not killed");
            format!("{} {kill}", unit.outcome.as_deref().unwrap())
        };
        units.iter().map(words).collect::<Vec<_>>()
    };
    assert_eq!(outcome("short"), ["succeeded not killed"]);
    assert_eq!(outcome("stubborn"), ["cancelled confirmed"]);
    assert_eq!(outcome("long"), ["cancelled confirmed"]);
    assert_eq!(outcome("queued"), ["cancelled confirmed", "cancelled confirmed"]);
    let by = "select distinct cancelled_by from units where outcome = 'cancelled'";
    assert_eq!(ledger.query(by, &[], |row| row.get::<_, String>(0)), ["shutdown"]);
    Books::of(&site).with(&farm).balance();
}

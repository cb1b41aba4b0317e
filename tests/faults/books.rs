//! That the books notice what does not fit: without this, their balance says nothing.

use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::harness::{Books, Daemon, Farm, SOON, Site};

fn balances(site: &Site, farm: &Farm) -> bool {
    catch_unwind(AssertUnwindSafe(|| Books::of(site).with(farm).balance())).is_ok()
}

#[test]
fn the_books_notice_what_does_not_fit() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    site.write_witnessed("good", "true", "schedule: '@yearly'\ntargets: [n1, n2]");
    site.write_witnessed("bad", "exit 3", "schedule: '@yearly'\ntargets: [n1]");
    let mut daemon = Daemon::start_with_control(&site);
    for job in ["good", "bad"] {
        daemon.run_to_end(job, SOON);
    }
    daemon.stop();
    assert!(balances(&site, &farm));

    let file = site.statedir().join("ledger.db");
    let sound = fs::read(&file).unwrap();
    let of = |job: &str| format!("run in (select id from runs where job = '{job}')");
    // Three minutes were due; a gap over some of them.
    let minutes = |from: i64, to: i64, count: i64| {
        format!(
            "insert or ignore into jobs values ('tick', '* * * * *', null, 1000, 180000, null); \
             insert into gaps (job, first_at, last_at, count, epoch, reason) \
             values ('tick', {from} * 60000, {to} * 60000, {count}, 0, 'daemon down');"
        )
    };
    let tampered = |sql: &str| {
        let ledger = rusqlite::Connection::open(&file).unwrap();
        ledger.execute_batch(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        drop(ledger);
        let balances = balances(&site, &farm);
        fs::write(&file, &sound).unwrap();
        balances
    };
    assert!(tampered(&minutes(1, 3, 3)), "three minutes, and a gap of three");
    assert!(tampered(&(minutes(1, 1, 1) + &minutes(2, 3, 2))), "and two gaps");
    for sql in [
        minutes(1, 2, 2),
        minutes(2, 3, 2),
        minutes(1, 3, 4),
        minutes(1, 3, 3) + &minutes(3, 3, 1),
        minutes(1, 4, 4),
        "insert into jobs values ('tick', '* * * * *', null, 1000, 180000, null)".into(),
        "insert into jobs values ('tick', '*/2 * * * *', null, 1000, 180000, null)".into(),
        format!("delete from units where {}", of("good")),
        format!("update units set outcome = 'succeeded' where {}", of("bad")),
        format!("update units set exit = 4 where {}", of("bad")),
        format!("update units set outcome = 'unreachable' where {}", of("bad")),
        format!("update units set started_at = null where {}", of("bad")),
        format!("update units set state = 'running', outcome = null where {}", of("good")),
        format!("update units set node = 'n2' where {}", of("bad")),
        "update runs set state = 'succeeded' where job = 'bad'".into(),
        "update runs set state = 'lost' where job = 'good'".into(),
        "update runs set state = 'running', finished_at = null where job = 'good'".into(),
        "update meta set value = 'another' where key = 'copy'".into(),
    ] {
        assert!(!tampered(&sql), "not noticed: {sql}");
    }
    let witness = farm.node("n1").evidence().join("witness");
    let lines = fs::read_to_string(&witness).unwrap();
    let mut again = fs::OpenOptions::new().append(true).open(&witness).unwrap();
    writeln!(again, "{}", lines.lines().next().unwrap()).unwrap();
    assert!(!balances(&site, &farm), "not noticed: a unit that ran twice");
    fs::write(&witness, lines.replace("end", "begun")).unwrap();
    assert!(!balances(&site, &farm), "not noticed: evidence of nobody");
    fs::write(&witness, "").unwrap();
    assert!(!balances(&site, &farm), "not noticed: a success that never ran");
}

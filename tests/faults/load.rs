//! Much at once, and much in the long run: the limits and the clock are kept, everything is
//! accounted for, and nothing grows.
//!
//! `LOOM_UNITS` says how many units; by default as many as a busy machine does in a few minutes
//! with what a debug build costs.

use std::fs;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::harness::ledger::Run;
use crate::harness::process::Process;
use crate::harness::{Books, Daemon, Farm, Fault, SOON, Site, until};

/// What a unit may take on a machine that has other things to do.
const SLOWEST: Duration = Duration::from_millis(100);
/// What resident memory may still grow by, in kilobytes, when everything has been in use. Half of
/// it is SQLite's cache, which is full after some ten thousand units.
const GROWTH: u64 = 4096;

fn units(usual: usize) -> usize {
    std::env::var("LOOM_UNITS").map_or(usual, |units| units.parse().unwrap())
}

fn targets(farm: &Farm) -> String {
    format!("targets: [{}]", farm.names().join(", "))
}

/// Milliseconds from the instant at which it was due to its record.
fn lateness(run: &Run) -> i64 {
    run.queued_at - run.scheduled_at.unwrap()
}

#[test]
#[ignore = "minutes: make faults"]
fn thousands_of_units_due_at_once_hold_up_neither_clock_nor_answers() {
    let _fault = Fault::new("10,000 units due in one minute");
    const WORKERS: usize = 10;
    const ANSWER: Duration = Duration::from_secs(1);
    const LATE: i64 = 2000;
    let farm = Farm::start(10);
    let units = units(2_000).min(10_000);
    let jobs = units / farm.names().len();
    let site = Site::new(&farm);
    site.settings(&format!("stop_timeout: 5\ntimezone: UTC\nmax_workers: {WORKERS}\n"));
    site.write_witnessed("tick", "true", "targets: [n1]");
    // Each unit is so long that the next full minute comes while they run. One file for all
    // nodes, which is appended to: the order of its lines is what happened.
    let nap = 70.0 * WORKERS as f64 / units as f64;
    let order = "$LOOM_EVIDENCE/../../order";
    let command = format!("echo + >>{order}; sleep {nap:.3}; echo - >>{order}");
    let due = (Timestamp::now().as_second() + 8) / 60 * 60 + 60;
    let wall = TimeZone::UTC.to_datetime(Timestamp::from_second(due).unwrap());
    let more = format!("schedule: '{} {} * * *'\n{}", wall.minute(), wall.hour(), targets(&farm));
    for number in 0..jobs {
        site.write_witnessed(&format!("burst-{number}"), &command, &more);
    }
    let mut daemon = Daemon::start_with_control(&site);
    assert!(Timestamp::now().as_second() < due, "it took too long to start");

    let end = Instant::now() + Duration::from_secs(180) + SLOWEST * units as u32;
    let mut slowest = Duration::ZERO;
    for sample in 0_u64.. {
        let asked = Instant::now();
        let status = daemon.control().status();
        slowest = slowest.max(asked.elapsed());
        assert!(status.units.running <= WORKERS && status.busy <= WORKERS, "{status:?}");
        if sample % 20 == 0 {
            let workers = daemon.workers().len();
            assert!(workers <= WORKERS, "{workers} worker processes");
        }
        if Timestamp::now().as_second() > due + 2 && status.runs == 0 {
            break;
        }
        assert!(Instant::now() < end, "it does not end: {status:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    daemon.stop();

    let ledger = site.ledger();
    let last = last_of(&site, "select max(finished_at) from units") / 1000;
    eprintln!("{units} units took {} s; the slowest answer {slowest:?}", last - due);
    assert!(slowest < ANSWER, "an answer took {slowest:?}");
    let (mut most, mut now) = (0_usize, 0_usize);
    for line in fs::read_to_string(farm.root().join("order")).unwrap().lines() {
        now = if line == "+" { now + 1 } else { now - 1 };
        most = most.max(now);
    }
    assert!(most <= WORKERS && most > WORKERS / 2, "{most} units at once");
    let ticks = ledger.runs("tick");
    eprintln!("lateness: {:?} ms", ticks.iter().map(lateness).collect::<Vec<_>>());
    assert!(ticks.iter().all(|run| lateness(run) < LATE), "{ticks:?}");
    let among = |run: &&Run| (due + 1..last).contains(&(run.scheduled_at.unwrap() / 1000));
    assert!(ticks.iter().any(|run| among(&run)), "no minute came in between: {ticks:?}");
    let done = "select count(*) from units join runs on runs.id = run where outcome = 'succeeded' \
                and job like 'burst-%' and scheduled_at = ?1";
    let done = ledger.query(done, &[&(due * 1000)], |row| row.get::<_, i64>(0))[0];
    assert_eq!(done as usize, jobs * farm.names().len());
    Books::of(&site).with(&farm).balance();
}

fn last_of(site: &Site, sql: &str) -> i64 {
    site.ledger().query(sql, &[], |row| row.get(0))[0]
}

/// What a process has of that of which there is not much.
#[derive(Debug, Clone, Copy)]
struct Held {
    process: Process,
    /// In kilobytes.
    memory: u64,
    descriptors: usize,
}

impl Held {
    fn by(process: Process) -> Held {
        let open = fs::read_dir(format!("/proc/{}/fd", process.pid));
        let descriptors = open.map_or(0, |open| open.count());
        Held { process, memory: process.memory(), descriptors }
    }

    fn by_all_of(daemon: &Daemon<'_>) -> Vec<Held> {
        let mut workers = daemon.workers();
        workers.sort_by_key(|worker| worker.pid);
        [daemon.process()].into_iter().chain(workers).map(Held::by).collect()
    }
}

/// The same processes hold no more descriptors than `before`, and hardly more memory. Those of a
/// unit that has just ended may still be on their way out.
fn assert_flat(before: &[Held], daemon: &Daemon<'_>) {
    let same = |now: &[Held]| now.iter().zip(before).all(|(now, then)| now.process == then.process);
    let open = |held: &[Held]| held.iter().map(|held| held.descriptors).collect::<Vec<_>>();
    let mut now = Vec::new();
    until("as few descriptors as before", SOON, || {
        now = Held::by_all_of(daemon);
        assert!(now.len() == before.len() && same(&now), "others: {before:?}, {now:?}");
        (open(&now) <= open(before)).then_some(())
    });
    for (now, then) in now.iter().zip(before) {
        let line = now.process.command_line();
        eprintln!("{line}: {} kB after {} kB", now.memory, then.memory);
        assert!(now.memory < then.memory + GROWTH, "{line}: {then:?}, {now:?}");
        assert!(now.descriptors <= then.descriptors, "{line}: {then:?}, {now:?}");
    }
}

#[test]
#[ignore = "minutes: make faults"]
fn memory_and_descriptors_stay_flat_over_many_units() {
    let _fault = Fault::new("100,000 units");
    /// Enough for all workers to be at work all the time.
    const OPEN: usize = 40;
    let units = units(20_000);
    let farm = Farm::start(10);
    let site = Site::new(&farm);
    // The same workers for all of it, whose history is kept.
    site.settings(
        "stop_timeout: 5\nmin_workers: 6\nmax_workers: 6\nrecycle_after: 0\n\
         keep: {runs: 1000000}\n",
    );
    let common = format!("schedule: '@yearly'\noverlap: allow\n{}", targets(&farm));
    // The witness, without a subshell: it is this that takes the time.
    let cheap = |more: &str| {
        let at = "$LOOM_EVIDENCE/witness";
        let command = format!(
            "echo start $LOOM_UNIT >>{at}; {more}\necho end $LOOM_UNIT $rc >>{at}; exit $rc"
        );
        serde_json::to_string(&command).unwrap()
    };
    let write = |name: &str, more: &str, attributes: &str| {
        let command = cheap(more);
        let body = format!("task: loom.run\nargs: [{command}]\n{common}\n{attributes}");
        site.write_job(name, &body);
    };
    write("quiet", "rc=0", "");
    write("loud", "rc=0; printf %09000d 1", "");
    write(
        "failing",
        "rc=1",
        "retries: {attempts: 2, delay: 1, on: [failed]}\nhooks: {on_failure: [{command: 'true'}]}",
    );
    write("locked", "rc=0", "locks: [one]\nparallel: 2");
    let mix = ["quiet", "quiet", "quiet", "quiet", "loud", "quiet", "failing", "quiet", "locked"];
    let mut daemon = Daemon::start_with_control(&site);

    let mut begun = 0;
    let mut jobs = mix.iter().cycle();
    let mut until_begun = |daemon: &Daemon<'_>, goal: usize| {
        let end = Instant::now() + SOON + SLOWEST * (goal - begun) as u32;
        while begun < goal {
            let open = daemon.control().status().units;
            if open.recording + open.held + open.waiting + open.running < OPEN {
                let job = jobs.next().unwrap();
                daemon.run(job);
                begun += farm.names().len() * if *job == "failing" { 2 } else { 1 };
            } else {
                std::thread::sleep(Duration::from_millis(10));
            }
            assert!(Instant::now() < end, "{begun} units in too long a time");
        }
        until("the last units' end", SOON, || {
            let status = daemon.control().status();
            (status.runs == 0 && status.backlog == 0).then_some(())
        });
    };
    let since = Instant::now();
    until_begun(&daemon, units / 4);
    let before = Held::by_all_of(&daemon);
    for part in [2, 1] {
        until_begun(&daemon, units / part);
        eprintln!("{} units in {:?}", units / part, since.elapsed());
        assert_flat(&before, &daemon);
    }
    daemon.stop();
    let done = last_of(&site, "select count(*) from units where outcome != 'lost'") as usize;
    assert!(done >= units, "{done} units");
    Books::of(&site).with(&farm).balance();
}

#[test]
#[ignore = "minutes: make faults"]
fn reloads_all_the_time_of_thousands_of_jobs_lose_no_fire() {
    let _fault = Fault::new("reload at the full minute");
    const JOBS: usize = 2_000;
    const TICKS: usize = 20;
    const TIME: Duration = Duration::from_secs(30);
    let farm = Farm::start(4);
    let site = Site::new(&farm);
    site.settings("stop_timeout: 5\nmin_workers: 4\nmax_workers: 4\nrecycle_after: 20\n");
    for number in TICKS..JOBS {
        site.write_witnessed(
            &format!("rare-{number}"),
            "true",
            "schedule: '@yearly'\ntargets: [n1]",
        );
    }
    let edit = |edit: usize| {
        for number in 0..TICKS {
            let more = format!("description: edit {edit}\ntargets: [n{}]", number % 4 + 1);
            site.write_witnessed(&format!("tick-{number}"), "true", &more);
        }
    };
    site.write_witnessed("busy", "sleep 0.1", &format!("schedule: '@yearly'\n{}", targets(&farm)));
    edit(0);
    let mut daemon = Daemon::start_with_control(&site);
    let begun = Instant::now();
    let mut edits = 0;
    let mut settled = None;
    let ledger = daemon.ledger();
    // Until a full minute has come in the midst of it.
    let is_over = || {
        let ticks = ledger.runs("tick-0");
        begun.elapsed() > TIME && ticks.iter().any(|run| run.finished_at.is_some())
    };
    while !is_over() {
        edits += 1;
        edit(edits);
        daemon.hup();
        let next = Instant::now() + Duration::from_secs(1);
        while Instant::now() < next {
            if daemon.control().status().runs == 0 {
                daemon.run("busy");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        if settled.is_none() && reloads(&daemon) >= 3 {
            settled = Some(Held::by(daemon.process()));
        }
        assert!(begun.elapsed() < 4 * TIME, "no run of tick-0 in {edits} edits");
    }
    let reloads = reloads(&daemon);
    eprintln!("{reloads} reloads of {edits} edits");
    until("the last units' end", SOON, || (daemon.control().status().runs == 0).then_some(()));
    let settled = settled.expect("hardly a reload took effect");
    let now = Held::by(daemon.process());
    eprintln!("{settled:?}, {now:?}");
    assert!(now.memory < settled.memory + GROWTH, "{settled:?}, {now:?}");
    // One for each reload would be more; a worker that has just been replaced is less.
    assert!(reloads > 15 && now.descriptors < settled.descriptors + 10, "{settled:?}, {now:?}");
    daemon.stop();
    for number in 0..TICKS {
        assert!(!ledger.runs(&format!("tick-{number}")).is_empty(), "tick-{number} never ran");
    }
    Books::of(&site).with(&farm).balance();
}

/// How many have taken effect.
fn reloads(daemon: &Daemon<'_>) -> usize {
    daemon.log().text().matches("reloaded: jobs changed: ").count()
}

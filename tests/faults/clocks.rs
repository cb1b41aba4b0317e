//! The wall clock set beneath a running daemon, and a daemon that was asleep.
//!
//! The clock is libfaketime's: the daemon and its children read it, the machine's own stays as it
//! is. Its alarms ring at the right moment, but are not told when it is set, as the kernel tells
//! them (TFD_TIMER_CANCEL_ON_SET): a step back is found by the look at the clock every minute,
//! a step forward by the next turn of the event loop, for which `Wall::set` cares.

use std::fs;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;

use crate::harness::{Books, Daemon, Farm, Fault, Ledger, SOON, Site, until};

const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
/// The daemon looks at the clock at least once a minute, and runs what is due a minute later.
pub const TWO_MINUTES: Duration = Duration::from_secs(160);
pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// 2098-01-01, in seconds since 1970.
const IN_2098: i64 = 4_039_372_800;

/// A wall clock of the daemon's own, in whole seconds ahead of the machine's.
pub struct Wall {
    file: PathBuf,
    library: PathBuf,
    ahead: i64,
}

impl Wall {
    /// As the machine's, but for the seconds: the next full minute is near. `None`: there is no
    /// libfaketime.
    pub fn new(site: &Site) -> Option<Wall> {
        let places = fs::read_dir("/usr/lib").ok()?.flatten();
        let places = places.map(|place| place.path()).chain([PathBuf::from("/usr/lib")]);
        let library = places.map(|place| place.join(LIBRARY)).find(|path| path.exists())?;
        let mut wall = Wall { file: site.path("wall"), library, ahead: 0 };
        wall.show(machine(), 50);
        Some(wall)
    }

    /// `loom -n` by this clock.
    pub fn loom(&self, site: &Site) -> Command {
        let mut loom = site.loom(&["-n"]);
        loom.env("LD_PRELOAD", &self.library).env("FAKETIME_TIMESTAMP_FILE", &self.file);
        // Looked at every time; the monotonic clock and the times of files are the machine's.
        loom.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        loom.env("NO_FAKE_STAT", "1");
        loom
    }

    /// Seconds since 1970.
    pub fn now(&self) -> i64 {
        machine() + self.ahead
    }

    /// Sets the clock so that it shows the given second of the minute of `at`.
    fn show(&mut self, at: i64, second: i64) {
        self.ahead = at.div_euclid(MINUTE) * MINUTE + second - machine();
        // Read at any moment: never half of it.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{:+}\n", self.ahead)).unwrap();
        fs::rename(&new, &self.file).unwrap();
    }

    /// Sets the clock by about so much, to ten seconds before a full minute, and makes the
    /// daemon's loop go round.
    pub fn set(&mut self, by: i64, daemon: &Daemon<'_>) {
        self.show(self.now() + by, 50);
        daemon.process().signal(Signal::SIGUSR1);
    }
}

fn machine() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// A daemon by a clock of its own, with a job of every minute.
struct Scene {
    farm: Farm,
    site: Site,
}

impl Scene {
    fn new() -> Scene {
        let farm = Farm::start(1);
        let site = Site::new(&farm);
        site.write_witnessed("tick", "true", "targets: [n1]");
        // The rows of another century are to be there when the books are balanced.
        site.settings("connect_timeout: 5\nstop_timeout: 5\nkeep: {days: 36500}\n");
        Scene { farm, site }
    }

    fn balance(&self) {
        Books::of(&self.site).with(&self.farm).balance();
    }
}

/// Waits for a run that was due after `wall`, in seconds, and is over; when it was due.
pub fn run_after(ledger: &Ledger, epoch: i64, wall: i64) -> i64 {
    let sql = "select scheduled_at / 1000 from runs where job = 'tick' and epoch = ?1 \
               and scheduled_at > ?2 and finished_at is not null order by id";
    until(&format!("a run due after {wall}, in epoch {epoch}"), TWO_MINUTES, || {
        ledger.query(sql, &[&epoch, &(wall * 1000)], |row| row.get(0)).into_iter().next()
    })
}

/// There is a record of every minute in (after, through], in one of these epochs. That there are
/// no two in one is for the books to find.
fn assert_known(ledger: &Ledger, epochs: RangeInclusive<i64>, after: i64, through: i64) {
    let sql = "select scheduled_at, scheduled_at from runs where job = 'tick' and \
               epoch between ?1 and ?2 and scheduled_at is not null union all \
               select first_at, last_at from gaps where job = 'tick' and \
               epoch between ?1 and ?2 and node is null order by 1";
    let rows = ledger.query(sql, &[epochs.start(), epochs.end()], |row| {
        Ok((row.get::<_, i64>(0)? / 1000, row.get::<_, i64>(1)? / 1000))
    });
    let mut next = after.div_euclid(MINUTE) * MINUTE + MINUTE;
    for (first, last) in &rows {
        if *first <= next {
            next = next.max(last + MINUTE);
        }
    }
    assert!(next > through, "nothing is known of {next} in {epochs:?}: {rows:?}");
}

/// The records of an epoch follow its own, so it is there in no time.
fn epoch_is(ledger: &Ledger, epoch: i64) {
    until(&format!("epoch {epoch}"), SOON, || {
        let sql = "select value from meta where key = 'epoch'";
        (ledger.query(sql, &[], |row| row.get::<_, i64>(0)) == [epoch]).then_some(())
    });
}

/// Forward by each of `steps` and back by all of them at once, with a run before, between and
/// after. `opens`: whether a step forward opens an epoch; one back always does.
fn forward_and_back(fault: Fault, steps: &[i64], opens: bool) {
    let scene = Scene::new();
    let Some(mut wall) = Wall::new(&scene.site) else {
        return fault.skip("there is no libfaketime");
    };
    let ledger = scene.site.ledger();
    let mut daemon = Daemon::start_as(&scene.site, wall.loom(&scene.site));
    let mut epoch = 0;
    let mut last = run_after(&ledger, epoch, wall.now() - MINUTE);
    for step in steps {
        let mark = daemon.log().mark();
        wall.set(*step, &daemon);
        let ahead = wall.now();
        daemon.log().wait_after(mark, "the clock was set ", TWO_MINUTES);
        let before = epoch;
        epoch += i64::from(opens);
        epoch_is(&ledger, epoch);
        let there = run_after(&ledger, epoch, ahead);
        assert!((ahead..ahead + 2 * MINUTE).contains(&there), "{there} is not soon after {ahead}");
        assert_known(&ledger, before..=epoch, last, there);
        last = there;
    }

    let mark = daemon.log().mark();
    wall.set(-steps.iter().sum::<i64>(), &daemon);
    daemon.log().wait_after(mark, "the clock was set ", TWO_MINUTES);
    let noticed = wall.now();
    epoch += 1;
    epoch_is(&ledger, epoch);
    let back = run_after(&ledger, epoch, noticed);
    assert!((noticed..noticed + 2 * MINUTE).contains(&back), "{back} is not soon after {noticed}");
    daemon.stop();
    assert_known(&ledger, epoch..=epoch, noticed, back);
    scene.balance();
}

#[test]
#[ignore = "minutes: make faults"]
fn two_hours_forward_and_back() {
    forward_and_back(Fault::new("clock +2 h and -2 h"), &[2 * HOUR], false);
}

#[test]
#[ignore = "minutes: make faults"]
fn ten_days_forward_and_back() {
    forward_and_back(Fault::new("clock +10 days and -10 days"), &[10 * DAY], true);
}

#[test]
#[ignore = "minutes: make faults"]
fn to_2098_and_back() {
    // With a stop where the alarm of the time before is not before 1970 by libfaketime's count,
    // which is not the kernel's.
    let halfway = (IN_2098 - machine()) / 2;
    forward_and_back(Fault::new("clock to 2098 and back"), &[halfway, halfway], true);
}

/// As the machine's suspend looks to processes: nothing ran, the monotonic clock stood still, and
/// the wall clock is ahead.
#[test]
fn asleep_for_ten_minutes() {
    let fault = Fault::new("suspend");
    let scene = Scene::new();
    scene.site.write_witnessed("long", "sleep 8", "schedule: '@yearly'\ntargets: [n1]");
    let Some(mut wall) = Wall::new(&scene.site) else {
        return fault.skip("there is no libfaketime");
    };
    let ledger = scene.site.ledger();
    let mut daemon = Daemon::start_with_control_as(&scene.site, wall.loom(&scene.site));
    let before = run_after(&ledger, 0, wall.now() - MINUTE);
    daemon.run("long");
    until("the long command", SOON, || {
        scene.farm.evidence("n1", "witness").lines().nth(2).map(drop)
    });

    suspend(&daemon);
    wall.show(wall.now() + 10 * MINUTE, 50);
    let awake = wall.now();
    resume(&daemon);
    daemon.process().signal(Signal::SIGUSR1);
    daemon.wait_for_log("the clock was set by ", TWO_MINUTES);
    let after = run_after(&ledger, 0, awake);
    // It was neither killed nor given up for what it did not do in its sleep.
    assert_eq!(ledger.wait_for("long", "succeeded", SOON).attempt, 1);
    daemon.stop();
    assert_known(&ledger, 0..=0, before, after);
    scene.balance();
}

/// As a debugger or a paused virtual machine stops processes: the clocks go on.
#[test]
#[ignore = "minutes: make faults"]
fn stopped_over_two_full_minutes() {
    let fault = Fault::new("suspend");
    let scene = Scene::new();
    scene.site.write_witnessed("long", "sleep 100", "schedule: '@yearly'\ntargets: [n1]");
    let Some(wall) = Wall::new(&scene.site) else {
        return fault.skip("there is no libfaketime");
    };
    let ledger = scene.site.ledger();
    let mut daemon = Daemon::start_with_control_as(&scene.site, wall.loom(&scene.site));
    let before = run_after(&ledger, 0, wall.now() - MINUTE);
    daemon.run("long");
    until("the long command", SOON, || {
        scene.farm.evidence("n1", "witness").lines().nth(2).map(drop)
    });

    suspend(&daemon);
    until("two full minutes", TWO_MINUTES, || {
        (wall.now() >= before + 2 * MINUTE + 2).then_some(())
    });
    let awake = wall.now();
    resume(&daemon);
    let after = run_after(&ledger, 0, awake);
    assert_eq!(ledger.wait_for("long", "succeeded", TWO_MINUTES).attempt, 1);
    daemon.stop();
    let gaps = "select count, reason from gaps where job = 'tick'";
    let gaps = ledger.query(gaps, &[], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
    assert_eq!(gaps, [(1, "deadline".to_owned())], "the first of the two was missed");
    assert_known(&ledger, 0..=0, before, after);
    scene.balance();
}

/// The daemon and all its children, as it would be for all of the machine.
fn suspend(daemon: &Daemon<'_>) {
    let mut all = daemon.process().descendants();
    all.insert(0, daemon.process());
    all.into_iter().for_each(|process| process.signal(Signal::SIGSTOP));
}

/// The daemon comes last: the others have had their say.
fn resume(daemon: &Daemon<'_>) {
    let mut all = daemon.process().descendants();
    all.push(daemon.process());
    all.into_iter().for_each(|process| process.signal(Signal::SIGCONT));
}

//! A full disk beneath the ledger, the output files and the log.
//!
//! The disk is a small tmpfs in place of the state directory, filled by a file that is none of
//! Loom's. Only root can mount one.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use loom::protocol::control::Command;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::harness::farm::Options;
use crate::harness::{Books, Daemon, Farm, Fault, SOON, Site, until};

/// The writer tries again every five seconds at the latest.
pub const TRIED_AGAIN: Duration = Duration::from_secs(60);
const A_MINUTE: Duration = Duration::from_secs(100);
const STUFFING: &str = "stuffing";

/// A tmpfs on the site's state directory, for as long as this lives.
pub struct SmallDisk {
    dir: PathBuf,
}

impl SmallDisk {
    /// `None`: mounting is not permitted.
    pub fn of(site: &Site) -> Option<SmallDisk> {
        let dir = site.statedir();
        fs::create_dir(&dir).unwrap();
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        let options = Some("size=2m,mode=0700");
        mount(Some("loom-test"), &dir, Some("tmpfs"), flags, options).ok()?;
        Some(SmallDisk { dir })
    }

    /// Leaves not a byte.
    pub fn fill(&self) {
        let mut file = File::create(self.dir.join(STUFFING)).unwrap();
        for size in [64 * 1024, 4096, 1] {
            while file.write(&vec![b'x'; size]).is_ok_and(|written| written > 0) {}
        }
    }

    /// Sixteen times as much room.
    fn grow(&self) {
        let none: Option<&str> = None;
        mount(none, &self.dir, none, MsFlags::MS_REMOUNT, Some("size=32m")).unwrap();
    }

    pub fn make_room(&self) {
        fs::remove_file(self.dir.join(STUFFING)).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Err(e) = umount2(&self.dir, MntFlags::MNT_DETACH) {
            eprintln!("{} stays mounted: {e}", self.dir.display());
        }
    }
}

pub const NOT_PERMITTED: &str = "mounting a tmpfs is not permitted";

#[test]
fn the_ledger_on_a_full_disk_catches_up_when_there_is_room() {
    let fault = Fault::new("disk full for the ledger");
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    site.write_witnessed("quick", "true", "schedule: '@yearly'\ntargets: [n1, n2]");
    site.write_witnessed("after", "true", "schedule: '@yearly'\ntargets: [n1, n2]");
    site.write_witnessed("long", "sleep 3", "schedule: '@yearly'\ntargets: [n1]");
    let Some(disk) = SmallDisk::of(&site) else { return fault.skip(NOT_PERMITTED) };
    let mut daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();
    daemon.run("quick");
    ledger.wait_for("quick", "succeeded", SOON);

    daemon.run("long");
    until("the long command", SOON, || farm.evidence("n1", "witness").lines().nth(2).map(drop));
    disk.fill();
    // What ends, and what is asked for, while nothing can be written.
    daemon.wait_for_log("database or disk is full", SOON);
    let mark = daemon.log().mark();
    for _ in 0..3 {
        // All but the first may overlap with it.
        let _ = daemon.control().request(Command::run("quick".to_owned()));
    }
    until("the end of the long command", SOON, || {
        farm.evidence("n1", "witness").lines().find(|line| line.starts_with("end ")).map(drop)
    });
    disk.make_room();
    daemon.log().wait_after(mark, "recording", TRIED_AGAIN);
    ledger.wait_for("long", "succeeded", TRIED_AGAIN);
    daemon.run("after");
    ledger.wait_for("after", "succeeded", TRIED_AGAIN);
    until("the end of all runs", TRIED_AGAIN, || {
        ledger.runs("quick").iter().all(|run| run.state == "succeeded").then_some(())
    });
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

/// A task that is about to use sudo waits for the ledger to keep that, and not for room on a disk.
#[test]
fn rights_are_kept_in_memory_while_nothing_can_be_written() {
    let fault = Fault::new("disk full for the ledger");
    let farm = Farm::with(1, Options { bin: true, ..Options::default() });
    let bin = farm.node("n1").dir.join("bin");
    fs::create_dir(&bin).unwrap();
    let sudo = "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nshift\nexec \"$@\"\n";
    fs::write(bin.join("sudo"), sudo).unwrap();
    fs::set_permissions(bin.join("sudo"), fs::Permissions::from_mode(0o755)).unwrap();
    let site = Site::new(&farm);
    let calls = "    sudo('echo 1 >>$LOOM_EVIDENCE/as-root')\n    \
                 run('until [ -e $LOOM_EVIDENCE/full ]; do sleep 0.1; done')\n    \
                 sudo('echo 2 >>$LOOM_EVIDENCE/as-root', user='nobody')\n";
    site.write("roots.py", &format!("from fabric.api import run, sudo\n\ndef f():\n{calls}"));
    site.write_job("roots", "task: roots.f\nschedule: '@yearly'\ntargets: [n1]\n");
    site.write_witnessed("quick", "true", "schedule: '@yearly'\ntargets: [n1]");
    let Some(disk) = SmallDisk::of(&site) else { return fault.skip(NOT_PERMITTED) };
    let mut daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();
    daemon.run("roots");
    let as_root = |text: &str| (farm.evidence("n1", "as-root") == text).then_some(());
    until("the first sudo", SOON, || as_root("1\n"));
    disk.fill();
    daemon.run("quick");
    daemon.wait_for_log("database or disk is full", SOON);
    fs::write(farm.node("n1").evidence().join("full"), "").unwrap();
    until("the second sudo", SOON, || as_root("1\n2\n"));
    // A small record may find room in between, and the ledger be written again: no matter.
    let log = daemon.log().text();
    assert!(!log.contains("the parent has not"), "{log}");
    disk.make_room();
    ledger.wait_for("roots", "succeeded", TRIED_AGAIN);
    ledger.wait_for("quick", "succeeded", TRIED_AGAIN);
    daemon.stop();
    Books::of(&site).balance();
}

#[test]
#[ignore = "minutes: make faults"]
fn what_no_longer_fits_into_memory_is_not_started_and_is_a_gap() {
    const DEAD: usize = 400;
    const KEPT: usize = 10_000;
    let fault = Fault::new("disk full for the ledger");
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    // Nobody listens there, so that units end at once and still are two records each.
    let dead = |number: usize| format!("d{number}: {{user: nobody, ip: 127.0.0.250, port: 1}}\n");
    let dead: String = (1..=DEAD).map(dead).collect();
    site.write("nodes.yaml", &format!("{}{dead}", farm.nodes_yaml()));
    let body = format!("task: loom.run\nargs: ['true']\ntargets: ['d[1-{DEAD}]']\n");
    site.write_job("dead", &format!("{body}schedule: '@yearly'"));
    site.write_witnessed("tick", "true", "targets: [n1]");
    site.write_witnessed("after", "true", "schedule: '@yearly'\ntargets: [n1]");
    let Some(disk) = SmallDisk::of(&site) else { return fault.skip(NOT_PERMITTED) };
    let mut daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();
    ledger.wait_for("tick", "succeeded", A_MINUTE);

    disk.fill();
    let ask = || {
        let command = Command::run("dead".to_owned());
        daemon.control().request(command)
    };
    let ended = || {
        let lines = daemon.log().lines();
        lines.iter().filter(|line| line.contains("dead: failed, ")).count()
    };
    let mut runs = 0;
    let refused = loop {
        match ask() {
            Ok(_) => runs += 1,
            Err(why) => break why,
        }
        until("the end of the run", SOON, || (ended() == runs).then_some(()));
        assert!(runs <= KEPT / DEAD + 2, "it keeps more than {KEPT} records");
    };
    assert!(refused.contains("the ledger cannot be written"), "{refused}");
    assert!(runs >= KEPT / DEAD / 2, "it gave up after {runs} runs");
    let before = farm.evidence("n1", "witness");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    std::thread::sleep(Duration::from_secs(62 - now.as_secs() % 60));
    assert_eq!(farm.evidence("n1", "witness"), before, "something was started");

    // Room for all that was kept.
    disk.make_room();
    disk.grow();
    daemon.wait_for_log("recording", TRIED_AGAIN);
    until("the gap", TRIED_AGAIN, || {
        let gaps = "select reason from gaps where job = 'tick'";
        let gaps = ledger.query(gaps, &[], |row| row.get::<_, String>(0));
        gaps.contains(&"ledger down".to_owned()).then_some(())
    });
    daemon.run("after");
    ledger.wait_for("after", "succeeded", TRIED_AGAIN);
    let units = "select count(*) from units u join runs r on r.id = u.run where r.job = 'dead'";
    let units = ledger.query(units, &[], |row| row.get::<_, i64>(0));
    assert_eq!(units, [(runs * DEAD) as i64], "what was kept was written");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_daemon_that_starts_and_stops_on_a_full_disk_leaves_the_ledger_sound() {
    let fault = Fault::new("disk full for the ledger");
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_witnessed("quick", "true", "schedule: '@yearly'\ntargets: [n1]");
    let Some(disk) = SmallDisk::of(&site) else { return fault.skip(NOT_PERMITTED) };
    let mut daemon = Daemon::start_with_control(&site);
    daemon.run("quick");
    daemon.ledger().wait_for("quick", "succeeded", SOON);
    daemon.stop();
    disk.fill();
    // It may refuse or degrade; what it may not do is to harm what is there.
    let mut daemon = Daemon::spawn(&site);
    let up = daemon.log().find(0, SOON, |line| line.contains("keeps time")).is_some();
    if up {
        daemon.term();
    }
    daemon.wait(SOON);
    disk.make_room();
    let mut daemon = Daemon::start_with_control(&site);
    assert_eq!(daemon.ledger().units("quick").len(), 1);
    daemon.run("quick");
    until("the second run", SOON, || {
        let units = daemon.ledger().units("quick");
        (units.len() == 2 && units[1].outcome.as_deref() == Some("succeeded")).then_some(())
    });
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_unit_whose_output_cannot_be_kept_is_what_it_was_and_says_so() {
    let fault = Fault::new("disk full for output");
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let much = "head -c 3000000 /dev/zero | tr '\\0' x; echo over >&2";
    site.write_witnessed("much", much, "schedule: '@yearly'\ntargets: [n1]");
    site.write_witnessed("fails", &format!("{much}; exit 3"), "schedule: '@yearly'\ntargets: [n1]");
    // Room for the ledger, not for three megabytes.
    let Some(disk) = SmallDisk::of(&site) else { return fault.skip(NOT_PERMITTED) };
    let mut daemon = Daemon::start_with_control(&site);
    let ledger = daemon.ledger();
    daemon.run("much");
    let explain = "its output could not be kept: No space left on device";
    daemon.wait_for_log(explain, SOON);
    // What was kept of it holds the ledger's room until it is gone.
    fs::remove_dir_all(disk.dir.join("output")).unwrap();
    let unit = ledger.wait_for("much", "succeeded", TRIED_AGAIN);
    assert!(unit.detail.as_deref().unwrap_or_default().contains(explain), "{unit:?}");
    let mark = daemon.log().mark();
    daemon.run("fails");
    daemon.log().wait_after(mark, explain, SOON);
    fs::remove_dir_all(disk.dir.join("output")).unwrap();
    let unit = ledger.wait_for("fails", "failed", TRIED_AGAIN);
    assert_eq!(unit.exit, Some(3), "{unit:?}");
    assert!(unit.detail.as_deref().unwrap_or_default().contains(explain), "{unit:?}");
    let truncated = "select count(*) from units where output_truncated = 1";
    assert_eq!(ledger.query(truncated, &[], |row| row.get::<_, i64>(0)), [2]);
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_log_on_a_full_disk_says_how_much_of_it_is_lost() {
    let fault = Fault::new("disk full for the log");
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_witnessed("quick", "true", "schedule: '@yearly'\ntargets: [n1]");
    let Some(disk) = SmallDisk::of(&site) else { return fault.skip(NOT_PERMITTED) };
    let mut loom = site.loom(&["-n"]);
    let file = site.statedir().join("loom.log");
    loom.arg("-l").arg(&file);
    let log = || fs::read_to_string(&file).unwrap_or_default();
    let mut daemon = Daemon::spawn_with_control_as(&site, loom);
    until("the daemon", SOON, || log().contains("keeps time").then_some(()));
    // A reload that is refused says much, but the last page of the file has still room.
    let broken = |n: usize| format!("  broken-{n}:\n    task: loom.run\n    shedule: '@daily'\n");
    let broken: String = (0..30).map(broken).collect();
    site.write("jobs/broken.yaml", &format!("jobs:\n{broken}"));
    disk.fill();
    let full = || fs::metadata(&file).unwrap().len().is_multiple_of(4096);
    until("a full last page", SOON, || {
        daemon.hup();
        std::thread::sleep(Duration::from_millis(200));
        full().then_some(())
    });
    daemon.hup();
    std::thread::sleep(Duration::from_millis(500));
    assert!(full(), "it was not written to");
    disk.make_room();
    daemon.run("quick");
    daemon.ledger().wait_for("quick", "succeeded", TRIED_AGAIN);
    until("how many lines were lost", SOON, || {
        log().contains(" log lines could not be written and are lost").then_some(())
    });
    until("the lines after them", SOON, || log().contains("quick: succeeded").then_some(()));
    // The one that met the end of the disk may be cut short, even after its first byte.
    for line in log().lines() {
        assert!(line.starts_with("20") || "20".starts_with(line), "torn: {line:?}");
    }
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

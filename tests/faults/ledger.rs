//! A ledger that is damaged, locked, read-only, gone or too new; and a machine that loses power.
//!
//! The one thing that must never happen is an empty ledger in the place of a damaged one, or a
//! record that was relied upon and is not there.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loom::protocol::control::Command;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::Signal;
use rusqlite::Connection;

use crate::harness::{Books, Daemon, Farm, Fault, Ledger, SOON, Site, process, until};

/// The writer tries again every five seconds at the latest.
const TRIED_AGAIN: Duration = Duration::from_secs(60);
const LOCKED: Duration = Duration::from_secs(20);

fn scene() -> (Farm, Site) {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_witnessed("quick", "true", "schedule: '@yearly'\ntargets: [n1]");
    (farm, site)
}

fn file(site: &Site) -> PathBuf {
    site.statedir().join("ledger.db")
}

/// A daemon that has just run the job.
fn having_run(site: &Site) -> Daemon<'_> {
    let daemon = Daemon::start_with_control(site);
    let run = daemon.run("quick");
    until("a run", SOON, || {
        let mut runs = daemon.ledger().runs("quick").into_iter();
        runs.any(|found| found.id == run && found.state == "succeeded").then_some(())
    });
    daemon
}

/// All of the ledger in the one file, as if its daemon had written that far before it died.
fn checkpointed(site: &Site) {
    let connection = Connection::open(file(site)).unwrap();
    connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())).unwrap();
    connection.close().unwrap();
}

/// A start ends with status 1 and these words, and leaves the file as it is.
fn assert_refused(site: &Site, words: &[&str]) {
    let before = fs::read(file(site)).unwrap();
    let output = process::run(&mut site.loom(&["-n"]), SOON);
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in:\n{said}");
    }
    assert!(said.contains(&*file(site).to_string_lossy()), "which file?\n{said}");
    assert!(fs::read(file(site)).unwrap() == before, "the file was changed");
}

/// What to do about a damaged ledger.
const INSTRUCTIONS: [&str; 2] = ["is damaged", ".recover"];

#[test]
fn a_truncated_ledger_is_refused_and_left_as_it_is() {
    let _fault = Fault::new("ledger truncated");
    let (farm, site) = scene();
    having_run(&site).stop();
    let whole = fs::read(file(&site)).unwrap();
    for length in [whole.len() / 2, 4096, 100, 0] {
        fs::write(file(&site), &whole[..length]).unwrap();
        assert_refused(&site, &INSTRUCTIONS);
    }
    // Put back, it is what it was.
    fs::write(file(&site), &whole).unwrap();
    having_run(&site).stop();
    assert_eq!(site.ledger().runs("quick").len(), 2);
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_corrupt_ledger_is_refused_and_left_as_it_is() {
    let _fault = Fault::new("ledger corrupt");
    let (farm, site) = scene();
    having_run(&site).kill9();
    checkpointed(&site);
    let whole = fs::read(file(&site)).unwrap();
    let pages = whole.len() / 4096;
    for (from, to) in [(0, 16), (4096, 2 * 4096), (pages / 2 * 4096, whole.len())] {
        let mut spoiled = whole.clone();
        spoiled[from..to].fill(0xA5);
        fs::write(file(&site), &spoiled).unwrap();
        assert_refused(&site, &INSTRUCTIONS);
    }
    fs::write(file(&site), &whole).unwrap();
    having_run(&site).stop();
    assert_eq!(site.ledger().runs("quick").len(), 2);
    Books::of(&site).with(&farm).balance();
}

/// Asks for a run that may not be recorded any more.
fn ask_for_a_run(daemon: &Daemon<'_>) {
    let _ = daemon.control().request(Command::run("quick".to_owned()));
}

fn open_for_writing(path: &Path) -> File {
    OpenOptions::new().write(true).open(path).unwrap()
}

#[test]
fn a_ledger_overwritten_beneath_the_daemon_is_not_trusted_again() {
    let _fault = Fault::new("ledger corrupt");
    let (_farm, site) = scene();
    let mut daemon = having_run(&site);
    for name in ["ledger.db", "ledger.db-wal"] {
        let file = open_for_writing(&site.statedir().join(name));
        let length = file.metadata().unwrap().len() as usize;
        file.write_all_at(&vec![0xA5; length], 0).unwrap();
    }
    // SQLite may hold all it needs in memory. It need not notice, but it goes on.
    ask_for_a_run(&daemon);
    until("the run, or what is wrong", TRIED_AGAIN, || {
        let lines = daemon.log().lines();
        let over = lines.iter().filter(|line| line.contains("quick: succeeded, ")).count() == 2;
        (over || lines.iter().any(|line| line.contains("is damaged"))).then_some(())
    });
    assert!(daemon.process().is_alive());
    daemon.stop();
    assert_refused(&site, &["is damaged"]);
}

#[test]
fn a_ledger_truncated_beneath_the_daemon_is_noticed_and_not_trusted_again() {
    let _fault = Fault::new("ledger truncated");
    for (name, length) in [("ledger.db", 4096), ("ledger.db-wal", 0)] {
        let (_farm, site) = scene();
        // All of it in the one file, then more in its log.
        having_run(&site).stop();
        let mut daemon = having_run(&site);
        open_for_writing(&site.statedir().join(name)).set_len(length).unwrap();
        ask_for_a_run(&daemon);
        daemon.wait_for_log("is damaged", TRIED_AGAIN);
        assert!(daemon.process().is_alive());
        daemon.stop();
        assert_refused(&site, &["is damaged"]);
    }
}

#[test]
fn a_ledger_that_is_moved_away_beneath_the_daemon_is_missed_until_it_is_back() {
    let _fault = Fault::new("ledger moved or deleted");
    let (farm, site) = scene();
    let mut daemon = having_run(&site);
    let away = site.path("away.db");
    fs::rename(file(&site), &away).unwrap();
    let mark = daemon.log().mark();
    ask_for_a_run(&daemon);
    daemon.log().wait_after(mark, "ledger.db was moved, deleted or replaced", TRIED_AGAIN);
    fs::rename(&away, file(&site)).unwrap();
    daemon.log().wait_after(mark, "recording", TRIED_AGAIN);
    until("the run that was asked for meanwhile", TRIED_AGAIN, || {
        let runs = daemon.ledger().runs("quick");
        (runs.len() == 2 && runs[1].state == "succeeded").then_some(())
    });
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_ledger_that_is_deleted_beneath_the_daemon_is_missed() {
    let _fault = Fault::new("ledger moved or deleted");
    let (_farm, site) = scene();
    let mut daemon = having_run(&site);
    fs::remove_file(file(&site)).unwrap();
    let mark = daemon.log().mark();
    ask_for_a_run(&daemon);
    daemon.log().wait_after(mark, "ledger.db was moved, deleted or replaced", TRIED_AGAIN);
    assert!(daemon.process().is_alive());
    daemon.stop();
}

#[test]
fn a_newer_ledger_is_refused_and_left_as_it_is() {
    let _fault = Fault::new("ledger of a newer Loom");
    let (farm, site) = scene();
    having_run(&site).stop();
    let version = |version: u32| {
        let connection = Connection::open(file(&site)).unwrap();
        connection.pragma_update(None, "user_version", version).unwrap();
        connection.close().unwrap();
    };
    let ours = "pragma user_version";
    let ours = site.ledger().query(ours, &[], |row| row.get::<_, u32>(0))[0];
    version(ours + 1);
    assert_refused(&site, &["newer Loom", &format!("schema {}", ours + 1)]);
    version(ours);
    having_run(&site).stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_ledger_locked_by_another_program_loses_nothing() {
    let _fault = Fault::new("ledger locked");
    let (farm, site) = scene();
    site.write_witnessed("long", "sleep 3", "schedule: '@yearly'\ntargets: [n1]");
    let mut daemon = Daemon::start_with_control(&site);
    daemon.run("quick");
    daemon.ledger().wait_for("quick", "succeeded", SOON);
    daemon.run("long");
    until("the long command", SOON, || farm.evidence("n1", "witness").lines().nth(2).map(drop));

    let other = Connection::open(file(&site)).unwrap();
    other.busy_timeout(SOON).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let mark = daemon.log().mark();
    ask_for_a_run(&daemon);
    daemon.log().wait_after(mark, "locked", SOON);
    std::thread::sleep(LOCKED);
    other.execute_batch("rollback").unwrap();
    drop(other);

    daemon.log().wait_after(mark, "recording", TRIED_AGAIN);
    daemon.ledger().wait_for("long", "succeeded", TRIED_AGAIN);
    until("the run that was asked for meanwhile", TRIED_AGAIN, || {
        let runs = daemon.ledger().runs("quick");
        (runs.len() == 2 && runs[1].state == "succeeded").then_some(())
    });
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

/// The file mounted onto itself, read-only, which binds root too.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn mount(file: &Path) -> Option<ReadOnly> {
        let none: Option<&str> = None;
        mount(Some(file), file, none, MsFlags::MS_BIND, none).ok()?;
        let mounted = ReadOnly(file.to_owned());
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(none, file, none, flags, none).ok()?;
        Some(mounted)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        if let Err(e) = umount2(&self.0, MntFlags::MNT_DETACH) {
            eprintln!("{} stays mounted: {e}", self.0.display());
        }
    }
}

#[test]
fn a_read_only_ledger_is_refused_and_goes_on_once_it_is_writable() {
    let fault = Fault::new("ledger read-only");
    let (farm, site) = scene();
    having_run(&site).stop();
    let Some(mounted) = ReadOnly::mount(&file(&site)) else {
        return fault.skip("mounting is not permitted");
    };
    assert_refused(&site, &["Read-only file system"]);
    drop(mounted);
    having_run(&site).stop();
    assert_eq!(site.ledger().runs("quick").len(), 2);
    Books::of(&site).with(&farm).balance();
}

/// What a power loss leaves is what was on the disk at that moment: here a copy of the file and
/// its log, taken while the daemon is stopped dead in whatever it was writing.
#[test]
fn what_was_relied_upon_survives_a_power_loss_at_any_moment() {
    const MOMENTS: u64 = 12;
    let _fault = Fault::new("power loss");
    let farm = Farm::start(4);
    let site = Site::new(&farm);
    let targets = "schedule: '@yearly'\ntargets: [n1, n2, n3, n4]";
    let jobs: Vec<String> = (0..6).map(|number| format!("quick-{number}")).collect();
    jobs.iter().for_each(|job| site.write_witnessed(job, "true", targets));
    let mut daemon = Daemon::start_with_control(&site);
    for moment in 0..MOMENTS {
        for job in &jobs {
            let _ = daemon.control().request(Command::run(job.clone()));
        }
        let pause = RandomState::new().hash_one(moment) % 300;
        std::thread::sleep(Duration::from_millis(pause));
        let relied_upon = relied_upon(&farm, &daemon.ledger());
        daemon.process().signal(Signal::SIGSTOP);
        let copy = copy(&site, &format!("copy-{moment}"));
        daemon.process().signal(Signal::SIGCONT);
        assert!(copy.is_sound());
        let there = copy.query("select id from units", &[], |row| row.get::<_, i64>(0));
        for unit in relied_upon.started {
            assert!(there.contains(&unit), "unit {unit} ran, and is not in the ledger");
        }
        let done = copy.query(DONE, &[], |row| row.get::<_, i64>(0));
        for unit in relied_upon.done {
            assert!(done.contains(&unit), "unit {unit} was over, and is not any more");
        }
    }
    let open = "select count(*) from runs where finished_at is null";
    until("the end of all runs", SOON, || {
        (daemon.ledger().query(open, &[], |row| row.get::<_, i64>(0)) == [0]).then_some(())
    });
    assert!(!relied_upon(&farm, &daemon.ledger()).started.is_empty(), "nothing ran");
    daemon.stop();
    Books::of(&site).with(&farm).balance();

    // A daemon takes the last copy over, and what it finds open is lost.
    fs::remove_dir_all(site.statedir()).unwrap();
    fs::rename(site.path(&format!("copy-{}", MOMENTS - 1)), site.statedir()).unwrap();
    let mut daemon = Daemon::start(&site);
    daemon.stop();
    assert_eq!(site.ledger().query(open, &[], |row| row.get::<_, i64>(0)), [0]);
}

const DONE: &str = "select id from units where state = 'done'";

struct ReliedUpon {
    /// By the nodes' own word; units start only once their rows are acknowledged.
    started: Vec<i64>,
    /// Readers have seen it.
    done: Vec<i64>,
}

fn relied_upon(farm: &Farm, ledger: &Ledger) -> ReliedUpon {
    let mut started = Vec::new();
    for node in farm.names() {
        for line in farm.evidence(&node, "witness").lines() {
            let cookie = line.strip_prefix("start ");
            let unit = cookie.and_then(|cookie| cookie.rsplit_once('-')?.1.parse::<i64>().ok());
            started.extend(unit);
        }
    }
    ReliedUpon { started, done: ledger.query(DONE, &[], |row| row.get(0)) }
}

/// The shared index is memory, and does not survive; half a frame may.
fn copy(site: &Site, name: &str) -> Ledger {
    let to = site.path(name);
    fs::create_dir(&to).unwrap();
    for name in ["ledger.db", "ledger.db-wal", "ledger.lock"] {
        fs::copy(site.statedir().join(name), to.join(name)).unwrap();
    }
    let mut log = OpenOptions::new().append(true).open(to.join("ledger.db-wal")).unwrap();
    log.write_all(&[0xA5; 1000]).unwrap();
    Ledger::new(&to.join("ledger.db"))
}

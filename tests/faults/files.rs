//! Files of the configuration that change while the daemon runs, in every way that editors,
//! deployments and accidents have, and an inotify that fails.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::Command as Program;
use std::time::Duration;

use loom::protocol::control::Command;
use nix::sys::signal::Signal;

use super::clocks::Wall;
use crate::harness::site::manifest;
use crate::harness::{Books, Daemon, Farm, Fault, SOON, Site, books, process, until};

const NEVER: &str = "schedule: '@yearly'\ntargets: [n1]";
const NEVER_LINE: &str = "schedule: '@yearly'";
/// Files are looked at every ten seconds where there is no inotify.
const LOOKED_AT: Duration = Duration::from_secs(60);

fn scene() -> (Farm, Site) {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_witnessed("first", "true", NEVER);
    (farm, site)
}

/// A manifest whose job the books can follow.
fn witnessed(name: &str, command: &str) -> String {
    let command = serde_json::to_string(&books::witnessed(command)).unwrap();
    manifest(name, &format!("task: loom.run\nargs: [{command}]\n{NEVER}"))
}

fn run_to_its_end(daemon: &Daemon<'_>, job: &str) {
    let run = daemon.run(job);
    until(&format!("a run of {job}"), SOON, || {
        let mut runs = daemon.ledger().runs(job).into_iter();
        runs.any(|found| found.id == run && found.state == "succeeded").then_some(())
    });
}

/// Whole or not at all, as good editors save: for a moment an empty manifest would be one without
/// the job.
fn save(site: &Site, name: &str, text: &str) {
    let beside = format!("jobs/.{name}.yaml.swp");
    site.write(&beside, text);
    fs::rename(site.path(&beside), site.path(&format!("jobs/{name}.yaml"))).unwrap();
}

/// The daemon does not know the job.
fn assert_unknown(daemon: &Daemon<'_>, job: &str) {
    let command = Command::run(job.to_owned());
    assert!(daemon.control().request(command).is_err(), "{job} is known");
}

fn times(daemon: &Daemon<'_>, part: &str) -> usize {
    daemon.log().lines().iter().filter(|line| line.contains(part)).count()
}

#[test]
fn a_manifest_is_read_when_it_is_whole() {
    let _fault = Fault::new("half-written manifest");
    let (farm, site) = scene();
    let mut daemon = Daemon::start_with_control(&site);

    // Left half done, and read for what it is.
    let whole = witnessed("second", "true");
    let (half, rest) = whole.split_at(whole.find("args").unwrap() + 8);
    let mark = daemon.log().mark();
    site.write("jobs/second.yaml", half);
    daemon.log().wait_after(mark, "second.yaml:", SOON);
    daemon.log().wait_after(mark, "the running configuration stays", SOON);
    run_to_its_end(&daemon, "first");
    let mark = daemon.log().mark();
    let mut file = File::options().append(true).open(site.path("jobs/second.yaml")).unwrap();
    file.write_all(rest.as_bytes()).unwrap();
    drop(file);
    daemon.log().wait_after(mark, "added: second", SOON);
    run_to_its_end(&daemon, "second");

    // Written slowly, longer than the files need to be quiet: nobody asks before it is closed.
    let mark = daemon.log().mark();
    let mut file = File::create(site.path("jobs/third.yaml")).unwrap();
    for piece in witnessed("third", "true").as_bytes().chunks(16) {
        file.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(file);
    daemon.log().wait_after(mark, "added: third", SOON);
    let since = daemon.log().lines().split_off(mark);
    assert!(!since.iter().any(|line| line.contains("stays as it is")), "{since:?}");
    run_to_its_end(&daemon, "third");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_manifest_that_is_deleted_takes_its_queued_units_along_and_no_others() {
    let _fault = Fault::new("manifest deleted");
    let (farm, site) = scene();
    site.settings("connect_timeout: 5\nstop_timeout: 5\nmax_workers: 1\n");
    site.write_witnessed("long", "sleep 4", NEVER);
    site.write_witnessed("gone", "true", NEVER);
    let mut daemon = Daemon::start_with_control(&site);
    daemon.run("long");
    until("the long command", SOON, || farm.evidence("n1", "witness").lines().next().map(drop));
    daemon.run("gone");
    daemon.run("first");
    // That of the running unit, too.
    fs::remove_file(site.path("jobs/gone.yaml")).unwrap();
    fs::remove_file(site.path("jobs/long.yaml")).unwrap();
    daemon.wait_for_log("removed: gone, long", SOON);
    assert_unknown(&daemon, "gone");
    daemon.ledger().wait_for("long", "succeeded", SOON);
    daemon.ledger().wait_for("first", "succeeded", SOON);
    daemon.ledger().wait_for("gone", "skipped", SOON);
    let reason = "select u.reason from units u join runs r on r.id = u.run where r.job = 'gone'";
    let reason = daemon.ledger().query(reason, &[], |row| row.get::<_, String>(0));
    assert_eq!(reason, ["removed"]);
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn of_many_saves_by_rename_the_last_counts() {
    const SAVES: usize = 50;
    let _fault = Fault::new("manifest saved by rename");
    let (farm, site) = scene();
    let mut daemon = Daemon::start_with_control(&site);
    let mark = daemon.log().mark();
    for number in 1..=SAVES {
        let command = format!("echo {number} >$LOOM_EVIDENCE/number");
        save(&site, "first", &witnessed("first", &command));
        // Now and then they are quiet for long enough.
        std::thread::sleep(Duration::from_millis(if number % 20 == 0 { 1100 } else { 20 }));
    }
    daemon.log().wait_after(mark, "changed: first", SOON);
    until("the last of them", SOON, || {
        run_to_its_end(&daemon, "first");
        (farm.evidence("n1", "number") == format!("{SAVES}\n")).then_some(())
    });
    assert_eq!(times(&daemon, "stays as it is"), 0);
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_directory_that_is_swapped_by_a_symlink_is_another_one() {
    let _fault = Fault::new("directory swapped by symlink");
    let (farm, site) = scene();
    fs::rename(site.path("jobs"), site.path("release-1")).unwrap();
    symlink("release-1", site.path("jobs")).unwrap();
    let mut daemon = Daemon::start_with_control(&site);
    run_to_its_end(&daemon, "first");

    fs::create_dir(site.path("release-2")).unwrap();
    site.write("release-2/second.yaml", &witnessed("second", "true"));
    symlink("release-2", site.path("next")).unwrap();
    let mark = daemon.log().mark();
    fs::rename(site.path("next"), site.path("jobs")).unwrap();
    daemon.log().wait_after(mark, "added: second; job removed: first", SOON);
    run_to_its_end(&daemon, "second");

    // From now on this one is watched.
    let mark = daemon.log().mark();
    site.write("release-2/third.yaml", &witnessed("third", "true"));
    daemon.log().wait_after(mark, "added: third", SOON);
    run_to_its_end(&daemon, "third");
    assert_unknown(&daemon, "first");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn new_directories_bring_their_manifests() {
    const DIRECTORIES: usize = 20;
    let _fault = Fault::new("new directory");
    let (farm, site) = scene();
    let mut daemon = Daemon::start_with_control(&site);

    // Put there whole, with others below it.
    fs::create_dir_all(site.path("apart/below/deep")).unwrap();
    site.write("apart/second.yaml", &witnessed("second", "true"));
    site.write("apart/below/deep/third.yaml", &witnessed("third", "true"));
    let mark = daemon.log().mark();
    fs::rename(site.path("apart"), site.path("jobs/apart")).unwrap();
    daemon.log().wait_after(mark, "added: second, third", SOON);
    run_to_its_end(&daemon, "third");

    // Made in place, and filled before anybody could watch them.
    for number in 0..DIRECTORIES {
        fs::create_dir_all(site.path(&format!("jobs/apart/{number}/x/y"))).unwrap();
        let file = format!("jobs/apart/{number}/x/y/job.yaml");
        site.write(&file, &witnessed(&format!("many-{number}"), "true"));
    }
    until("all of them", SOON, || {
        let known = |number| {
            let name = format!("many-{number}");
            let run = Command::run(name);
            daemon.control().request(run).is_ok()
        };
        (0..DIRECTORIES).all(known).then_some(())
    });
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn more_events_than_inotify_keeps_are_made_up_for() {
    let fault = Fault::new("inotify overflow");
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    if limit > 100_000 {
        return fault.skip("inotify keeps very many events here");
    }
    let (farm, site) = scene();
    let mut daemon = Daemon::start_with_control(&site);
    run_to_its_end(&daemon, "first");
    let mark = daemon.log().mark();
    daemon.process().signal(Signal::SIGSTOP);
    // Each is made, closed and deleted: three events.
    for number in 0..=limit / 3 {
        let name = site.path(&format!("jobs/{number}"));
        drop(File::create(&name).unwrap());
        fs::remove_file(&name).unwrap();
    }
    // Nobody is told of this one any more.
    site.write("jobs/second.yaml", &witnessed("second", "true"));
    daemon.process().signal(Signal::SIGCONT);
    daemon.log().wait_after(mark, "added: second", SOON);
    run_to_its_end(&daemon, "second");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

/// A user namespace has limits of its own, which its root may set.
fn in_user_namespace(site: &Site, first: &str) -> Option<Program> {
    let enter = ["--user", "--map-root-user", "sh", "-c"];
    let works = Program::new("unshare").args(enter).arg(first).output().ok()?;
    works.status.success().then(|| {
        let mut loom = Program::new("unshare");
        loom.args(enter).arg(format!("{first} && exec \"$0\" \"$@\""));
        loom.arg(crate::harness::site::loom_executable());
        site.adapt(loom, &["-n"])
    })
}

#[test]
fn without_inotify_watches_files_are_looked_at() {
    let fault = Fault::new("inotify unavailable");
    let (farm, site) = scene();
    let Some(loom) = in_user_namespace(&site, "true") else {
        return fault.skip("user namespaces are not permitted");
    };
    let mut daemon = Daemon::start_with_control_as(&site, loom);
    run_to_its_end(&daemon, "first");
    // From now on nobody there gets another watch.
    let pid = daemon.pid().to_string();
    let none = "echo 0 >/proc/sys/user/max_inotify_watches";
    let mut enter = Program::new("nsenter");
    enter.args(["--user", "--preserve-credentials", "--target", &pid, "sh", "-c", none]);
    process::must(&mut enter, SOON);
    let mark = daemon.log().mark();
    fs::create_dir(site.path("jobs/more")).unwrap();
    daemon.log().wait_after(mark, "files are looked at every 10s", SOON);
    site.write("jobs/more/second.yaml", &witnessed("second", "true"));
    daemon.log().wait_after(mark, "added: second", LOOKED_AT);
    run_to_its_end(&daemon, "second");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_daemon_starts_without_inotify() {
    let fault = Fault::new("inotify unavailable");
    let (farm, site) = scene();
    let none = "echo 0 >/proc/sys/user/max_inotify_instances";
    let Some(loom) = in_user_namespace(&site, none) else {
        return fault.skip("user namespaces are not permitted");
    };
    let mut daemon = Daemon::start_with_control_as(&site, loom);
    run_to_its_end(&daemon, "first");
    site.write("jobs/second.yaml", &witnessed("second", "true"));
    daemon.wait_for_log("added: second", LOOKED_AT);
    run_to_its_end(&daemon, "second");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_thousand_hangups_are_a_few_reloads() {
    let _fault = Fault::new("1,000 SIGHUPs in a second");
    let (farm, site) = scene();
    let mut daemon = Daemon::start_with_control(&site);
    let mark = daemon.log().mark();
    for _ in 0..1000 {
        daemon.hup();
        std::thread::sleep(Duration::from_micros(500));
    }
    let loads = || times(&daemon, "loading the configuration again");
    daemon.log().wait_after(mark, "reloaded: nothing changed", SOON);
    run_to_its_end(&daemon, "first");
    // One at a time, and none is owed for each signal.
    assert!((1..500).contains(&loads()), "{} reloads", loads());
    let mark = daemon.log().mark();
    site.write("jobs/second.yaml", &witnessed("second", "true"));
    daemon.log().wait_after(mark, "added: second", SOON);
    run_to_its_end(&daemon, "second");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_broken_edit_leaves_everything_as_it_was() {
    let _fault = Fault::new("reload with a broken edit");
    let (farm, site) = scene();
    let mut daemon = Daemon::start_with_control(&site);
    let whole = fs::read_to_string(site.path("loom.yaml")).unwrap();
    for (file, broken, place) in [
        ("jobs/first.yaml", "jobs:\n  first: [", "first.yaml:2:"),
        ("jobs/first.yaml", &*witnessed("first", "true").replace("n1", "n7"), "first.yaml:"),
        ("nodes.yaml", "n1: {user: [}\n", "nodes.yaml:1:"),
        ("loom.yaml", &*format!("{whole}max_wokers: 3\n"), "loom.yaml:"),
        ("loom.yaml", &*whole.replace("statedir: state", "statedir: other"), "statedir"),
    ] {
        let good = fs::read_to_string(site.path(file)).unwrap();
        let mark = daemon.log().mark();
        site.write(file, broken);
        daemon.log().wait_after(mark, place, SOON);
        daemon.log().wait_after(mark, "the running configuration stays", SOON);
        run_to_its_end(&daemon, "first");
        let mark = daemon.log().mark();
        site.write(file, &good);
        daemon.log().wait_after(mark, "reloaded: ", SOON);
        run_to_its_end(&daemon, "first");
    }
    daemon.stop();
    assert!(!site.path("other").exists());
    Books::of(&site).with(&farm).balance();
}

#[test]
fn a_reload_at_the_full_minute_neither_loses_nor_doubles_a_fire() {
    let fault = Fault::new("reload at the full minute");
    let (farm, site) = scene();
    // Ten seconds before a full minute, so that nobody has to wait for one.
    let Some(wall) = Wall::new(&site) else { return fault.skip("there is no libfaketime") };
    let tick = |number: usize| {
        let name = format!("tick-{number}");
        site.write_witnessed(&name, "true", "targets: [n1]");
        name
    };
    let ticks: Vec<String> = (0..3).map(tick).collect();
    let mut daemon = Daemon::start_as(&site, wall.loom(&site));
    let due = (wall.now() + 60) / 60 * 60;
    until("two seconds before a full minute", SOON, || (wall.now() >= due - 2).then_some(()));
    let mut number = 0;
    while wall.now() < due + 2 {
        // Another description, and another command for one of them.
        number += 1;
        let edit =
            witnessed("tick-1", "true").replace(NEVER_LINE, &format!("description: {number}"));
        save(&site, "tick-1", &edit);
        let edit =
            witnessed("tick-2", &format!("true {number}")).replace(NEVER_LINE, "enabled: true");
        save(&site, "tick-2", &edit);
        daemon.hup();
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(times(&daemon, "reloaded: ") > 3, "{}", daemon.log().text());
    for tick in &ticks {
        until(&format!("the run of {tick}"), SOON, || {
            daemon.ledger().runs(tick).iter().any(|run| run.state == "succeeded").then_some(())
        });
    }
    daemon.stop();
    for tick in &ticks {
        let runs = site.ledger().runs(tick);
        let at: Vec<i64> = runs.iter().filter_map(|run| run.scheduled_at).collect();
        assert_eq!(at, [due * 1000], "{tick}");
    }
    Books::of(&site).with(&farm).balance();
}

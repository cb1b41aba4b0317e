//! A running daemon and edited files: an edit takes effect whole, or not at all.

use std::fs;

use loom::protocol::control::{Answer, Command};

use crate::harness::site::manifest;
use crate::harness::{Daemon, SOON, Site};

const JOB: &str = "task: loom.run\nargs: ['true']\nschedule: '@yearly'\ntargets: [web]";

fn site() -> Site {
    let site = Site::empty();
    site.write("nodes.yaml", "web: {user: nobody, ip: 127.0.0.2}\n");
    site.write_job("first", JOB);
    site
}

#[test]
fn a_broken_edit_is_refused_with_its_place_and_the_mended_one_is_taken() {
    let site = site();
    let mut daemon = Daemon::start(&site);
    let mark = daemon.log().mark();
    site.write_job("first", &JOB.replace("schedule", "shedule"));
    daemon.hup();
    daemon.log().wait_after(mark, "first.yaml:5:", SOON);
    daemon.log().wait_after(mark, "the running configuration stays", SOON);
    let mark = daemon.log().mark();
    site.write_job("first", &JOB.replace("true", "false"));
    daemon.hup();
    daemon.log().wait_after(mark, "changed: first", SOON);
    daemon.stop();
}

#[test]
fn where_it_listens_cannot_change_at_a_reload() {
    let site = site();
    let mut daemon = Daemon::start(&site);
    let mark = daemon.log().mark();
    site.settings("listen: 127.0.0.1:7411\n");
    daemon.hup();
    let refusal = "listen, from nothing to 127.0.0.1:7411, cannot change while the daemon runs";
    daemon.log().wait_after(mark, refusal, SOON);
    daemon.log().wait_after(mark, "the running configuration stays", SOON);
    daemon.stop();
}

#[test]
fn whoever_waits_for_a_reload_hears_of_a_stop() {
    let site = site();
    let mut daemon = Daemon::start_with_control(&site);
    let commands = [Command::Reload, Command::Reload, Command::Stop { drain: false }];
    for (command, answer) in daemon.control().requests(&commands) {
        match command {
            Command::Reload => assert!(answer.unwrap_err().contains("being stopped")),
            _ => assert_eq!(answer, Ok(Answer::Done)),
        }
    }
    daemon.wait(SOON);
}

#[test]
fn new_renamed_and_deleted_manifests_are_seen_without_a_signal() {
    let site = site();
    let mut daemon = Daemon::start(&site);

    let mark = daemon.log().mark();
    site.write_job("second", JOB);
    daemon.log().wait_after(mark, "added: second", SOON);

    // As editors save: beside it, then over it.
    let mark = daemon.log().mark();
    site.write("jobs/.second.swp", &manifest("second", &JOB.replace("true", "false")));
    fs::rename(site.path("jobs/.second.swp"), site.path("jobs/second.yaml")).unwrap();
    daemon.log().wait_after(mark, "changed: second", SOON);

    let mark = daemon.log().mark();
    fs::create_dir(site.path("jobs/more")).unwrap();
    site.write("jobs/more/third.yaml", &manifest("third", JOB));
    daemon.log().wait_after(mark, "added: third", SOON);

    let mark = daemon.log().mark();
    fs::remove_file(site.path("jobs/second.yaml")).unwrap();
    daemon.log().wait_after(mark, "removed: second", SOON);
    daemon.stop();
}

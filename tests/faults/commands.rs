//! Commands that end badly, write without measure, linger, or do not want to end.

use std::time::Duration;

use crate::harness::ledger::Unit;
use crate::harness::process;
use crate::harness::{Books, Daemon, Farm, Fault, SOON, Site};

// Lines as short as can be: they cost more to keep than to send, so that there always are more.
const ENDLESS: &str = "yes ''";

/// `command` as a job of its own, run once by a daemon that has room for one unit; then another
/// unit, to show that the room is free again. The books balance; the unit.
fn run(command: &str, settings: &str, more: &str) -> Unit {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.settings(&format!("stop_timeout: 1\nmax_workers: 1\n{settings}"));
    let more = format!("schedule: '@yearly'\ntargets: [n1]\n{more}");
    site.write_witnessed("bad", command, &more);
    site.write_witnessed("good", "true", "schedule: '@yearly'\ntargets: [n1]");
    let mut daemon = Daemon::start_with_control(&site);
    let unit = daemon.run_to_end("bad", 2 * SOON).remove(0);
    let after = daemon.run_to_end("good", SOON).remove(0);
    assert_eq!(after.outcome.as_deref(), Some("succeeded"), "{after:?}");
    let memory = daemon.process().memory();
    assert!(memory < 100_000, "the daemon has grown to {memory} kB");
    daemon.stop();
    Books::of(&site).with(&farm).balance();
    if let Some(file) = &unit.output_file {
        assert!(file.starts_with(&*site.root().to_string_lossy()), "{unit:?}");
    }
    unit
}

fn assert_outcome(unit: &Unit, outcome: &str) {
    assert_eq!(unit.outcome.as_deref(), Some(outcome), "{unit:?}");
}

#[test]
fn exit_255_is_the_commands_own() {
    let _fault = Fault::new("exit 255");
    let unit = run("exit 255", "", "");
    assert_outcome(&unit, "failed");
    assert_eq!(unit.exit, Some(255), "{unit:?}");
}

#[test]
fn a_command_killed_by_a_signal_says_which() {
    let _fault = Fault::new("kill -9 $$");
    let unit = run("kill -9 $$", "", "");
    assert_outcome(&unit, "signaled");
    assert_eq!(unit.signal, Some(9), "{unit:?}");
}

#[test]
fn a_command_that_was_asked_to_end_is_told_from_one_that_was_killed() {
    let _fault = Fault::new("kill -TERM $$");
    let unit = run("kill -TERM $$", "", "");
    assert_outcome(&unit, "signaled");
    assert_eq!(unit.signal, Some(15), "{unit:?}");
}

#[test]
fn a_hundred_megabytes_are_counted_and_cut() {
    let _fault = Fault::new("100 MB of output");
    let unit = run("yes $(seq -s . 30) | head -c 100000000", "max_output: 1MB\n", "");
    assert_outcome(&unit, "succeeded");
    assert_eq!((unit.output_bytes, unit.output_truncated), (100_000_000, true), "{unit:?}");
}

#[test]
fn output_without_end_ends_with_the_timeout() {
    let _fault = Fault::new("endless yes");
    let unit = run(ENDLESS, "max_output: 1MB\n", "timeout: 2");
    assert_outcome(&unit, "timed out");
    assert_eq!(unit.kill.as_deref(), Some("confirmed"), "{unit:?}");
    assert!(unit.output_truncated, "{unit:?}");
}

#[test]
fn output_without_end_from_this_machine_ends_with_the_timeout() {
    let _fault = Fault::new("endless yes");
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.settings("stop_timeout: 1\nmax_output: 1MB\n");
    let body = "task: fabric.api.local\nargs: [\"yes ''\"]\ntimeout: 2\n\
                schedule: '@yearly'\ntargets: [n1]";
    site.write_job("bad", body);
    let mut daemon = Daemon::start_with_control(&site);
    let unit = daemon.run_to_end("bad", SOON).remove(0);
    assert_outcome(&unit, "timed out");
    assert_eq!(unit.kill.as_deref(), Some("confirmed"), "{unit:?}");
    daemon.stop();
    Books::of(&site).balance();
}

#[test]
fn a_line_of_ten_megabytes_is_kept_whole() {
    let _fault = Fault::new("a 10 MB line");
    let unit = run("head -c 10000000 /dev/zero | tr '\\0' x; echo", "max_output: 50MB\n", "");
    assert_outcome(&unit, "succeeded");
    assert_eq!((unit.output_bytes, unit.output_truncated), (10_000_001, false), "{unit:?}");
}

#[test]
fn binary_output_is_counted_byte_for_byte() {
    let _fault = Fault::new("binary output");
    let unit = run("head -c 300000 /dev/urandom", "", "");
    assert_outcome(&unit, "succeeded");
    assert_eq!((unit.output_bytes, unit.output_truncated), (300_000, false), "{unit:?}");
}

#[test]
fn a_last_line_without_its_end_is_kept() {
    let _fault = Fault::new("output without a newline");
    let unit = run("printf 'one\\ntwo'", "", "");
    assert_outcome(&unit, "succeeded");
    assert_eq!(unit.output_bytes, 7, "{unit:?}");
    let lines: Vec<&str> = unit.output.lines().collect();
    assert!(lines.len() == 2 && lines[0].ends_with("F one"), "{unit:?}");
    assert!(lines[1].ends_with("P two"), "{unit:?}");
}

#[test]
fn what_a_command_leaves_in_the_background_does_not_hold_its_slot() {
    let _fault = Fault::new("sleep 600 & echo done");
    let unit = run("sleep 600 & echo done", "", "");
    assert_outcome(&unit, "succeeded");
    assert!(unit.output.ends_with("F done\n"), "{unit:?}");
}

#[test]
fn a_command_that_ignores_term_is_killed() {
    let _fault = Fault::new("remote ignores TERM");
    let marker = "601.25";
    let command = format!("trap '' TERM; while :; do sleep {marker}; done");
    let unit = run(&command, "", "timeout: 1");
    assert_outcome(&unit, "timed out");
    assert_eq!(unit.kill.as_deref(), Some("confirmed"), "{unit:?}");
    let left = process::mentioning(marker.as_bytes());
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_command_that_reads_finds_nothing_to_read() {
    let _fault = Fault::new("remote reads stdin");
    let unit = run("cat; read -r line; echo \"read: $line\"", "", "timeout: 20");
    assert_outcome(&unit, "succeeded");
    assert!(unit.output.ends_with("F read: \n"), "{unit:?}");
}

#[test]
fn every_one_of_many_failures_is_told_for_what_it_is() {
    let _fault = Fault::new("exit 255");
    let farm = Farm::start(3);
    let site = Site::new(&farm);
    let command = "case $LOOM_NODE in n1) exit 255;; n2) kill -9 $$;; esac";
    site.write_witnessed("mixed", command, "schedule: '@yearly'\ntargets: [n1, n2, n3]");
    let mut daemon = Daemon::start_with_control(&site);
    let units = daemon.run_to_end("mixed", Duration::from_secs(60));
    let outcomes: Vec<_> = units.iter().map(|unit| unit.outcome.as_deref().unwrap()).collect();
    assert_eq!(outcomes, ["failed", "signaled", "succeeded"]);
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

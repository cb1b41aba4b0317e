//! `loom once`: what one sees on one's own nodes before there is a daemon.

use std::fs;
use std::process::Output;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::process::{self, Process};
use crate::harness::{Farm, SOON, Site, until};

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn both(output: &Output) -> String {
    stdout(output) + &String::from_utf8_lossy(&output.stderr)
}

/// Whether a line speaks of the node and contains `text`.
fn says(output: &Output, node: &str, text: &str) -> bool {
    both(output).lines().any(|line| line.contains(node) && line.contains(text))
}

#[test]
fn every_node_runs_it_and_is_named_before_its_lines() {
    let farm = Farm::start(3);
    let site = Site::new(&farm);
    site.write_command("hello", "echo hello from $LOOM_NODE", &["n1", "n2", "n3"]);
    let output = site.once(&["hello"]);
    assert!(output.status.success(), "{}", both(&output));
    for name in farm.names() {
        assert!(says(&output, &name, &format!("hello from {name}")), "{}", both(&output));
    }
}

#[test]
fn a_failure_on_one_node_is_told_and_hinders_no_other() {
    let farm = Farm::start(3);
    let site = Site::new(&farm);
    let command = "[ $LOOM_NODE != n2 ] || exit 3; touch $LOOM_EVIDENCE/ran";
    site.write_command("picky", command, &["n1", "n2", "n3"]);
    let output = site.once(&["picky"]);
    assert_eq!(output.status.code(), Some(1), "{}", both(&output));
    assert!(says(&output, "n2", "failed, exit 3"), "{}", both(&output));
    for name in ["n1", "n3"] {
        assert!(farm.node(name).evidence().join("ran").exists(), "{}", both(&output));
    }
}

#[test]
fn on_narrows_the_targets() {
    let farm = Farm::start(3);
    let site = Site::new(&farm);
    site.write_command("mark", "touch $LOOM_EVIDENCE/ran", &["n1", "n2", "n3"]);
    let output = site.once(&["mark", "--on", "n[2-3]"]);
    assert!(output.status.success(), "{}", both(&output));
    let ran = |name: &str| farm.node(name).evidence().join("ran").exists();
    assert_eq!([ran("n1"), ran("n2"), ran("n3")], [false, true, true]);
}

#[test]
fn an_unknown_job_runs_nothing_and_near_names_are_suggested() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_command("backup", "touch $LOOM_EVIDENCE/ran", &["n1"]);
    let output = site.once(&["backup", "bakcup"]);
    assert!(!output.status.success());
    assert!(both(&output).contains("backup"), "{}", both(&output));
    assert!(!farm.node("n1").evidence().join("ran").exists());
}

#[test]
fn all_units_of_many_jobs_run_exactly_once_and_never_more_at_once_than_allowed() {
    const JOBS: usize = 25;
    const AT_MOST: usize = 3;
    let farm = Farm::start(4);
    let site = Site::new(&farm);
    site.settings(&format!("max_workers: {AT_MOST}\n"));
    let jobs: Vec<String> = (0..JOBS).map(|n| format!("job{n}")).collect();
    for job in &jobs {
        let command = format!(
            "echo {job} $(date +%s%N) >>$LOOM_EVIDENCE/{job}; sleep 0.05; date +%s%N >>$LOOM_EVIDENCE/{job}"
        );
        site.write_command(job, &command, &["n1", "n2", "n3", "n4"]);
    }
    let names: Vec<&str> = jobs.iter().map(String::as_str).collect();
    let output = site.once(&names);
    assert!(output.status.success(), "{}", both(&output));

    let mut edges: Vec<(u128, i32)> = Vec::new();
    for name in farm.names() {
        for job in &jobs {
            let traces = farm.evidence(&name, job);
            let words: Vec<&str> = traces.split_whitespace().collect();
            let [word, begun, ended] = words[..] else {
                panic!("{job} ran otherwise than once on {name}: {traces:?}");
            };
            assert_eq!(word, job);
            edges.extend([(begun.parse().unwrap(), 1), (ended.parse().unwrap(), -1)]);
        }
    }
    edges.sort();
    let mut now = 0;
    let most = edges
        .iter()
        .map(|(_, step)| {
            now += step;
            now
        })
        .max()
        .unwrap();
    assert!(most <= AT_MOST as i32, "{most} units ran at once");
}

#[test]
fn it_leaves_no_process_and_no_state_behind() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    site.write_command("hello", "echo hello", &["n1", "n2"]);
    let before: Vec<_> = site.root().read_dir().unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(site.once(&["hello"]).status.success());
    until("the end of all its processes", SOON, || {
        process::mentioning_path(site.root()).is_empty().then_some(())
    });
    let after: Vec<_> = site.root().read_dir().unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(before, after);
    let run = site.path("run");
    let left: Vec<_> = fs::read_dir(run).unwrap().map(|e| e.unwrap().path()).collect();
    let files = left.iter().filter(|path| !path.is_dir() || path.read_dir().unwrap().count() > 0);
    assert_eq!(files.count(), 0, "{left:?}");
}

#[test]
fn an_interrupt_ends_the_command_on_its_node_too() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_command("long", "echo $$ >$LOOM_EVIDENCE/pid; sleep 600", &["n1"]);
    let mut once = site.loom(&["once", "long"]).spawn().unwrap();
    let shell = until("the command", SOON, || farm.evidence("n1", "pid").trim().parse().ok());
    let command = Process::of(shell).expect("the command has ended by itself");
    Process::of(once.id() as i32).unwrap().signal(Signal::SIGINT);
    let status = process::wait(&mut once, SOON).expect("an interrupted loom once goes on");
    assert!(!status.success());
    until("the end of the command", SOON, || (!command.is_alive()).then_some(()));
    until("the end of all its processes", SOON, || {
        process::mentioning_path(site.root()).is_empty().then_some(())
    });
}

#[test]
fn output_arrives_whole_and_in_order() {
    const LINES: usize = 5000;
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_command("count", &format!("seq {LINES}"), &["n1"]);
    let output = site.once(&["count"]);
    let numbers: Vec<usize> = stdout(&output)
        .lines()
        .filter_map(|line| line.split_whitespace().next_back()?.parse().ok())
        .filter(|number| (1..=LINES).contains(number))
        .collect();
    let mut expected = (1..=LINES).peekable();
    for number in numbers {
        expected.next_if_eq(&number);
    }
    assert_eq!(expected.next(), None, "of {} lines", LINES);
}

#[test]
fn a_timeout_ends_the_command_and_says_so() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_job(
        "slow",
        "task: loom.run\nargs: ['echo $$ >$LOOM_EVIDENCE/pid; sleep 600']\ntimeout: 1\ntargets: [n1]",
    );
    let output = process::run(&mut site.loom(&["once", "slow"]), Duration::from_secs(60));
    assert!(!output.status.success());
    assert!(says(&output, "n1", "timed out, kill confirmed"), "{}", both(&output));
    let shell: i32 = farm.evidence("n1", "pid").trim().parse().unwrap();
    assert!(Process::of(shell).is_none_or(|process| !process.is_alive()));
}

#[test]
fn connections_that_are_not_kept_still_serve_who_waits() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    site.settings("ssh_persist: 0\nmax_workers: 1\n");
    for name in ["a", "b", "c"] {
        site.write_command(name, "true", &["n1", "n2"]);
    }
    let output = site.once(&["a", "b", "c"]);
    assert!(output.status.success(), "{output:?}");
    assert!(both(&output).contains("6 of 6 units succeeded"), "{output:?}");
}

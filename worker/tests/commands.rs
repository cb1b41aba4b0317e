//! What a command on the node says and how it ended, as the ledger will know it.

use std::io::Read;
use std::time::Duration;

use loom::arg::Arg;
use loom::protocol::message::ToWorker;
use loom::unit::Outcome;

use crate::rig::{Rig, Worker, current_user, kwarg, rig, stderr, stdout, text};

#[test]
fn the_commands_own_status_is_the_verdict() {
    let rig = rig();
    let mut worker = Worker::start();
    for (line, outcome) in [
        ("true", Outcome::Succeeded),
        ("exit 3", Outcome::Failed { exit: Some(3) }),
        ("exit 255", Outcome::Failed { exit: Some(255) }),
        ("nonexistent-command", Outcome::Failed { exit: Some(127) }),
        ("exit 143", Outcome::Failed { exit: Some(143) }),
        ("exit 137", Outcome::Failed { exit: Some(137) }),
        ("kill -TERM $$", Outcome::Signaled { signal: 15 }),
        ("kill -KILL $$", Outcome::Signaled { signal: 9 }),
        ("exec sh -c 'kill -SEGV $$'", Outcome::Signaled { signal: 11 }),
        ("kill -TERM 0; sleep 600", Outcome::Signaled { signal: 15 }),
    ] {
        let report = worker.run(rig.order("loom.run", &[line]));
        assert_eq!(report.outcome, outcome, "{line}: {report:?}");
    }
}

#[test]
fn streams_stay_apart_and_bytes_exact() {
    let rig = rig();
    let report = rig.run("printf 'a\\0\\377b'; printf 'one\\ntwo' >&2");
    assert_eq!(text(&report, "stdout"), b"a\0\xffb");
    assert_eq!(stderr(&report), "one\ntwo");
    assert_eq!(report.output.bytes, 11);
}

#[test]
fn large_outputs_are_complete_each_time() {
    let rig = rig();
    let mut worker = Worker::start();
    let expected: String = (1_000_000..1_007_500).map(|i| format!("{i}\n")).collect();
    for round in 0..200 {
        let report = worker.run(rig.order("loom.run", &["seq 1000000 1007499"]));
        assert_eq!(report.outcome, Outcome::Succeeded);
        assert!(stdout(&report) == expected, "round {round}: {} bytes", report.output.bytes);
    }
}

#[test]
fn what_looks_like_a_mark_is_output() {
    let rig = rig();
    let line = "tr '\\0' '\\n' </proc/$PPID/cmdline | grep -xE '[0-9a-f]{24}' | tee /dev/stderr";
    let report = rig.run(line);
    assert_eq!(report.outcome, Outcome::Succeeded);
    assert_eq!(stdout(&report).len(), 25, "{report:?}");
    assert_eq!(stderr(&report), stdout(&report));
}

#[test]
fn what_stays_in_the_background_does_not_hold_the_slot() {
    let rig = rig();
    let mut worker = Worker::start();
    let report = worker.run(rig.order("loom.run", &["sleep 61.25 & echo $!; echo done"]));
    assert_eq!(report.outcome, Outcome::Succeeded);
    let said = stdout(&report);
    let (pid, rest) = said.split_once('\n').unwrap();
    assert_eq!(rest, "done\n");
    let pid = nix::unistd::Pid::from_raw(pid.parse().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).expect("it goes on running");
}

#[test]
fn the_command_reads_the_end_of_file_at_once() {
    let rig = rig();
    let report = rig.run("cat; echo read");
    assert_eq!(stdout(&report), "read\n");
}

#[test]
fn arguments_and_surroundings_arrive_byte_for_byte() {
    let rig = rig();
    let odd = "it's \"$HOME\" `id` \\ \\\\ ü\n\ttail  ";
    let mut order = rig.order("loom.run", &["pwd; printf %s \"$ODD\"; cat"]);
    let env = Arg::Map(vec![(Arg::Str("ODD".into()), Arg::Str(odd.into()))]);
    order.kwargs = vec![
        kwarg("env", env),
        kwarg("chdir", Arg::Str("/usr".into())),
        kwarg("stdin", Arg::Str(odd.into())),
    ];
    let report = Worker::start().run(order);
    assert_eq!(stdout(&report), format!("/usr\n{odd}{odd}"));
}

#[test]
fn a_directory_that_is_not_there_ends_the_command_before_it_runs() {
    let rig = rig();
    let mut order = rig.order("loom.run", &["echo ran"]);
    order.kwargs = vec![kwarg("chdir", Arg::Str("/nonexistent".into()))];
    let report = Worker::start().run(order);
    assert_eq!(report.outcome, Outcome::Failed { exit: Some(1) });
    assert_eq!(stdout(&report), "");
    assert!(stderr(&report).contains("/nonexistent"));
}

#[test]
fn a_session_too_many_waits_its_turn() {
    let rig = Rig::new(&current_user(), "MaxSessions 1");
    let (mut first, mut second) = (Worker::start(), Worker::start());
    let go = rig.path("go");
    first.order(rig.order("loom.run", &[&format!("until [ -e {go} ]; do sleep 0.05; done")]));
    first.started();
    second.order(rig.order("loom.run", &["echo late"]));
    // Long enough to be refused; were it not refused, nothing would be shown, but nothing break.
    std::thread::sleep(Duration::from_millis(300));
    std::fs::write(&go, "").unwrap();
    assert_eq!(first.done().outcome, Outcome::Succeeded);
    assert_eq!(stdout(&second.done()), "late\n");
}

#[test]
fn a_script_is_sent_run_with_its_arguments_and_taken_away() {
    let rig = rig();
    let odd = "it's $HOME \\ \"two  words\"";
    let mut worker = Worker::start();
    for (shebang, extra) in
        [("#!/bin/sh -e\n", ""), ("", ""), ("#!/usr/bin/env bash\n", "[[ 1 ]]\n")]
    {
        let script =
            format!("{shebang}{extra}pwd; cat; printf '%s|' \"$@\"; echo \"$0\"; exit 9\n");
        let path = rig.path("my script");
        std::fs::write(&path, script).unwrap();
        let mut order = rig.order("loom.script", &[&path]);
        order.kwargs = vec![
            kwarg("args", Arg::List(vec![Arg::Str(odd.into()), Arg::Str("2".into())])),
            kwarg("chdir", Arg::Str("/usr".into())),
            kwarg("stdin", Arg::Str("in\n".into())),
        ];
        let report = worker.run(order);
        assert_eq!(report.outcome, Outcome::Failed { exit: Some(9) }, "{report:?}");
        let said = stdout(&report);
        let (said, remote) = said.trim_end().rsplit_once('|').unwrap();
        assert_eq!(said, format!("/usr\nin\n{odd}|2"));
        assert!(remote.ends_with("/my script") && !std::path::Path::new(remote).exists());
    }
}

#[test]
fn a_script_that_is_not_there_never_reaches_the_node() {
    let rig = rig();
    let report = Worker::start().run(rig.order("loom.script", &["/nonexistent"]));
    assert_eq!(report.outcome, Outcome::Failed { exit: None });
    assert!(report.detail.unwrap().contains("/nonexistent"));
}

#[test]
fn every_line_can_be_echoed_behind_a_prefix() {
    let rig = rig();
    let mut worker = Worker::start();
    let mut order = rig.order("loom.run", &["echo one; echo two >&2; printf three"]);
    order.output.echo = Some("node | ".into());
    worker.run(order);
    worker.tell(&ToWorker::Shutdown);
    let mut said = String::new();
    worker.child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["node | one", "node | three", "node | two"]);
}

#[test]
fn endless_output_takes_no_memory_and_no_more_than_its_room() {
    let rig = rig();
    let mut worker = Worker::start();
    let mut order = rig.order("loom.run", &["yes | head -c 20000000; echo the end"]);
    order.output.max_bytes = 1_000_000;
    let report = worker.run(order);
    assert_eq!(report.outcome, Outcome::Succeeded);
    assert_eq!((report.output.bytes, report.output.truncated), (20_000_008, true));
    let file = report.output.file.unwrap();
    let tail = std::fs::read_to_string(format!("{}.tail", file.display())).unwrap();
    assert!(tail.ends_with("the end\n"));
    assert!(std::fs::metadata(&file).unwrap().len() + tail.len() as u64 <= 1_000_000);
    assert!(worker.most_memory() < 30 << 20, "{} bytes", worker.most_memory());
}

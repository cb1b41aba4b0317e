//! What a command on the node says and how it ended, as the ledger will know it.

use std::time::Duration;

use loom::arg::Arg;
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

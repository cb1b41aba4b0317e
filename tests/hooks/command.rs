//! Commands, those that behave and those that do not.

use std::time::{Duration, Instant};

use loom::job::hooks::Action;

use super::{AMPLE, Rig, firing, is_there};
use crate::harness::process::Process;
use crate::harness::{SOON, until};

/// Time enough for a shell to start, and no more of a wait than that.
const SHORT: Duration = Duration::from_secs(2);

fn process(rig: &Rig, file: &str) -> Process {
    let pid = rig.read(file).trim().parse().unwrap();
    Process::of(pid).unwrap_or_else(|| panic!("{file}: {pid} is gone already"))
}

/// Its end follows the signal soon, but not at once.
fn gone(process: Process) {
    until("a killed process to be gone", SOON, || (!process.is_alive()).then_some(()));
}

#[test]
fn a_command_gets_what_happened_and_little_else() {
    let mut rig = Rig::new();
    rig.fire_command("cat >$D/json; env >$D/env; { pwd; umask; } >$D/where", AMPLE);
    let row = rig.settle().remove(0);
    assert_eq!((row.occasion, row.action, row.failure), ("on_failure", "command", None));
    assert_eq!((row.job.as_str(), row.run.map(|run| run.0)), ("backup", Some(12)));
    assert_eq!(rig.read("json"), "{}\n");
    assert_eq!(rig.read("where"), "/\n0077\n");
    let env = rig.read("env");
    let mut names: Vec<&str> =
        env.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    // PWD is the shell's own doing.
    let expected = ["HOME", "LANG", "LOOM_JOB", "LOOM_OCCASION", "LOOM_RUN", "PATH", "PWD"];
    assert_eq!(names, expected);
    for line in ["LOOM_JOB=backup", "LOOM_OCCASION=on_failure", "LOOM_RUN=12", "HOME=/root"] {
        assert!(env.lines().any(|found| found == line), "{line}: {env}");
    }
}

#[test]
fn one_that_hangs_is_ended_with_its_children() {
    let mut rig = Rig::new();
    rig.fire_command("echo $$ >$D/shell; sleep 600 & echo $! >$D/sleep; wait", SHORT);
    rig.turn_until("its children", |rig| is_there(&rig.path("sleep")));
    let (shell, sleep) = (process(&rig, "shell"), process(&rig, "sleep"));
    assert!(shell.is_alive() && sleep.is_alive());
    assert_eq!(rig.failure(), "it took longer than 2s and was ended");
    gone(shell);
    gone(sleep);
}

#[test]
fn one_that_will_not_hear_of_it_is_killed() {
    let mut rig = Rig::new();
    // Ignored by the shell, and so by its child.
    rig.fire_command("trap '' TERM; sleep 600 & echo $! >$D/sleep; wait; exit 0", SHORT);
    rig.turn_until("its child", |rig| is_there(&rig.path("sleep")));
    let sleep = process(&rig, "sleep");
    let began = Instant::now();
    assert_eq!(rig.failure(), "it took longer than 2s and was ended");
    // It has had its two seconds after SIGTERM.
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    gone(sleep);
}

#[test]
fn a_success_after_its_time_is_none() {
    let mut rig = Rig::new();
    rig.fire_command("trap 'exit 0' TERM; while :; do sleep 0.05; done", SHORT);
    assert_eq!(rig.failure(), "it took longer than 2s and was ended");
}

#[test]
fn one_that_does_not_read_loses_nothing_but_what_it_was_told() {
    let body = vec![b'x'; 1 << 20];
    let mut rig = Rig::new();
    let action = Action::Command("exit 0".to_owned());
    rig.fire(firing("backup", action, AMPLE, &body));
    assert_eq!(rig.result(), Ok(()));
    // It neither reads nor ends, while others go on.
    let action = Action::Command("exec sleep 600".to_owned());
    rig.fire(firing("hangs", action, Duration::from_secs(3), &body));
    let script = format!("wc -c >{}", rig.path("count").display());
    rig.fire(firing("reads", Action::Command(script), AMPLE, &body));
    let rows = rig.settle();
    assert_eq!((rows[0].job.as_str(), &rows[0].failure), ("reads", &None));
    assert_eq!(rig.read("count").trim(), "1048576");
    assert_eq!(rows[1].failure.as_deref(), Some("it took longer than 3s and was ended"));
}

#[test]
fn what_it_leaves_in_the_background_ends_with_it() {
    let mut rig = Rig::new();
    // The slot is freed although the pipe stays open.
    rig.fire_command(
        "sleep 600 & echo $! >$D/sleep; while [ ! -e $D/go ]; do sleep 0.02; done",
        AMPLE,
    );
    rig.turn_until("its child", |rig| is_there(&rig.path("sleep")));
    let sleep = process(&rig, "sleep");
    std::fs::write(rig.path("go"), "").unwrap();
    assert_eq!(rig.result(), Ok(()));
    gone(sleep);
}

#[test]
fn a_failure_says_how_and_quotes_the_last_line() {
    for (script, expected) in [
        ("echo one; echo 'disk full' >&2; echo; exit 3", "it exited with 3: disk full"),
        ("exit 75", "it exited with 75"),
        ("kill -9 $$", "it was killed by SIGKILL"),
        ("printf 'a\\033[31m\\007b'; exit 1", "it exited with 1: a\\u{1b}[31m\\u{7}b"),
        ("printf '\\377\\376'; exit 1", "it exited with 1: \u{fffd}\u{fffd}"),
    ] {
        let mut rig = Rig::new();
        rig.fire_command(script, AMPLE);
        assert_eq!(rig.failure(), expected, "{script}");
    }
    let mut rig = Rig::new();
    rig.fire_command("exec /no/such/program", AMPLE);
    let why = rig.failure();
    assert!(why.starts_with("it exited with 127: ") && why.contains("/no/such/program"), "{why}");
}

#[test]
fn what_cannot_be_started_is_recorded() {
    let mut rig = Rig::new();
    let long = "x".repeat(1 << 20);
    rig.fire(firing("long", Action::Command(long), AMPLE, b""));
    rig.fire(firing("nul", Action::Command("a\0b".to_owned()), AMPLE, b""));
    for row in rig.settle() {
        let why = row.failure.unwrap();
        assert!(why.starts_with("it cannot be started: "), "{}: {why}", row.job);
    }
}

#[test]
fn output_without_end_is_read_and_not_kept() {
    let mut rig = Rig::new();
    rig.fire_command("head -c 50000000 /dev/zero | tr '\\0' x; echo; yes | head -n 1000000; printf '%5000s' end; exit 1", AMPLE);
    let why = rig.failure();
    assert!(why.starts_with("it exited with 1: "), "{why}");
    assert!(why.chars().count() <= 300, "{}", why.chars().count());
}

#[test]
fn ten_run_at_once_and_the_others_in_their_turn() {
    let mut rig = Rig::new();
    // Each sees how many there are, and stays until told to go.
    let script = "touch $D/$$.on; ls $D/*.on | wc -l >$D/$$.seen; \
                  while [ ! -e $D/go ]; do sleep 0.02; done; rm $D/$$.on";
    for _ in 0..50 {
        rig.fire_command(script, AMPLE);
    }
    let count = |rig: &Rig, end: &str| {
        let entries = std::fs::read_dir(rig.dir.path()).unwrap();
        entries.filter(|e| e.as_ref().unwrap().path().to_string_lossy().ends_with(end)).count()
    };
    rig.turn_until("ten to run", |rig| count(rig, ".on") == 10);
    for _ in 0..20 {
        rig.turn();
    }
    assert_eq!(count(&rig, ".on"), 10);
    std::fs::write(rig.path("go"), "").unwrap();
    let rows = rig.settle();
    assert_eq!(rows.len(), 50);
    assert!(rows.iter().all(|row| row.failure.is_none()), "{rows:?}");
    assert_eq!(count(&rig, ".seen"), 50);
    for entry in std::fs::read_dir(rig.dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "seen") {
            let seen: usize = std::fs::read_to_string(&path).unwrap().trim().parse().unwrap();
            assert!((1..=10).contains(&seen), "{seen} at once");
        }
    }
}

#[test]
fn a_job_whose_hooks_hang_does_not_hold_up_another_for_long() {
    let mut rig = Rig::new();
    for _ in 0..30 {
        rig.fire(rig.command("hangs", "exec sleep 600", Duration::from_secs(1)));
    }
    rig.fire(rig.command("backup", "exit 0", AMPLE));
    let jobs: Vec<String> = rig.settle().into_iter().map(|row| row.job).collect();
    let place = jobs.iter().position(|job| job == "backup").unwrap();
    assert!(place <= 20, "after {place} of {}", jobs.len());
}

#[test]
fn more_than_a_thousand_that_wait_have_failed() {
    let mut rig = Rig::new();
    for _ in 0..1015 {
        rig.fire_command("exec sleep 600", AMPLE);
    }
    rig.turn();
    let failures: Vec<_> = rig.rows.drain(..).map(|row| row.failure.unwrap()).collect();
    assert_eq!(failures, ["too many hooks wait"; 5]);
    rig.runner.stop(Instant::now(), Duration::ZERO);
    assert_eq!(rig.settle().len(), 1010);
    // What they hold counts as well.
    let body = vec![b'x'; 16 << 20];
    let mut rig = Rig::new();
    for _ in 0..15 {
        let action = Action::Command("exec sleep 600".to_owned());
        rig.fire(firing("backup", action, AMPLE, &body));
    }
    rig.turn();
    assert_eq!(rig.rows.len(), 1);
    assert_eq!(rig.rows[0].failure.as_deref(), Some("too many hooks wait"));
}

#[test]
fn at_the_end_hooks_have_a_while_and_no_longer() {
    let mut rig = Rig::new();
    for _ in 0..12 {
        rig.fire_command("echo $$ >$D/$$.pid; exec sleep 600", AMPLE);
    }
    rig.fire(rig.command("quick", "exit 0", AMPLE));
    rig.turn_until("them to run", |rig| std::fs::read_dir(rig.dir.path()).unwrap().count() == 10);
    let pids: Vec<i32> = (std::fs::read_dir(rig.dir.path()).unwrap())
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().parse().unwrap())
        .collect();
    let limit = Duration::from_millis(500);
    let began = Instant::now();
    rig.runner.stop(began, limit);
    let rows = rig.settle();
    assert!(began.elapsed() >= limit);
    assert_eq!(rows.len(), 13);
    assert!(
        rows.iter().all(|row| row.failure.as_deref() == Some("the daemon stopped")),
        "{rows:?}"
    );
    assert!(pids.iter().all(|pid| Process::of(*pid).is_none()));
    // Those that come later may not keep it from its end.
    rig.fire_command("exec sleep 600", AMPLE);
    assert_eq!(rig.failure(), "the daemon stopped");
}

#[test]
fn in_good_time_at_the_end_is_a_success() {
    let mut rig = Rig::new();
    rig.fire_command("while [ ! -e $D/go ]; do sleep 0.02; done", AMPLE);
    rig.runner.stop(Instant::now(), AMPLE);
    rig.turn();
    std::fs::write(rig.path("go"), "").unwrap();
    assert_eq!(rig.result(), Ok(()));
}

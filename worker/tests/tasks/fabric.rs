//! `fabric.api.run` and `fabric.api.sudo`.

use loom::arg::Arg;
use loom::unit::{Kill, Outcome};

use super::{Asking, PASSWORD, login_rig, order, run, text, with_password};
use crate::rig::{Worker, eventually, is_running, stderr, stdout};

const RUN: &str = "fabric.api.run";
const SUDO: &str = "fabric.api.sudo";

#[test]
fn a_command_runs_in_a_login_bash_in_its_context() {
    let rig = login_rig();
    let there = rig.path("a dir");
    std::fs::create_dir(&there).unwrap();
    let line = r#"shopt -q login_shell && echo "$A" `pwd` 'it''s' && echo "${PATH##*:}" >&2"#;
    let env = Arg::Map(vec![(text("A"), text("one  two"))]);
    let kwargs = [
        ("cd", text(&there)),
        ("prefix", text("export B=1")),
        ("shell_env", env),
        ("path", text("/opt/loom")),
    ];
    let report = run(&rig, RUN, &[line], &kwargs);
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert_eq!(stdout(&report), format!("one  two {there} its\n"));
    assert_eq!(stderr(&report), "/opt/loom\n");

    let report = run(&rig, RUN, &["true"], &[("cd", text("/nonexistent"))]);
    assert_eq!(report.outcome, Outcome::Failed { exit: Some(1) });
}

#[test]
fn the_call_says_which_codes_are_a_success() {
    let rig = login_rig();
    let yes = || Arg::Bool(true);
    let codes = |codes: &[i64]| Arg::List(codes.iter().map(|code| Arg::Int(*code)).collect());
    let failed = |code| Outcome::Failed { exit: Some(code) };
    let mut worker = Worker::start();
    for (line, kwargs, outcome) in [
        ("exit 3", vec![], failed(3)),
        ("exit 3", vec![("warn_only", yes())], Outcome::Succeeded),
        ("exit 3", vec![("quiet", yes())], Outcome::Succeeded),
        ("exit 3", vec![("ok_ret_codes", codes(&[0, 3]))], Outcome::Succeeded),
        ("exit 4", vec![("ok_ret_codes", codes(&[0, 3]))], failed(4)),
        ("exit 0", vec![("ok_ret_codes", Arg::Int(3))], failed(0)),
        ("kill -9 $$", vec![("warn_only", yes())], Outcome::Signaled { signal: 9 }),
    ] {
        let report = worker.run(order(&rig, RUN, &[line], &kwargs));
        assert_eq!(report.outcome, outcome, "{line} {kwargs:?}: {report:?}");
    }
    let report = worker.run(order(&rig, RUN, &["exit 3"], &[("warn_only", yes())]));
    assert_eq!(stderr(&report), "exit 3, accepted by warn_only\n");
}

#[test]
fn a_terminal_is_there_only_if_asked_for() {
    let rig = login_rig();
    let line = "tty >/dev/null && echo $TERM `stty size` || echo none; echo err >&2";
    let report = run(&rig, RUN, &[line], &[]);
    assert_eq!((stdout(&report), stderr(&report)), ("none\n".into(), "err\n".into()), "{report:?}");
    let report = run(&rig, RUN, &[line], &[("pty", Arg::Bool(true))]);
    assert_eq!(
        (stdout(&report), stderr(&report)),
        ("vt100 24 80\r\nerr\r\n".into(), "".into()),
        "{report:?}"
    );
}

#[test]
fn stderr_can_be_recorded_as_stdout_in_its_order() {
    let rig = login_rig();
    let line = "for i in 1 2 3 4; do echo out; echo err >&2; done";
    for shell in [true, false] {
        let kwargs = [("combine_stderr", Arg::Bool(true)), ("shell", Arg::Bool(shell))];
        let report = run(&rig, RUN, &[line], &kwargs);
        let expected = "out\nerr\n".repeat(4);
        assert_eq!((stdout(&report), stderr(&report)), (expected, "".into()), "{report:?}");
    }
    let report = run(&rig, RUN, &["kill -9 $$"], &[("combine_stderr", Arg::Bool(true))]);
    assert_eq!(report.outcome, Outcome::Signaled { signal: 9 });
}

#[test]
fn its_own_timeout_ends_it_on_the_node() {
    let rig = login_rig();
    let report = run(&rig, RUN, &["sleep 6104.5"], &[("timeout", Arg::Float(0.3))]);
    assert_eq!(report.outcome, Outcome::TimedOut { kill: Kill::Confirmed }, "{report:?}");
    eventually("the command is gone", || !is_running("6104.5"));
}

#[test]
fn a_bad_call_is_refused_in_words() {
    let rig = login_rig();
    let report = run(&rig, RUN, &["true"], &[("shel", Arg::Bool(true))]);
    assert_eq!(report.outcome, Outcome::Failed { exit: None });
    let detail = report.detail.unwrap();
    assert!(detail.contains("fabric.api.run() has no parameter `shel`; did you mean `shell`?"));
}

/// Wants root, or sudo without a password, as the build machines have.
#[test]
fn sudo_gives_the_rights_of_the_user_and_group() {
    let rig = login_rig();
    let line = "id -un; id -gn; echo err >&2";
    let kwargs = [("user", text("nobody")), ("group", text("daemon"))];
    let report = run(&rig, SUDO, &[line], &kwargs);
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert_eq!(
        (stdout(&report), stderr(&report)),
        ("nobody\ndaemon\n".into(), "err\n".into()),
        "{report:?}"
    );
    let report = run(&rig, SUDO, &["id -u"], &[("user", Arg::Int(1))]);
    assert_eq!(stdout(&report), "1\n");
    let report = run(&rig, SUDO, &["id -u; exit 5"], &[("shell", Arg::Bool(false))]);
    assert_eq!(
        (stdout(&report), report.outcome),
        ("0\n".into(), Outcome::Failed { exit: Some(5) })
    );
}

#[test]
fn the_password_goes_to_the_prompt_and_nowhere_else() {
    let node = Asking::new();
    let mut worker = Worker::start();
    let mut sudo = |password, kwargs: &[(&str, Arg)]| {
        let line = "echo in; cat; tr '\\0' '\\n' </proc/$PPID/environ | grep -c LOOM_UNIT";
        worker.run(with_password(password, order(&node.rig, SUDO, &[line], kwargs)))
    };
    let report = sudo(PASSWORD, &[("user", text("app")), ("group", Arg::Int(33))]);
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert_eq!((stdout(&report), stderr(&report)), ("in\n1\n".into(), "".into()), "{report:?}");
    assert!(node.options().contains("-u app -g #33"), "{}", node.options());

    let report = sudo("a guess", &[]);
    assert_eq!(report.outcome, Outcome::Failed { exit: None }, "{report:?}");
    assert!(!format!("{report:?}").contains("a guess"));
    assert_eq!(stdout(&report), "");
}

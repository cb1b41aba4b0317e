//! Other people's rights, with a user of the test's own who has to give a password for them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command as Process, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use loom::arg::Arg;
use loom::password::Password;
use loom::protocol::cookie::{self, Rights};
use loom::protocol::message::{FromWorker, ToWorker, UnitOrder};
use loom::unit::{Canceller, Kill, Outcome};
use loom_worker::ssh::{Command, Ended, Input, Pty, Remote, Sudo};
use loom_worker::stop::Stop;
use tokio::sync::mpsc;

use crate::rig::{Rig, Worker, eventually, is_running, kwarg, stderr, stdout};
use crate::skip::skip;

const PASSWORD: &str = "xyzzy-the-password";

/// A user who may use sudo; removed at the end.
struct Somebody {
    name: String,
    rule: String,
}

impl Somebody {
    /// `None`, and a line that says so, where the test may not make users.
    fn new(test: &str, how: &str) -> Option<Somebody> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("loomt{}x{count}", std::process::id());
        let has = |program: &str| Process::new(program).arg("--help").output().is_ok();
        if !nix::unistd::getuid().is_root() || !has("sudo") || !has("useradd") {
            skip(test, "needs root, sudo and useradd");
            return None;
        }
        let somebody = Somebody { rule: format!("/etc/sudoers.d/{name}"), name };
        let script = "useradd -m -s /bin/sh \"$1\" && echo \"$1:$2\" | chpasswd";
        let made = Process::new("sh").args(["-c", script, "sh", &somebody.name, PASSWORD]).status();
        assert!(made.unwrap().success());
        let name = &somebody.name;
        let log = somebody.log();
        let rule = format!("Defaults:{name} logfile={log}\n{name} ALL=(ALL:ALL) {how}\n");
        fs::write(&somebody.rule, rule).unwrap();
        fs::set_permissions(&somebody.rule, fs::Permissions::from_mode(0o440)).unwrap();
        Some(somebody)
    }

    /// Where sudo writes down who tried what.
    fn log(&self) -> String {
        format!("/tmp/{}.log", self.name)
    }

    fn rig(&self) -> Rig {
        Rig::new(&self.name, "")
    }
}

impl Drop for Somebody {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.rule);
        let _ = fs::remove_file(self.log());
        let mut userdel = Process::new("userdel");
        let _ = userdel.args(["-r", "-f", &self.name]).stderr(Stdio::null()).status();
    }
}

fn becoming(rig: &Rig, line: &str, password: Option<&str>) -> UnitOrder {
    let mut order = rig.order("loom.run", &[line]);
    order.kwargs = vec![kwarg("become", Arg::Bool(true))];
    order.password = password.map(|text| Password::Literal(text.to_owned().into()));
    order
}

#[test]
fn the_password_is_given_when_asked_for_and_to_nobody_else() {
    let Some(somebody) = Somebody::new("the_password_is_given", "ALL") else { return };
    let rig = somebody.rig();
    let mut worker = Worker::start();
    let mut order =
        becoming(&rig, "id -un; cat; env; tr '\\0' ' ' </proc/$PPID/cmdline", Some(PASSWORD));
    order.kwargs.push(kwarg("stdin", Arg::Str("data of its own\n".into())));
    let report = worker.run(order);
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    let said = stdout(&report);
    assert!(said.starts_with("root\ndata of its own\n"), "{said}");
    assert!(!said.contains(PASSWORD) && stderr(&report).is_empty(), "{report:?}");

    let report = worker.run(becoming(&rig, "echo on >&2; exit 7", Some(PASSWORD)));
    assert_eq!(report.outcome, Outcome::Failed { exit: Some(7) });
    assert_eq!(stderr(&report), "on\n");
    let report = worker.run(becoming(&rig, "kill -TERM $$", Some(PASSWORD)));
    assert_eq!(report.outcome, Outcome::Signaled { signal: 15 });

    let mut order = becoming(&rig, "id -un", Some(PASSWORD));
    order.kwargs.push(kwarg("become_user", Arg::Str("nobody".into())));
    assert_eq!(stdout(&worker.run(order)), "nobody\n");
}

#[test]
fn a_wrong_password_or_none_is_said_and_tried_once() {
    let Some(somebody) = Somebody::new("a_wrong_password_or_none", "ALL") else { return };
    let rig = somebody.rig();
    for (password, reason) in [(None, "none is configured"), (Some("wrong"), "did not accept")] {
        let report = Worker::start().run(becoming(&rig, "touch /tmp/never", password));
        assert_eq!(report.outcome, Outcome::Failed { exit: None });
        assert!(report.detail.as_ref().unwrap().contains(reason), "{report:?}");
    }
    let mut log = String::new();
    eventually("sudo has written it down", || {
        log = fs::read_to_string(somebody.log()).unwrap_or_default();
        log.contains("incorrect password")
    });
    assert_eq!(log.matches("incorrect password").count(), 1, "{log}");
    assert!(log.contains("1 incorrect password attempt"), "{log}");
}

#[test]
fn where_sudo_asks_for_nothing_stdin_is_the_commands_alone() {
    let Some(somebody) = Somebody::new("where_sudo_asks", "NOPASSWD: ALL") else { return };
    let rig = somebody.rig();
    let mut order = becoming(&rig, "cat", Some(PASSWORD));
    order.kwargs.push(kwarg("stdin", Arg::Str("all of it\n".into())));
    assert_eq!(stdout(&Worker::start().run(order)), "all of it\n");
    let report = Worker::start().run(becoming(&rig, "cat; id -u", Some(PASSWORD)));
    assert_eq!(stdout(&report), "0\n");
}

#[test]
fn who_may_not_use_sudo_is_told_so() {
    let Some(somebody) = Somebody::new("who_may_not", "/bin/false") else { return };
    let rig = somebody.rig();
    let report = Worker::start().run(becoming(&rig, "true", Some(PASSWORD)));
    assert_eq!(report.outcome, Outcome::Failed { exit: None });
    assert!(report.detail.as_ref().unwrap().contains("sudo did not run"), "{report:?}");
    assert!(stderr(&report).contains("not allowed"), "{report:?}");
}

#[test]
fn the_end_of_the_unit_ends_what_runs_with_other_rights() {
    let Some(somebody) = Somebody::new("the_end_of_the_unit_ends", "ALL") else { return };
    let rig = somebody.rig();
    for trap in ["", "trap '' TERM; "] {
        let seconds = format!("705.{}{}", std::process::id(), trap.len());
        let order = becoming(&rig, &format!("{trap}sleep {seconds}"), Some(PASSWORD));
        let unit = order.unit;
        let mut worker = Worker::start();
        worker.order(order);
        worker.started();
        eventually("it sleeps", || is_running(&seconds));
        worker.tell(&ToWorker::Cancel { unit, by: Canceller::Shutdown });
        let by = Canceller::Shutdown;
        assert_eq!(worker.done().outcome, Outcome::Cancelled { by, kill: Kill::Confirmed });
        assert!(!is_running(&seconds));

        worker.order(becoming(&rig, &format!("{trap}sleep {seconds}"), Some(PASSWORD)));
        worker.started();
        eventually("it sleeps", || is_running(&seconds));
        worker.child.kill().unwrap();
        eventually("the lease has ended it", || !is_running(&seconds));
    }
}

/// Cancels a unit once its command sleeps: the outcome, and whether that sleeps on.
fn cancelled(order: UnitOrder, seconds: &str) -> (Outcome, bool) {
    let unit = order.unit;
    let mut worker = Worker::start();
    worker.order(order);
    worker.started();
    eventually("it sleeps", || is_running(seconds));
    worker.tell(&ToWorker::Cancel { unit, by: Canceller::Shutdown });
    (worker.done().outcome, is_running(seconds))
}

fn by_shutdown(kill: Kill) -> Outcome {
    Outcome::Cancelled { by: Canceller::Shutdown, kill }
}

#[test]
fn who_has_left_with_other_rights_is_found_with_them() {
    let Some(somebody) = Somebody::new("who_has_left_with_other_rights", "ALL") else { return };
    let rig = somebody.rig();
    for (index, user) in [None, Some("nobody")].into_iter().enumerate() {
        let seconds = format!("706.{}{index}", std::process::id());
        let line = format!("(trap '' TERM; setsid sleep {seconds}) >/dev/null 2>&1 & sleep 600");
        let mut order = becoming(&rig, &line, Some(PASSWORD));
        if let Some(user) = user {
            order.kwargs.push(kwarg("become_user", Arg::Str(user.into())));
        }
        assert_eq!(cancelled(order, &seconds), (by_shutdown(Kill::Confirmed), false), "{user:?}");
    }
}

#[test]
fn what_the_command_itself_got_rights_for_is_ended_if_sudo_asks_for_nothing() {
    let test = "what_the_command_itself_got_rights_for";
    let line = |seconds: &str| format!("sudo -n sh -c \"trap '' TERM; sleep {seconds}\"");
    let Some(somebody) = Somebody::new(test, "NOPASSWD: ALL") else { return };
    let rig = somebody.rig();
    let seconds = format!("707.{}", std::process::id());
    let order = rig.order("loom.run", &[&line(&seconds)]);
    assert_eq!(cancelled(order, &seconds), (by_shutdown(Kill::Confirmed), false));

    // Where it may start that and nothing else, nobody can end it; and that is said.
    let Some(somebody) = Somebody::new(test, "NOPASSWD: /usr/bin/sh") else { return };
    let rig = somebody.rig();
    let seconds = format!("708.{}", std::process::id());
    let order = rig.order("loom.run", &[&line(&seconds)]);
    let (outcome, left) = cancelled(order, &seconds);
    let sleeper = format!("sleep {seconds}");
    Process::new("pkill").args(["-KILL", "-x", "-f", &sleeper]).status().unwrap();
    assert_eq!((outcome, left), (by_shutdown(Kill::Unconfirmed), true));
}

#[test]
fn what_a_lost_unit_left_is_swept_with_the_rights_it_had() {
    let Some(somebody) = Somebody::new("what_a_lost_unit_left", "ALL") else { return };
    let rig = somebody.rig();
    let nobody = || Rights::User("nobody".into());
    // Those of the last two are not in their environment: they were told while they ran.
    let cases = [Rights::Root, nobody(), Rights::Root, nobody()];
    for (index, rights) in cases.into_iter().enumerate() {
        let seconds = format!("709.{}{index}", std::process::id());
        let line = format!("(trap '' TERM; setsid sleep {seconds}) >/dev/null 2>&1 & sleep 600");
        let mut order = becoming(&rig, &line, Some(PASSWORD));
        if let Rights::User(name) = &rights {
            order.kwargs.push(kwarg("become_user", Arg::Str(name.clone())));
        }
        let left = if index < 2 {
            order.cookie = cookie::cookie(&order.cookie, order.unit, &rights);
            order.cookie.clone()
        } else {
            cookie::with(&order.cookie, &rights)
        };
        let mut worker = Worker::start();
        worker.order(order);
        worker.started();
        eventually("it sleeps", || is_running(&seconds));
        worker.child.kill().unwrap();

        let next = |password: Option<&str>| {
            let mut order = rig.order("loom.run", &["true"]);
            order.password = password.map(|text| Password::Literal(text.to_owned().into()));
            order.sweep = vec![left.clone(), "own-1".into()];
            let mut worker = Worker::start();
            worker.order(order);
            let (said, report) = worker.said();
            assert_eq!(report.outcome, Outcome::Succeeded);
            said.iter().any(|message| matches!(message, FromWorker::Swept { .. }))
        };
        assert!(!next(None), "without the password nobody knows");
        assert!(is_running(&seconds));
        assert!(next(Some(PASSWORD)));
        assert!(!is_running(&seconds));
    }
}

#[test]
fn on_a_terminal_the_password_is_not_shown() {
    let Some(somebody) = Somebody::new("on_a_terminal", "ALL") else { return };
    let rig = somebody.rig();
    let order = rig.order("loom.run", &[]);
    let (started, _) = mpsc::unbounded_channel();
    let grace = Duration::from_secs(1);
    let remote = Remote::new(order.node, order.cookie, grace, Stop::default(), started);
    let sudo = Sudo { password: Some(PASSWORD.to_owned().into()), ..Sudo::default() };
    let pty = Pty { term: "vt100".into(), cols: 80, rows: 24 };
    let command =
        Command::new("id -un; test -t 0; exit 3").input(Input::Terminal(pty)).sudo(Some(sudo));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seen = runtime.block_on(remote.capture(&command)).unwrap();
    assert_eq!(seen.ended, Ended::Exit(3));
    assert_eq!(seen.stdout_text(), "root");
}

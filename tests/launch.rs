//! Starting, refusing and stopping the daemon, by the real executable.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid, getsid};

use crate::harness::skip::skip;

const LOOM: &str = env!("CARGO_BIN_EXE_loom");
/// Only a test that fails waits for so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A configuration of its own, and the daemon that may have been started on it.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { dir: tempfile::tempdir().unwrap() };
        let state = place.path("state");
        place.write(
            "loom.yaml",
            &format!("nodesfile: nodes.yaml\njobspath: jobs\nstatedir: {}\n", state.display()),
        );
        place.write("nodes.yaml", "web1: {user: nobody}\n");
        fs::create_dir(place.path("jobs")).unwrap();
        let job = "jobs:\n  new-year:\n    task: loom.run\n    args: ['true']\n    \
                   schedule: '0 0 1 1 *'\n    targets: [web1]\n";
        place.write("jobs/all.yaml", job);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn loom(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(LOOM);
        command.arg("-c").arg(self.path("loom.yaml")).args(arguments);
        command.current_dir(self.dir.path()).env_remove("NOTIFY_SOCKET").env_remove("RUST_LOG");
        command
    }

    fn start(&self, arguments: &[&str]) -> Output {
        self.loom(arguments).output().unwrap()
    }

    fn started(&self, arguments: &[&str]) -> Pid {
        let output = self.start(arguments);
        assert!(output.status.success(), "{output:?}");
        self.pid().expect("a pidfile")
    }

    fn pid(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.path("state/loom.pid")).ok()?;
        text.trim().parse().ok().map(Pid::from_raw)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("state/loom.log")).unwrap_or_default()
    }

    /// A daemon in the foreground that is up.
    fn foreground(&self, arguments: &[&str]) -> Foreground {
        let child = self.loom(&["-n"]).args(arguments).stdout(Stdio::null()).spawn().unwrap();
        let pid = Pid::from_raw(child.id() as i32);
        wait_until("the pidfile names it", || self.pid() == Some(pid));
        Foreground(child)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(pid) = self.pid()
            && command_line(pid).contains(&*self.dir.path().to_string_lossy())
        {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

struct Foreground(Child);

impl Drop for Foreground {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command_line(pid: Pid) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_gone(pid: Pid) -> bool {
    // A container's init may not reap it.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, rest)| rest.starts_with(" Z"))
}

fn status_field(pid: Pid, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().to_owned()
}

fn assert_refused(output: &Output, expected: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(expected), "{error}");
}

#[test]
fn the_first_process_ends_when_the_daemon_is_up() {
    let place = Place::new();
    // That its output ends shows that the daemon has let go of the terminal.
    let output = place.start(&[]);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    let pid = place.pid().unwrap();
    assert!(command_line(pid).contains("loom.yaml"));
    assert_ne!(getsid(Some(pid)).unwrap(), getsid(None).unwrap());
    assert_ne!(getsid(Some(pid)).unwrap(), pid, "a session leader could acquire a terminal");
    for (name, mode) in [("state", 0o700), ("state/loom.pid", 0o600), ("state/loom.log", 0o600)] {
        assert_eq!(fs::metadata(place.path(name)).unwrap().mode() & 0o777, mode, "{name}");
    }
    assert!(place.log().contains(" INFO  launch: loom "), "{}", place.log());
}

#[test]
fn a_second_start_is_refused() {
    let place = Place::new();
    let pid = place.started(&[]);
    let expected = format!("another loom is running, PID {pid} ");
    assert_refused(&place.start(&[]), &expected);
    assert_refused(&place.start(&["-n"]), &expected);
    assert_eq!(place.pid(), Some(pid));
    assert!(!is_gone(pid));
}

#[test]
fn of_many_starts_at_once_one_succeeds() {
    let place = Place::new();
    let starting: Vec<Child> = (0..6)
        .map(|_| place.loom(&[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
        .collect();
    let statuses = starting.into_iter().map(|mut child| child.wait().unwrap());
    assert_eq!(statuses.filter(|status| status.success()).count(), 1);
    assert!(!is_gone(place.pid().unwrap()));
}

#[test]
fn the_pidfile_of_a_dead_one_is_taken_over() {
    let place = Place::new();
    let first = place.started(&[]);
    kill(first, Signal::SIGKILL).unwrap();
    wait_until("it is dead", || is_gone(first));
    let mut dead = Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    place.write("state/loom.pid", &dead.id().to_string());
    let second = place.started(&[]);
    assert_ne!(first, second);
    let expected = format!("removed a stale pidfile: its process, PID {}, is dead", dead.id());
    assert!(place.log().contains(&expected), "{}", place.log());
}

#[test]
fn a_pidfile_that_holds_something_else_is_left_alone() {
    let place = Place::new();
    place.write("notes", "buy milk");
    assert_refused(&place.start(&["--pidfile", "notes"]), "\"buy milk\" is not a process id");
    assert_eq!(fs::read_to_string(place.path("notes")).unwrap(), "buy milk");
    assert!(!place.path("state").exists(), "it is refused before anything else is done");
}

#[test]
fn a_daemon_cannot_log_to_stdout() {
    let place = Place::new();
    assert_refused(&place.start(&["-l", "-"]), "-l - needs -n");
}

#[test]
fn errors_of_the_configuration_reach_the_terminal() {
    let place = Place::new();
    let good = fs::read_to_string(place.path("loom.yaml")).unwrap();
    place.write("loom.yaml", &format!("{good}wrong_key: 1\n"));
    assert_refused(&place.start(&["--pidfile", "pid"]), "loom.yaml:4:");
    assert!(!place.path("pid").exists());
    assert!(!place.path("state").exists());
}

#[test]
fn a_daemon_that_fails_or_dies_while_starting_is_reported() {
    let place = Place::new();
    let limited = |trap: &str| {
        let script = format!("{trap} ulimit -f 0; exec \"$0\" -c loom.yaml");
        let mut command = Command::new("sh");
        command.args(["-c", &script, LOOM]).current_dir(place.dir.path());
        command.output().unwrap()
    };
    assert_refused(&limited("trap '' XFSZ;"), "the pidfile: File too large");
    assert!(!place.path("state/loom.pid").exists());
    assert_refused(&limited(""), "the daemon died before it was up");
}

#[test]
fn the_umask_is_strict_unless_said_otherwise() {
    let place = Place::new();
    let pid = place.started(&[]);
    assert_eq!(status_field(pid, "Umask:"), "0077");
    kill(pid, Signal::SIGKILL).unwrap();
    wait_until("it is dead", || is_gone(pid));
    assert_eq!(status_field(place.started(&["--umask", "027"]), "Umask:"), "0027");
}

#[test]
fn paths_are_those_of_the_directory_it_was_started_in() {
    let place = Place::new();
    let arguments = ["--pidfile", "my.pid", "-l", "my.log", "-d", "/", "-c", "loom.yaml"];
    let output = place.loom(&[]).args(arguments).output().unwrap();
    assert!(!output.status.success(), "-c twice: {output:?}");
    let mut command = Command::new(LOOM);
    let output = command.args(arguments).current_dir(place.dir.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let pid = fs::read_to_string(place.path("my.pid")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap());
    assert!(place.path("my.log").exists());
    if geteuid().is_root() {
        assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), PathBuf::from("/"));
    }
    kill(pid, Signal::SIGTERM).unwrap();
    wait_until("it is gone", || is_gone(pid));
    assert!(!place.path("my.pid").exists());
    assert_refused(&place.start(&["-d", "nowhere"]), "rundir nowhere");
}

#[test]
fn an_empty_pidfile_option_means_none() {
    let place = Place::new();
    let mut child = place.loom(&["-n", "--pidfile", "", "-l", "log"]).spawn().unwrap();
    let log = || fs::read_to_string(place.path("log")).unwrap_or_default();
    wait_until("it runs", || log().contains("launch: loom "));
    assert!(!place.path("state/loom.pid").exists());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn it_dies_by_the_signal_that_stopped_it_and_leaves_no_pidfile() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let place = Place::new();
        let mut daemon = place.foreground(&[]);
        kill(Pid::from_raw(daemon.0.id() as i32), signal).unwrap();
        assert_eq!(daemon.0.wait().unwrap().signal(), Some(signal as i32));
        assert!(!place.path("state/loom.pid").exists());
    }
}

#[test]
fn a_daemon_that_is_stopped_says_so_and_can_be_started_again() {
    let place = Place::new();
    let first = place.started(&[]);
    kill(first, Signal::SIGTERM).unwrap();
    wait_until("it is gone", || is_gone(first));
    assert!(!place.path("state/loom.pid").exists());
    assert!(place.log().contains("launch: stopped by SIGTERM"), "{}", place.log());
    assert_ne!(place.started(&[]), first);
}

#[test]
fn sigusr1_rotates_the_log() {
    let place = Place::new();
    let pid = place.started(&[]);
    kill(pid, Signal::SIGUSR1).unwrap();
    let old = place.path("state/loom.log.1");
    wait_until("there is an old log", || old.exists() && place.path("state/loom.log").exists());
    assert!(fs::read_to_string(old).unwrap().contains("launch: loom "));
}

#[test]
fn the_service_manager_is_told_when_it_is_up() {
    let place = Place::new();
    let socket = UnixDatagram::bind(place.path("notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = place.loom(&["-n"]);
    command.env("NOTIFY_SOCKET", place.path("notify")).stdout(Stdio::null());
    let daemon = Foreground(command.spawn().unwrap());
    let mut bytes = [0; 1024];
    let n = socket.recv(&mut bytes).unwrap();
    let message = String::from_utf8_lossy(&bytes[..n]);
    let expected = ["READY=1".to_owned(), format!("MAINPID={}", daemon.0.id())];
    for line in expected {
        assert!(message.lines().any(|found| found == line), "{message}");
    }
}

#[test]
fn as_another_user_it_has_nothing_of_roots() {
    if !geteuid().is_root() {
        skip("as_another_user_it_has_nothing_of_roots", "only root can become another user");
        return;
    }
    let place = Place::new();
    let nobody = User::from_name("nobody").unwrap().unwrap();
    fs::set_permissions(place.dir.path(), Permissions::from_mode(0o755)).unwrap();
    let pid = place.started(&["-u", "nobody"]);
    let ids = |id: u32| format!("{id}\t{id}\t{id}\t{id}");
    assert_eq!(status_field(pid, "Uid:"), ids(nobody.uid.as_raw()));
    assert_eq!(status_field(pid, "Gid:"), ids(nobody.gid.as_raw()));
    assert_eq!(status_field(pid, "Groups:"), nobody.gid.to_string());
    for name in ["state", "state/loom.pid", "state/loom.log"] {
        assert_eq!(fs::metadata(place.path(name)).unwrap().uid(), nobody.uid.as_raw(), "{name}");
    }
    kill(pid, Signal::SIGTERM).unwrap();
    wait_until("it is gone", || is_gone(pid));
    assert!(!place.path("state/loom.pid").exists());
}

#[test]
fn root_makes_no_directories_on_another_users_word() {
    if !geteuid().is_root() {
        skip(
            "root_makes_no_directories_on_another_users_word",
            "only root can become another user",
        );
        return;
    }
    let place = Place::new();
    let nobody = User::from_name("nobody").unwrap().unwrap();
    fs::set_permissions(place.dir.path(), Permissions::from_mode(0o755)).unwrap();
    chown(place.path("loom.yaml"), Some(nobody.uid.as_raw()), None).unwrap();
    assert_refused(&place.start(&["-u", "nobody"]), "state directory, as user nobody");
    assert!(!place.path("state").exists());
}

#[test]
fn a_start_with_sigchld_ignored_succeeds() {
    let place = Place::new();
    let mut command = Command::new("env");
    command.args(["--ignore-signal=CHLD", LOOM, "-c"]).arg(place.path("loom.yaml"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_configuration_the_other_user_cannot_read_is_refused_at_the_terminal() {
    if !geteuid().is_root() {
        skip(
            "a_configuration_the_other_user_cannot_read_is_refused_at_the_terminal",
            "only root can become another user",
        );
        return;
    }
    let place = Place::new();
    fs::set_permissions(place.dir.path(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(place.path("loom.yaml"), Permissions::from_mode(0o600)).unwrap();
    assert_refused(&place.start(&["-u", "nobody"]), "loom.yaml");
    assert!(!place.path("state").exists());
}

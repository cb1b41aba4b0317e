//! Passwords reach the one ssh that asks for them, once, and appear nowhere else.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::unistd::geteuid;

use crate::harness::farm::Options;
use crate::harness::{Daemon, Farm, SOON, Site, process, skip::skip, until};

const PASSWORD: &str = "open-sesame-4711";

/// A user who logs in with [`PASSWORD`]; removed at the end.
struct Somebody {
    name: String,
}

impl Somebody {
    fn new(test: &str) -> Option<Somebody> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !geteuid().is_root() {
            skip(test, "only root can make users who have a password");
            return None;
        }
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("loomp{}x{count}", std::process::id());
        let mut useradd = Command::new("useradd");
        let made = useradd.args(["-M", "-d", "/", "-s", "/bin/sh", &name]).status();
        assert!(made.unwrap().success());
        let somebody = Somebody { name };
        // Through a pipe: another test looks for it in the arguments of all processes.
        let mut chpasswd = Command::new("chpasswd").stdin(Stdio::piped()).spawn().unwrap();
        writeln!(chpasswd.stdin.take().unwrap(), "{}:{PASSWORD}", somebody.name).unwrap();
        assert!(chpasswd.wait().unwrap().success());
        Some(somebody)
    }
}

impl Drop for Somebody {
    fn drop(&mut self) {
        let _ = Command::new("userdel").arg(&self.name).output();
    }
}

fn farm(nodes: usize) -> Farm {
    Farm::with(nodes, Options { passwords: true, ..Options::default() })
}

/// A site with a job `id` on node `n1`, which `user` reaches by password alone.
fn site(farm: &Farm, user: &Somebody, password: &str, more_options: &str) -> Site {
    let site = Site::empty();
    let node = farm.node("n1");
    let nodes = format!(
        "n1:\n  user: {user}\n  ip: {ip}\n  port: {port}\n  password: {password}\n  \
         ssh_options:\n    UserKnownHostsFile: {known}\n    PubkeyAuthentication: \"no\"\n\
         {more_options}",
        user = user.name,
        ip = node.ip,
        port = node.port,
        known = farm.known_hosts().display(),
    );
    site.write("nodes.yaml", &nodes);
    fs::set_permissions(site.path("nodes.yaml"), fs::Permissions::from_mode(0o600)).unwrap();
    site.write_command("id", "id -un", &["n1"]);
    site
}

fn text(output: &Output) -> String {
    let streams = [&output.stdout, &output.stderr];
    streams.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

fn tries(farm: &Farm, node: &str) -> usize {
    farm.node(node).log().text().matches("Failed password").count()
}

#[test]
fn a_password_logs_in_wherever_it_is_kept() {
    let Some(user) = Somebody::new("a_password_logs_in_wherever_it_is_kept") else { return };
    let farm = farm(1);
    let file = farm.root().join("password");
    fs::write(&file, format!("{PASSWORD}\nthis line is not part of it\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    for password in [
        PASSWORD.to_owned(),
        format!("{{file: {}}}", file.display()),
        format!("{{command: [head, -n1, {}]}}", file.display()),
    ] {
        let output = site(&farm, &user, &password, "").once(&["id"]);
        assert!(output.status.success(), "{password}: {output:?}");
        assert!(text(&output).contains(&user.name), "{output:?}");
    }
}

#[test]
fn a_wrong_password_is_tried_once_and_told() {
    let Some(user) = Somebody::new("a_wrong_password_is_tried_once_and_told") else { return };
    let farm = farm(1);
    let output = site(&farm, &user, "not-it-1234", "").once(&["id"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = text(&output);
    assert!(text.contains("unreachable") && text.contains("Permission denied"), "{text}");
    assert!(!text.contains("not-it-1234"), "{text}");
    assert_eq!(tries(&farm, "n1"), 1);
}

#[test]
fn a_password_appears_in_no_argument_environment_log_or_ledger() {
    let Some(user) = Somebody::new("a_password_appears_in_no_argument") else { return };
    let farm = farm(1);
    let site = site(&farm, &user, PASSWORD, "");
    site.write_command("id", "sleep 2", &["n1"]);
    let mut once = site.loom(&["once", "id"]).env("RUST_LOG", "trace").spawn().unwrap();
    until("the unit to run", SOON, || {
        let sleeping = crate::harness::process::mentioning(b"LOOM_UNIT=");
        assert_no_process_shows_it();
        (!sleeping.is_empty()).then_some(())
    });
    assert_no_process_shows_it();
    assert!(once.wait().unwrap().success());

    let daemon = crate::harness::Daemon::start(&site);
    assert!(!daemon.log().text().contains(PASSWORD));
    for entry in fs::read_dir(site.statedir()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            let found = bytes.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
    let dump = site.loom(&["check", "--dump"]).output().unwrap();
    assert!(dump.status.success() && !text(&dump).contains(PASSWORD), "{dump:?}");
}

/// Looks at the arguments and the environment of every process there is.
fn assert_no_process_shows_it() {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        for part in ["cmdline", "environ"] {
            let Ok(bytes) = fs::read(entry.path().join(part)) else { continue };
            let found = bytes.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes());
            assert!(!found, "{}/{part}", entry.path().display());
        }
    }
}

#[test]
fn a_jump_host_is_not_told_the_nodes_password() {
    let Some(user) = Somebody::new("a_jump_host_is_not_told_the_nodes_password") else { return };
    let farm = farm(2);
    let jump = farm.node("n2");
    let proxy = format!(
        "    ProxyCommand: ssh -F none -o UserKnownHostsFile={known} -o PubkeyAuthentication=no \
         -o NumberOfPasswordPrompts=1 -l {user} -p {port} -W %h:%p {ip}\n",
        known = farm.known_hosts().display(),
        user = user.name,
        port = jump.port,
        ip = jump.ip,
    );
    let output = site(&farm, &user, PASSWORD, &proxy).once(&["id"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output).contains("unreachable"), "{output:?}");
    let log = farm.node("n2").log().text();
    assert!(!log.contains("Accepted password"), "{log}");
}

#[test]
fn a_jump_host_with_a_key_lets_the_nodes_password_through() {
    let Some(user) = Somebody::new("a_jump_host_with_a_key") else { return };
    let farm = farm(2);
    let jump = farm.node("n2");
    let proxy = format!(
        "    ProxyCommand: ssh -F none -o UserKnownHostsFile={known} -o BatchMode=yes -i {key} \
         -p {port} -W %h:%p {ip}\n",
        known = farm.known_hosts().display(),
        key = farm.identity().display(),
        port = jump.port,
        ip = jump.ip,
    );
    let output = site(&farm, &user, PASSWORD, &proxy).once(&["id"]);
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output).contains(&user.name), "{output:?}");
}

/// The first descriptor that a process has not open.
fn first_free(pid: i32) -> usize {
    let open = |number: &usize| !std::path::Path::new(&format!("/proc/{pid}/fd/{number}")).exists();
    (0..).find(open).unwrap()
}

#[test]
fn who_asks_while_the_daemon_has_no_descriptor_left_is_sent_away_and_does_not_keep_it_awake() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let daemon = Daemon::start(&site);
    let pid = daemon.pid();
    let run = fs::read_dir(site.path("run")).unwrap();
    let mut sockets = run.map(|entry| entry.unwrap().path().join("askpass"));
    let socket = sockets.find(|path| path.exists()).unwrap();
    let limit = |number: usize| {
        let mut prlimit = Command::new("prlimit");
        let soft = format!("--nofile={number}:");
        process::must(prlimit.args(["--pid", &pid.to_string(), &soft]), SOON);
    };
    limit(first_free(pid));
    for _ in 0..3 {
        let mut asks = UnixStream::connect(&socket).unwrap();
        asks.set_read_timeout(Some(SOON)).unwrap();
        assert_eq!(asks.read(&mut [0; 16]).unwrap(), 0, "it is sent away with nothing");
    }
    daemon.wait_for_log("an ssh that asked for a password got none", SOON);
    // It has its spare one back, and waits.
    let busy = || daemon.process().cpu_time();
    let before = busy();
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(busy() - before < std::time::Duration::from_millis(250));
    limit(1000);
}

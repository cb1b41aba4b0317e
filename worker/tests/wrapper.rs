//! The wrapper's text by itself, in every shell it may meet. A test for each of its sentences
//! that needs no sshd.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::time::Duration;

use loom_worker::ssh::wrapper::{self, Frame};
use loom_worker::ssh::{Command, Ended, Input};
use tempfile::TempDir;

use crate::rig::{eventually, is_running};
use crate::skip::skip;

const NONCE: &str = "5a17f9d7c0de5a17f9d7c0de";

/// Those of them that this machine has.
fn shells() -> Vec<&'static str> {
    let mut shells = vec!["dash", "bash", "bash --posix", "busybox sh"];
    shells.retain(|shell| {
        let runs = Process::new("sh").arg("-c").arg(format!("{shell} -c true")).output();
        let runs = runs.is_ok_and(|output| output.status.success());
        if !runs {
            skip("wrapper", &format!("there is no {shell} here"));
        }
        runs
    });
    shells
}

struct Wrapped {
    child: Child,
}

struct Said {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

fn wrap(shell: &str, command: &Command, size: u64) -> Wrapped {
    let frame = Frame { nonce: NONCE, cookie: "c-1", grace: Duration::from_secs(1), size };
    let line = wrapper::line(command, &frame);
    let line = line.strip_prefix("exec /bin/sh -c").expect("the wrapper is POSIX sh's");
    let mut process = Process::new("sh");
    process.arg("-c").arg(format!("exec {shell} -c{line}")).env("SHELL", "/bin/sh");
    process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // As sshd starts it: it leads a group.
    Wrapped { child: process.process_group(0).spawn().unwrap() }
}

fn run(shell: &str, line: &str) -> Said {
    wrap(shell, &Command::new(line), 0).said()
}

impl Wrapped {
    fn write(&mut self, bytes: &[u8]) {
        self.child.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// The lease ends.
    fn hang_up(&mut self) {
        self.child.stdin = None;
    }

    /// All of it, the lease kept to the end.
    fn said(mut self) -> Said {
        let stdin = self.child.stdin.take();
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let status = self.child.wait().unwrap();
        drop(stdin);
        Said { status, stdout, stderr }
    }
}

impl Said {
    /// What the command wrote to stdout; the mark must be the last of it.
    fn stdout(&self) -> &str {
        self.stdout.strip_suffix(&format!("{NONCE}.")).expect("a last mark on stdout")
    }

    /// What the command wrote to stderr, and how it ended.
    fn stderr(&self) -> (&str, Ended) {
        let parts: Vec<&str> = self.stderr.split(NONCE).collect();
        let [empty, started, status, end] = parts.as_slice() else { panic!("{}", self.stderr) };
        assert_eq!((*empty, *end), ("", ""));
        let (pid, said) = started.strip_prefix('@').unwrap().split_once('\n').unwrap();
        assert!(pid.parse::<u32>().is_ok());
        let ended = wrapper::ended(status.strip_prefix('=').unwrap().as_bytes());
        (said, ended.expect("a status"))
    }

    fn ended(&self) -> Ended {
        self.stderr().1
    }
}

#[test]
fn exits_and_deaths_are_told_apart() {
    for shell in shells() {
        for (line, ended) in [
            ("exit 0", Ended::Exit(0)),
            ("exit 3", Ended::Exit(3)),
            ("exit 255", Ended::Exit(255)),
            ("kill -HUP $$", Ended::Signal(1)),
            ("exit 129", Ended::Exit(129)),
            ("kill -INT $$", Ended::Signal(2)),
            ("kill -KILL $$", Ended::Signal(9)),
            ("exit 137", Ended::Exit(137)),
            ("kill -PIPE $$", Ended::Signal(13)),
            ("kill -TERM $$", Ended::Signal(15)),
            ("exit 143", Ended::Exit(143)),
            ("echo Terminated; echo Terminated >&2; exit 143", Ended::Exit(143)),
            ("kill -TERM 0; sleep 600", Ended::Signal(15)),
            ("exec nonexistent-program 2>/dev/null", Ended::Exit(127)),
        ] {
            assert_eq!(run(shell, line).ended(), ended, "{shell}: {line}");
        }
    }
}

/// Known and written down: dash and BusyBox say nothing of these two signals.
#[test]
fn in_bash_even_interrupts_and_broken_pipes_are_told_apart() {
    assert_eq!(run("bash", "exit 130").ended(), Ended::Exit(130));
    assert_eq!(run("bash", "exit 141").ended(), Ended::Exit(141));
    assert_eq!(run("dash", "exit 130").ended(), Ended::Signal(2));
}

#[test]
fn the_streams_are_the_commands_but_for_the_marks() {
    for shell in shells() {
        let said = run(shell, "printf out; printf err >&2; exit 1");
        assert_eq!((said.stdout(), said.stderr().0), ("out", "err"), "{shell}");
        assert_eq!(said.status.into_raw(), 0);
    }
}

#[test]
fn the_first_mark_names_the_process_group() {
    for shell in shells() {
        let said = run(shell, "read -r _ _ _ _ group _ </proc/self/stat; echo $group");
        assert!(said.stderr.starts_with(&format!("{NONCE}@{}", said.stdout())), "{shell}");
    }
}

#[test]
fn the_command_finds_itself_as_sshd_would_have_started_it() {
    for shell in shells() {
        let line = "cat; cd /proc/$$; grep SigIgn status; ls -d fd/[3489]";
        let said = run(shell, line);
        let lines: Vec<&str> = said.stdout().lines().collect();
        assert_eq!(lines.len(), 1, "{shell}: nothing on stdin, and no descriptors of ours");
        let ignored = lines[0].strip_prefix("SigIgn:\t").unwrap();
        let ignored = u64::from_str_radix(ignored, 16).unwrap();
        // Of those that a program would notice; BusyBox itself ignores SIGQUIT.
        assert_eq!(ignored & 0x7fff_fffb & !own_ignored(), 0, "{shell}");
    }
}

/// What the test's own process ignores, its children cannot help ignoring.
fn own_ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    u64::from_str_radix(line, 16).unwrap()
}

#[test]
fn environment_directory_and_shell_are_as_asked_for() {
    let command = Command {
        env: vec![("ODD".into(), "a  'b'\n$HOME".into())],
        chdir: Some("/usr".into()),
        ..Command::new("pwd; printf %s \"$ODD$LOOM_UNIT\"")
    };
    for shell in shells() {
        let said = wrap(shell, &command, 0).said();
        assert_eq!(said.stdout(), "/usr\na  'b'\n$HOMEc-1", "{shell}");
        let shown = Command { shell: Some("/bin/echo".into()), ..Command::new("a line") };
        assert_eq!(wrap(shell, &shown, 0).said().stdout(), "-c a line\n", "{shell}");
    }
}

#[test]
fn the_end_of_stdin_ends_the_whole_group() {
    for (index, shell) in shells().into_iter().enumerate() {
        let seconds = |n: usize| format!("701.{}{index}{n}", std::process::id());
        let line = format!(
            "sleep {} & (trap '' TERM; exec sleep {}) & trap 'echo bye' TERM; wait; wait",
            seconds(1),
            seconds(2)
        );
        let mut wrapped = wrap(shell, &Command::new(line), 0);
        eventually("both sleep", || is_running(&seconds(1)) && is_running(&seconds(2)));
        wrapped.hang_up();
        wrapped.child.wait().unwrap();
        eventually("nothing is left", || !is_running(&seconds(1)) && !is_running(&seconds(2)));
    }
}

#[test]
fn after_the_end_the_lease_no_longer_harms_what_stays() {
    for (index, shell) in shells().into_iter().enumerate() {
        let seconds = format!("702.{}{index}", std::process::id());
        let line = format!("sleep {seconds} >/dev/null 2>&1 & echo $!");
        let mut wrapped = wrap(shell, &Command::new(line), 0);
        let stdin = wrapped.child.stdin.take();
        let said = wrapped.said();
        drop(stdin);
        let pid: i32 = said.stdout().trim().parse().unwrap();
        assert!(is_running(&seconds), "{shell}");
        let pid = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).unwrap();
    }
}

#[test]
fn data_arrives_exactly_and_then_ends() {
    let data: Vec<u8> = (0..300_000u32).map(|i| (i * 31 % 251) as u8).collect();
    let command = Command::new("sha256sum; echo done").input(Input::Bytes(data.clone()));
    let expected = {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("data");
        fs::write(&file, &data).unwrap();
        let output = Process::new("sha256sum").stdin(fs::File::open(file).unwrap()).output();
        format!("{}done\n", String::from_utf8(output.unwrap().stdout).unwrap())
    };
    for shell in shells() {
        let mut wrapped = wrap(shell, &command, data.len() as u64);
        wrapped.write(&data);
        let mut stderr = wrapped.child.stderr.take().unwrap();
        until(&mut stderr, &format!("{NONCE}>"));
        wrapped.write(b"\n");
        let stdin = wrapped.child.stdin.take();
        let mut stdout = String::new();
        wrapped.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).unwrap();
        wrapped.child.wait().unwrap();
        drop(stdin);
        assert_eq!(stdout, format!("{expected}{NONCE}."), "{shell}");
        assert!(rest.starts_with(&format!("{NONCE}=")) && rest.contains('0'), "{shell}: {rest}");
    }
}

fn until(stream: &mut impl Read, mark: &str) {
    let mut said = Vec::new();
    while !said.ends_with(mark.as_bytes()) {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&said));
        said.push(byte[0]);
    }
}

#[test]
fn data_that_was_cut_short_never_looks_complete() {
    let dir = TempDir::new().unwrap();
    for (index, shell) in shells().into_iter().enumerate() {
        let done = dir.path().join(format!("done-{index}"));
        let line = format!("cat >/dev/null; touch {}", done.display());
        let command = Command::new(line).input(Input::Bytes(Vec::new()));
        let mut wrapped = wrap(shell, &command, 1000);
        wrapped.write(&[b'x'; 400]);
        wrapped.hang_up();
        wrapped.child.wait().unwrap();
        let mut rest = String::new();
        wrapped.child.stderr.take().unwrap().read_to_string(&mut rest).unwrap();
        assert!(!done.exists(), "{shell}");
    }
}

#[test]
fn a_command_may_end_before_it_has_read_its_data() {
    let command = Command::new("head -c 1 >/dev/null; exit 4").input(Input::Bytes(Vec::new()));
    for shell in shells() {
        let mut wrapped = wrap(shell, &command, 10);
        wrapped.write(b"0123456789");
        let said = wrapped.said();
        assert!(said.stderr.ends_with(&format!("4{NONCE}")), "{shell}: {}", said.stderr);
    }
}

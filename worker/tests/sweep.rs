//! The sweep's text by itself, in every shell it may meet and with the poorest tools.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::rig::{eventually, is_running};
use crate::skip::skip;

const SWEEP: &str = include_str!("../src/ssh/sweep.sh");
const SHELLS: [&[&str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "sh"]];

/// Sleeps in a session of its own, with this cookie.
fn carrier(cookie: &str, seconds: &str) -> Child {
    let mut command = Command::new("setsid");
    command.args(["sleep", seconds]).env("LOOM_UNIT", cookie).stdout(Stdio::null());
    let child = command.spawn().unwrap();
    eventually("it sleeps", || is_running(seconds));
    child
}

/// The answer, with this in front of the PATH.
fn sweep(shell: &[&str], bin: Option<&TempDir>, cookies: &[&str]) -> String {
    let path = std::env::var("PATH").unwrap();
    let path = bin.map_or(path.clone(), |bin| format!("{}:{path}", bin.path().display()));
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).args(["-c", SWEEP, "sweep", "20", "", ""]).args(cookies);
    let output = command.env("PATH", path).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A directory with a program of this name.
fn bin(name: &str, text: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

#[test]
fn the_cookies_are_ended_and_no_others() {
    // As BusyBox's is on Alpine.
    let grep = bin(
        "grep",
        "#!/bin/sh\nfor a; do case $a in -*z*) echo 'grep: no -z' >&2; exit 2;; esac; done\n\
         exec /bin/grep \"$@\"\n",
    );
    for (index, shell) in SHELLS.into_iter().enumerate() {
        for (round, bin) in [None, Some(&grep)].into_iter().enumerate() {
            let mark = format!("{}{index}{round}", std::process::id());
            let seconds = |of: &str| format!("611.{mark}{of}");
            let mut ended = [
                carrier(&format!("swept-{mark}"), &seconds("1")),
                carrier(&format!("too-{mark}"), &seconds("2")),
            ];
            let mut other = carrier(&format!("swept-{mark}0"), &seconds("3"));
            let waiting = std::thread::spawn(move || {
                ended.iter_mut().for_each(|child| _ = child.wait().unwrap());
            });
            let cookies = [format!("swept-{mark}"), "none-1".into(), format!("too-{mark}")];
            let cookies: Vec<&str> = cookies.iter().map(String::as_str).collect();
            let answer = sweep(shell, bin, &cookies);
            let left = is_running(&seconds("3"));
            other.kill().unwrap();
            other.wait().unwrap();
            assert_eq!((answer.as_str(), left), ("clean", true), "{shell:?} {round}");
            waiting.join().unwrap();
        }
    }
}

#[test]
fn where_there_is_no_proc_nothing_is_known() {
    for shell in SHELLS {
        let line = "mount -t tmpfs none /proc && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", line, "sh"]).args(shell);
        let output = command.args(["-c", SWEEP, "sweep", "1", "", "", "c-1"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("unshare") || said.contains("mount") {
            skip("where_there_is_no_proc", "needs the right to mount");
            return;
        }
        assert_eq!(String::from_utf8_lossy(&output.stdout), "unknown\n", "{shell:?} {said}");
    }
}

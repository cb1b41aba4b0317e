//! Starting a child that cannot outlive us.
//!
//! Owns what must happen between fork and exec: the child dies with the thread that started it
//! (so children are started from the main thread only), leads a process group of its own, and
//! finds its descriptors where it expects them.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

/// Starts `command` in a process group of its own, to be killed when this thread ends. Each of
/// `fds` becomes the descriptor of the given number in the child; all others are closed by exec.
///
/// Must be called from the main thread: the kernel ties the death signal to the calling thread.
pub fn spawn(mut command: Command, fds: &[(OwnedFd, RawFd)]) -> io::Result<Child> {
    keep_clear(fds.iter().map(|(_, at)| *at).max().unwrap_or(0))?;
    let parent = std::process::id() as libc::pid_t;
    let wanted: Vec<(RawFd, RawFd)> = fds.iter().map(|(fd, at)| (fd.as_raw_fd(), *at)).collect();
    let mut moved: Vec<RawFd> = vec![-1; wanted.len()];
    command.process_group(0);
    let prepare = move || {
        die_with(parent)?;
        place(&wanted, &mut moved)
    };
    // SAFETY: `prepare` runs between fork and exec, where only async-signal-safe calls are
    // allowed: it makes the system calls prctl, getppid, fcntl and dup2, and allocates nothing
    // (`moved` has its size already; an error is built from errno alone).
    unsafe { command.pre_exec(prepare) };
    command.spawn()
}

/// What the command makes, it makes for its own user only.
pub fn with_private_umask(command: &mut Command) {
    // SAFETY: umask is a system call that cannot fail, and async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            libc::umask(0o077);
            Ok(())
        })
    };
}

/// The standard library's own pipe, by which the child reports a failed exec, must not have a
/// number that `place` is about to take: numbers up to `last` are occupied for good.
fn keep_clear(last: RawFd) -> io::Result<()> {
    loop {
        let fd: OwnedFd = File::open("/dev/null")?.into();
        if fd.as_raw_fd() > last {
            return Ok(());
        }
        let _ = fd.into_raw_fd();
    }
}

fn die_with(parent: libc::pid_t) -> io::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes one integer and touches no memory of ours.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // The parent may have died before the call above; then no signal will ever come.
    // SAFETY: getppid has no preconditions.
    if unsafe { libc::getppid() } != parent {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    Ok(())
}

/// Source and target numbers may overlap: everything is first moved out of the way.
fn place(wanted: &[(RawFd, RawFd)], moved: &mut [RawFd]) -> io::Result<()> {
    for ((from, _), away) in wanted.iter().zip(moved.iter_mut()) {
        // SAFETY: the descriptor is open, owned by the caller of `spawn` until after the fork.
        *away = unsafe { libc::fcntl(*from, libc::F_DUPFD_CLOEXEC, 16) };
        if *away < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    for ((_, at), away) in wanted.iter().zip(moved.iter()) {
        // SAFETY: `away` was just made; `at` is a number the child is meant to find taken.
        if unsafe { libc::dup2(*away, *at) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::process::Stdio;

    #[test]
    fn descriptors_arrive_where_they_are_expected_even_when_numbers_overlap() {
        let (mut from_child, out) = io::pipe().unwrap();
        let (input, mut to_child) = io::pipe().unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "cat <&3 >&4"]).stdin(Stdio::null());
        let mut child = spawn(command, &[(input.into(), 3), (out.into(), 4)]).unwrap();
        to_child.write_all(b"through").unwrap();
        drop(to_child);
        let mut text = String::new();
        from_child.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn the_child_leads_a_group_of_its_own() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "read -r pid comm state ppid pgrp rest </proc/self/stat; echo $pgrp"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = spawn(command, &[]).unwrap();
        let pid = child.id().to_string();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), pid);
    }
}

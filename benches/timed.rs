//! A command's wall time, and the processor time it spent itself, without its children's.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Pid, SysconfVar, sysconf};

use crate::harness::process;

/// No measure takes longer than this unless something hangs.
const LIMIT: Duration = Duration::from_secs(300);

#[derive(Clone, Copy)]
pub struct Timed {
    pub wall: f64,
    pub cpu: f64,
}

/// Runs to the end with its output thrown away; a failure ends the bench.
pub fn timed(command: &mut Command) -> Timed {
    timed_with(command, Stdio::null())
}

pub fn timed_with(command: &mut Command, stdin: Stdio) -> Timed {
    let start = Instant::now();
    let mut child =
        command.stdin(stdin).stdout(Stdio::null()).spawn().unwrap_or_else(|e| panic!("{e}"));
    let pid = Pid::from_raw(child.id() as i32);
    // Not reaped yet, so that /proc still tells its times.
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    while waitid(Id::Pid(pid), look).unwrap() == WaitStatus::StillAlive {
        if start.elapsed() > LIMIT {
            process::end(&mut child);
            panic!("{command:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let timed = Timed { wall: start.elapsed().as_secs_f64(), cpu: cpu(pid) };
    let status = child.wait().unwrap();
    assert!(status.success(), "{command:?}: {status}");
    timed
}

/// User and system time in seconds: fields 14 and 15 of proc_pid_stat(5).
fn cpu(pid: Pid) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().map(|&i| fields[i].parse::<u64>().unwrap()).sum();
    ticks as f64 / sysconf(SysconfVar::CLK_TCK).unwrap().unwrap() as f64
}

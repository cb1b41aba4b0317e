//! A process that is known by its number and by when it began, so that it is not mistaken for another
//! that has its number later.

use std::fs;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    pid: Pid,
    started: Option<SystemTime>,
}

impl Running {
    /// `None`: there is no such process.
    pub fn of(pid: Pid) -> Option<Running> {
        lives(pid).then(|| Running { pid, started: started(pid) })
    }

    pub fn pid(self) -> Pid {
        self.pid
    }

    pub fn is_alive(self) -> bool {
        Running::of(self.pid) == Some(self)
    }

    pub fn signal(self, signal: Signal) -> io::Result<()> {
        if !self.is_alive() {
            return Err(io::Error::from(Errno::ESRCH));
        }
        Ok(kill(self.pid, signal)?)
    }
}

/// Another process, that is: in a container each start may have the same number. A zombie runs
/// nothing any more, however long its parent lets it lie.
pub(super) fn lives(pid: Pid) -> bool {
    pid != Pid::this()
        && kill(pid, None) != Err(Errno::ESRCH)
        && stat(pid).is_none_or(|stat| stat[0] != "Z")
}

/// By the wall clock, to the tick.
pub(super) fn started(pid: Pid) -> Option<SystemTime> {
    let ticks: u64 = stat(pid)?.get(19)?.parse().ok()?;
    let kernel = fs::read_to_string("/proc/stat").ok()?;
    let boot: u64 = kernel.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()?;
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok()??;
    Some(UNIX_EPOCH + Duration::from_secs(boot + ticks / u64::try_from(per_second).ok()?))
}

/// The fields of /proc/PID/stat behind the name: the state first, the start as the 20th.
pub(super) fn stat(pid: Pid) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect();
    (!fields.is_empty()).then_some(fields)
}

//! What a task runs on the scheduler's own machine: a command in a process group of its own.
//!
//! The group's leader is a watcher that holds a lease: the read end of a pipe from us. It lives as
//! long as the command, so that the group cannot be mistaken for a later one, and it ends the
//! group when the pipe ends, whatever ended us.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use loom::unit::Kill;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::net::unix::pipe::{self, Receiver};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::ssh::{Ended, Receive, Stream, read_into};

const WATCHER: &str = include_str!("watcher.sh");

/// How often a group that is to end is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// What the kernel needs at most to take down a killed group.
const REAP: Duration = Duration::from_secs(2);

const CHUNK: usize = 16 * 1024;

/// A running command. Dropped, it ends within two seconds.
pub struct Local {
    command: Child,
    watcher: Child,
    stdout: Receiver,
    stderr: Receiver,
    group: Pid,
    /// In the environment of all that the command starts.
    mark: String,
    /// Whatever of it loses its parent becomes a child of ours.
    adopts: Option<Adoption>,
}

/// While it lives, orphans among our descendants become our children.
struct Adoption;

impl Adoption {
    /// `None` where the system has no such thing.
    fn new() -> Option<Adoption> {
        prctl::set_child_subreaper(true).ok().map(|()| Adoption)
    }
}

impl Drop for Adoption {
    fn drop(&mut self) {
        let _ = prctl::set_child_subreaper(false);
    }
}

impl Local {
    /// The marked environment, `LOOM_HERE=cookie`, finds what leaves the group. It is not the mark
    /// of what runs on a node, which may be this machine as well: ending the one must leave the
    /// other alone.
    pub fn start(mut command: Command, cookie: &str) -> io::Result<Local> {
        let mark = format!("LOOM_HERE={cookie}");
        let mut watcher = Command::new("/bin/sh")
            .args(["-c", WATCHER, "loom", &mark])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(false)
            .spawn()?;
        let group = Pid::from_raw(watcher.id().unwrap_or_default() as i32);
        let (far_stdout, stdout) = pipe::pipe()?;
        let (far_stderr, stderr) = pipe::pipe()?;
        let command = command
            .env("LOOM_HERE", cookie)
            .stdout(far_stdout.into_blocking_fd()?)
            .stderr(far_stderr.into_blocking_fd()?)
            .process_group(group.as_raw())
            .spawn();
        let command = match command {
            Ok(command) => command,
            Err(error) => {
                // There is nothing to watch.
                let _ = watcher.start_kill();
                return Err(error);
            }
        };
        Ok(Local { command, watcher, stdout, stderr, group, mark, adopts: None })
    }

    /// The same for a command of which nothing is to be left. While it runs all children of this
    /// process are taken for the command's, so that who has none knows that nothing is left, and
    /// need not look at every process of the machine.
    pub fn start_alone(command: Command, cookie: &str) -> io::Result<Local> {
        let adopts = Adoption::new();
        Ok(Local { adopts, ..Local::start(command, cookie)? })
    }

    /// The command's own.
    pub fn pid(&self) -> Option<u32> {
        self.command.id()
    }

    /// Until the command itself has ended. What it leaves running in the background goes on, and
    /// is not waited for.
    pub async fn finish(&mut self, to: &mut impl Receive) -> io::Result<Ended> {
        let ended = self.ended(to).await?;
        self.watcher.kill().await?;
        Ok(ended)
    }

    /// The same for who then calls [`Local::kill`]: the group keeps its leader, so that it cannot
    /// be mistaken.
    pub async fn ended(&mut self, to: &mut impl Receive) -> io::Result<Ended> {
        let mut out = vec![0; CHUNK];
        let mut err = vec![0; CHUNK];
        let (mut out_open, mut err_open) = (true, true);
        let status = loop {
            tokio::select! {
                read = read_into(to, &mut self.stdout, &mut out), if out_open => {
                    let n = read?;
                    out_open = n > 0;
                    to.receive(Stream::Stdout, &out[..n])?;
                }
                read = read_into(to, &mut self.stderr, &mut err), if err_open => {
                    let n = read?;
                    err_open = n > 0;
                    to.receive(Stream::Stderr, &err[..n])?;
                }
                status = self.command.wait() => break status?,
            }
            // As for a command on the node: a flood must leave the timeout its turn.
            tokio::task::yield_now().await;
        };
        drain(&self.stdout, Stream::Stdout, to)?;
        drain(&self.stderr, Stream::Stderr, to)?;
        Ok(ended(status))
    }

    /// TERM to all of it, and KILL to what is left after `grace`, until two looks in a row find
    /// nothing.
    pub async fn kill(mut self, grace: Duration) -> Kill {
        if self.is_alone() && self.watcher.kill().await.is_ok() {
            return Kill::Confirmed;
        }
        let watcher = self.group;
        let _ = killpg(self.group, Signal::SIGTERM);
        self.signal_escaped(Signal::SIGTERM);
        self.wait_until_gone(grace, Some(watcher)).await;
        let _ = killpg(self.group, Signal::SIGKILL);
        let end = Instant::now() + REAP;
        let mut clean = 0;
        while clean < 2 {
            self.signal_escaped(Signal::SIGKILL);
            self.reap();
            if self.is_alone() {
                return Kill::Confirmed;
            }
            match self.left() {
                None => return Kill::Unconfirmed,
                Some(left) if left.is_empty() => clean += 1,
                Some(_) if Instant::now() >= end => return Kill::Unconfirmed,
                Some(_) => clean = 0,
            }
            sleep(LOOK).await;
        }
        Kill::Confirmed
    }

    /// Whether the command has ended and left nothing, as is known of what was started alone.
    fn is_alone(&mut self) -> bool {
        let over = matches!(self.command.try_wait(), Ok(Some(_)));
        over && self.adopts.as_ref().and_then(|_| children()).is_some_and(|children| {
            // Orphans that have ended are laid to rest, which is the last that is heard of them.
            let others = children.into_iter().filter(|pid| *pid != self.group);
            let rest = |pid| waitpid(pid, Some(WaitPidFlag::WNOHANG));
            others.map(rest).all(|how| !matches!(how, Ok(WaitStatus::StillAlive)))
        })
    }

    /// Returns once nothing but this is left, or after that time; at once where /proc does not
    /// tell.
    async fn wait_until_gone(&mut self, time: Duration, but: Option<Pid>) {
        let end = Instant::now() + time;
        while !self.is_alone()
            && let Some(left) = self.left()
            && left.into_iter().any(|pid| Some(pid) != but)
            && Instant::now() < end
        {
            sleep(LOOK).await;
            self.reap();
        }
    }

    /// What is not would count for ever.
    fn reap(&mut self) {
        let _ = self.command.try_wait();
        let _ = self.watcher.try_wait();
    }

    fn signal_escaped(&self, signal: Signal) {
        for pid in self.left().unwrap_or_default() {
            if pid != self.group {
                let _ = kill(pid, signal);
            }
        }
    }

    /// The processes of the group, those with its mark and, of what was started alone, our other
    /// children; `None` without /proc.
    fn left(&self) -> Option<Vec<Pid>> {
        let ours = |pid: Pid| {
            let mut environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ.push(0);
            group_of(pid) == Some(self.group)
                || environ.split(|byte| *byte == 0).any(|entry| entry == self.mark.as_bytes())
        };
        let pids = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| {
            let name: &OsStr = &entry.file_name();
            std::str::from_utf8(name.as_bytes()).ok()?.parse().ok().map(Pid::from_raw)
        });
        let adopted = self.adopts.as_ref().and_then(|_| children()).unwrap_or_default();
        let adopted = |pid: Pid| adopted.contains(&pid) && group_of(pid).is_some();
        Some(pids.filter(|pid| ours(*pid) || adopted(*pid)).collect())
    }
}

/// Ours, those among them that have ended and not been waited for. `None` where /proc does not
/// tell. A process that leaves an orphan to us is among them until it has.
fn children() -> Option<Vec<Pid>> {
    let mut children = Vec::new();
    for thread in fs::read_dir("/proc/self/task").ok()?.flatten() {
        // Of a thread that has ended meanwhile the children are another's, perhaps one seen before.
        let pids = fs::read_to_string(thread.path().join("children")).ok()?;
        let pids = pids.split_whitespace().filter_map(|pid| pid.parse().ok());
        children.extend(pids.map(Pid::from_raw));
    }
    Some(children)
}

/// Of a process that has not ended yet.
fn group_of(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it is in parentheses, and may hold blanks and parentheses itself.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let group = fields.nth(1)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(Pid::from_raw(group))
}

/// What is in the pipe now: at most what fits into it, since a background job may go on writing.
fn drain(from: &Receiver, stream: Stream, to: &mut impl Receive) -> io::Result<()> {
    let mut left = fcntl(from, FcntlArg::F_GETPIPE_SZ)? as usize;
    let mut chunk = vec![0; CHUNK];
    while left > 0 {
        let want = left.min(CHUNK);
        match nix::unistd::read(from, &mut chunk[..want]) {
            Ok(0) | Err(Errno::EAGAIN) => break,
            Ok(n) => {
                to.receive(stream, &chunk[..n])?;
                left -= n;
            }
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exit(code),
        (None, signal) => Ended::Signal(signal.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use tokio::io::AsyncReadExt;

    use super::*;

    #[derive(Default)]
    struct Both(Vec<u8>, Vec<u8>);

    impl Receive for Both {
        fn receive(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
            match stream {
                Stream::Stdout => self.0.extend_from_slice(bytes),
                Stream::Stderr => self.1.extend_from_slice(bytes),
            }
            Ok(())
        }
    }

    /// A cookie of this test's own, so that tests do not see each other's processes.
    fn cookie(test: &str) -> String {
        format!("{test}-{}", std::process::id())
    }

    fn start(test: &str, line: &str) -> Local {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line]).env("LOOM_NODE", "db1").stdin(Stdio::null());
        Local::start(command, &cookie(test)).unwrap()
    }

    /// Until the command has written something.
    async fn first_words(local: &mut Local) -> String {
        let mut word = [0; 64];
        let n = local.stdout.read(&mut word).await.unwrap();
        String::from_utf8_lossy(&word[..n]).trim().to_owned()
    }

    #[tokio::test]
    async fn output_and_exit_code_are_the_commands_own() {
        let mut both = Both::default();
        let line = "head -c 300000 /dev/zero; echo \"$LOOM_NODE\" >&2; read -r x; exit 3";
        let ended = start("own", line).finish(&mut both).await.unwrap();
        assert_eq!(ended, Ended::Exit(3));
        assert_eq!((both.0.len(), both.1.as_slice()), (300_000, b"db1\n".as_slice()));
        let ended = start("own", "kill -9 $$").finish(&mut both).await.unwrap();
        assert_eq!(ended, Ended::Signal(9));
    }

    #[tokio::test]
    async fn a_background_job_is_neither_waited_for_nor_ended() {
        let mut both = Both::default();
        let mut local = start("background", "sleep 600 & echo $!");
        assert_eq!(local.finish(&mut both).await.unwrap(), Ended::Exit(0));
        let pid = String::from_utf8(both.0).unwrap().trim().parse().unwrap();
        assert_eq!(local.left().unwrap(), [Pid::from_raw(pid)]);
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }

    #[tokio::test]
    async fn killed_means_killed_with_all_that_came_of_it() {
        let line = "trap '' TERM; setsid sleep 600 & (sleep 600; sleep 600) & echo up; \
                    while :; do sleep 600; done";
        let mut local = start("killed", line);
        assert_eq!(first_words(&mut local).await, "up");
        let mark = local.mark.clone();
        assert_eq!(local.kill(Duration::from_millis(200)).await, Kill::Confirmed);
        assert_eq!(marked(&mark), 0);
    }

    #[tokio::test]
    async fn what_listens_to_term_is_given_its_time() {
        let line = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done";
        let mut local = start("polite", line);
        assert_eq!(first_words(&mut local).await, "up");
        let farewell = local.stdout.as_fd().try_clone_to_owned().unwrap();
        assert_eq!(local.kill(Duration::from_secs(60)).await, Kill::Confirmed);
        let mut said = [0; 16];
        let n = nix::unistd::read(&farewell, &mut said).unwrap();
        assert_eq!(&said[..n], b"bye\n");
    }

    #[tokio::test]
    async fn without_us_it_ends() {
        let mut local = start("orphan", "setsid sleep 600 & echo up; sleep 600");
        assert_eq!(first_words(&mut local).await, "up");
        let mark = local.mark.clone();
        drop(local);
        while marked(&mark) > 0 {
            sleep(LOOK).await;
        }
    }

    fn marked(mark: &str) -> usize {
        let environs = fs::read_dir("/proc").unwrap().flatten().map(|e| e.path().join("environ"));
        environs
            .filter_map(|path| fs::read(path).ok())
            .filter(|environ| environ.split(|b| *b == 0).any(|entry| entry == mark.as_bytes()))
            .count()
    }
}

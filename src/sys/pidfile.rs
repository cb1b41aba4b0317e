//! The pidfile: who the running loom is, and the lock that makes it the only one.
//!
//! The lock tells the truth, the number is for people: the lock belongs to the open file, passes
//! to the daemon through its forks and ends with its last holder, however that one died. Nobody
//! is signalled from here but on the command line's word.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{Gid, Pid, Uid, fchown};

use super::running::{Running, lives, started};

/// How often a file that is replaced under us, or whose holder is just dying, is opened anew.
const ATTEMPTS: u32 = 64;
/// A process that was killed holds its lock until its last thread is gone.
const DYING: Duration = Duration::from_millis(50);
/// A pid is only taken for reused when its process is younger than the pidfile by more than this.
const CLOCK_SLACK: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum PidfileError {
    #[error("another loom is running, PID {pid} (pidfile {})", path.display())]
    Running { pid: Pid, path: PathBuf },
    #[error("another loom is starting (pidfile {} is locked)", path.display())]
    Starting { path: PathBuf },
    #[error(
        "pidfile {}: {content:?} is not a process id; remove the file if no loom is running",
        path.display()
    )]
    Garbage { content: String, path: PathBuf },
    #[error("pidfile {}: {why}", path.display())]
    Unfit { why: &'static str, path: PathBuf },
    #[error("pidfile {}: {source}", path.display())]
    Io { source: io::Error, path: PathBuf },
}

/// Held from before the forks until the end of the daemon; dropping it removes the file.
#[derive(Debug)]
pub struct Pidfile {
    file: Flock<File>,
    path: PathBuf,
    /// The one process whose drop removes the file: its forks have this value too.
    keeper: u32,
    stale: Option<Pid>,
}

impl Pidfile {
    /// Locks the file, making it if need be (0600). Fails if a loom runs or is starting.
    pub fn lock(path: &Path) -> Result<Pidfile, PidfileError> {
        let failed = |source| PidfileError::Io { source, path: path.to_owned() };
        for _ in 0..ATTEMPTS {
            let file = open(path).map_err(failed)?;
            let found = file.metadata().map_err(failed)?;
            if !found.is_file() || found.nlink() > 1 {
                let why = "is not a plain file with a single name";
                return Err(PidfileError::Unfit { why, path: path.to_owned() });
            }
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                // The previous holder may have removed it between our open and our lock.
                Ok(file) if names(path, &found) => return Pidfile::judge(file, found, path),
                Ok(_) => {}
                Err((mut file, Errno::EWOULDBLOCK)) => {
                    if !is_dying(&mut file, path) {
                        return Err(held(file, path));
                    }
                    thread::sleep(DYING);
                }
                Err((_, e)) => return Err(failed(e.into())),
            }
        }
        Err(PidfileError::Unfit { why: "keeps being replaced", path: path.to_owned() })
    }

    /// The lock is ours; what the file says may still speak against us.
    fn judge(mut file: Flock<File>, found: Metadata, path: &Path) -> Result<Pidfile, PidfileError> {
        let failed = |source| PidfileError::Io { source, path: path.to_owned() };
        let stale = match read_pid(&mut file, path)? {
            Some(pid) if lives(pid) && !is_reused(pid, &found) => {
                return Err(PidfileError::Running { pid, path: path.to_owned() });
            }
            other => other,
        };
        file.set_len(0).map_err(failed)?;
        Ok(Pidfile { file, path: path.to_owned(), keeper: process::id(), stale })
    }

    /// The dead process whose pidfile this was: worth a line in the log.
    pub fn stale(&self) -> Option<Pid> {
        self.stale
    }

    /// Names this process as the running one; from now on its drop removes the file.
    pub fn write(&mut self) -> io::Result<()> {
        self.keeper = process::id();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.set_len(0)?;
        writeln!(self.file, "{}", self.keeper)
    }

    /// In the launching process: the daemon keeps file and lock. The lock is one for both, so it
    /// must not be released here, only closed with the process.
    pub fn disown(self) {
        std::mem::forget(self);
    }

    /// For a daemon that is about to become that user.
    pub fn hand_over(&self, uid: Uid, gid: Gid) -> io::Result<()> {
        Ok(fchown(self.file.as_fd(), Some(uid), Some(gid))?)
    }
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        // Emptied first: after a change of user the directory may not let us remove it.
        if self.keeper == process::id() && self.file.set_len(0).is_ok() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whom the pidfile names, if they run. The file is only read: a lock that is held for an instant,
/// for a look, could keep a daemon from starting.
pub fn who_runs(path: &Path) -> Result<Option<Running>, PidfileError> {
    let failed = |source| PidfileError::Io { source, path: path.to_owned() };
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let mut file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    let found = file.metadata().map_err(failed)?;
    let pid = read_pid(&mut file, path)?;
    Ok(pid.filter(|pid| !is_reused(*pid, &found)).and_then(Running::of))
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .map_err(|e| match e.raw_os_error() {
            Some(libc::ELOOP) => io::Error::other("is a symbolic link, which is not followed"),
            _ => e,
        })
}

fn names(path: &Path, file: &Metadata) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|named| (named.dev(), named.ino()) == (file.dev(), file.ino()))
}

/// Somebody else has the lock; between its lock and its forks there is no number yet.
fn held(mut file: File, path: &Path) -> PidfileError {
    match read_pid(&mut file, path) {
        Ok(Some(pid)) => PidfileError::Running { pid, path: path.to_owned() },
        Ok(None) | Err(_) => PidfileError::Starting { path: path.to_owned() },
    }
}

/// Its lock is held, but the process it names runs no more.
fn is_dying(file: &mut File, path: &Path) -> bool {
    let Ok(Some(pid)) = read_pid(file, path) else { return false };
    file.rewind().is_ok() && pid != Pid::this() && !lives(pid)
}

/// `None` for an empty file: one that died while it was starting.
fn read_pid(file: &mut File, path: &Path) -> Result<Option<Pid>, PidfileError> {
    let mut bytes = Vec::new();
    file.take(64)
        .read_to_end(&mut bytes)
        .map_err(|source| PidfileError::Io { source, path: path.to_owned() })?;
    let content = String::from_utf8_lossy(&bytes).trim().to_owned();
    if content.is_empty() {
        return Ok(None);
    }
    match content.parse() {
        Ok(pid) if pid > 0 => Ok(Some(Pid::from_raw(pid))),
        _ => Err(PidfileError::Garbage { content, path: path.to_owned() }),
    }
}

/// A process that began after the pidfile was written cannot have written it: after a power cut
/// its number belongs to somebody else.
fn is_reused(pid: Pid, pidfile: &Metadata) -> bool {
    match (pidfile.modified(), started(pid)) {
        (Ok(written), Some(started)) => started > written + CLOCK_SLACK,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::{Command, Stdio};
    use std::time::SystemTime;

    use super::super::running::stat;
    use nix::sys::signal::Signal;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("loom.pid");
        (dir, path)
    }

    /// A process that is certainly dead.
    fn dead() -> u32 {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        child.id()
    }

    #[test]
    fn a_second_one_is_told_who_runs() {
        let (_dir, path) = place();
        let mut first = Pidfile::lock(&path).unwrap();
        assert!(matches!(Pidfile::lock(&path), Err(PidfileError::Starting { .. })));
        first.write().unwrap();
        let error = Pidfile::lock(&path).unwrap_err().to_string();
        let expected = format!("another loom is running, PID {} ", process::id());
        assert!(error.starts_with(&expected), "{error}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(first);
        assert!(!path.exists());
        Pidfile::lock(&path).unwrap();
    }

    #[test]
    fn of_many_that_race_one_wins() {
        let (_dir, path) = place();
        for _ in 0..50 {
            // What holds the lock is the open file, so threads race as processes would.
            let start = std::sync::Barrier::new(4);
            let winners: Vec<Pidfile> = std::thread::scope(|scope| {
                let racers: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            start.wait();
                            Pidfile::lock(&path).ok()
                        })
                    })
                    .collect();
                racers.into_iter().filter_map(|racer| racer.join().unwrap()).collect()
            });
            assert_eq!(winners.len(), 1);
        }
    }

    #[test]
    fn a_dead_ones_file_is_taken_over() {
        let (_dir, path) = place();
        let pid = dead();
        fs::write(&path, format!("{pid}\n")).unwrap();
        let pidfile = Pidfile::lock(&path).unwrap();
        assert_eq!(pidfile.stale(), Some(Pid::from_raw(pid as i32)));
    }

    #[test]
    fn our_own_number_was_somebody_elses() {
        let (_dir, path) = place();
        fs::write(&path, process::id().to_string()).unwrap();
        Pidfile::lock(&path).unwrap();
    }

    #[test]
    fn a_zombie_is_dead() {
        let (_dir, path) = place();
        let mut child = Command::new("true").stdout(Stdio::piped()).spawn().unwrap();
        // The end of its output comes with its end, or just before it.
        child.stdout.take().unwrap().read_to_end(&mut Vec::new()).unwrap();
        let pid = Pid::from_raw(child.id() as i32);
        while stat(pid).unwrap()[0] != "Z" {
            std::thread::yield_now();
        }
        fs::write(&path, pid.to_string()).unwrap();
        let pidfile = Pidfile::lock(&path);
        child.wait().unwrap();
        assert_eq!(pidfile.unwrap().stale(), Some(pid));
    }

    #[test]
    fn a_live_pid_is_believed_unless_its_process_is_younger_than_the_file() {
        let (_dir, path) = place();
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        fs::write(&path, child.id().to_string()).unwrap();
        let alive = Pidfile::lock(&path);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(SystemTime::now() - Duration::from_secs(3600))
            .unwrap();
        let reused = Pidfile::lock(&path);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(matches!(alive, Err(PidfileError::Running { pid, .. })
            if pid.as_raw() == child.id() as i32));
        assert!(reused.is_ok());
    }

    #[test]
    fn garbage_and_links_are_refused_and_left_alone() {
        let (dir, path) = place();
        for garbage in ["hello", "-7", "0", "12 34", "99999999999"] {
            fs::write(&path, garbage).unwrap();
            assert!(matches!(Pidfile::lock(&path), Err(PidfileError::Garbage { .. })));
            assert_eq!(fs::read_to_string(&path).unwrap(), garbage);
        }
        let other = dir.path().join("other");
        symlink(&path, &other).unwrap();
        assert!(Pidfile::lock(&other).unwrap_err().to_string().contains("symbolic link"));
        fs::remove_file(&other).unwrap();
        fs::hard_link(&path, &other).unwrap();
        assert!(matches!(Pidfile::lock(&other), Err(PidfileError::Unfit { .. })));
    }

    #[test]
    fn who_runs_is_told_without_a_lock() {
        let (_dir, path) = place();
        assert_eq!(who_runs(&path).unwrap(), None);
        fs::write(&path, dead().to_string()).unwrap();
        assert_eq!(who_runs(&path).unwrap(), None);
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_raw(child.id() as i32);
        fs::write(&path, pid.to_string()).unwrap();
        let running = who_runs(&path).unwrap().expect("it runs");
        assert!(running.pid() == pid && running.is_alive());
        running.signal(Signal::SIGTERM).unwrap();
        child.wait().unwrap();
        assert!(!running.is_alive());
        assert!(running.signal(Signal::SIGTERM).is_err());
        fs::write(&path, "hello").unwrap();
        assert!(matches!(who_runs(&path), Err(PidfileError::Garbage { .. })));
    }

    #[test]
    fn what_is_disowned_stays_locked() {
        let (_dir, path) = place();
        Pidfile::lock(&path).unwrap().disown();
        assert!(matches!(Pidfile::lock(&path), Err(PidfileError::Starting { .. })));
    }
}

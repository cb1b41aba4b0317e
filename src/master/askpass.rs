//! How a password reaches the one ssh that asks for it, and nobody else.
//!
//! ssh runs our own executable as its askpass helper, told by [`SOCKET`] in its environment to
//! connect to a socket of the daemon. The daemon looks at who is asking: the helper's parent
//! must be the very ssh process of a master (with ProxyJump the jump host's ssh asks as well,
//! and must not get the node's password). What it hands over is where the password comes from;
//! the helper fetches it, so that the daemon neither waits for a command nor reads the file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use secrecy::ExposeSecret;

use crate::password::Password;
use crate::protocol::frame;

/// The environment variable that makes our executable an askpass helper.
pub const SOCKET: &str = "LOOM_ASKPASS_SOCKET";

/// How ssh ends its question for a login password. A question about a host key, a passphrase or
/// a one-time code is none of ours.
const PROMPT_END: &str = "'s password:";

fn path(dir: &Path) -> PathBuf {
    dir.join("askpass")
}

/// Makes `ssh` ask us.
pub fn offer(ssh: &mut Command, dir: &Path) -> io::Result<()> {
    ssh.env("SSH_ASKPASS", std::env::current_exe()?)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env(SOCKET, path(dir));
    Ok(())
}

/// The daemon's end.
#[derive(Debug)]
pub struct Askpass {
    listener: UnixListener,
    /// Given up for who asks while no other descriptor is to be had: who is not let in would wait
    /// at the door and wake the daemon again and again.
    spare: Option<File>,
}

/// So many are answered in one go; the others in the next.
const AT_ONCE: usize = 64;

impl Askpass {
    /// `dir` is private already; the socket is 0600 all the same.
    pub fn listen(dir: &Path) -> io::Result<Askpass> {
        let path = path(dir);
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Askpass { listener, spare: Some(spare()?) })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Answers all who ask now. `password_of` is asked for the password of the master with this
    /// process id; those that are no helper of a master are sent away with nothing.
    pub fn answer(&mut self, password_of: impl Fn(u32) -> Option<Password>) {
        for _ in 0..AT_ONCE {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                // It has gone.
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return self.send_away(&e),
            };
            match asking_ssh(&stream).and_then(&password_of) {
                Some(password) => {
                    if let Err(e) = hand_over(stream, &password) {
                        log::warn!("a password could not be handed to ssh: {e}");
                    }
                }
                None => log::debug!("a process that is no helper of a master asked for a password"),
            }
        }
    }

    /// The first at the door gets no password, and its ssh no login; the node is tried again later.
    fn send_away(&mut self, why: &io::Error) {
        log::warn!("an ssh that asked for a password got none: {why}");
        self.spare = None;
        let _ = self.listener.accept();
        self.spare = spare().ok();
    }
}

fn spare() -> io::Result<File> {
    File::open("/dev/null")
}

fn hand_over(mut stream: UnixStream, password: &Password) -> Result<(), frame::FrameError> {
    // A few bytes into an empty socket buffer: this cannot block for long.
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(Duration::from_millis(200)))?;
    frame::write(&mut stream, password, frame::CAP)
}

/// The parent of the process at the other end, if that process is ours.
fn asking_ssh(stream: &UnixStream) -> Option<u32> {
    let peer = getsockopt(stream, PeerCredentials).ok()?;
    if peer.uid() != nix::unistd::geteuid().as_raw() {
        return None;
    }
    parent_of(peer.pid())
}

/// From /proc/PID/stat; the command's name, in parentheses, may hold anything.
fn parent_of(pid: i32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Whether this process was started by ssh to ask for a password.
pub fn is_helper() -> bool {
    std::env::var_os(SOCKET).is_some()
}

/// The helper's whole life: prints the password for ssh, or fails and so fails the login.
pub fn help() -> ExitCode {
    let prompt = std::env::args().nth(1).unwrap_or_default();
    match fetch(&prompt) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("loom: no password for ssh: {e}");
            ExitCode::FAILURE
        }
    }
}

fn fetch(prompt: &str) -> io::Result<()> {
    if !prompt.trim_end().ends_with(PROMPT_END) {
        return Err(io::Error::other(format!("this is not answered: {prompt:?}")));
    }
    let socket = std::env::var_os(SOCKET).unwrap_or_default();
    let mut stream = UnixStream::connect(&socket)?;
    let password: Option<Password> =
        frame::read(&mut stream, frame::CAP).map_err(io::Error::other)?;
    let source = password.ok_or_else(|| io::Error::other("the daemon does not know this ssh"))?;
    let secret = source.resolve()?;
    let mut stdout = io::stdout().lock();
    stdout.write_all(secret.expose_secret().as_bytes())?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_helper_of_a_known_ssh_is_answered() {
        let dir = tempfile::tempdir().unwrap();
        let mut askpass = Askpass::listen(dir.path()).unwrap();
        let ask = || UnixStream::connect(path(dir.path())).unwrap();

        let mut stream = ask();
        askpass.answer(|_| None);
        assert!(frame::read::<Password>(&mut stream, frame::CAP).unwrap().is_none());

        // The process at the other end is this very test, whose parent takes ssh's place.
        let mut stream = ask();
        let ssh = nix::unistd::getppid().as_raw() as u32;
        askpass.answer(|pid| (pid == ssh).then(|| Password::Literal("geheim".into())));
        let password = frame::read::<Password>(&mut stream, frame::CAP).unwrap().unwrap();
        assert_eq!(password.resolve().unwrap().expose_secret(), "geheim");
    }
}

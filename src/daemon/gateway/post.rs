//! A listening socket and the gateway behind it: a process that is started when somebody knocks.

use std::fs;
use std::io::{self, PipeReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::Line;
use super::channel::Channel;
use crate::config::Listen;
use crate::daemon::Token;
use crate::executable::Executable;
use crate::logging::printed::Printed;
use crate::protocol::control::Serve;
use crate::protocol::{GATEWAY_CONTROL, GATEWAY_LISTENER};
use crate::sys::poll::{Interest, Poll, set_nonblocking};
use crate::sys::spawn::spawn;

/// The local socket's name in the runtime directory, and that of the link to it in the state
/// directory, where the command line looks.
const SOCKET: &str = "api";
pub const LINK: &str = "api.sock";

/// One that dies younger than this is not started again at once.
pub(super) const YOUNG: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Read from one gateway's stderr before others get their turn.
const CHUNKS: usize = 16;

/// A listening socket, and the gateway behind it, if there is one.
#[derive(Debug)]
pub(super) struct Post {
    pub listener: OwnedFd,
    pub serve: Serve,
    pub gateway: Option<Gateway>,
    /// After one that died young.
    pub pause: Duration,
    pub not_before: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Gateway {
    pub process: Child,
    pub stderr: PipeReader,
    pub lines: Printed,
    pub started: Instant,
    pub channel: Option<Channel>,
}

impl Post {
    pub fn new(listener: OwnedFd, serve: Serve) -> Post {
        Post { listener, serve, gateway: None, pause: Duration::ZERO, not_before: None }
    }

    pub fn start(&mut self, executable: &Executable, line: Line, poll: &Poll) -> io::Result<()> {
        let (ours, its) = UnixStream::pair()?;
        let (stderr, child_err) = io::pipe()?;
        let mut command = executable.command();
        command.stdin(Stdio::null()).stdout(child_err.try_clone()?).stderr(child_err);
        let listener = self.listener.try_clone()?;
        let fds = [(its.into(), GATEWAY_CONTROL), (listener, GATEWAY_LISTENER)];
        let process = spawn(command, &fds)?;
        log::debug!(target: "loom::gateway", "gateway {} started", process.id());
        let (lines, started) = (Printed::default(), Instant::now());
        // From here on it is ended and reaped if anything goes wrong.
        let mut gateway = Gateway { process, stderr, lines, started, channel: None };
        set_nonblocking(gateway.stderr.as_fd())?;
        let mut channel = Channel::new(ours.into())?;
        poll.add(gateway.stderr.as_fd(), Token::Told(line).into(), Interest::Read)?;
        channel.watch(poll, Token::Control(line).into())?;
        gateway.channel = Some(channel);
        self.gateway = Some(gateway);
        Ok(())
    }

    pub fn rest(&mut self, now: Instant) {
        self.pause = (self.pause * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        self.not_before = Some(now + self.pause);
    }

    pub fn listen_again(&self, poll: &Poll, line: Line) {
        let token = Token::Knock(line).into();
        if let Err(e) = poll.add(self.listener.as_fd(), token, Interest::Read) {
            log::error!(target: "loom::gateway", "the API's socket cannot be watched: {e}");
        }
    }
}

impl Gateway {
    /// `false` at the end of what it prints.
    pub fn listen(&mut self) -> bool {
        let mut chunk = [0; 4096];
        for _ in 0..CHUNKS {
            let lines = match self.stderr.read(&mut chunk) {
                Ok(0) => return false,
                Ok(n) => self.lines.take(&chunk[..n], Instant::now()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return true,
            };
            for line in lines {
                log::warn!(target: "loom::gateway", "gateway {}: {line}", self.process.id());
            }
        }
        true
    }
}

impl Drop for Gateway {
    /// It ends by itself when its channel is closed, and may need a moment for its last words.
    fn drop(&mut self) {
        self.channel = None;
        let until = Instant::now() + Duration::from_secs(1);
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(super) fn bind_local(runtime: &Path, link: &Path) -> io::Result<OwnedFd> {
    let path = runtime.join(SOCKET);
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
    let listener = UnixListener::bind(&path).map_err(named)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(named)?;
    // Left by one that was killed, whose state directory is ours now.
    let _ = fs::remove_file(link);
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", link.display()));
    symlink(&path, link).map_err(named)?;
    Ok(listener.into())
}

pub(super) fn bind_remote(listen: &Listen) -> io::Result<Post> {
    let Listen { address, tls, hosts, .. } = listen;
    let listener = bind_tcp(*address)
        .map_err(|e| io::Error::new(e.kind(), format!("listen: {address}: {e}")))?;
    let tls = tls.as_ref().map(|tls| (tls.certificate.clone(), tls.key.clone()));
    Ok(Post::new(listener.into(), Serve::Remote { tls, hosts: hosts.clone() }))
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
}

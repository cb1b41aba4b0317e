//! The gateways: the processes that speak HTTP, and the sockets they speak it on.
//!
//! The parent binds the sockets and keeps them; it starts a gateway when somebody knocks, and
//! never reads a byte of what they say. So a gateway that is killed costs those who spoke with it
//! their connection, and nobody else anything. The local socket and the network have a gateway
//! each: what a gateway may claim is known by its channel.

pub mod catalog;
pub mod channel;
pub mod news;

use std::fs;
use std::io::{self, PipeReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::geteuid;

use super::Token;
use crate::config::Listen;
use crate::executable::Executable;
use crate::logging::printed::Printed;
use crate::protocol::control::{FromParent, Hello, News, Reply, Serve};
use crate::protocol::{GATEWAY_CONTROL, GATEWAY_LISTENER};
use crate::store::Seq;
use crate::sys::poll::{Interest, Poll, set_nonblocking};
use crate::sys::spawn::spawn;
use channel::{Channel, Trust};

/// The local socket's name in the runtime directory, and that of the link to it in the state
/// directory, where the command line looks.
const SOCKET: &str = "api";
pub const LINK: &str = "api.sock";

/// One that dies younger than this is not started again at once.
const YOUNG: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Read from one gateway's stderr before others get their turn.
const CHUNKS: usize = 16;

/// Who speaks with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Whoever was given the other end of the channel at our start.
    Given,
    /// The gateway behind the unix socket.
    Local,
    /// The gateway behind the TCP socket.
    Remote,
}

impl Line {
    pub const ALL: [Line; 3] = [Line::Given, Line::Local, Line::Remote];
}

/// What is said to each of them first; see [`Hello`].
#[derive(Debug, Clone)]
pub struct Greeting(pub Hello);

#[derive(Debug)]
pub struct Gateways {
    executable: Option<Executable>,
    given: Option<Channel>,
    local: Option<Post>,
    remote: Option<Post>,
    /// The link to the local socket.
    link: PathBuf,
}

/// A listening socket, and the gateway behind it, if there is one.
#[derive(Debug)]
struct Post {
    listener: OwnedFd,
    serve: Serve,
    gateway: Option<Gateway>,
    /// After one that died young.
    pause: Duration,
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct Gateway {
    process: Child,
    stderr: PipeReader,
    lines: Printed,
    started: Instant,
    channel: Option<Channel>,
}

impl Gateways {
    /// Binds the sockets. Without the executable the daemon does its work all the same.
    pub fn bind(
        runtime: &Path,
        statedir: &Path,
        listen: Option<&Listen>,
        given: Option<Channel>,
    ) -> io::Result<Gateways> {
        let executable = Executable::find("loom-gateway")
            .inspect_err(|e| log::error!(target: "loom::gateway", "there is no API: {e}"));
        let link = statedir.join(LINK);
        let mut gateways =
            Gateways { executable: executable.ok(), given, local: None, remote: None, link };
        if gateways.executable.is_some() {
            let serve = Serve::Local { uid: geteuid().as_raw() };
            gateways.local = Some(Post::new(bind_local(runtime, &gateways.link)?, serve));
            if let Some(listen) = listen {
                gateways.remote = Some(bind_remote(listen)?);
            }
        }
        Ok(gateways)
    }

    /// To be told of requests, and of who wants a gateway.
    pub fn watch(&mut self, poll: &Poll) -> io::Result<()> {
        if let Some(channel) = &mut self.given {
            channel.watch(poll, Token::Control(Line::Given).into())?;
        }
        for line in Line::ALL {
            if let Some(post) = self.post(line) {
                poll.add(post.listener.as_fd(), Token::Knock(line).into(), Interest::Read)?;
            }
        }
        Ok(())
    }

    fn post(&self, line: Line) -> Option<&Post> {
        match line {
            Line::Given => None,
            Line::Local => self.local.as_ref(),
            Line::Remote => self.remote.as_ref(),
        }
    }

    fn post_mut(&mut self, line: Line) -> Option<&mut Post> {
        match line {
            Line::Given => None,
            Line::Local => self.local.as_mut(),
            Line::Remote => self.remote.as_mut(),
        }
    }

    pub fn channel(&mut self, line: Line) -> Option<&mut Channel> {
        match line {
            Line::Given => self.given.as_mut(),
            Line::Local | Line::Remote => self.post_mut(line)?.gateway.as_mut()?.channel.as_mut(),
        }
    }

    /// Somebody waits at the socket: starts the gateway, and returns its channel to be greeted.
    pub fn knocked(&mut self, poll: &Poll, line: Line) -> Option<&mut Channel> {
        let executable = self.executable.as_ref()?;
        let post = match line {
            Line::Given => None,
            Line::Local => self.local.as_mut(),
            Line::Remote => self.remote.as_mut(),
        }?;
        let _ = poll.remove(post.listener.as_fd());
        match post.start(executable, line, poll) {
            Ok(()) => post.gateway.as_mut()?.channel.as_mut(),
            Err(e) => {
                log::error!(target: "loom::gateway", "a gateway cannot be started: {e}");
                post.rest(Instant::now());
                None
            }
        }
    }

    /// What to say first on this line.
    pub fn serve(&self, line: Line) -> Serve {
        let own = || Serve::Local { uid: geteuid().as_raw() };
        self.post(line).map_or_else(own, |post| post.serve.clone())
    }

    /// SIGCHLD: who is gone is started again when somebody knocks.
    pub fn reap(&mut self, poll: &Poll) {
        for line in Line::ALL {
            let Some(post) = self.post_mut(line) else { continue };
            let Some(gateway) = &mut post.gateway else { continue };
            let Ok(Some(how)) = gateway.process.try_wait() else { continue };
            gateway.listen();
            let _ = poll.remove(gateway.stderr.as_fd());
            if let Some(channel) = &gateway.channel {
                let _ = poll.remove(channel.fd());
            }
            let pid = gateway.process.id();
            log::warn!(target: "loom::gateway", "gateway {pid} is gone: {how}");
            let young = gateway.started.elapsed() < YOUNG;
            post.gateway = None;
            post.pause = if young { post.pause } else { Duration::ZERO };
            if young {
                post.rest(Instant::now());
            } else {
                post.listen_again(poll, line);
            }
        }
    }

    /// When [`Gateways::tick`] is next needed.
    pub fn deadline(&self) -> Option<Instant> {
        let posts = self.local.iter().chain(&self.remote);
        posts.filter_map(|post| post.not_before).min()
    }

    pub fn tick(&mut self, poll: &Poll) {
        let now = Instant::now();
        for line in Line::ALL {
            if let Some(post) = self.post_mut(line)
                && post.not_before.is_some_and(|at| now >= at)
            {
                post.not_before = None;
                post.listen_again(poll, line);
            }
        }
    }

    /// What a gateway has printed, for the log.
    pub fn printed(&mut self, poll: &Poll, line: Line) {
        if let Some(gateway) = self.post_mut(line).and_then(|post| post.gateway.as_mut())
            && !gateway.listen()
        {
            let _ = poll.remove(gateway.stderr.as_fd());
        }
    }

    /// To all of them, when the ledger has come so far.
    pub fn tell(&mut self, seq: Seq, news: &News) {
        for line in Line::ALL {
            if let Some(channel) = self.channel(line) {
                channel.tell(seq, news.clone());
            }
        }
    }

    pub fn reply(&mut self, line: Line, seq: Seq, reply: Reply) {
        if let Some(channel) = self.channel(line) {
            channel.reply(seq, reply);
        }
    }

    pub fn say(&mut self, line: Line, message: &FromParent) {
        if let Some(channel) = self.channel(line)
            && let Err(e) = channel.say(message)
        {
            log::error!(target: "loom::control", "a message cannot be sent: {e}");
        }
    }

    /// Sends what can be sent.
    pub fn flush(&mut self, poll: &Poll, through: Option<Seq>) {
        for line in Line::ALL {
            let Some(channel) = self.channel(line) else { continue };
            let token = Token::Control(line).into();
            let flushed = channel.flush(through);
            let watched = flushed.and_then(|()| Ok(channel.watch(poll, token)?));
            if let Err(e) = watched {
                self.hang_up(poll, line, Some(&e.to_string()));
            }
        }
    }

    /// Somebody whose requests have arrived and were not all taken.
    pub fn unheard(&mut self) -> Vec<Line> {
        let is_unheard = |line: &Line| self.channel(*line).is_some_and(|c| c.is_unheard());
        Line::ALL.into_iter().filter(is_unheard).collect()
    }

    /// Nothing waits to be told to anybody.
    pub fn are_quiet(&mut self) -> bool {
        Line::ALL.into_iter().all(|line| self.channel(line).is_none_or(|c| c.is_quiet()))
    }

    /// The other end is gone, or cannot be trusted any more.
    pub fn hang_up(&mut self, poll: &Poll, line: Line, why: Option<&str>) {
        if let Some(why) = why {
            log::error!(target: "loom::control", "the control channel is closed: {why}");
        }
        if let Some(channel) = self.channel(line) {
            let _ = poll.remove(channel.fd());
        }
        match line {
            Line::Given => self.given = None,
            Line::Local | Line::Remote => {
                if let Some(gateway) = self.post_mut(line).and_then(|post| post.gateway.as_mut()) {
                    gateway.channel = None;
                    // Without us it is of no use, and must end by itself; it may not.
                    if why.is_some() {
                        let _ = gateway.process.kill();
                    }
                }
            }
        }
    }

    pub fn pids(&self) -> Vec<u32> {
        let posts = self.local.iter().chain(&self.remote);
        posts.filter_map(|post| Some(post.gateway.as_ref()?.process.id())).collect()
    }
}

impl Drop for Gateways {
    fn drop(&mut self) {
        if self.local.is_some() {
            let _ = fs::remove_file(&self.link);
        }
    }
}

impl Post {
    fn new(listener: OwnedFd, serve: Serve) -> Post {
        Post { listener, serve, gateway: None, pause: Duration::ZERO, not_before: None }
    }

    fn start(&mut self, executable: &Executable, line: Line, poll: &Poll) -> io::Result<()> {
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
        let trust = match self.serve {
            Serve::Local { .. } => Trust::Local,
            Serve::Remote { .. } => Trust::Remote,
        };
        let mut channel = Channel::new(ours.into(), trust)?;
        poll.add(gateway.stderr.as_fd(), Token::Told(line).into(), Interest::Read)?;
        channel.watch(poll, Token::Control(line).into())?;
        gateway.channel = Some(channel);
        self.gateway = Some(gateway);
        Ok(())
    }

    fn rest(&mut self, now: Instant) {
        self.pause = (self.pause * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        self.not_before = Some(now + self.pause);
    }

    fn listen_again(&self, poll: &Poll, line: Line) {
        let token = Token::Knock(line).into();
        if let Err(e) = poll.add(self.listener.as_fd(), token, Interest::Read) {
            log::error!(target: "loom::gateway", "the API's socket cannot be watched: {e}");
        }
    }
}

impl Gateway {
    /// `false` at the end of what it prints.
    fn listen(&mut self) -> bool {
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

fn bind_local(runtime: &Path, link: &Path) -> io::Result<OwnedFd> {
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

fn bind_remote(listen: &Listen) -> io::Result<Post> {
    let Listen { address, tls, hosts, .. } = listen;
    let listener = bind_tcp(*address)
        .map_err(|e| io::Error::new(e.kind(), format!("listen: {address}: {e}")))?;
    let tls = tls.as_ref().map(|tls| (tls.certificate.clone(), tls.key.clone()));
    Ok(Post::new(listener.into(), Serve::Remote { tls, hosts: hosts.clone() }))
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
}

//! The gateways: the processes that speak HTTP, and the sockets they speak it on.
//!
//! The parent binds the sockets and keeps them; it starts a gateway when somebody knocks, and
//! never reads a byte of what they say. So a gateway that is killed costs those who spoke with it
//! their connection, and nobody else anything. The local socket and the network have a gateway
//! each: what a gateway may claim is known by its channel.

pub mod catalog;
pub mod channel;
pub mod news;
mod post;

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::geteuid;

use super::Token;
use crate::config::Listen;
use crate::executable::Executable;
use crate::protocol::control::{FromParent, News, Reply, Serve};
use crate::store::Seq;
use crate::sys::poll::{Interest, Poll};
use channel::Channel;
pub use post::LINK;
use post::{Post, YOUNG, bind_local, bind_remote};

/// Whose word a gateway may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It says who its peer is.
    Local,
    /// It must show a token.
    Remote,
}

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

    /// What is known of whoever speaks on it.
    pub fn trust(self) -> Trust {
        match self {
            Line::Given | Line::Local => Trust::Local,
            Line::Remote => Trust::Remote,
        }
    }
}

#[derive(Debug)]
pub struct Gateways {
    executable: Option<Executable>,
    given: Option<Channel>,
    local: Option<Post>,
    remote: Option<Post>,
    /// The link to the local socket.
    link: PathBuf,
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
                    // Without us it is of no use, and would keep others from being started.
                    let _ = gateway.process.kill();
                }
            }
        }
    }
}

impl Drop for Gateways {
    fn drop(&mut self) {
        if self.local.is_some() {
            let _ = fs::remove_file(&self.link);
        }
    }
}

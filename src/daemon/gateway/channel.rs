//! The parent's end of one control channel: requests in; replies, the catalog and news out.
//!
//! What is told of the ledger waits here until the ledger's readers can see it. A gateway that
//! does not take its news is told later that it has missed some; nothing piles up for it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use super::catalog::Feed;
use crate::protocol::control::{FromParent, News, Reply, Request};
use crate::protocol::frame::{CAP, FrameError, Inbox, Outbox};
use crate::store::Seq;
use crate::sys::poll::{Interest, Poll};

/// Bytes that wait to be read, at most: whoever does not read their replies gets no more.
const UNREAD: usize = 4 * CAP;
/// With so many bytes unread there is no more news, until nothing is.
const BEHIND: usize = CAP;
/// News that wait for the ledger, at most.
const HELD: usize = 10_000;
/// The catalog goes in portions: it is not to keep the event loop.
const PORTION: usize = 128 << 10;

/// Whose word a gateway may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It says who its peer is.
    Local,
    /// It must show a token.
    Remote,
}

#[derive(Debug)]
pub struct Channel {
    pub trust: Trust,
    stream: UnixStream,
    inbox: Inbox,
    outbox: Outbox,
    /// To be told once the ledger has come so far.
    held: VecDeque<(Seq, FromParent)>,
    feed: Option<Feed>,
    /// Some news were left out.
    behind: bool,
    /// What it is watched for.
    watched: Option<Interest>,
}

impl Channel {
    pub fn new(socket: OwnedFd, trust: Trust) -> io::Result<Channel> {
        let stream = UnixStream::from(socket);
        stream.set_nonblocking(true)?;
        Ok(Channel {
            trust,
            stream,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            held: VecDeque::new(),
            feed: None,
            behind: false,
            watched: None,
        })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// What has arrived, and whether more may come.
    pub fn receive(&mut self) -> (Vec<Request>, Result<bool, FrameError>) {
        let filled = self.inbox.fill(&mut &self.stream);
        let mut requests = Vec::new();
        loop {
            match self.inbox.take() {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => return (requests, filled),
                Err(e) => return (requests, Err(e)),
            }
        }
    }

    /// At once, before everything that is held.
    pub fn say(&mut self, message: &FromParent) -> Result<(), FrameError> {
        self.outbox.push(message)?;
        match self.outbox.len() {
            length if length > UNREAD => Err(FrameError::TooLarge { length, cap: UNREAD }),
            _ => Ok(()),
        }
    }

    /// When the ledger's readers can see everything up to `seq`.
    pub fn reply(&mut self, seq: Seq, reply: Reply) {
        self.held.push_back((seq, FromParent::Reply(reply)));
    }

    /// Likewise.
    pub fn tell(&mut self, seq: Seq, news: News) {
        if self.behind || self.held.len() >= HELD || self.outbox.len() > BEHIND {
            self.behind = true;
        } else {
            self.held.push_back((seq, FromParent::News(news)));
        }
    }

    /// Takes the place of a catalog that is on its way.
    pub fn feed(&mut self, feed: Feed) {
        self.feed = Some(feed);
    }

    /// Nothing waits to be told.
    pub fn is_quiet(&self) -> bool {
        self.held.is_empty() && self.outbox.is_empty()
    }

    /// Sends what can be sent. `through`: so far the ledger has come; `None`, if it is not to be
    /// waited for.
    pub fn flush(&mut self, through: Option<Seq>) -> Result<(), FrameError> {
        while let Some((seq, _)) = self.held.front()
            && through.is_none_or(|through| *seq <= through)
            && let Some((_, message)) = self.held.pop_front()
        {
            self.say(&message)?;
        }
        self.outbox.flush(&mut &self.stream)?;
        if self.behind && self.is_quiet() {
            self.behind = false;
            self.say(&FromParent::News(News::Resync))?;
        }
        while let Some(feed) = &mut self.feed
            && self.outbox.len() < PORTION
        {
            match feed.next() {
                Some(piece) => self.outbox.push(&FromParent::Catalog(piece))?,
                None => self.feed = None,
            }
        }
        self.outbox.flush(&mut &self.stream)
    }

    /// What did not fit into the socket goes when there is room.
    pub fn watch(&mut self, poll: &Poll, token: u64) -> io::Result<()> {
        let more = !self.outbox.is_empty() || self.feed.is_some();
        let wanted = if more { Interest::ReadWrite } else { Interest::Read };
        if self.watched != Some(wanted) {
            let _ = poll.remove(self.fd());
            poll.add(self.fd(), token, wanted)?;
            self.watched = Some(wanted);
        }
        Ok(())
    }
}

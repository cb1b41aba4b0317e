//! The parent's end of one control channel: requests in; replies, the catalog and news out.
//!
//! What is told of the ledger waits here until the ledger's readers can see it, and until the
//! catalog is told that was there before. A gateway that does not take its news is told later that
//! it has missed some; nothing piles up for it.

use std::collections::{BTreeMap, VecDeque};
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
/// Replies that wait for it, at most. A gateway of ours asks for less at a time.
const UNANSWERED: usize = 4096;
/// The catalog goes in portions: it is not to keep the event loop.
const PORTION: usize = 128 << 10;

#[derive(Debug)]
pub struct Channel {
    stream: UnixStream,
    inbox: Inbox,
    outbox: Outbox,
    /// To be told once the ledger has come so far.
    held: VecDeque<(Seq, FromParent)>,
    /// Of these.
    replies: usize,
    feed: Option<Feed>,
    missed: Option<Missed>,
    /// Not all that has arrived was taken.
    unheard: bool,
    /// What it is watched for.
    watched: Option<Interest>,
}

/// News that were left out.
#[derive(Debug)]
struct Missed {
    /// The ledger has all of them when it has come so far.
    seq: Seq,
    /// What no ledger tells: how each of these jobs is switched, and, by no name, whether all
    /// schedules are paused.
    standing: BTreeMap<String, News>,
}

impl Channel {
    pub fn new(socket: OwnedFd) -> io::Result<Channel> {
        let stream = UnixStream::from(socket);
        stream.set_nonblocking(true)?;
        Ok(Channel {
            stream,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            held: VecDeque::new(),
            replies: 0,
            feed: None,
            missed: None,
            unheard: false,
            watched: None,
        })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Reads what has arrived, if all was taken that had; whether more may come.
    pub fn fill(&mut self) -> Result<bool, FrameError> {
        if self.unheard { Ok(true) } else { self.inbox.fill(&mut &self.stream) }
    }

    /// The next request of those that have arrived.
    pub fn take(&mut self) -> Result<Option<Request>, FrameError> {
        let request = self.inbox.take()?;
        self.unheard = request.is_some();
        Ok(request)
    }

    /// There may be another request that has arrived.
    pub fn is_unheard(&self) -> bool {
        self.unheard
    }

    /// At once, before everything that is held.
    pub fn say(&mut self, message: &FromParent) -> Result<(), FrameError> {
        self.outbox.push(message)
    }

    /// When the ledger's readers can see everything up to `seq`.
    pub fn reply(&mut self, seq: Seq, reply: Reply) {
        self.replies += 1;
        self.held.push_back((seq, FromParent::Reply(reply)));
    }

    /// Likewise.
    pub fn tell(&mut self, seq: Seq, news: News) {
        let is_behind = self.held.len() >= HELD || self.outbox.len() > BEHIND;
        if self.missed.is_none() && !is_behind {
            self.held.push_back((seq, FromParent::News(news)));
            return;
        }
        let standing = BTreeMap::new();
        let missed = self.missed.get_or_insert(Missed { seq, standing });
        missed.seq = seq;
        match &news {
            News::Switched { job, .. } => drop(missed.standing.insert(job.clone(), news)),
            News::Paused(_) => drop(missed.standing.insert(String::new(), news)),
            News::RunQueued { .. }
            | News::RunStarted { .. }
            | News::RunEnded { .. }
            | News::UnitStarted { .. }
            | News::UnitEnded { .. }
            | News::Missed { .. }
            | News::Resync => {}
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
        self.send(through)?;
        if self.is_quiet()
            && self.feed.is_none()
            && let Some(Missed { seq, standing }) = self.missed.take()
        {
            let news = standing.into_values().chain([News::Resync]);
            self.held.extend(news.map(|news| (seq, FromParent::News(news))));
            self.send(through)?;
        }
        // Whoever does not take what they asked for gets no more.
        match (self.replies, self.outbox.len()) {
            (replies, _) if replies > UNANSWERED => {
                Err(FrameError::TooLarge { length: replies, cap: UNANSWERED })
            }
            (_, length) if length > UNREAD => Err(FrameError::TooLarge { length, cap: UNREAD }),
            _ => Ok(()),
        }
    }

    fn send(&mut self, through: Option<Seq>) -> Result<(), FrameError> {
        self.outbox.flush(&mut &self.stream)?;
        while let Some(feed) = &mut self.feed
            && self.outbox.len() < PORTION
        {
            match feed.next() {
                Some(piece) => self.push(&FromParent::Catalog(piece))?,
                None => self.feed = None,
            }
        }
        // What is held is newer than the catalog: whoever hears that it was taken over sees it.
        while self.feed.is_none()
            && let Some((seq, _)) = self.held.front()
            && through.is_none_or(|through| *seq <= through)
            && let Some((_, message)) = self.held.pop_front()
        {
            self.replies -= usize::from(matches!(message, FromParent::Reply(_)));
            self.push(&message)?;
        }
        self.outbox.flush(&mut &self.stream)
    }

    /// What does not fit into a frame is left out: a gateway without it is better than none.
    fn push(&mut self, message: &FromParent) -> Result<(), FrameError> {
        match self.outbox.push(message) {
            Err(e @ FrameError::TooLarge { .. }) => {
                log::error!(target: "loom::control", "something cannot be told to a gateway: {e}");
                Ok(())
            }
            pushed => pushed,
        }
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::config;
    use crate::daemon::gateway::catalog::Edition;
    use crate::protocol::control::{Answer, Catalog};
    use crate::protocol::frame;
    use crate::unit::RunId;

    fn channel() -> (Channel, UnixStream) {
        let (ours, its) = UnixStream::pair().unwrap();
        its.set_nonblocking(true).unwrap();
        (Channel::new(ours.into()).unwrap(), its)
    }

    fn feed() -> Feed {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            path
        };
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::create_dir(dir.path().join("jobs")).unwrap();
        fs::set_permissions(dir.path().join("jobs"), fs::Permissions::from_mode(0o700)).unwrap();
        let nodes: String = (0..2000).map(|n| format!("node{n}: {{user: root}}\n")).collect();
        write("nodes.yaml", &nodes);
        let main = write("loom.yaml", "nodesfile: nodes.yaml\njobspath: jobs\n");
        let config = config::load(main.to_str().unwrap()).unwrap().config;
        let edition = Edition { generation: 2, loaded_at: Timestamp::UNIX_EPOCH };
        Feed::new(Arc::new(config), edition, Arc::default())
    }

    fn started(run: u64) -> News {
        News::RunStarted { run: RunId(run), job: "j".to_owned(), at: Timestamp::UNIX_EPOCH }
    }

    fn done(id: u64) -> Reply {
        Reply { id, answer: Ok(Answer::Done) }
    }

    /// All that comes until there is no more.
    fn heard(channel: &mut Channel, its: &UnixStream, through: Option<Seq>) -> Vec<FromParent> {
        let (mut inbox, mut heard) = (frame::Inbox::default(), Vec::new());
        loop {
            channel.flush(through).unwrap();
            let before = heard.len();
            inbox.fill(&mut &*its).unwrap();
            heard.extend(std::iter::from_fn(|| inbox.take().unwrap()));
            if heard.len() == before && channel.outbox.is_empty() {
                return heard;
            }
        }
    }

    #[test]
    fn who_hears_that_a_configuration_was_taken_over_sees_it() {
        let (mut channel, its) = channel();
        channel.feed(feed());
        channel.reply(Seq(0), done(1));
        let heard = heard(&mut channel, &its, Some(Seq(0)));
        let end = heard.iter().position(|m| *m == FromParent::Catalog(Catalog::End)).unwrap();
        assert!(end > 2000);
        assert_eq!(heard[end + 1..], [FromParent::Reply(done(1))]);
    }

    #[test]
    fn that_news_were_missed_is_told_once_the_ledger_has_them() {
        let (mut channel, its) = channel();
        for run in 1..=HELD as u64 + 1 {
            channel.tell(Seq(run), started(run));
        }
        let switched = News::Switched { job: "j".to_owned(), off: None };
        for news in [News::Paused(true), switched.clone(), News::Paused(false), started(7)] {
            channel.tell(Seq(20_000), news);
        }
        let told = heard(&mut channel, &its, Some(Seq(19_999)));
        assert_eq!(told.len(), HELD, "the ledger does not have what was missed");
        assert!(heard(&mut channel, &its, Some(Seq(19_999))).is_empty());
        channel.tell(Seq(20_001), started(8));
        let told = heard(&mut channel, &its, Some(Seq(20_001)));
        let news = [News::Paused(false), switched, News::Resync, started(8)];
        assert_eq!(told, news.map(FromParent::News));
    }

    #[test]
    fn who_asks_for_more_than_is_answered_is_hung_up_on() {
        let (mut channel, _its) = channel();
        for id in 0..=UNANSWERED as u64 {
            channel.flush(Some(Seq(0))).unwrap();
            channel.reply(Seq(1), done(id));
        }
        assert!(matches!(channel.flush(Some(Seq(0))), Err(FrameError::TooLarge { .. })));
    }

    #[test]
    fn what_fits_into_no_frame_is_left_out() {
        let (mut channel, its) = channel();
        let news = News::Switched { job: "j".repeat(CAP), off: None };
        channel.tell(Seq(0), news);
        channel.reply(Seq(0), done(1));
        let told = heard(&mut channel, &its, None);
        assert_eq!(told, [FromParent::Reply(done(1))]);
    }
}

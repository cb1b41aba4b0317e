//! The control channel: what the parent tells, and asking it.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::sync::{Arc, Mutex, PoisonError};

use loom::protocol::VERSION;
use loom::protocol::control::{
    Answer, Command, FromParent, Hello, Refusal, Reply, Request, Who, Why,
};
use loom::protocol::frame::{self, CAP, FrameError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

use super::App;

type Waiting = Arc<Mutex<Asked>>;

#[derive(Default)]
struct Asked {
    last: u64,
    open: HashMap<u64, oneshot::Sender<Result<Answer, Refusal>>>,
}

/// To ask the parent.
pub struct Parent {
    /// Whole frames, to the one task that writes: whoever asks may go away at any moment, and half
    /// a frame would be the end of the channel.
    frames: mpsc::Sender<Vec<u8>>,
    waiting: Waiting,
}

/// Frames that wait to be written; who comes then waits for room.
const UNWRITTEN: usize = 64;

/// What the parent says.
pub struct Heard {
    from: OwnedReadHalf,
    waiting: Waiting,
}

pub async fn open(control: OwnedFd) -> io::Result<(Parent, Heard)> {
    let stream = net::UnixStream::from(control);
    stream.set_nonblocking(true)?;
    let (from, to) = UnixStream::from_std(stream)?.into_split();
    let (frames, unwritten) = mpsc::channel(UNWRITTEN);
    tokio::spawn(write(to, unwritten));
    let waiting = Waiting::default();
    Ok((Parent { frames, waiting: waiting.clone() }, Heard { from, waiting }))
}

/// Until it fails; then whoever asks is told that nobody answers.
async fn write(mut to: OwnedWriteHalf, mut frames: mpsc::Receiver<Vec<u8>>) {
    while let Some(frame) = frames.recv().await {
        if to.write_all(&frame).await.is_err() {
            return;
        }
    }
}

/// A question that is forgotten when nobody waits for its answer any more.
struct Question<'a> {
    waiting: &'a Waiting,
    id: u64,
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).open.remove(&self.id);
    }
}

impl Parent {
    /// Waits for the answer for as long as it takes.
    pub async fn ask(
        &self,
        who: Who,
        key: Option<String>,
        command: Command,
    ) -> Result<Answer, Refusal> {
        let (sender, answer) = oneshot::channel();
        let id = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.last += 1;
            let id = waiting.last;
            waiting.open.insert(id, sender);
            id
        };
        let _question = Question { waiting: &self.waiting, id };
        let frame = frame::encode(&Request { id, who, key, command }, CAP)
            .map_err(|e| Refusal { why: Why::Invalid, text: e.to_string() })?;
        let gone = || gone(ErrorKind::BrokenPipe.into());
        self.frames.send(frame).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

fn gone(e: io::Error) -> Refusal {
    Refusal { why: Why::Unavailable, text: format!("the daemon does not answer: {e}") }
}

/// Whoever waits for an answer will get none.
impl Drop for Heard {
    fn drop(&mut self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).open.clear();
    }
}

impl Heard {
    /// The first message.
    pub async fn hello(&mut self) -> io::Result<Hello> {
        match self.next().await? {
            Some(FromParent::Hello(hello)) if hello.version == VERSION => Ok(hello),
            Some(FromParent::Hello(hello)) => Err(io::Error::other(format!(
                "the daemon speaks version {} of the protocol, this gateway {VERSION}",
                hello.version
            ))),
            _ => Err(io::Error::other("the daemon did not say hello")),
        }
    }

    /// Until the parent closes its end.
    pub async fn all(mut self, app: App) -> io::Result<()> {
        while let Some(message) = self.next().await? {
            match message {
                FromParent::Hello(_) => {}
                FromParent::Catalog(piece) => {
                    if let Some(generation) = app.shelf.take(piece) {
                        app.news.reloaded(generation);
                    }
                }
                FromParent::News(news) => {
                    app.shelf.hear(&news);
                    app.news.tell(news);
                }
                FromParent::Reply(Reply { id, answer }) => {
                    let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(sender) = waiting.open.remove(&id) {
                        // Whoever asked may have gone.
                        let _ = sender.send(answer);
                    }
                }
            }
        }
        Ok(())
    }

    async fn next(&mut self) -> io::Result<Option<FromParent>> {
        let mut header = [0; 4];
        match self.from.read_exact(&mut header).await {
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(e) => return Err(e),
        }
        let broken = |e: FrameError| io::Error::other(e);
        let mut body = vec![0; frame::announced(header, CAP).map_err(broken)?];
        self.from.read_exact(&mut body).await?;
        frame::decode(&body).map(Some).map_err(broken)
    }
}

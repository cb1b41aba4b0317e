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
use tokio::sync::{Mutex as Turn, oneshot};

use super::App;

type Waiting = Arc<Mutex<Asked>>;

#[derive(Default)]
struct Asked {
    last: u64,
    open: HashMap<u64, oneshot::Sender<Result<Answer, Refusal>>>,
}

/// To ask the parent.
pub struct Parent {
    to: Turn<OwnedWriteHalf>,
    waiting: Waiting,
}

/// What the parent says.
pub struct Heard {
    from: OwnedReadHalf,
    waiting: Waiting,
}

pub async fn open(control: OwnedFd) -> io::Result<(Parent, Heard)> {
    let stream = net::UnixStream::from(control);
    stream.set_nonblocking(true)?;
    let (from, to) = UnixStream::from_std(stream)?.into_split();
    let waiting = Waiting::default();
    Ok((Parent { to: Turn::new(to), waiting: waiting.clone() }, Heard { from, waiting }))
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
        let frame = match frame::encode(&Request { id, who, key, command }, CAP) {
            Ok(frame) => frame,
            Err(e) => return Err(Refusal { why: Why::Invalid, text: e.to_string() }),
        };
        if let Err(e) = self.to.lock().await.write_all(&frame).await {
            return Err(gone(e));
        }
        answer.await.unwrap_or_else(|_| Err(gone(ErrorKind::BrokenPipe.into())))
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

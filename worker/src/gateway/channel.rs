//! The control channel: what the parent tells, and asking it.
//!
//! Whoever asks may go away at any time. So requests are written by a task of their own, whole or
//! not at all, and each has its place among those that are open until it is answered.

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
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::App;

/// Requests that may be open at a time; the parent suffers more, but not without end.
const OPEN: usize = 1024;
/// Frames that wait to be written.
const UNWRITTEN: usize = 16;

type Waiting = Arc<Mutex<Asked>>;

#[derive(Default)]
struct Asked {
    last: u64,
    open: HashMap<u64, Open>,
}

struct Open {
    sender: oneshot::Sender<Result<Answer, Refusal>>,
    _place: OwnedSemaphorePermit,
}

/// To ask the parent.
pub struct Parent {
    to: mpsc::Sender<Vec<u8>>,
    places: Arc<Semaphore>,
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
    let (frames, unwritten) = mpsc::channel(UNWRITTEN);
    tokio::spawn(write(to, unwritten));
    let places = Arc::new(Semaphore::new(OPEN));
    Ok((Parent { to: frames, places, waiting: waiting.clone() }, Heard { from, waiting }))
}

/// Until nobody asks any more, or the parent is gone.
async fn write(mut to: OwnedWriteHalf, mut unwritten: mpsc::Receiver<Vec<u8>>) {
    while let Some(frame) = unwritten.recv().await {
        if to.write_all(&frame).await.is_err() {
            return;
        }
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
        let Ok(place) = self.places.clone().acquire_owned().await else { return Err(gone()) };
        let Ok(room) = self.to.reserve().await else { return Err(gone()) };
        let (sender, answer) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let id = waiting.last + 1;
            let frame = frame::encode(&Request { id, who, key, command }, CAP)
                .map_err(|e| Refusal { why: Why::Invalid, text: e.to_string() })?;
            waiting.last = id;
            waiting.open.insert(id, Open { sender, _place: place });
            room.send(frame);
        }
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

fn gone() -> Refusal {
    Refusal { why: Why::Unavailable, text: "the daemon does not answer any more".to_owned() }
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
                    if let Some(open) = waiting.open.remove(&id) {
                        // Whoever asked may have gone.
                        let _ = open.sender.send(answer);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use loom::arg::Arg;

    use super::*;

    fn run(text: String) -> Command {
        let args = vec![("x".to_owned(), Arg::Str(text))];
        Command::Run { job: "j".to_owned(), on: None, args, retry_of: None }
    }

    #[tokio::test]
    async fn who_goes_away_while_asking_leaves_no_half_a_frame() {
        let (ours, mut its) = net::UnixStream::pair().unwrap();
        let (parent, _heard) = open(ours.into()).await.unwrap();
        let who = || Who::Peer { uid: 0 };
        // More than the socket takes.
        let large = parent.ask(who(), None, run("x".repeat(CAP / 2)));
        assert!(tokio::time::timeout(Duration::from_millis(50), large).await.is_err());
        let reading = tokio::task::spawn_blocking(move || {
            its.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            [(); 2].map(|()| frame::read::<Request>(&mut its, CAP).unwrap().unwrap().command)
        });
        let small = parent.ask(who(), None, Command::Pause);
        let _ = tokio::time::timeout(Duration::from_millis(50), small).await;
        let asked = reading.await.unwrap();
        assert_eq!(asked, [run("x".repeat(CAP / 2)), Command::Pause]);
    }
}

//! The thread that writes what a unit says, so that a disk or a reader that stalls stalls nothing
//! else.
//!
//! What waits to be written is bounded: while there is no [`Queue::room`], nothing more is read
//! from the unit.

use std::collections::VecDeque;
use std::future::pending;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use loom::protocol::message::Sink;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, sleep_until};

use super::job_log::JobLog;
use super::store::Store;

/// Bytes that may wait.
const ROOM: usize = 4 << 20;
/// What a piece takes besides its bytes, about.
const OVERHEAD: usize = 64;
/// Nothing written for so long, and it counts as stalled.
const STALLED: Duration = Duration::from_secs(60);
/// The same, once the unit has to end, or when its report has everything.
const STALLED_IN_A_HURRY: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(100);
const STACK: usize = 256 * 1024;

pub enum Piece {
    /// Log entries, each ending with its only newline.
    Entries(Vec<u8>),
    /// For the job's own log.
    Plain(Vec<u8>),
    /// For our own stdout.
    Echo(Vec<u8>),
}

/// What became of it all.
#[derive(Debug, Default)]
pub struct Written {
    pub file: Option<PathBuf>,
    /// Entries are missing.
    pub dropped: bool,
    /// Why they are, other than that there were too many.
    pub trouble: Option<String>,
    /// In a sentence without a full stop.
    pub log_trouble: Option<String>,
}

pub struct Writer {
    pub queue: Arc<Queue>,
    written: oneshot::Receiver<Written>,
    /// Somebody reads along, and may take any time.
    echoes: bool,
    path: PathBuf,
}

#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    /// There is something to write, or to end for.
    fed: Condvar,
    /// Something was written.
    freed: Notify,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Piece>,
    /// Of the pieces, and of the one that is being written.
    bytes: usize,
    /// Pieces that have been written.
    done: u64,
    /// No more will come.
    closed: bool,
    /// Nobody waits any more.
    abandoned: bool,
    /// There is a file of entries.
    made: bool,
}

impl Writer {
    pub fn start(sink: Sink) -> io::Result<Writer> {
        let queue = Arc::new(Queue::default());
        let (tell, written) = oneshot::channel();
        let (echoes, path) = (sink.echo.is_some(), sink.file.clone());
        let theirs = queue.clone();
        let thread = thread::Builder::new().name("output".into()).stack_size(STACK);
        // It may outlive its unit, and ends with the process.
        thread.spawn(move || drop(tell.send(write(&theirs, sink))))?;
        Ok(Writer { queue, written, echoes, path })
    }

    pub fn push(&self, piece: Piece) {
        let mut state = self.queue.lock();
        state.bytes += piece.size();
        state.pieces.push_back(piece);
        self.queue.fed.notify_one();
    }

    /// Waits until all is written, or until it is clear that it will not be; not for long if it
    /// is `safe` elsewhere. `hurry` says that, and by when, the unit has to end.
    pub async fn finish(mut self, safe: bool, hurry: impl Future<Output = Instant>) -> Written {
        self.queue.lock().closed = true;
        self.queue.fed.notify_one();
        let patience = match (self.echoes, safe) {
            (true, _) => Duration::MAX,
            (false, true) => STALLED_IN_A_HURRY,
            (false, false) => STALLED,
        };
        let stalled = async {
            tokio::select! {
                () = self.queue.stalls(patience) => {}
                end = hurry => tokio::select! {
                    () = self.queue.stalls(STALLED_IN_A_HURRY) => {}
                    () = sleep_until(end) => {}
                },
            }
        };
        tokio::select! {
            biased;
            Ok(written) = &mut self.written => written,
            () = stalled => self.abandon(),
        }
    }

    fn abandon(self) -> Written {
        let mut state = self.queue.lock();
        state.abandoned = true;
        state.pieces.clear();
        let file = state.made.then(|| self.path.clone());
        let trouble = Some("writing it has stalled".to_owned());
        Written { file, dropped: true, trouble, log_trouble: None }
    }
}

impl Drop for Writer {
    /// Whoever does not wait for the end does not want it, either.
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.fed.notify_one();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a panic ends the process")
    }

    /// Returns once there is room for more, at once if there is.
    pub async fn room(&self) {
        loop {
            let freed = self.freed.notified();
            if self.lock().bytes < ROOM {
                return;
            }
            freed.await;
        }
    }

    /// The next to write; `None` at the end.
    fn next(&self) -> Option<Piece> {
        let mut state = self.lock();
        loop {
            if let Some(piece) = state.pieces.pop_front() {
                return Some(piece);
            }
            if state.closed || state.abandoned {
                return None;
            }
            state = self.fed.wait(state).expect("a panic ends the process");
        }
    }

    fn done(&self, size: usize, made: bool) {
        let mut state = self.lock();
        state.bytes -= size;
        state.done += 1;
        state.made = made;
        drop(state);
        self.freed.notify_waiters();
    }

    /// Returns when nothing has been written for so long.
    async fn stalls(&self, patience: Duration) {
        let Some(mut end) = Instant::now().checked_add(patience) else { return pending().await };
        let mut done = self.lock().done;
        while Instant::now() < end {
            sleep(LOOK.min(patience)).await;
            let now = self.lock().done;
            if now != done {
                done = now;
                end = Instant::now() + patience;
            }
        }
    }
}

impl Piece {
    fn size(&self) -> usize {
        let (Piece::Entries(bytes) | Piece::Plain(bytes) | Piece::Echo(bytes)) = self;
        bytes.len() + OVERHEAD
    }
}

/// The thread.
fn write(queue: &Queue, sink: Sink) -> Written {
    let Sink { file, max_bytes, log, echo: _ } = sink;
    let mut store = Store::new(file, max_bytes);
    let mut log = log.map(|path| JobLog::new(path, max_bytes));
    let mut trouble = None;
    let mut made = false;
    while let Some(piece) = queue.next() {
        match &piece {
            // That nothing is kept any more is no reason to end the command.
            Piece::Entries(_) if trouble.is_some() => {}
            Piece::Entries(entries) => {
                trouble = store.append(entries).err();
                made |= trouble.is_none();
            }
            Piece::Plain(text) => {
                if let Some(log) = &mut log {
                    log.append(text);
                }
            }
            Piece::Echo(lines) => echo(lines),
        }
        queue.done(piece.size(), made);
    }
    if queue.lock().abandoned {
        return Written::default();
    }
    let (file, dropped, joined) = store.finish();
    let trouble = trouble.or(joined.err());
    let dropped = dropped || trouble.is_some();
    let trouble = trouble.map(|error| error.to_string());
    Written { file, dropped, trouble, log_trouble: log.and_then(JobLog::finish) }
}

/// Whoever reads along may go away.
fn echo(lines: &[u8]) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(lines).and_then(|()| stdout.flush());
}

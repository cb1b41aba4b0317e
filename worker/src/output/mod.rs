//! Keeps what a unit writes: in CRI's log format, inline while it is little, in files beyond; and
//! as plain lines, where the job's own log or somebody at a terminal wants them.
//!
//! An entry is `<RFC 3339 time> stdout|stderr F|P <text>`. `F` ends a line; `P` does not: its
//! text goes on in the next entry of the stream, or was the last and had no newline. What has been
//! written by a unit that goes on is in its file about a second later, however little it is; what
//! the report has inline is the same, byte for byte, as what the file had.
//!
//! What leaves the memory is written by a thread of its own. Knows nothing of where the bytes come
//! from.

mod forms;
mod job_log;
mod store;
#[cfg(test)]
mod tests;
mod writer;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use jiff::Timestamp;
use loom::protocol::message::{self, Sink};
use tokio::time::{Instant, sleep_until};

use crate::ssh::{Receive, Stream};
use forms::Forms;
use writer::Written;

pub struct Output {
    /// Shared with what looks after it while a task fills it.
    forms: Rc<RefCell<Forms>>,
}

/// Looks after an output while a task fills it.
pub struct Live {
    forms: Rc<RefCell<Forms>>,
}

impl Output {
    pub fn new(sink: Sink) -> Output {
        Output { forms: Rc::new(RefCell::new(Forms::new(sink))) }
    }

    pub fn live(&self) -> Live {
        Live { forms: self.forms.clone() }
    }

    /// A line of the task's own, among those of its commands.
    pub fn line(&mut self, stream: Stream, text: &str) {
        let line = format!("{text}\n");
        self.forms.borrow_mut().add(stream, line.as_bytes());
    }

    /// What goes into the unit's report, and what went wrong with keeping it, in sentences.
    /// `hurry` says that, and by when, the unit has to end, whatever is not written by then.
    pub async fn finish(
        self,
        hurry: impl Future<Output = Instant>,
    ) -> (message::Output, Vec<String>) {
        let (writer, trouble, safe) = {
            let mut forms = self.forms.borrow_mut();
            forms.end();
            (forms.writer.take(), forms.trouble.take(), forms.is_safe())
        };
        let written = match (writer, trouble) {
            (Some(writer), _) => writer.finish(safe, hurry).await,
            (None, Some(error)) => {
                let trouble = Some(error.to_string());
                Written { dropped: true, trouble, ..Written::default() }
            }
            (None, None) => Written::default(),
        };
        self.forms.borrow_mut().report(written)
    }
}

impl Live {
    /// Runs `task`, and writes what it has said once that has waited for long enough. There is a
    /// timer only while something waits.
    pub async fn beside<T>(self, task: impl Future<Output = T>) -> T {
        let mut task = pin!(task);
        let mut timer = pin!(None);
        poll_fn(|cx| {
            if let Poll::Ready(result) = task.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            // Only the task makes something wait, and it was just polled: nobody has to wake us.
            let mut forms = self.forms.borrow_mut();
            while let Some(due) = forms.due() {
                // One that was set for what has been written since is left alone: setting it
                // anew for each line of a flood costs more than its waking us once.
                if timer.is_none() {
                    timer.set(Some(sleep_until(due)));
                }
                match timer.as_mut().as_pin_mut().map(|timer| timer.poll(cx)) {
                    Some(Poll::Pending) => break,
                    Some(Poll::Ready(())) | None => timer.set(None),
                }
                forms.show(Instant::now());
            }
            Poll::Pending
        })
        .await
    }
}

fn now() -> String {
    format!("{:.9}", Timestamp::now())
}

impl Receive for Output {
    /// Never fails: output that cannot be kept is told of at the end.
    fn receive(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        self.forms.borrow_mut().add(stream, bytes);
        Ok(())
    }

    async fn room(&self) {
        let queue = self.forms.borrow().writer.as_ref().map(|writer| writer.queue.clone());
        if let Some(queue) = queue {
            queue.room().await;
        }
    }
}

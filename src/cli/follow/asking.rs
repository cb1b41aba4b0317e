//! Somebody who waits for a run and presses Ctrl-C: whether to cancel the run, to detach or to go
//! on. Where nobody can be asked, and the second time, it is to detach.
//!
//! What comes of it arrives in the channel of whoever waits: the key, and the answer to a cancel.

use std::io;
use std::sync::mpsc::SyncSender;
use std::thread;

use serde_json::{Value, json};

use super::attention::{self, Leaving};
use crate::client::{Client, Failure, Route};
use crate::sys::signals::Signal;
use crate::sys::terminal;

pub const QUESTION: &str = "cancel the run, detach, or go on? [c/d/g] ";

/// What is said when the run is left to itself.
pub fn farewell(id: u64) -> String {
    format!(
        "loom: detached; run {id} goes on: `loom logs -f {id}` follows it, `loom cancel {id}` ends it\n"
    )
}

/// How things that have happened are told to whoever waits.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<T> {
    /// A signal has come.
    pub wake: fn() -> T,
    /// `None`: the terminal is gone.
    pub key: fn(Option<u8>) -> T,
    pub cancelled: fn(Result<(), Failure>) -> T,
}

pub struct Asking<T> {
    id: u64,
    to: SyncSender<T>,
    inputs: Inputs<T>,
    leaving: Leaving,
    pub asks: bool,
    pub cancels: bool,
}

impl<T: Send + 'static> Asking<T> {
    pub fn new(id: u64, to: SyncSender<T>, inputs: Inputs<T>) -> io::Result<Asking<T>> {
        let leaving = Leaving::watch(to.clone(), inputs.wake, farewell(id))?;
        Ok(Asking { id, to, inputs, leaving, asks: false, cancels: false })
    }

    /// The exit status of who leaves by a signal that has come.
    pub fn on_signals(&mut self) -> Option<u8> {
        for signal in self.leaving.take() {
            let asks = signal == Signal::Int && !self.asks && terminal::can_ask();
            if !asks || !self.ask() {
                return Some(attention::status(signal));
            }
        }
        None
    }

    /// Whether there is somebody to be asked.
    fn ask(&mut self) -> bool {
        self.asks = attention::one_of(b"cdg", self.to.clone(), self.inputs.key).is_ok();
        self.asks
    }

    /// The exit status of who leaves by this answer.
    pub fn answered(&mut self, client: &Client, key: Option<u8>) -> Option<u8> {
        self.asks = false;
        terminal::restore();
        match key {
            Some(b'c') => self.cancel(client),
            Some(b'g') => {}
            Some(_) | None => return Some(attention::status(Signal::Int)),
        }
        None
    }

    /// Meanwhile everything goes on.
    fn cancel(&mut self, client: &Client) {
        self.cancels = true;
        let (client, id, to) = (client.clone(), self.id, self.to.clone());
        let cancelled = self.inputs.cancelled;
        let ask = move || {
            let route = Route::to(["runs", &id.to_string(), "cancel"]);
            let answer = client.post::<_, Value>(&route, &json!({}), None);
            // Who is gone does not want to know.
            let _ = to.send(cancelled(answer.map(drop)));
        };
        if let Err(e) = thread::Builder::new().name("cancel".to_owned()).spawn(ask) {
            self.cancels = false;
            eprintln!("loom: it is not cancelled: {e}");
        }
    }

    /// The daemon's answer to that.
    pub fn on_cancelled(&mut self, answer: Result<(), Failure>) {
        if let Err(failure) = answer {
            self.cancels = false;
            eprintln!("loom: it is not cancelled: {failure}");
        }
    }
}

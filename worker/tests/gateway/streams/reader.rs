//! Reads event streams as a browser does.

use std::collections::VecDeque;

use loom::api::unit::{OutputEvent, Unit};
use serde_json::Value;

use crate::gateway::http::{Client, Response};

#[derive(Debug, Clone)]
pub struct Event {
    pub name: String,
    pub data: String,
    /// Where to go on after it.
    pub id: Option<String>,
}

impl Event {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }

    pub fn output(&self) -> OutputEvent {
        serde_json::from_str(&self.data).unwrap()
    }

    /// `UNIT TEXT` of a line.
    pub fn line(&self) -> Option<(u64, String)> {
        match self.output() {
            OutputEvent::Line { unit, text, .. } => Some((unit, text)),
            OutputEvent::Skipped { .. } | OutputEvent::Unit(_) | OutputEvent::Run(_) => None,
        }
    }

    pub fn unit(&self) -> Option<Box<Unit>> {
        match self.output() {
            OutputEvent::Unit(unit) => Some(unit),
            OutputEvent::Line { .. } | OutputEvent::Skipped { .. } | OutputEvent::Run(_) => None,
        }
    }
}

pub struct Reader {
    response: Response,
    held: Vec<u8>,
    ready: VecDeque<Event>,
    last: Option<String>,
    /// Messages that were nothing but an id.
    pub bare_ids: usize,
    pub comments: usize,
}

impl Reader {
    pub fn open(client: &Client, path: &str) -> Reader {
        let response = client.open("GET", path, None);
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.head.header("content-type"), Some("text/event-stream"));
        let (held, ready) = (Vec::new(), VecDeque::new());
        Reader { response, held, ready, last: None, bare_ids: 0, comments: 0 }
    }

    /// Goes on after the last event of another one.
    pub fn resume(client: &Client, path: &str, last: Option<&str>) -> Reader {
        match last {
            Some(last) => Reader::open(&client.clone().with("Last-Event-ID", last), path),
            None => Reader::open(client, path),
        }
    }

    /// `None` at the end of the stream.
    pub fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let chunk = self.response.chunk().expect("the stream breaks off")?;
            self.take(&chunk);
        }
    }

    /// What has come, up to an event that holds this.
    pub fn until(&mut self, holds: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut seen = Vec::new();
        loop {
            let event = self.next().expect("the stream has ended");
            let last = holds(&event);
            seen.push(event);
            if last {
                return seen;
            }
        }
    }

    /// All there is.
    pub fn rest(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// Of the last message, an event or not.
    pub fn last_id(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// Reads on until there is a comment; there must be no event.
    pub fn until_comment(&mut self) {
        while self.comments == 0 {
            let chunk = self.response.chunk().unwrap().expect("the stream has ended");
            self.take(&chunk);
            assert!(self.ready.is_empty(), "{:?}", self.ready);
        }
    }

    /// Reads on until the id is another one; there must be no event.
    pub fn until_moved(&mut self) {
        let before = self.last.clone();
        while self.last == before {
            let chunk = self.response.chunk().unwrap().expect("the stream has ended");
            self.take(&chunk);
            assert!(self.ready.is_empty(), "{:?}", self.ready);
        }
    }

    fn take(&mut self, chunk: &[u8]) {
        self.held.extend_from_slice(chunk);
        while let Some(end) = self.held.windows(2).position(|two| two == b"\n\n") {
            let message = String::from_utf8(self.held.drain(..end + 2).collect()).unwrap();
            self.message(&message);
        }
    }

    fn message(&mut self, message: &str) {
        let (mut name, mut data) = (None, None);
        self.comments += usize::from(message.starts_with(':'));
        let mut bare = false;
        for line in message.lines().filter(|line| !line.is_empty() && !line.starts_with(':')) {
            let (field, value) = line.split_once(": ").expect("a field has a value");
            match field {
                "event" => name = Some(value.to_owned()),
                "data" => data = Some(value.to_owned()),
                "id" => {
                    self.last = Some(value.to_owned());
                    bare = true;
                }
                "retry" => {}
                other => panic!("{other}"),
            }
        }
        match (name, data) {
            (Some(name), Some(data)) => {
                self.ready.push_back(Event { name, data, id: self.last.clone() });
            }
            (None, None) => self.bare_ids += usize::from(bare),
            odd => panic!("{odd:?}"),
        }
    }
}

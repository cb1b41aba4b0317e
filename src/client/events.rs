//! Server-sent events: read line by line, asked for anew from where they were.

use std::io::{BufRead, BufReader, Read};
use std::thread;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::{Client, Failure, Route};

/// A gateway with nothing to tell says so more often than this. One that says nothing is asked anew.
const SILENCE: Duration = Duration::from_secs(90);

/// Before it is asked anew: the first pause, and the longest.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Without an answer for so long, there will be none.
const GIVE_UP: Duration = Duration::from_secs(60);

/// Of one event, in bytes; one of ours has a few kilobytes.
const LARGEST: u64 = 16 << 20;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// To go on from behind it.
    pub id: Option<String>,
    /// Its name; `message` if it has none.
    pub event: String,
    pub data: String,
}

impl Frame {
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.data).map_err(|e| {
            Failure::odd(format!("an event {:?} cannot be understood: {e}", self.event))
        })
    }
}

/// See [`Client::events`].
pub struct Events {
    client: Client,
    route: Route,
    /// The last id there was.
    last: Option<String>,
    stream: Option<Lines>,
    pause: Duration,
    /// It was answered at least once.
    begun: bool,
    /// Since when there was no answer.
    silent_since: Option<Instant>,
    give_up: Duration,
    done: bool,
}

impl Events {
    pub(super) fn of(client: Client, route: Route, last: Option<String>) -> Events {
        Events {
            client,
            route,
            last,
            stream: None,
            pause: PAUSE,
            begun: false,
            silent_since: None,
            give_up: GIVE_UP,
            done: false,
        }
    }

    /// Gives up after so long, in place of a minute.
    pub fn give_up_after(self, give_up: Duration) -> Events {
        Events { give_up, ..self }
    }

    /// Behind which event it would go on.
    pub fn last_id(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// Returns once it is answered: what happens from then on will be among the events.
    pub fn open(&mut self) -> Result<(), Failure> {
        loop {
            match self.stream().map(drop) {
                Err(failure) if self.may_go_on(&failure) => {}
                answered => return answered,
            }
        }
    }

    /// The stream there is, or one that is opened.
    fn stream(&mut self) -> Result<&mut Lines, Failure> {
        if self.stream.is_none() {
            let (route, last) = (&self.route, self.last.as_deref());
            let body = self.client.http.stream(route, "text/event-stream", last, Some(SILENCE))?;
            self.begun = true;
            self.stream = Some(Lines::of(body));
        }
        Ok(self.stream.as_mut().expect("it is there by now"))
    }

    /// The next event of the stream there is, or of one that is opened for it.
    fn attempt(&mut self) -> Result<Option<Frame>, Failure> {
        self.stream()?;
        let http = &self.client.http;
        let stream = self.stream.as_mut().expect("it is there by now");
        let frame = stream.next_frame();
        if stream.heard {
            self.silent_since = None;
            self.pause = PAUSE;
        }
        if let Some(id) = &stream.place {
            // An empty one says: from the beginning.
            self.last = Some(id.clone()).filter(|id| !id.is_empty());
        }
        frame.map_err(|e| http.explain_read(e))
    }

    /// Whether to ask again, after a pause.
    fn may_go_on(&mut self, failure: &Failure) -> bool {
        let passing = failure.is_passing()
            // Once it has spoken with us, a daemon that is not there is one that is started anew.
            || self.begun && failure.problem().is_none_or(|problem| problem.status == 503);
        let since = *self.silent_since.get_or_insert_with(Instant::now);
        if !passing || since.elapsed() + self.pause > self.give_up {
            return false;
        }
        thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }
}

impl Iterator for Events {
    type Item = Result<Frame, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            let failure = match self.attempt() {
                Ok(Some(frame)) => return Some(Ok(frame)),
                // It has ended in good order; there may be more all the same.
                Ok(None) => Failure::lost(format!("{} ends the stream", self.client.place())),
                Err(failure) => failure,
            };
            self.stream = None;
            if !self.may_go_on(&failure) {
                self.done = true;
                return Some(Err(failure));
            }
        }
        None
    }
}

/// A body as the lines of an event stream.
struct Lines {
    body: BufReader<Box<dyn Read + Send>>,
    /// Anything has come since the last look.
    heard: bool,
    /// The id of the last message that was complete, an event or not.
    place: Option<String>,
    id: Option<String>,
    event: String,
    data: Vec<String>,
    /// The bytes of an event that may yet come.
    left: u64,
}

impl Lines {
    fn of(body: Box<dyn Read + Send>) -> Lines {
        let body = BufReader::new(body);
        let (event, data) = (String::new(), Vec::new());
        Lines { body, heard: false, place: None, id: None, event, data, left: LARGEST }
    }

    /// `None` at the end. An event that is not complete by then is none.
    fn next_frame(&mut self) -> std::io::Result<Option<Frame>> {
        self.heard = false;
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut self.body).take(self.left).read_until(b'\n', &mut line)?;
            if read == 0 && self.left > 0 {
                return Ok(None);
            }
            self.heard = true;
            self.left -= read as u64;
            if line.pop_if(|byte| *byte == b'\n').is_none() {
                let what = "an event has no end";
                return Err(std::io::Error::other(what));
            }
            line.pop_if(|byte| *byte == b'\r');
            if let Some(frame) = self.take(&String::from_utf8_lossy(&line)) {
                return Ok(Some(frame));
            }
        }
    }

    /// The event that is complete by this line.
    fn take(&mut self, line: &str) -> Option<Frame> {
        if line.is_empty() {
            self.left = LARGEST;
            self.place.clone_from(&self.id);
            let event = std::mem::take(&mut self.event);
            let data = std::mem::take(&mut self.data);
            let event = if event.is_empty() { "message".to_owned() } else { event };
            let frame = || Frame { id: self.id.clone(), event, data: data.join("\n") };
            return (!data.is_empty()).then(frame);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.event),
            "data" => self.data.push(value.to_owned()),
            // A comment has no field's name; `retry` is for those who would wait for ever.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same bytes for ever.
    struct Endless(&'static [u8], usize);

    impl Read for Endless {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            for byte in to.iter_mut() {
                *byte = self.0[self.1 % self.0.len()];
                self.1 += 1;
            }
            Ok(to.len())
        }
    }

    #[test]
    fn an_event_has_an_end() {
        for bytes in [&b"data: more and more\n"[..], b"data: x"] {
            let mut lines = Lines::of(Box::new(Endless(bytes, 0)));
            assert!(lines.next_frame().unwrap_err().to_string().contains("no end"));
        }
        let mut lines = Lines::of(Box::new(Endless(b"data: x\n\n", 0)));
        for _ in 0..2_000_000 {
            assert_eq!(lines.next_frame().unwrap().unwrap().data, "x");
        }
    }
}
